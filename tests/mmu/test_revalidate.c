// Random edits of page tables, INVLPG, CR3 loads and frames with code, with direct accesses in between. What an access
// may see is exactly what the architecture allows: the tables of now, or what stood in them since the last flush that
// covers the page (SDM vol. 3A, 4.10.2 and 4.10.4). A page that was not edited since must behave as the reference walk
// says.
#include "direct.h"
#include "mmu/window.h"
#include "reference.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { SPACES = 3, PAGES = 48, HISTORY = 256, FRAME0 = 0x400, FRAMES = 64 };

// Translations of one page that a TLB may hold.
struct history {
    bool edited; // since the last flush that covers the page: more than one translation is possible
    unsigned count;
    uint64_t entry[HISTORY];
};

struct world {
    struct fixture *f;
    uint64_t seed;
    uint32_t cr3[SPACES];
    unsigned space;
    struct history page[PAGES];
};

static uint32_t page_linear(unsigned i) {
    // User and supervisor halves, a few neighbours each, two regions each.
    uint32_t half = i % 2 ? 0xc0000000u : 0x08000000u;
    uint32_t region = i / 2 % 2 ? 0x00c00000u : 0;
    return half + region + (i / 4) * 4096;
}

static uint64_t entry_of(struct world *w, unsigned i) {
    return fixture_get(w->f, fixture_pte(w->f, w->cr3[w->space], page_linear(i)));
}

static void remember(struct world *w, unsigned i, uint64_t entry) {
    struct history *h = &w->page[i];
    entry &= PTE_P | PTE_G | ~0xfffull; // what the checks look at
    for (unsigned k = 0; k < h->count; k++) {
        if (h->entry[k] == entry) {
            return;
        }
    }
    assert_true(h->count < HISTORY);
    h->entry[h->count++] = entry;
}

static void forget(struct world *w, unsigned i) {
    w->page[i].count = 0;
    w->page[i].edited = false;
    remember(w, i, entry_of(w, i));
}

static uint64_t random_entry(struct world *w, unsigned i) {
    static const uint64_t choices[] = {
        PTE_P | PTE_RW | PTE_A | PTE_D, PTE_P | PTE_RW | PTE_A, PTE_P | PTE_A, PTE_P | PTE_RW, 0,
        PTE_P | PTE_A | PTE_D};
    uint64_t entry = choices[fixture_random(&w->seed) % 6];
    // Mostly the frame that makes runs.
    uint64_t frame = fixture_random(&w->seed) % 3 ? (uint64_t)(FRAME0 + i / 4 + i % 4 * 16)
                                                  : FRAME0 + fixture_random(&w->seed) % FRAMES;
    entry |= frame << 12;
    entry |= i % 2 == 0 ? PTE_US : fixture_random(&w->seed) % 2 ? PTE_G : 0;
    return entry;
}

static void edit(struct world *w) {
    unsigned i = fixture_random(&w->seed) % PAGES;
    fixture_set(w->f, fixture_pte(w->f, w->cr3[w->space], page_linear(i)), random_entry(w, i));
    w->page[i].edited = true;
    remember(w, i, entry_of(w, i));
}

// Clears A, D or RW of many pages, as a kernel does that ages pages or forks.
static void sweep(struct world *w) {
    uint64_t bits = fixture_random(&w->seed) % 2 ? PTE_RW : fixture_random(&w->seed) % 2 ? PTE_A : PTE_D;
    for (unsigned i = 0; i < PAGES; i++) {
        uint64_t at = fixture_pte(w->f, w->cr3[w->space], page_linear(i));
        fixture_set(w->f, at, fixture_get(w->f, at) & ~bits);
        w->page[i].edited = true;
        remember(w, i, entry_of(w, i));
    }
}

static void load_cr3(struct world *w) {
    w->space = fixture_random(&w->seed) % SPACES;
    assert_int_equal(mmu_load_cr3(w->f->mmu, w->cr3[w->space]), 0);
    for (unsigned i = 0; i < PAGES; i++) {
        struct history *h = &w->page[i];
        unsigned kept = 0;
        for (unsigned k = 0; k < h->count; k++) {
            if (w->f->mmu->pge && (h->entry[k] & PTE_G) && (h->entry[k] & PTE_P)) {
                h->entry[kept++] = h->entry[k]; // a global translation survives
            }
        }
        h->count = kept;
        h->edited = kept != 0;
        remember(w, i, entry_of(w, i));
    }
}

static void toggle_code(struct world *w) {
    uint32_t frame = FRAME0 + fixture_random(&w->seed) % FRAMES;
    if (fixture_random(&w->seed) % 2) {
        mmu_protect_frame(w->f->mmu, frame);
    } else {
        w->f->ram.frame_flags[frame] = 0;
        mmu_unprotect_frame(w->f->mmu, frame);
    }
}

// Each frame's first word is its number; the second is scratch for writes.
static void check_read(struct world *w, unsigned i, uint32_t value) {
    const struct history *h = &w->page[i];
    for (unsigned k = 0; k < h->count; k++) {
        if ((h->entry[k] & PTE_P) && (h->entry[k] >> 12 & 0xffffff) == value) {
            return;
        }
    }
    fail_msg("page %u shows frame %x, which no allowed translation gives", i, value);
}

