// MOV and POP to a data or stack segment register. Intel SDM vol. 2, MOV and POP; vol. 3A 6.8.3 (the shadow of a load
// of SS). Light code: general registers only, no library calls.
#include "cpu/semantics.h"

// Goes on behind the instruction: in the same block if the mode stayed, and one instruction at a time behind a load of
// SS.
static enum callout_result loaded(struct vcpu *v, unsigned seg, uint32_t mode_before, uint32_t word) {
    if (seg == CPU_SEG_SS)
        v->abi.shadow = 1;
    if (seg == CPU_SEG_SS || v->segment_mode != mode_before)
        cpu_mode_update(v);
    if (seg != CPU_SEG_SS)
        return CALLOUT_CONTINUE;
    callout_next(v, word);
    return CALLOUT_LEAVE;
}

enum callout_result callout_LOAD_SEG(struct vcpu *v, uint32_t r8, uint32_t r9, uint32_t word) {
    (void)r8;
    unsigned seg = CALLOUT_EXTRA(word);
    uint32_t mode = v->segment_mode;
    if (cpu_load_segment(v, seg, (uint16_t)r9) < 0)
        return callout_failed(v);
    return loaded(v, seg, mode, word);
}

enum callout_result callout_POP_SEG(struct vcpu *v, uint32_t r8, uint32_t r9, uint32_t word) {
    (void)r8, (void)r9;
    unsigned seg = CALLOUT_EXTRA(word) & 0xf, size = CALLOUT_EXTRA(word) >> 4;
    uint32_t mode = v->segment_mode, selector;
    // The width of the stack pointer is that of the stack popped from, also when SS itself is loaded.
    bool wide = v->seg[CPU_SEG_SS].attr & ATTR_DB;
    if (cpu_stack_peek(v, 0, &selector, 1, size) < 0 || cpu_load_segment(v, seg, (uint16_t)selector) < 0)
        return callout_failed(v);
    cpu_set_reg(v, CPU_ESP, wide ? 4 : 2, v->abi.gpr[CPU_ESP] + size);
    return loaded(v, seg, mode, word);
}
