// The verifier's second pass: instructions that are allowed only together, in one order, with nothing jumping between
// them. Each recogniser returns how many instructions it covers, or 0. What must hold before a sequence and what holds
// behind it is in verify_effect.c. The sequences are those of docs/verifier.md.
#include "translator/verify.h"

#include <stddef.h>

#define TLB(field) (ABI_OFFSET(tlb) + (int32_t)offsetof(struct abi_tlb, field))

// ---- Shapes of single instructions ----------------------------------------------------------------------------------

static bool plain(const struct vinsn *n) {
    return !n->lock && !n->rep && !n->opsize && !n->addr32 && !n->gs;
}

static bool is_op(const struct vinsn *n, unsigned map, unsigned opcode, bool wide) {
    return plain(n) && n->map == map && n->opcode == opcode && n->wide == wide;
}

static bool is_register_form(const struct vinsn *n, unsigned reg, unsigned rm) {
    return n->has_modrm && !n->is_mem && n->reg == reg && n->rm == rm;
}

static bool is_memory_form(const struct vinsn *n, unsigned base, unsigned index, unsigned scale) {
    return n->is_mem && n->base == base && n->index == index && (index == V_NONE || n->scale == scale);
}

static bool is_mov(const struct vinsn *n, unsigned dst, unsigned src) {
    return is_op(n, VMAP_1B, 0x89, false) && is_register_form(n, src, dst);
}

static bool is_mov_imm32(const struct vinsn *n, unsigned dst) {
    return plain(n) && n->map == VMAP_1B && !n->wide && n->opcode == (0xb8 | (dst & 7)) && (n->rex & 1u) == (dst >> 3);
}

static bool is_mov_imm64(const struct vinsn *n, unsigned dst) {
    return plain(n) && n->map == VMAP_1B && n->wide && n->opcode == (0xb8 | (dst & 7)) && (n->rex & 1u) == (dst >> 3);
}

static bool is_xchg64(const struct vinsn *n, unsigned reg, unsigned rm) {
    return is_op(n, VMAP_1B, 0x87, true) && is_register_form(n, reg, rm);
}

static bool is_lea(const struct vinsn *n, bool wide, unsigned dst, unsigned base, unsigned index, unsigned scale) {
    return is_op(n, VMAP_1B, 0x8d, wide) && n->reg == dst && is_memory_form(n, base, index, scale);
}

// shrx dst, src, count: pp 3 is F2h
static bool is_shift(const struct vinsn *n, unsigned pp, bool wide, unsigned dst, unsigned src, unsigned count) {
    return n->map == VMAP_VEX38 && n->opcode == 0xf7 && n->pp == pp && n->wide == wide && n->vvvv == count &&
           is_register_form(n, dst, src);
}

static bool is_page_shift(const struct vinsn *n, unsigned dst, unsigned src) {
    return is_shift(n, 3, false, dst, src, V_R15);
}

// mov r9, [r13 + r9*8]
static bool is_root_load(const struct vinsn *n) {
    return is_op(n, VMAP_1B, 0x8b, true) && n->reg == V_R9 && is_memory_form(n, V_R13, V_R9, 3) && n->disp == 0;
}

// ---- Control transfer: an indirect jump exists only here ------------------------------------------------------------

static unsigned match_transfer(const struct vinsn *n, unsigned left) {
    return left >= 4 && is_page_shift(n, V_R9, V_R8) && is_root_load(n + 1) && is_op(n + 2, VMAP_1B, 0x8b, false) &&
                   n[2].reg == V_R9 && is_memory_form(n + 2, V_R9, V_R8, 2) && n[2].disp == 0 &&
                   is_op(n + 3, VMAP_1B, 0xff, false) && is_register_form(n + 3, 4, V_R9)
               ? 4
               : 0;
}

// r9 = (slice of the page behind the block's) - imm: what a crossing block checks.
static unsigned match_crossing(const struct vinsn *n, unsigned left) {
    return left >= 6 && is_lea(n, false, V_R8, V_R11, V_NONE, 0) && n[0].disp == 4096 &&
                   is_page_shift(n + 1, V_R9, V_R8) && is_root_load(n + 2) &&
                   is_lea(n + 3, true, V_R9, V_R9, V_R8, 2) && n[3].disp == 0 && is_mov_imm64(n + 4, V_R10) &&
                   is_lea(n + 5, true, V_R9, V_R9, V_R10, 0) && n[5].disp == 0
               ? 6
               : 0;
}

