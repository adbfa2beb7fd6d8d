// Random cases: rows of the classification table in equal shares, operands that mostly can be reached, some that
// cannot; and, for six groups in ten, what the coverage table says is behind.
#ifndef TESTS_FUZZ_GENERATE_H
#define TESTS_FUZZ_GENERATE_H

#include "case.h"
#include "template.h"

struct fuzz_generator {
    struct fuzz_random random;
    const struct fuzz_row *rows;
    const uint16_t *usable; // indices of the rows that have templates
    unsigned usable_count;
    const struct fuzz_goal *goals; // cells that are behind, by fuzz_coverage_behind
    unsigned goal_count;
};

// The case of this seed: the same for the same seed, table and goals.
void fuzz_generate(struct fuzz_generator *g, uint64_t seed, struct fuzz_case *c);

#endif
