// Windows as a whole: creation, what flushes of the guest do to them, and host addresses told apart. Intel SDM vol. 3A,
// 4.10.4. A user window's changes wait until its code runs again; the supervisor window's are made at once.
#include "mmu/window.h"
#include "mmu/hostcall.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define VMA_BUDGET_DEFAULT 30000u
#define CALIBRATE_ROUNDS   8
#define CALL_US_MIN        2u
#define CALL_US_MAX        50u
#define OPERAND_MAX        512 // bytes: how far beyond a window one operand reaches

// Half of what the host allows the process.
static uint32_t vma_budget(void) {
    unsigned limit = 0;
    FILE *file = fopen("/proc/sys/vm/max_map_count", "re");
    if (file) {
        if (fscanf(file, "%u", &limit) != 1) {
            limit = 0;
        }
        fclose(file);
    }
    return limit ? limit / 2 : VMA_BUDGET_DEFAULT;
}

static uint64_t clock_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

// What one call on a mapping that is in use costs on this host, and how fast its time-stamp counter runs.
static void calibrate(struct mmu *mmu, struct window_state *windows) {
    volatile uint8_t *page = (volatile uint8_t *)(uintptr_t)windows->supervisor.base;
    uint64_t best = UINT64_MAX;
    uint64_t ns = clock_ns();
    uint64_t first = __builtin_ia32_rdtsc();
    for (unsigned i = 0; i < CALIBRATE_ROUNDS; i++) {
        uint64_t start = __builtin_ia32_rdtsc();
        if (hostcall_mmap(windows->supervisor.base, RAM_PAGE_SIZE, PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_FIXED | MAP_NORESERVE | MAP_POPULATE, mmu->ram->fd, 0) < 0) {
            break;
        }
        *page = *page;
        hostcall_mprotect(windows->supervisor.base, RAM_PAGE_SIZE, PROT_READ);
        (void)*page;
        hostcall_munmap(windows->supervisor.base, RAM_PAGE_SIZE);
        uint64_t cycles = (__builtin_ia32_rdtsc() - start) / 3;
        best = cycles < best ? cycles : best;
    }
    uint64_t passed_us = (clock_ns() - ns) / 1000;
    windows->cycles_per_us = passed_us ? (__builtin_ia32_rdtsc() - first) / passed_us : 0;
    if (windows->cycles_per_us == 0) {
        windows->cycles_per_us = 2000;
    }
    uint64_t low = CALL_US_MIN * windows->cycles_per_us;
    uint64_t high = CALL_US_MAX * windows->cycles_per_us;
    windows->call_cycles = best < low ? low : best > high ? high : best;
}

int window_create(struct mmu *mmu, struct error *err) {
    struct window_state *windows =
        mmap(NULL, sizeof(*windows), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (windows == MAP_FAILED) {
        return error_set(err, "no memory for windows: %s", strerror(errno));
    }
    size_t map_size = mmu->ram->size / RAM_PAGE_SIZE * sizeof(uint32_t);
    windows->frame_windows =
        mmap(NULL, map_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (windows->frame_windows == MAP_FAILED) {
        munmap(windows, sizeof(*windows));
        return error_set(err, "no memory for the map of frames: %s", strerror(errno));
    }
    windows->base = space_find(err);
    if (!windows->base) {
        munmap(windows->frame_windows, map_size);
        munmap(windows, sizeof(*windows));
        return -1;
    }
    windows->vma_budget = vma_budget();
    windows->supervisor.base = windows->base + SPACE_STRIDE;
    windows->supervisor.number = 1;
    for (unsigned i = 0; i < WINDOW_USERS; i++) {
        windows->users[i].base = windows->base + (i + 2) * SPACE_STRIDE;
        windows->users[i].number = i + 2;
        windows->users[i].user = true;
    }
    mmu->windows = windows;
    calibrate(mmu, windows);
    return 0;
}

static void empty_all(struct mmu *mmu) {
    struct window_state *windows = mmu->windows;
    window_empty(mmu, &windows->supervisor);
    region_free_all(windows, &windows->supervisor);
    windows->supervisor.any_local = false;
    for (unsigned i = 0; i < WINDOW_USERS; i++) {
        window_release(mmu, &windows->users[i]);
    }
}

void window_destroy(struct mmu *mmu) {
    struct window_state *windows = mmu->windows;
    empty_all(mmu);
    space_release(windows->base);
    munmap(windows->frame_windows, mmu->ram->size / RAM_PAGE_SIZE * sizeof(uint32_t));
    munmap(windows, sizeof(*windows));
}

void window_control_changed(struct mmu *mmu, bool mode_changed) {
    struct window_state *windows = mmu->windows;
    window_changes(mmu);
    windows->view = NULL; // the next look at it marks its window
    if (mode_changed) {
        mmu->supervisor_in_user_pages = false;
        return;
    }
    window_validate(mmu, &windows->supervisor, true);
    windows->supervisor.any_local = false;
    for (struct region *region = windows->supervisor.list; region; region = region->next) {
        region_update_local(mmu, region);
        windows->supervisor.any_local |= region->local;
    }
}

void window_mode_changes(struct mmu *mmu) {
    empty_all(mmu);
}

void window_cr3_loaded(struct mmu *mmu) {
    struct window *supervisor = &mmu->windows->supervisor;
    window_changes(mmu);
    mmu->windows->view = NULL;
    if (!supervisor->any_local) {
        return;
    }
    supervisor->any_local = false;
    for (struct region *region = supervisor->list; region; region = region->next) {
        if (region->local && region->pages) {
            region_validate(mmu, supervisor, region);
            supervisor->any_local |= region->local;
        }
    }
}

static struct region *shown(const struct mmu *mmu, const struct window *window, uint32_t linear) {
    struct region *region = window->regions[linear >> walk_region_shift(mmu)];
    if (region && region->pages &&
        (region->large || bit_get(region->present, linear >> 12 & (region_pages(mmu) - 1)))) {
        return region;
    }
    return NULL;
}

// All page tables are as they will be: a region is compared with them once for all its pages that follow one another.
void window_invlpg_pages(struct mmu *mmu, const uint32_t *pages, unsigned count) {
    struct window_state *windows = mmu->windows;
    struct window *user = windows->view ? windows->view->window : NULL;
    const struct region *done = NULL;
    for (unsigned i = 0; i < count; i++) {
        struct region *region = shown(mmu, &windows->supervisor, pages[i]);
        if (region && region != done) {
            region_validate(mmu, &windows->supervisor, region);
            done = region;
        }
        region = user ? shown(mmu, user, pages[i]) : NULL;
        if (region) {
            region->marked = true;
            user->pending = true;
            window_changes(mmu);
        }
    }
}

uint64_t window_empty_base(const struct mmu *mmu) {
    return mmu->windows->base;
}

bool window_contains(const struct mmu *mmu, uint64_t address, uint32_t *linear, bool *wraps) {
    uint64_t offset = address - mmu->windows->base + OPERAND_MAX;
    if (offset >= SPACE_SIZE) {
        return false;
    }
    uint64_t in_slot = offset % SPACE_STRIDE;
    if (in_slot >= WINDOW_SIZE + 2 * OPERAND_MAX) {
        return false;
    }
    *linear = (uint32_t)(in_slot - OPERAND_MAX);
    *wraps = in_slot < OPERAND_MAX || in_slot >= WINDOW_SIZE + OPERAND_MAX;
    return true;
}
