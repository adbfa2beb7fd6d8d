// See template.h. All opcodes of the four maps with the prefixes that select among them, decoded one after the other;
// what the fuzzer leaves out, and why, is a table here.
#include "template.h"

#include "case.h"
#include "translator/context.h"

#include <stdlib.h>
#include <string.h>

// ---- What is left out -----------------------------------------------------------------------------------------------

#define GATHER "which elements beyond a fault are done is the processor's affair"
static const struct {
    unsigned first, last; // mnemonics or variants
    const char *why;
} skipped[] = {
    {ZYDIS_MNEMONIC_CPUID, ZYDIS_MNEMONIC_CPUID, "shows the announced processor"},
    {ZYDIS_MNEMONIC_RDTSC, ZYDIS_MNEMONIC_RDTSC, "differs at every run"},
    {ZYDIS_MNEMONIC_RDPMC, ZYDIS_MNEMONIC_RDPMC, "CR4.PCE of the host decides"},
    {ZYDIS_MNEMONIC_SYSENTER, ZYDIS_MNEMONIC_SYSENTER, "enters the kernel"},
    {ZYDIS_MNEMONIC_SYSEXIT, ZYDIS_MNEMONIC_SYSEXIT, "not in 64-bit mode on every processor"},
    {ZYDIS_MNEMONIC_INT1, ZYDIS_MNEMONIC_INT1, "a debug trap of the host"},
    {ZYDIS_MNEMONIC_SGDT, ZYDIS_MNEMONIC_SGDT, "shows a table of the host"},
    {ZYDIS_MNEMONIC_SIDT, ZYDIS_MNEMONIC_SIDT, "shows a table of the host"},
    {ZYDIS_MNEMONIC_SLDT, ZYDIS_MNEMONIC_SLDT, "shows a selector of the host"},
    {ZYDIS_MNEMONIC_STR, ZYDIS_MNEMONIC_STR, "shows a selector of the host"},
    {ZYDIS_MNEMONIC_SMSW, ZYDIS_MNEMONIC_SMSW, "shows CR0 of the host"},
    {ZYDIS_MNEMONIC_LAR, ZYDIS_MNEMONIC_LAR, "reads descriptors of the host"},
    {ZYDIS_MNEMONIC_LSL, ZYDIS_MNEMONIC_LSL, "reads descriptors of the host"},
    {ZYDIS_MNEMONIC_VERR, ZYDIS_MNEMONIC_VERR, "reads descriptors of the host"},
    {ZYDIS_MNEMONIC_VERW, ZYDIS_MNEMONIC_VERW, "reads descriptors of the host"},
    {ZYDIS_MNEMONIC_LDS, ZYDIS_MNEMONIC_LDS, "loads a segment register"},
    {ZYDIS_MNEMONIC_LES, ZYDIS_MNEMONIC_LES, "loads a segment register"},
    {ZYDIS_MNEMONIC_LFS, ZYDIS_MNEMONIC_LFS, "loads a segment register"},
    {ZYDIS_MNEMONIC_LGS, ZYDIS_MNEMONIC_LGS, "loads a segment register"},
    {ZYDIS_MNEMONIC_LSS, ZYDIS_MNEMONIC_LSS, "loads a segment register"},
    {ZYDIS_MNEMONIC_IRET, ZYDIS_MNEMONIC_IRETD, "loads a segment register"},
    {ZYDIS_MNEMONIC_FNSTENV, ZYDIS_MNEMONIC_FNSTENV, "stores pointers of the host"},
    {ZYDIS_MNEMONIC_FNSAVE, ZYDIS_MNEMONIC_FNSAVE, "stores pointers of the host"},
    {ZYDIS_MNEMONIC_FXSAVE, ZYDIS_MNEMONIC_FXSAVE, "stores pointers of the host"},
    {ZYDIS_MNEMONIC_FXRSTOR, ZYDIS_MNEMONIC_FXRSTOR, "reads sixteen XMM registers in 64-bit mode"},
    {ZYDIS_MNEMONIC_XSAVE, ZYDIS_MNEMONIC_XSAVE, "stores pointers of the host"},
    {ZYDIS_MNEMONIC_XRSTOR, ZYDIS_MNEMONIC_XRSTOR, "loads state that is not compared"},
    {ZYDIS_MNEMONIC_XGETBV, ZYDIS_MNEMONIC_XGETBV, "shows XCR0 of the host"},
    {ZYDIS_MNEMONIC_VGATHERDPD, ZYDIS_MNEMONIC_VGATHERQPS, GATHER},
    {ZYDIS_MNEMONIC_VPGATHERDD, ZYDIS_MNEMONIC_VPGATHERDQ, GATHER},
    {ZYDIS_MNEMONIC_VPGATHERQD, ZYDIS_MNEMONIC_VPGATHERQQ, GATHER},
    {VARIANT_MOV_TO_SEG, VARIANT_MOV_TO_SEG, "loads a segment register"},
    {VARIANT_POP_SEG, VARIANT_POP_SEG, "loads a segment register"},
    {VARIANT_JMP_FAR, VARIANT_RET_FAR, "loads a segment register"},
};

