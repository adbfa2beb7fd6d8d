// See generate.h. Registers whose value is known where an instruction stands serve as bases of its operand; others are
// given one by a MOV before it. Jumps lead forwards, so that every case ends.
#include "generate.h"

#include "translator/context.h"

#include <string.h>

#define PAGE(n) (FUZZ_DATA + 0x1000u * (n))

struct builder {
    struct fuzz_generator *g;
    struct fuzz_random *r;
    struct fuzz_case *c;
    uint32_t value[8]; // of the registers in `known`
    unsigned known;
    enum { ANYHOW, PASS, FAULT } wish; // of the instruction that comes next
    bool full;
};

#define GOAL_PERCENT 60

static uint32_t any(struct builder *b, uint32_t below) {
    return fuzz_any(b->r, below);
}

static bool chance(struct builder *b, unsigned percent) {
    return any(b, 100) < percent;
}

// ---- Single instructions --------------------------------------------------------------------------------------------

static struct fuzz_insn *append(struct builder *b, const void *bytes, unsigned length, bool glued) {
    static struct fuzz_insn nowhere;
    if (b->c->count >= FUZZ_INSNS - 1) {
        b->full = true;
        return &nowhere;
    }
    struct fuzz_insn *insn = &b->c->insns[b->c->count++];
    *insn = (struct fuzz_insn){.length = (uint8_t)length, .glued = glued};
    memcpy(insn->bytes, bytes, length);
    return insn;
}

static void append_mov(struct builder *b, unsigned reg, uint32_t value, bool glued) {
    uint8_t bytes[5] = {(uint8_t)(0xb8 | reg)};
    memcpy(bytes + 1, &value, 4);
    append(b, bytes, 5, glued);
    b->value[reg] = value;
    b->known |= 1u << reg;
}

static uint32_t inside(struct builder *b, unsigned size, unsigned align) {
    static const uint8_t writable[] = {0, 0, 1, 4};
    uint32_t room = (0x1000u - size) / align;
    return PAGE(writable[any(b, sizeof writable)]) + any(b, room + 1) * align;
}

static uint32_t across(struct builder *b, unsigned page, unsigned size) {
    return PAGE(page) - (size < 2 ? 1 : 1 + any(b, size - 1));
}

// An address for an operand of this size: mostly one that can be reached.
static uint32_t target_address(struct builder *b, unsigned size) {
    static const uint8_t absent[] = {3, 5};
    unsigned kind = any(b, 100), aligned = size >= 32 ? 32 : size >= 16 ? 16 : size > 1 ? size & (0u - size) : 1;
    if (b->wish == PASS)
        kind = 0;
    if (b->wish == FAULT)
        kind = 75 + any(b, 20);
    if (kind < 52)
        return inside(b, size, aligned);
    if (kind < 66)
        return inside(b, size, 1);
    if (kind < 74)
        return across(b, 1, size);
    if (kind < 77)
        return across(b, 2, size);
    if (kind < 80)
        return across(b, 3, size);
    if (kind < 83)
        return across(b, 5, size);
    if (kind < 85)
        return across(b, 4, size);
    if (kind < 89)
        return PAGE(2) + any(b, 0x1000 - size) / aligned * aligned;
    if (kind < 93)
        return PAGE(absent[any(b, 2)]) + any(b, 0x1000 - size);
    if (kind < 95)
        return PAGE(6) + any(b, 0x1000 - size);
    if (kind < 97)
        return FUZZ_CODE + any(b, FUZZ_CODE_STRIDE);
    if (kind < 98)
        return any(b, FUZZ_RAM);
    return kind < 99 ? 0u - any(b, 64) : fuzz_any32(b->r);
}

static uint32_t immediate(struct builder *b) {
    switch (any(b, 6)) {
    case 0: return any(b, 4);
    case 1: return 0u - any(b, 4);
    case 2: return 0x7fffffffu + any(b, 3);
    case 3: return any(b, 256);
    default: return fuzz_any32(b->r);
    }
}

// ---- Memory operands ------------------------------------------------------------------------------------------------

static unsigned known_register(struct builder *b) {
    unsigned start = any(b, 8);
    for (unsigned i = 0; i < 8; i++)
        if (b->known >> ((start + i) & 7) & 1)
            return (start + i) & 7;
    return 8;
}

