// A second opinion on emitted blocks, for tests: confinement checked with Zydis, by searching backwards from each use
// over the block's control flow. It shares no code, no table and no method with translator/verify*.c.
#ifndef TESTS_VERIFIER_CONFINE_H
#define TESTS_VERIFIER_CONFINE_H

#include "translator/translator.h"

// NULL if the block is confined, else what is wrong; *at is the offset of the instruction.
const char *confine_check(const struct verify_input *in, uint32_t *at);

#endif
