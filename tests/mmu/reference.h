// A second, deliberately plain page-table walk, written from the tables of SDM vol. 3A 4.3 to 4.7 alone, as the judge
// of mmu/walk.c. It shares no code with it.
#ifndef TESTS_MMU_REFERENCE_H
#define TESTS_MMU_REFERENCE_H

#include "fixture.h"

struct reference {
    bool faults;
    uint32_t error;
    uint64_t gpa;
    uint64_t pde_after, pte_after; // entries as they must be left
    uint64_t pde_at, pte_at;       // 0 if not reached
};

void reference_walk(struct fixture *f, uint32_t linear, enum mmu_access access, bool user, struct reference *r);

#endif
