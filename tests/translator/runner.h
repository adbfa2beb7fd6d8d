// Runs one guest instruction translated, in each of the forms of a memory operand, on the stubs that the product uses.
// Guest memory is a single region of RUNNER_DATA_SIZE bytes at linear RUNNER_DATA.
#ifndef TESTS_TRANSLATOR_RUNNER_H
#define TESTS_TRANSLATOR_RUNNER_H

#include "translator/translator.h"

#include <stdbool.h>
#include <stdint.h>

#define ARITHMETIC_FLAGS 0xcd5u // CF PF AF ZF SF DF OF

#define RUNNER_DATA      0x20000000u
#define RUNNER_DATA_SIZE 0x10000u

// The guest's registers and x87, MMX and SSE state around one instruction.
struct guest_state {
    uint8_t fx[512] __attribute__((aligned(64)));
    uint32_t gpr[8];
    uint32_t flags;
    int trap; // out: -1, or the exception vector: then the state is that of the instruction's start
};

enum runner_form {
    RUNNER_DIRECT,
    RUNNER_HIT,      // soft, every page in the software TLB
    RUNNER_IN_PLACE, // soft, misses that are answered in place
    RUNNER_BOUNCED,  // soft, misses that are bounced
    RUNNER_CALLED,   // alignment checking: every operand through the stub, bounced
    RUNNER_CHECKED,  // segments with limits, in place
    RUNNER_BASED,    // direct, segments with a base
    RUNNER_BASED_HIT,
    RUNNER_LOW_FIRST, // the guest sees its memory at offset 0, for 16-bit addresses: segments based at RUNNER_DATA
    RUNNER_LOW = RUNNER_LOW_FIRST,
    RUNNER_LOW_HIT,
    RUNNER_LOW_CHECKED,
    RUNNER_FORMS
};

struct runner_result {
    bool translated; // false: the translator refused; text says why
    bool callout;    // it left through STUB_CALLOUT: nothing is to be compared
    uint32_t callout_word, callout_r8, callout_r9;
    uint32_t exit_linear; // where it left to, through STUB_EXIT
    const char *text;
};

int runner_open(void);
uint8_t *runner_data(enum runner_form form); // the form's own copy of guest memory
// Runs the instruction in bytes (up to 15, standing at page offset `offset` of the page at linear `page`) the form's
// mode with the bits of `flip` inverted. A block of one instruction.
struct runner_result runner_run(enum runner_form form, uint32_t flip, struct guest_state *s, const uint8_t *bytes,
                                unsigned size, uint32_t page, uint32_t offset);
// Runs 64-bit host code as it stands, guest registers in their host registers (ESP in r12d), guest memory at its linear
// address in this process, r8d as given: the reference.
void runner_run_host(struct guest_state *s, const uint8_t *code, unsigned size, uint32_t r8);
// Called by the test's signal handler: true if the trap was the instruction's, and the context has been changed.
bool runner_signal(int trap, void *context);
// Disassembly of the block last translated, for failure reports.
void runner_print(void);

#endif
