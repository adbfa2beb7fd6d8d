// Moves, address arithmetic and the other host instructions that leave the flags alone. Names and operand order follow
// the Intel SDM, vol. 2. Functions with `_clobbers_flags` live in emit_alu.c.
#include "translator/emit.h"

static void op_rr(struct emitter *e, unsigned map, unsigned opcode, unsigned reg, unsigned rm) {
    emit_op_reg(e, &(struct host_op){.map = (uint8_t)map, .opcode = (uint8_t)opcode, .reg = (uint8_t)reg}, rm);
}

static void op_rm(struct emitter *e, unsigned map, unsigned opcode, unsigned reg, const struct host_mem *m) {
    emit_op_mem(e, &(struct host_op){.map = (uint8_t)map, .opcode = (uint8_t)opcode, .reg = (uint8_t)reg}, m);
}

static void op_rm64(struct emitter *e, unsigned opcode, unsigned reg, const struct host_mem *m) {
    emit_op_mem(e, &(struct host_op){.rexw = true, .opcode = (uint8_t)opcode, .reg = (uint8_t)reg}, m);
}

static void op_rm16(struct emitter *e, unsigned opcode, unsigned reg, const struct host_mem *m) {
    emit_op_mem(e, &(struct host_op){.opsize = true, .opcode = (uint8_t)opcode, .reg = (uint8_t)reg}, m);
}

void emit_mov_r32_r32(struct emitter *e, enum host_reg dst, enum host_reg src) {
    op_rr(e, MAP_1B, 0x89, src, dst);
}

void emit_mov_r64_r64(struct emitter *e, enum host_reg dst, enum host_reg src) {
    emit_op_reg(e, &(struct host_op){.rexw = true, .opcode = 0x89, .reg = (uint8_t)src}, dst);
}

void emit_mov_r16_r16(struct emitter *e, enum host_reg dst, enum host_reg src) {
    emit_op_reg(e, &(struct host_op){.opsize = true, .opcode = 0x89, .reg = (uint8_t)src}, dst);
}

void emit_mov_r8_r8(struct emitter *e, enum host_reg dst, enum host_reg src) {
    emit_op_reg(e, &(struct host_op){.opcode = 0x88, .reg = (uint8_t)src, .byte_rm = true, .byte_reg = true}, dst);
}

void emit_mov_r32_imm32(struct emitter *e, enum host_reg dst, uint32_t value) {
    if (dst & 8)
        emit_byte(e, 0x41);
    emit_byte(e, 0xb8u | (dst & 7u));
    emit_u32(e, value);
}

void emit_mov_r64_imm64(struct emitter *e, enum host_reg dst, uint64_t value) {
    emit_byte(e, dst & 8 ? 0x49 : 0x48);
    emit_byte(e, 0xb8u | (dst & 7u));
    emit_u64(e, value);
}

void emit_movzx_r32_r16(struct emitter *e, enum host_reg dst, enum host_reg src) {
    op_rr(e, MAP_0F, 0xb7, dst, src);
}
void emit_movsx_r32_r16(struct emitter *e, enum host_reg dst, enum host_reg src) {
    op_rr(e, MAP_0F, 0xbf, dst, src);
}

void emit_movzx_r32_r8(struct emitter *e, enum host_reg dst, enum host_reg src) {
    emit_op_reg(e, &(struct host_op){.map = MAP_0F, .opcode = 0xb6, .reg = (uint8_t)dst, .byte_rm = true}, src);
}

void emit_mov_r64_m64(struct emitter *e, enum host_reg dst, const struct host_mem *m) {
    op_rm64(e, 0x8b, dst, m);
}
void emit_mov_r32_m32(struct emitter *e, enum host_reg dst, const struct host_mem *m) {
    op_rm(e, MAP_1B, 0x8b, dst, m);
}
void emit_mov_r16_m16(struct emitter *e, enum host_reg dst, const struct host_mem *m) {
    op_rm16(e, 0x8b, dst, m);
}
void emit_movzx_r32_m16(struct emitter *e, enum host_reg dst, const struct host_mem *m) {
    op_rm(e, MAP_0F, 0xb7, dst, m);
}
void emit_movzx_r32_m8(struct emitter *e, enum host_reg dst, const struct host_mem *m) {
    op_rm(e, MAP_0F, 0xb6, dst, m);
}
void emit_mov_m64_r64(struct emitter *e, const struct host_mem *m, enum host_reg src) {
    op_rm64(e, 0x89, src, m);
}
void emit_mov_m32_r32(struct emitter *e, const struct host_mem *m, enum host_reg src) {
    op_rm(e, MAP_1B, 0x89, src, m);
}
void emit_mov_m16_r16(struct emitter *e, const struct host_mem *m, enum host_reg src) {
    op_rm16(e, 0x89, src, m);
}

void emit_mov_m8_r8(struct emitter *e, const struct host_mem *m, enum host_reg src) {
    emit_op_mem(e, &(struct host_op){.opcode = 0x88, .reg = (uint8_t)src, .byte_reg = true}, m);
}

void emit_mov_m32_imm32(struct emitter *e, const struct host_mem *m, uint32_t value) {
    op_rm(e, MAP_1B, 0xc7, 0, m);
    emit_u32(e, value);
}

void emit_mov_m16_imm16(struct emitter *e, const struct host_mem *m, uint16_t value) {
    op_rm16(e, 0xc7, 0, m);
    emit_u16(e, value);
}

