// Dead blocks by content: code that comes back (a program run again, a page cached anew in another frame) costs a
// lookup instead of a translation. A block depends on nothing but its bytes, its place in the page and its mode, so it
// may be revived for any frame. Crossing and self-checking blocks hold addresses and are
// not kept.
#include "cache/internal.h"

#include <string.h>
#include <xxhash.h>

// How long a block will be is not known when one is looked for. So blocks are filed by their first 16 bytes, shorter
// ones by their first 4, or their first, and looked for under each; the rest is compared.
static const uint32_t retain_keys[] = {16, 4, 1};
#define RETAIN_KEYS (sizeof retain_keys / sizeof retain_keys[0])

static unsigned retain_bucket(uint32_t offset, uint32_t mode, const uint8_t *bytes, uint32_t size) {
    XXH64_hash_t hash = XXH3_64bits_withSeed(bytes, size, (uint64_t)mode << 16 | offset);
    return (unsigned)hash & (RETAIN_BUCKETS - 1);
}

void retain_insert(struct cache *cache, struct block *block) {
    if (block->loose || block->self_checking || block->next_frame != CACHE_NO_FRAME || !block->guest_size)
        return;
    unsigned key = 0;
    while (retain_keys[key] > block->guest_size)
        key++;
    unsigned bucket = retain_bucket(block->offset, block->mode, block->guest_bytes, retain_keys[key]);
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

static bool is_dead_copy(const struct block *block, uint32_t offset, uint32_t mode, const uint8_t *bytes,
                         uint32_t available) {
    return block->offset == offset && block->mode == mode && block->guest_size <= available &&
           memcmp(block->guest_bytes, bytes, block->guest_size) == 0;
}

// Only the latest few are looked at: a guest that makes new code in one place, all with the same beginning, would else
// compare each piece with all before it.
static struct block *retain_find(struct cache *cache, uint32_t offset, uint32_t mode, const uint8_t *bytes,
                                 uint32_t available) {
    for (unsigned key = 0; key < RETAIN_KEYS; key++) {
        if (retain_keys[key] > available)
            continue;
        struct block *block = cache->retained[retain_bucket(offset, mode, bytes, retain_keys[key])];
        for (unsigned looked = 0; block && looked < RETAIN_LOOKED; block = block->next_retained, looked++)
            if (is_dead_copy(block, offset, mode, bytes, available))
                return block;
    }
    return NULL;
}

struct block *cache_revive(struct cache *cache, uint32_t frame, uint32_t offset, uint32_t mode, const uint8_t *bytes,
                           uint32_t available) {
    struct block *block = retain_find(cache, offset, mode, bytes, available);
    if (!block)
        return NULL;
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
