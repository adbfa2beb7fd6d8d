// One block: its frame (page register, link entry, checks), the walk over the guest's instructions, and the out-of-line
// code behind it. Pure: everything it knows comes from struct translate_input.
#include "translator/access.h"
#include "translator/charge.h"
#include "translator/context.h"
#include "translator/control.h"
#include "translator/frame.h"
#include "translator/record.h"
#include "translator/table.h"

#include <Zydis/Mnemonic.h>

#include <string.h>

#define PAGE_SIZE       4096u
#define INSN_ROOM       2048u // host bytes that no instruction exceeds, its tails apart
#define TAIL_ROOM       160u  // host bytes that no tail exceeds
#define INSN_TAILS      4u    // tails that no instruction exceeds
#define FRAME_ROOM      5u    // bytes behind the link entry that the kill call takes
#define SELF_CHECK_ROOM 6144u // host bytes that the comparison of the longest block does not exceed
#define UNDECODED_SIZE  15u   // guest bytes that decide that an instruction is undecodable

// ---- Marks ---------------------------------------------------------------------------------------------------------

void mark_begin(struct tctx *t, enum mark_kind kind, unsigned access, bool string) {
    struct translate_output *out = t->out;
    struct block_mark mark = {
        .host = (uint16_t)emit_offset(&t->e),
        .guest = t->insn->offset,
        .kind = (uint8_t)kind,
        .length = t->insn->length,
        .string = string,
        .access = access & 0x7f,
        .esp_late = (int8_t)(t->esp_late / 4),
    };
    if (out->mark_count != 0) {
        struct block_mark *last = &out->marks[out->mark_count - 1];
        bool same_insn = last->guest == mark.guest && last->kind == mark.kind;
        if (same_insn && last->string == mark.string && last->access == mark.access && kind == MARK_INSN)
            return;
        if (last->host == mark.host) { // nothing was emitted under the last one
            *last = mark;
            return;
        }
    }
    if (out->mark_count == TRANSLATE_MAX_MARKS) {
        t->failed = true;
        error_set(t->err, "translator: more than %d marks in a block", TRANSLATE_MAX_MARKS);
        return;
    }
    out->marks[out->mark_count++] = mark;
}

// ---- One instruction -----------------------------------------------------------------------------------------------

// What CR0 and CR4 make of the unit; -1 if it may run. Intel SDM, vol. 3A, tables 2-2 and 13-1.
static int unit_fault(enum table_unit unit, uint32_t mode) {
    switch (unit) {
    case UNIT_X87: return mode & MODE_X87_NM ? VECTOR_NM : -1;
    case UNIT_WAIT: return mode & MODE_WAIT_NM ? VECTOR_NM : -1;
    case UNIT_MMX: return mode & MODE_MMX_UD ? VECTOR_UD : mode & MODE_SIMD_NM ? VECTOR_NM : -1;
    case UNIT_SSE: return mode & MODE_SSE_UD ? VECTOR_UD : mode & MODE_SIMD_NM ? VECTOR_NM : -1;
    case UNIT_AVX: return !(mode & MODE_AVX) || mode & MODE_V86 ? VECTOR_UD : mode & MODE_SIMD_NM ? VECTOR_NM : -1;
    case UNIT_MMX_SSE: // table_unit tells which
    case UNIT_NONE: break;
    }
    return -1;
}

static void emit_kind(struct tctx *t, const struct table_row *row) {
    switch ((enum table_kind)row->kind) {
    case KIND_IDENTITY:
        if (row->callout != TABLE_NO_CALLOUT && tctx_is_softened(t)) {
            callout_emit(t);
            break;
        }
        t->out->identity++;
        identity_emit(t);
        break;
    case KIND_CONTROL: control_emit(t); break;
    case KIND_STACK: stack_emit(t); break;
    case KIND_STRING: string_emit(t); break;
    case KIND_REMOVED: removed_emit(t); break;
    case KIND_INLINE:
        t->out->inlined++;
        inline_emit(t);
        break;
    case KIND_CALLOUT: callout_emit(t); break;
    case KIND_FPU:
        t->out->identity++;
        fpu_emit(t);
        break;
    case KIND_UD: callout_raise(t, VECTOR_UD, -1); break;
    }
}

static void emit_insn(struct tctx *t) {
    uint32_t before = emit_offset(&t->e);
    const struct translate_output *out = t->out;
    uint32_t copied = out->identity + out->inlined, called = out->callouts;
    t->wrote = t->open = false;
    t->out->insns++;
    mark_begin(t, MARK_INSN, 0, false);
    const struct table_row *row = table_find_insn(t->insn);
    int vector = unit_fault(table_unit(row, t->insn), t->mode);
    if (vector >= 0)
        callout_raise(t, (unsigned)vector, -1);
    else
        emit_kind(t, row);
    stack_run_settle(t);
    fpu_settle(t);
    t->cut |= row->ends && !t->open;
    t->out->called += out->callouts != called && out->identity + out->inlined == copied;
    if (emit_offset(&t->e) == before)
        emit_nop(&t->e, 1); // every instruction has an address of its own
}

// ---- Decoding ------------------------------------------------------------------------------------------------------

