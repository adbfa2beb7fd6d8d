// Accesses through a window, as translated code makes them: a plain load or store at window + linear, with a SIGSEGV
// handler that asks the mmu.
#ifndef TESTS_MMU_DIRECT_H
#define TESTS_MMU_DIRECT_H

#include "fixture.h"

enum direct_result { DIRECT_DONE, DIRECT_SOFT, DIRECT_FAULT };

// A 32-bit access at the privilege. *value is stored or loaded; *fault is filled for DIRECT_FAULT. Soft views give
// DIRECT_SOFT at once.
enum direct_result direct_access(struct fixture *f, bool user, uint32_t linear, bool write, uint32_t *value,
                                 struct mmu_fault *fault);
// Signals that the last access took.
unsigned direct_signals(void);

#endif
