// The table of guest frames that have translations. Lookups are light: no library calls, so that they may run while the
// guest's FPU state is live.
#include "cache/internal.h"

#include <stdlib.h>

static unsigned frame_bucket(uint32_t frame) {
    return (frame * 2654435761u >> 8) & (FRAME_BUCKETS - 1);
}

struct frame_code *frame_code_find(const struct cache *cache, uint32_t frame) {
    struct frame_code *at = cache->frames[frame_bucket(frame)];
    while (at && at->frame != frame)
        at = at->next;
    return at;
}

struct frame_code *frame_code_get(struct cache *cache, uint32_t frame) {
    struct frame_code *found = frame_code_find(cache, frame);
    if (found)
        return found;
    struct frame_code *made = calloc(1, sizeof *made);
    if (!made)
        abort(); // a few hundred bytes: the host is out of memory
    struct frame_code **bucket = &cache->frames[frame_bucket(frame)];
    made->frame = frame;
    made->next = *bucket;
    *bucket = made;
    return made;
}

struct slice *cache_find_slice(struct cache *cache, uint32_t frame, uint32_t mode) {
    const struct frame_code *code = frame_code_find(cache, frame);
    struct slice *slice = code ? code->slices : NULL;
    while (slice && slice->mode != mode)
        slice = slice->next_of_frame;
    return slice;
}

struct block *cache_find(struct cache *cache, uint32_t frame, uint32_t offset, uint32_t mode) {
    const struct slice *slice = cache_find_slice(cache, frame, mode);
    if (!slice || slice->entries[offset] == cache->miss)
        return NULL;
    return cache_block_at(cache, slice->entries[offset]);
}

struct block *cache_find_loose(struct cache *cache, uint32_t frame, uint32_t offset, uint32_t mode) {
    const struct frame_code *code = frame_code_find(cache, frame);
    struct block *block = code ? code->loose : NULL;
    while (block && !(block->offset == offset && block->mode == mode))
        block = block->next_in_slice;
    return block;
}
