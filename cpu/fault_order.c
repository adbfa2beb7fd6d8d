// Which fault an instruction with a soft operand raises when its page is not there: the processor looks at a pending
// x87 exception, and at the alignment of a 16-byte operand, before it looks at the page (SDM vol. 3A table 6-2; vol.
// 1 8.7.1, 11.4.4). Where the operand is direct, or bounced, the processor itself sees to that. Also what the x87
// pointers are at a fault in the middle of a run of x87 instructions. Light code.
#include "cpu/engine.h"
#include "cpu/fx_image.h"

struct opcode {
    bool operand16, repne, rep, vex;
    uint8_t byte, second, third; // opcode bytes; of an x87 instruction the second is ModRM
};

static bool is_prefix(uint8_t byte) {
    switch (byte) {
    case 0x26:
    case 0x2e:
    case 0x36:
    case 0x3e:
    case 0x64:
    case 0x65:
    case 0x66:
    case 0x67:
    case 0xf0:
    case 0xf2:
    case 0xf3: return true;
    default: return false;
    }
}

// VEX: what it says in its fields goes where prefixes and opcode bytes would have said it (SDM vol. 2, 2.3.5
// and 2.3.6).
static void read_vex(const uint8_t *bytes, unsigned size, struct opcode *o) {
    bool two = bytes[0] == 0xc5;
    unsigned fields = two ? 1 : 2, map = two ? 1 : bytes[1] & 31u, pp = fields < size ? bytes[fields] & 3u : 0;
    uint8_t op = fields + 1 < size ? bytes[fields + 1] : 0;
    *o = (struct opcode){.vex = true, .operand16 = pp == 1, .rep = pp == 2, .repne = pp == 3, .byte = 0x0f};
    o->second = map == 1 ? op : map == 2 ? 0x38 : 0x3a;
    o->third = op;
}

static struct opcode opcode_of(const uint8_t *bytes, unsigned size) {
    struct opcode o = {0};
    unsigned at = 0;
    for (; at < size && is_prefix(bytes[at]); at++) {
        o.operand16 |= bytes[at] == 0x66;
        o.repne |= bytes[at] == 0xf2;
        o.rep |= bytes[at] == 0xf3;
    }
    o.byte = at < size ? bytes[at] : 0;
    o.second = at + 1 < size ? bytes[at + 1] : 0;
    o.third = at + 2 < size ? bytes[at + 2] : 0;
    if ((o.byte == 0xc4 || o.byte == 0xc5) && at + 1 < size && bytes[at + 1] >= 0xc0) // else LES, LDS
        read_vex(bytes + at, size - at, &o);
    return o;
}

// Every x87 instruction with a soft operand but FNSTCW and FNSTSW waits, and so does every MMX one.
static bool waits(const struct opcode *o) {
    if (o->byte >= 0xd8 && o->byte <= 0xdf)
        return (o->byte != 0xd9 && o->byte != 0xdd) || (o->second >> 3 & 7) != 7;
    if (o->byte != 0x0f || o->repne || o->rep || o->vex)
        return false;
    if (o->second == 0x2c || o->second == 0x2d) // conversions to MMX registers, from PS and PD
        return true;
    if (o->operand16)
        return false;
    return (o->second >= 0x60 && o->second <= 0x7f) || o->second == 0xc4 || o->second >= 0xd1 || o->second == 0x38 ||
           (o->second == 0x3a && o->third == 0x0f);
}

static bool x87_pending(const struct vcpu *v) {
    uint16_t status;
    if (v->abi.fpu_parked == PARKED_ALL)
        status = fx_get16(v->abi.fx + FX_FSW);
    else
        __asm__ volatile("fnstsw %0" : "=a"(status));
    return status & FSW_ES;
}

// Of the VEX encodings, only those of MOVAPS, MOVAPD, MOVDQA and the non-temporal moves want alignment.
static bool vex_wants_alignment(const struct opcode *o) {
    switch (o->second) {
    case 0x28:
    case 0x29:
    case 0x2b:
    case 0xe7: return true;
    case 0x6f:
    case 0x7f: return o->operand16;
    case 0x38: return o->third == 0x2a;
    default: return false;
    }
}

// MOVUPS, MOVUPD, MOVDQU, LDDQU, MASKMOVDQU and the string comparisons take any address.
static bool wants_alignment(const struct opcode *o) {
    if (o->byte != 0x0f)
        return false;
    if (o->vex)
        return vex_wants_alignment(o);
    switch (o->second) {
    case 0x10:
    case 0x11: return false;
    case 0x6f:
    case 0x7f: return !o->rep;
    case 0xf0: return !o->repne;
    case 0xf7: return false;
    case 0x3a: return o->third < 0x60 || o->third > 0x63;
    default: return true;
    }
}

bool engine_fault_before_page(struct vcpu *v, const struct block *block, uint32_t word, uint32_t linear) {
    unsigned size = OPERAND_SIZE(word), offset = OPERAND_OFFSET(word);
    if (!block || offset < block->offset || offset >= block->offset + (uint32_t)block->guest_size)
        return false;
    const uint8_t *bytes = block->guest_bytes + (offset - block->offset);
    const struct opcode o = opcode_of(bytes, block->guest_size - (offset - block->offset));
    if (waits(&o) && x87_pending(v)) {
        cpu_raise(v, VECTOR_MF);
        return true;
    }
    if (size >= 16 && (linear & (size - 1)) && wants_alignment(&o)) {
        cpu_raise_error(v, VECTOR_GP, 0);
        return true;
    }
    return false;
}

// ---- x87 pointers ---------------------------------------------------------------------------------------------------

static uint32_t operand_offset(const struct vcpu *v, const struct x87_pointers *p) {
    uint32_t offset = p->disp;
    if (p->base != X87_NO_REGISTER)
        offset += v->abi.gpr[p->base];
    if (p->index != X87_NO_REGISTER)
        offset += v->abi.gpr[p->index] << p->scale;
    return p->address_size == 2 ? offset & 0xffff : offset;
}

void engine_settle_x87(struct vcpu *v, const struct block *block, uint32_t offset) {
    if (!block || offset <= block->offset || offset > block->offset + (uint32_t)block->guest_size)
        return;
    uint32_t at = offset - block->offset;
    uint32_t first = 0; // most blocks have no x87 instruction
    while (first < at && (block->guest_bytes[first] & 0xf8) != 0xd8)
        first++;
    if (first == at)
        return;
    struct x87_pointers pointers;
    engine_park_fpu(v);
    translate_x87_pointers(block->guest_bytes, block->guest_size, block->offset, block->mode & MODE_CODE32, at,
                           &pointers);
    if (pointers.fip)
        v->abi.fip = v->abi.eip - (at - pointers.fip_at);
    if (pointers.fdp)
        v->abi.fdp = operand_offset(v, &pointers);
}

bool engine_x87_loads_control(const struct block *block) {
    const struct opcode o = opcode_of(block->guest_bytes, block->guest_size);
    unsigned reg = o.second >> 3 & 7;
    return o.second < 0xc0 && ((o.byte == 0xd9 && (reg == 4 || reg == 5)) || (o.byte == 0xdd && reg == 4));
}
