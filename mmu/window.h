// Windows, regions and views: the structures behind the direct form, private to mmu/. A window is 4 GiB of host address
// space that shows one guest address space; a region is the part of it that one page-directory entry governs; a view is
// what is known about a user address space. All of this is light code and runs in signal handlers too: memory comes
// from pools made at creation.
#ifndef MMU_WINDOW_H
#define MMU_WINDOW_H

#include "mmu/space.h"
#include "mmu/state.h"

#define WINDOW_SIZE    (4ull << 30)
#define WINDOW_USERS   (SPACE_SLOTS - 2) // slot 0 is the empty window, slot 1 the supervisor's
#define REGION_PAGES   1024u             // of a 4 MiB region; 512 under PAE
#define REGION_WORDS   (REGION_PAGES / 64)
#define REGION_INDEXES 2048u // of 2 MiB regions in 4 GiB
#define REGION_POOL    4096u
#define VIEW_COUNT     64u
#define FILL_AROUND    16u // pages made writable around a faulting one
#define FILL_LARGE                                                                                                     \
    256u                    // pages of one run that are mapped, and populated, together: populating a page
                            // costs a tenth or less of a host fault on it
#define GUARD_BLOCK     16u // pages write-protected together when one of them gets code
#define CHURN_BLOCK     16u // pages that share one churn counter
#define CHURN_LIMIT     2u  // invalidations after which a page is left to soft instructions
#define CHURN_TSC_SHIFT 28  // an epoch of about 0.1 s, after which counters are halved

struct region {
    struct region *next; // in its window's list, or the free list
    uint32_t index;      // linear address >> walk_region_shift
    uint16_t lo, hi;     // pages whose entries the snapshot holds: [lo, hi), multiples of 4
    uint16_t pages;      // bits set in present
    bool large;          // pde maps the region as a whole
    bool local;          // some page shown is not global: checked at MOV CR3
    bool marked;         // to be checked at the next window_enter
    uint32_t vmas;       // upper bound of the host's mappings for it
    uint32_t churn_epoch;
    uint64_t pde;                   // as last checked
    uint64_t mixed;                 // by GUARD_BLOCK: code and data that is written; its pages are protected one by one
    uint64_t present[REGION_WORDS]; // shown in the window: a host mapping of the right frame exists
    uint64_t writable[REGION_WORDS]; // of these, those mapped writable
    uint64_t joined[REGION_WORDS];   // of these, those that show the frame after the one of the page before
    uint8_t churn[REGION_PAGES / CHURN_BLOCK];
    uint8_t table[RAM_PAGE_SIZE]; // snapshot of the page table
};

struct view;

struct window {
    uint64_t base;
    unsigned number; // bit in the frame map
    bool user;
    bool check_all; // every region is to be checked at the next window_enter
    bool pending;   // check_all, or some region is marked
    bool any_local; // some region may be local
    uint32_t pages, vmas;
    uint64_t used; // stamp of the last window_enter, for recycling
    struct view *view;
    struct region *list;
    struct region *regions[REGION_INDEXES];
};

struct view {
    uint32_t key; // CR3 without its flag bits, or VIEW_KEY_PHYSICAL
    bool taken;
    bool direct;
    uint64_t generation;
    uint64_t used;
    uint64_t cycles;      // CPU time since it became soft, or since its costs were last looked at
    uint64_t hold_cycles; // time to be spent soft before it becomes direct
    uint64_t host_calls;  // made for it in the same time
    struct window *window;
};
#define VIEW_KEY_PHYSICAL 0xffffffffu // paging is off

struct window_state {
    uint64_t base; // of the empty window
    uint64_t stamp;
    uint64_t generation;
    uint32_t vmas; // in all windows
    uint32_t vma_budget;
    uint32_t pool_used;
    uint64_t call_cycles;   // what a mapping call costs here, measured at creation
    uint64_t cycles_per_us; // of the time-stamp counter
    struct view *view;      // of the current CR3, or NULL when not looked up yet
    // The guest page fault that a direct access met last.
    bool prefill;
    bool prefill_user;
    uint32_t prefill_linear;
    uint32_t *frame_windows; // by frame: bit n set if window n may show it
    struct region *free_regions;
    struct window supervisor;
    struct window users[WINDOW_USERS];
    struct view views[VIEW_COUNT];
    struct region pool[REGION_POOL];
};

