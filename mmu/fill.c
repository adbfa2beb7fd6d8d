// Filling windows: a direct access found no mapping, or a read-only one. The page is walked for its final intent, its
// region revalidated, and then shown with those neighbours that make one run of contiguous frames. A clean page is
// shown read-only until its first write, a frame with translated code always. Runs in the SIGSEGV handler.
#include "mmu/window.h"

static uint32_t entry_frame(uint64_t entry) {
    return (uint32_t)((entry & ((1ull << MMU_PHYSICAL_BITS) - 1)) >> 12);
}

// One fill: where, and what the walk said.
struct fill {
    struct mmu *mmu;
    struct window *window;
    struct region *region;
    const struct mmu_page *page;
    unsigned at; // page in the region
    bool write;
    bool alone; // no neighbours: a page of the region is watched, or they are not wanted
};

// ---- Large pages
// -------------------------------------------------------------------------------------------------------

// Write-protects the frames with code among pages [first, end) of a large region, in runs.
static bool protect_code(const struct fill *fill, unsigned first, unsigned end) {
    uint32_t frame0 = (uint32_t)(fill->page->gpa >> 12) - fill->at;
    for (unsigned n = first; n < end;) {
        unsigned run = n;
        while (run < end && mmu_frame_has_code(fill->mmu, frame0 + run)) {
            run++;
        }
        if (run > n && !window_protect(fill->mmu, fill->window, fill->region, n, run - n, false)) {
            return false;
        }
        n = run > n ? run : n + 1;
    }
    return true;
}

static bool block_has_code(const struct fill *fill, unsigned block) {
    uint32_t frame = (uint32_t)(fill->page->gpa >> 12) - fill->at + block * GUARD_BLOCK;
    bool code = false;
    for (unsigned i = 0; i < GUARD_BLOCK && frame + i < fill->mmu->ram->size / RAM_PAGE_SIZE; i++) {
        code |= mmu_frame_has_code(fill->mmu, frame + i);
    }
    return code;
}

// A write to a large page that is shown read-only: all of it becomes writable but the blocks with code, and of the
// block written to all but the code itself.
static bool upgrade_large(const struct fill *fill) {
    uint32_t frame0 = (uint32_t)(fill->page->gpa >> 12) - fill->at;
    unsigned pages = region_pages(fill->mmu);
    unsigned here = guard_block(fill->at);
    unsigned run = 0; // pages before n that are to change
    bool skip = false;
    if (block_has_code(fill, here)) {
        fill->region->mixed |= 1ull << here;
    }
    for (unsigned n = 0; n < pages; n++) {
        if (n % GUARD_BLOCK == 0) {
            skip = guard_block(n) != here && block_has_code(fill, guard_block(n));
        }
        if (!skip && bit_get(fill->region->present, n) && !bit_get(fill->region->writable, n) &&
            !mmu_frame_has_code(fill->mmu, frame0 + n)) {
            run++;
            continue;
        }
        if (run && !window_protect(fill->mmu, fill->window, fill->region, n - run, run, true)) {
            return false;
        }
        run = 0;
    }
    return !run || window_protect(fill->mmu, fill->window, fill->region, pages - run, run, true);
}

static bool map_large_part(const struct fill *fill, unsigned first, unsigned end, bool writable) {
    uint32_t frame0 = (uint32_t)(fill->page->gpa >> 12) - fill->at;
    if (first >= end) {
        return true;
    }
    if (!window_map(fill->mmu, fill->window, fill->region, first, end - first, frame0 + first, writable)) {
        return false;
    }
    fill->mmu->stats->pages_filled += end - first;
    return !writable || protect_code(fill, first, end);
}

