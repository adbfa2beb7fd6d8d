// Finds the address range of the windows. The candidates lie far below where Linux places stacks, libraries and mmap
// areas of a 47-bit process and above what sanitizers use for their shadow.
#include "mmu/space.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mman.h>

#define CANDIDATE_FIRST 0x200000000000ull
#define CANDIDATE_STEP  0x020000000000ull
#define CANDIDATE_LAST  0x480000000000ull
#define SPACE_CLAIM     4096u

static bool range_is_free(uint64_t start, uint64_t end) {
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[512];
    bool is_free = true;
    if (!maps) {
        return true; // without /proc only the probe below speaks
    }
    while (is_free && fgets(line, sizeof(line), maps)) {
        uint64_t from;
        uint64_t to;
        if (sscanf(line, "%" SCNx64 "-%" SCNx64, &from, &to) == 2) {
            is_free = to <= start || from >= end;
        }
    }
    fclose(maps);
    return is_free;
}

// Each slot must take a mapping at its first and last page.
static bool slots_can_be_mapped(uint64_t base) {
    for (unsigned slot = 0; slot < SPACE_SLOTS; slot++) {
        for (unsigned last = 0; last < 2; last++) {
            uint64_t want = base + slot * SPACE_STRIDE + (last ? (4ull << 30) - 4096 : 0);
            void *got = mmap((void *)(uintptr_t)want, 4096, PROT_NONE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
            if (got == MAP_FAILED) {
                return false;
            }
            munmap(got, 4096);
            if ((uint64_t)(uintptr_t)got != want) {
                return false;
            }
        }
    }
    return true;
}

// A page that no access is allowed to, one stride below the range: an empty range looks free to every other machine of
// the process, and two of them in one range would see each other's memory. Taking it is atomic.
static bool claim(uint64_t base) {
    void *want = (void *)(uintptr_t)(base - SPACE_STRIDE);
    void *got =
        mmap(want, SPACE_CLAIM, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
    if (got != MAP_FAILED && got != want) {
        munmap(got, SPACE_CLAIM);
    }
    return got == want;
}

void space_release(uint64_t base) {
    munmap((void *)(uintptr_t)(base - SPACE_STRIDE), SPACE_CLAIM);
}

uint64_t space_find(struct error *err) {
    for (uint64_t base = CANDIDATE_FIRST; base <= CANDIDATE_LAST; base += CANDIDATE_STEP) {
        if (!claim(base)) {
            continue;
        }
        if (range_is_free(base - SPACE_STRIDE + SPACE_CLAIM, base + SPACE_SIZE) && slots_can_be_mapped(base)) {
            return base;
        }
        space_release(base);
    }
    error_set(err, "no free address range of %llu GiB for guest windows", SPACE_SIZE >> 30);
    return 0;
}
