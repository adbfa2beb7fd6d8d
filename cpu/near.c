// Near transfers of code whose segment has a base, a limit or 16-bit size (MODE_CS_CHECKED). Intel SDM vol. 2, JMP,
// Jcc, CALL, RET, LOOP, JCXZ. The target is checked against the limit before anything changes.
#include "cpu/semantics.h"

// The conditions of Jcc (SDM vol. 1, appendix B): the low bit negates.
static bool condition_holds(uint32_t flags, unsigned condition) {
    bool cf = flags & EFLAGS_CF, zf = flags & EFLAGS_ZF, sf = flags & EFLAGS_SF, of = flags & EFLAGS_OF;
    bool holds;
    switch (condition >> 1) {
    case 0: holds = of; break;
    case 1: holds = cf; break;
    case 2: holds = zf; break;
    case 3: holds = cf || zf; break;
    case 4: holds = sf; break;
    case 5: holds = flags & EFLAGS_PF; break;
    case 6: holds = sf != of; break;
    default: holds = zf || sf != of; break;
    }
    return holds != (condition & 1);
}

// LOOP and its kin count in ECX or CX; *ecx is the new value.
static bool taken(const struct vcpu *v, uint32_t near, uint32_t *ecx) {
    uint32_t mask = NEAR_ADDRESS16(near) ? 0xffffu : 0xffffffffu, count = v->abi.gpr[CPU_ECX] & mask;
    bool zf = v->abi.flags & EFLAGS_ZF;
    *ecx = v->abi.gpr[CPU_ECX];
    switch (NEAR_KIND(near)) {
    case NEAR_JCC: return condition_holds(v->abi.flags, NEAR_CONDITION(near));
    case NEAR_JCXZ: return count == 0;
    case NEAR_LOOP:
    case NEAR_LOOPE:
    case NEAR_LOOPNE:
        count = (count - 1) & mask;
        *ecx = (*ecx & ~mask) | count;
        if (NEAR_KIND(near) == NEAR_LOOP)
            return count != 0;
        return count != 0 && zf == (NEAR_KIND(near) == NEAR_LOOPE);
    default: return true;
    }
}

enum callout_result callout_NEAR(struct vcpu *v, uint32_t r8, uint32_t r9, uint32_t word) {
    unsigned size = NEAR_OPERAND16(r9) ? 2 : 4;
    uint32_t next = v->abi.eip + CALLOUT_LENGTH(word), target = next + r8, ecx;
    struct cpu_stack stack;
    cpu_stack_current(v, &stack);
    bool jump = taken(v, r9, &ecx);
    enum near_kind kind = NEAR_KIND(r9);
    if (kind == NEAR_JMP_IND || kind == NEAR_CALL_IND)
        target = r8;
    if (kind == NEAR_RET && cpu_stack_peek(v, 0, &target, 1, size) < 0)
        return callout_failed(v);
    target &= offset_mask(size);
    if (!jump)
        target = next;
    if (jump && !cpu_limit_ok(&v->seg[CPU_SEG_CS], target, 1)) {
        cpu_raise_error(v, VECTOR_GP, 0);
        return CALLOUT_FAULT;
    }
    if ((kind == NEAR_CALL || kind == NEAR_CALL_IND) && cpu_stack_push(v, &stack, &next, 1, size) < 0)
        return callout_failed(v);
    v->abi.gpr[CPU_ESP] = stack.esp;
    v->abi.gpr[CPU_ECX] = ecx;
    if (kind == NEAR_RET)
        cpu_stack_release(v, size + (r8 & 0xffff));
    v->abi.eip = target;
    return CALLOUT_JUMP;
}
