// Hardware-captured tests of single 16-bit instructions: the format (tests/data/hw16/README.md), what a test expects of
// a processor later than the one it was captured from, and the rules by which that is computed.
#ifndef TESTS_HW16_H
#define TESTS_HW16_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HW16_MEMORY     0x10fff0u // bytes that real-address mode reaches
#define HW16_BYTES_MAX  1024      // listed bytes of a test
#define HW16_INSN_MAX   24
#define HW16_NO_ADDRESS 0xffffffffu
#define HW16_FS_VALUE   0x1a2bu
#define HW16_GS_VALUE   0x3c4du

enum hw16_reg {
    HW16_AX,
    HW16_BX,
    HW16_CX,
    HW16_DX,
    HW16_CS,
    HW16_SS,
    HW16_DS,
    HW16_ES,
    HW16_SP,
    HW16_BP,
    HW16_SI,
    HW16_DI,
    HW16_IP,
    HW16_FLAGS,
    HW16_FS, // these two are not in the files: the runner gives them values of its own
    HW16_GS,
    HW16_REGS,
};

struct hw16_byte {
    uint32_t address;
    uint8_t value;
};

struct hw16_test {
    const char *form; // "F7.6"
    unsigned number;  // in the form, from 0
    uint16_t flags_mask;
    char text[64];
    uint8_t insn[HW16_INSN_MAX]; // with the final HLT
    unsigned insn_size;
    uint16_t initial[HW16_REGS], final[HW16_REGS];
    struct hw16_byte memory[HW16_BYTES_MAX], changed[HW16_BYTES_MAX];
    unsigned memory_count, changed_count;
    int vector;             // -1: no exception
    uint32_t flags_address; // of the flags word that the exception pushed
};

// What a processor must make of a test.
struct hw16_expect {
    uint16_t regs[HW16_REGS];
    struct hw16_byte changed[HW16_BYTES_MAX];
    unsigned changed_count;
    uint16_t flags_mask;
    uint32_t flags_address; // of a pushed flags word, compared under the mask too; HW16_NO_ADDRESS
    // The exception is the captured one and goes through the test's own vector table. Otherwise a table lies where no
    // test reaches, and every vector of it leads to a HLT at `handler`, a multiple of 16 at which the test lists
    // nothing.
    bool captured_vector;
    int vector; // of a fault that a rule decides: its handler is where the test ends; -1: none
    uint32_t handler;
    uint32_t halt; // where a rule's far transfer leads: the runner puts a HLT there; HW16_NO_ADDRESS
};

// ---- format.c ------------------------------------------------------------------------------------------------------

// Calls `each` for every test of a file NAME.txt.gz. Returns 0, or -1 with a message on stderr.
int hw16_read_file(const char *path, void (*each)(void *opaque, const struct hw16_test *test), void *opaque);
// The byte that a test lists as initially at `address`, or -1.
int hw16_memory_at(const struct hw16_test *test, uint32_t address);

// ---- rules.c -------------------------------------------------------------------------------------------------------

#define HW16_RULES_MAX 16
struct hw16_rule {
    const char *what;    // the difference
    const char *section; // of the Intel SDM
    bool (*decide)(const struct hw16_test *test, struct hw16_expect *expect);
};
extern const struct hw16_rule hw16_rules[];
extern const unsigned hw16_rule_count;

// Fills `expect`; returns the index of the rule that decided, or -1 where the capture stands as it is.
int hw16_expectation(const struct hw16_test *test, struct hw16_expect *expect);

#endif
