// The out-of-line tail of the soft form: a miss fills the software TLB, or brings the operand into the bounce buffer
// with every page walked for its final intent first. The buffer offset is the linear address mod 64, so that alignment
// faults stay what they are. Light code. Never reads for a pure write, never writes for a read.
#include "mmu/copy.h"
#include "mmu/state.h"

#define BOUNCE_ALIGN 64u

static enum soft_result in_buffer(const struct mmu *mmu, uint32_t linear, uint64_t *addend) {
    *addend = (uint64_t)(uintptr_t)(mmu->abi->bounce + mmu->bounce.offset) - linear;
    return SOFT_BOUNCED;
}

// A LOCK that crosses a cache line, where the host raises SIGBUS for it: it runs on a buffer that does not cross one,
// and is committed by plain stores (PITFALLS 11). One vCPU cannot tell.
static bool is_split(const struct mmu *mmu, uint32_t linear, unsigned size, bool locked) {
    return locked && mmu->no_split_locks && linear % BOUNCE_ALIGN + size > BOUNCE_ALIGN;
}

static void set_part(struct bounce_part *part, const struct mmu_page *page, uint32_t offset, unsigned size) {
    part->gpa = page->gpa + offset;
    part->host = page->host ? page->host + offset : NULL;
    part->size = size;
}

// Tells of an access to a page with a data breakpoint. Its walks have succeeded.
static void tell_watcher(struct mmu *mmu, uint32_t linear, unsigned size, enum operand_intent intent) {
    if (watch_holds(mmu, linear) || watch_holds(mmu, linear + size - 1)) {
        mmu->watched(mmu->opaque, linear, size, intent);
    }
}

enum soft_result soft_miss(struct mmu *mmu, uint32_t linear, unsigned size, enum operand_intent intent, bool user,
                           bool locked, uint64_t *addend, struct mmu_fault *fault) {
    enum mmu_access access = intent == INTENT_READ ? MMU_READ : MMU_WRITE;
    unsigned offset = linear & MMU_PAGE_MASK;
    struct bounce *bounce = &mmu->bounce;
    bool split = is_split(mmu, linear, size, locked);
    struct mmu_page page;

    mmu->stats->softtlb_misses++;
    bounce->parts = 0;
    if (mmu_walk(mmu, linear, access, user, &page, fault)) {
        return SOFT_FAULT;
    }
    if (offset + size <= RAM_PAGE_SIZE) {
        if (mmu->watch_count) {
            tell_watcher(mmu, linear, size, intent);
        }
        if (page.host) {
            softtlb_fill(mmu, linear, user, &page);
            if (!split && (access == MMU_READ || !mmu_frame_has_code(mmu, page.gpa >> 12))) {
                *addend = (uint64_t)(uintptr_t)page.host - (linear & ~MMU_PAGE_MASK);
                return SOFT_IN_PLACE;
            }
        }
        set_part(&bounce->part[0], &page, offset, size);
        bounce->parts = 1;
    } else {
        unsigned first = RAM_PAGE_SIZE - offset;
        struct mmu_page second;
        if (mmu_walk(mmu, linear + first, access, user, &second, fault)) {
            return SOFT_FAULT;
        }
        if (mmu->watch_count) {
            tell_watcher(mmu, linear, size, intent);
        }
        set_part(&bounce->part[0], &page, offset, first);
        set_part(&bounce->part[1], &second, 0, size - first);
        bounce->parts = 2;
    }

    bounce->offset = split ? 0 : linear % BOUNCE_ALIGN;
    bounce->locked =
        locked && !split && bounce->parts == 1 && bounce->part[0].host && size <= 8 && (size & (size - 1)) == 0;
    uint8_t *buffer = mmu->abi->bounce + bounce->offset;
    if (intent != INTENT_WRITE) {
        for (unsigned i = 0; i < bounce->parts; i++) {
            mmu_read_part(mmu, bounce->part[i].gpa, buffer, bounce->part[i].size);
            buffer += bounce->part[i].size;
        }
        mmu->stats->bounces_read += intent == INTENT_READ;
    }
    if (intent == INTENT_READ) {
        bounce->parts = 0;
    } else {
        mmu->stats->bounces_write++;
        if (bounce->locked) {
            copy_bytes(bounce->before, mmu->abi->bounce + bounce->offset, size);
        }
    }
    return in_buffer(mmu, linear, addend);
}

// Replaces `before` by `after` in one atomic step. If a device wrote meanwhile, its bytes are the later ones and stay.
static void commit_locked(uint8_t *host, unsigned size, uint64_t before, uint64_t after) {
    uint64_t now = 0;
    copy_bytes(&now, host, size);
    for (;;) {
        uint64_t next = 0;
        for (unsigned shift = 0; shift < size * 8; shift += 8) {
            uint64_t byte = 0xffull << shift;
            next |= ((now ^ before) & byte ? now : after) & byte;
        }
        bool done;
        if (size == 1) {
            done = __atomic_compare_exchange_n(host, (uint8_t *)&now, (uint8_t)next, false, __ATOMIC_SEQ_CST,
                                               __ATOMIC_SEQ_CST);
        } else if (size == 2) {
            uint16_t old = (uint16_t)now;
            done = __sync_bool_compare_and_swap((copy_u16 *)host, old, (uint16_t)next);
        } else if (size == 4) {
            uint32_t old = (uint32_t)now;
            done = __sync_bool_compare_and_swap((copy_u32 *)host, old, (uint32_t)next);
        } else {
            done = __sync_bool_compare_and_swap((copy_u64 *)host, now, next);
        }
        if (done) {
            return;
        }
        now = 0;
        copy_bytes(&now, host, size);
    }
}

bool soft_commit(struct mmu *mmu) {
    struct bounce *bounce = &mmu->bounce;
    const uint8_t *buffer = mmu->abi->bounce + bounce->offset;
    unsigned parts = bounce->parts;
    bool hit = false;

    bounce->parts = 0;
    if (parts == 1 && bounce->locked) {
        struct bounce_part *part = &bounce->part[0];
        hit = mmu_frame_has_code(mmu, part->gpa >> 12);
        if (hit) {
            mmu->code_written(mmu->opaque, (uint32_t)(part->gpa >> 12));
        }
        uint64_t before = 0;
        uint64_t after = 0;
        copy_bytes(&before, bounce->before, part->size);
        copy_bytes(&after, buffer, part->size);
        commit_locked(part->host, part->size, before, after);
        return hit;
    }
    for (unsigned i = 0; i < parts; i++) {
        hit |= mmu_write_part(mmu, bounce->part[i].gpa, buffer, bounce->part[i].size);
        buffer += bounce->part[i].size;
    }
    return hit;
}

void soft_cancel(struct mmu *mmu) {
    mmu->bounce.parts = 0;
}
