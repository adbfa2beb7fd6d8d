// Guest memory access in its three forms. Direct: gs:[addr32], the window. Soft: an inline lookup in the software TLB,
// flags untouched, with the miss out of line. Called: STUB_SOFT_MISS in line, for segments with limits and for
// alignment checking. The bounced form is the out-of-line end of the last two. Nothing of the guest's state may change
// before an access of the instruction that can still fault (design: docs/architecture.md).
#include "translator/access.h"

#include "translator/address.h"

#include <stddef.h>

enum access_form access_form(const struct tctx *t, const struct mem_ref *ref, enum operand_intent intent, bool locked) {
    enum mode_seg kind;
    if (ref->seg == SEG_CS) // never writable
        kind = t->mode & MODE_CS_CHECKED || intent != INTENT_READ ? MODE_SEG_CHECKED : MODE_SEG_FLAT;
    else
        kind = mode_seg_kind(t->mode, ref->seg);
    if (kind == MODE_SEG_CHECKED)
        return FORM_CHECKED;
    if (t->mode & MODE_ALIGN || (locked && t->in->no_split_locks))
        return FORM_CALLED;
    return tctx_is_soft(t) ? FORM_SOFT : FORM_DIRECT;
}

static bool is_based(const struct tctx *t, unsigned seg) {
    return seg != SEG_CS && mode_seg_kind(t->mode, seg) == MODE_SEG_BASED;
}

static uint32_t operand_word(const struct tctx *t, const struct access *a) {
    bool checked = access_form(t, &a->ref, (enum operand_intent)a->intent, a->locked) == FORM_CHECKED;
    uint32_t word = OPERAND_WORD(t->insn->offset, a->size, a->intent, a->ref.seg, checked);
    return a->locked ? word | OPERAND_LOCKED : word;
}

static void finish(struct tctx *t, const struct access *a) {
    if (a->transfer)
        a->transfer(t, NULL, a);
}

// ---- Direct --------------------------------------------------------------------------------------------------------

static void access_direct(struct tctx *t, const struct access *a) {
    bool based = is_based(t, a->ref.seg);
    struct host_mem m = mem_base(R8, 0);
    if (!based && a->ref.address_size == 4 && a->ref.add == HOST_NONE)
        m = address_plain(&a->ref);
    else
        address_emit_linear(t, &a->ref, based);
    m.window = true;
    t->out->operands_direct++;
    a->op(t, &m, a);
    finish(t, a);
}

// ---- Soft and called -----------------------------------------------------------------------------------------------

static struct tail *tail_add(struct tctx *t, const struct access *a) {
    if (t->tail_count == TAILS_MAX) { // block.c ends a block before this can happen
        t->failed = true;
        error_set(t->err, "translator: more than %d out-of-line paths in a block", TAILS_MAX);
        return &t->tails[0];
    }
    struct tail *tail = &t->tails[t->tail_count++];
    *tail = (struct tail){.insn = t->insn, .access = *a};
    return tail;
}

static const struct host_mem looked_up = {.base = R9, .index = R8};

// The lookup of r8d. ECX moves to r10d while rcx carries what JRCXZ tests: no flag is touched, and on this path two
// moves cost less than exchanges do (0.9 against 1.3 ns a store in a loop).
static void emit_soft_lookup(struct tctx *t, const struct access *a, struct tail *tail) {
    struct emitter *e = &t->e;
    int32_t tlb = ABI_OFFSET(tlb) + (mode_cpl(t->mode) == 3 ? (int32_t)sizeof(struct abi_tlb) : 0);
    size_t tag = a->intent == INTENT_READ ? offsetof(struct abi_tlb, ntag_read) : offsetof(struct abi_tlb, ntag_write);
    struct host_mem entry_tag = mem_index(R15, R9, 2, tlb + (int32_t)tag);
    struct host_mem entry_addend = mem_index(R15, R9, 3, tlb + (int32_t)offsetof(struct abi_tlb, addend));
    struct host_mem last_byte = mem_index(RCX, R8, 0, a->size - 1);

    emit_shrx_r32(e, R9, R8, R15);
    emit_movzx_r32_r8(e, R9, R9);
    emit_mov_r32_r32(e, R10, RCX);
    emit_mov_r32_m32(e, RCX, &entry_tag);
    emit_lea_r32_m(e, RCX, &last_byte);
    emit_shrx_r32(e, RCX, RCX, R15); // zero on a hit
    struct host_label hit = emit_jrcxz(e);
    tail->miss = emit_jmp_rel32(e);
    emit_here(e, hit);
    emit_mov_r32_r32(e, RCX, R10);
    emit_mov_r64_m64(e, R9, &entry_addend);
    tail->hit_done = emit_offset(e);
}

