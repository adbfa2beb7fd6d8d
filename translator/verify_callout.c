// The words that a block hands to stubs: what the C code behind them indexes its tables with must be in range.
#include "translator/verify.h"

enum { SEGMENTS = 6, REGISTERS = 8, VECTORS = 32, SIZE_MAX_BYTES = 512 };

int verify_operand_word(struct verifier *v, unsigned i, uint32_t word) {
    const uint32_t known = OPERAND_WORD(0xfffu, 0x3ffu, 3u, 7u, 1u) | OPERAND_LOCKED;
    if (word & ~known)
        return verify_reject(v, i, "an operand word with unknown bits");
    if (OPERAND_SIZE(word) == 0 || OPERAND_SIZE(word) > SIZE_MAX_BYTES || (word >> 22 & 3u) > INTENT_RMW ||
        OPERAND_SEG(word) >= SEGMENTS)
        return verify_reject(v, i, "an operand word out of range");
    return 0;
}

// ---- Callouts -------------------------------------------------------------------------------------------------------

static bool is_size(unsigned size) {
    return size == 2 || size == 4;
}

// A register or a segment; `other` is ModRM.reg or less.
static bool is_rm_word(uint32_t w, unsigned other) {
    return RM_OTHER(w) < other && (RM_IS_REGISTER(w) || RM_INDEX(w) < SEGMENTS);
}

static bool is_string_word(uint32_t w) {
    unsigned size = STRING_SIZE(w);
    return w < 1u << 15 && (w & 15) <= STRING_OUTS && (size == 1 || size == 2 || size == 4) &&
           (w >> 8 & 3) <= STRING_REPNE && STRING_SEG(w) < SEGMENTS && (w >> 11 & 1) == 0;
}

static bool is_masked_word(uint32_t w) {
    return w < 1u << AVX_MASKED_BITS && AVX_MASKED_SEG(w) < SEGMENTS && AVX_MASKED_KIND(w) <= AVX_GATHER;
}

static bool is_bcd_opcode(unsigned op) {
    return op == 0x27 || op == 0x2f || op == 0x37 || op == 0x3f || (op >= 0xd4 && op <= 0xd6);
}

// Is r9 (a constant) what the callout expects?
static bool is_argument(enum callout_id id, uint32_t r9) {
    switch (id) {
    case CALLOUT_RAISE: return (r9 & 0xff) < VECTORS && (r9 & 0xfe00) == 0;
    case CALLOUT_INT: return r9 >> 8 <= 3;
    case CALLOUT_STRING: return is_string_word(r9);
    case CALLOUT_NEAR: return r9 < 1u << 10 && (r9 & 15) <= NEAR_JCXZ;
    case CALLOUT_FAR_MEM: return is_rm_word(r9, 2);
    case CALLOUT_LOAD_FAR: return is_rm_word(r9, SEGMENTS << 3);
    case CALLOUT_FPU_ENV: return is_rm_word(r9, FPU_LDMXCSR + 1);
    case CALLOUT_XSTATE: return is_rm_word(r9, XSTATE_XRSTOR + 1) && !RM_IS_REGISTER(r9);
    case CALLOUT_XCR: return r9 <= 1;
    case CALLOUT_AVX_MASKED: return is_masked_word(r9);
    case CALLOUT_LAR:
    case CALLOUT_LSL:
    case CALLOUT_ARPL:
    case CALLOUT_BOUND: return is_rm_word(r9, REGISTERS);
    case CALLOUT_LGDT:
    case CALLOUT_LIDT:
    case CALLOUT_SGDT:
    case CALLOUT_SIDT:
    case CALLOUT_LLDT:
    case CALLOUT_LTR:
    case CALLOUT_SLDT:
    case CALLOUT_STR:
    case CALLOUT_SMSW:
    case CALLOUT_LMSW:
    case CALLOUT_VERR:
    case CALLOUT_VERW:
    case CALLOUT_DIVIDE:
    case CALLOUT_INVLPG: return is_rm_word(r9, 1);
    case CALLOUT_MOV_TO_CR:
    case CALLOUT_MOV_FROM_DR:
    case CALLOUT_MOV_TO_DR: return (r9 & 0xff) < REGISTERS && r9 >> 8 < REGISTERS;
    case CALLOUT_BCD: return is_bcd_opcode(r9 & 0xff) && r9 < 1u << 16;
    case CALLOUT_ENTER: return r9 < 1u << 24;
    case CALLOUT_FAR_JMP:
    case CALLOUT_FAR_CALL:
    case CALLOUT_FAR_RET: return r9 < 1u << 16;
    default: return true;
    }
}

