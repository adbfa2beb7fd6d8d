// Foresight of one instruction. The bounds are block.c's for one instruction, taken twice: for the current one and the
// next.
#include "translator/peek.h"

#define PAGE_SIZE     4096u
#define LENGTH_MAX    15u
#define TWO_INSN_ROOM 4608u // host bytes
#define TWO_INSN_TAIL 8u
#define TAIL_ROOM     160u

static bool block_has_room(const struct tctx *t) {
    size_t left = (size_t)(t->e.end - t->e.cur);
    return t->insn_count < TRANSLATE_MAX_INSNS && t->tail_count + TWO_INSN_TAIL <= TAILS_MAX &&
           left > TWO_INSN_ROOM + (t->tail_count + TWO_INSN_TAIL) * TAIL_ROOM;
}

const uint8_t *peek_bytes(const struct tctx *t) {
    uint32_t at = insn_next(t->insn);
    if ((t->mode & (MODE_ONE | MODE_CS_CHECKED)) || t->in->self_checking || t->out->crossing)
        return NULL;
    return at + LENGTH_MAX <= PAGE_SIZE && block_has_room(t) ? t->in->page + at : NULL;
}

bool peek_next(const struct tctx *t, struct guest_insn *next) {
    const uint8_t *bytes = peek_bytes(t);
    return bytes && decode_insn(bytes, LENGTH_MAX, insn_next(t->insn), (t->mode & MODE_CODE32) != 0, next) == DECODE_OK;
}
