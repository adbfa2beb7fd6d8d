// As much of an 8086 to 80286 instruction as the rules ask for: prefixes, operand, and the memory it touches.
#ifndef TESTS_HW16_INSN_H
#define TESTS_HW16_INSN_H

#include "tests/hw16/hw16.h"

#define INSN_ACCESSES_MAX 10

// One operand in memory; a stack instruction has one for each word. The size is what one check of the limit covers.
struct insn_access {
    enum hw16_reg segment;
    uint16_t offset;
    uint8_t size;
};

struct insn {
    bool lock, rep;
    enum hw16_reg override; // HW16_REGS: none
    uint8_t opcode, modrm;
    bool has_modrm;
    unsigned modrm_at, length; // without the HLT
    enum hw16_reg segment;     // of the ModRM memory operand
    uint16_t offset;
    struct insn_access access[INSN_ACCESSES_MAX]; // in the order in which they are made
    unsigned access_count;
};

static inline bool insn_has_memory(const struct insn *i) {
    return i->has_modrm && i->modrm >> 6 != 3;
}
static inline unsigned insn_reg(const struct insn *i) {
    return i->modrm >> 3 & 7;
}
static inline unsigned insn_rm(const struct insn *i) {
    return i->modrm & 7;
}
static inline uint32_t insn_linear(const uint16_t regs[HW16_REGS], enum hw16_reg segment, uint16_t offset) {
    return ((uint32_t)regs[segment] << 4) + offset;
}

void insn_decode(const struct hw16_test *test, struct insn *insn);
// The first operand that runs over the end of its segment, or NULL.
const struct insn_access *insn_violation(const struct insn *insn);
// May LOCK stand before it? Intel SDM vol. 2A, LOCK.
bool insn_is_lockable(const struct insn *insn);

// Computes what the instruction does to registers and memory (IP apart). False where it is none of those that can be
// longer than ten bytes and stand in the tests. Flags: those that are defined.
bool insn_execute(const struct hw16_test *test, const struct insn *insn, struct hw16_expect *expect);

#endif
