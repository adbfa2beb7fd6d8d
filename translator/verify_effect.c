// What must hold before each listed sequence and what holds behind it. The recognisers have already fixed its
// instructions; here their constants and the state of the registers are looked at.
#include "translator/verify.h"

#include <stddef.h>

#define PAGE_SIZE 4096u

// ---- Memory ---------------------------------------------------------------------------------------------------------

// r8 is a zero-extended linear address, the tag is of this CPL's TLB, and the addend is of the same entry.
static int effect_lookup(struct verifier *v, unsigned i, struct vstate *s) {
    const struct vinsn *n = &v->insns[i];
    int32_t tlb = ABI_OFFSET(tlb) + (mode_cpl(v->in->mode) == 3 ? (int32_t)sizeof(struct abi_tlb) : 0);
    int32_t tag = n[3].disp - tlb, addend = n[9].disp - tlb;
    bool writes = tag == (int32_t)offsetof(struct abi_tlb, ntag_write);
    if (!verify_is_u32(s, V_R8))
        return verify_reject(v, i, "a lookup of an address that may have an upper half");
    if (s->bounced)
        return verify_reject(v, i, "a lookup while a bounced operand waits to be written back");
    if ((!writes && tag != (int32_t)offsetof(struct abi_tlb, ntag_read)) ||
        addend != (int32_t)offsetof(struct abi_tlb, addend))
        return verify_reject(v, i, "a lookup in another array than this mode's software TLB");
    verify_write(s, V_RCX, KIND_U32);
    verify_write(s, V_R9, KIND_U32);
    verify_write(s, V_R10, KIND_U32);
    if (verify_jump(v, i + 7, s, (uint32_t)(n[7].at + n[7].length + (int32_t)n[7].imm)) < 0)
        return -1;
    s->kind[V_R9] = KIND_TOP;
    s->kind[V_R10] = KIND_TOP;
    s->size = (uint16_t)(n[4].disp + 1);
    s->writable = writes;
    return 0;
}

static int require_operand(struct verifier *v, unsigned i, const struct vstate *s, unsigned size) {
    if (s->size < size || !s->writable)
        return verify_reject(v, i, "no lookup for writing that covers the operand");
    return 0;
}

static int effect_bit_locked(struct verifier *v, unsigned i, struct vstate *s) {
    const struct vinsn *n = &v->insns[i];
    if (require_operand(v, i, s, n[2].opsize ? 2 : 4) < 0)
        return -1;
    unsigned offset = n[1].vvvv;
    if (offset > V_RDI && offset != V_R12)
        return verify_reject(v, i, "a reserved register outside its listed sequences");
    verify_write(s, V_R10, KIND_U32);
    return 0;
}

static int effect_mask_move(struct verifier *v, unsigned i, struct vstate *s) {
    const struct vinsn *n = &v->insns[i];
    if (verify_unit(v, i, n[2].opsize) < 0 || require_operand(v, i, s, n[2].opsize ? 16 : 8) < 0)
        return -1;
    verify_write(s, V_R9, KIND_TOP);
    return 0;
}

static int effect_string(struct verifier *v, unsigned i, const struct vstate *s) {
    if (v->in->mode & MODE_SOFT)
        return verify_reject(v, i, "a window operand in a soft block");
    if (!verify_is_u32(s, V_RSI) || !verify_is_u32(s, V_RDI) || !verify_is_u32(s, V_RCX))
        return verify_reject(v, i, "a string instruction on registers that may have an upper half");
    return 0;
}

// ---- The block's own bytes ------------------------------------------------------------------------------------------

static bool is_in_page(uint64_t page, uint64_t address, unsigned size) {
    page &= ~(uint64_t)(PAGE_SIZE - 1);
    return page != 0 && address >= page && address - page <= PAGE_SIZE - size;
}

static int effect_compare(struct verifier *v, unsigned i, struct vstate *s) {
    const struct vinsn *n = &v->insns[i];
    unsigned size = n->map == VMAP_0F ? (n->opcode & 1 ? 2 : 1) : n->wide ? 8 : 4;
    if (s->kind[V_R8] != KIND_LIVE)
        return verify_reject(v, i, "a comparison with the block's bytes at an unknown address");
    uint64_t address = s->value[0] + (uint64_t)(int64_t)n->disp;
    if (!is_in_page(v->in->live, address, size) && !is_in_page(v->in->next_live, address, size))
        return verify_reject(v, i, "a comparison with other bytes than the block's");
    verify_write(s, V_R9, KIND_TOP);
    verify_write(s, V_R10, KIND_TOP);
    return 0;
}

