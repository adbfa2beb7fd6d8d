// Dead blocks by content: code that comes back (a program run again, a page cached anew in another frame) costs a
// lookup instead of a translation. A block depends on nothing but its bytes, its place in the page and its mode, so it
// may be revived for any frame. Crossing and self-checking blocks hold addresses and are
// not kept.
#include "cache/internal.h"

#include <string.h>
#include <xxhash.h>

static unsigned retain_bucket(uint32_t offset, uint32_t mode, const uint8_t *bytes, uint32_t size) {
    XXH64_hash_t hash = XXH3_64bits_withSeed(bytes, size, (uint64_t)mode << 16 | offset);
    return (unsigned)hash & (RETAIN_BUCKETS - 1);
}

// The hash covers what every block at this place must have: its first byte; the rest is compared.
#define RETAIN_HASHED(available) ((available) < 1 ? (available) : 1u)

void retain_insert(struct cache *cache, struct block *block) {
    if (block->loose || block->self_checking || block->next_frame != CACHE_NO_FRAME)
        return;
    unsigned bucket = retain_bucket(block->offset, block->mode, block->guest_bytes, RETAIN_HASHED(block->guest_size));
    block->next_retained = cache->retained[bucket];
    block->anchor_retained = &cache->retained[bucket];
    if (block->next_retained)
        block->next_retained->anchor_retained = &block->next_retained;
    cache->retained[bucket] = block;
}

void retain_remove(struct block *block) {
    if (!block->anchor_retained)
        return;
    *block->anchor_retained = block->next_retained;
    if (block->next_retained)
        block->next_retained->anchor_retained = block->anchor_retained;
    block->anchor_retained = NULL;
    block->next_retained = NULL;
}

struct block *cache_revive(struct cache *cache, uint32_t frame, uint32_t offset, uint32_t mode, const uint8_t *bytes,
                           uint32_t available) {
    unsigned bucket = retain_bucket(offset, mode, bytes, RETAIN_HASHED(available));
    for (struct block *block = cache->retained[bucket]; block; block = block->next_retained) {
        if (block->offset != offset || block->mode != mode || block->guest_size > available ||
            memcmp(block->guest_bytes, bytes, block->guest_size) != 0)
            continue;
        retain_remove(block);
        struct slice *slice = cache_slice(cache, frame, mode);
        block->frame = frame;
        block->slice = slice;
        block->alive = true;
        block_list_push(&slice->blocks, block);
        slice->entries[offset] = block->host;
        cache->stats->retained_hits++;
        return block;
    }
    return NULL;
}
