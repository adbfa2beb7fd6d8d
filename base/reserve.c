#include "base/reserve.h"

#include <stdint.h>
#include <sys/mman.h>

#define HUGE_PAGE ((size_t)2 << 20)

// What lies before the first multiple of HUGE_PAGE and behind the size goes back.
static void *align_huge(uint8_t *from, size_t size) {
    size_t before = (size_t)(-(uintptr_t)from & (HUGE_PAGE - 1));
    size_t behind = HUGE_PAGE - before;
    if (before)
        munmap(from, before);
    if (behind)
        munmap(from + before + size, behind);
    return from + before;
}

void *reserve_private(size_t size) {
    size_t room = size < HUGE_PAGE ? size : size + HUGE_PAGE;
    void *start = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (start == MAP_FAILED)
        return NULL;
    if (size < HUGE_PAGE)
        return start;
    start = align_huge(start, size);
    (void)madvise(start, size, MADV_HUGEPAGE); // a host without them goes on with small ones
    return start;
}

void reserve_release(void *start, size_t size) {
    if (start)
        munmap(start, size);
}
