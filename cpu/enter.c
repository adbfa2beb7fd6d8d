// ENTER, PUSHA, POPA and BOUND. Intel SDM vol. 2. Reads and probes of the whole range come before any register changes
// (PITFALLS 8).
#include "cpu/semantics.h"

static uint32_t stack_mask(const struct vcpu *v) {
    return v->seg[CPU_SEG_SS].attr & ATTR_DB ? 0xffffffffu : 0xffffu;
}

enum callout_result callout_PUSHA(struct vcpu *v, uint32_t r8, uint32_t r9, uint32_t word) {
    (void)r8, (void)r9;
    struct cpu_stack stack;
    cpu_stack_current(v, &stack);
    if (cpu_stack_push(v, &stack, v->abi.gpr, 8, CALLOUT_EXTRA(word)) < 0)
        return callout_failed(v);
    v->abi.gpr[CPU_ESP] = stack.esp;
    return CALLOUT_CONTINUE;
}

enum callout_result callout_POPA(struct vcpu *v, uint32_t r8, uint32_t r9, uint32_t word) {
    (void)r8, (void)r9;
    unsigned size = CALLOUT_EXTRA(word);
    uint32_t items[8]; // EDI ESI EBP (ESP) EBX EDX ECX EAX
    if (cpu_stack_peek(v, 0, items, 8, size) < 0)
        return callout_failed(v);
    for (unsigned reg = 0; reg < 8; reg++)
        if (reg != CPU_ESP)
            cpu_set_reg(v, reg, size, items[7 - reg]);
    cpu_stack_release(v, 8 * size);
    return CALLOUT_CONTINUE;
}

// In the order of the accesses, as the processor shows it: the first push, then each outer frame read and pushed (they
// may overlap), the frame's own address, and the bottom of the new frame, which must be writable though nothing is
// written there. What was pushed before a fault stays in memory, below ESP.
enum callout_result callout_ENTER(struct vcpu *v, uint32_t r8, uint32_t r9, uint32_t word) {
    (void)r8;
    unsigned size = CALLOUT_EXTRA(word), level = r9 >> 16 & 31;
    uint32_t mask = stack_mask(v), bytes = r9 & 0xffff, esp = v->abi.gpr[CPU_ESP], ebp = v->abi.gpr[CPU_EBP];
    uint32_t frame = (esp & ~mask) | ((esp - size) & mask);
    if (cpu_write(v, CPU_SEG_SS, frame & mask, &ebp, size) < 0)
        return callout_failed(v);
    for (unsigned i = 1; i <= level; i++) {
        uint32_t value = frame;
        if (i < level && cpu_read(v, CPU_SEG_SS, (ebp - i * size) & mask, &value, size) < 0)
            return callout_failed(v);
        if (cpu_write(v, CPU_SEG_SS, (frame - i * size) & mask, &value, size) < 0)
            return callout_failed(v);
    }
    uint32_t bottom = (esp - (level + 1) * size - bytes) & mask;
    if (cpu_probe_write(v, CPU_SEG_SS, bottom, size) < 0)
        return callout_failed(v);
    v->abi.gpr[CPU_ESP] = (esp & ~mask) | bottom;
    cpu_set_reg(v, CPU_EBP, size, frame);
    return CALLOUT_CONTINUE;
}

enum callout_result callout_BOUND(struct vcpu *v, uint32_t r8, uint32_t r9, uint32_t word) {
    unsigned size = CALLOUT_EXTRA(word);
    uint8_t bounds[8];
    if (cpu_read_aligned(v, RM_INDEX(r9), r8, bounds, 2 * size, size) < 0)
        return callout_failed(v);
    int32_t index, lower, upper;
    if (size == 2) {
        index = (int16_t)cpu_get_reg(v, RM_OTHER(r9) & 7, 2);
        lower = (int16_t)(bounds[0] | bounds[1] << 8);
        upper = (int16_t)(bounds[2] | bounds[3] << 8);
    } else {
        index = (int32_t)v->abi.gpr[RM_OTHER(r9) & 7];
        __builtin_memcpy(&lower, bounds, 4);
        __builtin_memcpy(&upper, bounds + 4, 4);
    }
    if (index < lower || index > upper) {
        cpu_raise(v, VECTOR_BR);
        return CALLOUT_FAULT;
    }
    return CALLOUT_CONTINUE;
}
