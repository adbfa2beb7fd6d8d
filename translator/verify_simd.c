// The verifier's allow-list of MMX and SSE to SSE4.2 encodings, by opcode and mandatory prefix (none, 66h, F3h, F2h):
// the size of a memory operand, what is done to it, and where a general register takes part. Intel SDM, vol. 2,
// appendix A.
#include "translator/verify.h"

#define V(size)                                                                                                        \
    { size, RM_VR, REG_V, 0 } // vector register or memory, read
#define VW(size)                                                                                                       \
    { size, RM_VW, REG_V, 0 } // written
#define O                                                                                                              \
    { 0, RM_BAD, REG_V, 0 }
#define E(size, rm, reg)                                                                                               \
    { size, RM_##rm, REG_##reg, 0 }
#define G(rm, groups)                                                                                                  \
    { 0, RM_##rm, REG_X, groups } // ModRM.reg extends the opcode

#define FLOAT                                                                                                          \
    { V(16), V(16), V(4), V(8) } // packed single, packed double, scalar single, scalar double
#define PACKED                                                                                                         \
    { V(16), V(16), O, O }
#define MMX                                                                                                            \
    { V(8), V(16), O, O }
#define SSE_ONLY                                                                                                       \
    { O, V(16), O, O }

// clang-format off
static const struct verify_simd simd_0f[256][4] = {
    [0x10] = FLOAT, [0x11] = {VW(16), VW(16), VW(4), VW(8)},
    [0x12] = {V(8), E(8, MR, V), V(16), V(8)},  // MOVLPS MOVHLPS, MOVLPD, MOVSLDUP, MOVDDUP
    [0x13] = {E(8, MW, V), E(8, MW, V), O, O},
    [0x14] = PACKED, [0x15] = PACKED,
    [0x16] = {V(8), E(8, MR, V), V(16), O},     // MOVHPS MOVLHPS, MOVHPD, MOVSHDUP
    [0x17] = {E(8, MW, V), E(8, MW, V), O, O},
    [0x28] = PACKED, [0x29] = {VW(16), VW(16), O, O},
    [0x2a] = {V(8), V(8), E(4, GR, V), E(4, GR, V)},
    [0x2b] = {E(16, MW, V), E(16, MW, V), O, O},
    [0x2c] = {V(8), V(16), E(4, VR, GW), E(8, VR, GW)}, [0x2d] = {V(8), V(16), E(4, VR, GW), E(8, VR, GW)},
    [0x2e] = {V(4), V(8), O, O}, [0x2f] = {V(4), V(8), O, O},
    [0x50] = {E(0, V, GW), E(0, V, GW), O, O},
    [0x51] = FLOAT, [0x52] = {V(16), O, V(4), O}, [0x53] = {V(16), O, V(4), O},
    [0x54 ... 0x57] = PACKED, [0x58] = FLOAT, [0x59] = FLOAT,
    [0x5a] = {V(8), V(16), V(4), V(8)}, [0x5b] = {V(16), V(16), V(16), O},
    [0x5c ... 0x5f] = FLOAT,
    [0x60 ... 0x62] = {V(4), V(16), O, O}, [0x63 ... 0x6b] = MMX,
    [0x6c] = SSE_ONLY, [0x6d] = SSE_ONLY, [0x6e] = {E(4, GR, V), E(4, GR, V), O, O}, [0x6f] = {V(8), V(16), V(16), O},
    [0x70] = {V(8), V(16), V(16), V(16)},
    [0x71] = {G(V, 0x54), G(V, 0x54), O, O}, [0x72] = {G(V, 0x54), G(V, 0x54), O, O},
    [0x73] = {G(V, 0x44), G(V, 0xcc), O, O},
    [0x74 ... 0x76] = MMX, [0x7c] = {O, V(16), O, V(16)}, [0x7d] = {O, V(16), O, V(16)},
    [0x7e] = {E(4, GW, V), E(4, GW, V), V(8), O}, [0x7f] = {VW(8), VW(16), VW(16), O},
    [0xae] = {{4, RM_MR, REG_X, 0x08}, O, O, O}, // STMXCSR (written), fences: verify_rules.c looks closer
    [0xc2] = FLOAT, [0xc3] = {E(4, MW, GR), O, O, O}, // MOVNTI
    [0xc4] = {E(2, GR, V), E(2, GR, V), O, O}, [0xc5] = {E(0, V, GW), E(0, V, GW), O, O}, [0xc6] = PACKED,
    [0xd0] = {O, V(16), O, V(16)}, [0xd1 ... 0xd3] = MMX, [0xd4] = MMX, [0xd5] = MMX,
    [0xd6] = {O, VW(8), E(0, V, V), E(0, V, V)},      // MOVQ, MOVQ2DQ, MOVDQ2Q
    [0xd7] = {E(0, V, GW), E(0, V, GW), O, O},
    [0xd8 ... 0xe5] = MMX, [0xe6] = {O, V(16), V(8), V(16)}, [0xe7] = {E(8, MW, V), E(16, MW, V), O, O},
    [0xe8 ... 0xef] = MMX, [0xf0] = {O, O, O, E(16, MR, V)}, // LDDQU
    [0xf1 ... 0xf6] = MMX, [0xf7] = {E(8, V, V), E(16, V, V), O, O}, [0xf8 ... 0xfe] = MMX,
};

static const struct verify_simd simd_0f38[256][4] = {
    [0x00 ... 0x0b] = MMX, [0x10] = SSE_ONLY, [0x14] = SSE_ONLY, [0x15] = SSE_ONLY, [0x17] = SSE_ONLY,
    [0x1c ... 0x1e] = MMX,
    [0x20] = {O, V(8), O, O}, [0x21] = {O, V(4), O, O}, [0x22] = {O, V(2), O, O}, [0x23] = {O, V(8), O, O},
    [0x24] = {O, V(4), O, O}, [0x25] = {O, V(8), O, O},
    [0x28] = SSE_ONLY, [0x29] = SSE_ONLY, [0x2a] = {O, E(16, MR, V), O, O}, [0x2b] = SSE_ONLY,
    [0x30] = {O, V(8), O, O}, [0x31] = {O, V(4), O, O}, [0x32] = {O, V(2), O, O}, [0x33] = {O, V(8), O, O},
    [0x34] = {O, V(4), O, O}, [0x35] = {O, V(8), O, O},
    [0x37 ... 0x41] = SSE_ONLY,
};

static const struct verify_simd simd_0f3a[256][4] = {
    [0x08] = SSE_ONLY, [0x09] = SSE_ONLY, [0x0a] = {O, V(4), O, O}, [0x0b] = {O, V(8), O, O},
    [0x0c ... 0x0e] = SSE_ONLY, [0x0f] = MMX,
    [0x14] = {O, E(1, GW, V), O, O}, [0x15] = {O, E(2, GW, V), O, O}, [0x16] = {O, E(4, GW, V), O, O},
    [0x17] = {O, E(4, GW, V), O, O},
    [0x20] = {O, E(1, GR, V), O, O}, [0x21] = {O, V(4), O, O}, [0x22] = {O, E(4, GR, V), O, O},
    [0x40 ... 0x42] = SSE_ONLY, [0x60 ... 0x63] = SSE_ONLY,
};

// clang-format on
static const struct verify_simd none = O;

const struct verify_simd *verify_simd_find(unsigned map, unsigned opcode, unsigned prefix) {
    switch (map) {
    case VMAP_0F: return &simd_0f[opcode][prefix];
    case VMAP_0F38: return &simd_0f38[opcode][prefix];
    case VMAP_0F3A: return &simd_0f3a[opcode][prefix];
    default: return &none;
    }
}

// ---- x87 (Intel SDM, vol. 2, tables) --------------------------------------------------------------------
// FLDENV, FNSTENV, FRSTOR and FNSAVE are not here: they would show host addresses.

unsigned verify_x87_memory(unsigned opcode, unsigned reg, unsigned *access) {
    enum { R = 0, W = 0x80 };
    // clang-format off
    static const uint8_t size[8][8] = {
        {4, 4, 4, 4, 4, 4, 4, 4},             {4, 0, 4 | W, 4 | W, 0, 2, 0, 2 | W},
        {4, 4, 4, 4, 4, 4, 4, 4},             {4, 4 | W, 4 | W, 4 | W, 0, 10, 0, 10 | W},
        {8, 8, 8, 8, 8, 8, 8, 8},             {8, 8 | W, 8 | W, 8 | W, 0, 0, 0, 2 | W},
        {2, 2, 2, 2, 2, 2, 2, 2},             {2, 2 | W, 2 | W, 2 | W, 10, 8, 10 | W, 8 | W},
    };
    // clang-format on
    unsigned entry = size[opcode & 7][reg & 7];
    *access = entry & W ? ACC_W : ACC_R;
    return entry & 0x7fu;
}

// Every register form works on the x87 stack alone, FNSTSW AX apart.
bool verify_x87_register(unsigned opcode, unsigned modrm) {
    switch (opcode) {
    case 0xd8:
    case 0xdc: return true;
    case 0xd9:
        return modrm <= 0xd0 || (modrm >= 0xd8 && modrm <= 0xe1) || modrm == 0xe4 || modrm == 0xe5 ||
               (modrm >= 0xe8 && modrm != 0xef);
    case 0xda: return modrm <= 0xdf || modrm == 0xe9;
    case 0xdb: return modrm <= 0xe4 || (modrm >= 0xe8 && modrm <= 0xf7);
    case 0xdd: return modrm <= 0xef;
    case 0xde: return modrm <= 0xd7 || modrm == 0xd9 || modrm >= 0xe0;
    case 0xdf: return modrm <= 0xe0 || (modrm >= 0xe8 && modrm <= 0xf7);
    default: return false;
    }
}
