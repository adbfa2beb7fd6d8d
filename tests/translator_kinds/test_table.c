// The classification table against Zydis's own knowledge of every legacy encoding: each decodable instruction has a
// row, and what the row says of memory, flags, LOCK and features agrees with the decoder. Exceptions are listed by
// name.
#include "translator/context.h"
#include "translator/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

// ---- Every encoding -------------------------------------------------------------------------------------------------

struct encoding {
    uint8_t bytes[16];
    bool locked;
    struct guest_insn insn;
    ZydisDecodedInstruction z;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
};

typedef void encoding_check(const struct encoding *e, const struct table_row *row, unsigned *count);

static void encode(struct encoding *e, const uint8_t *prefixes, unsigned map, unsigned opcode, unsigned modrm) {
    static const uint8_t escape[4] = {0, 0, 0x38, 0x3a};
    uint8_t *p = e->bytes;
    memset(p, 0, sizeof e->bytes);
    for (; *prefixes; prefixes++)
        *p++ = *prefixes;
    if (map)
        *p++ = 0x0f;
    if (map > 1)
        *p++ = escape[map];
    *p++ = (uint8_t)opcode;
    *p = (uint8_t)modrm;
}

// Calls check for each valid one, with its row. The decoder is the translator's: features that are not announced off.
static unsigned for_each_encoding(encoding_check *check) {
    static const uint8_t prefixes[][3] = {{0}, {0x66}, {0xf2}, {0xf3}, {0xf0}, {0x66, 0xf2}};
    static const ZydisDecoder decoder = {.machine_mode = ZYDIS_MACHINE_MODE_LEGACY_32,
                                         .stack_width = ZYDIS_STACK_WIDTH_32};
    unsigned count = 0;
    struct encoding e;
    for (unsigned p = 0; p < sizeof prefixes / sizeof *prefixes; p++)
        for (unsigned at = 0; at < 4 * 256 * 256; at++) {
            encode(&e, prefixes[p], at >> 16, at >> 8 & 0xff, at & 0xff);
            e.locked = prefixes[p][0] == 0xf0;
            if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, e.bytes, 15, &e.z, e.operands)) ||
                e.z.encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY ||
                e.z.raw.prefix_count != strlen((const char *)prefixes[p]))
                continue;
            assert_int_equal(decode_insn(e.bytes, 15, 0, true, &e.insn), DECODE_OK);
            check(&e, table_find_insn(&e.insn), &count);
        }
    return count;
}

static bool is_one_of(const char *name, const char *const *list) {
    for (; *list; list++)
        if (strcmp(name, *list) == 0)
            return true;
    return false;
}

// ---- Completeness and features --------------------------------------------------------------------------------------

static bool is_announced(const struct encoding *e) {
    static const char *const sets[] = {
        "I86",          "I186",         "I286REAL",    "I286PROTECTED", "I386",       "I486REAL", "PENTIUMREAL",
        "PPRO",         "CMOV",         "FCMOV",       "X87",           "PENTIUMMMX", "SSE",      "SSEMXCSR",
        "SSE_PREFETCH", "SSE2",         "SSE2MMX",     "SSE3",          "SSE3X87",    "SSSE3",    "SSSE3MMX",
        "SSE4",         "SSE42",        "POPCNT",      "FXSAVE",        "FAT_NOP",    "LAHF",     "PAUSE",
        "RDPMC",        "PREFETCH_NOP", "PREFETCHWT1", "SMAP",          "XSAVE",      NULL,
    };
    return is_one_of(ZydisISASetGetString(e->z.meta.isa_set), sets) || e->z.mnemonic == ZYDIS_MNEMONIC_VMCALL;
}

static void check_complete(const struct encoding *e, const struct table_row *row, unsigned *count) {
    static const char *const undefined[] = {"UD0", "UD1", "UD2", NULL};
    bool executes = row->kind != KIND_UD;
    (*count)++;
    if (executes != (is_announced(e) && !is_one_of(row->name, undefined)))
        fail_msg("%s (%s): row %s, kind %s", ZydisMnemonicGetString(e->z.mnemonic),
                 ZydisISASetGetString(e->z.meta.isa_set), row->name, table_kind_name(row->kind));
    if (executes)
        assert_true(table_feature_announced(row->feature));
}

static void test_every_instruction_has_a_row(void **state) {
    (void)state;
    assert_true(for_each_encoding(check_complete) > 100000);
}

static void test_unknown_mnemonics_are_undefined(void **state) {
    (void)state;
    assert_int_equal(table_find(ZYDIS_MNEMONIC_INVALID)->kind, KIND_UD);
    assert_int_equal(table_find(ZYDIS_MNEMONIC_VFMADD132PS)->kind, KIND_UD);
    assert_int_equal(table_find(TABLE_ROWS)->kind, KIND_UD);
    assert_int_equal(table_find(~0u)->kind, KIND_UD);
    for (unsigned m = 0; m < TABLE_ROWS; m++) {
        const struct table_row *row = table_find(m);
        assert_non_null(row->name);
        assert_true(row->kind == KIND_UD || table_feature_announced(row->feature));
    }
}

