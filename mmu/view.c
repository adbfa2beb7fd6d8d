// Views: which user address space runs, in which form, and in which window. A view starts soft, becomes direct once it
// has used some CPU time of its own, and soft again when keeping its window up to date costs too much of that time.
// Changes of a user window wait until its code is about to run. Light code.
#include "mmu/window.h"

// Times are counted in mapping calls, because their cost differs tenfold between hosts: what is worth a window depends
// on it. Filling the window of a small process takes some 600 calls, and the direct form saves about a third of the
// time: the first hold is where that starts to pay (on the Debian installer, 600 gave twice as many calls and signals).
#define HOLD_FIRST      500 // CPU time before a view becomes direct: 2.5 ms where a call costs 5 us
#define HOLD_MAX        400000
#define PERIOD          1000 // CPU time after which the costs of a direct view are looked at
#define COST_SHARE      8    // of a period: more than one part in eight is too much
#define STAY_SHORT      2000 // ticks at CPL 3
#define STAYS_UNTIMED   15   // that follow a short one
#define NEW_PROCESS_MIN 32   // pages, for the guess that a window's process is gone

static uint32_t current_key(const struct mmu *mmu) {
    return mmu->paging ? mmu->control.cr3 & (mmu->pae ? ~0x1fu : ~0xfffu) : VIEW_KEY_PHYSICAL;
}

static void set_soft(struct mmu *mmu, struct view *view, uint64_t hold_cycles) {
    uint64_t limit = HOLD_MAX * mmu->windows->call_cycles;
    if (view->direct) {
        mmu->stats->views_to_soft++;
    }
    window_changes(mmu);
    view->direct = false;
    view->cycles = 0;
    view->host_calls = 0;
    view->hold_cycles = hold_cycles < limit ? hold_cycles : limit;
    if (mmu->ablate & ABLATE_HOT_SAMPLING) {
        view->hold_cycles = UINT64_MAX;
    }
}

static uint64_t first_hold(const struct mmu *mmu) {
    return HOLD_FIRST * mmu->windows->call_cycles;
}

static struct view *find_view(struct mmu *mmu, uint32_t key) {
    struct window_state *windows = mmu->windows;
    struct view *oldest = &windows->views[0];
    for (unsigned i = 0; i < VIEW_COUNT; i++) {
        struct view *view = &windows->views[i];
        if (view->taken && view->key == key) {
            return view;
        }
        if (oldest->taken && (!view->taken || view->used < oldest->used)) {
            oldest = view;
        }
    }
    if (oldest->window) {
        window_release(mmu, oldest->window);
    }
    set_soft(mmu, oldest, first_hold(mmu));
    oldest->taken = true;
    oldest->key = key;
    oldest->generation = ++windows->generation;
    return oldest;
}

struct view *view_current(struct mmu *mmu) {
    struct window_state *windows = mmu->windows;
    if (!windows->view) {
        struct view *view = find_view(mmu, current_key(mmu));
        view->used = ++windows->stamp;
        if (view->window) {
            view->window->check_all = view->window->pending = true; // CR3 was loaded since
        }
        windows->view = view;
        window_changes(mmu);
    }
    return windows->view;
}

struct mmu_view mmu_current_view(struct mmu *mmu, bool user) {
    if (!user) {
        return (struct mmu_view){0, 0};
    }
    const struct view *view = view_current(mmu);
    return (struct mmu_view){(uint32_t)(view - mmu->windows->views) + 1, view->generation};
}

// ---- Windows of views
// --------------------------------------------------------------------------------------------------

void window_release(struct mmu *mmu, struct window *window) {
    window_changes(mmu);
    window_empty(mmu, window);
    region_free_all(mmu->windows, window);
    window->check_all = window->pending = window->any_local = false;
    if (window->view) {
        window->view->window = NULL;
        window->view = NULL;
    }
}

// The user window used longest ago that is not the current view's; a free one before all.
static struct window *oldest_window(struct window_state *windows) {
    struct window *oldest = NULL;
    for (unsigned i = 0; i < WINDOW_USERS; i++) {
        struct window *window = &windows->users[i];
        if (!window->view) {
            return window;
        }
        if (window->view != windows->view && (!oldest || window->used < oldest->used)) {
            oldest = window;
        }
    }
    return oldest;
}

static void give_window(struct mmu *mmu, struct view *view) {
    struct window *window = oldest_window(mmu->windows);
    if (window->view) {
        set_soft(mmu, window->view, first_hold(mmu));
        window_release(mmu, window);
    }
    window->view = view;
    view->window = window;
    window_changes(mmu);
}

