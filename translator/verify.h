// Inside the verifier only: the decoded host instruction, the abstract state of the proof, and what its passes offer
// each other. Rules and reasons: docs/verifier.md. Nothing here may come from the translator's own code or tables; of
// its headers only abi.h (the contract) and translator.h (the interface) are read.
#ifndef TRANSLATOR_VERIFY_H
#define TRANSLATOR_VERIFY_H

#include "translator/translator.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    V_RAX,
    V_RCX,
    V_RDX,
    V_RBX,
    V_RSP,
    V_RBP,
    V_RSI,
    V_RDI,
    V_R8,
    V_R9,
    V_R10,
    V_R11,
    V_R12,
    V_R13,
    V_R14,
    V_R15,
    V_RIP = 0xfe,
    V_NONE = 0xff
};

// ---- The allow-list (verify_forms.c) --------------------------------------------------------------------------------

enum verify_map { VMAP_1B, VMAP_0F, VMAP_0F38, VMAP_0F3A, VMAP_VEX0F, VMAP_VEX38, VMAP_VEX3A };

enum verify_shape {
    SHAPE_BAD,   // not on the list
    SHAPE_NONE,  // no operands but implicit guest registers, 32 bits wide or less
    SHAPE_OPREG, // general register in the opcode's low bits
    SHAPE_ACC,   // AL, AX or EAX and an immediate
    SHAPE_INT,   // ModRM, general registers
    SHAPE_LEA,
    SHAPE_NOP,  // ModRM that is not looked at
    SHAPE_SIMD, // ModRM, vector registers and perhaps a general one; see struct verify_simd
    SHAPE_X87,
    SHAPE_JMP,
    SHAPE_JCC,
    SHAPE_JCXZ,
    SHAPE_CALL,
    SHAPE_LISTED, // only inside a listed sequence
    SHAPE_VEX,    // BMI2
    SHAPE_AVX,    // VEX with ModRM and vector registers; verify_avx.c looks closer
    SHAPE_ZERO,   // VZEROUPPER and VZEROALL
};

enum { ACC_N, ACC_R, ACC_W, ACC_RW };

enum { IMM_NONE, IMM_8, IMM_OPERAND, IMM_MOV, IMM_GROUP3, IMM_REL8, IMM_REL32 };

enum verify_form_flag {
    FORM_LOCK = 1 << 0,       // LOCK is allowed with a memory destination
    FORM_VCPU = 1 << 1,       // a plain move or test that may have an operand in the vCPU structure
    FORM_MEM = 1 << 2,        // memory form only
    FORM_BIT_OFFSET = 1 << 4, // BT r/m,r: reaches beyond its operand
    FORM_F2 = 1 << 5,         // mandatory prefix
    FORM_F3 = 1 << 6,
    FORM_F3_OK = 1 << 7, // PAUSE
};

struct verify_form {
    uint8_t shape;             // enum verify_shape
    uint8_t rm, reg;           // ACC_*; reg is ACC_N where ModRM.reg extends the opcode
    uint8_t rm_size, reg_size; // bytes; 0: by 66h
    uint8_t imm;               // IMM_*
    uint8_t groups;            // ModRM.reg values allowed, as a bit mask; 0: all
    uint8_t flags;             // enum verify_form_flag
};

// What ModRM.r/m may be, and what is done to it.
enum {
    RM_BAD,
    RM_VR, // vector register or memory, read
    RM_VW, // written
    RM_V,  // vector register only, read
    RM_MR, // memory only, read
    RM_MW, // written
    RM_GR, // general register or memory, read
    RM_GW, // written
};
// ModRM.reg: vector register; general register, read or written; an extension of the opcode.
enum { REG_V, REG_GR, REG_GW, REG_X };

struct verify_simd {
    uint8_t size; // of the memory operand
    uint8_t rm, reg;
    uint8_t groups; // of REG_X: ModRM.reg values allowed
};

const struct verify_form *verify_form_find(unsigned map, unsigned opcode);
// By mandatory prefix: 0 none, 1 66h, 2 F3h, 3 F2h.
const struct verify_simd *verify_simd_find(unsigned map, unsigned opcode, unsigned prefix);
// Size and access of an x87 memory operand; size 0: not allowed.
unsigned verify_x87_memory(unsigned opcode, unsigned reg, unsigned *access);
bool verify_x87_register(unsigned opcode, unsigned modrm);

// ---- Pass 1: the decoded instructions (verify_decode.c) -------------------------------------------------------------

struct vinsn {
    uint16_t at; // offset in the block
    uint8_t length;
    bool lock, opsize, addr32, gs;
    uint8_t rep; // 0, F2h, F3h
    uint8_t rex; // 0, or 40h to 4Fh
    uint8_t map, opcode;
    uint8_t modrm;
    bool has_modrm, is_mem;
    uint8_t reg, rm;            // with REX
    uint8_t base, index, scale; // of a memory operand; scale is log2
    uint8_t vvvv, pp;           // of VEX
    bool ymm;                   // VEX.L
    bool wide;                  // REX.W or VEX.W
    uint8_t sequence, covers;   // head of a listed sequence: its number, and how many instructions it covers
    bool interior;              // inside one, not its head
    uint8_t target;             // enum target_flag
    bool is_exit;               // a patchable exit
    uint16_t fall, jump;        // where control goes from here: instruction plus one, 0 for nowhere
    uint8_t visit;              // of the search for cycles
    int32_t disp;
    uint64_t imm; // sign-extended; of branches the displacement
    const struct verify_form *form;
};

