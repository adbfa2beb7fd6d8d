// Guest memory for the monitor's own C code: by guest-linear address with all checks, and by guest-physical address.
// Every write looks at the frame's code flag first, so that translated code never outlives its bytes. Light code.
#include "mmu/copy.h"
#include "mmu/state.h"

// Largest power of two that is at most size, 8, and the alignment of gpa: what one device access moves. An access of a
// natural size stays whole whatever its alignment, as on the bus.
static unsigned device_step(uint64_t gpa, unsigned size) {
    if (size <= 8 && (size & (size - 1)) == 0) {
        return size;
    }
    unsigned step = 4;
    while (step > size || (gpa & (step - 1))) {
        step >>= 1;
    }
    return step;
}

void mmu_read_part(struct mmu *mmu, uint64_t gpa, void *data, unsigned size) {
    const uint8_t *host = mmu_ram_host(mmu, gpa);
    if (host) {
        copy_bytes(data, host, size);
        return;
    }
    uint8_t *to = data;
    while (size) {
        unsigned step = device_step(gpa, size);
        uint64_t value = mmu->device_read(mmu->opaque, gpa, step);
        copy_bytes(to, &value, step);
        to += step;
        gpa += step;
        size -= step;
    }
}

bool mmu_write_part(struct mmu *mmu, uint64_t gpa, const void *data, unsigned size) {
    uint8_t *host = mmu_ram_host(mmu, gpa);
    if (host) {
        bool code = mmu_frame_has_code(mmu, gpa >> 12);
        if (code) {
            mmu->code_written(mmu->opaque, (uint32_t)(gpa >> 12));
        }
        copy_bytes(host, data, size);
        return code;
    }
    const uint8_t *from = data;
    while (size) {
        unsigned step = device_step(gpa, size);
        uint64_t value = 0;
        copy_bytes(&value, from, step);
        mmu->device_write(mmu->opaque, gpa, step, value);
        from += step;
        gpa += step;
        size -= step;
    }
    return false;
}

static unsigned in_page(uint64_t address, unsigned size) {
    unsigned room = RAM_PAGE_SIZE - (unsigned)(address & MMU_PAGE_MASK);
    return size < room ? size : room;
}

void mmu_read_phys(struct mmu *mmu, uint64_t gpa, void *data, unsigned size) {
    uint8_t *to = data;
    while (size) {
        unsigned step = in_page(gpa, size);
        mmu_read_part(mmu, gpa & mmu->a20_mask, to, step);
        to += step;
        gpa += step;
        size -= step;
    }
}

void mmu_write_phys(struct mmu *mmu, uint64_t gpa, const void *data, unsigned size) {
    const uint8_t *from = data;
    while (size) {
        unsigned step = in_page(gpa, size);
        mmu_write_part(mmu, gpa & mmu->a20_mask, from, step);
        from += step;
        gpa += step;
        size -= step;
    }
}

void mmu_store_ram(struct mmu *mmu, uint32_t gpa, uint64_t value, unsigned size) {
    uint8_t *host = mmu->ram->host + gpa;
    if (mmu_frame_has_code(mmu, gpa >> 12)) {
        mmu->code_written(mmu->opaque, gpa >> 12);
    }
    if (size == 8) {
        __atomic_store_n((uint64_t *)(void *)host, value, __ATOMIC_RELAXED);
    } else {
        __atomic_store_n((uint32_t *)(void *)host, (uint32_t)value, __ATOMIC_RELAXED);
    }
}

// Walks the one or two pages of a range of at most 4096 bytes.
static int walk_range(struct mmu *mmu, uint32_t linear, enum mmu_access access, bool user, unsigned size,
                      struct mmu_page page[2], struct mmu_fault *fault) {
    if (mmu_walk(mmu, linear, access, user, &page[0], fault)) {
        return -1;
    }
    unsigned first = in_page(linear, size);
    if (first < size) {
        return mmu_walk(mmu, linear + first, access, user, &page[1], fault);
    }
    return 0;
}

int mmu_read(struct mmu *mmu, uint32_t linear, bool user, void *data, unsigned size, struct mmu_fault *fault) {
    struct mmu_page page[2];
    if (walk_range(mmu, linear, MMU_READ, user, size, page, fault)) {
        return -1;
    }
    unsigned first = in_page(linear, size);
    mmu_read_part(mmu, page[0].gpa + (linear & MMU_PAGE_MASK), data, first);
    if (first < size) {
        mmu_read_part(mmu, page[1].gpa, (uint8_t *)data + first, size - first);
    }
    return 0;
}

int mmu_write(struct mmu *mmu, uint32_t linear, bool user, const void *data, unsigned size, struct mmu_fault *fault) {
    struct mmu_page page[2];
    if (walk_range(mmu, linear, MMU_WRITE, user, size, page, fault)) {
        return -1;
    }
    unsigned first = in_page(linear, size);
    mmu_write_part(mmu, page[0].gpa + (linear & MMU_PAGE_MASK), data, first);
    if (first < size) {
        mmu_write_part(mmu, page[1].gpa, (const uint8_t *)data + first, size - first);
    }
    return 0;
}

int mmu_probe_write(struct mmu *mmu, uint32_t linear, bool user, unsigned size, struct mmu_fault *fault) {
    struct mmu_page page[2];
    return walk_range(mmu, linear, MMU_WRITE, user, size, page, fault);
}

uint8_t *mmu_host(struct mmu *mmu, uint32_t linear, enum mmu_access access, bool user, bool *faulted,
                  struct mmu_fault *fault) {
    struct mmu_page page;
    *faulted = mmu_walk(mmu, linear, access, user, &page, fault) != 0;
    if (*faulted || !page.host || mmu_is_watched(mmu, linear) ||
        (access == MMU_WRITE && mmu_frame_has_code(mmu, page.gpa >> 12))) {
        return NULL;
    }
    softtlb_fill(mmu, linear, user, &page);
    return page.host + (linear & MMU_PAGE_MASK);
}