static unsigned put_disp(uint8_t *at, unsigned size, uint32_t disp) {
    memcpy(at, &disp, size);
    return size;
}

// ModRM, SIB and displacement for the address, in the way `how`. Returns their length.
static unsigned address_bytes(struct builder *b, uint8_t *at, unsigned reg, uint32_t address, unsigned how) {
    unsigned base = known_register(b), index = known_register(b), scale = any(b, 4), n = 0;
    if (how < 2 || base == 8) { // absolute
        at[n++] = (uint8_t)(reg << 3 | (how ? 5 : 4));
        if (!how)
            at[n++] = (uint8_t)(any(b, 4) << 6 | 0x25);
        return n + put_disp(at + n, 4, address);
    }
    if (how < 3 && index != 4) { // index alone
        at[n++] = (uint8_t)(reg << 3 | 4);
        at[n++] = (uint8_t)(scale << 6 | index << 3 | 5);
        return n + put_disp(at + n, 4, address - (b->value[index] << scale));
    }
    bool sib = base == 4 || (how >= 8 && index != 4), indexed = sib && how >= 8 && index != 4;
    uint32_t disp = address - b->value[base] - (indexed ? b->value[index] << scale : 0);
    unsigned size = (int32_t)disp == (int8_t)disp ? 1 : 4;
    if (disp == 0 && base != 5)
        size = 0;
    at[n++] = (uint8_t)((size == 0 ? 0 : size == 1 ? 0x40 : 0x80) | reg << 3 | (sib ? 4 : base));
    if (sib)
        at[n++] = (uint8_t)(indexed ? scale << 6 | index << 3 | base : 0x20 | base);
    return n + put_disp(at + n, size, disp);
}

// A base close to where the operand shall be, if there is none already or by chance.
static void prepare_base(struct builder *b, uint32_t address) {
    if (b->known == 0 || chance(b, 30)) {
        static const uint8_t bases[] = {0, 1, 2, 3, 5, 6, 7};
        append_mov(b, bases[any(b, sizeof bases)], chance(b, 30) ? address : address - any(b, 256) + 128, false);
    }
}

static bool is_string(const struct table_row *row) {
    return row->kind == KIND_STRING;
}

static bool is_stack(const struct table_row *row) {
    return row->kind == KIND_STACK || row->callout == CALLOUT_PUSHA || row->callout == CALLOUT_POPA ||
           row->callout == CALLOUT_ENTER || row->callout == CALLOUT_PUSHF;
}

static bool is_bit_test(const struct fuzz_template *t) {
    uint8_t op = t->modrm_at ? t->bytes[t->modrm_at - 1] : 0;
    return t->memory && t->modrm_at >= 2 && t->bytes[t->modrm_at - 2] == 0x0f && (op & 0xe7) == 0xa3;
}

static bool wished(struct builder *b, unsigned percent) {
    return b->wish != ANYHOW || chance(b, percent);
}

static bool is_control_register(const struct fuzz_template *t) {
    return t->modrm_at >= 2 && t->bytes[t->modrm_at - 2] == 0x0f && (t->bytes[t->modrm_at - 1] & 0xfc) == 0x20;
}

// Registers that an instruction uses as addresses or counts by itself.
static void prepare_implicit(struct builder *b, const struct fuzz_template *t, const struct table_row *row,
                             uint32_t base) {
    unsigned mnemonic_reads = t->read;
    if (is_string(row)) {
        for (unsigned reg = 6; reg <= 7; reg++)
            if ((mnemonic_reads >> reg & 1) && (!(b->known >> reg & 1) || wished(b, 40)))
                append_mov(b, reg, target_address(b, 4) - (reg == 6 ? base : 0), false);
        if (chance(b, 70))
            append_mov(b, 1, chance(b, 90) ? any(b, 40) : any(b, 0x3000), false);
    } else if (is_stack(row)) {
        if (row->kind == KIND_STACK && strcmp(row->name, "LEAVE") == 0 && (!(b->known >> 5 & 1) || wished(b, 40)))
            append_mov(b, 5, target_address(b, 4), false);
        else if (!(b->known >> 4 & 1) || wished(b, 25))
            append_mov(b, 4, target_address(b, 4) + any(b, 2) * 4, false);
    } else if (strcmp(row->name, "XLAT") == 0) {
        append_mov(b, 3, target_address(b, 1) - any(b, 64) - base, false);
    } else if (strncmp(row->name, "MASKMOV", 7) == 0) {
        append_mov(b, 7, target_address(b, 8) - base, false);
    } else if (is_bit_test(t) && chance(b, 85)) {
        append_mov(b, t->bytes[t->modrm_at] >> 3 & 7, any(b, 4096) - 2048, false);
    }
}

