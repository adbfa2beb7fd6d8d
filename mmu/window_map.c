// The host's mappings of windows and the bitmaps that mirror them: a page's present bit is set exactly while a host
// mapping shows its frame, its writable bit while that mapping is writable. Light code, also run in signal handlers.
#include "mmu/hostcall.h"
#include "mmu/window.h"

static uint64_t host_address(const struct mmu *mmu, const struct window *window, const struct region *region,
                             unsigned page) {
    return window->base + region_linear(mmu, region) + (uint64_t)page * RAM_PAGE_SIZE;
}

static void bits_set(uint64_t *bits, unsigned first, unsigned count, bool value) {
    for (unsigned n = first; n < first + count;) {
        unsigned in_word = 64 - n % 64;
        unsigned step = first + count - n < in_word ? first + count - n : in_word;
        uint64_t mask = (step == 64 ? ~0ull : (1ull << step) - 1) << (n % 64);
        bits[n / 64] = value ? bits[n / 64] | mask : bits[n / 64] & ~mask;
        n += step;
    }
}

static unsigned count_bits(uint64_t word) {
    word -= word >> 1 & 0x5555555555555555ull;
    word = (word & 0x3333333333333333ull) + (word >> 2 & 0x3333333333333333ull);
    return (unsigned)(((word + (word >> 4)) & 0x0f0f0f0f0f0f0f0full) * 0x0101010101010101ull >> 56);
}

// Recounts pages and host mappings of the region: a mapping starts at every page that does not continue the one before
// it.
static void recount(struct mmu *mmu, struct window *window, struct region *region) {
    unsigned pages = 0;
    unsigned vmas = 0;
    uint64_t present_carry = 0;
    uint64_t writable_carry = 0;
    for (unsigned i = 0; i < REGION_WORDS; i++) {
        uint64_t present = region->present[i];
        uint64_t writable = region->writable[i];
        uint64_t continues =
            region->joined[i] & (present << 1 | present_carry) & ~(writable ^ (writable << 1 | writable_carry));
        pages += count_bits(present);
        vmas += count_bits(present & ~continues);
        present_carry = present >> 63;
        writable_carry = writable >> 63;
    }
    window->pages += pages - region->pages;
    window->vmas += vmas - region->vmas;
    mmu->windows->vmas += vmas - region->vmas;
    region->pages = (uint16_t)pages;
    region->vmas = vmas;
}

static void count_call(struct window *window, uint64_t *counter) {
    (*counter)++;
    if (window->view) {
        window->view->host_calls++;
    }
}

// The host refused: the only call that it can always grant is the one that empties the window.
static void refused(struct mmu *mmu, struct window *window) {
    mmu->stats->host_map_errors++;
    window_empty(mmu, window);
}

bool window_map(struct mmu *mmu, struct window *window, struct region *region, unsigned first, unsigned count,
                uint32_t frame, bool writable) {
    int prot = PROT_READ | (writable ? PROT_WRITE : 0);
    int flags = MAP_SHARED | MAP_FIXED | MAP_NORESERVE | MAP_POPULATE;
    count_call(window, &mmu->stats->host_maps);
    long got = hostcall_mmap(host_address(mmu, window, region, first), (uint64_t)count * RAM_PAGE_SIZE, prot, flags,
                             mmu->ram->fd, (uint64_t)frame * RAM_PAGE_SIZE);
    if (got < 0) {
        refused(mmu, window);
        return false;
    }
    bits_set(region->present, first, count, true);
    bits_set(region->writable, first, count, writable);
    bits_set(region->joined, first, 1, false);
    if (count > 1) {
        bits_set(region->joined, first + 1, count - 1, true);
    }
    if (first + count < REGION_PAGES) {
        bits_set(region->joined, first + count, 1, false);
    }
    for (unsigned i = 0; i < count; i++) {
        mmu->windows->frame_windows[frame + i] |= 1u << window->number;
    }
    recount(mmu, window, region);
    return true;
}

void window_unmap(struct mmu *mmu, struct window *window, struct region *region, unsigned first, unsigned count) {
    count_call(window, &mmu->stats->host_unmaps);
    if (hostcall_munmap(host_address(mmu, window, region, first), (uint64_t)count * RAM_PAGE_SIZE) < 0) {
        refused(mmu, window);
        return;
    }
    bits_set(region->present, first, count, false);
    bits_set(region->writable, first, count, false);
    recount(mmu, window, region);
}

bool window_protect(struct mmu *mmu, struct window *window, struct region *region, unsigned first, unsigned count,
                    bool writable) {
    count_call(window, &mmu->stats->host_protects);
    if (hostcall_mprotect(host_address(mmu, window, region, first), (uint64_t)count * RAM_PAGE_SIZE,
                          PROT_READ | (writable ? PROT_WRITE : 0)) < 0) {
        refused(mmu, window);
        return false;
    }
    bits_set(region->writable, first, count, writable);
    recount(mmu, window, region);
    return true;
}

void window_empty(struct mmu *mmu, struct window *window) {
    if (window->pages) {
        count_call(window, &mmu->stats->host_unmaps);
        if (hostcall_munmap(window->base, WINDOW_SIZE) < 0) {
            __builtin_trap(); // a window borders on nothing: the kernel has no reason to split, so none to refuse
        }
    }
    for (struct region *region = window->list; region; region = region->next) {
        if (region->pages) {
            for (unsigned i = 0; i < REGION_WORDS; i++) {
                region->present[i] = region->writable[i] = 0;
            }
            recount(mmu, window, region);
        }
    }
}
