// One instruction of foresight, for translations that are right only if the block goes on.
#ifndef TRANSLATOR_PEEK_H
#define TRANSLATOR_PEEK_H

#include "translator/context.h"

// True, and *next filled, if the instruction behind the current one will certainly be translated in this block,
// directly behind it, whatever the current one emits (up to what block.c grants an instruction). False where that is
// not certain: one-instruction and self-checking blocks, near the end of the page or of the room for code. The current
// instruction must neither end nor cut the block.
bool peek_next(const struct tctx *t, struct guest_insn *next);

// The bytes of that instruction, all of it, without decoding; NULL where it is not certain.
const uint8_t *peek_bytes(const struct tctx *t);

#endif