void emit_mov_m8_imm8(struct emitter *e, const struct host_mem *m, uint8_t value) {
    op_rm(e, MAP_1B, 0xc6, 0, m);
    emit_byte(e, value);
}

void emit_lea_r32_m(struct emitter *e, enum host_reg dst, const struct host_mem *m) {
    op_rm(e, MAP_1B, 0x8d, dst, m);
}
void emit_lea_r64_m(struct emitter *e, enum host_reg dst, const struct host_mem *m) {
    op_rm64(e, 0x8d, dst, m);
}

void emit_lea_r32_disp(struct emitter *e, enum host_reg dst, enum host_reg base, int32_t disp) {
    struct host_mem m = mem_base(base, disp);
    emit_lea_r32_m(e, dst, &m);
}

void emit_xchg_r32_r32(struct emitter *e, enum host_reg a, enum host_reg b) {
    op_rr(e, MAP_1B, 0x87, a, b);
}

void emit_xchg_r64_r64(struct emitter *e, enum host_reg a, enum host_reg b) {
    emit_op_reg(e, &(struct host_op){.rexw = true, .opcode = 0x87, .reg = (uint8_t)a}, b);
}

void emit_xchg_low_high(struct emitter *e, enum host_reg r) {
    op_rr(e, MAP_1B, 0x86, r + 4u, r);
}

void emit_not_r32(struct emitter *e, enum host_reg r) {
    op_rr(e, MAP_1B, 0xf7, 2, r);
}

void emit_not_r64(struct emitter *e, enum host_reg r) {
    emit_op_reg(e, &(struct host_op){.rexw = true, .opcode = 0xf7, .reg = 2}, r);
}

// BMI2: VEX.LZ with the mandatory prefix pp (0 none, 1 66h, 2 F3h, 3 F2h) in map 2 (0F38) or 3 (0F3A).
static void vex_rr(struct emitter *e, unsigned map, unsigned pp, bool w, unsigned opcode, unsigned reg, unsigned vvvv,
                   unsigned rm) {
    emit_byte(e, 0xc4);
    emit_byte(e, (reg & 8 ? 0u : 0x80u) | 0x40u | (rm & 8 ? 0u : 0x20u) | map);
    emit_byte(e, (w ? 0x80u : 0u) | (~vvvv & 15u) << 3 | pp);
    emit_byte(e, opcode);
    emit_byte(e, 0xc0u | (reg & 7u) << 3 | (rm & 7u));
}

void emit_shrx_r32(struct emitter *e, enum host_reg dst, enum host_reg src, enum host_reg count) {
    vex_rr(e, 2, 3, false, 0xf7, dst, count, src);
}
void emit_shrx_r64(struct emitter *e, enum host_reg dst, enum host_reg src, enum host_reg count) {
    vex_rr(e, 2, 3, true, 0xf7, dst, count, src);
}
void emit_shlx_r32(struct emitter *e, enum host_reg dst, enum host_reg src, enum host_reg count) {
    vex_rr(e, 2, 1, false, 0xf7, dst, count, src);
}
void emit_sarx_r32(struct emitter *e, enum host_reg dst, enum host_reg src, enum host_reg count) {
    vex_rr(e, 2, 2, false, 0xf7, dst, count, src);
}
void emit_pext_r32(struct emitter *e, enum host_reg dst, enum host_reg src, enum host_reg mask) {
    vex_rr(e, 2, 2, false, 0xf5, dst, src, mask);
}
void emit_pdep_r32(struct emitter *e, enum host_reg dst, enum host_reg src, enum host_reg mask) {
    vex_rr(e, 2, 3, false, 0xf5, dst, src, mask);
}
void emit_rorx_r32(struct emitter *e, enum host_reg dst, enum host_reg src, unsigned count) {
    vex_rr(e, 3, 3, false, 0xf0, dst, 0, src);
    emit_byte(e, count);
}

void emit_bswap_r32(struct emitter *e, enum host_reg r) {
    if (r & 8)
        emit_byte(e, 0x41);
    emit_byte(e, 0x0f);
    emit_byte(e, 0xc8u | (r & 7u));
}

void emit_lahf(struct emitter *e) {
    emit_byte(e, 0x9f);
}

void emit_setcc_r8(struct emitter *e, unsigned condition, enum host_reg r) {
    emit_op_reg(e, &(struct host_op){.map = MAP_0F, .opcode = (uint8_t)(0x90u | condition), .byte_rm = true}, r);
}

void emit_cmovcc_r32_r32(struct emitter *e, unsigned condition, enum host_reg dst, enum host_reg src) {
    op_rr(e, MAP_0F, 0x40u | condition, dst, src);
}

void emit_pushfq(struct emitter *e) {
    emit_byte(e, 0x9c);
}
void emit_cld(struct emitter *e) {
    emit_byte(e, 0xfc);
}
void emit_std(struct emitter *e) {
    emit_byte(e, 0xfd);
}

void emit_nop(struct emitter *e, unsigned bytes) {
    static const uint8_t nops[9][9] = {
        // Intel SDM, vol. 2B, NOP, table 4-12
        {0x90},
        {0x66, 0x90},
        {0x0f, 0x1f, 0x00},
        {0x0f, 0x1f, 0x40, 0x00},
        {0x0f, 0x1f, 0x44, 0x00, 0x00},
        {0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00},
        {0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00},
        {0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00},
        {0x66, 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00},
    };
    while (bytes != 0) {
        unsigned n = bytes > 9 ? 9 : bytes;
        emit_bytes(e, nops[n - 1], n);
        bytes -= n;
    }
}
