// Windows as a whole: creation, what flushes of the guest do to them, and host addresses told apart. Intel SDM vol. 3A,
// 4.10.4. A user window's changes wait until its code runs again; the supervisor window's are made at once.
#include "mmu/window.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define VMA_BUDGET_DEFAULT 30000u
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

int window_create(struct mmu *mmu, struct error *err) {
    struct window_state *windows = mmap(NULL, sizeof(*windows), PROT_READ | PROT_WRITE,
                                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (windows == MAP_FAILED) {
        return error_set(err, "no memory for windows: %s", strerror(errno));
    }
    size_t map_size = mmu->ram->size / RAM_PAGE_SIZE * sizeof(uint32_t);
    windows->frame_windows = mmap(NULL, map_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                                  -1, 0);
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
    munmap(windows->frame_windows, mmu->ram->size / RAM_PAGE_SIZE * sizeof(uint32_t));
    munmap(windows, sizeof(*windows));
}

void window_control_changed(struct mmu *mmu, bool mode_changed) {
    struct window_state *windows = mmu->windows;
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
    if (region && region->pages && (region->large || bit_get(region->present, linear >> 12 & (region_pages(mmu) - 1)))) {
        return region;
    }
    return NULL;
}

void window_invlpg(struct mmu *mmu, uint32_t linear) {
    struct window_state *windows = mmu->windows;
    struct region *region = shown(mmu, &windows->supervisor, linear);
    if (region) {
        region_validate(mmu, &windows->supervisor, region);
    }
    if (windows->view && windows->view->window) {
        region = shown(mmu, windows->view->window, linear);
        if (region) {
            region->marked = true;
            windows->view->window->pending = true;
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
