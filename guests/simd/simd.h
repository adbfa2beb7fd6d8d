// Operations of MMX and SSE to SSE4.2, POPCNT and CRC32, each run over many inputs; everything that the instruction
// leaves is hashed and compared with golden.h, which was recorded on a processor (record.c). An operation finds a and b
// in XMM0 and XMM1, in MM0 and MM1, EDI at a memory operand that holds b, and EAX, ECX, EDX from the case; it may
// change all of them and 32 bytes from EDI on. Intel SDM vol. 1, chapters 9 to 12.
#ifndef SIMD_H
#define SIMD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum simd_values { V_INT, V_F32, V_F64, V_TEXT };
enum simd_flags {
    ALIGNED = 1 << 0, // a 16-byte operand that must be aligned
};

struct simd_op {
    const char *name;
    void (*code)(void);
    uint16_t values, flags;
};

#define SIMD(id, values_, flags_, asm_text)                                                                            \
    __asm__(".pushsection .text\n.globl simd_" #id "\nsimd_" #id ":\n" asm_text "\nret\n.popsection");                 \
    extern void simd_##id(void);                                                                                       \
    static const struct simd_op simd_entry_##id                                                                        \
        __attribute__((used, section("simd_ops"), aligned(4))) = {#id, simd_##id, values_, flags_};

// Register and memory form, of 128 bits or of one element.
#define PACKED(op, values)                                                                                             \
    SIMD(op##_r, values, 0, #op " %xmm1, %xmm0")                                                                       \
    SIMD(op##_m, values, ALIGNED, #op " (%edi), %xmm0")
#define PACKED_IMM(op, imm, values)                                                                                    \
    SIMD(op##_##imm##_r, values, 0, #op " $" #imm ", %xmm1, %xmm0")                                                    \
    SIMD(op##_##imm##_m, values, ALIGNED, #op " $" #imm ", (%edi), %xmm0")
#define SCALAR(op, values)                                                                                             \
    SIMD(op##_r, values, 0, #op " %xmm1, %xmm0")                                                                       \
    SIMD(op##_m, values, 0, #op " (%edi), %xmm0")
#define SCALAR_IMM(op, imm, values)                                                                                    \
    SIMD(op##_##imm##_r, values, 0, #op " $" #imm ", %xmm1, %xmm0")                                                    \
    SIMD(op##_##imm##_m, values, 0, #op " $" #imm ", (%edi), %xmm0")
#define MMX(op)                                                                                                        \
    SIMD(mmx_##op##_r, V_INT, 0, #op " %mm1, %mm0")                                                                    \
    SIMD(mmx_##op##_m, V_INT, 0, #op " (%edi), %mm0")
#define BOTH(op) MMX(op) PACKED(op, V_INT)

extern const struct simd_op __start_simd_ops[], __stop_simd_ops[];

struct simd_case {
    uint8_t a[16], b[16];
    uint32_t eax, ecx, edx, flags, mxcsr;
};

struct simd_result {
    uint8_t xmm[3][16]; // XMM0, XMM1, XMM2
    uint8_t mm[2][8];
    uint32_t eax, ecx, edx, flags, mxcsr;
    uint8_t memory[32];
};

typedef void (*simd_trace)(const struct simd_op *op, const struct simd_case *in, const struct simd_result *out);

enum simd_set {
    SIMD_FULL,
    SIMD_PLAIN, // what an emulator does in full as well: no DAZ, one NaN, DE is not looked at
    SIMD_SETS,
};

// Hash over all cases of a set. `where` is the address of the memory operand, 32 bytes. trace may be NULL.
uint32_t simd_hash(const struct simd_op *op, enum simd_set set, uint8_t *where, simd_trace trace);

#endif
