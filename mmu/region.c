// Regions: what one page-directory entry governs, with the snapshot of the guest's page table that tells later which
// mappings may stay. An entry may be kept exactly when the guest's tables still say the same (SDM vol. 3A, 4.10.4:
// flushes are when we must look). Light code, also run in signal handlers.
#include "mmu/window.h"

#define ADDRESS_MASK   (((1ull << MMU_PHYSICAL_BITS) - 1) & ~0xfffull)
#define SNAPSHOT_ALIGN 4u // entries

static uint32_t epoch_now(void) {
    return (uint32_t)(__builtin_ia32_rdtsc() >> CHURN_TSC_SHIFT);
}

// Halves the churn counters once an epoch.
static void churn_age(struct region *region) {
    uint32_t now = epoch_now();
    uint32_t passed = now - region->churn_epoch;
    if (passed) {
        region->churn_epoch = now;
        for (unsigned i = 0; i < REGION_PAGES / CHURN_BLOCK; i++) {
            region->churn[i] = (uint8_t)(passed > 7 ? 0 : region->churn[i] >> passed);
        }
    }
}

static void churn_count(struct region *region, unsigned page) {
    uint8_t *counter = &region->churn[page / CHURN_BLOCK];
    churn_age(region);
    if (*counter < 255) {
        (*counter)++;
    }
}

bool region_is_churning(struct region *region, unsigned page) {
    if (region->churn[page / CHURN_BLOCK] < CHURN_LIMIT) {
        return false;
    }
    churn_age(region);
    return region->churn[page / CHURN_BLOCK] >= CHURN_LIMIT;
}

static struct region *take(struct window_state *windows) {
    struct region *region = windows->free_regions;
    if (region) {
        windows->free_regions = region->next;
    } else if (windows->pool_used < REGION_POOL) {
        region = &windows->pool[windows->pool_used++];
    }
    return region;
}

struct region *region_get(struct mmu *mmu, struct window *window, uint32_t linear) {
    struct window_state *windows = mmu->windows;
    uint32_t index = linear >> walk_region_shift(mmu);
    struct region *region = window->regions[index];
    if (region) {
        return region;
    }
    if (!windows->free_regions && windows->pool_used == REGION_POOL) {
        window_empty(mmu, window);
        region_free_all(windows, window);
    }
    region = take(windows);
    if (!region) {
        return NULL;
    }
    region->next = window->list;
    region->index = index;
    region->lo = region->hi = 0;
    region->pages = 0;
    region->vmas = 0;
    region->large = region->local = region->marked = false;
    region->churn_epoch = epoch_now();
    region->pde = 0;
    region->mixed = 0;
    for (unsigned i = 0; i < REGION_WORDS; i++) {
        region->present[i] = region->writable[i] = region->joined[i] = 0;
    }
    for (unsigned i = 0; i < REGION_PAGES / CHURN_BLOCK; i++) {
        region->churn[i] = 0;
    }
    window->list = region;
    window->regions[index] = region;
    return region;
}

void region_free_all(struct window_state *windows, struct window *window) {
    while (window->list) {
        struct region *region = window->list;
        window->list = region->next;
        window->regions[region->index] = NULL;
        region->next = windows->free_regions;
        windows->free_regions = region;
    }
}

uint64_t region_pde(struct mmu *mmu, const struct region *region) {
    uint32_t linear = region_linear(mmu, region);
    if (!mmu->paging) {
        return linear | PTE_P | PTE_RW | PTE_US | PTE_A | PTE_D | PTE_PS;
    }
    uint64_t gpa;
    if (!walk_pde_address(mmu, linear, &gpa) || !mmu_ram_host(mmu, gpa)) {
        return 0;
    }
    return walk_read_entry(mmu, gpa);
}

const uint8_t *region_table(struct mmu *mmu, const struct region *region) {
    return mmu_ram_host(mmu, region->pde & ADDRESS_MASK & mmu->a20_mask);
}

uint64_t region_entry(const struct mmu *mmu, const uint8_t *table, unsigned page) {
    return mmu->pae ? ((const uint64_t *)(const void *)table)[page] : ((const uint32_t *)(const void *)table)[page];
}

static void set_snapshot(const struct mmu *mmu, struct region *region, unsigned page, uint64_t entry) {
    if (mmu->pae) {
        ((uint64_t *)(void *)region->table)[page] = entry;
    } else {
        ((uint32_t *)(void *)region->table)[page] = (uint32_t)entry;
    }
}

void region_snapshot(struct mmu *mmu, struct region *region, unsigned first, unsigned count) {
    const uint8_t *table = region_table(mmu, region);
    unsigned lo = first & ~(SNAPSHOT_ALIGN - 1);
    unsigned hi = (first + count + SNAPSHOT_ALIGN - 1) & ~(SNAPSHOT_ALIGN - 1);
    unsigned from = lo;
    unsigned to = hi;
    if (region->lo < region->hi) {
        // Up to the old range: the gap between the two is copied as well.
        from = lo < region->hi ? lo : region->hi;
        to = hi > region->lo ? hi : region->lo;
        lo = lo < region->lo ? lo : region->lo;
        hi = hi > region->hi ? hi : region->hi;
    }
    for (unsigned page = from; page < to; page++) {
        if (page >= first && page < first + count) {
            set_snapshot(mmu, region, page, region_entry(mmu, table, page));
        } else if (page < region->lo || page >= region->hi) {
            set_snapshot(mmu, region, page, region_entry(mmu, table, page));
        }
    }
    region->lo = (uint16_t)lo;
    region->hi = (uint16_t)hi;
}

