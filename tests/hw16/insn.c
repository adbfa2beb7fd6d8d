// The decoder of the rules: written from the opcode map (Intel SDM vol. 2D, appendix A) for what the tests hold, and
// independent of the translator's.
#include "tests/hw16/insn.h"

// ---- The ModRM operand ---------------------------------------------------------------------------------------------

static bool has_modrm(unsigned op) {
    if (op < 0x40)
        return (op & 7) < 4;
    switch (op) {
    case 0x62:
    case 0x69:
    case 0x6b:
    case 0x80 ... 0x8f:
    case 0xc0:
    case 0xc1:
    case 0xc4 ... 0xc7:
    case 0xd0 ... 0xd3:
    case 0xd8 ... 0xdf:
    case 0xf6:
    case 0xf7:
    case 0xfe:
    case 0xff: return true;
    default: return false;
    }
}

// SDM vol. 2A table 2-1.
static void decode_modrm(const struct hw16_test *test, struct insn *insn) {
    static const enum hw16_reg base[8] = {HW16_BX, HW16_BX, HW16_BP, HW16_BP, HW16_SI, HW16_DI, HW16_BP, HW16_BX};
    static const enum hw16_reg index[4] = {HW16_SI, HW16_DI, HW16_SI, HW16_DI};
    const uint8_t *displacement = test->insn + insn->modrm_at + 1;
    unsigned mod = insn->modrm >> 6, rm = insn_rm(insn);
    uint16_t word = (uint16_t)(displacement[0] | displacement[1] << 8);
    bool absolute = mod == 0 && rm == 6;
    if (mod == 3)
        return;
    if (absolute || mod == 2)
        insn->offset = word;
    else if (mod == 1)
        insn->offset = (uint16_t)(int8_t)displacement[0];
    if (!absolute)
        insn->offset = (uint16_t)(insn->offset + test->initial[base[rm]] + (rm < 4 ? test->initial[index[rm]] : 0));
    insn->segment = !absolute && base[rm] == HW16_BP ? HW16_SS : HW16_DS;
    if (insn->override != HW16_REGS)
        insn->segment = insn->override;
}

// Bytes of the ModRM operand that one check of the limit covers.
static unsigned operand_size(const struct insn *insn) {
    unsigned op = insn->opcode, reg = insn_reg(insn);
    if (op >= 0xd8 && op <= 0xdf)
        return 4;
    switch (op) {
    case 0x62:
    case 0xc4:
    case 0xc5: return 4;
    case 0x69:
    case 0x6b:
    case 0x83:
    case 0x8c:
    case 0x8e: return 2;
    case 0x82: return 1;
    case 0xff: return reg == 3 || reg == 5 ? 4 : 2;
    default: return op & 1 ? 2 : 1;
    }
}

// ---- Accesses ------------------------------------------------------------------------------------------------------

static void add(struct insn *insn, enum hw16_reg segment, unsigned offset, unsigned size) {
    insn->access[insn->access_count++] =
        (struct insn_access){.segment = segment, .offset = (uint16_t)offset, .size = (uint8_t)size};
}

static void push(const struct hw16_test *test, struct insn *insn, unsigned words) {
    for (unsigned i = 1; i <= words; i++)
        add(insn, HW16_SS, test->initial[HW16_SP] - 2 * i, 2);
}

static void pop(const struct hw16_test *test, struct insn *insn, unsigned words) {
    for (unsigned i = 0; i < words; i++)
        add(insn, HW16_SS, test->initial[HW16_SP] + 2 * i, 2);
}

static void add_string(const struct hw16_test *test, struct insn *insn) {
    unsigned op = insn->opcode & 0xfe, size = insn->opcode & 1 ? 2 : 1;
    enum hw16_reg source = insn->override != HW16_REGS ? insn->override : HW16_DS;
    if (insn->rep && test->initial[HW16_CX] == 0)
        return;
    if (op == 0xa4 || op == 0xa6 || op == 0xac || op == 0x6e)
        add(insn, source, test->initial[HW16_SI], size);
    if (op == 0xa4 || op == 0xa6 || op == 0xaa || op == 0xae || op == 0x6c)
        add(insn, HW16_ES, test->initial[HW16_DI], size);
}