static void test_cpuid_bits(void **state) {
    (void)state;
    assert_int_equal(table_cpuid_edx(), 0x07808931); // FPU TSC MSR CX8 SEP CMOV MMX FXSR SSE SSE2
    assert_int_equal(table_cpuid_ecx(), 0x14980201); // SSE3 SSSE3 SSE4.1 SSE4.2 POPCNT XSAVE AVX
}

// ---- Memory, LOCK ---------------------------------------------------------------------------------------------------

static const ZydisDecodedOperand *memory_operand(const struct encoding *e, unsigned *index) {
    for (unsigned i = 0; i < e->z.operand_count_visible; i++)
        if (e->operands[i].type == ZYDIS_OPERAND_TYPE_MEMORY) {
            *index = i;
            return &e->operands[i];
        }
    return NULL;
}

static enum table_mem mem_of(const ZydisDecodedOperand *o) {
    bool reads = o->actions & ZYDIS_OPERAND_ACTION_MASK_READ, writes = o->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE;
    if (o->mem.type == ZYDIS_MEMOP_TYPE_AGEN)
        return MEM_ADDRESS;
    return reads && writes ? MEM_RMW : writes ? MEM_WRITE : reads ? MEM_READ : MEM_ADDRESS;
}

static void check_memory(const struct encoding *e, const struct table_row *row, unsigned *count) {
    // Zydis has these read what they only name.
    static const char *const address_only[] = {"NOP",        "PREFETCH",   "PREFETCHW",  "PREFETCHWT1", "PREFETCHNTA",
                                               "PREFETCHT0", "PREFETCHT1", "PREFETCHT2", "INVLPG",      NULL};
    unsigned index;
    const ZydisDecodedOperand *o = memory_operand(e, &index);
    if (!o || row->kind == KIND_UD)
        return;
    (*count)++;
    enum table_mem expected = is_one_of(row->name, address_only) ? MEM_ADDRESS : mem_of(o);
    if (index != 0 && expected == MEM_READ && (row->mem == MEM_WRITE || row->mem == MEM_RMW))
        return; // the operand is the source
    if (row->mem != expected)
        fail_msg("%s: memory operand is %d, the row says %d", row->name, expected, row->mem);
}

static void test_memory_operands(void **state) {
    (void)state;
    assert_true(for_each_encoding(check_memory) > 10000);
}

static void check_lock(const struct encoding *e, const struct table_row *row, unsigned *count) {
    unsigned index;
    if (e->locked)
        assert_true(row->lockable); // what the decoder accepts
    if (e->locked || row->kind == KIND_UD || !row->lockable || !memory_operand(e, &index) || index != 0)
        return;
    uint8_t locked[16] = {0xf0};
    struct guest_insn insn;
    memcpy(locked + 1, e->bytes, 15);
    decode_insn(locked, 15, 0, true, &insn);
    (*count)++;
    if (insn.mnemonic == ZYDIS_MNEMONIC_INVALID)
        fail_msg("LOCK %s is undefined, the row has it lockable", row->name);
}

static void test_lock_legality(void **state) {
    (void)state;
    assert_true(for_each_encoding(check_lock) > 1000);
}

// ---- Flags ----------------------------------------------------------------------------------------------------------

static const char *const flag_exceptions[] = {
    "AND",   "OR",     "XOR",    "TEST",    "SBB",                                   // AF counts as set
    "FCOMI", "FCOMIP", "FUCOMI", "FUCOMIP",                                          // Zydis has them clear OF SF AF
    "CMPSB", "CMPSW",  "CMPSD",  "SCASB",   "SCASW", "SCASD",                        // ECX may be zero
    "SHL",   "SHR",    "SAR",    "ROL",     "ROR",   "RCL",   "RCR", "SHLD", "SHRD", // so may be the count
    NULL,
};

static void check_flags(const struct encoding *e, const struct table_row *row, unsigned *count) {
    const unsigned live = FLAGS_ARITH | FLAG_DF;
    if (row->kind == KIND_UD || !e->z.cpu_flags || row->callout == CALLOUT_HYPERCALL) // it has them as in VMX operation
        return;
    (*count)++;
    const ZydisAccessedFlags *f = e->z.cpu_flags;
    unsigned written = (f->modified | f->set_0 | f->set_1) & live, undefined = f->undefined & live;
    bool excepted = is_one_of(row->name, flag_exceptions);
    if (!excepted && strncmp(row->name, "INT", 3) != 0 && (f->tested & live) != row->flags_read)
        fail_msg("%s: reads %x, the row says %x", row->name, f->tested & live, row->flags_read);
    assert_int_equal(row->flags_set & row->flags_may, 0);
    if ((row->flags_set | row->flags_may) != (written | undefined))
        fail_msg("%s: changes %x, the row says %x", row->name, written | undefined, row->flags_set | row->flags_may);
    if (!excepted && row->flags_set != written)
        fail_msg("%s: sets %x, the row says %x", row->name, written, row->flags_set);
}