static bool same_words(const uint64_t *a, const uint64_t *b, unsigned words) {
    uint64_t differ = 0;
    unsigned i = 0;
    for (; i + 4 <= words && !differ; i += 4) {
        differ = (a[i] ^ b[i]) | (a[i + 1] ^ b[i + 1]) | (a[i + 2] ^ b[i + 2]) | (a[i + 3] ^ b[i + 3]);
    }
    for (; i < words && !differ; i++) {
        differ = a[i] ^ b[i];
    }
    return !differ;
}

bool region_pde_keeps(const struct mmu *mmu, const struct region *region, uint64_t pde) {
    uint64_t compare = PTE_P | PTE_RW | PTE_US | PTE_XD | ADDRESS_MASK | (mmu->pse ? PTE_PS : 0);
    uint64_t need = PTE_A;
    if (region->large && (region->pde & PTE_D)) {
        need |= PTE_D; // it may be shown writable
    }
    return ((region->pde ^ pde) & compare) == 0 && (pde & need) == need;
}

static void drop_all(struct mmu *mmu, struct window *window, struct region *region) {
    unsigned limit = region_pages(mmu);
    unsigned first = bit_next(region->present, 0, limit);
    unsigned last = first;
    for (unsigned page = first; page < limit; page = bit_next(region->present, page + 1, limit)) {
        if (page == first || page / CHURN_BLOCK != last / CHURN_BLOCK) {
            churn_count(region, page);
        }
        last = page;
    }
    window_unmap(mmu, window, region, first, last - first + 1);
}

enum change { CHANGE_NONE, CHANGE_DROP, CHANGE_READ_ONLY };

static enum change entry_change(const struct region *region, unsigned page, uint64_t old, uint64_t now) {
    if (((old ^ now) & (PTE_P | PTE_US | PTE_XD | ADDRESS_MASK)) || !(now & PTE_A)) {
        return CHANGE_DROP;
    }
    if (bit_get(region->writable, page) && (!(now & PTE_D) || ((old & PTE_RW) && !(now & PTE_RW)))) {
        return CHANGE_READ_ONLY;
    }
    return CHANGE_NONE;
}

static void apply(struct mmu *mmu, struct window *window, struct region *region, enum change change, unsigned first,
                  unsigned last) {
    if (change == CHANGE_DROP) {
        window_unmap(mmu, window, region, first, last - first + 1);
    } else if (change == CHANGE_READ_ONLY) {
        window_protect(mmu, window, region, first, last - first + 1, false);
    }
}

// The page table differs from the snapshot somewhere: entry by entry, in runs. A run of drops may span pages that are
// not shown; a run of protections may not.
static void compare_entries(struct mmu *mmu, struct window *window, struct region *region, const uint8_t *table) {
    enum change run = CHANGE_NONE;
    unsigned first = 0;
    unsigned last = 0;
    unsigned counted = ~0u;
    for (unsigned page = region->lo; page < region->hi; page++) {
        uint64_t now = region_entry(mmu, table, page);
        if (bit_get(region->present, page)) {
            enum change change = entry_change(region, page, region_entry(mmu, region->table, page), now);
            if (run != CHANGE_NONE && (change != run || (run == CHANGE_READ_ONLY && page != last + 1))) {
                apply(mmu, window, region, run, first, last);
                run = CHANGE_NONE;
            }
            if (change != CHANGE_NONE) {
                first = run == CHANGE_NONE ? page : first;
                last = page;
                run = change;
            }
            if (change == CHANGE_DROP && page / CHURN_BLOCK != counted) {
                counted = page / CHURN_BLOCK;
                churn_count(region, page);
            }
        }
        set_snapshot(mmu, region, page, now);
    }
    apply(mmu, window, region, run, first, last);
}

void region_validate(struct mmu *mmu, struct window *window, struct region *region) {
    uint64_t pde = region_pde(mmu, region);
    region->marked = false;
    mmu->stats->revalidations++;
    if (region->pages && !region_pde_keeps(mmu, region, pde)) {
        drop_all(mmu, window, region);
    } else if (region->pages && !region->large) {
        const uint8_t *table = region_table(mmu, region);
        unsigned size = mmu->pae ? 8 : 4;
        const uint8_t *from = table + region->lo * size;
        if (same_words((const uint64_t *)(const void *)from,
                       (const uint64_t *)(const void *)(region->table + region->lo * size),
                       (unsigned)(region->hi - region->lo) * size / 8)) {
            mmu->stats->revalidations_clean++;
        } else {
            compare_entries(mmu, window, region, table);
        }
    } else {
        mmu->stats->revalidations_clean++;
    }
    region->pde = pde;
    if (!region->pages) {
        region->lo = region->hi = 0;
        region->local = false;
        region->large = mmu->pse && (pde & PTE_PS);
        region->large = region->large || !mmu->paging;
    }
}

void region_update_local(struct mmu *mmu, struct region *region) {
    region->local = false;
    if (!region->pages) {
        return;
    }
    if (!mmu->pge || region->large) {
        region->local = !mmu->pge || !(region->pde & PTE_G);
        return;
    }
    unsigned limit = region_pages(mmu);
    for (unsigned page = bit_next(region->present, 0, limit); page < limit && !region->local;
         page = bit_next(region->present, page + 1, limit)) {
        region->local = !(region_entry(mmu, region->table, page) & PTE_G);
    }
}
