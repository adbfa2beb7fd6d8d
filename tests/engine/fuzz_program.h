// Random guest programs, and the memory that they run in: pages of every kind, of which registers point to some.
#ifndef TESTS_ENGINE_FUZZ_PROGRAM_H
#define TESTS_ENGINE_FUZZ_PROGRAM_H

#include "rig.h"

#define FUZZ_PIECES     16u
#define FUZZ_PIECE      64u      // bytes; after an exception the next piece runs
#define FUZZ_CODE       0x50e00u // across a page
#define FUZZ_CODE_BYTES (FUZZ_PIECES * FUZZ_PIECE)

struct fuzz_program {
    uint8_t code[FUZZ_CODE_BYTES];
    uint32_t gpr[8];
    unsigned cpl;
};

void fuzz_generate(uint64_t seed, struct fuzz_program *program);
// Makes the rig's memory that of `pristine` again (GUEST_MEMORY bytes), but with this program, and stands at its start.
void fuzz_place(struct rig *rig, const uint8_t *pristine, const struct fuzz_program *program);
// Builds what every program finds, in a rig that was opened just now.
void fuzz_prepare(struct rig *rig, uint8_t *pristine);

#endif
