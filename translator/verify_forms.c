// The verifier's allow-list: opcodes of IA-32 integer, x87, MMX and SSE to SSE4.2 instructions that touch nothing but
// general, x87 and vector registers, the arithmetic flags, DF, and an operand of known size and access. Written
// from the Intel SDM, vol. 2, appendix A, on its own; the translator's tables are not read. What is not here is
// refused.
#include "translator/verify.h"

#define RM(access, size)  .rm = ACC_##access, .rm_size = (size)
#define REG(access, size) .reg = ACC_##access, .reg_size = (size)
#define INT               .shape = SHAPE_INT
#define LISTED                                                                                                         \
    { .shape = SHAPE_LISTED }
#define PLAIN                                                                                                          \
    { .shape = SHAPE_NONE }
#define SIMD                                                                                                           \
    { .shape = SHAPE_SIMD }
#define SIMD_IMM                                                                                                       \
    { .shape = SHAPE_SIMD, .imm = IMM_8 }
#define LOCKED .flags = FORM_LOCK

// ADD to XOR: r/m,r; r,r/m; accumulator and immediate. 64-bit mode has no segment pushes behind them.
#define ALU(op)                                                                                                        \
    [(op) + 0] = {INT, RM(RW, 1), REG(R, 1), LOCKED}, [(op) + 1] = {INT, RM(RW, 0), REG(R, 0), LOCKED},                \
            [(op) + 2] = {INT, RM(R, 1), REG(RW, 1)}, [(op) + 3] = {INT, RM(R, 0), REG(RW, 0)},                        \
            [(op) + 4] = {.shape = SHAPE_ACC, .imm = IMM_8}, [(op) + 5] = {.shape = SHAPE_ACC, .imm = IMM_OPERAND}
#define RANGE8(first, ...)                                                                                             \
    [(first)] = __VA_ARGS__, [(first) + 1] = __VA_ARGS__, [(first) + 2] = __VA_ARGS__, [(first) + 3] = __VA_ARGS__,    \
    [(first) + 4] = __VA_ARGS__, [(first) + 5] = __VA_ARGS__, [(first) + 6] = __VA_ARGS__, [(first) + 7] = __VA_ARGS__
#define SHIFT_GROUPS 0xff // /6 is SHL once more

