// Host instructions that change the arithmetic flags. Use them only where the guest's flags are saved, dead, or about
// to be set by the very instruction.
#include "translator/emit.h"

void emit_alu_r32_r32_clobbers_flags(struct emitter *e, enum host_alu op, enum host_reg dst, enum host_reg src) {
    emit_op_reg(e, &(struct host_op){.opcode = (uint8_t)(op * 8u + 1u), .reg = (uint8_t)src}, dst);
}

static bool fits_int8(int32_t value) {
    return value == (int8_t)value;
}

static void emit_imm8_or_32(struct emitter *e, int32_t value) {
    if (fits_int8(value))
        emit_byte(e, (uint8_t)value);
    else
        emit_u32(e, (uint32_t)value);
}

void emit_alu_r32_imm_clobbers_flags(struct emitter *e, enum host_alu op, enum host_reg dst, int32_t value) {
    emit_op_reg(e, &(struct host_op){.opcode = fits_int8(value) ? 0x83 : 0x81, .reg = (uint8_t)op}, dst);
    emit_imm8_or_32(e, value);
}

void emit_alu_r32_m32_clobbers_flags(struct emitter *e, enum host_alu op, enum host_reg dst, const struct host_mem *m) {
    emit_op_mem(e, &(struct host_op){.opcode = (uint8_t)(op * 8u + 3u), .reg = (uint8_t)dst}, m);
}

void emit_alu_m32_imm_clobbers_flags(struct emitter *e, enum host_alu op, const struct host_mem *m, int32_t value) {
    emit_op_mem(e, &(struct host_op){.opcode = fits_int8(value) ? 0x83 : 0x81, .reg = (uint8_t)op}, m);
    emit_imm8_or_32(e, value);
}

void emit_test_r32_r32_clobbers_flags(struct emitter *e, enum host_reg a, enum host_reg b) {
    emit_op_reg(e, &(struct host_op){.opcode = 0x85, .reg = (uint8_t)b}, a);
}

void emit_test_r32_imm_clobbers_flags(struct emitter *e, enum host_reg r, uint32_t value) {
    emit_op_reg(e, &(struct host_op){.opcode = 0xf7, .reg = 0}, r);
    emit_u32(e, value);
}

void emit_test_m8_imm_clobbers_flags(struct emitter *e, const struct host_mem *m, uint8_t value) {
    emit_op_mem(e, &(struct host_op){.opcode = 0xf6, .reg = 0}, m);
    emit_byte(e, value);
}

void emit_bt_r32_imm_clobbers_flags(struct emitter *e, enum host_reg r, unsigned bit) {
    emit_op_reg(e, &(struct host_op){.map = MAP_0F, .opcode = 0xba, .reg = 4}, r);
    emit_byte(e, bit);
}

void emit_sahf_clobbers_flags(struct emitter *e) {
    emit_byte(e, 0x9e);
}
void emit_popfq_clobbers_flags(struct emitter *e) {
    emit_byte(e, 0x9d);
}
