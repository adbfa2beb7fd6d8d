// CLI, STI, PUSHF and POPF where they cannot be done in line: IOPL, IF, TF and the interrupt shadow; STAC and CLAC.
// Intel SDM vol. 2, the tables of these instructions; vol. 3A 6.8.1. Light code: general registers only, no library
// calls.
#include "cpu/semantics.h"

enum callout_result callout_CLI(struct vcpu *v, uint32_t r8, uint32_t r9, uint32_t word) {
    (void)r8, (void)r9, (void)word;
    if (cpu_virtual_if(v)) {
        v->abi.sys_flags &= ~EFLAGS_VIF;
        return CALLOUT_CONTINUE;
    }
    if (cpu_protected(v) && v->cpl > cpu_iopl(v)) {
        cpu_raise_error(v, VECTOR_GP, 0);
        return CALLOUT_FAULT;
    }
    v->abi.sys_flags &= ~EFLAGS_IF;
    return CALLOUT_CONTINUE;
}

enum callout_result callout_STI(struct vcpu *v, uint32_t r8, uint32_t r9, uint32_t word) {
    (void)r8, (void)r9;
    if (cpu_virtual_if(v) && !(v->abi.sys_flags & EFLAGS_VIP)) {
        v->abi.sys_flags |= EFLAGS_VIF;
        return CALLOUT_CONTINUE;
    }
    if (cpu_protected(v) && v->cpl > cpu_iopl(v)) {
        cpu_raise_error(v, VECTOR_GP, 0);
        return CALLOUT_FAULT;
    }
    if (v->abi.sys_flags & EFLAGS_IF)
        return CALLOUT_CONTINUE;
    v->abi.sys_flags |= EFLAGS_IF;
    if (v->abi.pending)
        engine_interrupt_window(v);
    v->abi.shadow = 1; // exactly one more instruction before an interrupt
    cpu_mode_update(v);
    callout_next(v, word);
    return CALLOUT_LEAVE;
}

enum callout_result callout_PUSHF(struct vcpu *v, uint32_t r8, uint32_t r9, uint32_t word) {
    (void)r8, (void)r9;
    uint32_t image = cpu_eflags(v) & ~(EFLAGS_VM | EFLAGS_RF);
    if ((v->abi.sys_flags & EFLAGS_VM) && cpu_v86_pushf(v, CALLOUT_EXTRA(word), &image) < 0)
        return CALLOUT_FAULT;
    struct cpu_stack stack;
    cpu_stack_current(v, &stack);
    if (cpu_stack_push(v, &stack, &image, 1, CALLOUT_EXTRA(word)) < 0)
        return callout_failed(v);
    v->abi.gpr[CPU_ESP] = stack.esp;
    return CALLOUT_CONTINUE;
}

enum callout_result callout_POPF(struct vcpu *v, uint32_t r8, uint32_t r9, uint32_t word) {
    (void)r8;
    uint32_t mask = EFLAGS_LIVE | EFLAGS_TF | EFLAGS_NT;
    if (CALLOUT_EXTRA(word) == 4) {
        mask |= EFLAGS_AC | EFLAGS_ID;
        v->abi.sys_flags &= ~EFLAGS_RF;
        if (v->cpl == 0)
            v->abi.sys_flags &= ~(EFLAGS_VIF | EFLAGS_VIP);
    }
    if (!cpu_protected(v) || v->cpl == 0)
        mask |= EFLAGS_IOPL;
    if (!cpu_protected(v) || v->cpl <= cpu_iopl(v))
        mask |= EFLAGS_IF;
    cpu_set_eflags(v, r9, mask);
    return CALLOUT_CONTINUE;
}

// STAC and CLAC exist with SMAP and at CPL 0 alone: anything else is #UD (SDM vol. 2A and 2B).
static enum callout_result set_ac(struct vcpu *v, uint32_t value) {
    if (!(v->cr4_optional & CR4_SMAP) || v->cpl != 0) {
        cpu_raise(v, VECTOR_UD);
        return CALLOUT_FAULT;
    }
    cpu_set_eflags(v, value, EFLAGS_AC);
    return CALLOUT_CONTINUE;
}

enum callout_result callout_STAC(struct vcpu *v, uint32_t r8, uint32_t r9, uint32_t word) {
    (void)r8, (void)r9, (void)word;
    return set_ac(v, EFLAGS_AC);
}

enum callout_result callout_CLAC(struct vcpu *v, uint32_t r8, uint32_t r9, uint32_t word) {
    (void)r8, (void)r9, (void)word;
    return set_ac(v, 0);
}
