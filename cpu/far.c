// Far transfers: JMP, CALL and RET between code segments, and loads of a far pointer into a segment and a register.
// Intel SDM vol. 2, JMP, CALL, RET, LDS; vol. 3A 5.8. Gates are in gate.c. Every access and check comes before the
// first change.
#include "cpu/semantics.h"

// A direct transfer stays in its ring (SDM vol. 3A 5.8.1).
static int check_direct(struct vcpu *v, uint32_t selector, unsigned attr) {
    unsigned dpl = attr_dpl(attr), rpl = selector & 3;
    bool ring_ok = attr_is_conforming(attr) ? dpl <= v->cpl : rpl <= v->cpl && dpl == v->cpl;
    if (!attr_is_code(attr) || !ring_ok)
        return cpu_raise_error(v, VECTOR_GP, selector_error(selector, 0));
    if (!(attr & ATTR_P))
        return cpu_raise_error(v, VECTOR_NP, selector_error(selector, 0));
    return 0;
}

void cpu_enter_code(struct vcpu *v, uint32_t selector, unsigned ring, uint64_t descriptor, uint32_t eip) {
    struct cpu_segment code;
    cpu_unpack_segment(&code, (selector & 0xfffc) | ring, descriptor);
    cpu_commit_segment(v, CPU_SEG_CS, &code);
    v->abi.eip = eip;
    cpu_mode_update(v);
}

static int direct(struct vcpu *v, uint32_t selector, uint64_t descriptor, uint32_t eip, unsigned size, bool call,
                  uint32_t next) {
    struct cpu_segment code;
    struct cpu_stack stack;
    if (check_direct(v, selector, descriptor_attr(descriptor)) < 0)
        return -1;
    cpu_unpack_segment(&code, selector, descriptor);
    eip &= offset_mask(size);
    cpu_stack_current(v, &stack);
    if (!cpu_limit_ok(&code, eip, 1)) // the room on the stack is looked at first
        return call && cpu_stack_room(v, &stack, 2, size) < 0 ? -1 : cpu_raise_error(v, VECTOR_GP, 0);
    if (cpu_mark_accessed(v, selector, &descriptor) < 0)
        return -1;
    const uint32_t items[2] = {v->seg[CPU_SEG_CS].selector, next};
    if (call && cpu_stack_push(v, &stack, items, 2, size) < 0)
        return -1;
    v->abi.gpr[CPU_ESP] = stack.esp;
    cpu_enter_code(v, selector, v->cpl, descriptor, eip);
    return 0;
}

// A TSS or a task gate.
static int task(struct vcpu *v, uint32_t selector, uint64_t descriptor, bool call, uint32_t next) {
    unsigned attr = descriptor_attr(descriptor);
    if (attr_dpl(attr) < v->cpl || attr_dpl(attr) < (selector & 3))
        return cpu_raise_error(v, VECTOR_GP, selector_error(selector, 0));
    if (!(attr & ATTR_P))
        return cpu_raise_error(v, VECTOR_NP, selector_error(selector, 0));
    if ((attr & ATTR_TYPE) == TYPE_TASK_GATE)
        selector = (uint32_t)descriptor >> 16;
    return cpu_task_transfer(v, selector, call, next);
}

int cpu_far_transfer(struct vcpu *v, uint32_t selector, uint32_t offset, unsigned size, bool call, uint32_t next) {
    uint64_t descriptor;
    if (!cpu_uses_descriptors(v))
        return cpu_real_far(v, selector, offset, size, call, next);
    if (selector_is_null(selector))
        return cpu_raise_error(v, VECTOR_GP, 0);
    if (cpu_need_descriptor(v, selector, VECTOR_GP, 0, &descriptor) < 0)
        return -1;
    unsigned attr = descriptor_attr(descriptor);
    if (attr & ATTR_S)
        return direct(v, selector, descriptor, offset, size, call, next);
    switch (attr & ATTR_TYPE) {
    case TYPE_CALL_GATE16:
    case TYPE_CALL_GATE32: return cpu_call_gate(v, selector, descriptor, call, next);
    case TYPE_TASK_GATE:
    case TYPE_TSS16:
    case TYPE_TSS32: return task(v, selector, descriptor, call, next);
    default: return cpu_raise_error(v, VECTOR_GP, selector_error(selector, 0));
    }
}

static enum callout_result transfer(struct vcpu *v, uint32_t selector, uint32_t offset, bool call, uint32_t word) {
    uint32_t next = v->abi.eip + CALLOUT_LENGTH(word);
    int result = cpu_far_transfer(v, selector & 0xffff, offset, CALLOUT_EXTRA(word), call, next);
    return result < 0 ? callout_failed(v) : CALLOUT_JUMP;
}

enum callout_result callout_FAR_JMP(struct vcpu *v, uint32_t r8, uint32_t r9, uint32_t word) {
    return transfer(v, r9, r8, false, word);
}

enum callout_result callout_FAR_CALL(struct vcpu *v, uint32_t r8, uint32_t r9, uint32_t word) {
    return transfer(v, r9, r8, true, word);
}

// Reads offset and selector of a far pointer in memory. 0 or -1.
static int read_pointer(struct vcpu *v, uint32_t rm, uint32_t at, unsigned size, uint32_t *offset, uint32_t *selector) {
    uint8_t bytes[6] = {0};
    if (cpu_read_aligned(v, RM_INDEX(rm), at, bytes, size + 2, size) < 0)
        return -1;
    *offset = (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8;
    if (size == 4)
        *offset |= (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
    *selector = (uint32_t)bytes[size] | (uint32_t)bytes[size + 1] << 8;
    return 0;
}

enum callout_result callout_FAR_MEM(struct vcpu *v, uint32_t r8, uint32_t r9, uint32_t word) {
    uint32_t offset, selector;
    if (read_pointer(v, r9, r8, CALLOUT_EXTRA(word), &offset, &selector) < 0)
        return callout_failed(v);
    return transfer(v, selector, offset, RM_OTHER(r9) & 1, word);
}

enum callout_result callout_FAR_RET(struct vcpu *v, uint32_t r8, uint32_t r9, uint32_t word) {
    (void)r8;
    unsigned size = CALLOUT_EXTRA(word);
    uint32_t frame[2]; // EIP, CS
    if (!cpu_uses_descriptors(v))
        return cpu_real_return(v, r9 & 0xffff, size) < 0 ? callout_failed(v) : CALLOUT_JUMP;
    if (cpu_stack_peek(v, 0, frame, 2, size) < 0 ||
        cpu_return_far(v, frame[0], frame[1] & 0xffff, 2 * size, r9 & 0xffff, size) < 0)
        return callout_failed(v);
    cpu_mode_update(v);
    return CALLOUT_JUMP;
}

enum callout_result callout_LOAD_FAR(struct vcpu *v, uint32_t r8, uint32_t r9, uint32_t word) {
    unsigned size = CALLOUT_EXTRA(word), reg = RM_OTHER(r9) & 7, seg = RM_OTHER(r9) >> 3 & 7;
    uint32_t offset, selector, mode = v->segment_mode;
    if (read_pointer(v, r9, r8, size, &offset, &selector) < 0 || cpu_load_segment(v, seg, (uint16_t)selector) < 0)
        return callout_failed(v);
    cpu_set_reg(v, reg, size, offset);
    if (v->segment_mode != mode)
        cpu_mode_update(v);
    return CALLOUT_CONTINUE;
}
