// Windows, first form: none but the empty one, so that every view is soft.
#include "mmu/space.h"
#include "mmu/state.h"

#include <stdlib.h>

struct window_state {
    uint64_t base;
};

int window_create(struct mmu *mmu, struct error *err) {
    mmu->windows = calloc(1, sizeof(*mmu->windows));
    if (!mmu->windows) {
        return error_set(err, "no memory for windows");
    }
    mmu->windows->base = space_find(err);
    if (!mmu->windows->base) {
        free(mmu->windows);
        return -1;
    }
    return 0;
}

void window_destroy(struct mmu *mmu) {
    free(mmu->windows);
}

void window_control_changed(struct mmu *mmu) {
    (void)mmu;
}

void window_cr3_loaded(struct mmu *mmu) {
    (void)mmu;
}

void window_invlpg(struct mmu *mmu, uint32_t linear) {
    (void)mmu;
    (void)linear;
}

void mmu_protect_frame(struct mmu *mmu, uint32_t frame) {
    __atomic_fetch_or(&mmu->ram->frame_flags[frame], RAM_FRAME_CODE, __ATOMIC_SEQ_CST);
    softtlb_drop_writes(mmu, frame);
}

void mmu_unprotect_frame(struct mmu *mmu, uint32_t frame) {
    (void)mmu;
    (void)frame;
}

struct mmu_view mmu_current_view(struct mmu *mmu, bool user) {
    return (struct mmu_view){.id = user, .generation = user ? mmu->control.cr3 : 0};
}

uint64_t window_enter(struct mmu *mmu, bool user) {
    (void)user;
    return mmu->windows->base;
}

bool window_view_soft(struct mmu *mmu, bool user) {
    (void)mmu;
    (void)user;
    return true;
}

uint64_t window_empty_base(const struct mmu *mmu) {
    return mmu->windows->base;
}

bool window_contains(const struct mmu *mmu, uint64_t address, uint32_t *linear, bool *wraps) {
    (void)mmu;
    (void)address;
    (void)linear;
    (void)wraps;
    return false;
}

enum window_result window_fault(struct mmu *mmu, uint32_t linear, bool write, bool user, struct mmu_fault *fault) {
    (void)mmu;
    (void)linear;
    (void)write;
    (void)user;
    (void)fault;
    return WINDOW_SOFT;
}

void window_prefill(struct mmu *mmu, bool user) {
    (void)mmu;
    (void)user;
}

void window_account(struct mmu *mmu, uint64_t ns) {
    (void)mmu;
    (void)ns;
}
