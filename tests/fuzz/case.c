// See case.h.
#include "case.h"

#include <string.h>

uint32_t fuzz_any32(struct fuzz_random *r) { // xorshift64*
    r->state ^= r->state >> 12;
    r->state ^= r->state << 25;
    r->state ^= r->state >> 27;
    return (uint32_t)(r->state * 0x2545f4914f6cdd1dull >> 32);
}

uint32_t fuzz_any(struct fuzz_random *r, uint32_t below) {
    return (uint32_t)((uint64_t)fuzz_any32(r) * below >> 32);
}

bool fuzz_has_avx(void) {
    return __builtin_cpu_supports("avx2");
}

// Small integers, floating-point numbers of the three sizes and bytes of any value, so that every kind of operand
// meets ordinary values and strange ones.
void fuzz_pristine(uint8_t memory[FUZZ_MEMORY]) {
    struct fuzz_random r = {FUZZ_PRISTINE_SEED};
    for (unsigned i = 0; i < FUZZ_MEMORY; i += 16) {
        uint32_t words[4] = {fuzz_any32(&r), fuzz_any32(&r), fuzz_any32(&r), fuzz_any32(&r)};
        double d = ((double)(int32_t)words[0]) / (1 + (words[1] & 0xffff)), e = (double)(words[2] & 0xff);
        float f[4] = {(float)d, (float)e, (float)(int32_t)words[3], (float)(words[1] & 15) / 4};
        long double l = (long double)d;
        switch (fuzz_any(&r, 6)) {
        case 0: memcpy(words, &d, 8), memcpy(words + 2, &e, 8); break;
        case 1: memcpy(words, f, 16); break;
        case 2: memcpy(words, &l, 10); break;
        case 3:
            for (unsigned k = 0; k < 4; k++)
                words[k] &= k & 1 ? 0xffu : 0x1fu;
            break;
        default: break;
        }
        memcpy(memory + i, words, 16);
    }
}

void fuzz_case_lay_out(struct fuzz_case *c, unsigned slot) {
    uint16_t at = 0;
    for (unsigned i = 0; i < c->count; i++) {
        c->insns[i].offset = at;
        at = (uint16_t)(at + c->insns[i].length);
    }
    c->size = at;
    for (unsigned i = 0; i < c->count; i++) {
        struct fuzz_insn *insn = &c->insns[i];
        if (insn->patch == PATCH_NONE)
            continue;
        uint32_t target = insn->target < c->count ? c->insns[insn->target].offset : at;
        uint32_t relative = target - (insn->offset + insn->length);
        if (insn->patch == PATCH_ABS32)
            target += fuzz_code_address(c, slot);
        switch (insn->patch) {
        case PATCH_REL8: insn->bytes[insn->patch_at] = (uint8_t)relative; break;
        case PATCH_REL32: memcpy(insn->bytes + insn->patch_at, &relative, 4); break;
        default: memcpy(insn->bytes + insn->patch_at, &target, 4); break;
        }
    }
}

void fuzz_case_code(const struct fuzz_case *c, uint8_t code[FUZZ_CODE_STRIDE]) {
    memset(code, 0xf4, FUZZ_CODE_STRIDE);
    for (unsigned i = 0; i < c->count; i++)
        memcpy(code + c->start + c->insns[i].offset, c->insns[i].bytes, c->insns[i].length);
    memcpy(code + c->start + c->size, "\x90\x0f\x0b", 3);
}

// ---- Text: a line for the registers, one for the FXSAVE image, one for the upper halves of YMM, one for each
// instruction, "end"
// ------------------------

static void write_hex(FILE *out, const uint8_t *bytes, unsigned size) {
    for (unsigned i = 0; i < size; i++)
        fprintf(out, "%02x", bytes[i]);
}

static unsigned read_hex(const char *text, uint8_t *bytes, unsigned size) {
    unsigned n = 0;
    for (unsigned value; n < size && sscanf(text + 2 * n, "%2x", &value) == 1; n++)
        bytes[n] = (uint8_t)value;
    return n;
}

void fuzz_case_write(FILE *out, const struct fuzz_case *c) {
    fprintf(out, "case %x %x", c->start, c->eflags);
    for (unsigned i = 0; i < 8; i++)
        fprintf(out, " %08x", c->gpr[i]);
    fprintf(out, "\nfx ");
    write_hex(out, c->fx, 288);
    fprintf(out, "\nymm ");
    write_hex(out, c->ymm[0], sizeof c->ymm);
    for (unsigned i = 0; i < c->count; i++) {
        const struct fuzz_insn *insn = &c->insns[i];
        fprintf(out, "\ninsn %u %u %u %u ", insn->glued, insn->patch, insn->patch_at, insn->target);
        write_hex(out, insn->bytes, insn->length);
    }
    fprintf(out, "\nend\n");
}

bool fuzz_case_read(FILE *in, struct fuzz_case *c) {
    char line[1024], hex[700];
    memset(c, 0, sizeof *c);
    bool begun = false;
    while (fgets(line, sizeof line, in)) {
        unsigned start, glued, patch, at, target;
        if (sscanf(line, "case %x %x %x %x %x %x %x %x %x %x", &start, &c->eflags, &c->gpr[0], &c->gpr[1], &c->gpr[2],
                   &c->gpr[3], &c->gpr[4], &c->gpr[5], &c->gpr[6], &c->gpr[7]) == 10) {
            c->start = (uint16_t)start;
            begun = start < 4096;
        } else if (sscanf(line, "fx %699s", hex) == 1) {
            read_hex(hex, c->fx, 288);
        } else if (sscanf(line, "ymm %699s", hex) == 1) {
            read_hex(hex, c->ymm[0], sizeof c->ymm);
        } else if (sscanf(line, "insn %u %u %u %u %699s", &glued, &patch, &at, &target, hex) == 5) {
            if (c->count == FUZZ_INSNS || at > 11)
                return false;
            struct fuzz_insn *insn = &c->insns[c->count++];
            *insn = (struct fuzz_insn){
                .glued = glued, .patch = (uint8_t)patch, .patch_at = (uint8_t)at, .target = (uint8_t)target};
            insn->length = (uint8_t)read_hex(hex, insn->bytes, 15);
        } else if (strcmp(line, "end\n") == 0) {
            return begun;
        } else if (line[0] != '#' && line[0] != '\n') {
            return false;
        }
    }
    return false;
}