// What is said of views and windows may be another from here on: those who remember it ask again.
static inline void window_changes(struct mmu *mmu) {
    mmu->abi->view_changes++;
}

static inline bool bit_get(const uint64_t *bits, unsigned n) {
    return bits[n / 64] >> (n % 64) & 1;
}

// First set bit at or after n, or limit.
static inline unsigned bit_next(const uint64_t *bits, unsigned n, unsigned limit) {
    while (n < limit) {
        uint64_t word = bits[n / 64] >> (n % 64);
        if (word) {
            n += (unsigned)__builtin_ctzll(word);
            return n < limit ? n : limit;
        }
        n = (n / 64 + 1) * 64;
    }
    return limit;
}

static inline unsigned region_pages(const struct mmu *mmu) {
    return mmu->pae ? 512 : 1024;
}

static inline uint32_t region_linear(const struct mmu *mmu, const struct region *region) {
    return region->index << walk_region_shift(mmu);
}

// ---- window_map.c: the host's mappings and the bits that mirror them. The callers' loops may find the region empty
// afterwards: a call that the host refuses empties the whole window, which it can never refuse.
// -------------------------

// Shows `count` frames from `frame` at page `first` of the region, populated. False if the host refused.
bool window_map(struct mmu *mmu, struct window *window, struct region *region, unsigned first, unsigned count,
                uint32_t frame, bool writable);
void window_unmap(struct mmu *mmu, struct window *window, struct region *region, unsigned first, unsigned count);
bool window_protect(struct mmu *mmu, struct window *window, struct region *region, unsigned first, unsigned count,
                    bool writable);
// Empties the window with one call. Its regions stay, empty.
void window_empty(struct mmu *mmu, struct window *window);

static inline unsigned guard_block(unsigned page) {
    return page / GUARD_BLOCK;
}

// ---- region.c
// ----------------------------------------------------------------------------------------------------------

// The region that holds linear, made if needed; NULL if the pool is exhausted even after the window was emptied.
struct region *region_get(struct mmu *mmu, struct window *window, uint32_t linear);
// Gives all regions of an empty window back.
void region_free_all(struct window_state *windows, struct window *window);
// Compares with the guest's tables under the current CR3, drops or downgrades what changed. Counts churn if asked.
void region_validate(struct mmu *mmu, struct window *window, struct region *region);
// The PDE that governs the region now (a made-up one while paging is off), 0 if none.
uint64_t region_pde(struct mmu *mmu, const struct region *region);
// May what the region shows stay as far as its PDE decides?
bool region_pde_keeps(const struct mmu *mmu, const struct region *region, uint64_t pde);
// Host address of the page table of a region that is not large, NULL if it lies outside RAM.
const uint8_t *region_table(struct mmu *mmu, const struct region *region);
uint64_t region_entry(const struct mmu *mmu, const uint8_t *table, unsigned page);
// Copies the entries of pages [first, first + count) and what lies between them and the snapshot into the snapshot.
void region_snapshot(struct mmu *mmu, struct region *region, unsigned first, unsigned count);
void region_update_local(struct mmu *mmu, struct region *region);
bool region_is_churning(struct region *region, unsigned page);

// ---- view.c
// ------------------------------------------------------------------------------------------------------------

struct view *view_current(struct mmu *mmu);
// The window in which code of this privilege runs, or NULL if it has none.
struct window *window_current(struct mmu *mmu, bool user);
// Checks all regions, or the marked ones. A user view most of whose pages are gone goes soft: it is a new process.
void window_validate(struct mmu *mmu, struct window *window, bool all);
// Gives the current view the CPU time.
void view_charge(struct mmu *mmu, uint64_t cycles);
// Takes the window from its view.
void window_release(struct mmu *mmu, struct window *window);
// Makes room below the budget of host mappings for a fill in `window`.
void view_keep_budget(struct mmu *mmu, struct window *window);

#endif
