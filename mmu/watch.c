// Pages with data breakpoints: kept out of every window and software TLB, so that each access to them is seen by
// soft_miss (Intel SDM vol. 3B, 17.2; PITFALLS 14). Nothing here is reached while no breakpoint is enabled. Light code.
#include "mmu/window.h"

bool watch_holds(const struct mmu *mmu, uint32_t linear) {
    for (unsigned i = 0; i < mmu->watch_count; i++) {
        if (mmu->watch_page[i] >> 12 == linear >> 12) {
            return true;
        }
    }
    return false;
}

bool watch_in_range(const struct mmu *mmu, uint32_t first, uint32_t last) {
    for (unsigned i = 0; i < mmu->watch_count; i++) {
        if (mmu->watch_page[i] >= first && mmu->watch_page[i] <= last) {
            return true;
        }
    }
    return false;
}

static void hide(struct mmu *mmu, struct window *window, uint32_t linear) {
    struct region *region = window->regions[linear >> walk_region_shift(mmu)];
    unsigned page = linear >> 12 & (region_pages(mmu) - 1);
    if (region && bit_get(region->present, page)) {
        window_unmap(mmu, window, region, page, 1);
    }
}

void mmu_watch(struct mmu *mmu, const uint32_t *pages, unsigned count) {
    mmu->watch_count = count;
    for (unsigned i = 0; i < count; i++) {
        mmu->watch_page[i] = pages[i] & ~MMU_PAGE_MASK;
        hide(mmu, &mmu->windows->supervisor, pages[i]);
        for (unsigned n = 0; n < WINDOW_USERS; n++) {
            hide(mmu, &mmu->windows->users[n], pages[i]);
        }
    }
    softtlb_invlpg_pages(mmu, mmu->watch_page, count);
}