enum target_flag {
    TARGET_BACK = 1 << 0,   // of a backward jump: what scratch registers hold is forgotten there
    TARGET_LOOKED = 1 << 1, // of one that brings a looked-up operand along: that stays
};

// ---- The abstract state ---------------------------------------------------------------------------------------------

enum verify_kind {
    KIND_TOP,  // any 64 bits, perhaps a host address
    KIND_LOW,  // likewise, but the low byte is guest data
    KIND_U32,  // upper half zero, guest data or a linear address
    KIND_IMM,  // of r8, r9, r10: the value is known, 32 bits
    KIND_LIVE, // of r8: the known host address of the block's own bytes
};

struct vstate {
    uint8_t kind[16];
    uint64_t value[3]; // of r8, r9, r10
    uint16_t size;     // of the operand at [r9 + r8]; 0: there is none
    bool writable;
    uint8_t bounced; // the operand is in the buffer and must be written back
    uint8_t held;    // scratch << 4 | guest register whose value waits there, exchanged; 0: none
    bool reached;
};

struct verifier {
    const struct verify_input *in;
    struct error *err;
    struct vinsn *insns; // count of them, and one more that ends the last
    unsigned count;
    uint16_t *index;      // of the instruction that starts at an offset, plus one; 0: none
    struct vstate *state; // before each instruction
    void *capstone;       // struct of verify_decode.c
};

// Fills v's buffers, which belong to the calling thread. 0 or -1 with err.
int verify_begin(struct verifier *v);
int verify_decode(struct verifier *v);

// Reports a broken rule at instruction `i`; returns -1.
int verify_reject(struct verifier *v, unsigned i, const char *rule);

// ---- Pass 2: listed sequences (verify_sequence.c) -------------------------------------------------------------------

enum verify_sequence {
    SEQ_NONE,
    SEQ_TRANSFER,
    SEQ_LOOKUP,
    SEQ_STRING,
    SEQ_MASKMOVE,
    SEQ_SEGMENT_BASE,
    SEQ_PUSHF,
    SEQ_POPF,
    SEQ_RDTSC,
    SEQ_CROSSING,
    SEQ_CHARGE,
    SEQ_RECORD,
    SEQ_LIVE,
    SEQ_COMPARE,
    SEQ_BIT_LOCKED,
    SEQ_STUB_CALL,
    SEQ_COLD,
};

enum {
    TAKE_INSNS = 10,               // of a charge: all but its last
    CHARGE_INSNS = TAKE_INSNS + 1, // SEQ_CHARGE
    RECORD_INSNS = TAKE_INSNS + 7, // SEQ_RECORD, with CHARGE_INSNS more in a block that is charged
    RECORD_CHARGED = RECORD_INSNS + CHARGE_INSNS,
};

void verify_find_sequences(struct verifier *v);

// ---- Pass 3: rules of the remaining instructions (verify_rules.c, verify_memory.c) ----------------------------------

// Checks ordinary instruction `i` in state s and turns s into the state behind it.
int verify_ordinary(struct verifier *v, unsigned i, struct vstate *s);
// Its memory operand of `size` bytes; access ACC_*.
int verify_memory(struct verifier *v, unsigned i, const struct vstate *s, unsigned size, unsigned access);
void verify_write(struct vstate *s, unsigned reg, unsigned kind); // a whole register
// A 32-bit general register operand.
int verify_register(struct verifier *v, unsigned i, struct vstate *s, unsigned reg, unsigned access);
// AVX and AVX2 (verify_avx.c). The unit: does the mode allow it?
int verify_avx(struct verifier *v, unsigned i, struct vstate *s);
int verify_avx_zero(struct verifier *v, unsigned i);
int verify_avx_unit(struct verifier *v, unsigned i);
// xchg r8|r9|r10, rcx|rdi (64 bits), which stands alone: scratch << 4 | guest register. 0: something else.
unsigned verify_exchange(const struct vinsn *n);

// ---- Pass 4: control flow, and the sequences' effects (verify_flow.c, _cycle.c, _effect.c, _callout.c) -------------

int verify_flow(struct verifier *v);
// Refuses a block that could run for ever without leaving: a kick could not end it (verify_cycle.c).
int verify_cycles(struct verifier *v);
// Control goes from instruction `i` in state s to the offset `to` of the block.
int verify_jump(struct verifier *v, unsigned i, const struct vstate *s, uint32_t to);
// The effect of the listed sequence at `i`; s->reached becomes false where nothing follows it.
int verify_effect(struct verifier *v, unsigned i, struct vstate *s);
// The state of every block's link entry.
void verify_clean(struct vstate *s);
// MMX (vector false) or SSE: does the mode allow it?
int verify_unit(struct verifier *v, unsigned i, bool vector);
// Guest registers as every other block and every stub expects them, and no bounced operand left behind.
int verify_require_clean(struct verifier *v, unsigned i, const struct vstate *s);
// Arguments of STUB_CALLOUT: `word` in r10d, r8 and r9 as s knows them. Sets *noreturn.
int verify_callout(struct verifier *v, unsigned i, const struct vstate *s, uint32_t word, bool *noreturn);
// The word in r10d of STUB_SOFT_MISS.
int verify_operand_word(struct verifier *v, unsigned i, uint32_t word);

static inline bool verify_is_u32(const struct vstate *s, unsigned reg) {
    return s->kind[reg] == KIND_U32 || s->kind[reg] == KIND_IMM;
}

// The jump's or call's target as an address in the host's 32-bit code space.
static inline uint32_t verify_target(const struct verifier *v, const struct vinsn *n) {
    return v->in->code_rx + n->at + n->length + (uint32_t)n->imm;
}

#endif