static enum window_result fill_large(const struct fill *fill) {
    struct mmu *mmu = fill->mmu;
    unsigned pages = region_pages(mmu);
    bool writable = fill->page->writable && fill->page->dirty;
    if (bit_get(fill->region->present, fill->at)) {
        if (!fill->write || bit_get(fill->region->writable, fill->at) || !upgrade_large(fill)) {
            return WINDOW_SOFT; // a fault on what is shown already: nothing that a mapping could mend
        }
        fill->region->pde = region_pde(mmu, fill->region); // with D
        return WINDOW_MAPPED;
    }
    // The part of it that is RAM: not the hole below 1 MiB, and nothing beyond the end.
    uint64_t gpa = fill->page->gpa - (uint64_t)fill->at * RAM_PAGE_SIZE;
    uint64_t ram_pages = gpa < mmu->ram->size ? (mmu->ram->size - gpa) / RAM_PAGE_SIZE : 0;
    unsigned end = ram_pages < pages ? (unsigned)ram_pages : pages;
    unsigned hole = 0;
    unsigned hole_end = 0;
    if (gpa == 0) {
        hole = mmu->ram->hole_start / RAM_PAGE_SIZE;
        hole_end = mmu->ram->hole_end / RAM_PAGE_SIZE;
    }
    unsigned lo = fill->at & ~(FILL_LARGE - 1);
    unsigned hi = lo + FILL_LARGE < end ? lo + FILL_LARGE : end;
    if (fill->alone) {
        lo = fill->at;
        hi = lo + 1;
    }
    if (!map_large_part(fill, lo, hole < hi ? hole : hi, writable) ||
        !map_large_part(fill, hole_end > lo ? hole_end : lo, hi, writable)) {
        return WINDOW_SOFT;
    }
    fill->region->local = !mmu->pge || !fill->page->global;
    return WINDOW_MAPPED;
}

// ---- 4 KiB pages
// -------------------------------------------------------------------------------------------------------

// Would this entry's page be shown writable?
static bool entry_writable(const struct fill *fill, uint64_t entry) {
    bool allowed = (entry & fill->region->pde & PTE_RW) || (!fill->window->user && !fill->mmu->wp);
    return allowed && (entry & PTE_D) && !mmu_frame_has_code(fill->mmu, entry_frame(entry));
}

// Can page n of the region join a run in which its frame would be `frame`?
static bool joins(const struct fill *fill, const uint8_t *table, uint64_t like, unsigned n, uint32_t frame,
                  bool writable) {
    uint64_t entry = region_entry(fill->mmu, table, n);
    return (entry & (PTE_P | PTE_A)) == (PTE_P | PTE_A) && !(entry & fill->mmu->reserved_pte) &&
           ((entry ^ like) & (PTE_US | PTE_G)) == 0 && entry_frame(entry) == frame &&
           mmu_ram_host(fill->mmu, (uint64_t)frame * RAM_PAGE_SIZE) && !bit_get(fill->region->present, n) &&
           entry_writable(fill, entry) == writable;
}

// A write to pages that are shown read-only and may be written now.
static enum window_result upgrade(const struct fill *fill, const uint8_t *table) {
    unsigned first = fill->at;
    unsigned end = fill->at + 1;
    unsigned lo = fill->at & ~(FILL_AROUND - 1);
    for (unsigned n = lo; n < lo + FILL_AROUND; n++) {
        if (bit_get(fill->region->present, n) &&
            mmu_frame_has_code(fill->mmu, entry_frame(region_entry(fill->mmu, table, n)))) {
            fill->region->mixed |= 1ull << guard_block(fill->at);
        }
    }
    unsigned hi = lo + FILL_AROUND;
    if (fill->mmu->ablate & ABLATE_FAULT_AROUND) {
        lo = first;
        hi = end;
    }
    for (; first > lo && bit_get(fill->region->present, first - 1) && !bit_get(fill->region->writable, first - 1) &&
           entry_writable(fill, region_entry(fill->mmu, table, first - 1));
         first--) {
    }
    for (; end < hi && bit_get(fill->region->present, end) && !bit_get(fill->region->writable, end) &&
           entry_writable(fill, region_entry(fill->mmu, table, end));
         end++) {
    }
    if (!window_protect(fill->mmu, fill->window, fill->region, first, end - first, true)) {
        return WINDOW_SOFT;
    }
    region_snapshot(fill->mmu, fill->region, first, end - first);
    return WINDOW_MAPPED;
}

static enum window_result fill_small(const struct fill *fill) {
    struct mmu *mmu = fill->mmu;
    const uint8_t *table = region_table(mmu, fill->region);
    if (!table) {
        return WINDOW_SOFT;
    }
    uint64_t like = region_entry(mmu, table, fill->at);
    bool writable = entry_writable(fill, like);
    if (bit_get(fill->region->present, fill->at)) {
        if (!fill->write || !writable || bit_get(fill->region->writable, fill->at)) {
            return WINDOW_SOFT;
        }
        return upgrade(fill, table);
    }
    uint32_t frame = entry_frame(like);
    unsigned first = fill->at;
    unsigned end = fill->at + 1;
    unsigned lo = fill->at & ~(FILL_LARGE - 1);
    unsigned hi = lo + FILL_LARGE < region_pages(mmu) ? lo + FILL_LARGE : region_pages(mmu);
    if (fill->alone) {
        lo = first;
        hi = end;
    }
    while (first > lo && frame > fill->at - first &&
           joins(fill, table, like, first - 1, frame - (fill->at - first) - 1, writable)) {
        first--;
    }
    while (end < hi && joins(fill, table, like, end, frame + (end - fill->at), writable)) {
        end++;
    }
    if (!window_map(mmu, fill->window, fill->region, first, end - first, frame - (fill->at - first), writable)) {
        return WINDOW_SOFT;
    }
    region_snapshot(mmu, fill->region, first, end - first);
    fill->region->local |= !mmu->pge || !(like & PTE_G);
    mmu->stats->pages_filled += end - first;
    return WINDOW_MAPPED;
}