// clang-format off
static const struct verify_form map_1b[256] = {
    ALU(0x00), ALU(0x08), ALU(0x10), ALU(0x18), ALU(0x20), ALU(0x28), ALU(0x30),
    [0x38] = {INT, RM(R, 1), REG(R, 1)}, [0x39] = {INT, RM(R, 0), REG(R, 0)},
    [0x3a] = {INT, RM(R, 1), REG(R, 1)}, [0x3b] = {INT, RM(R, 0), REG(R, 0)},
    [0x3c] = {.shape = SHAPE_ACC, .imm = IMM_8}, [0x3d] = {.shape = SHAPE_ACC, .imm = IMM_OPERAND},
    RANGE8(0x50, LISTED), RANGE8(0x58, LISTED),
    [0x69] = {INT, RM(R, 0), REG(W, 0), .imm = IMM_OPERAND}, [0x6b] = {INT, RM(R, 0), REG(W, 0), .imm = IMM_8},
    RANGE8(0x70, {.shape = SHAPE_JCC, .imm = IMM_REL8}), RANGE8(0x78, {.shape = SHAPE_JCC, .imm = IMM_REL8}),
    [0x80] = {INT, RM(RW, 1), .imm = IMM_8, LOCKED},
    [0x81] = {INT, RM(RW, 0), .imm = IMM_OPERAND, .flags = FORM_LOCK | FORM_VCPU},
    [0x83] = {INT, RM(RW, 0), .imm = IMM_8, .flags = FORM_LOCK | FORM_VCPU},
    [0x84] = {INT, RM(R, 1), REG(R, 1)}, [0x85] = {INT, RM(R, 0), REG(R, 0)},
    [0x86] = {INT, RM(RW, 1), REG(RW, 1), LOCKED}, [0x87] = {INT, RM(RW, 0), REG(RW, 0), LOCKED},
    [0x88] = {INT, RM(W, 1), REG(R, 1)}, [0x89] = {INT, RM(W, 0), REG(R, 0), .flags = FORM_VCPU},
    [0x8a] = {INT, RM(R, 1), REG(W, 1)}, [0x8b] = {INT, RM(R, 0), REG(W, 0), .flags = FORM_VCPU},
    [0x8d] = {.shape = SHAPE_LEA, .flags = FORM_MEM},
    [0x90] = {.shape = SHAPE_OPREG, .rm = ACC_RW, .flags = FORM_F3_OK}, [0x91] = {.shape = SHAPE_OPREG, .rm = ACC_RW},
    [0x92] = {.shape = SHAPE_OPREG, .rm = ACC_RW}, [0x93] = {.shape = SHAPE_OPREG, .rm = ACC_RW},
    [0x94] = {.shape = SHAPE_OPREG, .rm = ACC_RW}, [0x95] = {.shape = SHAPE_OPREG, .rm = ACC_RW},
    [0x96] = {.shape = SHAPE_OPREG, .rm = ACC_RW}, [0x97] = {.shape = SHAPE_OPREG, .rm = ACC_RW},
    [0x98] = PLAIN, [0x99] = PLAIN, [0x9b] = PLAIN, // CBW CWDE, CWD CDQ, WAIT
    [0x9c] = LISTED, [0x9d] = LISTED, [0x9e] = PLAIN, [0x9f] = PLAIN,
    [0xa4] = LISTED, [0xa5] = LISTED, [0xa6] = LISTED, [0xa7] = LISTED,
    [0xa8] = {.shape = SHAPE_ACC, .imm = IMM_8}, [0xa9] = {.shape = SHAPE_ACC, .imm = IMM_OPERAND},
    [0xaa] = LISTED, [0xab] = LISTED, [0xac] = LISTED, [0xad] = LISTED,
    [0xae] = LISTED, [0xaf] = LISTED,
    RANGE8(0xb0, {.shape = SHAPE_OPREG, RM(W, 1), .imm = IMM_8}),
    RANGE8(0xb8, {.shape = SHAPE_OPREG, RM(W, 0), .imm = IMM_MOV}),
    [0xc0] = {INT, RM(RW, 1), .imm = IMM_8, .groups = SHIFT_GROUPS},
    [0xc1] = {INT, RM(RW, 0), .imm = IMM_8, .groups = SHIFT_GROUPS},
    [0xc6] = {INT, RM(W, 1), .imm = IMM_8, .groups = 0x01},
    [0xc7] = {INT, RM(W, 0), .imm = IMM_OPERAND, .groups = 0x01, .flags = FORM_VCPU},
    [0xd0] = {INT, RM(RW, 1), .groups = SHIFT_GROUPS}, [0xd1] = {INT, RM(RW, 0), .groups = SHIFT_GROUPS},
    [0xd2] = {INT, RM(RW, 1), .groups = SHIFT_GROUPS}, [0xd3] = {INT, RM(RW, 0), .groups = SHIFT_GROUPS},
    RANGE8(0xd8, {.shape = SHAPE_X87}),
    [0xe0] = {.shape = SHAPE_JCXZ, .imm = IMM_REL8}, [0xe1] = {.shape = SHAPE_JCXZ, .imm = IMM_REL8},
    [0xe2] = {.shape = SHAPE_JCXZ, .imm = IMM_REL8}, [0xe3] = {.shape = SHAPE_JCXZ, .imm = IMM_REL8},
    [0xe8] = {.shape = SHAPE_CALL, .imm = IMM_REL32}, [0xe9] = {.shape = SHAPE_JMP, .imm = IMM_REL32},
    [0xeb] = {.shape = SHAPE_JMP, .imm = IMM_REL8},
    [0xf5] = PLAIN, [0xf8] = PLAIN, [0xf9] = PLAIN, [0xfc] = PLAIN, [0xfd] = PLAIN,
    [0xf6] = {INT, RM(RW, 1), .imm = IMM_GROUP3, .flags = FORM_LOCK | FORM_VCPU},
    [0xf7] = {INT, RM(RW, 0), .imm = IMM_GROUP3, LOCKED},
    [0xfe] = {INT, RM(RW, 1), .groups = 0x03, LOCKED},
    [0xff] = {INT, RM(RW, 0), .groups = 0x13, LOCKED}, // /4, JMP r64, is listed only
};

