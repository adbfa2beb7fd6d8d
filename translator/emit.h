// A typed assembler for the host instructions that translated code is made of. One function is one host instruction;
// a function that changes the arithmetic flags ends in `_clobbers_flags`, every other one leaves them alone. Encoding
// follows the Intel SDM, vol. 2, chapter 2; legacy prefixes come first, then REX, then the opcode. Nothing here knows
// the guest.
#ifndef TRANSLATOR_EMIT_H
#define TRANSLATOR_EMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum host_reg { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15, HOST_NONE = 0xff };

// Where guest ESP lives; every other guest register is the host register of the same number.
#define HOST_ESP R12
static inline enum host_reg host_of_guest(unsigned guest) {
    return guest == 4 ? HOST_ESP : (enum host_reg)guest;
}

// A host memory operand. base and index may be HOST_NONE. With `window` it is gs:[addr32], a guest linear address.
struct host_mem {
    uint8_t base, index; // enum host_reg; RSP cannot be an index
    uint8_t scale;       // log2: 0 to 3
    bool window;         // gs segment override and 67h address size
    bool addr32;         // 67h alone: the address is truncated to 32 bits (LEA)
    int32_t disp;
};

static inline struct host_mem mem_base(enum host_reg base, int32_t disp) {
    return (struct host_mem){.base = (uint8_t)base, .index = HOST_NONE, .disp = disp};
}
static inline struct host_mem mem_index(enum host_reg base, enum host_reg index, unsigned scale, int32_t disp) {
    return (struct host_mem){.base = (uint8_t)base, .index = (uint8_t)index, .scale = (uint8_t)scale, .disp = disp};
}
// A field of struct vcpu_abi; offset as ABI_OFFSET(field) gives it.
static inline struct host_mem mem_vcpu(int32_t offset) {
    return mem_base(R15, offset);
}

struct emitter {
    uint8_t *start, *cur, *end; // [start, end) may be written
    uint32_t rx;                // address at which the byte at start will run
    bool overflow;              // something did not fit: what was emitted is to be thrown away
};

static inline uint32_t emit_offset(const struct emitter *e) {
    return (uint32_t)(e->cur - e->start);
}

// ---- The general form, for instructions that are named by the guest ------------------------------------------------

enum host_map { MAP_1B, MAP_0F, MAP_0F38, MAP_0F3A };

// A legacy instruction with a ModRM byte, apart from its r/m operand.
struct host_op {
    bool opsize;            // 66h
    bool lock;              // F0h
    bool rexw;              // 64-bit operand
    bool byte_rm, byte_reg; // such a register operand 4 to 7 means SPL BPL SIL DIL, so it forces an empty REX
    uint8_t rep;            // 0, F2h or F3h
    uint8_t map;            // enum host_map
    uint8_t opcode;
    uint8_t reg; // ModRM.reg, 0 to 15: register or opcode extension
    bool vex;    // VEX encoding of at least MAP_0F; opsize and rep become its pp field, rexw is VEX.W
    bool ymm;    // VEX.L
    uint8_t vvvv;
};

void emit_byte(struct emitter *e, unsigned byte);
void emit_u16(struct emitter *e, unsigned value);
void emit_u32(struct emitter *e, uint32_t value);
void emit_u64(struct emitter *e, uint64_t value);
void emit_bytes(struct emitter *e, const uint8_t *bytes, size_t size);
void emit_op_mem(struct emitter *e, const struct host_op *op, const struct host_mem *m); // an immediate may follow
void emit_op_reg(struct emitter *e, const struct host_op *op, unsigned rm);              // register form, rm 0 to 15

// ---- Moves ---------------------------------------------------------------------------------------------------------

void emit_mov_r32_r32(struct emitter *e, enum host_reg dst, enum host_reg src); // zero-extends to 64 bits
void emit_mov_r64_r64(struct emitter *e, enum host_reg dst, enum host_reg src);
void emit_mov_r16_r16(struct emitter *e, enum host_reg dst, enum host_reg src); // keeps the upper bits of dst
void emit_mov_r32_imm32(struct emitter *e, enum host_reg dst, uint32_t value);
void emit_mov_r64_imm64(struct emitter *e, enum host_reg dst, uint64_t value);
void emit_movzx_r32_r16(struct emitter *e, enum host_reg dst, enum host_reg src);
void emit_movzx_r32_r8(struct emitter *e, enum host_reg dst, enum host_reg src); // low byte of src
void emit_movsx_r32_r16(struct emitter *e, enum host_reg dst, enum host_reg src);
void emit_mov_r64_m64(struct emitter *e, enum host_reg dst, const struct host_mem *m);
void emit_mov_r32_m32(struct emitter *e, enum host_reg dst, const struct host_mem *m);
void emit_mov_r16_m16(struct emitter *e, enum host_reg dst, const struct host_mem *m); // keeps the upper bits of dst
void emit_movzx_r32_m16(struct emitter *e, enum host_reg dst, const struct host_mem *m);
void emit_movzx_r32_m8(struct emitter *e, enum host_reg dst, const struct host_mem *m);
void emit_mov_m64_r64(struct emitter *e, const struct host_mem *m, enum host_reg src);
void emit_mov_m32_r32(struct emitter *e, const struct host_mem *m, enum host_reg src);
void emit_mov_m16_r16(struct emitter *e, const struct host_mem *m, enum host_reg src);
void emit_mov_m8_r8(struct emitter *e, const struct host_mem *m, enum host_reg src); // low byte of src
void emit_mov_m32_imm32(struct emitter *e, const struct host_mem *m, uint32_t value);
void emit_mov_m16_imm16(struct emitter *e, const struct host_mem *m, uint16_t value);
void emit_mov_m8_imm8(struct emitter *e, const struct host_mem *m, uint8_t value);
void emit_lea_r32_m(struct emitter *e, enum host_reg dst, const struct host_mem *m);
void emit_lea_r64_m(struct emitter *e, enum host_reg dst, const struct host_mem *m);
// dst = base + disp, 32 bits: the addition that leaves flags alone.
void emit_lea_r32_disp(struct emitter *e, enum host_reg dst, enum host_reg base, int32_t disp);
void emit_xchg_r32_r32(struct emitter *e, enum host_reg a, enum host_reg b);
void emit_xchg_r64_r64(struct emitter *e, enum host_reg a, enum host_reg b);
void emit_xchg_low_high(struct emitter *e, enum host_reg r); // xchg al,ah and so on for RAX RCX RDX RBX
void emit_mov_r8_r8(struct emitter *e, enum host_reg dst, enum host_reg src); // low bytes; never AH and so on