void view_keep_budget(struct mmu *mmu, struct window *window) {
    struct window_state *windows = mmu->windows;
    while (windows->vmas >= windows->vma_budget) {
        struct window *victim = NULL;
        for (unsigned i = 0; i < WINDOW_USERS; i++) {
            struct window *other = &windows->users[i];
            if (other->view && other->vmas && other != window && other->view != windows->view &&
                (!victim || other->used < victim->used)) {
                victim = other;
            }
        }
        if (!victim) {
            window_empty(mmu, window);
            if (windows->supervisor.vmas && windows->vmas >= windows->vma_budget) {
                window_empty(mmu, &windows->supervisor);
            }
            return;
        }
        set_soft(mmu, victim->view, first_hold(mmu));
        window_release(mmu, victim);
    }
}

void window_validate(struct mmu *mmu, struct window *window, bool all) {
    uint32_t before = window->pages;
    if (all && window->user && before) {
        bool dead = true;
        for (const struct region *region = window->list; region && dead; region = region->next) {
            dead = !region->pages || !region_pde_keeps(mmu, region, region_pde(mmu, region));
        }
        if (dead) {
            window_empty(mmu, window); // one call instead of one a region
        }
    }
    for (struct region *region = window->list; region; region = region->next) {
        if (region->pages && (all || region->marked)) {
            region_validate(mmu, window, region);
        }
        region->marked = false;
    }
    window->check_all = window->pending = false;
    if (all && window->user && mmu->policy == MMU_FORM_ADAPTIVE && before >= NEW_PROCESS_MIN &&
        window->pages < before / 2) {
        set_soft(mmu, window->view, first_hold(mmu));
    }
}

struct window *window_current(struct mmu *mmu, bool user) {
    return user ? view_current(mmu)->window : &mmu->windows->supervisor;
}

// ---- The policy
// --------------------------------------------------------------------------------------------------------

// True while the direct form is out of the question: A20 masking breaks up every run of frames.
static bool all_soft(const struct mmu *mmu) {
    return mmu->policy == MMU_FORM_SOFT || mmu->a20_mask != ~0ull;
}

void view_charge(struct mmu *mmu, uint64_t cycles) {
    struct window_state *windows = mmu->windows;
    struct view *view = view_current(mmu);
    if (mmu->policy != MMU_FORM_ADAPTIVE) {
        return;
    }
    view->cycles += cycles;
    if (!view->direct) {
        if (view->cycles >= view->hold_cycles) {
            window_changes(mmu);
            view->direct = true;
            view->cycles = 0;
            view->host_calls = 0;
            mmu->stats->views_to_direct++;
        }
    } else if (view->cycles >= PERIOD * windows->call_cycles) {
        if (view->host_calls * windows->call_cycles > view->cycles / COST_SHARE) {
            set_soft(mmu, view, view->hold_cycles * 2);
        } else {
            view->cycles = 0;
            view->host_calls = 0;
        }
    }
}

void window_account(struct mmu *mmu, uint64_t ns) {
    view_charge(mmu, ns * mmu->windows->cycles_per_us / 1000);
}

// CPL-3 code runs from one call with `user` to the next call without. Reading the time-stamp counter is among the
// dearest parts of a system call, so after a short stay the next ones are not timed: the short one stands for them. A
// process that computes from then on is noticed after as many timer interrupts.
static void clock_privilege(struct mmu *mmu, bool user) {
    struct abi_stay *stay = &mmu->abi->stay;
    stay->kept = true;
    if (window_crossed(mmu->abi, user)) {
        return;
    }
    stay->user = user;
    if (user) {
        stay->since = __builtin_ia32_rdtsc();
        return;
    }
    uint64_t cycles = __builtin_ia32_rdtsc() - stay->since;
    stay->untimed = cycles < STAY_SHORT ? STAYS_UNTIMED : 0;
    if (mmu->windows->view) {
        view_charge(mmu, cycles * (stay->untimed + 1));
    }
}

static bool view_is_soft(struct mmu *mmu, bool user) {
    if (!user) {
        return false;
    }
    struct view *view = view_current(mmu);
    if (mmu->policy == MMU_FORM_DIRECT) {
        view->direct = true;
    }
    if (view->direct && view->window && view->window->pending) {
        window_validate(mmu, view->window, view->window->check_all); // may find that it had better be soft
    }
    if (!view->direct) {
        if (view->window) {
            window_release(mmu, view->window);
        }
        return true;
    }
    return false;
}

bool window_view_soft(struct mmu *mmu, bool user) {
    if (all_soft(mmu)) {
        mmu->abi->stay.user = mmu->abi->stay.kept = false;
        return true;
    }
    clock_privilege(mmu, user);
    return view_is_soft(mmu, user);
}

uint64_t window_enter(struct mmu *mmu, bool user) {
    struct window_state *windows = mmu->windows;
    if (all_soft(mmu) || view_is_soft(mmu, user)) {
        return windows->base;
    }
    if (!user) {
        return windows->supervisor.base;
    }
    struct view *view = view_current(mmu);
    if (!view->window) {
        give_window(mmu, view);
    }
    view->window->used = ++windows->stamp;
    window_prefill(mmu, true);
    return view->window->base;
}