// Fills the next slot of t->insns from page offset `at`. An instruction that runs into the next page is decoded only as
// the first of a block (out->crossing); DECODE_MORE then means that the next page is needed.
static enum decode_status decode_next(struct tctx *t, uint32_t at) {
    struct guest_insn *insn = &t->insns[t->insn_count];
    bool code32 = (t->mode & MODE_CODE32) != 0;
    uint32_t left = PAGE_SIZE - at;
    enum decode_status status = decode_insn(t->in->page + at, left, at, code32, insn);
    if (status != DECODE_MORE || t->insn_count != 0 || !t->in->next)
        return status;
    uint8_t bytes[UNDECODED_SIZE];
    memcpy(bytes, t->in->page + at, left);
    memcpy(bytes + left, t->in->next, UNDECODED_SIZE - left);
    t->out->crossing = true;
    return decode_insn(bytes, sizeof bytes, at, code32, insn);
}

// ---- The walk ------------------------------------------------------------------------------------------------------

static bool has_room(const struct tctx *t) {
    size_t left = (size_t)(t->e.end - t->e.cur);
    if (t->in->self_checking)
        left = left > SELF_CHECK_ROOM ? left - SELF_CHECK_ROOM : 0;
    return t->insn_count < TRANSLATE_MAX_INSNS && t->tail_count + INSN_TAILS <= TAILS_MAX &&
           left > INSN_ROOM + (t->tail_count + INSN_TAILS) * TAIL_ROOM;
}

static bool must_stop(const struct tctx *t) {
    return t->ended || t->cut || t->last || t->failed || t->out->crossing || (t->mode & MODE_ONE) ||
           (t->in->self_checking && t->wrote);
}

// Emits instructions from t->in->offset on; t->insns[0] is decoded already. Leaves guest_size and how the block ended.
static void emit_insns(struct tctx *t, enum decode_status status) {
    uint32_t at = t->in->offset;
    do {
        t->insn = &t->insns[t->insn_count++];
        if (status == DECODE_TOO_LONG) {
            t->out->insns++;
            mark_begin(t, MARK_INSN, 0, false);
            callout_raise(t, VECTOR_GP, 0);
        } else {
            emit_insn(t);
        }
        bool decoded = status == DECODE_OK && t->insn->mnemonic != ZYDIS_MNEMONIC_INVALID;
        at += decoded ? t->insn->length : UNDECODED_SIZE;
        if (must_stop(t) || at >= PAGE_SIZE || !has_room(t))
            break;
        status = decode_next(t, at);
    } while (status != DECODE_MORE);
    uint32_t end = at < PAGE_SIZE || t->out->crossing ? at : PAGE_SIZE;
    t->out->guest_size = (uint16_t)(end - t->in->offset);
}

static void emit_end(struct tctx *t) {
    if (t->cut && !t->ended)
        control_exit(t);
    else if (!t->ended)
        control_jump(t, insn_next(t->insn));
    const struct guest_insn *last = t->insn;
    for (unsigned i = 0; i < t->tail_count; i++)
        access_emit_tail(t, &t->tails[i]);
    t->insn = last;
    control_emit_cold_exits(t);
    uint32_t body = emit_offset(&t->e) - t->out->link_entry;
    if (body < FRAME_ROOM)
        emit_nop(&t->e, FRAME_ROOM - body);
}

static void emit_block(struct tctx *t, enum decode_status status) {
    struct emitter *e = &t->e;
    t->insn = &t->insns[0];
    emit_lea_r32_disp(e, R11, R8, -(int32_t)t->in->offset);
    t->out->link_entry = (uint16_t)emit_offset(e);
    mark_begin(t, MARK_INSN, 0, false);
    struct self_check check = self_check_begin(t);
    if (t->out->crossing && t->in->next_slice) // blocks outside the code map are checked by the dispatcher
        crossing_check_emit(t);
    record_look_for_room(t);
    struct charge charge = charge_begin(t);
    record_write(t);
    emit_insns(t, status);
    charge_finish(t, &charge);
    emit_end(t);
    self_check_finish(t, &check);
    t->out->host_size = emit_offset(e);
}

enum translate_status translate_block(const struct translate_input *in, struct translate_output *out,
                                      struct error *err) {
    struct tctx t;
    memset(&t, 0, offsetof(struct tctx, insns));
    t.in = in;
    t.out = out;
    t.err = err;
    t.mode = in->mode;
    t.e = (struct emitter){
        .start = in->code_rw, .cur = in->code_rw, .end = in->code_rw + in->capacity, .rx = in->code_rx};
    memset(out, 0, offsetof(struct translate_output, exits));
    out->insns = out->identity = out->inlined = out->callouts = out->called = 0;
    out->operands_direct = out->operands_soft = 0;

    enum decode_status status = decode_next(&t, in->offset);
    if (status == DECODE_MORE)
        return TRANSLATE_NEED_NEXT;
    emit_block(&t, status);
    if (t.e.overflow && !t.failed) {
        t.failed = true;
        error_set(err, "translator: block at page offset %#x does not fit into %u bytes", in->offset, in->capacity);
    }
    return t.failed ? TRANSLATE_FAILED : TRANSLATE_OK;
}
