// The classification table: what each IA-32 instruction is and how it is translated, one row a Zydis mnemonic. The
// translator, the tracer, the teaching tools and docs/instructions.md read it; no such fact stands anywhere else.
// Classes follow Popek and Goldberg (CACM 17(7), 1974) and, for IA-32, Robin and Irvine (USENIX Security 2000).
#ifndef TRANSLATOR_TABLE_H
#define TRANSLATOR_TABLE_H

#include <Zydis/Zydis.h>

#include <stdbool.h>
#include <stdint.h>

struct guest_insn;

enum table_class {
    CLASS_INNOCUOUS,  // neither reads nor changes what the monitor owns
    CLASS_PRIVILEGED, // traps in user mode (at CPL 3, or above IOPL)
    CLASS_SENSITIVE,  // reads or changes what the monitor owns and does not trap in user mode
};

enum table_kind {
    KIND_IDENTITY, // the same instruction, its prefixes, registers and memory operand put as 64-bit mode wants them
    KIND_CONTROL,  // near transfer
    KIND_STACK,    // PUSH POP LEAVE
    KIND_STRING,
    KIND_REMOVED, // does not exist in 64-bit mode: put together from others
    KIND_INLINE,  // a few flag-neutral instructions on struct vcpu_abi
    KIND_CALLOUT, // C code of cpu/, row->callout
    KIND_FPU,     // x87: identity, and the instruction pointer kept for FNSTENV
    KIND_UD,      // raises #UD: undefined, or of a feature that CPUID does not announce
};

// Whose availability bits of the mode apply (CR0.EM, CR0.TS, CR0.MP, CR4.OSFXSR).
enum table_unit {
    UNIT_NONE,
    UNIT_X87,     // MODE_X87_NM
    UNIT_WAIT,    // MODE_WAIT_NM
    UNIT_MMX,     // MODE_MMX_UD, MODE_SIMD_NM
    UNIT_SSE,     // MODE_SSE_UD, MODE_SIMD_NM
    UNIT_AVX,     // MODE_AVX (#UD without it, and in V86 mode), MODE_SIMD_NM
    UNIT_MMX_SSE, // MMX without a mandatory prefix, SSE with one; table_unit tells
};

// What the instruction does to its explicit memory operand. Where that may also be the source (ADD r32,m32 beside ADD
// m32,r32), this is what it does to a destination; a source is read.
enum table_mem {
    MEM_NONE,    // has none
    MEM_ADDRESS, // computes the address, or hints at it, and does not access it
    MEM_READ,
    MEM_WRITE,
    MEM_RMW,
};

enum table_privilege {
    PRIVILEGE_NONE,
    PRIVILEGE_CPL0, // #GP(0) at any other CPL
    PRIVILEGE_IOPL, // allowed where CPL <= IOPL; below that #GP(0), the I/O permission map or VME decide
};

// What CPUID says of the instruction. bit is that of leaf 1 in EDX, or 32 + that in ECX; 0xff: no bit of its own.
#define TABLE_FEATURES(X)                                                                                              \
    X(BASE, 0xff, true) /* 80486 and what every Pentium Pro has */                                                     \
    X(FPU, 0, true)                                                                                                    \
    X(TSC, 4, true)                                                                                                    \
    X(MSR, 5, true)                                                                                                    \
    X(CX8, 8, true)                                                                                                    \
    X(SEP, 11, true)                                                                                                   \
    X(CMOV, 15, true)                                                                                                  \
    X(CLFSH, 19, false) /* the caches are the host's, and coherent: WBINVD serves who asks */                          \
    X(MMX, 23, true)                                                                                                   \
    X(FXSR, 24, true)                                                                                                  \
    X(SSE, 25, true)                                                                                                   \
    X(SSE2, 26, true)                                                                                                  \
    X(SSE3, 32 + 0, true)                                                                                              \
    X(SSSE3, 32 + 9, true)                                                                                             \
    X(SSE41, 32 + 19, true)                                                                                            \
    X(SSE42, 32 + 20, true)                                                                                            \
    X(POPCNT, 32 + 23, true)                                                                                           \
    X(MONITOR, 32 + 3, false) /* would let a guest wait outside HLT */                                                 \
    X(MOVBE, 32 + 22, false)                                                                                           \
    X(AES, 32 + 25, false)                                                                                             \
    X(PCLMULQDQ, 32 + 1, false)                                                                                        \
    X(RDRAND, 32 + 30, false)                                                                                          \
    X(XSAVE, 32 + 26, true)                                                                                            \
    X(AVX, 32 + 28, true)                                                                                              \
    X(AVX2, 0xff, true)      /* leaf 7, EBX bit 5 */                                                                   \
    X(XSAVEOPT, 0xff, false) /* and XSAVEC, XSAVES: leaf 13 announces the standard form alone */                       \
    X(SMAP, 0xff, true)      /* by --cpu smap; else #UD, which its callouts raise */                                   \
    X(HYPERCALL, 0xff, true) /* VMCALL by --hypercalls; else #UD, which its callout raises */                          \
    X(OTHER, 0xff, false)    /* every other feature: VMX, SVM, SMX, SGX, TSX, CET, 3DNow!, BMI, ADX, SHA ... */

