// Random cases: rows of the classification table in equal shares, operands that mostly can be reached, some that
// cannot.
#ifndef TESTS_FUZZ_GENERATE_H
#define TESTS_FUZZ_GENERATE_H

#include "case.h"
#include "template.h"

struct fuzz_generator {
    struct fuzz_random random;
    const struct fuzz_row *rows;
    const uint16_t *usable; // indices of the rows that have templates
    unsigned usable_count;
};

// The case of this seed: the same for the same seed and table.
void fuzz_generate(struct fuzz_generator *g, uint64_t seed, struct fuzz_case *c);

#endif