// mov r8,[field]; lea r8,[r8-n]; mov r9d,ecx; mov r10d,63; shrx rcx,r8,r10; jrcxz covered; mov ecx,r9d;
// lea r8d,[r11+offset]; jmp; covered: mov ecx,r9d: takes from a field of the vCPU structure what it still has.
static bool match_take(const struct vinsn *n, unsigned left, int32_t field) {
    if (left < TAKE_INSNS || !is_op(n, VMAP_1B, 0x8b, true) || n[0].reg != V_R8 ||
        !is_memory_form(n, V_R15, V_NONE, 0) || n[0].disp != field || !is_lea(n + 1, true, V_R8, V_R8, V_NONE, 0) ||
        !is_mov(n + 2, V_R9, V_RCX))
        return false;
    if (!is_mov_imm32(n + 3, V_R10) || n[3].imm != 63 || !is_shift(n + 4, 3, true, V_RCX, V_R8, V_R10))
        return false;
    if (!is_op(n + 5, VMAP_1B, 0xe3, false) || n[5].imm != (uint64_t)(n[6].length + n[7].length + n[8].length) ||
        !is_mov(n + 6, V_RCX, V_R9) || !is_lea(n + 7, false, V_R8, V_R11, V_NONE, 0) ||
        !is_op(n + 8, VMAP_1B, 0xe9, false))
        return false;
    return is_mov(n + 9, V_RCX, V_R9);
}

// mov reg,[field] or mov [field],reg: 64 bits of the vCPU structure.
static bool is_field(const struct vinsn *n, unsigned opcode, unsigned reg, int32_t field) {
    return is_op(n, VMAP_1B, opcode, true) && n->reg == reg && is_memory_form(n, V_R15, V_NONE, 0) && n->disp == field;
}

// The charge of a counted block: take from the budget; mov [budget],r8.
static unsigned match_charge(const struct vinsn *n, unsigned left) {
    const int32_t budget = ABI_OFFSET(budget);
    return left >= CHARGE_INSNS && match_take(n, left, budget) && is_field(n + TAKE_INSNS, 0x89, V_R8, budget)
               ? CHARGE_INSNS
               : 0;
}

// The record of a traced block: take from the room; perhaps a charge; mov r8,[room]; lea r8,[r8-1]; mov [room],r8;
// mov r9,[ring]; mov r10d,number; mov [r9+r8*8],r10d; mov [r9+r8*8+4],r11d.
static unsigned match_record(const struct vinsn *n, unsigned left) {
    const int32_t room = ABI_OFFSET(trace_room);
    if (left < TAKE_INSNS || !match_take(n, left, room))
        return 0;
    unsigned charge = match_charge(n + TAKE_INSNS, left - TAKE_INSNS);
    if (left < RECORD_INSNS + charge)
        return 0;
    const struct vinsn *w = n + TAKE_INSNS + charge;
    if (!is_field(w, 0x8b, V_R8, room) || !is_lea(w + 1, true, V_R8, V_R8, V_NONE, 0) || w[1].disp != -1 ||
        !is_field(w + 2, 0x89, V_R8, room) || !is_field(w + 3, 0x8b, V_R9, ABI_OFFSET(trace_ring)) ||
        !is_mov_imm32(w + 4, V_R10))
        return 0;
    bool number = is_op(w + 5, VMAP_1B, 0x89, false) && w[5].reg == V_R10 && is_memory_form(w + 5, V_R9, V_R8, 3) &&
                  w[5].disp == 0;
    bool page = is_op(w + 6, VMAP_1B, 0x89, false) && w[6].reg == V_R11 && is_memory_form(w + 6, V_R9, V_R8, 3) &&
                w[6].disp == 4;
    return number && page ? RECORD_INSNS + charge : 0;
}

// ---- The software TLB -----------------------------------------------------------------------------------------------

// r8d linear: shrx r9d,r8d,r15d; movzx r9d,r9b; mov r10d,ecx; mov ecx,[tag]; lea ecx,[rcx+r8+size-1];
// shrx ecx,ecx,r15d; jrcxz +5; jmp miss; mov ecx,r10d; mov r9,[addend].
static unsigned match_lookup(const struct vinsn *n, unsigned left) {
    if (left < 10 || !is_page_shift(n, V_R9, V_R8) || !is_op(n + 1, VMAP_0F, 0xb6, false) ||
        !is_register_form(n + 1, V_R9, V_R9) || !is_mov(n + 2, V_R10, V_RCX))
        return 0;
    if (!is_op(n + 3, VMAP_1B, 0x8b, false) || n[3].reg != V_RCX || !is_memory_form(n + 3, V_R15, V_R9, 2))
        return 0;
    if (!is_lea(n + 4, false, V_RCX, V_RCX, V_R8, 0) || n[4].disp < 0 || n[4].disp > 511 ||
        !is_page_shift(n + 5, V_RCX, V_RCX))
        return 0;
    if (!is_op(n + 6, VMAP_1B, 0xe3, false) || n[6].imm != n[7].length || !is_op(n + 7, VMAP_1B, 0xe9, false))
        return 0;
    return is_mov(n + 8, V_RCX, V_R10) && is_op(n + 9, VMAP_1B, 0x8b, true) && n[9].reg == V_R9 &&
                   is_memory_form(n + 9, V_R15, V_R9, 3)
               ? 10
               : 0;
}

