// From guest bytes to struct guest_insn, by Zydis in its minimal mode: raw fields only, no operands. Features that are
// not announced are off in the decoder, so that TZCNT reads as BSF, LZCNT as BSR, and CET and MPX encodings as NOP,
// which is what a processor without them executes (Intel SDM, vol. 2).
#include "translator/context.h"

#include <Zydis/Zydis.h>

#include <string.h>

#define INSN_LENGTH_MAX 15

static const ZydisDecoder decoder32 = {
    .machine_mode = ZYDIS_MACHINE_MODE_LEGACY_32,
    .stack_width = ZYDIS_STACK_WIDTH_32,
    .decoder_mode = {[ZYDIS_DECODER_MODE_MINIMAL] = ZYAN_TRUE},
};
static const ZydisDecoder decoder16 = {
    .machine_mode = ZYDIS_MACHINE_MODE_LEGACY_16,
    .stack_width = ZYDIS_STACK_WIDTH_16,
    .decoder_mode = {[ZYDIS_DECODER_MODE_MINIMAL] = ZYAN_TRUE},
};

static void decode_prefixes(const ZydisDecodedInstruction *z, bool code32, struct guest_insn *insn) {
    bool address_prefix = false;
    for (unsigned i = 0; i < z->raw.prefix_count; i++) {
        uint8_t value = z->raw.prefixes[i].value;
        switch (value) {
        case 0x26: insn->seg_override = SEG_ES; break;
        case 0x2e: insn->seg_override = SEG_CS; break;
        case 0x36: insn->seg_override = SEG_SS; break;
        case 0x3e: insn->seg_override = SEG_DS; break;
        case 0x64: insn->seg_override = SEG_FS; break;
        case 0x65: insn->seg_override = SEG_GS; break;
        case 0x66: insn->opsize_prefix = true; break;
        case 0x67: address_prefix = true; break;
        case 0xf0: insn->lock = true; break;
        default: insn->rep = value; break; // F2h or F3h: the last one counts
        }
    }
    insn->operand_size = code32 != insn->opsize_prefix ? 4 : 2;
    insn->address_size = code32 != address_prefix ? 4 : 2;
}

// Intel SDM, vol. 1, section 3.7.4: SS where the base is ESP or EBP (BP), DS elsewhere.
static unsigned default_segment(const struct guest_insn *insn) {
    if (!insn_is_mem(insn))
        return SEG_DS;
    if (insn->address_size == 2)
        return insn->rm == 2 || insn->rm == 3 || (insn->rm == 6 && insn->mod != 0) ? SEG_SS : SEG_DS;
    unsigned base = insn->has_sib ? insn->base : insn->rm;
    return base == GUEST_ESP || (base == GUEST_EBP && insn->mod != 0) ? SEG_SS : SEG_DS;
}

static int32_t sign_extend(uint64_t value, unsigned bytes) {
    switch (bytes) {
    case 1: return (int8_t)value;
    case 2: return (int16_t)value;
    default: return (int32_t)value;
    }
}

static void decode_fields(const ZydisDecodedInstruction *z, struct guest_insn *insn) {
    insn->mnemonic = (uint16_t)z->mnemonic;
    insn->length = z->length;
    insn->map = (uint8_t)z->opcode_map;
    insn->opcode = z->opcode;
    insn->has_modrm = z->raw.modrm.offset != 0;
    insn->mod = z->raw.modrm.mod;
    insn->reg = z->raw.modrm.reg;
    insn->rm = z->raw.modrm.rm;
    insn->has_sib = z->raw.sib.offset != 0;
    insn->scale = (uint8_t)(z->raw.sib.scale & 3);
    insn->index = z->raw.sib.index;
    insn->base = z->raw.sib.base;
    insn->disp_size = z->raw.disp.size / 8;
    insn->disp = (int32_t)z->raw.disp.value;
    insn->imm_size = z->raw.imm[0].size / 8;
    insn->imm_offset = z->raw.imm[0].offset;
    insn->imm = sign_extend(z->raw.imm[0].value.u, insn->imm_size);
    insn->imm2_size = z->raw.imm[1].size / 8;
    insn->imm2 = (uint32_t)z->raw.imm[1].value.u;
}

// What stands for legacy prefixes in a VEX encoding goes where those would be (SDM vol. 2, 2.3.6). In 32-bit mode it
// names registers 0 to 7 alone, and the bits that would name others are not looked at.
static void decode_vex(const ZydisDecodedInstruction *z, bool code32, struct guest_insn *insn) {
    static const uint8_t rep[4] = {0, 0, 0xf3, 0xf2};
    insn->vex = true;
    insn->vex_ymm = z->raw.vex.L;
    insn->vex_wide = z->raw.vex.W;
    insn->vvvv = ~z->raw.vex.vvvv & 7;
    insn->rep = rep[z->raw.vex.pp & 3];
    insn->opsize_prefix = z->raw.vex.pp == 1;
    insn->operand_size = code32 != insn->opsize_prefix ? 4 : 2;
}

enum decode_status decode_insn(const uint8_t *bytes, size_t size, uint32_t offset, bool code32,
                               struct guest_insn *insn) {
    ZydisDecodedInstruction z;
    if (size > INSN_LENGTH_MAX)
        size = INSN_LENGTH_MAX;
    ZyanStatus status = ZydisDecoderDecodeInstruction(code32 ? &decoder32 : &decoder16, NULL, bytes, size, &z);
    *insn = (struct guest_insn){.offset = (uint16_t)offset, .seg_override = SEG_NONE, .length = 1};
    memcpy(insn->bytes, bytes, size);
    if (status == ZYDIS_STATUS_NO_MORE_DATA)
        return DECODE_MORE;
    if (status == ZYDIS_STATUS_INSTRUCTION_TOO_LONG)
        return DECODE_TOO_LONG;
    decode_prefixes(&z, code32, insn);
    bool vex = z.encoding == ZYDIS_INSTRUCTION_ENCODING_VEX;
    if (!ZYAN_SUCCESS(status) || (z.encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY && !vex)) {
        insn->mnemonic = ZYDIS_MNEMONIC_INVALID;
        return DECODE_OK;
    }
    decode_fields(&z, insn);
    if (vex)
        decode_vex(&z, code32, insn);
    insn->seg = insn->seg_override != SEG_NONE ? insn->seg_override : (uint8_t)default_segment(insn);
    return DECODE_OK;
}