// ---- The two ways here
// -------------------------------------------------------------------------------------------------

static enum window_result fill_page(struct mmu *mmu, struct window *window, uint32_t linear, bool write,
                                    const struct mmu_page *page) {
    if (!page->host || mmu_is_watched(mmu, linear) || (write && mmu_frame_has_code(mmu, page->gpa >> 12)) ||
        (!window->user && mmu->paging && page->user && (mmu->smap || !mmu->supervisor_in_user_pages))) {
        return WINDOW_SOFT;
    }
    view_keep_budget(mmu, window);
    struct fill fill = {
        .mmu = mmu,
        .window = window,
        .page = page,
        .write = write,
        .at = linear >> 12 & (region_pages(mmu) - 1),
        .alone = mmu->ablate & ABLATE_FAULT_AROUND,
    };
    fill.region = region_get(mmu, window, linear);
    if (!fill.region) {
        return WINDOW_SOFT;
    }
    if (mmu->watch_count) {
        uint32_t start = region_linear(mmu, fill.region);
        fill.alone |= watch_in_range(mmu, start, start + (region_pages(mmu) * RAM_PAGE_SIZE - 1));
    }
    region_validate(mmu, window, fill.region);
    if (!(fill.region->pde & PTE_P)) {
        return WINDOW_SOFT; // a table outside RAM
    }
    if (!window->user && mmu->policy == MMU_FORM_ADAPTIVE && !(mmu->ablate & ABLATE_FORM_CHANGE) &&
        !bit_get(fill.region->present, fill.at) && region_is_churning(fill.region, fill.at)) {
        return WINDOW_SOFT;
    }
    enum window_result result = fill.region->large ? fill_large(&fill) : fill_small(&fill);
    window->any_local |= fill.region->local;
    return result;
}

void window_prefill_later(struct mmu *mmu, uint32_t linear, bool user) {
    window_changes(mmu);
    mmu->windows->prefill = !(mmu->ablate & ABLATE_IRET_PREFILL);
    mmu->windows->prefill_user = user;
    mmu->windows->prefill_linear = linear;
}

enum window_result window_fault(struct mmu *mmu, uint32_t linear, bool write, bool user, struct mmu_fault *fault) {
    struct window *window = window_current(mmu, user);
    struct mmu_page page;
    if (mmu_walk(mmu, linear, write ? MMU_WRITE : MMU_READ, user, &page, fault)) {
        window_prefill_later(mmu, linear, user);
        return WINDOW_FAULT;
    }
    if (!window) {
        return WINDOW_SOFT;
    }
    if (window->view) {
        window->view->host_calls++; // the signal costs as much as a mapping call
    }
    return fill_page(mmu, window, linear, write, &page);
}

void window_prefill(struct mmu *mmu, bool user) {
    struct window_state *windows = mmu->windows;
    if (!windows->prefill || windows->prefill_user != user) {
        return;
    }
    windows->prefill = false;
    struct window *window = window_current(mmu, user);
    struct mmu_page page;
    struct mmu_fault fault;
    // A speculative walk may set A (SDM vol. 3A, 4.8), but soft code makes none, and all forms shall give the same:
    // only a page that a kernel maps as accessed. Walked as a read, shown writable if D is set.
    if (window && !mmu_peek(mmu, windows->prefill_linear, &page) && page.accessed &&
        !mmu_walk(mmu, windows->prefill_linear, MMU_READ, user, &page, &fault)) {
        struct region *region = window->regions[windows->prefill_linear >> walk_region_shift(mmu)];
        unsigned at = windows->prefill_linear >> 12 & (region_pages(mmu) - 1);
        bool write = page.writable && page.dirty && page.host && !mmu_frame_has_code(mmu, page.gpa >> 12);
        if (!region || !bit_get(region->present, at) || (write && !bit_get(region->writable, at))) {
            fill_page(mmu, window, windows->prefill_linear, write, &page);
        }
    }
}