// mov r10d, reg mod operand bits; lock bts [r9 + r8], r10d and its like: the offset stays within the operand.
static unsigned match_bit_locked(const struct vinsn *n, unsigned left) {
    if (left < 3 || !is_mov_imm32(n, V_R10) || n[1].map != VMAP_VEX38 || n[1].opcode != 0xf5 || n[1].pp != 2 ||
        n[1].wide || n[1].reg != V_R10 || n[1].rm != V_R10 || n[1].is_mem)
        return 0;
    const struct vinsn *bit = n + 2;
    if (!(bit->form->flags & FORM_BIT_OFFSET) || bit->form->rm != ACC_RW || bit->map != VMAP_0F || !bit->lock ||
        bit->rep || bit->gs || bit->addr32 || bit->wide || bit->reg != V_R10 || !is_memory_form(bit, V_R9, V_R8, 0) ||
        bit->disp != 0)
        return 0;
    return n[0].imm == (bit->opsize ? 15 : 31) ? 3 : 0;
}

// lea r9,[r9+r8]; xchg r9,rdi; maskmov; xchg r9,rdi
static unsigned match_mask_move(const struct vinsn *n, unsigned left) {
    return left >= 4 && is_lea(n, true, V_R9, V_R9, V_R8, 0) && n[0].disp == 0 && is_xchg64(n + 1, V_R9, V_RDI) &&
                   n[2].map == VMAP_0F && n[2].opcode == 0xf7 && !n[2].is_mem && !n[2].gs && !n[2].addr32 &&
                   !n[2].lock && !n[2].rep && n[2].rex == 0 && is_xchg64(n + 3, V_R9, V_RDI)
               ? 4
               : 0;
}

// ---- Strings: rsi and rdi become window addresses and guest registers again -----------------------------------------

static unsigned match_string(const struct vinsn *n, unsigned left) {
    unsigned at = 0;
    bool rsi = left > at && is_lea(n + at, true, V_RSI, V_RSI, V_R14, 0) && n[at].disp == 0;
    at += rsi;
    bool rdi = left > at && is_lea(n + at, true, V_RDI, V_RDI, V_R14, 0) && n[at].disp == 0;
    at += rdi;
    if (at == 0 || left <= at)
        return 0;
    const struct vinsn *s = n + at++;
    unsigned op = s->opcode & 0xfe;
    if (s->map != VMAP_1B || s->lock || s->addr32 || s->gs || s->rex)
        return 0;
    if (s->opsize && !(s->opcode & 1))
        return 0;
    bool both = op == 0xa4 || op == 0xa6, source = op == 0xac, target = op == 0xaa || op == 0xae;
    if (!(both || source || target) || rsi != (both || source) || rdi != (both || target))
        return 0;
    if (rsi && !(left > at && is_mov(n + at++, V_RSI, V_RSI)))
        return 0;
    if (rdi && !(left > at && is_mov(n + at++, V_RDI, V_RDI)))
        return 0;
    return at;
}

// ---- Small ones -----------------------------------------------------------------------------------------------------

// mov r9,[r15 + seg_base_p of a segment]; mov r9d,[r9]
static unsigned match_segment_base(const struct vinsn *n, unsigned left) {
    if (left < 2 || !is_op(n, VMAP_1B, 0x8b, true) || n[0].reg != V_R9 || !is_memory_form(n, V_R15, V_NONE, 0))
        return 0;
    int32_t at = n[0].disp - ABI_OFFSET(seg_base_p);
    if (at < 0 || at > 40 || at % 8 != 0)
        return 0;
    return is_op(n + 1, VMAP_1B, 0x8b, false) && n[1].reg == V_R9 && is_memory_form(n + 1, V_R9, V_NONE, 0) &&
                   n[1].disp == 0
               ? 2
               : 0;
}

// pushfq; pop r8 or r10
static unsigned match_pushf(const struct vinsn *n, unsigned left) {
    return left >= 2 && is_op(n, VMAP_1B, 0x9c, false) && n[0].rex == 0 && plain(n + 1) && n[1].map == VMAP_1B &&
                   n[1].rex == 0x41 && (n[1].opcode == 0x58 || n[1].opcode == 0x5a)
               ? 2
               : 0;
}