enum table_feature {
#define TABLE_FEATURE_ENUM(name, bit, announced) FEATURE_##name,
    TABLE_FEATURES(TABLE_FEATURE_ENUM)
#undef TABLE_FEATURE_ENUM
        FEATURE_COUNT
};

// Flags in EFLAGS positions (Intel SDM, vol. 1, section 3.4.3).
enum {
    FLAG_CF = 1 << 0,
    FLAG_PF = 1 << 2,
    FLAG_AF = 1 << 4,
    FLAG_ZF = 1 << 6,
    FLAG_SF = 1 << 7,
    FLAG_DF = 1 << 10,
    FLAG_OF = 1 << 11,
    FLAGS_ARITH = FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_OF,
};

#define TABLE_NO_CALLOUT 0 // CALLOUT_RAISE, which no row names

struct table_row {
    const char *name;    // the mnemonic, or what a variant is called
    uint8_t class;       // enum table_class
    uint8_t kind;        // enum table_kind
    uint8_t unit;        // enum table_unit
    uint8_t feature;     // enum table_feature: needed, and missing where kind is KIND_UD for that reason
    uint8_t mem;         // enum table_mem
    uint8_t privilege;   // enum table_privilege
    uint8_t callout;     // enum callout_id of KIND_CALLOUT and of the slow path of other kinds, or TABLE_NO_CALLOUT
    bool lockable;       // LOCK is legal with a memory destination; elsewhere it raises #UD
    bool ends;           // the block ends with it: control does not come back behind it, or not to the same code
    bool x87_control;    // of KIND_FPU: leaves the x87 instruction and operand pointers alone
    uint16_t flags_read; // FLAG_*
    uint16_t flags_set;  // always given a value that does not depend on the old one
    uint16_t flags_may;  // others that may change: conditionally written (shifts by CL) or undefined
    uint32_t mode;       // further bits of the block's mode the translation depends on (enum mode_bit)
    const char *why;     // of every row that is not plain identity: the reason, in a line
};

// Instructions that share a mnemonic and nothing else have rows of their own behind the mnemonics.
enum table_variant {
    VARIANT_MOV_FROM_SEG = ZYDIS_MNEMONIC_MAX_VALUE + 1,
    VARIANT_MOV_TO_SEG,
    VARIANT_MOV_FROM_CR,
    VARIANT_MOV_TO_CR,
    VARIANT_MOV_FROM_DR,
    VARIANT_MOV_TO_DR,
    VARIANT_PUSH_SEG,
    VARIANT_POP_SEG,
    VARIANT_JMP_FAR,
    VARIANT_JMP_FAR_MEM,
    VARIANT_CALL_FAR,
    VARIANT_CALL_FAR_MEM,
    VARIANT_RET_FAR,
    VARIANT_MOVSD_SSE,
    VARIANT_CMPSD_SSE,
    TABLE_ROWS,
};

// Never NULL: mnemonics without a row of their own (VEX and EVEX encodings, features that are not announced) and
// ZYDIS_MNEMONIC_INVALID have one of KIND_UD. Of a mnemonic with variants, the row of its ordinary form.
const struct table_row *table_find(unsigned mnemonic);

// The row of an instruction, variants told apart: what the translator uses.
const struct table_row *table_find_insn(const struct guest_insn *insn);

// The unit of this encoding of the row: never UNIT_MMX_SSE.
enum table_unit table_unit(const struct table_row *row, const struct guest_insn *insn);

// All mode bits beyond those of every block (size, CPL, form, segments) that the row's translation looks at.
uint32_t table_mode_bits(const struct table_row *row);

const char *table_class_name(unsigned class);
const char *table_kind_name(unsigned kind);
const char *table_unit_name(unsigned unit);
const char *table_feature_name(unsigned feature);
bool table_feature_announced(unsigned feature);

// The bits of CPUID leaf 1 whose instructions have rows that execute: what may be announced, EDX and ECX.
uint32_t table_cpuid_edx(void);
uint32_t table_cpuid_ecx(void);

#endif