static void check_write(struct world *w, unsigned i, uint32_t value) {
    const struct history *h = &w->page[i];
    uint32_t *ram = (uint32_t *)(void *)w->f->ram.host;
    unsigned found = 0;
    for (uint32_t frame = FRAME0; frame < FRAME0 + FRAMES; frame++) {
        if (ram[frame * 1024 + 1] == value) {
            assert_int_equal(w->f->ram.frame_flags[frame] & RAM_FRAME_CODE, 0);
            found++;
            check_read(w, i, frame);
            ram[frame * 1024 + 1] = 0;
        }
    }
    assert_int_equal(found, 1);
    (void)h;
}

static void access_one(struct world *w) {
    struct fixture *f = w->f;
    unsigned i = fixture_random(&w->seed) % PAGES;
    bool user = i % 2 == 0;
    bool write = fixture_random(&w->seed) % 2;
    uint32_t linear = page_linear(i) + (write ? 4 : 0);
    uint32_t value = write ? 0x80000000u | fixture_random(&w->seed) : 0;
    struct reference r;
    reference_walk(f, linear, write ? MMU_WRITE : MMU_READ, user, &r);
    bool edited = w->page[i].edited;
    struct mmu_fault fault;
    enum direct_result result = direct_access(f, user, linear, write, &value, &fault);
    if (result == DIRECT_DONE) {
        if (write) {
            check_write(w, i, value);
        } else {
            check_read(w, i, value);
        }
    }
    if (!edited) {
        if (result == DIRECT_FAULT || (result == DIRECT_DONE && r.faults)) {
            assert_int_equal(result == DIRECT_FAULT, r.faults);
            assert_int_equal(fault.error, r.error);
            assert_int_equal(fault.linear, linear);
        } else if (result == DIRECT_DONE) {
            assert_int_equal(fixture_get(f, r.pte_at), r.pte_after);
        }
    }
    // Fault-around and A or D may have changed entries: all that a TLB can hold of pages as they are now.
    for (unsigned k = 0; k < PAGES; k++) {
        if (!w->page[k].edited) {
            w->page[k].count = 0;
            remember(w, k, entry_of(w, k));
        }
    }
}

// Pages of the window that the host has mapped.
static unsigned long host_pages(const struct window *window) {
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[512];
    unsigned long mapped = 0;
    while (maps && fgets(line, sizeof(line), maps)) {
        unsigned long from;
        unsigned long to;
        if (sscanf(line, "%lx-%lx", &from, &to) == 2 && from >= window->base && to <= window->base + WINDOW_SIZE) {
            mapped += (to - from) / 4096;
        }
    }
    fclose(maps);
    return mapped;
}

// The bits of the windows against the host.
static void check_host(struct world *w) {
    const struct window_state *windows = w->f->mmu->windows;
    assert_int_equal(host_pages(&windows->supervisor), windows->supervisor.pages);
    for (unsigned i = 0; i < SPACES; i++) {
        assert_int_equal(host_pages(&windows->users[i]), windows->users[i].pages);
    }
}

static void run(uint32_t cr0, uint32_t cr4, enum mmu_form_policy policy, unsigned rounds, uint64_t seed) {
    struct world w = {.seed = seed, .f = fixture_create(policy)};
    fixture_paging(w.f, cr0, cr4, false);
    for (unsigned s = 0; s < SPACES; s++) {
        w.cr3[s] = s ? fixture_new_space(w.f) : FIXTURE_CR3;
    }
    for (uint32_t frame = FRAME0; frame < FRAME0 + FRAMES; frame++) {
        ((uint32_t *)(void *)w.f->ram.host)[frame * 1024] = frame;
    }
    for (unsigned i = 0; i < PAGES; i++) {
        forget(&w, i);
    }
    for (unsigned round = 0; round < rounds; round++) {
        unsigned action = fixture_random(&w.seed) % 64;
        if (action < 8) {
            edit(&w);
        } else if (action < 14) {
            unsigned i = fixture_random(&w.seed) % PAGES;
            mmu_invlpg(w.f->mmu, page_linear(i) + fixture_random(&w.seed) % 4096);
            forget(&w, i);
        } else if (action < 16) {
            load_cr3(&w);
        } else if (action == 16) {
            sweep(&w);
        } else if (action == 17) {
            toggle_code(&w);
        } else {
            access_one(&w);
        }
        if (policy == MMU_FORM_ADAPTIVE && round % 256 == 0) { // much time passed: the view may be direct again
            window_account(w.f->mmu, 20000000000);
        }
        if (round % 4096 == 0) {
            check_host(&w);
        }
    }
    assert_true(w.f->stats.pages_filled > rounds / 100);
    fixture_destroy(w.f);
}

static void two_level(void **state) {
    (void)state;
    run(CR0_BASE, 0, MMU_FORM_DIRECT, 25000, 1);
}

static void two_level_global(void **state) {
    (void)state;
    run(CR0_BASE, CONTROL_CR4_PGE | CONTROL_CR4_PSE, MMU_FORM_DIRECT, 25000, 2);
}

static void pae(void **state) {
    (void)state;
    run(CR0_BASE, CONTROL_CR4_PAE | CONTROL_CR4_PGE, MMU_FORM_DIRECT, 25000, 3);
}

static void without_wp(void **state) {
    (void)state;
    run(1u | CONTROL_CR0_PG, CONTROL_CR4_PGE, MMU_FORM_DIRECT, 25000, 4);
}

static void adaptive(void **state) {
    (void)state;
    run(CR0_BASE, CONTROL_CR4_PGE, MMU_FORM_ADAPTIVE, 25000, 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_level),  cmocka_unit_test(two_level_global), cmocka_unit_test(pae),
        cmocka_unit_test(without_wp), cmocka_unit_test(adaptive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
