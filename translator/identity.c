// Kind identity: instructions that the host executes as they are, once their operands are where the host wants them,
// and the few of them whose operand is not simply ModRM: LEA, NOP and prefetch hints, XLAT, BT with a register offset
// (PITFALLS 3), MASKMOVQ and MASKMOVDQU.
#include "translator/context.h"

#include "translator/access.h"
#include "translator/reencode.h"

void op_reencode(struct tctx *t, const struct host_mem *m, const struct access *a) {
    (void)a;
    insn_emit_mem(t, m);
}

static bool is_xchg(const struct guest_insn *insn) {
    return insn->map == MAP_1B && (insn->opcode == 0x86 || insn->opcode == 0x87);
}

void operand_emit(struct tctx *t) {
    unsigned size;
    enum operand_intent intent;
    decode_operand_shape(t->insn, &size, &intent);
    if (size == 0) {
        t->failed = true;
        error_set(t->err, "translator: no operand size for opcode %02x of map %u", t->insn->opcode, t->insn->map);
        return;
    }
    access_emit(t, &(struct access){.ref = ref_modrm(t->insn),
                                    .size = (uint16_t)size,
                                    .intent = (uint8_t)intent,
                                    .locked = t->insn->lock || is_xchg(t->insn),
                                    .op = op_reencode});
}

static void emit_lea(struct tctx *t) {
    const struct guest_insn *insn = t->insn;
    struct mem_ref ref = ref_modrm(insn);
    if (insn->address_size == 4 && insn->operand_size == 4) {
        struct host_mem m = {.base = HOST_NONE, .index = HOST_NONE, .scale = ref.scale, .disp = ref.disp};
        if (ref.base != GUEST_NONE)
            m.base = (uint8_t)host_of_guest(ref.base);
        if (ref.index != GUEST_NONE)
            m.index = (uint8_t)host_of_guest(ref.index);
        emit_lea_r32_m(&t->e, host_of_guest(insn->reg), &m);
        return;
    }
    ref_emit_offset(t, &ref);
    guest_store(t, insn->reg, R8, insn->operand_size);
}

// ---- XLAT: AL = DS:[EBX + AL] --------------------------------------------------------------------------------------

static void op_xlat(struct tctx *t, const struct host_mem *m, const struct access *a) {
    (void)a;
    emit_op_mem(&t->e, &(struct host_op){.opcode = 0x8a, .reg = RAX}, m);
}

static void emit_xlat(struct tctx *t) {
    struct mem_ref ref = ref_register(t->insn, t->insn->seg, GUEST_EBX);
    ref.add = R10;
    emit_movzx_r32_r8(&t->e, R10, RAX);
    access_emit(t, &(struct access){.ref = ref, .size = 1, .intent = INTENT_READ, .op = op_xlat});
}

// ---- BT, BTS, BTR, BTC r/m,reg in memory
// ----------------------------------------------------------------------------- The bit offset is signed and reaches
// beyond the operand. On gs:[addr32] the host does the same sum and cuts it to 32 bits. Everywhere else the address
// takes offset / operand bits first, and the host sees the offset within the operand.

static struct host_op bit_op(const struct guest_insn *insn) {
    return (struct host_op){.opsize = insn->operand_size == 2,
                            .map = MAP_0F,
                            .opcode = insn->opcode,
                            .reg = (uint8_t)host_of_guest(insn->reg)};
}

// The register form takes the offset modulo the operand size by itself; memory sees a plain load and store.
static void op_bit_plain(struct tctx *t, const struct host_mem *m, const struct access *a) {
    struct emitter *e = &t->e;
    bool wide = a->size == 4;
    struct host_op op = bit_op(t->insn);
    if (wide)
        emit_mov_r32_m32(e, R10, m);
    else
        emit_movzx_r32_m16(e, R10, m);
    emit_op_reg(e, &op, R10);
    if (a->intent == INTENT_READ)
        return;
    if (wide)
        emit_mov_m32_r32(e, m, R10);
    else
        emit_mov_m16_r16(e, m, R10);
}

