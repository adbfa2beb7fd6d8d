// Pages made present ahead of their use: on many hosts a page fault costs as much as populating a dozen pages or more.
#ifndef BASE_POPULATE_H
#define BASE_POPULATE_H

#include <stdint.h>
#include <sys/mman.h>

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ  22
#define MADV_POPULATE_WRITE 23
#endif

// For writing, all pages that [start, start+size) touches; they must belong to one kind of mapping. Before Linux 5.14
// nothing happens, and pages come by faults as ever.
static inline void populate_write(const void *start, uint64_t size) {
    uintptr_t from = (uintptr_t)start & ~(uintptr_t)4095, to = ((uintptr_t)start + size + 4095) & ~(uintptr_t)4095;
    (void)madvise((void *)from, to - from, MADV_POPULATE_WRITE);
}

// The same for reading and executing.
static inline void populate_read(const void *start, uint64_t size) {
    uintptr_t from = (uintptr_t)start & ~(uintptr_t)4095, to = ((uintptr_t)start + size + 4095) & ~(uintptr_t)4095;
    (void)madvise((void *)from, to - from, MADV_POPULATE_READ);
}

#endif