static void add_stack(const struct hw16_test *test, struct insn *insn) {
    unsigned op = insn->opcode;
    switch (op) {
    case 0x06:
    case 0x0e:
    case 0x16:
    case 0x1e:
    case 0x50 ... 0x57:
    case 0x68:
    case 0x6a:
    case 0x9c:
    case 0xe8: push(test, insn, 1); break;
    case 0x60: push(test, insn, 8); break;
    case 0x9a: push(test, insn, 2); break;
    case 0x07:
    case 0x17:
    case 0x1f:
    case 0x58 ... 0x5f:
    case 0x8f:
    case 0x9d:
    case 0xc2:
    case 0xc3: pop(test, insn, 1); break;
    case 0x61: pop(test, insn, 8); break;
    case 0xca:
    case 0xcb: pop(test, insn, 2); break;
    case 0xcf: pop(test, insn, 3); break;
    case 0xc9: add(insn, HW16_SS, test->initial[HW16_BP], 2); break;
    default: break;
    }
}

static void find_accesses(const struct hw16_test *test, struct insn *insn) {
    unsigned op = insn->opcode;
    bool string = (op >= 0xa4 && op <= 0xa7) || (op >= 0xaa && op <= 0xaf) || (op >= 0x6c && op <= 0x6f);
    if (string)
        add_string(test, insn);
    add_stack(test, insn); // of POP, the stack is read before the operand is written
    if (insn_has_memory(insn) && op != 0x8d)
        add(insn, insn->segment, insn->offset, operand_size(insn));
    if (op >= 0xa0 && op <= 0xa3) {
        const uint8_t *at = test->insn + insn->modrm_at;
        enum hw16_reg segment = insn->override != HW16_REGS ? insn->override : HW16_DS;
        add(insn, segment, (unsigned)(at[0] | at[1] << 8), op & 1 ? 2 : 1);
    }
    if (op == 0xff && insn_reg(insn) == 6)
        push(test, insn, 1);
    if (op == 0xff && (insn_reg(insn) == 2 || insn_reg(insn) == 3))
        push(test, insn, insn_reg(insn) - 1);
}

const struct insn_access *insn_violation(const struct insn *insn) {
    for (unsigned i = 0; i < insn->access_count; i++)
        if (insn->access[i].offset + insn->access[i].size > 0x10000u)
            return &insn->access[i];
    return NULL;
}

// ---- The instruction -----------------------------------------------------------------------------------------------

static bool take_prefix(uint8_t byte, struct insn *insn) {
    switch (byte) {
    case 0x26: insn->override = HW16_ES; return true;
    case 0x2e: insn->override = HW16_CS; return true;
    case 0x36: insn->override = HW16_SS; return true;
    case 0x3e: insn->override = HW16_DS; return true;
    case 0xf0: insn->lock = true; return true;
    case 0xf2:
    case 0xf3: insn->rep = true; return true;
    default: return false;
    }
}

void insn_decode(const struct hw16_test *test, struct insn *insn) {
    unsigned at = 0;
    *insn = (struct insn){.override = HW16_REGS, .segment = HW16_REGS, .length = test->insn_size - 1};
    while (at + 1 < insn->length && take_prefix(test->insn[at], insn))
        at++;
    insn->opcode = test->insn[at];
    insn->modrm_at = at + 1;
    insn->has_modrm = has_modrm(insn->opcode);
    if (insn->has_modrm) {
        insn->modrm = test->insn[insn->modrm_at];
        decode_modrm(test, insn);
    }
    find_accesses(test, insn);
}

bool insn_is_lockable(const struct insn *insn) {
    unsigned op = insn->opcode, reg = insn_reg(insn);
    if (!insn_has_memory(insn))
        return false;
    if (op < 0x38)
        return (op & 7) < 2; // ADD OR ADC SBB AND SUB XOR to memory
    switch (op) {
    case 0x80 ... 0x83: return reg != 7; // all of these but CMP
    case 0x86:
    case 0x87: return true; // XCHG
    case 0xf6:
    case 0xf7: return reg == 2 || reg == 3; // NOT, NEG
    case 0xfe:
    case 0xff: return reg < 2; // INC, DEC
    default: return false;
    }
}
