// The few instructions that the 80286 finds too long and later processors execute: immediate forms behind many
// prefixes. Computed from the manual's descriptions (Intel SDM vol. 2, ADD to XOR, CMP, MOV, TEST, CALL, JMP).
#include "tests/hw16/insn.h"

enum { CF = 1 << 0, PF = 1 << 2, AF = 1 << 4, ZF = 1 << 6, SF = 1 << 7, OF = 1 << 11 };

struct operand {
    const struct hw16_test *test;
    struct hw16_expect *expect;
    const struct insn *insn;
    unsigned size; // 1 or 2
};

static unsigned listed(const struct hw16_test *test, uint32_t address) {
    int value = hw16_memory_at(test, address);
    return value < 0 ? 0 : (unsigned)value;
}

static unsigned get(const struct operand *o) {
    static const uint8_t word[8] = {HW16_AX, HW16_CX, HW16_DX, HW16_BX, HW16_SP, HW16_BP, HW16_SI, HW16_DI};
    unsigned rm = insn_rm(o->insn);
    uint32_t at = insn_linear(o->test->initial, o->insn->segment, o->insn->offset);
    if (insn_has_memory(o->insn))
        return listed(o->test, at) | (o->size == 2 ? listed(o->test, at + 1) << 8 : 0);
    if (o->size == 2)
        return o->test->initial[word[rm]];
    return o->test->initial[word[rm & 3]] >> (rm & 4 ? 8 : 0) & 0xff;
}

static bool put(const struct operand *o, unsigned value) {
    uint32_t at = insn_linear(o->test->initial, o->insn->segment, o->insn->offset);
    if (!insn_has_memory(o->insn)) // no register form is that long
        return false;
    for (unsigned i = 0; i < o->size; i++)
        o->expect->changed[o->expect->changed_count++] =
            (struct hw16_byte){.address = at + i, .value = (uint8_t)(value >> 8 * i)};
    return true;
}

static unsigned immediate(const struct operand *o, unsigned bytes) {
    const uint8_t *at = o->test->insn + o->insn->length - bytes;
    unsigned value = bytes == 2 ? (unsigned)(at[0] | at[1] << 8) : (unsigned)(int8_t)at[0];
    return value & (o->size == 2 ? 0xffffu : 0xffu);
}

static unsigned result_flags(const struct operand *o, unsigned value) {
    unsigned flags = __builtin_parity(value & 0xff) ? 0 : PF;
    if (!(value & (o->size == 2 ? 0xffffu : 0xffu)))
        flags |= ZF;
    return value >> (8 * o->size - 1) & 1 ? flags | SF : flags;
}

// ADD OR ADC SBB AND SUB XOR CMP, by ModRM.reg.
static bool arithmetic(const struct operand *o, unsigned b) {
    unsigned kind = insn_reg(o->insn), a = get(o), carry = o->test->initial[HW16_FLAGS] & CF, top = 8 * o->size;
    unsigned value, flags, sign = 1u << (top - 1);
    bool subtracts = kind == 3 || kind == 5 || kind == 7, adds = kind == 0 || kind == 2;
    if (kind == 0 || kind == 5 || kind == 7)
        carry = 0;
    if (adds)
        value = a + b + carry;
    else if (subtracts)
        value = a - b - carry;
    else
        value = kind == 1 ? a | b : kind == 4 ? a & b : a ^ b;
    flags = result_flags(o, value);
    if (adds || subtracts) {
        unsigned overflow = adds ? (a ^ value) & (b ^ value) : (a ^ b) & (a ^ value);
        flags |= (value >> top & 1) | ((a ^ b ^ value) & AF) | (overflow & sign ? (unsigned)OF : 0);
    }
    uint16_t *all = &o->expect->regs[HW16_FLAGS];
    *all = (uint16_t)((*all & ~(unsigned)(CF | PF | AF | ZF | SF | OF)) | flags);
    return kind == 7 || put(o, value);
}

static bool far_transfer(const struct operand *o, bool call) {
    const uint8_t *target = o->test->insn + o->insn->length - 4;
    struct hw16_expect *expect = o->expect;
    const uint16_t *regs = o->test->initial;
    unsigned next = regs[HW16_IP] + o->insn->length, sp = regs[HW16_SP];
    const unsigned words[2] = {regs[HW16_CS], next};
    for (unsigned i = 0; call && i < 4; i++)
        expect->changed[expect->changed_count++] =
            (struct hw16_byte){.address = insn_linear(regs, HW16_SS, (uint16_t)(sp - 2 - 2 * (i / 2) + i % 2)),
                               .value = (uint8_t)(words[i / 2] >> 8 * (i % 2))};
    expect->regs[HW16_SP] = (uint16_t)(sp - (call ? 4 : 0));
    expect->regs[HW16_CS] = (uint16_t)(target[2] | target[3] << 8);
    expect->regs[HW16_IP] = (uint16_t)(target[0] | target[1] << 8);
    expect->halt = insn_linear(expect->regs, HW16_CS, expect->regs[HW16_IP]);
    expect->regs[HW16_IP]++;
    return true;
}

bool insn_execute(const struct hw16_test *test, const struct insn *insn, struct hw16_expect *expect) {
    struct operand o = {.test = test, .expect = expect, .insn = insn, .size = insn->opcode & 1 ? 2 : 1};
    switch (insn->opcode) {
    case 0x80:
    case 0x82:
    case 0x83: return arithmetic(&o, immediate(&o, 1));
    case 0x81: return arithmetic(&o, immediate(&o, 2));
    case 0xc6:
    case 0xc7: return put(&o, immediate(&o, o.size));
    case 0x9a: return far_transfer(&o, true);
    case 0xea: return far_transfer(&o, false);
    default: return false;
    }
}
