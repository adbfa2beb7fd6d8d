// Which rows of the classification table ran, with an operand of which kind and size, with and without a fault; and
// which of these cells are behind, for the generator to fill.
#ifndef TESTS_FUZZ_COVERAGE_H
#define TESTS_FUZZ_COVERAGE_H

#include "engine.h"
#include "template.h"

#define COVERAGE_WANTED 1000
#define COVERAGE_GOALS  4096

struct fuzz_coverage;
struct fuzz_coverage *fuzz_coverage_create(const struct fuzz_row *rows, unsigned count);
void fuzz_coverage_destroy(struct fuzz_coverage *v);
// Counts the instructions of a case that began, as the host's processor ran it, for every form.
void fuzz_coverage_add(struct fuzz_coverage *v, const struct fuzz_case *c, const struct fuzz_result *host,
                       const uint8_t *visited);
// Fills in the cells with fewer hits than wanted, or, when there are none, than twice the smallest: at most
// COVERAGE_GOALS. Returns their number.
unsigned fuzz_coverage_behind(const struct fuzz_coverage *v, struct fuzz_goal *goals);
void fuzz_coverage_summary(const struct fuzz_coverage *v, FILE *out);
// Every cell, with what is missing and what cannot be marked.
void fuzz_coverage_table(const struct fuzz_coverage *v, FILE *out);

#endif
