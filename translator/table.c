// The classification table put together from its families. A family is a list of rows in a .def file; a row names only
// what differs from an innocuous identity instruction without memory operand. Nothing here emits code.
#include "translator/table.h"

#include "translator/context.h"

static const struct table_row rows[TABLE_ROWS] = {
#define ROW(mnemonic, row_kind, ...)                                                                                   \
    [ZYDIS_MNEMONIC_##mnemonic] = {.name = #mnemonic, .kind = KIND_##row_kind, __VA_ARGS__},
#define VARIANT(variant, text, row_kind, ...)                                                                          \
    [VARIANT_##variant] = {.name = text, .kind = KIND_##row_kind, __VA_ARGS__},
#define CALLOUT(mnemonic, id, ...)                                                                                     \
    [ZYDIS_MNEMONIC_##mnemonic] = {.name = #mnemonic, .kind = KIND_CALLOUT, .callout = CALLOUT_##id, __VA_ARGS__},
#define VARIANT_CALLOUT(variant, text, id, ...)                                                                        \
    [VARIANT_##variant] = {.name = text, .kind = KIND_CALLOUT, .callout = CALLOUT_##id, __VA_ARGS__},
// An instruction of a feature that CPUID does not announce.
#define ABSENT(mnemonic, needs)                                                                                        \
    [ZYDIS_MNEMONIC_##mnemonic] = {.name = #mnemonic, .kind = KIND_UD, .feature = FEATURE_##needs},
// A VEX instruction that runs as it is.
#define AVX(mnemonic, access)  ROW(mnemonic, IDENTITY, .unit = UNIT_AVX, .feature = FEATURE_AVX, .mem = MEM_##access)
#define AVX2(mnemonic, access) ROW(mnemonic, IDENTITY, .unit = UNIT_AVX, .feature = FEATURE_AVX2, .mem = MEM_##access)
#define AVX_MASKED(mnemonic, needs, access)                                                                            \
    CALLOUT(mnemonic, AVX_MASKED, .unit = UNIT_AVX, .feature = FEATURE_##needs, .mem = MEM_##access,                   \
            .why = "elements that the mask leaves out must not fault")
#include "translator/table_avx.def"
#include "translator/table_integer.def"
#include "translator/table_simd.def"
#include "translator/table_system.def"
#include "translator/table_x87.def"
#undef ROW
#undef VARIANT
#undef CALLOUT
#undef VARIANT_CALLOUT
#undef ABSENT
#undef AVX
#undef AVX2
#undef AVX_MASKED
};

static const struct table_row undefined = {
    .name = "undefined",
    .kind = KIND_UD,
    .feature = FEATURE_OTHER,
    .why = "no instruction, or one of a feature that is not announced",
};

const struct table_row *table_find(unsigned mnemonic) {
    return mnemonic < TABLE_ROWS && rows[mnemonic].name ? &rows[mnemonic] : &undefined;
}

// Intel SDM, vol. 2, appendix A.
static unsigned variant_one_byte(const struct guest_insn *insn) {
    switch (insn->opcode) {
    case 0x06:
    case 0x0e:
    case 0x16:
    case 0x1e: return VARIANT_PUSH_SEG;
    case 0x07:
    case 0x17:
    case 0x1f: return VARIANT_POP_SEG;
    case 0x8c: return VARIANT_MOV_FROM_SEG;
    case 0x8e: return VARIANT_MOV_TO_SEG;
    case 0x9a: return VARIANT_CALL_FAR;
    case 0xca:
    case 0xcb: return VARIANT_RET_FAR;
    case 0xea: return VARIANT_JMP_FAR;
    case 0xff:
        if (insn->reg == 3)
            return VARIANT_CALL_FAR_MEM;
        return insn->reg == 5 ? VARIANT_JMP_FAR_MEM : insn->mnemonic;
    default: return insn->mnemonic;
    }
}

static unsigned variant_two_byte(const struct guest_insn *insn) {
    switch (insn->opcode) {
    case 0x10:
    case 0x11: return insn->mnemonic == ZYDIS_MNEMONIC_MOVSD ? VARIANT_MOVSD_SSE : insn->mnemonic;
    case 0xc2: return insn->mnemonic == ZYDIS_MNEMONIC_CMPSD ? VARIANT_CMPSD_SSE : insn->mnemonic;
    case 0x20: return VARIANT_MOV_FROM_CR;
    case 0x21: return VARIANT_MOV_FROM_DR;
    case 0x22: return VARIANT_MOV_TO_CR;
    case 0x23: return VARIANT_MOV_TO_DR;
    case 0xa0:
    case 0xa8: return VARIANT_PUSH_SEG;
    case 0xa1:
    case 0xa9: return VARIANT_POP_SEG;
    default: return insn->mnemonic;
    }
}

const struct table_row *table_find_insn(const struct guest_insn *insn) {
    unsigned key = insn->mnemonic;
    if (key != ZYDIS_MNEMONIC_INVALID && insn->map == MAP_1B)
        key = variant_one_byte(insn);
    else if (key != ZYDIS_MNEMONIC_INVALID && insn->map == MAP_0F)
        key = variant_two_byte(insn);
    return table_find(key);
}

enum table_unit table_unit(const struct table_row *row, const struct guest_insn *insn) {
    if (row->unit != UNIT_MMX_SSE)
        return (enum table_unit)row->unit;
    return insn->opsize_prefix || insn->rep ? UNIT_SSE : UNIT_MMX;
}

uint32_t table_mode_bits(const struct table_row *row) {
    static const uint32_t of_unit[] = {
        [UNIT_NONE] = 0,
        [UNIT_X87] = MODE_X87_NM,
        [UNIT_WAIT] = MODE_WAIT_NM,
        [UNIT_MMX] = MODE_MMX_UD | MODE_SIMD_NM,
        [UNIT_SSE] = MODE_SSE_UD | MODE_SIMD_NM,
        [UNIT_AVX] = MODE_AVX | MODE_V86 | MODE_SIMD_NM,
        [UNIT_MMX_SSE] = MODE_MMX_UD | MODE_SSE_UD | MODE_SIMD_NM,
    };
    uint32_t bits = row->mode | of_unit[row->unit];
    if (row->privilege == PRIVILEGE_CPL0)
        bits |= 3u << MODE_CPL_SHIFT;
    if (row->kind == KIND_STACK)
        bits |= MODE_STACK32;
    if (row->kind == KIND_CONTROL)
        bits |= MODE_CS_CHECKED | MODE_STACK32;
    return bits;
}

const char *table_class_name(unsigned class) {
    static const char *const names[] = {"innocuous", "privileged", "sensitive"};
    return class < sizeof names / sizeof *names ? names[class] : "?";
}

const char *table_kind_name(unsigned kind) {
    static const char *const names[] = {"identity", "control", "stack", "string",   "removed",
                                        "inline",   "callout", "fpu",   "undefined"};
    return kind < sizeof names / sizeof *names ? names[kind] : "?";
}

const char *table_unit_name(unsigned unit) {
    static const char *const names[] = {"", "x87", "wait", "MMX", "SSE", "AVX", "MMX or SSE"};
    return unit < sizeof names / sizeof *names ? names[unit] : "?";
}

struct feature {
    const char *name;
    uint8_t bit;
    bool announced;
};

static const struct feature features[] = {
#define TABLE_FEATURE_ROW(name, bit, announced) {#name, bit, announced},
    TABLE_FEATURES(TABLE_FEATURE_ROW)
#undef TABLE_FEATURE_ROW
};

const char *table_feature_name(unsigned feature) {
    return feature < FEATURE_COUNT ? features[feature].name : "?";
}
bool table_feature_announced(unsigned feature) {
    return feature < FEATURE_COUNT && features[feature].announced;
}

static uint32_t cpuid_bits(unsigned first) {
    uint32_t bits = 0;
    for (unsigned i = 0; i < FEATURE_COUNT; i++) {
        unsigned bit = features[i].bit;
        if (features[i].announced && bit != 0xff && bit / 32 == first / 32)
            bits |= 1u << bit % 32;
    }
    return bits;
}

uint32_t table_cpuid_edx(void) {
    return cpuid_bits(0);
}
uint32_t table_cpuid_ecx(void) {
    return cpuid_bits(32);
}
