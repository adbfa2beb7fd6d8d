// The rules of the second opinion. Each use of memory, of a reserved register or of a wide value is looked at where it
// stands, and its reasons are searched for backwards.
#include "tests/verifier/confine_graph.h"

#include <stddef.h>
#include <string.h>

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15 };

#define BIT(reg)    (1u << (reg))
#define GUEST       (BIT(RAX) | BIT(RCX) | BIT(RDX) | BIT(RBX) | BIT(RBP) | BIT(RSI) | BIT(RDI) | BIT(R12))
#define FIELD(name) (long)offsetof(struct vcpu_abi, name)

static bool is(const struct graph *g, int i, ZydisMnemonic m) {
    return i >= 0 && g->node[i].insn.mnemonic == m;
}

static int reg_of(const struct graph *g, int i, int k) {
    const ZydisDecodedOperand *o = &g->node[i].op[k];
    return o->type == ZYDIS_OPERAND_TYPE_REGISTER ? graph_gpr(o->reg.value) : -1;
}

static bool is_rr(const struct graph *g, int i, ZydisMnemonic m, int dst, int src, int bits) {
    return is(g, i, m) && reg_of(g, i, 0) == dst && reg_of(g, i, 1) == src && g->node[i].op[0].size == bits;
}

// shrx dst, src, r15d
static bool is_page_shift(const struct graph *g, int i, int dst, int src) {
    return is_rr(g, i, ZYDIS_MNEMONIC_SHRX, dst, src, 32) && reg_of(g, i, 2) == R15;
}

static bool is_at(const ZydisDecodedOperand *o, int base, int index, int scale) {
    return o->type == ZYDIS_OPERAND_TYPE_MEMORY && graph_gpr(o->mem.base) == base && graph_gpr(o->mem.index) == index &&
           (index < 0 || o->mem.scale == scale);
}

static bool is_exchange(const struct graph *g, int i, int *scratch, int *guest) {
    if (!is(g, i, ZYDIS_MNEMONIC_XCHG) || g->node[i].op[0].size != 64 || reg_of(g, i, 0) < 0 || reg_of(g, i, 1) < 0)
        return false;
    int a = reg_of(g, i, 0), b = reg_of(g, i, 1);
    *scratch = a >= R8 ? a : b;
    *guest = a >= R8 ? b : a;
    return *scratch >= R8 && *scratch <= R10 && (*guest == RCX || *guest == RDI);
}

// ---- Who gave a register its value
// ---------------------------------------------------------------------------------------

// A call that comes back reloads r8 from 32 bits and leaves r9 and r10 as they may be.
static enum found stop_narrow(struct graph *g, int i, void *context) {
    int reg = *(int *)context;
    if (i < 0)
        return BIT(reg) & GUEST ? FOUND_GOOD : FOUND_BAD;
    const struct node *n = &g->node[i];
    if (n->stub >= 0)
        return (BIT(reg) & (GUEST | BIT(R8))) ? FOUND_GOOD : FOUND_BAD;
    if (i == 0 || n->narrow & BIT(reg))
        return FOUND_GOOD;
    int scratch, guest;
    if (is_exchange(g, i, &scratch, &guest) && guest == reg) // in pairs: the value from before the first is back
        return FOUND_GO_ON;
    if (reg == RCX && n->insn.meta.category == ZYDIS_CATEGORY_STRINGOP) // counts it down
        return FOUND_GO_ON;
    if (is(g, i, ZYDIS_MNEMONIC_POP)) // of PUSHFQ, see check_stack
        return n->writes & BIT(reg) ? FOUND_GOOD : FOUND_GO_ON;
    return n->wide & BIT(reg) ? FOUND_BAD : FOUND_GO_ON;
}

static bool is_narrow(struct graph *g, int i, int reg) {
    return graph_search(g, i, stop_narrow, &reg);
}

struct definer {
    int reg;
    bool (*good)(const struct graph *g, int i, void *context);
    void *context;
};

static enum found stop_definer(struct graph *g, int i, void *context) {
    const struct definer *d = context;
    if (i < 0 || g->node[i].stub >= 0)
        return FOUND_BAD;
    if (!(g->node[i].writes & BIT(d->reg)))
        return FOUND_GO_ON;
    return d->good(g, i, d->context) ? FOUND_GOOD : FOUND_BAD;
}

