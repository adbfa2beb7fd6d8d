// Cells of the coverage table that no case can hit, each by name and with its reason.
#ifndef TESTS_FUZZ_IMPOSSIBLE_H
#define TESTS_FUZZ_IMPOSSIBLE_H

#include <stdbool.h>

// The reason, or NULL if the cell is possible. `size` by fuzz_size_class.
const char *fuzz_impossible(const char *row, bool memory, unsigned size, bool fault);

#endif