static const char *why_skipped(const struct table_row *row) {
    for (unsigned i = 0; i < sizeof skipped / sizeof *skipped; i++)
        for (unsigned m = skipped[i].first; m <= skipped[i].last; m++)
            if (table_find(m) == row)
                return skipped[i].why;
    return row->unit == UNIT_AVX && !fuzz_has_avx() ? "the host has no AVX2" : NULL;
}

// Rows that generate.c writes itself.
static bool composed(const struct guest_insn *insn, const struct table_row *row) {
    return row->kind == KIND_CONTROL || insn->mnemonic == ZYDIS_MNEMONIC_POPF || insn->mnemonic == ZYDIS_MNEMONIC_POPFD;
}

// ---- Facts ----------------------------------------------------------------------------------------------------------

static unsigned gpr_number(ZydisRegister reg) {
    switch (ZydisRegisterGetClass(reg)) {
    case ZYDIS_REGCLASS_GPR8:
        return reg >= ZYDIS_REGISTER_AH && reg <= ZYDIS_REGISTER_BH ? (unsigned)(reg - ZYDIS_REGISTER_AH)
                                                                    : (unsigned)ZydisRegisterGetId(reg);
    case ZYDIS_REGCLASS_GPR16:
    case ZYDIS_REGCLASS_GPR32: return (unsigned)ZydisRegisterGetId(reg);
    default: return 8;
    }
}

static void use_register(struct fuzz_facts *facts, ZydisRegister reg, unsigned actions) {
    unsigned number = gpr_number(reg);
    if (number > 7)
        return;
    if (actions & ZYDIS_OPERAND_ACTION_MASK_READ)
        facts->read |= (uint16_t)(1u << number);
    if (actions & ZYDIS_OPERAND_ACTION_MASK_WRITE)
        facts->written |= (uint16_t)(1u << number);
}

bool fuzz_facts(const uint8_t *bytes, unsigned size, struct fuzz_facts *facts) {
    static const ZydisDecoder decoder = {.machine_mode = ZYDIS_MACHINE_MODE_LEGACY_32,
                                         .stack_width = ZYDIS_STACK_WIDTH_32};
    ZydisDecodedInstruction z;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    struct guest_insn insn;
    memset(facts, 0, sizeof *facts);
    if (decode_insn(bytes, size, 0, true, &insn) != DECODE_OK || insn.mnemonic == ZYDIS_MNEMONIC_INVALID)
        return false;
    if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, bytes, size, &z, operands)))
        return false;
    facts->row = table_find_insn(&insn);
    facts->length = z.length;
    facts->imm_size = (uint8_t)((z.raw.imm[0].size + z.raw.imm[1].size) / 8);
    for (unsigned i = 0; i < z.operand_count; i++) {
        const ZydisDecodedOperand *o = &operands[i];
        if (o->type == ZYDIS_OPERAND_TYPE_MEMORY) {
            use_register(facts, o->mem.base, ZYDIS_OPERAND_ACTION_READ);
            use_register(facts, o->mem.index, ZYDIS_OPERAND_ACTION_READ);
            facts->memory |= i < z.operand_count_visible;
            facts->size = (uint8_t)(o->size / 8 > 255 ? 255 : o->size / 8);
        } else if (o->type == ZYDIS_OPERAND_TYPE_REGISTER) {
            use_register(facts, o->reg.value, o->actions);
            if (!facts->memory && i < z.operand_count_visible && o->size / 8 > facts->size)
                facts->size = (uint8_t)(o->size / 8);
        }
    }
    return true;
}

unsigned fuzz_size_class(unsigned size) {
    static const uint8_t classes[] = {0, 1, 2, 4, 6, 8, 10, 16, 32};
    for (unsigned i = 0; i < sizeof classes; i++)
        if (size <= classes[i])
            return classes[i];
    return 255;
}

// Instructions whose memory operand is implied count as having one.
bool fuzz_touches_memory(const struct table_row *row, bool explicit_operand) {
    return explicit_operand || row->kind == KIND_STRING || row->kind == KIND_STACK || strcmp(row->name, "XLAT") == 0 ||
           strncmp(row->name, "MASKMOV", 7) == 0;
}

