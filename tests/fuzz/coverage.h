// Which rows of the classification table ran, with an operand of which kind and size, with and without a fault.
#ifndef TESTS_FUZZ_COVERAGE_H
#define TESTS_FUZZ_COVERAGE_H

#include "engine.h"
#include "template.h"

#define COVERAGE_WANTED 1000

struct fuzz_coverage;
struct fuzz_coverage *fuzz_coverage_create(const struct fuzz_row *rows, unsigned count);
void fuzz_coverage_destroy(struct fuzz_coverage *v);
// Counts the instructions of a case that began, as the host's processor ran it, for every form.
void fuzz_coverage_add(struct fuzz_coverage *v, const struct fuzz_case *c, const struct fuzz_result *host,
                       const uint8_t *visited);
void fuzz_coverage_summary(const struct fuzz_coverage *v, FILE *out);
void fuzz_coverage_table(const struct fuzz_coverage *v, FILE *out);

#endif