static const struct verify_form map_0f[256] = {
    [0x1f] = {.shape = SHAPE_NOP, .groups = 0x01},
    [0x31] = LISTED, // RDTSC
    RANGE8(0x40, {INT, RM(R, 0), REG(RW, 0)}), RANGE8(0x48, {INT, RM(R, 0), REG(RW, 0)}),
    RANGE8(0x80, {.shape = SHAPE_JCC, .imm = IMM_REL32}), RANGE8(0x88, {.shape = SHAPE_JCC, .imm = IMM_REL32}),
    RANGE8(0x90, {INT, RM(W, 1)}), RANGE8(0x98, {INT, RM(W, 1)}), // ModRM.reg is not looked at
    [0xa3] = {INT, RM(R, 0), REG(R, 0), .flags = FORM_BIT_OFFSET},
    [0xab] = {INT, RM(RW, 0), REG(R, 0), .flags = FORM_BIT_OFFSET | FORM_LOCK},
    [0xb3] = {INT, RM(RW, 0), REG(R, 0), .flags = FORM_BIT_OFFSET | FORM_LOCK},
    [0xbb] = {INT, RM(RW, 0), REG(R, 0), .flags = FORM_BIT_OFFSET | FORM_LOCK},
    [0xba] = {INT, RM(RW, 0), .imm = IMM_8, .groups = 0xf0, LOCKED},
    [0xa4] = {INT, RM(RW, 0), REG(R, 0), .imm = IMM_8}, [0xa5] = {INT, RM(RW, 0), REG(R, 0)},
    [0xac] = {INT, RM(RW, 0), REG(R, 0), .imm = IMM_8}, [0xad] = {INT, RM(RW, 0), REG(R, 0)},
    [0xaf] = {INT, RM(R, 0), REG(RW, 0)},
    [0xb0] = {INT, RM(RW, 1), REG(R, 1), LOCKED}, [0xb1] = {INT, RM(RW, 0), REG(R, 0), LOCKED},
    [0xb6] = {INT, RM(R, 1), REG(W, 0), .flags = FORM_VCPU}, [0xb7] = {INT, RM(R, 2), REG(W, 0), .flags = FORM_VCPU},
    [0xb8] = {INT, RM(R, 0), REG(W, 0), .flags = FORM_F3}, // POPCNT
    [0xbc] = {INT, RM(R, 0), REG(RW, 0)}, [0xbd] = {INT, RM(R, 0), REG(RW, 0)}, // with F3h other instructions
    [0xbe] = {INT, RM(R, 1), REG(W, 0)}, [0xbf] = {INT, RM(R, 2), REG(W, 0)},
    [0xc0] = {INT, RM(RW, 1), REG(RW, 1), LOCKED}, [0xc1] = {INT, RM(RW, 0), REG(RW, 0), LOCKED},
    [0xc7] = {INT, RM(RW, 8), .groups = 0x02, .flags = FORM_LOCK | FORM_MEM}, // CMPXCHG8B
    RANGE8(0xc8, {.shape = SHAPE_OPREG, RM(RW, 0)}),                                   // BSWAP
    [0x10 ... 0x17] = SIMD, [0x28 ... 0x2f] = SIMD, [0x50 ... 0x6f] = SIMD,
    [0x70 ... 0x73] = SIMD_IMM, [0x74 ... 0x76] = SIMD, [0x77] = PLAIN, // EMMS
    [0x7c ... 0x7f] = SIMD, [0xae] = SIMD,
    [0xc2] = SIMD_IMM, [0xc3] = SIMD, [0xc4 ... 0xc6] = SIMD_IMM,
    [0xd0 ... 0xf6] = SIMD, [0xf7] = SIMD, [0xf8 ... 0xfe] = SIMD,
};

static const struct verify_form map_0f38[256] = {
    [0x00 ... 0x41] = SIMD,
    [0xf0] = {INT, RM(R, 1), REG(RW, 4), .flags = FORM_F2}, // CRC32
    [0xf1] = {INT, RM(R, 0), REG(RW, 4), .flags = FORM_F2},
};

static const struct verify_form map_0f3a[256] = {[0x08 ... 0x63] = SIMD_IMM};

// clang-format on
static const struct verify_form bad = {.shape = SHAPE_BAD}, vex = {.shape = SHAPE_VEX};
static const struct verify_form vex_imm = {.shape = SHAPE_VEX, .imm = IMM_8};

static const struct verify_form avx = {.shape = SHAPE_AVX}, avx_imm = {.shape = SHAPE_AVX, .imm = IMM_8};
static const struct verify_form avx_zero = {.shape = SHAPE_ZERO};

// Whether there is such an AVX instruction at all is verify_avx.c's to say.
static const struct verify_form *avx_0f(unsigned opcode) {
    switch (opcode) {
    case 0x77: return &avx_zero;
    case 0x70 ... 0x73:
    case 0xc2:
    case 0xc4 ... 0xc6: return &avx_imm;
    default: return &avx;
    }
}

// BMI2 without flags: F5 PEXT PDEP, F7 SHRX SARX SHLX, F0 of the other map RORX.
const struct verify_form *verify_form_find(unsigned map, unsigned opcode) {
    switch (map) {
    case VMAP_1B: return &map_1b[opcode];
    case VMAP_0F: return &map_0f[opcode];
    case VMAP_0F38: return &map_0f38[opcode];
    case VMAP_0F3A: return &map_0f3a[opcode];
    case VMAP_VEX0F: return avx_0f(opcode);
    case VMAP_VEX38: return opcode == 0xf5 || opcode == 0xf7 ? &vex : &avx;
    case VMAP_VEX3A: return opcode == 0xf0 ? &vex_imm : &avx_imm;
    default: return &bad;
    }
}