const uint8_t *fuzz_composed_sample(unsigned index, unsigned *length) {
    static const struct {
        uint8_t bytes[7], length;
    } samples[] = {
        {{0x70}, 2},       {{0x71}, 2},       {{0x72}, 2},       {{0x73}, 2},       {{0x74}, 2},
        {{0x75}, 2},       {{0x76}, 2},       {{0x77}, 2},       {{0x78}, 2},       {{0x79}, 2},
        {{0x7a}, 2},       {{0x7b}, 2},       {{0x7c}, 2},       {{0x7d}, 2},       {{0x7e}, 2},
        {{0x7f}, 2},       {{0xe0}, 2},       {{0xe1}, 2},       {{0xe2}, 2},       {{0xe3}, 2},
        {{0x67, 0xe3}, 3}, {{0xe9}, 5},       {{0xff, 0xe0}, 2}, {{0xff, 0x25}, 6}, // JMP
        {{0xe8}, 5},       {{0xff, 0xd0}, 2}, {{0xff, 0x15}, 6},                    // CALL
        {{0xc3}, 1},       {{0xc2}, 3},       {{0x9d}, 1},       {{0x66, 0x9d}, 2}, // RET, POPF
    };
    if (index >= sizeof samples / sizeof *samples)
        return NULL;
    *length = samples[index].length;
    return samples[index].bytes;
}

// ---- The list -------------------------------------------------------------------------------------------------------

struct list {
    struct fuzz_row *rows;
    unsigned count;
    bool failed;
};

static struct fuzz_row *row_of(struct list *list, const struct table_row *row) {
    for (unsigned i = 0; i < list->count; i++)
        if (list->rows[i].row == row)
            return &list->rows[i];
    return NULL;
}

static void add(struct list *list, const struct fuzz_template *t, const struct table_row *row) {
    struct fuzz_row *r = row_of(list, row);
    unsigned *count = r ? &r->count[t->memory] : NULL;
    if (!r)
        return;
    if ((*count & (*count - 1)) == 0) { // a power of two: full
        unsigned room = *count ? 2 * *count : 1;
        struct fuzz_template *grown = realloc(r->forms[t->memory], room * sizeof *grown);
        if (!grown) {
            list->failed = true;
            return;
        }
        r->forms[t->memory] = grown;
    }
    r->forms[t->memory][(*count)++] = *t;
}

// Encodings that mean something else on a host with more features than we announce, and branches.
static bool usable(const struct guest_insn *insn, const struct table_row *row) {
    if (row->kind == KIND_UD || composed(insn, row))
        return false;
    if (insn->map == MAP_0F && insn->rep && (insn->opcode == 0xbc || insn->opcode == 0xbd))
        return false; // TZCNT, LZCNT
    if (insn->map == MAP_0F && insn->opcode == 0x0d && insn->mod == 3)
        return false; // a prefetch of a register: #UD on AMD's processors, NOP on Intel's
    if (insn->map == MAP_0F && insn->opcode == 0x1e && insn->rep)
        return false; // shadow stacks and branch targets
    return true;
}

static void try_bytes(struct list *list, struct fuzz_template *t) {
    uint8_t bytes[16] = {0};
    struct fuzz_facts facts;
    struct guest_insn insn;
    memcpy(bytes, t->bytes, t->length);
    if (decode_insn(bytes, 15, 0, true, &insn) != DECODE_OK || insn.mnemonic == ZYDIS_MNEMONIC_INVALID)
        return;
    if (!fuzz_facts(bytes, 15, &facts) || !usable(&insn, facts.row) || insn.has_modrm != (t->modrm_at != 0))
        return;
    t->imm_size = facts.imm_size;
    t->size = facts.size;
    t->memory = t->modrm_at ? insn.mod != 3 : facts.memory;
    t->touches = fuzz_touches_memory(facts.row, facts.memory);
    t->read = facts.read;
    t->written = facts.written;
    if (!t->modrm_at && insn.disp_size == 4) // the moffs forms: the offset is written like an immediate
        t->imm_size = 4;
    add(list, t, facts.row);
}