static unsigned put_immediate(struct builder *b, uint8_t *at, const struct fuzz_template *t) {
    uint32_t value = immediate(b);
    unsigned op = t->bytes[t->length - 1];
    if (!t->modrm_at && op == 0xcd) // not the host's system call, nor vectors that a hypervisor has uses for
        while ((value & 0xff) == 0x80 || ((value & 0xff) >= 0x14 && (value & 0xff) < 0x20))
            value = any(b, 256);
    if (!t->modrm_at && op == 0xc8 && t->imm_size == 3) // ENTER
        value = any(b, 3) ? any(b, 64) | any(b, 4) << 16 : value & 0x1f0fffu;
    if (!t->modrm_at && op >= 0xa0 && op <= 0xa3 && t->imm_size == 4 && t->memory) // moffs
        value = target_address(b, t->size);
    memcpy(at, &value, 4);
    return t->imm_size;
}

// The flags that the manual defines after decimal arithmetic, taken to AH; the others are given a value.
static void settle_flags(struct builder *b, const struct table_row *row) {
    if (row->callout != CALLOUT_BCD)
        return;
    uint8_t mask = row->flags_may & FLAG_CF ? 0xc4 : row->flags_may & FLAG_SF ? 0x11 : 0xd5;
    append(b, (const uint8_t[]){0x9f}, 1, true);
    append(b, (const uint8_t[]){0x80, 0xe4, mask}, 3, true);
    b->known &= ~1u;
}

static unsigned lock_percent(const struct builder *b, const struct table_row *row, bool memory) {
    bool legal = memory && row->lockable;
    switch (b->wish) {
    case PASS: return legal ? 10 : 0;
    case FAULT: return legal ? 0 : memory ? 25 : 90;
    default: return legal ? 10 : 1;
    }
}

static void append_template(struct builder *b, const struct fuzz_row *row, const struct fuzz_template *t) {
    static const uint8_t overrides[] = {0x26, 0x36, 0x3e, 0x64, 0x65, 0x65};
    bool memory = t->memory;
    uint8_t bytes[24];
    unsigned n = 0, at_modrm = 0;
    uint32_t address = target_address(b, t->size ? t->size : 1);
    bool implied =
        is_string(row->row) || strcmp(row->row->name, "XLAT") == 0 || strncmp(row->row->name, "MASKMOV", 7) == 0;
    uint8_t override = (memory || implied) && chance(b, implied ? 20 : 7) ? overrides[any(b, sizeof overrides)] : 0;
    uint32_t base = override >= 0x64 ? FUZZ_DATA : 0;
    prepare_implicit(b, t, row->row, base);
    if (memory && t->modrm_at)
        prepare_base(b, address);
    if (chance(b, lock_percent(b, row->row, t->touches)) && !is_control_register(t)) // an alias of CR8 on AMD's
        bytes[n++] = 0xf0;
    if (override)
        bytes[n++] = override;
    address -= base;
    at_modrm = n + t->modrm_at;
    memcpy(bytes + n, t->bytes, t->length);
    if (t->vvvv) // in the last byte of the VEX prefix
        bytes[at_modrm - 2] = (uint8_t)((bytes[at_modrm - 2] & ~0x38u) | any(b, 8) << 3);
    n += t->length;
    if (memory && t->modrm_at) {
        unsigned reg = t->bytes[t->modrm_at] >> 3 & 7, how = any(b, 12);
        if (b->wish == ANYHOW && chance(b, 2)) { // whatever the register holds
            bytes[at_modrm] = (uint8_t)(0x40 | reg << 3 | any(b, 4));
            bytes[n++] = (uint8_t)any(b, 256);
        } else {
            n = at_modrm + address_bytes(b, bytes + at_modrm, reg, address, how);
        }
    }
    n += put_immediate(b, bytes + n, t);
    append(b, bytes, n, false);
    b->known &= ~(unsigned)t->written;
    if (row->row->callout == CALLOUT_POPA)
        b->known = 0;
    settle_flags(b, row->row);
    if (strcmp(row->row->name, "MASKMOVQ") == 0) // when it faults, TOP and the tags are those of MMX or not
        append(b, (const uint8_t[]){0xdb, 0xe3}, 2, true);
}