static int effect_crossing(struct verifier *v, unsigned i, struct vstate *s) {
    if (!v->in->out->crossing || v->in->next_slice == 0 || v->insns[i + 4].imm != 0 - v->in->next_slice)
        return verify_reject(v, i, "a check of the next page that names another slice");
    verify_write(s, V_R8, KIND_U32);
    verify_write(s, V_R9, KIND_TOP);
    verify_write(s, V_R10, KIND_TOP);
    return 0;
}

// Where a charge or a record leaves: at the block's first instruction.
static int check_take(struct verifier *v, unsigned i, int32_t amount) {
    const struct vinsn *n = &v->insns[i];
    if (n[1].disp != -amount)
        return verify_reject(v, i + 1, "a charge of another number of instructions than the block's");
    if (n[7].disp != -v->insns[0].disp || verify_target(v, n + 8) != v->in->stub[STUB_EXIT] || n[8].is_exit)
        return verify_reject(v, i + 7, "a charge that leaves for another place than the block's first instruction");
    return 0;
}

// The amount is that of the block, and it is left at its first instruction where the budget does not cover it.
static int effect_charge(struct verifier *v, unsigned i, struct vstate *s) {
    if (check_take(v, i, (int32_t)v->in->out->insns) < 0 || verify_require_clean(v, i, s) < 0)
        return -1;
    verify_write(s, V_R8, KIND_TOP);
    verify_write(s, V_R9, KIND_U32);
    verify_write(s, V_R10, KIND_U32);
    return 0;
}

// One record, with the block's own number; its charge, if it has one, is as above.
static int effect_record(struct verifier *v, unsigned i, struct vstate *s) {
    bool charged = v->insns[i].covers == RECORD_CHARGED;
    unsigned number = i + TAKE_INSNS + (charged ? CHARGE_INSNS : 0) + 4;
    if (v->insns[number].imm != v->in->trace_id || v->in->trace_id >= TRACE_EVENT)
        return verify_reject(v, number, "a record with another number than the block's");
    if (check_take(v, i, 1) < 0 || verify_require_clean(v, i, s) < 0 ||
        (charged && check_take(v, i + TAKE_INSNS, (int32_t)v->in->out->insns) < 0))
        return -1;
    verify_write(s, V_R8, KIND_TOP);
    verify_write(s, V_R9, KIND_TOP);
    verify_write(s, V_R10, KIND_U32);
    return 0;
}

// ---- Leaving --------------------------------------------------------------------------------------------------------

static int effect_transfer(struct verifier *v, unsigned i, struct vstate *s) {
    if (v->in->mode & MODE_ONE)
        return verify_reject(v, i, "a transfer in a mode of one instruction a block");
    if (!verify_is_u32(s, V_R8))
        return verify_reject(v, i, "a transfer to an address that may have an upper half");
    s->reached = false;
    return verify_require_clean(v, i, s);
}

// The unlinked path of an exit, as the side table says.
static int effect_cold(struct verifier *v, unsigned i, struct vstate *s) {
    const struct vinsn *n = &v->insns[i];
    const struct translate_output *out = v->in->out;
    if (verify_target(v, n + 1) != v->in->stub[STUB_LINK])
        return verify_reject(v, i + 1, "a call that leads to no listed stub");
    for (unsigned k = 0; k < out->exit_count; k++) {
        const struct block_exit *x = &out->exits[k];
        if (x->cold != n->at || x->cold_return != n[1].at + n[1].length || x->target != n->disp || n->disp >= 4096)
            continue;
        s->reached = false;
        return verify_require_clean(v, i, s);
    }
    return verify_reject(v, i, "an unlinked path that belongs to no exit");
}

// ---- Stubs ----------------------------------------------------------------------------------------------------------

// Behind a stub that came back through the gate.
static void forget_scratch(struct vstate *s) {
    verify_write(s, V_R8, KIND_U32);
    verify_write(s, V_R9, KIND_TOP);
    verify_write(s, V_R10, KIND_TOP);
}

static int call_callout(struct verifier *v, unsigned i, struct vstate *s) {
    bool noreturn = false;
    if (verify_require_clean(v, i, s) < 0 || verify_callout(v, i, s, (uint32_t)v->insns[i].imm, &noreturn) < 0)
        return -1;
    forget_scratch(s);
    s->reached = !noreturn;
    return 0;
}

