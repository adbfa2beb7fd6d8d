// See parse.h.
#include "parse.h"

#include "layout.h"

#include <string.h>

static bool one_byte_modrm(uint8_t op) {
    if (op < 0x40)
        return (op & 7) < 4;
    switch (op) {
    case 0x62:
    case 0x63:
    case 0x69:
    case 0x6b:
    case 0xc0:
    case 0xc1:
    case 0xc4:
    case 0xc5:
    case 0xc6:
    case 0xc7:
    case 0xf6:
    case 0xf7:
    case 0xfe:
    case 0xff: return true;
    default: return (op >= 0x80 && op <= 0x8f) || (op >= 0xd0 && op <= 0xd3) || (op >= 0xd8 && op <= 0xdf);
    }
}

static bool two_byte_modrm(uint8_t op) {
    if ((op >= 0x80 && op <= 0x8f) || (op >= 0xc8 && op <= 0xcf) || (op >= 0x30 && op <= 0x37))
        return false;
    switch (op) {
    case 0x05:
    case 0x06:
    case 0x07:
    case 0x08:
    case 0x09:
    case 0x0b:
    case 0x0e:
    case 0x77:
    case 0xa0:
    case 0xa1:
    case 0xa2:
    case 0xa8:
    case 0xa9:
    case 0xaa: return false;
    default: return true;
    }
}

static unsigned prefixes(const uint8_t *bytes, unsigned length, struct fuzz_parsed *p) {
    for (unsigned at = 0; at < length; at++) {
        switch (bytes[at]) {
        case 0x66: p->size16 = true; break;
        case 0x67: p->addr16 = true; break;
        case 0xf0: p->lock = true; break;
        case 0xf2:
        case 0xf3: p->rep = bytes[at]; break;
        case 0x26:
        case 0x2e:
        case 0x36:
        case 0x3e:
        case 0x64:
        case 0x65: p->seg = bytes[at]; break;
        default: return at;
        }
    }
    return length;
}

static unsigned modrm(const uint8_t *bytes, unsigned at, struct fuzz_parsed *p) {
    p->has_modrm = true;
    p->modrm_at = (uint8_t)at;
    p->mod = bytes[at] >> 6;
    p->reg = bytes[at] >> 3 & 7;
    p->rm = bytes[at] & 7;
    p->memory = p->mod != 3;
    p->base = p->index = 8;
    at++;
    if (!p->memory)
        return at;
    if (p->addr16) {
        p->disp_size = p->mod == 1 ? 1 : p->mod == 2 || (p->mod == 0 && p->rm == 6) ? 2 : 0;
    } else {
        p->base = p->rm;
        if (p->rm == 4) {
            p->has_sib = true;
            p->scale = bytes[at] >> 6;
            p->index = (bytes[at] >> 3 & 7) == 4 ? 8 : bytes[at] >> 3 & 7;
            p->base = bytes[at] & 7;
            at++;
        }
        p->disp_size = p->mod == 1 ? 1 : p->mod == 2 ? 4 : 0;
        if (p->mod == 0 && p->base == 5) {
            p->base = 8;
            p->disp_size = 4;
        }
    }
    p->disp_at = (uint8_t)at;
    p->disp = fuzz_immediate(bytes, at, p->disp_size);
    return at + p->disp_size;
}

void fuzz_parse(const uint8_t *bytes, unsigned length, struct fuzz_parsed *p) {
    memset(p, 0, sizeof *p);
    unsigned at = prefixes(bytes, length, p);
    if ((bytes[at] & 0xfe) == 0xc4 && bytes[at + 1] >= 0xc0) { // VEX: LDS and LES have no register operand
        p->vex = bytes[at] == 0xc5 ? 2 : 3;
        p->map = p->vex == 2 ? 1 : bytes[at + 1] & 0x1f;
        at += p->vex;
    } else if (bytes[at] == 0x0f) {
        at++;
        p->map = bytes[at] == 0x38 ? 2 : bytes[at] == 0x3a ? 3 : 1;
        at += p->map > 1;
    }
    p->opcode_at = (uint8_t)at;
    p->opcode = bytes[at++];
    bool has = p->map > 1 || (p->map == 1 ? two_byte_modrm(p->opcode) : one_byte_modrm(p->opcode));
    p->tail_at = (uint8_t)(has ? modrm(bytes, at, p) : at);
}

uint32_t fuzz_offset(const struct fuzz_parsed *p, const uint32_t gpr[8]) {
    uint32_t offset = (uint32_t)p->disp;
    if (p->base < 8)
        offset += gpr[p->base];
    if (p->index < 8)
        offset += gpr[p->index] << p->scale;
    return offset;
}

uint32_t fuzz_segment_base(const struct fuzz_parsed *p) {
    return p->seg == 0x64 || p->seg == 0x65 ? FUZZ_DATA : 0;
}

int32_t fuzz_immediate(const uint8_t *bytes, unsigned at, unsigned size) {
    int8_t byte = (int8_t)bytes[at];
    int16_t word;
    int32_t value;
    memcpy(&word, bytes + at, 2);
    memcpy(&value, bytes + at, 4);
    return size == 0 ? 0 : size == 1 ? byte : size == 2 ? word : value;
}