static bool defined_by(struct graph *g, int i, int reg, bool (*good)(const struct graph *, int, void *),
                       void *context) {
    return graph_search(g, i, stop_definer, &(struct definer){reg, good, context});
}

static bool is_byte_index(const struct graph *g, int i, void *context) {
    (void)context;
    return is(g, i, ZYDIS_MNEMONIC_MOVZX) && reg_of(g, i, 0) == R9 && reg_of(g, i, 1) == R9 &&
           g->node[i].op[1].size == 8;
}

static bool is_page_number(const struct graph *g, int i, void *context) {
    (void)context;
    return is(g, i, ZYDIS_MNEMONIC_SHRX) && g->node[i].op[0].size == 32 && reg_of(g, i, 0) == R9 &&
           reg_of(g, i, 2) == R15;
}

static bool is_string_base(const struct graph *g, int i, void *context) {
    int reg = *(int *)context;
    return is(g, i, ZYDIS_MNEMONIC_LEA) && reg_of(g, i, 0) == reg && is_at(&g->node[i].op[1], reg, R14, 1) &&
           g->node[i].op[1].mem.disp.value == 0;
}

// ---- Looked-up operands
// ------------------------------------------------------------------------------------------------------

struct wanted {
    unsigned size;
    bool write;
};

static long tlb_of(const struct graph *g) {
    return FIELD(tlb) + (mode_cpl(g->in->mode) == 3 ? (long)sizeof(struct abi_tlb) : 0);
}

static bool is_addend_load(const struct graph *g, int i) {
    const ZydisDecodedOperand *o = &g->node[i].op[1];
    return is(g, i, ZYDIS_MNEMONIC_MOV) && reg_of(g, i, 0) == R9 && is_at(o, R15, R9, 8);
}

// The comparison in front of an addend's load, all the way back to the address, each step with one way to it.
static bool lookup_covers(struct graph *g, int addend, const struct wanted *w) {
    int back = graph_only_pred(g, addend), test = graph_only_pred(g, back), cut = graph_only_pred(g, test);
    int sum = graph_only_pred(g, cut), tag = graph_only_pred(g, sum), save = graph_only_pred(g, tag);
    int index = graph_only_pred(g, save), page = graph_only_pred(g, index);
    if (page < 0 || !is_rr(g, back, ZYDIS_MNEMONIC_MOV, RCX, R10, 32) || !is(g, test, ZYDIS_MNEMONIC_JRCXZ) ||
        !is_page_shift(g, cut, RCX, RCX) || !is(g, sum, ZYDIS_MNEMONIC_LEA) || reg_of(g, sum, 0) != RCX ||
        g->node[sum].op[0].size != 32 || !is_at(&g->node[sum].op[1], RCX, R8, 1) || !is(g, tag, ZYDIS_MNEMONIC_MOV) ||
        reg_of(g, tag, 0) != RCX || !is_at(&g->node[tag].op[1], R15, R9, 4) ||
        !is_rr(g, save, ZYDIS_MNEMONIC_MOV, R10, RCX, 32) || !is_byte_index(g, index, NULL) ||
        !is_page_shift(g, page, R9, R8))
        return false;
    if (g->start[g->node[test].at + 2 + g->node[test].op[0].imm.value.u] != back) // reached by the jump
        return false;
    long checked = (long)g->node[sum].op[1].mem.disp.value + 1;
    long offset = (long)g->node[tag].op[1].mem.disp.value + ABI_BIAS - tlb_of(g);
    long entry = (long)g->node[addend].op[1].mem.disp.value + ABI_BIAS - tlb_of(g);
    bool writes = offset == (long)offsetof(struct abi_tlb, ntag_write);
    return checked >= (long)w->size && checked <= 4096 && (writes || (offset == 0 && !w->write)) &&
           entry == (long)offsetof(struct abi_tlb, addend) && is_narrow(g, page, R8);
}

static enum found stop_lookup(struct graph *g, int i, void *context) {
    const struct wanted *w = context;
    uint64_t word;
    if (i < 0)
        return FOUND_BAD;
    if (g->node[i].stub == STUB_SOFT_MISS) {
        graph_is_mov_imm(g, i - 1, R10, &word);
        bool enough = OPERAND_SIZE((uint32_t)word) >= w->size && OPERAND_SEG((uint32_t)word) < 6 &&
                      (!w->write || OPERAND_INTENT((uint32_t)word) != INTENT_READ);
        return enough ? FOUND_GOOD : FOUND_BAD;
    }
    if (g->node[i].stub >= 0)
        return FOUND_BAD;
    if (is_addend_load(g, i)) // its comparison is looked at afterwards
        return FOUND_GOOD;
    return g->node[i].writes & (BIT(R8) | BIT(R9)) ? FOUND_BAD : FOUND_GO_ON;
}

