// LAR, LSL, VERR, VERW and ARPL: questions about descriptors, answered in ZF. Intel SDM vol. 2; vol. 3A 5.10. A
// selector that cannot be looked at clears ZF and is no fault.
#include "cpu/semantics.h"

enum question { ASK_LAR, ASK_LSL, ASK_READ, ASK_WRITE };

static bool type_is_known(enum question question, unsigned attr) {
    unsigned type = attr & ATTR_TYPE;
    switch (question) {
    case ASK_LAR:
        if (attr & ATTR_S)
            return true;
        return type == TYPE_TSS16 || type == TYPE_LDT || type == TYPE_TSS16_BUSY || type == TYPE_CALL_GATE16 ||
               type == TYPE_TASK_GATE || type == TYPE_TSS32 || type == TYPE_TSS32_BUSY || type == TYPE_CALL_GATE32;
    case ASK_LSL:
        if (attr & ATTR_S)
            return true;
        return type == TYPE_TSS16 || type == TYPE_LDT || type == TYPE_TSS16_BUSY || type == TYPE_TSS32 ||
               type == TYPE_TSS32_BUSY;
    case ASK_READ: return (attr & ATTR_S) && (!(attr & ATTR_CODE) || (attr & ATTR_READABLE));
    default: return attr_is_writable_data(attr);
    }
}

// 1: ZF will be set and *descriptor is valid; 0: ZF will be clear; -1: a page fault.
static int ask(struct vcpu *v, enum question question, uint32_t selector, uint64_t *descriptor) {
    if (selector_is_null(selector))
        return 0;
    switch (cpu_fetch_descriptor(v, selector, descriptor)) {
    case FETCH_OUTSIDE: return 0;
    case FETCH_FAULT: return -1;
    default: break;
    }
    unsigned attr = descriptor_attr(*descriptor), rpl = selector & 3;
    if (!type_is_known(question, attr))
        return 0;
    if (attr_is_conforming(attr))
        return 1;
    return attr_dpl(attr) >= v->cpl && attr_dpl(attr) >= rpl;
}

static bool not_protected(struct vcpu *v) {
    if (cpu_protected(v) && !(v->abi.sys_flags & EFLAGS_VM))
        return false;
    cpu_raise(v, VECTOR_UD);
    return true;
}

static enum callout_result answer(struct vcpu *v, enum question question, uint32_t offset, uint32_t rm, uint32_t word) {
    uint32_t selector, value;
    uint64_t descriptor;
    if (not_protected(v) || cpu_read_rm(v, rm, offset, 2, &selector) < 0)
        return callout_failed(v);
    int yes = ask(v, question, selector, &descriptor);
    if (yes < 0)
        return callout_failed(v);
    v->abi.flags = (v->abi.flags & ~EFLAGS_ZF) | (yes ? EFLAGS_ZF : 0);
    if (yes && question == ASK_LAR) {
        value = (uint32_t)(descriptor >> 32) & 0x00ffff00;
        cpu_set_reg(v, RM_OTHER(rm) & 7, CALLOUT_EXTRA(word) == 2 ? 2 : 4, value);
    } else if (yes && question == ASK_LSL) {
        struct cpu_segment segment;
        cpu_unpack_segment(&segment, selector, descriptor);
        cpu_set_reg(v, RM_OTHER(rm) & 7, CALLOUT_EXTRA(word) == 2 ? 2 : 4, segment.limit);
    }
    return CALLOUT_CONTINUE;
}

enum callout_result callout_LAR(struct vcpu *v, uint32_t r8, uint32_t r9, uint32_t word) {
    return answer(v, ASK_LAR, r8, r9, word);
}

enum callout_result callout_LSL(struct vcpu *v, uint32_t r8, uint32_t r9, uint32_t word) {
    return answer(v, ASK_LSL, r8, r9, word);
}

enum callout_result callout_VERR(struct vcpu *v, uint32_t r8, uint32_t r9, uint32_t word) {
    return answer(v, ASK_READ, r8, r9, word);
}

enum callout_result callout_VERW(struct vcpu *v, uint32_t r8, uint32_t r9, uint32_t word) {
    return answer(v, ASK_WRITE, r8, r9, word);
}

enum callout_result callout_ARPL(struct vcpu *v, uint32_t r8, uint32_t r9, uint32_t word) {
    (void)word;
    uint32_t selector, rpl = cpu_get_reg(v, RM_OTHER(r9) & 7, 2) & 3;
    // The destination is written in either case, so that a read-only one faults (SDM vol. 2A).
    if (not_protected(v) || (!RM_IS_REGISTER(r9) && cpu_probe_write(v, RM_INDEX(r9), r8, 2) < 0) ||
        cpu_read_rm(v, r9, r8, 2, &selector) < 0)
        return callout_failed(v);
    bool raise = (selector & 3) < rpl;
    if (raise && cpu_write_rm(v, r9, r8, 2, (selector & 0xfffc) | rpl) < 0)
        return callout_failed(v);
    v->abi.flags = (v->abi.flags & ~EFLAGS_ZF) | (raise ? EFLAGS_ZF : 0);
    return CALLOUT_CONTINUE;
}
