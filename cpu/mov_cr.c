// MOV to a control register where nothing changes: an operating system often stores what is there already. Then no
// translation becomes void (Intel SDM vol. 3A 4.10.4.1, 4.4.1: what counts is which bits change) and the block goes on.
// CR3 always flushes. Light code: general registers only, no library calls; what changes something parks the FPU state.
#include "cpu/semantics.h"

enum callout_result callout_MOV_TO_CR(struct vcpu *v, uint32_t r8, uint32_t r9, uint32_t word) {
    (void)r8;
    unsigned cr = r9 & 0xff;
    uint32_t value = v->abi.gpr[r9 >> 8 & 7];
    if (cpu_needs_ring0(v))
        return CALLOUT_FAULT;
    if (cr == 2) {
        v->abi.cr2 = value;
        return CALLOUT_CONTINUE;
    }
    if ((cr == 0 && ((value & CR0_DEFINED) | CR0_ET) == v->abi.cr0) || (cr == 4 && value == v->abi.cr4))
        return CALLOUT_CONTINUE;
    engine_park_fpu(v);
    return cpu_change_cr(v, cr, value, word);
}
