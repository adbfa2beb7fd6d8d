// A string instruction without a repeat prefix as plain loads, stores and a comparison: for soft code and for segments
// that are not flat, where the host's own instruction cannot reach the operands. ESI and EDI move last, by the
// direction flag, without touching the others. Intel SDM, vol. 2, MOVS, CMPS, STOS, LODS, SCAS.
#include "translator/string_single.h"

#include "translator/emit_more.h"

enum { FLAG_DF_BIT = 0x400 };

// ---- The index registers --------------------------------------------------------------------------------------------

// r10d = (DF ? -size : size) - size - 1; clobbers r9.
static void emit_step(struct tctx *t, unsigned size) {
    struct emitter *e = &t->e;
    emit_pushfq(e);
    emit_pop_r64(e, R10);
    emit_mov_r32_imm32(e, R9, FLAG_DF_BIT);
    emit_pext_r32(e, R10, R10, R9);
    emit_mov_r32_imm32(e, R9, 2 * size);
    emit_pdep_r32(e, R10, R10, R9);
    emit_not_r32(e, R10);
}

static void emit_advance(struct tctx *t, enum host_reg index, unsigned size) {
    struct host_mem sum = mem_index(index, R10, 0, (int32_t)size + 1);
    if (t->insn->address_size == 4) {
        emit_lea_r32_m(&t->e, index, &sum);
        return;
    }
    emit_lea_r32_m(&t->e, R9, &sum);
    emit_mov_r16_r16(&t->e, index, R9);
}

// ---- Operations on one operand --------------------------------------------------------------------------------------

// An instruction of the byte, word and doubleword forms `opcode` and `opcode` + 1, with `reg` and memory.
static void emit_sized(struct tctx *t, unsigned opcode, enum host_reg reg, const struct host_mem *m, unsigned size) {
    struct host_op op = {.opsize = size == 2,
                         .opcode = (uint8_t)(size == 1 ? opcode : opcode + 1),
                         .reg = (uint8_t)reg,
                         .byte_reg = size == 1};
    emit_op_mem(&t->e, &op, m);
}

enum { OPCODE_CMP_REG_MEM = 0x3a, OPCODE_STORE = 0x88, OPCODE_LOAD = 0x8a };

static void op_lods(struct tctx *t, const struct host_mem *m, const struct access *a) {
    emit_sized(t, OPCODE_LOAD, RAX, m, a->size);
    emit_step(t, a->size);
    emit_advance(t, RSI, a->size);
}

static void op_stos(struct tctx *t, const struct host_mem *m, const struct access *a) {
    emit_sized(t, OPCODE_STORE, RAX, m, a->size);
    emit_step(t, a->size);
    emit_advance(t, RDI, a->size);
}

static void op_scas(struct tctx *t, const struct host_mem *m, const struct access *a) {
    emit_sized(t, OPCODE_CMP_REG_MEM, RAX, m, a->size);
    emit_step(t, a->size);
    emit_advance(t, RDI, a->size);
}

// ---- Two operands: the source waits in tmp[0] -----------------------------------------------------------------------

static void op_movs(struct tctx *t, const struct host_mem *m, const struct access *a) {
    struct host_mem source = mem_tmp(0);
    emit_mov_r32_m32(&t->e, R10, &source);
    emit_sized(t, OPCODE_STORE, R10, m, a->size);
    emit_step(t, a->size);
    emit_advance(t, RSI, a->size);
    emit_advance(t, RDI, a->size);
}

static void op_cmps(struct tctx *t, const struct host_mem *m, const struct access *a) {
    struct host_mem source = mem_tmp(0);
    emit_mov_r32_m32(&t->e, R10, &source);
    emit_sized(t, OPCODE_CMP_REG_MEM, R10, m, a->size);
    emit_step(t, a->size);
    emit_advance(t, RSI, a->size);
    emit_advance(t, RDI, a->size);
}

// ---- The kind -------------------------------------------------------------------------------------------------------

void string_emit_single(struct tctx *t, enum string_op op, unsigned size) {
    const struct guest_insn *insn = t->insn;
    struct access source = {.ref = ref_register(insn, insn->seg, GUEST_ESI),
                            .size = (uint16_t)size,
                            .intent = INTENT_READ,
                            .op = op_load_tmp};
    struct access destination = {.ref = ref_register(insn, SEG_ES, GUEST_EDI), .size = (uint16_t)size};
    bool writes = op == STRING_MOVS || op == STRING_STOS;
    destination.intent = writes ? INTENT_WRITE : INTENT_READ;
    switch (op) {
    case STRING_LODS:
        source.op = op_lods;
        access_emit(t, &source);
        return;
    case STRING_STOS: destination.op = op_stos; break;
    case STRING_SCAS: destination.op = op_scas; break;
    case STRING_MOVS:
    case STRING_CMPS:
    default:
        access_emit(t, &source);
        destination.op = op == STRING_MOVS ? op_movs : op_cmps;
        break;
    }
    access_emit(t, &destination);
}