static void try_opcode(struct list *list, const uint8_t *prefix, unsigned prefix_length, unsigned map,
                       unsigned opcode) {
    struct fuzz_template t = {.length = (uint8_t)prefix_length};
    if (map == 0 && (opcode == 0x0f || (opcode & 0xe7) == 0x26 || (opcode >= 0x64 && opcode <= 0x67) ||
                     opcode == 0xf0 || opcode == 0xf2 || opcode == 0xf3)) // a prefix or another map
        return;
    if (map == 1 && (opcode == 0x38 || opcode == 0x3a))
        return;
    memcpy(t.bytes, prefix, prefix_length);
    if (map)
        t.bytes[t.length++] = 0x0f;
    if (map > 1)
        t.bytes[t.length++] = map == 2 ? 0x38 : 0x3a;
    t.bytes[t.length++] = (uint8_t)opcode;
    try_bytes(list, &(struct fuzz_template){.bytes = {t.bytes[0], t.bytes[1], t.bytes[2], t.bytes[3], t.bytes[4]},
                                            .length = t.length});
    t.modrm_at = t.length++;
    for (unsigned modrm = 0; modrm < 0x100; modrm++) {
        if (modrm < 0xc0 && (modrm & 0xc7)) // memory: one a reg field
            continue;
        struct fuzz_template with = t;
        with.bytes[t.modrm_at] = (uint8_t)modrm;
        try_bytes(list, &with);
    }
}

static bool decodes(const uint8_t *start, unsigned length) {
    uint8_t bytes[16] = {0};
    struct fuzz_facts facts;
    memcpy(bytes, start, length);
    return fuzz_facts(bytes, 15, &facts) && facts.row->kind != KIND_UD;
}

// Encodings with a three-byte VEX prefix whose last byte is `last` (W, L, pp; vvvv is zero, inverted).
static void try_vex(struct list *list, unsigned map, unsigned last, unsigned opcode) {
    struct fuzz_template t = {.bytes = {0xc4, (uint8_t)(0xe0 | map), (uint8_t)last, (uint8_t)opcode}, .length = 4};
    if (map == 1 && opcode == 0x77) { // VZEROUPPER, VZEROALL
        try_bytes(list, &t);
        return;
    }
    bool there = false;
    t.length = 5;
    t.modrm_at = 4;
    for (unsigned i = 0; i < 16 && !there; i++) { // each reg field, memory and register
        t.bytes[4] = (uint8_t)((i & 8 ? 0xc0 : 0) | (i & 7) << 3);
        there = decodes(t.bytes, 5);
    }
    for (unsigned modrm = 0; modrm < 0x100 && there; modrm++) {
        if (modrm < 0xc0 && (modrm & 0xc7))
            continue;
        t.bytes[4] = (uint8_t)modrm;
        t.bytes[2] = (uint8_t)(last ^ 8);
        t.vvvv = decodes(t.bytes, 5);
        t.bytes[2] = (uint8_t)last;
        try_bytes(list, &t);
    }
}

// W is 0 where 64-bit mode makes 64-bit general registers of it: in the first map, VPEXTRD, VPINSRD, VPCMPESTRM and
// VPCMPESTRI.
static void try_all_vex(struct list *list) {
    for (unsigned map = 1; map < 4; map++)
        for (unsigned w_l_pp = 0; w_l_pp < 16; w_l_pp++)
            for (unsigned opcode = 0; opcode < 256; opcode++) {
                bool wide = w_l_pp & 8,
                     general = map == 1 ||
                               (map == 3 && (opcode == 0x16 || opcode == 0x22 || opcode == 0x60 || opcode == 0x61));
                if (!wide || !general)
                    try_vex(list, map, (wide ? 0x80u : 0) | 0x78 | (w_l_pp & 7), opcode);
            }
}

struct fuzz_row *fuzz_rows(unsigned *count) {
    static const struct {
        uint8_t bytes[2], length;
    } prefixes[] = {{{0}, 0}, {{0x66}, 1}, {{0xf3}, 1}, {{0xf2}, 1}, {{0x66, 0xf3}, 2}, {{0x66, 0xf2}, 2}};
    struct list list = {.rows = calloc(TABLE_ROWS, sizeof *list.rows)};
    if (!list.rows)
        return NULL;
    for (unsigned key = 0; key < TABLE_ROWS; key++) {
        const struct table_row *row = table_find(key);
        if (row->kind == KIND_UD || row_of(&list, row))
            continue;
        list.rows[list.count++] = (struct fuzz_row){.row = row, .skipped = why_skipped(row)};
    }
    for (unsigned p = 0; p < sizeof prefixes / sizeof *prefixes; p++)
        for (unsigned map = 0; map < 4; map++)
            for (unsigned opcode = 0; opcode < 256; opcode++)
                try_opcode(&list, prefixes[p].bytes, prefixes[p].length, map, opcode);
    if (fuzz_has_avx())
        try_all_vex(&list);
    *count = list.count;
    if (!list.failed)
        return list.rows;
    fuzz_rows_free(list.rows, list.count);
    return NULL;
}

void fuzz_rows_free(struct fuzz_row *rows, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        free(rows[i].forms[0]);
        free(rows[i].forms[1]);
    }
    free(rows);
}
