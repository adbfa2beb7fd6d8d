// The architectural state in and out of a vCPU that is not running: loaders, inspection and reset use it.
#include "cpu/fx_image.h"
#include "cpu/semantics.h"

#include <string.h>

void vcpu_get_state(const struct vcpu *v, struct cpu_state *state) {
    memset(state, 0, sizeof *state);
    memcpy(state->gpr, v->abi.gpr, sizeof state->gpr);
    memcpy(state->dr, v->dr, sizeof state->dr);
    memcpy(state->seg, v->seg, sizeof state->seg);
    state->eip = v->abi.eip;
    state->eflags = cpu_eflags(v);
    state->cr0 = v->abi.cr0;
    state->cr2 = v->abi.cr2;
    state->cr3 = v->abi.cr3;
    state->cr4 = v->abi.cr4;
    state->ldtr = v->ldtr;
    state->tr = v->tr;
    state->gdt_base = v->gdt_base;
    state->gdt_limit = v->gdt_limit;
    state->idt_base = v->idt_base;
    state->idt_limit = v->idt_limit;
}

void vcpu_set_state(struct vcpu *v, const struct cpu_state *state) {
    memcpy(v->abi.gpr, state->gpr, sizeof state->gpr);
    memcpy(v->dr, state->dr, sizeof state->dr);
    v->abi.eip = state->eip;
    v->abi.flags = state->eflags & EFLAGS_LIVE;
    v->abi.sys_flags = state->eflags & ~(EFLAGS_LIVE | 2u);
    v->abi.shadow = 0;
    v->abi.cr0 = state->cr0;
    v->abi.cr2 = state->cr2;
    v->abi.cr3 = state->cr3;
    v->abi.cr4 = state->cr4;
    v->ldtr = state->ldtr;
    v->tr = state->tr;
    cpu_known_forget(v);
    v->gdt_base = state->gdt_base;
    v->gdt_limit = state->gdt_limit;
    v->idt_base = state->idt_base;
    v->idt_limit = state->idt_limit;
    for (unsigned seg = 0; seg < CPU_SEG_COUNT; seg++)
        cpu_commit_segment(v, seg, &state->seg[seg]);
    tsc_rate_start(v);
    cpu_control_apply(v);
    engine_flush_code_roots(v, false);
    v->debug.found = v->debug.pending = 0;
    cpu_debug_arm(v);
    cpu_mode_update(v);
}

// Of the FXSAVE image: FCW FSW FTW; MXCSR; ST0 to XMM7, then the upper halves of YMM0 to YMM7. The pointers in between
// are the host's, and the guest's stand in abi.
void vcpu_visit_state(struct vcpu *v, void (*visit)(void *opaque, const void *data, size_t size), void *opaque) {
    struct cpu_state state;
    engine_park_x87(v);
    vcpu_get_state(v, &state);
    visit(opaque, &state, sizeof state);
    const uint64_t msr[] = {v->msr.sysenter_cs, v->msr.sysenter_esp, v->msr.sysenter_eip, v->msr.efer,
                            v->msr.pat,         v->msr.misc_enable,  v->msr.tsc_adjust,   clock_tsc(v),
                            v->abi.fip,         v->abi.fdp,          v->a20 ? 1u : 0u,    v->xcr0};
    visit(opaque, msr, sizeof msr);
    visit(opaque, v->abi.fx, FX_FOP);
    visit(opaque, v->abi.fx + FX_MXCSR, 4);
    visit(opaque, v->abi.fx + FX_ST, FX_USED - FX_ST);
    visit(opaque, v->abi.ymm, sizeof v->abi.ymm);
}