// Does the row take r9 as a constant?
static bool takes_constant(enum callout_id id) {
    return !is_argument(id, 0xffffffffu);
}

static bool is_extra(enum callout_id id, unsigned extra) {
    switch (id) {
    case CALLOUT_LOAD_SEG: return extra < SEGMENTS && extra != 1;
    case CALLOUT_POP_SEG: return (extra & 15) < SEGMENTS && (extra & 15) != 1 && is_size(extra >> 4);
    case CALLOUT_IN:
    case CALLOUT_OUT:
    case CALLOUT_STRING: return extra == 1 || is_size(extra);
    case CALLOUT_DIVIDE: return (extra & ~(unsigned)DIVIDE_SIGNED) == 1 || is_size(extra & ~(unsigned)DIVIDE_SIGNED);
    case CALLOUT_RAISE:
    case CALLOUT_CLI:
    case CALLOUT_STI: return extra == 0;
    case CALLOUT_BCD: return extra == 1;
    default: return is_size(extra);
    }
}

// Those behind whose call execution never comes back (abi.h: another EIP, or the dispatcher).
static bool never_returns(enum callout_id id) {
    switch (id) {
    case CALLOUT_RAISE:
    case CALLOUT_INT:
    case CALLOUT_HLT:
    case CALLOUT_IRET:
    case CALLOUT_FAR_JMP:
    case CALLOUT_FAR_CALL:
    case CALLOUT_FAR_MEM:
    case CALLOUT_FAR_RET:
    case CALLOUT_SYSENTER:
    case CALLOUT_SYSEXIT: return true;
    default: return false;
    }
}

// Whose C code relies on the translator for the check of the CPL (Intel SDM, vol. 3A, section 5.9).
static bool is_privileged(enum callout_id id) {
    switch (id) {
    case CALLOUT_HLT:
    case CALLOUT_LGDT:
    case CALLOUT_LIDT:
    case CALLOUT_LLDT:
    case CALLOUT_LTR:
    case CALLOUT_LMSW:
    case CALLOUT_MOV_TO_CR:
    case CALLOUT_MOV_FROM_DR:
    case CALLOUT_MOV_TO_DR:
    case CALLOUT_CLTS:
    case CALLOUT_INVLPG:
    case CALLOUT_INVD:
    case CALLOUT_RDMSR:
    case CALLOUT_WRMSR:
    case CALLOUT_SYSEXIT: return true;
    default: return false;
    }
}

int verify_callout(struct verifier *v, unsigned i, const struct vstate *s, uint32_t word, bool *noreturn) {
    unsigned id = CALLOUT_ID(word), length = CALLOUT_LENGTH(word);
    if (id >= CALLOUT_COUNT || id == CALLOUT_SLOW)
        return verify_reject(v, i, "an unknown callout");
    if (is_privileged((enum callout_id)id) && mode_cpl(v->in->mode) != 0)
        return verify_reject(v, i, "a privileged callout in a mode that is not CPL 0");
    if (id == CALLOUT_AVX_MASKED && verify_avx_unit(v, i) < 0)
        return -1;
    if (length == 0)
        return verify_reject(v, i, "a callout of an instruction without length");
    if (!is_extra((enum callout_id)id, CALLOUT_EXTRA(word)))
        return verify_reject(v, i, "a callout word out of range");
    if (takes_constant((enum callout_id)id)) {
        if (s->kind[V_R9] != KIND_IMM)
            return verify_reject(v, i, "a callout whose r9 is not a constant");
        if (!is_argument((enum callout_id)id, (uint32_t)s->value[1]))
            return verify_reject(v, i, "a callout argument out of range");
    }
    *noreturn = never_returns((enum callout_id)id);
    return 0;
}