// Every addend load from which control comes to `i` without another one between.
struct addends {
    int at[64];
    int count;
    struct wanted want;
};

static enum found stop_collect(struct graph *g, int i, void *context) {
    struct addends *a = context;
    enum found found = stop_lookup(g, i, &a->want);
    if (found == FOUND_GOOD && g->node[i].stub < 0) {
        if (a->count == 64)
            return FOUND_BAD;
        a->at[a->count++] = i;
    }
    return found;
}

static bool is_looked_up(struct graph *g, int i, unsigned size, bool write) {
    struct addends a = {.want = {size, write}};
    if (!graph_search(g, i, stop_collect, &a))
        return false;
    for (int k = 0; k < a.count; k++)
        if (!lookup_covers(g, a.at[k], &a.want))
            return false;
    return true;
}

// ---- Memory operands
// -----------------------------------------------------------------------------------------------------------

struct range {
    long from, size;
    bool read, write;
};

static bool vcpu_allows(long at, unsigned size, bool read, bool write) {
    static const struct range ranges[] = {
        {FIELD(sys_flags), 4, true, true},      {FIELD(pending), 1, true, false},
        {FIELD(seg_base_p), 48, true, false},   {FIELD(seg_base), 24, true, false},
        {FIELD(seg_selector), 24, true, false}, {FIELD(tmp), 16, true, true},
        {FIELD(fip), 12, false, true},          {FIELD(tsc_offset), 8, true, false},
        {FIELD(budget), 8, true, true},         {FIELD(trace_room), 8, true, true},
        {FIELD(trace_ring), 8, true, false},    {FIELD(cr0), 16, true, false},
    };
    for (size_t k = 0; k < sizeof ranges / sizeof *ranges; k++) {
        const struct range *r = &ranges[k];
        if (at >= r->from && at + (long)size <= r->from + r->size)
            return (!read || r->read) && (!write || r->write);
    }
    return false;
}

static bool is_own_page(uint64_t page, uint64_t address, unsigned size) {
    return page != 0 && address / 4096 == page / 4096 && (address + size - 1) / 4096 == page / 4096;
}

static bool is_live_base(const struct graph *g, int i, void *context) {
    uint64_t value, *wanted = context;
    if (!graph_is_mov_imm(g, i, R8, &value) || g->node[i].op[0].size != 64 || (*wanted != 0 && *wanted != value))
        return false;
    *wanted = value;
    return true;
}

static bool is_bit_offset(const struct graph *g, int i) {
    ZydisMnemonic m = g->node[i].insn.mnemonic;
    return (m == ZYDIS_MNEMONIC_BT || m == ZYDIS_MNEMONIC_BTS || m == ZYDIS_MNEMONIC_BTR || m == ZYDIS_MNEMONIC_BTC) &&
           g->node[i].op[1].type == ZYDIS_OPERAND_TYPE_REGISTER;
}

// The offset has been cut to the operand: pext r10d, x, r10d behind mov r10d, bits - 1.
static bool bit_stays_inside(struct graph *g, int i, unsigned size) {
    int cut = graph_only_pred(g, i), mask = graph_only_pred(g, cut);
    uint64_t value;
    return reg_of(g, i, 1) == R10 && is(g, cut, ZYDIS_MNEMONIC_PEXT) && reg_of(g, cut, 0) == R10 &&
           reg_of(g, cut, 2) == R10 && graph_is_mov_imm(g, mask, R10, &value) && value == size * 8 - 1;
}

static bool segment_pointer_before(const struct graph *g, int i) {
    int load = graph_only_pred(g, i);
    if (!is(g, load, ZYDIS_MNEMONIC_MOV) || reg_of(g, load, 0) != R9 || !is_at(&g->node[load].op[1], R15, -1, 0))
        return false;
    long at = (long)g->node[load].op[1].mem.disp.value + ABI_BIAS - FIELD(seg_base_p);
    return at >= 0 && at <= 40 && at % 8 == 0 && g->node[load].op[0].size == 64;
}