// ---- Transfers, and what must stand together ------------------------------------------------------------------------

// An instruction that the processor refuses with LOCK before it, and does at times.
static struct fuzz_insn *append_lockless(struct builder *b, const void *bytes, unsigned length, bool glued) {
    uint8_t locked[16] = {0xf0};
    if (!chance(b, b->wish == FAULT ? 60 : b->wish == PASS ? 0 : 2))
        return append(b, bytes, length, glued);
    memcpy(locked + 1, bytes, length);
    return append(b, locked, length + 1, glued);
}

static void jump(struct builder *b, const void *bytes, unsigned length, unsigned field, bool glued) {
    bool transfer = field == 1 || field == 4;
    struct fuzz_insn *insn = (transfer ? append_lockless : append)(b, bytes, length, glued);
    length = insn->length;
    insn->patch = field == 1 ? PATCH_REL8 : field == 4 ? PATCH_REL32 : PATCH_ABS32;
    insn->patch_at = (uint8_t)(length - (field == 1 ? 1 : 4));
    insn->target = FUZZ_NOWHERE; // settled at the end
}

static void append_branch(struct builder *b) {
    uint8_t bytes[8] = {0};
    unsigned condition = any(b, 16);
    switch (any(b, 6)) {
    case 0:
    case 1:
        bytes[0] = (uint8_t)(0x70 | condition);
        jump(b, bytes, 2, 1, false);
        break;
    case 2:
        bytes[0] = 0x0f;
        bytes[1] = (uint8_t)(0x80 | condition);
        jump(b, bytes, 6, 4, false);
        break;
    case 3:
        bytes[0] = condition & 1 ? 0xeb : 0xe9;
        jump(b, bytes, condition & 1 ? 2 : 5, condition & 1 ? 1 : 4, false);
        break;
    default:
        if (chance(b, 60))
            append_mov(b, 1, any(b, 3) | (chance(b, 20) ? 0x10000u : 0), false);
        bytes[0] = 0x67;
        bytes[1] = (uint8_t)(0xe0 | (condition & 3));
        if (chance(b, 30))
            jump(b, bytes, 3, 1, false);
        else
            jump(b, bytes + 1, 2, 1, false);
        b->known &= ~2u;
        break;
    }
}

static void append_store_target(struct builder *b, uint32_t at) { // mov dword [at],target
    uint8_t bytes[10] = {0xc7, 0x05};
    memcpy(bytes + 2, &at, 4);
    jump(b, bytes, 10, 0, false);
}

static void append_indirect(struct builder *b) {
    bool call = any(b, 2);
    unsigned extension = call ? 2 : 4;
    if (call && chance(b, 70))
        append_mov(b, 4, target_address(b, 4) + 4, false);
    if (any(b, 2)) { // through a register
        unsigned reg = any(b, 8);
        uint8_t mov[5] = {(uint8_t)(0xb8 | reg)}, bytes[2] = {0xff, (uint8_t)(0xc0 | extension << 3 | reg)};
        if (reg == 4 && call)
            return;
        jump(b, mov, 5, 0, false);
        b->known &= ~(1u << reg);
        append_lockless(b, bytes, 2, true);
    } else {
        uint32_t at = chance(b, 20) ? PAGE(2) - 2 : inside(b, 4, 1);
        uint8_t bytes[6] = {0xff, (uint8_t)(5 | extension << 3)};
        if (at == PAGE(2) - 2 || chance(b, 15))
            at = chance(b, 50) ? PAGE(3) - 3 : PAGE(6); // cannot be read
        else
            append_store_target(b, at);
        memcpy(bytes + 2, &at, 4);
        append_lockless(b, bytes, 6, true);
    }
    b->known &= ~0x10u;
}

