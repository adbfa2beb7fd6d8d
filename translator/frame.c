// What a block checks before its first instruction, flags untouched: that the page behind it is the one it was
// translated from (crossing blocks), and that its own bytes are (self-checking blocks, for pages that hold code and
// changing data together). A block that finds something else leaves for the dispatcher at its first instruction.
#include "translator/frame.h"

#include <string.h>

#define PAGE_SIZE 4096u

// Leaves for the dispatcher, at the block's first instruction, unless r9 is zero.
static void emit_require_r9_zero(struct tctx *t) {
    struct emitter *e = &t->e;
    emit_xchg_r64_r64(e, R9, RCX);
    struct host_label good = emit_jrcxz(e);
    emit_xchg_r64_r64(e, R9, RCX);
    emit_lea_r32_disp(e, R8, R11, (int32_t)t->in->offset);
    emit_jmp_address(e, t->in->stub[STUB_EXIT]);
    emit_here(e, good);
    emit_xchg_r64_r64(e, R9, RCX);
}

// r9 -= value; clobbers r10.
static void emit_subtract_r9(struct tctx *t, uint64_t value) {
    struct host_mem sum = mem_index(R9, R10, 0, 0);
    emit_mov_r64_imm64(&t->e, R10, 0 - value);
    emit_lea_r64_m(&t->e, R9, &sum);
}

// The root must still name the slice of the frame that the second part of the instruction came from.
void crossing_check_emit(struct tctx *t) {
    struct emitter *e = &t->e;
    struct host_mem slot = mem_index(R13, R9, 3, 0);
    struct host_mem unbias = mem_index(R9, R8, 2, 0);
    emit_lea_r32_disp(e, R8, R11, (int32_t)PAGE_SIZE);
    emit_shrx_r32(e, R9, R8, R15);
    emit_mov_r64_m64(e, R9, &slot);
    emit_lea_r64_m(e, R9, &unbias);
    emit_subtract_r9(t, t->in->next_slice);
    emit_require_r9_zero(t);
}

// ---- Self-checking blocks ------------------------------------------------------------------------------------------

struct self_check self_check_begin(struct tctx *t) {
    struct self_check check = {0};
    if (!t->in->self_checking)
        return check;
    check.to_check = emit_jmp_rel32(&t->e);
    check.body = emit_offset(&t->e);
    return check;
}

// Compares `width` bytes (8, 4, 2 or 1) at [r8 + at] with those that were translated.
static void emit_compare(struct tctx *t, const uint8_t *bytes, uint32_t at, unsigned width) {
    struct emitter *e = &t->e;
    struct host_mem m = mem_base(R8, (int32_t)at);
    uint64_t value = 0;
    memcpy(&value, bytes + at, width);
    switch (width) {
    case 8: emit_mov_r64_m64(e, R9, &m); break;
    case 4: emit_mov_r32_m32(e, R9, &m); break;
    case 2: emit_movzx_r32_m16(e, R9, &m); break;
    default: emit_movzx_r32_m8(e, R9, &m); break;
    }
    emit_subtract_r9(t, value);
    emit_require_r9_zero(t);
}

// Compares bytes[0, size) with those at host address `live`. The last piece overlaps the one before it. r8 is lost when
// a piece differs, and set again for the next only here.
static void emit_compare_run(struct tctx *t, const uint8_t *bytes, uint32_t size, uint64_t live) {
    unsigned width = size >= 8 ? 8 : size >= 4 ? 4 : size >= 2 ? 2 : 1;
    emit_mov_r64_imm64(&t->e, R8, live);
    for (uint32_t at = 0; at + width < size; at += width)
        emit_compare(t, bytes, at, width);
    emit_compare(t, bytes, size - width, width);
}

void self_check_finish(struct tctx *t, const struct self_check *check) {
    const struct translate_input *in = t->in;
    if (!in->self_checking)
        return;
    uint32_t left = PAGE_SIZE - in->offset, size = t->out->guest_size;
    uint32_t here = size < left ? size : left;
    t->insn = &t->insns[0];
    mark_begin(t, MARK_INSN, 0, false);
    emit_here(&t->e, check->to_check);
    emit_compare_run(t, in->page + in->offset, here, in->live + in->offset);
    if (size > here)
        emit_compare_run(t, in->next, size - here, in->next_live);
    emit_jmp_offset(&t->e, check->body);
}
