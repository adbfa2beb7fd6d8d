// Inside the translator's core: what a block checks before its first instruction.
#ifndef TRANSLATOR_FRAME_H
#define TRANSLATOR_FRAME_H

#include "translator/context.h"

// Of a crossing block: the next page must still be the frame that it was translated from.
void crossing_check_emit(struct tctx *t);

// Of a self-checking block. The comparison stands behind the block, where its size is known; begin jumps there, finish
// emits it. Both do nothing in other blocks.
struct self_check {
    struct host_label to_check;
    uint32_t body; // offset at which the checked block goes on
};

struct self_check self_check_begin(struct tctx *t);
void self_check_finish(struct tctx *t, const struct self_check *check);

#endif
