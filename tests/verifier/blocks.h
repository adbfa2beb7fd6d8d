// Blocks written by hand, as text: hexadecimal bytes, and
//   :name         a label                     >name   rel32 to it        >>name  rel8 to it
//   @call=STUB    call rel32 of a stub        @jmp=STUB  likewise a jump (MISS EXIT LINK FAULT CALLOUT SOFT_MISS
//   WRITEBACK) $NAME         a 32-bit constant of constants[] in blocks.c
// HEAD and END stand for what every block needs at its ends.
#ifndef TESTS_VERIFIER_BLOCKS_H
#define TESTS_VERIFIER_BLOCKS_H

#include "translator/translator.h"

struct hand_block {
    uint8_t code[1024];
    uint32_t size;
    uint32_t stub[STUB_COUNT];
    struct translate_output out;
    struct verify_input check;
};

// Fills b; ends the process where the text is not understood. The side table is empty but for the link entry, and for
// marks at the labels "transfer" and "after".
void hand_assemble(struct hand_block *b, const char *text, uint32_t mode);

#endif
