// Frames with translated code: write-protected wherever a window or a software TLB shows them. Light code.
#include "mmu/window.h"

static uint32_t entry_frame(uint64_t entry) {
    return (uint32_t)((entry & ((1ull << MMU_PHYSICAL_BITS) - 1)) >> 12);
}

// First page of a run of contiguous frames after the run that starts at page.
static unsigned run_end(const struct region *region, unsigned page, unsigned limit) {
    for (page++; page < limit;) {
        uint64_t stops = ~(region->present[page / 64] & region->joined[page / 64]) >> (page % 64);
        if (stops) {
            page += (unsigned)__builtin_ctzll(stops);
            return page < limit ? page : limit;
        }
        page = (page / 64 + 1) * 64;
    }
    return limit;
}

// Protects a page, and the writable ones around it in its block: code lies together, and one call does for many frames.
// Where such a block is written after all, fill.c marks it as mixed.
static bool protect_page(struct mmu *mmu, struct window *window, struct region *region, unsigned page) {
    if (!bit_get(region->writable, page)) {
        return true;
    }
    unsigned first = page;
    unsigned end = page + 1;
    if (!(region->mixed >> guard_block(page) & 1)) {
        unsigned lo = page & ~(GUARD_BLOCK - 1);
        while (first > lo && bit_get(region->writable, first - 1)) {
            first--;
        }
        while (end < lo + GUARD_BLOCK && bit_get(region->writable, end)) {
            end++;
        }
    }
    window_protect(mmu, window, region, first, end - first, false);
    return true;
}

// True if the window shows the frame.
static bool protect_in_window(struct mmu *mmu, struct window *window, uint32_t frame) {
    bool found = false;
    unsigned limit = region_pages(mmu);
    for (struct region *region = window->list; region; region = region->next) {
        if (region->pages == 0) {
            continue;
        }
        if (region->large) {
            uint32_t mask = limit - 1;
            uint32_t frame0 = entry_frame(region->pde) & ~mask;
            if (frame >= frame0 && frame < frame0 + limit && bit_get(region->present, frame - frame0)) {
                found |= protect_page(mmu, window, region, frame - frame0);
            }
            continue;
        }
        unsigned page = bit_next(region->present, 0, limit);
        while (page < limit) {
            unsigned end = run_end(region, page, limit);
            uint32_t first = entry_frame(region_entry(mmu, region->table, page));
            if (frame >= first && frame < first + (end - page)) {
                found |= protect_page(mmu, window, region, page + (frame - first));
            }
            page = bit_next(region->present, end, limit);
        }
    }
    return found;
}

void mmu_protect_frame(struct mmu *mmu, uint32_t frame) {
    struct window_state *windows = mmu->windows;
    uint8_t before = __atomic_fetch_or(&mmu->ram->frame_flags[frame], RAM_FRAME_CODE, __ATOMIC_SEQ_CST);
    if (before & RAM_FRAME_CODE) {
        return;
    }
    softtlb_drop_writes(mmu, frame);
    for (uint32_t mask = windows->frame_windows[frame]; mask; mask &= mask - 1) {
        unsigned number = (unsigned)__builtin_ctz(mask);
        struct window *window =
            number == windows->supervisor.number ? &windows->supervisor : &windows->users[number - 2];
        if (!protect_in_window(mmu, window, frame)) {
            windows->frame_windows[frame] &= ~(1u << number);
        }
    }
}

void mmu_unprotect_frame(struct mmu *mmu, uint32_t frame) {
    // The next direct write faults, finds the flag clear and makes the mapping writable.
    (void)mmu;
    (void)frame;
}