// [r9 + r8*4]: an entry of the slice of r8's page.
static bool slice_before(struct graph *g, int i) {
    int load = graph_only_pred(g, i), shift = graph_only_pred(g, load);
    return shift >= 0 && is(g, load, ZYDIS_MNEMONIC_MOV) && is_at(&g->node[load].op[1], R13, R9, 8) &&
           is_page_shift(g, shift, R9, R8) && is_narrow(g, shift, R8) && is(g, i, ZYDIS_MNEMONIC_MOV) &&
           reg_of(g, i, 0) == R9;
}

// ---- The ring of traced blocks
// ---------------------------------------------------------------------------------------------------

static bool is_field_load(const struct graph *g, int i, int reg, long field) {
    return is(g, i, ZYDIS_MNEMONIC_MOV) && reg_of(g, i, 0) == reg && g->node[i].op[0].size == 64 &&
           is_at(&g->node[i].op[1], R15, -1, 0) && (long)g->node[i].op[1].mem.disp.value + ABI_BIAS == field;
}

static bool is_one_less(const struct graph *g, int i) {
    return is(g, i, ZYDIS_MNEMONIC_LEA) && reg_of(g, i, 0) == R8 && g->node[i].op[0].size == 64 &&
           is_at(&g->node[i].op[1], R8, -1, 0) && g->node[i].op[1].mem.disp.value == -1;
}

// shrx rcx,r8,63; jrcxz: taken when r8, one less than the room, is not negative.
static bool room_was_tested(const struct graph *g, int i) {
    uint64_t shift;
    for (; i > 0; i = graph_only_pred(g, i)) {
        int test = graph_only_pred(g, i), cut = graph_only_pred(g, test), count = graph_only_pred(g, cut);
        int save = graph_only_pred(g, count), less = graph_only_pred(g, save), load = graph_only_pred(g, less);
        if (load < 0)
            return false;
        if (is(g, test, ZYDIS_MNEMONIC_JRCXZ) && is(g, cut, ZYDIS_MNEMONIC_SHRX) && reg_of(g, cut, 0) == RCX &&
            reg_of(g, cut, 1) == R8 && reg_of(g, cut, 2) == R10 && g->node[cut].op[0].size == 64 &&
            graph_is_mov_imm(g, count, R10, &shift) && shift == 63 && is_rr(g, save, ZYDIS_MNEMONIC_MOV, R9, RCX, 32) &&
            is_one_less(g, less) && is_field_load(g, load, R8, FIELD(trace_room)))
            return g->start[g->node[test].at + 2 + g->node[test].op[0].imm.value.u] == i;
    }
    return false;
}

// [r9 + r8*8] and four bytes further: r8 is one less than the room, which was not zero and is now one less too.
static bool is_record(const struct graph *g, int i) {
    uint64_t number;
    int at = graph_only_pred(g, i);
    if (is(g, at, ZYDIS_MNEMONIC_MOV) && is_at(&g->node[at].op[0], R9, R8, 8)) // the first of the two
        at = graph_only_pred(g, at);
    int ring = graph_only_pred(g, at), store = graph_only_pred(g, ring), less = graph_only_pred(g, store);
    int load = graph_only_pred(g, less);
    return load >= 0 && graph_is_mov_imm(g, at, R10, &number) && is_field_load(g, ring, R9, FIELD(trace_ring)) &&
           is(g, store, ZYDIS_MNEMONIC_MOV) && reg_of(g, store, 1) == R8 && g->node[store].op[1].size == 64 &&
           is_at(&g->node[store].op[0], R15, -1, 0) &&
           (long)g->node[store].op[0].mem.disp.value + ABI_BIAS == FIELD(trace_room) && is_one_less(g, less) &&
           is_field_load(g, load, R8, FIELD(trace_room)) && room_was_tested(g, load);
}