// A write comes back behind the call, or five bytes further with the operand in the bounce buffer.
static int call_soft_miss(struct verifier *v, unsigned i, struct vstate *s) {
    uint32_t word = (uint32_t)v->insns[i].imm;
    if (verify_require_clean(v, i, s) < 0 || verify_operand_word(v, i, word) < 0)
        return -1;
    if (!verify_is_u32(s, V_R8))
        return verify_reject(v, i, "a miss at an address that may have an upper half");
    forget_scratch(s);
    s->size = (uint16_t)OPERAND_SIZE(word);
    s->writable = OPERAND_INTENT(word) != INTENT_READ;
    if (!s->writable)
        return 0;
    const struct vinsn *jump = &v->insns[i + 2];
    if (i + 3 >= v->count || jump->form->shape != SHAPE_JMP || jump->opcode != 0xe9 || jump->length != 5 ||
        jump->is_exit)
        return verify_reject(v, i, "a miss for writing needs a five-byte jump behind its call");
    struct vstate bounced = *s;
    bounced.bounced = 1;
    return verify_jump(v, i + 1, &bounced, jump->at + 5u);
}

static int call_writeback(struct verifier *v, unsigned i, struct vstate *s) {
    uint32_t word = (uint32_t)v->insns[i].imm;
    if (!s->bounced)
        return verify_reject(v, i, "a write back without a bounced operand");
    if ((word & ~(WRITEBACK_STAY | WRITEBACK_UNSURE)) > 4096 + 15)
        return verify_reject(v, i, "a write-back word out of range");
    s->bounced = 0;
    if (verify_require_clean(v, i, s) < 0)
        return -1;
    forget_scratch(s);
    return 0;
}

static int effect_stub_call(struct verifier *v, unsigned i, struct vstate *s) {
    uint32_t target = verify_target(v, &v->insns[i + 1]);
    const uint32_t *stub = v->in->stub;
    unsigned id = CALLOUT_ID((uint32_t)v->insns[i].imm);
    if (target == stub[STUB_CALLOUT] || (id < CALLOUT_COUNT && target == stub[abi_callout_stub(v->in->mode, id)]))
        return call_callout(v, i, s);
    if (target == stub[STUB_SOFT_MISS])
        return call_soft_miss(v, i, s);
    if (target == stub[STUB_WRITEBACK])
        return call_writeback(v, i, s);
    return verify_reject(v, i + 1, "a call that leads to no listed stub");
}

// ---- Small ones -----------------------------------------------------------------------------------------------------

static int effect_popf(struct verifier *v, unsigned i, struct vstate *s) {
    if (!verify_is_u32(s, V_R9))
        return verify_reject(v, i, "flags from a register that may hold a host address");
    verify_write(s, V_R9, KIND_U32);
    return 0;
}

static int effect_rdtsc(struct verifier *v, unsigned i, struct vstate *s) {
    if (v->in->mode & MODE_TSC_GP)
        return verify_reject(v, i, "RDTSC in a mode where it raises #GP");
    verify_write(s, V_R9, KIND_TOP);
    verify_write(s, V_R10, KIND_U32);
    return 0;
}

int verify_effect(struct verifier *v, unsigned i, struct vstate *s) {
    const struct vinsn *n = &v->insns[i];
    switch ((enum verify_sequence)n->sequence) {
    case SEQ_NONE: break;
    case SEQ_TRANSFER: return effect_transfer(v, i, s);
    case SEQ_LOOKUP: return effect_lookup(v, i, s);
    case SEQ_STRING: return effect_string(v, i, s);
    case SEQ_MASKMOVE: return effect_mask_move(v, i, s);
    case SEQ_SEGMENT_BASE: verify_write(s, V_R9, KIND_U32); return 0;
    case SEQ_PUSHF: verify_write(s, n[1].opcode == 0x58 ? V_R8 : V_R10, KIND_U32); return 0;
    case SEQ_POPF: return effect_popf(v, i, s);
    case SEQ_RDTSC: return effect_rdtsc(v, i, s);
    case SEQ_CROSSING: return effect_crossing(v, i, s);
    case SEQ_CHARGE: return effect_charge(v, i, s);
    case SEQ_RECORD: return effect_record(v, i, s);
    case SEQ_LIVE:
        verify_write(s, V_R8, KIND_LIVE);
        s->value[0] = n->imm;
        return 0;
    case SEQ_COMPARE: return effect_compare(v, i, s);
    case SEQ_BIT_LOCKED: return effect_bit_locked(v, i, s);
    case SEQ_STUB_CALL: return effect_stub_call(v, i, s);
    case SEQ_COLD: return effect_cold(v, i, s);
    }
    return verify_reject(v, i, "an unknown sequence");
}