// and r9d, mask of arithmetic flags and DF; push r9; popfq
static unsigned match_popf(const struct vinsn *n, unsigned left) {
    const uint64_t live = 0xcd5;
    return left >= 3 && (is_op(n, VMAP_1B, 0x81, false) || is_op(n, VMAP_1B, 0x83, false)) &&
                   is_register_form(n, 4, V_R9) && (n[0].imm & ~live) == 0 && plain(n + 1) && n[1].map == VMAP_1B &&
                   n[1].rex == 0x41 && n[1].opcode == 0x51 && is_op(n + 2, VMAP_1B, 0x9d, false) && n[2].rex == 0
               ? 3
               : 0;
}

// EDX:EAX = host counter + tsc_offset
static unsigned match_rdtsc(const struct vinsn *n, unsigned left) {
    return left >= 8 && is_op(n, VMAP_0F, 0x31, false) && is_mov_imm32(n + 1, V_R10) && n[1].imm == 32 &&
                   is_shift(n + 2, 1, true, V_RDX, V_RDX, V_R10) && is_lea(n + 3, true, V_RAX, V_RAX, V_RDX, 0) &&
                   n[3].disp == 0 && is_op(n + 4, VMAP_1B, 0x8b, true) && n[4].reg == V_R9 &&
                   is_memory_form(n + 4, V_R15, V_NONE, 0) && n[4].disp == ABI_OFFSET(tsc_offset) &&
                   is_lea(n + 5, true, V_RAX, V_RAX, V_R9, 0) && n[5].disp == 0 &&
                   is_shift(n + 6, 3, true, V_RDX, V_RAX, V_R10) && is_mov(n + 7, V_RAX, V_RAX)
               ? 8
               : 0;
}

// mov r8, address of the block's own bytes
static unsigned match_live(const struct vinsn *n, unsigned left) {
    return left >= 1 && is_mov_imm64(n, V_R8) ? 1 : 0;
}

// r9 = bytes at [r8 + disp] - imm, of a block that checks itself.
static unsigned match_compare(const struct vinsn *n, unsigned left) {
    if (left < 3 || !plain(n) || n[0].reg != V_R9 || !is_memory_form(n, V_R8, V_NONE, 0))
        return 0;
    bool load = is_op(n, VMAP_1B, 0x8b, true) || is_op(n, VMAP_1B, 0x8b, false) || is_op(n, VMAP_0F, 0xb7, false) ||
                is_op(n, VMAP_0F, 0xb6, false);
    return load && is_mov_imm64(n + 1, V_R10) && is_lea(n + 2, true, V_R9, V_R9, V_R10, 0) && n[2].disp == 0 ? 3 : 0;
}

// ---- Calls of stubs -------------------------------------------------------------------------------------------------

static bool is_call(const struct vinsn *n) {
    return is_op(n, VMAP_1B, 0xe8, false) && n->rex == 0;
}

// mov r10d, word; call stub
static unsigned match_stub_call(const struct vinsn *n, unsigned left) {
    return left >= 2 && is_mov_imm32(n, V_R10) && is_call(n + 1) ? 2 : 0;
}

// lea r8d,[r11 + target]; call STUB_LINK
static unsigned match_cold(const struct vinsn *n, unsigned left) {
    return left >= 2 && is_lea(n, false, V_R8, V_R11, V_NONE, 0) && is_call(n + 1) ? 2 : 0;
}

// ---- The pass -------------------------------------------------------------------------------------------------------

void verify_find_sequences(struct verifier *v) {
    static const struct {
        uint8_t sequence;
        unsigned (*match)(const struct vinsn *n, unsigned left);
    } all[] = {
        {SEQ_TRANSFER, match_transfer},   {SEQ_LOOKUP, match_lookup},         {SEQ_CROSSING, match_crossing},
        {SEQ_CHARGE, match_charge},       {SEQ_RECORD, match_record},         {SEQ_COLD, match_cold},
        {SEQ_STUB_CALL, match_stub_call}, {SEQ_BIT_LOCKED, match_bit_locked}, {SEQ_SEGMENT_BASE, match_segment_base},
        {SEQ_LIVE, match_live},           {SEQ_COMPARE, match_compare},       {SEQ_MASKMOVE, match_mask_move},
        {SEQ_STRING, match_string},       {SEQ_PUSHF, match_pushf},           {SEQ_POPF, match_popf},
        {SEQ_RDTSC, match_rdtsc},
    };
    for (unsigned i = 0; i < v->count;) {
        unsigned covers = 0;
        struct vinsn *n = &v->insns[i];
        for (unsigned k = 0; k < sizeof all / sizeof *all && covers == 0; k++) {
            covers = all[k].match(n, v->count - i);
            if (covers)
                n->sequence = all[k].sequence;
        }
        n->covers = (uint8_t)(covers ? covers : 1);
        for (unsigned k = 1; k < covers; k++)
            n[k].interior = true;
        i += n->covers;
    }
}