static const char *check_stack(struct graph *g, int i) {
    int before = graph_only_pred(g, i), after = i + 1 < g->count ? i + 1 : -1;
    switch (g->node[i].insn.mnemonic) {
    case ZYDIS_MNEMONIC_CALL: return NULL;
    case ZYDIS_MNEMONIC_PUSHFQ: return is(g, after, ZYDIS_MNEMONIC_POP) ? NULL : "PUSHFQ that is not popped";
    case ZYDIS_MNEMONIC_POP: return is(g, before, ZYDIS_MNEMONIC_PUSHFQ) ? NULL : "POP of something unknown";
    case ZYDIS_MNEMONIC_PUSH: {
        bool masked = is(g, before, ZYDIS_MNEMONIC_AND) && reg_of(g, before, 0) == reg_of(g, i, 0) &&
                      g->node[before].op[0].size == 32 && g->node[before].op[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE &&
                      (g->node[before].op[1].imm.value.u & ~0xcd5ull) == 0;
        return masked && is(g, after, ZYDIS_MNEMONIC_POPFQ) ? NULL : "PUSH of something else than flags";
    }
    case ZYDIS_MNEMONIC_POPFQ: return is(g, before, ZYDIS_MNEMONIC_PUSH) ? NULL : "POPFQ of something unknown";
    default: return "the host stack";
    }
}

static const char *check_string(struct graph *g, int i, int base) {
    if (!defined_by(g, i, base, is_string_base, &base))
        return "a string operand without its window";
    for (int at = graph_only_pred(g, i); at >= 0; at = graph_only_pred(g, at))
        if (is_string_base(g, at, &base))
            return is_narrow(g, at, base) && is_narrow(g, at, RCX) ? NULL : "a string register with an upper half";
    return "a string operand without its window";
}

// MASKMOV at [rdi] when rdi holds r9 + r8 of a lookup.
static bool mask_move_in_place(struct graph *g, int i, unsigned size) {
    int swap = graph_only_pred(g, i), lea = graph_only_pred(g, swap);
    return is(g, swap, ZYDIS_MNEMONIC_XCHG) && lea >= 0 && is(g, lea, ZYDIS_MNEMONIC_LEA) && reg_of(g, lea, 0) == R9 &&
           is_at(&g->node[lea].op[1], R9, R8, 1) && g->node[lea].op[1].mem.disp.value == 0 &&
           is_looked_up(g, lea, size, true);
}

static const char *check_memory(struct graph *g, int i, const ZydisDecodedOperand *o) {
    const struct node *n = &g->node[i];
    int base = graph_gpr(o->mem.base), index = graph_gpr(o->mem.index);
    bool read = o->actions & ZYDIS_OPERAND_ACTION_MASK_READ, write = o->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE;
    unsigned size = o->size / 8u;
    long disp = (long)o->mem.disp.value;
    if (size == 0)
        return "memory of unknown size";
    if (base == RSP && o->visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN)
        return check_stack(g, i);
    if (o->mem.base == ZYDIS_REGISTER_RIP || o->mem.base == ZYDIS_REGISTER_EIP || o->mem.segment == ZYDIS_REGISTER_FS)
        return "memory beside RIP or FS";
    if (o->mem.segment == ZYDIS_REGISTER_GS)
        return n->insn.address_width == 32 && !(g->in->mode & MODE_SOFT) ? NULL : "GS without 67h, or in soft code";
    if (n->insn.address_width != 64)
        return "67h without GS";
    if (n->insn.mnemonic == ZYDIS_MNEMONIC_MASKMOVQ || n->insn.mnemonic == ZYDIS_MNEMONIC_MASKMOVDQU)
        return mask_move_in_place(g, i, size) ? NULL : "MASKMOV outside the window";
    if (n->insn.meta.category == ZYDIS_CATEGORY_STRINGOP)
        return check_string(g, i, base);
    if (is_bit_offset(g, i) && !bit_stays_inside(g, i, size))
        return "a bit offset that may leave its operand";
    if (base == R15 && index < 0)
        return vcpu_allows(disp + ABI_BIAS, size, read, write) ? NULL : "a field of the vCPU structure";
    if (base == R15 && index == R9 && !write && o->mem.scale == size && (size == 4 || size == 8)) {
        long at = disp + ABI_BIAS - tlb_of(g);
        bool array = size == 8 ? at == (long)offsetof(struct abi_tlb, addend)
                               : at == 0 || at == (long)offsetof(struct abi_tlb, ntag_write);
        return array && defined_by(g, i, R9, is_byte_index, NULL) ? NULL : "an index into the vCPU structure";
    }
    if (base == R13 && index == R9 && o->mem.scale == 8 && disp == 0 && size == 8 && !write)
        return defined_by(g, i, R9, is_page_number, NULL) ? NULL : "an index into the root";
    if (base == R9 && index == R8 && o->mem.scale == 4 && disp == 0 && size == 4 && !write)
        return slice_before(g, i) ? NULL : "an index into a slice";
    if (base == R9 && index == R8 && o->mem.scale == 8 && (disp == 0 || disp == 4) && size == 4 && !read)
        return is_record(g, i) ? NULL : "a record without room";
    if (base == R9 && index == R8 && o->mem.scale == 1 && disp == 0)
        return is_looked_up(g, i, size, write) ? NULL : "an operand that was not looked up";
    if (base == R9 && index < 0 && disp == 0 && size == 4 && !write)
        return segment_pointer_before(g, i) ? NULL : "a pointer that is not a segment's";
    uint64_t live = 0;
    if (base == R8 && index < 0 && !write && defined_by(g, i, R8, is_live_base, &live))
        return is_own_page(g->in->live, live + (uint64_t)disp, size) ||
                       is_own_page(g->in->next_live, live + (uint64_t)disp, size)
                   ? NULL
                   : "bytes that are not the block's";
    return "memory outside everything";
}

// ---- Registers
// --------------------------------------------------------------------------------------------------------------

static bool class_allowed(ZydisRegister reg) {
    switch (ZydisRegisterGetClass(reg)) {
    case ZYDIS_REGCLASS_GPR8:
    case ZYDIS_REGCLASS_GPR16:
    case ZYDIS_REGCLASS_GPR32:
    case ZYDIS_REGCLASS_GPR64:
    case ZYDIS_REGCLASS_X87:
    case ZYDIS_REGCLASS_MMX:
    case ZYDIS_REGCLASS_FLAGS:
    case ZYDIS_REGCLASS_IP: return true;
    case ZYDIS_REGCLASS_XMM: return reg < ZYDIS_REGISTER_XMM8;
    default:
        return reg == ZYDIS_REGISTER_X87CONTROL || reg == ZYDIS_REGISTER_X87STATUS || reg == ZYDIS_REGISTER_X87TAG ||
               reg == ZYDIS_REGISTER_MXCSR;
    }
}

static bool uses_host_stack(ZydisMnemonic m) {
    return m == ZYDIS_MNEMONIC_CALL || m == ZYDIS_MNEMONIC_PUSH || m == ZYDIS_MNEMONIC_POP ||
           m == ZYDIS_MNEMONIC_PUSHFQ || m == ZYDIS_MNEMONIC_POPFQ;
}

static const char *check_registers(const struct graph *g, int i) {
    const struct node *n = &g->node[i];
    for (unsigned k = 0; k < n->insn.operand_count; k++)
        if (n->op[k].type == ZYDIS_OPERAND_TYPE_REGISTER && !class_allowed(n->op[k].reg.value))
            return "a register that is not the guest's";
    if (n->writes & (BIT(R13) | BIT(R14) | BIT(R15)))
        return "r13, r14 or r15 is written";
    if ((n->writes & BIT(R11)) && i != 0)
        return "r11 is written";
    if ((n->writes & BIT(RSP)) && !uses_host_stack(n->insn.mnemonic))
        return "rsp is written";
    return NULL;
}

// The count of SHRX is 32 on every path: what is left fits into 32 bits.
static bool is_thirty_two(const struct graph *g, int i, void *context) {
    uint64_t value;
    (void)context;
    return graph_is_mov_imm(g, i, R10, &value) && value == 32;
}

static bool narrows(struct graph *g, int i, int reg) {
    if (g->node[i].narrow & BIT(reg))
        return true;
    return is(g, i, ZYDIS_MNEMONIC_SHRX) && reg_of(g, i, 0) == reg && reg_of(g, i, 2) == R10 &&
           defined_by(g, i, R10, is_thirty_two, NULL);
}

// On every path from `i` the register is cut to 32 bits before control leaves.
static const char *check_cut(struct graph *g, int i, int reg) {
    int top = 0, found[256];
    static bool seen[NODES_MAX];
    memset(seen, 0, sizeof seen);
    found[top++] = i;
    while (top != 0) {
        int at = found[--top];
        for (int e = g->node[at].first_succ; e >= 0; e = g->edge[e].next_succ) {
            int to = g->edge[e].to;
            if (seen[to] || narrows(g, to, reg))
                continue;
            if (g->node[to].leaves || top == 256)
                return "a guest register leaves with an upper half";
            seen[to] = true;
            found[top++] = to;
        }
        if (g->node[at].first_succ < 0)
            return "a guest register leaves with an upper half";
    }
    return NULL;
}

static const char *check_wide(struct graph *g, int i) {
    int scratch, guest;
    const struct node *n = &g->node[i];
    if (!(n->wide & GUEST) || is_exchange(g, i, &scratch, &guest))
        return NULL;
    if (n->insn.mnemonic == ZYDIS_MNEMONIC_RDTSC || n->insn.meta.category == ZYDIS_CATEGORY_STRINGOP)
        return NULL; // RDTSC clears the upper halves; a string's registers are cut behind its LEA
    for (int reg = 0; reg < 16; reg++) {
        if (!(n->wide & GUEST & BIT(reg)) || narrows(g, i, reg))
            continue;
        const char *wrong = check_cut(g, i, reg);
        if (wrong)
            return wrong;
    }
    return NULL;
}

// Exchanges come in pairs on every path, and nothing touches the two registers between.
static const char *check_exchanges(struct graph *g, int *bad) {
    static int open[NODES_MAX]; // 0 not seen, 1 none, else 2 + scratch*16 + guest
    int top = 0;
    memset(open, 0, (size_t)g->count * sizeof *open);
    g->queue[top++] = 0;
    open[0] = 1;
    while (top != 0) {
        int i = g->queue[--top], scratch, guest, after = open[i];
        const struct node *n = &g->node[i];
        *bad = i;
        if (is_exchange(g, i, &scratch, &guest)) {
            int pair = 2 + scratch * 16 + guest;
            if (after != 1 && after != pair)
                return "two exchanges at once";
            after = after == 1 ? pair : 1;
        } else if (after != 1) {
            unsigned held = BIT((after - 2) / 16) | BIT((after - 2) % 16);
            if ((n->writes & held) || n->leaves)
                return "a register that is exchanged is written, or leaves";
        }
        for (int e = n->first_succ; e >= 0; e = g->edge[e].next_succ) {
            int to = g->edge[e].to;
            if (open[to] != 0 && open[to] != after)
                return "an exchange on one of two paths";
            if (open[to] == 0)
                g->queue[top++] = to;
            open[to] = after;
        }
    }
    return NULL;
}

// ---- Instructions
// ------------------------------------------------------------------------------------------------------------

static const char *check_leaving(struct graph *g, int i) {
    const struct node *n = &g->node[i];
    bool indirect = n->insn.meta.category == ZYDIS_CATEGORY_UNCOND_BR && n->stub < 0 && n->leaves;
    if (indirect) {
        int load = graph_only_pred(g, i);
        bool good = n->op[0].type == ZYDIS_OPERAND_TYPE_REGISTER && reg_of(g, i, 0) == R9 && load >= 0 &&
                    is_at(&g->node[load].op[1], R9, R8, 4) && g->node[load].op[0].size == 32 && slice_before(g, load);
        return good ? NULL : "an indirect jump to somewhere";
    }
    if ((n->stub == STUB_EXIT || n->stub == STUB_LINK || n->stub == STUB_SOFT_MISS) && !is_narrow(g, i, R8))
        return "an address with an upper half is given to a stub";
    return NULL;
}

static const char *check_insn(struct graph *g, int i) {
    const struct node *n = &g->node[i];
    if (!confine_allows(&n->insn))
        return "an instruction that guest code must not run";
    const char *wrong = check_registers(g, i);
    for (unsigned k = 0; k < n->insn.operand_count && !wrong; k++)
        if (n->op[k].type == ZYDIS_OPERAND_TYPE_MEMORY && n->op[k].mem.type == ZYDIS_MEMOP_TYPE_MEM &&
            n->insn.mnemonic != ZYDIS_MNEMONIC_NOP)
            wrong = check_memory(g, i, &n->op[k]);
    if (!wrong)
        wrong = check_wide(g, i);
    return wrong ? wrong : check_leaving(g, i);
}

const char *confine_check(const struct verify_input *in, uint32_t *at) {
    static struct graph g;
    int bad = 0;
    const char *wrong = graph_build(&g, in, &bad);
    if (!wrong)
        wrong = check_exchanges(&g, &bad);
    for (int i = 0; i < g.count && !wrong; i++) {
        bad = i;
        if (g.node[i].reached)
            wrong = check_insn(&g, i);
    }
    *at = g.node[bad].at;
    return wrong;
}
