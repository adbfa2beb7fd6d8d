// SYSENTER and SYSEXIT: fast transfers to ring 0 and back, without descriptors. Intel SDM vol. 2B; vol. 3A 5.8.7. Light
// code: general registers only, no library calls.
#include "cpu/semantics.h"

enum callout_result callout_SYSENTER(struct vcpu *v, uint32_t r8, uint32_t r9, uint32_t word) {
    (void)r8, (void)r9, (void)word;
    unsigned selector = v->msr.sysenter_cs & 0xfffc;
    uint32_t from = v->mode;
    if (!cpu_protected(v) || selector_is_null(selector)) {
        cpu_raise_error(v, VECTOR_GP, 0);
        return CALLOUT_FAULT;
    }
    v->abi.sys_flags &= ~(EFLAGS_VM | EFLAGS_IF | EFLAGS_RF);
    cpu_commit_flat(v, selector, (selector + 8) & 0xfffc, 0);
    v->abi.gpr[CPU_ESP] = v->msr.sysenter_esp;
    v->abi.eip = v->msr.sysenter_eip;
    cpu_mode_update(v);
    engine_note_crossing(v, CROSSING_SYSENTER, from);
    return CALLOUT_JUMP;
}

enum callout_result callout_SYSEXIT(struct vcpu *v, uint32_t r8, uint32_t r9, uint32_t word) {
    (void)r8, (void)r9, (void)word;
    unsigned selector = v->msr.sysenter_cs & 0xfffc;
    uint32_t from = v->mode;
    if (!cpu_protected(v) || v->cpl != 0 || selector_is_null(selector)) {
        cpu_raise_error(v, VECTOR_GP, 0);
        return CALLOUT_FAULT;
    }
    cpu_commit_flat(v, ((selector + 16) | 3) & 0xffff, ((selector + 24) | 3) & 0xffff, 3);
    v->abi.gpr[CPU_ESP] = v->abi.gpr[CPU_ECX];
    v->abi.eip = v->abi.gpr[CPU_EDX];
    cpu_mode_update(v);
    engine_note_crossing(v, CROSSING_SYSEXIT, from);
    return CALLOUT_JUMP;
}