static void access_soft(struct tctx *t, const struct access *a) {
    struct tail *tail = tail_add(t, a);
    address_emit_linear(t, &a->ref, is_based(t, a->ref.seg));
    emit_soft_lookup(t, a, tail);
    t->out->operands_soft++;
    a->op(t, &looked_up, a);
    tail->next = emit_offset(&t->e);
    finish(t, a);
}

static void access_called(struct tctx *t, const struct access *a, bool checked) {
    struct emitter *e = &t->e;
    address_emit_linear(t, &a->ref, !checked && is_based(t, a->ref.seg));
    emit_mov_r32_imm32(e, R10, operand_word(t, a));
    emit_call_address(e, t->in->stub[STUB_SOFT_MISS]);
    t->out->operands_soft++;
    if (a->intent == INTENT_READ) {
        a->op(t, &looked_up, a);
        return;
    }
    struct tail *tail = tail_add(t, a);
    struct host_label in_place = emit_jmp_rel32(e); // exactly five bytes: the stub returns behind it when it bounced
    tail->called = true;
    tail->miss = emit_jmp_rel32(e);
    emit_here(e, in_place);
    a->op(t, &looked_up, a);
    tail->next = emit_offset(e);
    finish(t, a);
}

void access_emit(struct tctx *t, const struct access *a) {
    if (a->intent != INTENT_READ)
        t->wrote = true;
    enum access_form form = access_form(t, &a->ref, (enum operand_intent)a->intent, a->locked);
    mark_begin(t, MARK_INSN, form == FORM_DIRECT ? a->intent + 1u : 0u, false);
    switch (form) {
    case FORM_DIRECT: access_direct(t, a); break;
    case FORM_SOFT: access_soft(t, a); break;
    case FORM_CALLED:
    case FORM_CHECKED: access_called(t, a, form == FORM_CHECKED); break;
    }
}

// ---- Tails ---------------------------------------------------------------------------------------------------------

// The instruction once more, on the bounce buffer, and its commit.
static void emit_bounced(struct tctx *t, const struct tail *tail) {
    struct emitter *e = &t->e;
    const struct access *a = &tail->access;
    a->op(t, &looked_up, a);
    emit_mov_r32_imm32(e, R10,
                       insn_next(t->insn) | (a->transfer ? WRITEBACK_STAY : 0) | (a->unsure ? WRITEBACK_UNSURE : 0));
    emit_call_address(e, t->in->stub[STUB_WRITEBACK]);
    if (a->transfer) {
        t->stay = true;
        a->transfer(t, NULL, a);
        t->stay = false;
    } else {
        emit_jmp_offset(e, tail->next);
    }
}

void access_emit_tail(struct tctx *t, const struct tail *tail) {
    struct emitter *e = &t->e;
    t->insn = tail->insn;
    mark_begin(t, MARK_TAIL, 0, false);
    emit_here(e, tail->miss);
    if (!tail->called) {
        emit_mov_r32_r32(e, RCX, R10);
        emit_mov_r32_imm32(e, R10, operand_word(t, &tail->access));
        emit_call_address(e, t->in->stub[STUB_SOFT_MISS]);
        emit_jmp_offset(e, tail->hit_done); // exactly five bytes
    }
    if (tail->access.intent != INTENT_READ)
        emit_bounced(t, tail);
}