// r10d = offset modulo the operand's bits, then the locked instruction on it.
static void op_bit_locked(struct tctx *t, const struct host_mem *m, const struct access *a) {
    struct emitter *e = &t->e;
    struct host_op op = bit_op(t->insn);
    emit_mov_r32_imm32(e, R10, a->size * 8u - 1u);
    emit_pext_r32(e, R10, (enum host_reg)op.reg, R10);
    op.lock = true;
    op.reg = R10;
    emit_op_mem(e, &op, m);
}

// r10 = number of the operand that holds the bit, relative to the ModRM address.
static void emit_bit_element(struct tctx *t) {
    struct emitter *e = &t->e;
    enum host_reg offset = host_of_guest(t->insn->reg);
    if (t->insn->operand_size == 4) {
        emit_mov_r32_imm32(e, R10, 5);
        emit_sarx_r32(e, R10, offset, R10);
        return;
    }
    emit_mov_r32_imm32(e, R9, 4);
    emit_movsx_r32_r16(e, R10, offset);
    emit_sarx_r32(e, R10, R10, R9);
}

static void emit_bit_offset(struct tctx *t) {
    const struct guest_insn *insn = t->insn;
    struct access a = {.ref = ref_modrm(insn),
                       .size = insn->operand_size,
                       .intent = insn->opcode == 0xa3 ? INTENT_READ : INTENT_RMW,
                       .locked = insn->lock,
                       .op = op_reencode};
    enum access_form form = access_form(t, &a.ref, (enum operand_intent)a.intent, a.locked);
    bool by_host = insn->address_size == 4 && form == FORM_DIRECT;
    if (!by_host) {
        emit_bit_element(t);
        a.ref.add = R10;
        a.ref.add_scale = insn->operand_size == 4 ? 2 : 1;
        a.op = insn->lock ? op_bit_locked : op_bit_plain;
    }
    access_emit(t, &a);
}

// ---- MASKMOVQ, MASKMOVDQU: bytes of ModRM.reg to DS:[EDI], as ModRM.rm selects -------------------------------------

static void op_mask_move(struct tctx *t, const struct host_mem *m, const struct access *a) {
    struct emitter *e = &t->e;
    bool in_place = m->window && m->base == RDI;
    enum host_reg address = m->window ? R8 : R9;
    (void)a;
    if (!m->window)
        emit_lea_r64_m(e, R9, m);
    if (!in_place)
        emit_xchg_r64_r64(e, address, RDI);
    if (m->window) {
        emit_byte(e, 0x65);
        emit_byte(e, 0x67);
    }
    insn_emit_reg(t);
    if (!in_place)
        emit_xchg_r64_r64(e, address, RDI);
}

static void emit_mask_move(struct tctx *t) {
    access_emit(t, &(struct access){.ref = ref_register(t->insn, t->insn->seg, GUEST_EDI),
                                    .size = t->insn->opsize_prefix ? 16 : 8,
                                    .intent = INTENT_RMW,
                                    .op = op_mask_move});
}

// ---- The kind ------------------------------------------------------------------------------------------------------

static bool is_hint(const struct guest_insn *insn) {
    return insn->map == MAP_0F && (insn->opcode == 0x0d || (insn->opcode >= 0x18 && insn->opcode <= 0x1f));
}

static bool is_bit_offset(const struct guest_insn *insn) {
    return insn->map == MAP_0F && (insn->opcode & 0xe7) == 0xa3 && insn_is_mem(insn); // A3 AB B3 BB
}

void identity_emit(struct tctx *t) {
    const struct guest_insn *insn = t->insn;
    bool one_byte = insn->map == MAP_1B;
    if (is_hint(insn))
        emit_nop(&t->e, 1);
    else if (one_byte && insn->opcode == 0x8d)
        emit_lea(t);
    else if (one_byte && insn->opcode == 0xd7)
        emit_xlat(t);
    else if (is_bit_offset(insn))
        emit_bit_offset(t);
    else if (insn->map == MAP_0F && insn->opcode == 0xf7 && !insn_is_mem(insn))
        emit_mask_move(t);
    else if (insn_is_mem(insn) || (one_byte && insn->opcode >= 0xa0 && insn->opcode <= 0xa3))
        operand_emit(t);
    else if (insn->has_modrm)
        insn_emit_reg(t);
    else
        insn_emit_plain(t);
}
