// The charge of a counted block (MODE_COUNTED): behind its entry and its checks it takes the number of its instructions
// from abi.budget, or leaves for the dispatcher at its first instruction, with nothing taken, if the budget does not
// cover all of them. So the budget is never overdrawn, and what was charged is exact at every end of a block; where a
// block is left in its middle, C gives the rest back. docs/decisions/virtual-clock.md
#ifndef TRANSLATOR_CHARGE_H
#define TRANSLATOR_CHARGE_H

#include "translator/context.h"

// The place in the block of the charge, which is known only when the block has ended.
struct charge {
    bool emitted;
    uint32_t amount; // offset of the displacement that holds it
};

// r8 = the 64-bit field of the vCPU structure at `offset` less `amount`; leaves for the dispatcher at the block's first
// instruction if that is negative. Returns where the displacement that holds the amount stands. Leaves flags alone;
// clobbers r9 and r10.
uint32_t charge_take(struct tctx *t, int32_t offset, unsigned amount);
// Emits the charge, or nothing in a block that does not count. Leaves flags alone; clobbers r8, r9 and r10.
struct charge charge_begin(struct tctx *t);
// Fills in the amount: out->insns.
void charge_finish(struct tctx *t, const struct charge *charge);

#endif
