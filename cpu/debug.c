// MOV to and from debug registers. Intel SDM vol. 3B 17.2; vol. 2, MOV to debug registers. What the registers ask for
// is enabled in debugpoint.c.
#include "cpu/semantics.h"

#define DR6_FIXED_ONES 0xffff0ff0u
#define DR6_WRITABLE   0x0000e00fu
#define DR7_FIXED_ONES 0x00000400u
#define DR7_WRITABLE   0xffff23ffu // bits 11 (RTM), 12, 14 and 15 read as zero

// DR4 and DR5 are DR6 and DR7 unless CR4.DE is set. Returns the register's number or -1 with #UD, #GP or, under DR7.GD,
// #DB.
static int resolve(struct vcpu *v, unsigned number) {
    if ((number == 4 || number == 5) && (v->abi.cr4 & CR4_DE))
        return cpu_raise(v, VECTOR_UD);
    if (cpu_protected(v) && v->cpl != 0)
        return cpu_raise_error(v, VECTOR_GP, 0);
    if (v->dr[7] & DR7_GD) {
        cpu_debug_raise(v, DR6_BD);
        v->fault.resume = true; // a fault, and no instruction breakpoint
        return -1;
    }
    return (int)(number == 4 || number == 5 ? number + 2 : number);
}

enum callout_result callout_MOV_FROM_DR(struct vcpu *v, uint32_t r8, uint32_t r9, uint32_t word) {
    (void)r8, (void)word;
    int number = resolve(v, r9 & 7);
    if (number < 0)
        return CALLOUT_FAULT;
    v->abi.gpr[r9 >> 8 & 7] = v->dr[number];
    return CALLOUT_CONTINUE;
}

enum callout_result callout_MOV_TO_DR(struct vcpu *v, uint32_t r8, uint32_t r9, uint32_t word) {
    (void)r8;
    uint32_t value = v->abi.gpr[r9 >> 8 & 7];
    int number = resolve(v, r9 & 7);
    if (number < 0)
        return CALLOUT_FAULT;
    if (number == 6)
        value = (value & DR6_WRITABLE) | DR6_FIXED_ONES;
    else if (number == 7)
        value = (value & DR7_WRITABLE) | DR7_FIXED_ONES;
    uint32_t enabled = v->dr[7] & 0xff;
    v->dr[number] = value;
    if (number == 6 || !(enabled | (v->dr[7] & 0xff)))
        return CALLOUT_CONTINUE;
    cpu_debug_arm(v);
    callout_next(v, word);
    return CALLOUT_JUMP; // the rest of the block may hold the breakpoint
}
