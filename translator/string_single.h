// Inside the string kind: one element without a repeat prefix, in any form of memory operand.
#ifndef TRANSLATOR_STRING_SINGLE_H
#define TRANSLATOR_STRING_SINGLE_H

#include "translator/context.h"

// MOVS CMPS STOS LODS SCAS as one or two accesses; size 1, 2 or 4.
void string_emit_single(struct tctx *t, enum string_op op, unsigned size);

#endif
