// What an instruction does to its explicit memory operand: how many bytes, read, written or both. The integer
// instructions follow from the opcode (Intel SDM, vol. 2, appendix A); everything else is asked of Zydis's operands,
// which costs a second decoding.
#include "translator/context.h"

#include <Zydis/Zydis.h>

static const ZydisDecoder full_decoder32 = {
    .machine_mode = ZYDIS_MACHINE_MODE_LEGACY_32,
    .stack_width = ZYDIS_STACK_WIDTH_32,
};
static const ZydisDecoder full_decoder16 = {
    .machine_mode = ZYDIS_MACHINE_MODE_LEGACY_16,
    .stack_width = ZYDIS_STACK_WIDTH_16,
};

enum shape { SHAPE_UNKNOWN, SHAPE_R, SHAPE_W, SHAPE_RMW };

static enum shape shape_group3(const struct guest_insn *insn) {
    return insn->reg == 2 || insn->reg == 3 ? SHAPE_RMW : SHAPE_R;
}

static enum shape shape_one_byte(const struct guest_insn *insn) {
    unsigned op = insn->opcode;
    if (op < 0x40 && (op & 7) < 4)
        return (op & 2) || op >= 0x38 ? SHAPE_R : SHAPE_RMW;
    switch (op) {
    case 0x80 ... 0x83: return insn->reg == 7 ? SHAPE_R : SHAPE_RMW;
    case 0x69:
    case 0x6b:
    case 0x84 ... 0x85:
    case 0x8a ... 0x8b:
    case 0xa0 ... 0xa1: return SHAPE_R;
    case 0x86 ... 0x87:
    case 0xc0 ... 0xc1:
    case 0xd0 ... 0xd3: return SHAPE_RMW;
    case 0x88 ... 0x89:
    case 0x8f:
    case 0xa2 ... 0xa3:
    case 0xc6 ... 0xc7: return SHAPE_W;
    case 0xf6 ... 0xf7: return shape_group3(insn);
    case 0xfe ... 0xff: return insn->reg < 2 ? SHAPE_RMW : SHAPE_R;
    default: return SHAPE_UNKNOWN;
    }
}

static bool is_byte_one_byte(unsigned op) {
    return op < 0x40 || (op >= 0x80 && op <= 0xa3) || op >= 0xc0 ? (op & 1) == 0 : false; // 69h and 6Bh are not
}

static enum shape shape_two_byte(const struct guest_insn *insn) {
    unsigned op = insn->opcode;
    if ((op & 0xf0) == 0x40)
        return SHAPE_R;
    if ((op & 0xf0) == 0x90)
        return SHAPE_W;
    switch (op) {
    case 0xa3:
    case 0xaf:
    case 0xb6 ... 0xb8:
    case 0xbc ... 0xbf: return SHAPE_R;
    case 0xa4 ... 0xa5:
    case 0xab ... 0xad:
    case 0xb0 ... 0xb1:
    case 0xb3:
    case 0xbb:
    case 0xc0 ... 0xc1: return SHAPE_RMW;
    case 0xba: return insn->reg == 4 ? SHAPE_R : SHAPE_RMW;
    default: return SHAPE_UNKNOWN;
    }
}

static unsigned size_two_byte(const struct guest_insn *insn) {
    switch (insn->opcode) {
    case 0xb0:
    case 0xb6:
    case 0xbe:
    case 0xc0: return 1;
    case 0xb7:
    case 0xbf: return 2;
    default: return (insn->opcode & 0xf0) == 0x90 ? 1 : insn->operand_size;
    }
}

static enum shape shape_by_operands(const struct guest_insn *insn, unsigned *size) {
    ZydisDecoderContext context;
    ZydisDecodedInstruction z;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    bool code32 = (insn->operand_size == 4) != insn->opsize_prefix;
    const ZydisDecoder *decoder = code32 ? &full_decoder32 : &full_decoder16;
    *size = 0;
    if (!ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(decoder, &context, insn->bytes, insn->length, &z)) ||
        !ZYAN_SUCCESS(ZydisDecoderDecodeOperands(decoder, &context, &z, operands, z.operand_count)))
        return SHAPE_R;
    for (unsigned i = 0; i < z.operand_count; i++) {
        const ZydisDecodedOperand *o = &operands[i];
        if (o->type != ZYDIS_OPERAND_TYPE_MEMORY || o->mem.type != ZYDIS_MEMOP_TYPE_MEM)
            continue;
        bool reads = (o->actions & ZYDIS_OPERAND_ACTION_MASK_READ) != 0;
        bool writes = (o->actions & ZYDIS_OPERAND_ACTION_WRITE) != 0;
        bool may_write = (o->actions & ZYDIS_OPERAND_ACTION_CONDWRITE) != 0;
        *size = o->size / 8u;
        if (may_write || (reads && writes))
            return SHAPE_RMW;
        return writes ? SHAPE_W : SHAPE_R;
    }
    return SHAPE_R;
}

// Hints and multi-byte NOPs look at no memory; CLFLUSH is checked like a load of a byte.
static bool shape_address_only(const struct guest_insn *insn) {
    if (insn->map == MAP_1B)
        return insn->opcode == 0x8d;
    return insn->map == MAP_0F && (insn->opcode == 0x0d || (insn->opcode >= 0x18 && insn->opcode <= 0x1f));
}

void decode_operand_shape(const struct guest_insn *insn, unsigned *size, enum operand_intent *intent) {
    enum shape shape = SHAPE_UNKNOWN;
    *size = 0;
    *intent = INTENT_READ;
    if (shape_address_only(insn))
        return;
    if (insn->vex) {
        shape = shape_by_operands(insn, size);
    } else if (insn->map == MAP_1B) {
        shape = shape_one_byte(insn);
        *size = is_byte_one_byte(insn->opcode) ? 1 : insn->operand_size;
    } else if (insn->map == MAP_0F) {
        shape = shape_two_byte(insn);
        *size = size_two_byte(insn);
        if (insn->opcode == 0xae && insn->reg == 7 && insn->rep == 0) {
            *size = 1;
            return;
        }
    }
    if (shape == SHAPE_UNKNOWN)
        shape = shape_by_operands(insn, size);
    *intent = shape == SHAPE_R ? INTENT_READ : shape == SHAPE_W ? INTENT_WRITE : INTENT_RMW;
}
