// What the processor left behind against what the engine did.
#ifndef TESTS_FUZZ_COMPARE_H
#define TESTS_FUZZ_COMPARE_H

#include "case.h"
#include "engine.h"

// False, with the first differences in text, if the two differ in anything that is compared.
bool fuzz_same(const struct fuzz_case *c, const struct fuzz_result *host, const struct fuzz_result *engine,
               enum fuzz_form form, char *text, size_t room);

#endif
