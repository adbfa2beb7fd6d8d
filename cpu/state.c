// Registers, EFLAGS and the block mode that follows from the processor's state (translator/abi.h). Light code: general
// registers only, no library calls (PITFALLS 6). cpu_mode_update runs at every change of privilege, so what depends on
// segments and control registers is kept ready by those who change them.
#include "cpu/semantics.h"

uint32_t cpu_eflags(const struct vcpu *v) {
    return (v->abi.flags & EFLAGS_LIVE) | (v->abi.sys_flags & ~(EFLAGS_LIVE | 2u)) | 2u;
}

void cpu_set_eflags(struct vcpu *v, uint32_t value, uint32_t mask) {
    uint32_t before = v->abi.sys_flags;
    uint32_t live = mask & EFLAGS_LIVE, system = mask & ~EFLAGS_LIVE & ~2u;
    v->abi.flags = (v->abi.flags & ~live) | (value & live);
    v->abi.sys_flags = (before & ~system) | (value & system);
    uint32_t changed = before ^ v->abi.sys_flags;
    if (changed & (EFLAGS_TF | EFLAGS_IOPL | EFLAGS_AC | EFLAGS_VM))
        cpu_mode_update(v);
    if ((changed & v->abi.sys_flags & EFLAGS_IF) && v->abi.pending)
        engine_interrupt_window(v);
}

uint32_t cpu_get_reg(const struct vcpu *v, unsigned reg, unsigned size) {
    switch (size) {
    case 1: return reg < 4 ? v->abi.gpr[reg] & 0xff : v->abi.gpr[reg - 4] >> 8 & 0xff;
    case 2: return v->abi.gpr[reg] & 0xffff;
    default: return v->abi.gpr[reg];
    }
}

void cpu_set_reg(struct vcpu *v, unsigned reg, unsigned size, uint32_t value) {
    uint32_t *gpr = v->abi.gpr;
    if (size == 1 && reg < 4)
        gpr[reg] = (gpr[reg] & ~0xffu) | (value & 0xff);
    else if (size == 1)
        gpr[reg - 4] = (gpr[reg - 4] & ~0xff00u) | (value & 0xff) << 8;
    else if (size == 2)
        gpr[reg] = (gpr[reg] & ~0xffffu) | (value & 0xffff);
    else
        gpr[reg] = value;
}

uint32_t cpu_linear_eip(const struct vcpu *v) {
    return v->seg[CPU_SEG_CS].base + v->abi.eip;
}

void cpu_control_update(struct vcpu *v) {
    uint32_t mode = (v->clock.counts ? MODE_COUNTED : 0u) | (v->trace.on ? MODE_TRACED : 0u);
    if (v->abi.cr0 & (CR0_EM | CR0_TS))
        mode |= MODE_X87_NM;
    if ((v->abi.cr0 & CR0_MP) && (v->abi.cr0 & CR0_TS))
        mode |= MODE_WAIT_NM;
    if ((v->abi.cr0 & CR0_EM) || !(v->abi.cr4 & CR4_OSFXSR))
        mode |= MODE_SSE_UD;
    if (v->abi.cr0 & CR0_EM)
        mode |= MODE_MMX_UD;
    if (v->abi.cr0 & CR0_TS)
        mode |= MODE_SIMD_NM;
    const uint32_t vectors = XCR0_SSE | XCR0_AVX;
    if ((v->abi.cr0 & CR0_PE) && (v->abi.cr4 & CR4_OSXSAVE) && (v->xcr0 & vectors) == vectors)
        mode |= MODE_AVX;
    v->control_mode = mode;
    cpu_forget_crossings(v);
    cpu_forget_cpuid(v);
}

void cpu_mode_update(struct vcpu *v) {
    bool user = cpu_user(v);
    uint32_t mode = v->segment_mode | v->control_mode | (uint32_t)v->cpl << MODE_CPL_SHIFT;
    // By itself: as a part of one wide load with the flags it would wait for what was just stored to these.
    if ((v->abi.sys_flags & EFLAGS_TF) || *(const volatile uint8_t *)&v->abi.shadow)
        mode |= MODE_ONE;
    if (v->cpl <= cpu_iopl(v))
        mode |= MODE_IOPL_OK;
    if (user && (v->abi.cr4 & CR4_TSD))
        mode |= MODE_TSC_GP;
    if (user && (v->abi.cr0 & CR0_AM) && (v->abi.sys_flags & EFLAGS_AC))
        mode |= MODE_ALIGN;
    if (v->abi.sys_flags & EFLAGS_VM)
        mode |= MODE_V86;
    bool open = (v->abi.cr4 & CR4_SMAP) && !user && (v->abi.sys_flags & EFLAGS_AC);
    if (open != v->user_open) {
        v->user_open = open;
        mmu_open_user(v->mmu, open);
    }
    if (engine_settled(v, mode))
        return;
    v->mode = window_view_soft(v->mmu, user) ? mode | MODE_SOFT : mode;
    engine_mode_changed(v);
}