// ---- Arithmetic that leaves flags alone ----------------------------------------------------------------------------

void emit_not_r32(struct emitter *e, enum host_reg r);
void emit_not_r64(struct emitter *e, enum host_reg r);
void emit_shrx_r32(struct emitter *e, enum host_reg dst, enum host_reg src, enum host_reg count);
void emit_shlx_r32(struct emitter *e, enum host_reg dst, enum host_reg src, enum host_reg count);
void emit_sarx_r32(struct emitter *e, enum host_reg dst, enum host_reg src, enum host_reg count);
void emit_shrx_r64(struct emitter *e, enum host_reg dst, enum host_reg src, enum host_reg count);
void emit_rorx_r32(struct emitter *e, enum host_reg dst, enum host_reg src, unsigned count);
void emit_pext_r32(struct emitter *e, enum host_reg dst, enum host_reg src, enum host_reg mask);
void emit_pdep_r32(struct emitter *e, enum host_reg dst, enum host_reg src, enum host_reg mask);
void emit_bswap_r32(struct emitter *e, enum host_reg r);
void emit_lahf(struct emitter *e);                                          // AH = SF ZF AF PF CF
void emit_setcc_r8(struct emitter *e, unsigned condition, enum host_reg r); // low byte
void emit_cmovcc_r32_r32(struct emitter *e, unsigned condition, enum host_reg dst, enum host_reg src);

// ---- Arithmetic that changes them ----------------------------------------------------------------------------------

// The ALU group by its number in the opcode map.
enum host_alu { ALU_ADD, ALU_OR, ALU_ADC, ALU_SBB, ALU_AND, ALU_SUB, ALU_XOR, ALU_CMP };
void emit_alu_r32_r32_clobbers_flags(struct emitter *e, enum host_alu op, enum host_reg dst, enum host_reg src);
void emit_alu_r32_imm_clobbers_flags(struct emitter *e, enum host_alu op, enum host_reg dst, int32_t value);
void emit_alu_r32_m32_clobbers_flags(struct emitter *e, enum host_alu op, enum host_reg dst, const struct host_mem *m);
void emit_alu_m32_imm_clobbers_flags(struct emitter *e, enum host_alu op, const struct host_mem *m, int32_t value);
void emit_test_r32_r32_clobbers_flags(struct emitter *e, enum host_reg a, enum host_reg b);
void emit_test_r32_imm_clobbers_flags(struct emitter *e, enum host_reg r, uint32_t value);
void emit_test_m8_imm_clobbers_flags(struct emitter *e, const struct host_mem *m, uint8_t value);
void emit_bt_r32_imm_clobbers_flags(struct emitter *e, enum host_reg r, unsigned bit);
void emit_sahf_clobbers_flags(struct emitter *e); // SF ZF AF PF CF = AH; leaves OF
void emit_popfq_clobbers_flags(struct emitter *e);
void emit_pushfq(struct emitter *e); // the host stack below rsp is free inside one instruction's code

// ---- Control -------------------------------------------------------------------------------------------------------

enum host_condition {
    CC_O,
    CC_NO,
    CC_B,
    CC_AE,
    CC_Z,
    CC_NZ,
    CC_BE,
    CC_A,
    CC_S,
    CC_NS,
    CC_P,
    CC_NP,
    CC_L,
    CC_GE,
    CC_LE,
    CC_G
};

// A forward jump whose target is not known yet.
struct host_label {
    uint32_t at;   // offset of the displacement
    uint8_t width; // of the displacement: 1 or 4 bytes
};

struct host_label emit_jmp_rel32(struct emitter *e); // five bytes
struct host_label emit_jmp_rel8(struct emitter *e);
struct host_label emit_jcc_rel32(struct emitter *e, unsigned condition);
struct host_label emit_jcc_rel8(struct emitter *e, unsigned condition);
struct host_label emit_jrcxz(struct emitter *e);                     // rel8
struct host_label emit_jecxz(struct emitter *e);                     // rel8
struct host_label emit_loop_ecx(struct emitter *e, unsigned opcode); // E0 LOOPNE, E1 LOOPE, E2 LOOP with 67h; rel8
void emit_here(struct emitter *e, struct host_label label);          // the label's target is the next byte
void emit_patch(struct emitter *e, struct host_label label, uint32_t target); // or an offset already emitted
void emit_jmp_offset(struct emitter *e, uint32_t target);                     // jmp rel32 to an offset already emitted
void emit_jmp_address(struct emitter *e, uint32_t address);                   // jmp rel32 to a stub
void emit_call_address(struct emitter *e, uint32_t address);
void emit_jmp_r64(struct emitter *e, enum host_reg r);
void emit_cld(struct emitter *e);
void emit_std(struct emitter *e);
void emit_nop(struct emitter *e, unsigned bytes); // the recommended multi-byte NOPs, 1 to 9 bytes each

#endif
