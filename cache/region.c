// Address space that is populated in steps, ahead of its use.
#include "base/populate.h"
#include "base/reserve.h"
#include "cache/internal.h"

#include <string.h>

int region_create(struct region *region, size_t size) {
    void *base = reserve_private(size);
    if (!base)
        return -1;
    *region = (struct region){.base = base, .size = size};
    return 0;
}

void region_destroy(struct region *region) {
    reserve_release(region->base, region->size);
}

void *region_take(struct region *region, size_t size) {
    size = (size + 7) & ~(size_t)7;
    if (size > region->size - region->used)
        return NULL;
    if (region->used + size > region->present) {
        size_t step = size > POPULATE_STEP ? size : POPULATE_STEP;
        if (step > region->size - region->present)
            step = region->size - region->present;
        populate_write(region->base + region->present, step);
        region->present += step & ~(size_t)4095;
    }
    uint8_t *taken = region->base + region->used;
    region->used += size;
    if (taken < region->base + region->dirty) // fresh memory is zero
        memset(taken, 0, size);
    return taken;
}

void region_reset(struct region *region) {
    region->dirty = region->used > region->dirty ? region->used : region->dirty;
    region->used = 0;
}