static void append_return(struct builder *b) {
    uint8_t plain[1] = {0xc3}, more[3] = {0xc2, (uint8_t)any(b, 256), (uint8_t)any(b, 2)}, push[5] = {0x68};
    bool reachable = chance(b, 85);
    append_mov(b, 4, reachable ? inside(b, 16, 1) + 12 : chance(b, 50) ? PAGE(3) - 2 : PAGE(6) + 8, false);
    if (reachable)
        jump(b, push, 5, 0, true);
    if (any(b, 2))
        append_lockless(b, plain, 1, true);
    else
        append_lockless(b, more, 3, true);
    b->known &= ~0x10u;
}

static void append_call(struct builder *b) {
    if (chance(b, 60))
        append_mov(b, 4, target_address(b, 4) + 4, false);
    jump(b, (const uint8_t[5]){0xe8}, 5, 4, false);
    b->known &= ~0x10u;
}

static void append_popf(struct builder *b) {
    uint32_t flags = fuzz_any32(b->r) & 0x8d5u;
    if (chance(b, 10))
        flags |= FLAG_DF;
    bool size16 = any(b, 3) == 0;
    uint8_t push[5] = {0x68, (uint8_t)flags, (uint8_t)(flags >> 8)};
    uint8_t push16[4] = {0x66, 0x68, (uint8_t)flags, (uint8_t)(flags >> 8)};
    append_mov(b, 4, chance(b, 85) ? inside(b, 16, 1) + 12 : PAGE(6), false);
    bool reachable = b->value[4] != PAGE(6);
    if (reachable)
        append(b, size16 ? push16 : push, size16 ? 4 : 5, true);
    append_lockless(b, size16 ? (const uint8_t[]){0x66, 0x9d} : (const uint8_t[]){0x9d, 0}, size16 ? 2 : 1, true);
    b->known &= ~0x10u;
}

static void append_anything(struct builder *b) {
    unsigned kind = any(b, 100);
    if (kind < 8) {
        append_branch(b);
    } else if (kind < 10) {
        append_indirect(b);
    } else if (kind < 11) {
        append_return(b);
    } else if (kind < 12) {
        append_call(b);
    } else if (kind < 13) {
        append_popf(b);
    } else {
        const struct fuzz_row *row = &b->g->rows[b->g->usable[any(b, b->g->usable_count)]];
        bool memory = row->count[1] && (!row->count[0] || chance(b, 65));
        append_template(b, row, &row->forms[memory][any(b, row->count[memory])]);
    }
}

static void append_composed(struct builder *b, const char *name) {
    if (strcmp(name, "RET") == 0)
        append_return(b);
    else if (strncmp(name, "POPF", 4) == 0)
        append_popf(b);
    else if (strcmp(name, "CALL") == 0 && chance(b, 30))
        append_call(b);
    else if (strcmp(name, "CALL") == 0 || (strcmp(name, "JMP") == 0 && chance(b, 70)))
        append_indirect(b);
    else
        append_branch(b);
}

static const struct fuzz_template *template_for(struct builder *b, const struct fuzz_row *row,
                                                const struct fuzz_goal *goal) {
    unsigned all = row->count[0] + row->count[1], first = all ? any(b, all) : 0;
    for (unsigned i = 0; i < all; i++) {
        unsigned at = (first + i) % all;
        const struct fuzz_template *t = at < row->count[0] ? &row->forms[0][at] : &row->forms[1][at - row->count[0]];
        if (fuzz_size_class(t->size) == goal->size && t->touches == goal->memory)
            return t;
    }
    return NULL;
}

static void append_goal(struct builder *b) {
    const struct fuzz_goal *goal = &b->g->goals[any(b, b->g->goal_count)];
    const struct fuzz_row *row = &b->g->rows[goal->row];
    const struct fuzz_template *t = template_for(b, row, goal);
    b->wish = goal->fault ? FAULT : PASS;
    if (t)
        append_template(b, row, t);
    else
        append_composed(b, row->row->name);
    b->wish = ANYHOW;
}

static void append_group(struct builder *b) {
    if (b->g->goal_count && chance(b, GOAL_PERCENT))
        append_goal(b);
    else
        append_anything(b);
}

// ---- Targets and the initial state ----------------------------------------------------------------------------------

static unsigned landing(const struct fuzz_case *c, unsigned index) {
    while (index < c->count && c->insns[index].glued)
        index++;
    return index < c->count ? index : c->count;
}