static void test_flags(void **state) {
    (void)state;
    assert_true(for_each_encoding(check_flags) > 10000);
}

// ---- Units ----------------------------------------------------------------------------------------------------------

static void check_unit(const struct encoding *e, const struct table_row *row, unsigned *count) {
    static const char *const converts[] = {"CVTPS2PI", "CVTTPS2PI", "CVTPD2PI", "CVTTPD2PI", NULL};
    bool mmx = false, xmm = false, x87 = false;
    if (row->kind == KIND_UD)
        return;
    for (unsigned i = 0; i < e->z.operand_count; i++) {
        const ZydisDecodedOperand *o = &e->operands[i];
        if (o->type != ZYDIS_OPERAND_TYPE_REGISTER)
            continue;
        ZydisRegisterClass class = ZydisRegisterGetClass(o->reg.value);
        mmx |= class == ZYDIS_REGCLASS_MMX;
        xmm |= class == ZYDIS_REGCLASS_XMM;
        x87 |= class == ZYDIS_REGCLASS_X87;
    }
    if (!mmx && !xmm && !x87)
        return;
    if (is_one_of(row->name, converts))
        xmm = true; // from memory they name no XMM register
    (*count)++;
    enum table_unit unit = table_unit(row, &e->insn);
    if (unit != (xmm ? UNIT_SSE : mmx ? UNIT_MMX : UNIT_X87))
        fail_msg("%s (%02x %02x %02x): unit %s", row->name, e->bytes[0], e->bytes[1], e->bytes[2],
                 table_unit_name(unit));
}

static void test_units(void **state) {
    (void)state;
    assert_true(for_each_encoding(check_unit) > 10000);
}

// ---- Classes --------------------------------------------------------------------------------------------------------

// Robin and Irvine, table 2: sensitive, and silent in user mode. Here by instruction form.
static void test_sensitive_unprivileged(void **state) {
    static const unsigned rows[] = {
        ZYDIS_MNEMONIC_SGDT,  ZYDIS_MNEMONIC_SIDT, ZYDIS_MNEMONIC_SLDT, ZYDIS_MNEMONIC_SMSW,  ZYDIS_MNEMONIC_PUSHFD,
        ZYDIS_MNEMONIC_POPFD, ZYDIS_MNEMONIC_LAR,  ZYDIS_MNEMONIC_LSL,  ZYDIS_MNEMONIC_VERR,  ZYDIS_MNEMONIC_VERW,
        VARIANT_POP_SEG,      VARIANT_PUSH_SEG,    VARIANT_CALL_FAR,    VARIANT_JMP_FAR,      ZYDIS_MNEMONIC_INT,
        VARIANT_RET_FAR,      ZYDIS_MNEMONIC_STR,  VARIANT_MOV_TO_SEG,  VARIANT_MOV_FROM_SEG,
    };
    (void)state;
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct table_row *row = table_find(rows[i]);
        if (row->class != CLASS_SENSITIVE || row->kind == KIND_IDENTITY)
            fail_msg("%s is %s, kind %s", row->name, table_class_name(row->class), table_kind_name(row->kind));
    }
}

// Whatever is not innocuous is never copied, and says why; whatever the monitor handles says why.
static void test_rows_are_consistent(void **state) {
    (void)state;
    for (unsigned m = 0; m < TABLE_ROWS; m++) {
        const struct table_row *row = table_find(m);
        if (row->class != CLASS_INNOCUOUS)
            assert_int_not_equal(row->kind, KIND_IDENTITY);
        if (row->kind != KIND_IDENTITY && row->kind != KIND_FPU && row->kind != KIND_UD && !row->why)
            fail_msg("%s has no reason", row->name);
        if (row->kind == KIND_CALLOUT)
            assert_int_not_equal(row->callout, TABLE_NO_CALLOUT);
        if (row->privilege != PRIVILEGE_NONE)
            assert_int_equal(row->class, CLASS_PRIVILEGED);
        if (row->privilege == PRIVILEGE_CPL0)
            assert_true(table_mode_bits(row) & 3u << MODE_CPL_SHIFT);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_instruction_has_a_row),
        cmocka_unit_test(test_unknown_mnemonics_are_undefined),
        cmocka_unit_test(test_cpuid_bits),
        cmocka_unit_test(test_memory_operands),
        cmocka_unit_test(test_lock_legality),
        cmocka_unit_test(test_flags),
        cmocka_unit_test(test_units),
        cmocka_unit_test(test_sensitive_unprivileged),
        cmocka_unit_test(test_rows_are_consistent),
    };
    return cmocka_run_group_tests_name("translator_table", tests, NULL, NULL);
}
