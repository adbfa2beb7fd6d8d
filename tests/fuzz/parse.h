// The fields of an instruction, taken apart by hand: what the host form and the reference model go by. Deliberately not
// the translator's decoder. Intel SDM, vol. 2, chapter 2 and appendix A.
#ifndef TESTS_FUZZ_PARSE_H
#define TESTS_FUZZ_PARSE_H

#include <stdbool.h>
#include <stdint.h>

struct fuzz_parsed {
    bool size16, addr16, lock; // prefixes 66h, 67h, F0h
    uint8_t rep;               // F2h, F3h or 0
    uint8_t seg;               // the override's prefix byte or 0
    uint8_t map;               // 0: one byte, 1: 0Fh, 2: 0F38h, 3: 0F3Ah
    uint8_t vex;               // length of the VEX prefix, or 0
    uint8_t opcode, opcode_at;
    bool has_modrm, has_sib, memory;
    uint8_t modrm_at, mod, reg, rm, base, index, scale; // base and index 8: none
    uint8_t disp_size, disp_at, tail_at;                // the immediate is from tail_at to the end
    int32_t disp;
};

void fuzz_parse(const uint8_t *bytes, unsigned length, struct fuzz_parsed *p);
// The operand's offset in its segment (32-bit addressing).
uint32_t fuzz_offset(const struct fuzz_parsed *p, const uint32_t gpr[8]);
// The base of the operand's segment in the fuzzer's guest.
uint32_t fuzz_segment_base(const struct fuzz_parsed *p);
// The immediate, sign-extended.
int32_t fuzz_immediate(const uint8_t *bytes, unsigned at, unsigned size);

#endif