static void settle_targets(struct builder *b) {
    struct fuzz_case *c = b->c;
    fuzz_case_lay_out(c, 0);
    for (unsigned i = 0; i < c->count; i++) {
        struct fuzz_insn *insn = &c->insns[i];
        if (insn->patch == PATCH_NONE)
            continue;
        unsigned skip = insn->patch == PATCH_REL8 ? 4 : 8, target = landing(c, i + 1 + any(b, skip));
        unsigned end = target < c->count ? c->insns[target].offset : c->size;
        if (insn->patch == PATCH_REL8 && end - insn->offset > 120)
            target = landing(c, i + 1);
        if (insn->patch == PATCH_ABS32 && target <= i + 1) // not between this and the transfer
            target = landing(c, i + 2);
        insn->target = (uint8_t)target;
    }
}

static void put16(uint8_t *at, unsigned value) {
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
}

static void extended(struct builder *b, uint8_t *at) {
    uint64_t mantissa = (uint64_t)fuzz_any32(b->r) << 32 | fuzz_any32(b->r);
    unsigned exponent = 0x3fff + any(b, 64) - 32;
    switch (any(b, 8)) {
    case 0: exponent = any(b, 2) ? 0 : 0x7fff; break;
    case 1: mantissa = any(b, 2) ? 0 : 1ull << 63; break;
    case 2: exponent = any(b, 0x8000); break;
    default: mantissa |= 1ull << 63; break;
    }
    memcpy(at, &mantissa, 8);
    put16(at + 8, exponent | any(b, 2) << 15);
}

static void vector(struct builder *b, uint8_t *at) {
    for (unsigned i = 0; i < 16; i += 4) {
        uint32_t word = fuzz_any32(b->r);
        float f = (float)(int32_t)(word & 0xffff) / 8;
        if (any(b, 3) == 0)
            memcpy(&word, &f, 4);
        memcpy(at + i, &word, 4);
    }
    if (any(b, 3) == 0) {
        double d = (double)(int32_t)fuzz_any32(b->r) / 64;
        memcpy(at, &d, 8);
        memcpy(at + 8, &d, 8);
    }
}

// The FXSAVE image: exceptions are masked but for one case in ten, and none is pending.
static void fpu_state(struct builder *b) {
    uint8_t *fx = b->c->fx;
    unsigned control = chance(b, 60) ? 0x37f : 0x7f | any(b, 16) << 8, mxcsr = 0x1f80;
    if (chance(b, 10))
        control &= ~any(b, 64);
    if (chance(b, 40))
        mxcsr |= any(b, 4) << 13 | any(b, 2) << 15 | any(b, 2) << 6;
    if (chance(b, 10))
        mxcsr &= ~(any(b, 64) << 7);
    put16(fx, control);
    put16(fx + 2, any(b, 8) << 11 | (any(b, 16) & 7) << 8);
    fx[4] = (uint8_t)(chance(b, 50) ? 0 : any(b, 256));
    put16(fx + 24, mxcsr);
    for (unsigned i = 0; i < 8; i++) {
        extended(b, fx + 32 + 16 * i);
        vector(b, fx + 160 + 16 * i);
        vector(b, b->c->ymm[i]);
    }
}

static void initial_state(struct builder *b) {
    struct fuzz_case *c = b->c;
    for (unsigned i = 0; i < 8; i++)
        c->gpr[i] = any(b, 2) ? target_address(b, 4) : immediate(b);
    c->gpr[4] = inside(b, 64, 4) + (chance(b, 70) ? 32 : 0);
    c->eflags = 0x202 | (fuzz_any32(b->r) & 0x8d5u) | (chance(b, 8) ? (uint32_t)FLAG_DF : 0);
    c->start = (uint16_t)any(b, 4096);
    memcpy(b->value, c->gpr, sizeof b->value);
    b->known = 0xff;
    fpu_state(b);
}

void fuzz_generate(struct fuzz_generator *g, uint64_t seed, struct fuzz_case *c) {
    g->random.state = (seed + 1) * 0x9e3779b97f4a7c15ull;
    struct builder b = {.g = g, .r = &g->random, .c = c};
    fuzz_any32(b.r);
    memset(c, 0, sizeof *c);
    initial_state(&b);
    unsigned wanted = 4 + any(&b, 1 + any(&b, 61));
    while (c->count < wanted && c->count < FUZZ_INSNS - 8 && !b.full)
        append_group(&b);
    settle_targets(&b);
}
