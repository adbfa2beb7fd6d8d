// Inside the translator's core: which form an access takes, and its out-of-line code.
#ifndef TRANSLATOR_ACCESS_H
#define TRANSLATOR_ACCESS_H

#include "translator/context.h"

enum access_form {
    FORM_DIRECT,
    FORM_SOFT,
    FORM_CALLED,  // every access through STUB_SOFT_MISS, by linear address
    FORM_CHECKED, // likewise, by offset in the segment
};

enum access_form access_form(const struct tctx *t, const struct mem_ref *ref, enum operand_intent intent, bool locked);

// Emits one tail; block.c calls it for each in turn behind the block.
void access_emit_tail(struct tctx *t, const struct tail *tail);

#endif
