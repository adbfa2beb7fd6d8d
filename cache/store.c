// The store of blocks: chunks of the arena that are filled in turn and evicted as a whole, and what happens to a block
// between its translation and its eviction. Killing cuts every way in (slice entry, links), so that no running code can
// reach the block again; its bytes stay until its chunk is reused, because a saved host address may still lie in it.
#include "base/populate.h"
#include "cache/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// ---- Lists
// ---------------------------------------------------------------------------------------------------------------

void block_list_push(struct block **head, struct block *block) {
    block->next_in_slice = *head;
    block->anchor_in_slice = head;
    if (*head)
        (*head)->anchor_in_slice = &block->next_in_slice;
    *head = block;
}

void block_list_remove(struct block *block) {
    if (!block->anchor_in_slice)
        return;
    *block->anchor_in_slice = block->next_in_slice;
    if (block->next_in_slice)
        block->next_in_slice->anchor_in_slice = block->anchor_in_slice;
    block->anchor_in_slice = NULL;
}

static void crossing_push(struct block **head, struct block *block) {
    block->next_crossing = *head;
    block->anchor_crossing = head;
    if (*head)
        (*head)->anchor_crossing = &block->next_crossing;
    *head = block;
}

static void crossing_remove(struct block *block) {
    if (!block->anchor_crossing)
        return;
    *block->anchor_crossing = block->next_crossing;
    if (block->next_crossing)
        block->next_crossing->anchor_crossing = block->anchor_crossing;
    block->anchor_crossing = NULL;
}

// ---- Links
// ---------------------------------------------------------------------------------------------------------------

static void patch_branch(const struct cache *cache, const struct block *from, const struct block_exit *exit,
                         uint32_t target) {
    uint32_t site = from->host + exit->site;
    int32_t displacement = (int32_t)(target - (site + 4));
    // One aligned-or-not 32-bit store: on this processor's own next fetch it is old or new, and both are valid.
    memcpy(arena_rw(&cache->arena, site), &displacement, sizeof displacement);
}

static void link_cut(const struct cache *cache, struct block_link *link) {
    if (!link->target)
        return;
    patch_branch(cache, link->owner, &link->exit, link->owner->host + link->exit.cold);
    *link->anchor = link->next;
    if (link->next)
        link->next->anchor = link->anchor;
    link->target = NULL;
    cache->stats->links_cut++;
}

void cache_link(struct cache *cache, struct block *from, unsigned index, struct block *to) {
    struct block_link *link = &from->links[index];
    if (link->target)
        return;
    link->target = to;
    link->next = to->incoming;
    link->anchor = &to->incoming;
    if (link->next)
        link->next->anchor = &link->next;
    to->incoming = link;
    patch_branch(cache, from, &link->exit, to->host + to->link_entry);
    cache->stats->links_made++;
}

void cache_unlink_exits(struct cache *cache, struct block *from) {
    for (unsigned i = 0; i < from->exit_count; i++)
        link_cut(cache, &from->links[i]);
}

// ---- Death
// ---------------------------------------------------------------------------------------------------------------

void block_kill(struct cache *cache, struct block *block) {
    if (!block->alive)
        return;
    block->alive = false;
    while (block->incoming)
        link_cut(cache, block->incoming);
    cache_unlink_exits(cache, block);
    if (block->slice && block->slice->entries[block->offset] == block->host)
        block->slice->entries[block->offset] = cache->miss;
    block_list_remove(block);
    crossing_remove(block);
    block->slice = NULL;
    retain_insert(cache, block);
}

unsigned cache_kill_frame(struct cache *cache, uint32_t frame) {
    struct frame_code *code = frame_code_find(cache, frame);
    unsigned killed = 0;
    if (!code)
        return 0;
    for (struct slice *slice = code->slices; slice; slice = slice->next_of_frame)
        for (; slice->blocks; killed++)
            block_kill(cache, slice->blocks);
    for (; code->loose; killed++)
        block_kill(cache, code->loose);
    for (; code->crossing; killed++)
        block_kill(cache, code->crossing);
    return killed;
}

static unsigned kill_covering(struct cache *cache, struct block *first, uint32_t offset, uint32_t mode) {
    unsigned killed = 0;
    for (struct block *block = first, *next; block; block = next) {
        next = block->next_in_slice;
        if (block->mode == mode && block->offset <= offset && offset < block->offset + (uint32_t)block->guest_size) {
            block_kill(cache, block);
            retain_remove(block); // its bytes are the same but it must not come back in this form
            killed++;
        }
    }
    return killed;
}

unsigned cache_kill_at(struct cache *cache, uint32_t frame, uint32_t offset, uint32_t mode) {
    struct slice *slice = cache_find_slice(cache, frame, mode);
    struct frame_code *code = frame_code_find(cache, frame);
    return (slice ? kill_covering(cache, slice->blocks, offset, mode) : 0) +
           (code ? kill_covering(cache, code->loose, offset, mode) : 0);
}

// What one block's records take at most, and how much of them is reserved for each byte of host code.
#define RECORD_MAX                                                                                                     \
    (sizeof(struct block) + TRANSLATE_MAX_EXITS * sizeof(struct block_link) +                                          \
     TRANSLATE_MAX_MARKS * sizeof(struct block_mark) + 8192)
#define RECORD_SHARE 6

static struct block **chunk_blocks(const struct chunk *chunk) {
    return (struct block **)(void *)chunk->list.base;
}

// ---- Chunks
// --------------------------------------------------------------------------------------------------------------

static void chunk_evict(struct cache *cache, struct chunk *chunk) {
    struct block **blocks = chunk_blocks(chunk);
    for (uint32_t i = 0; i < chunk->block_count; i++) {
        cache->stats->blocks_killed_evict += blocks[i]->alive;
        block_kill(cache, blocks[i]);
        retain_remove(blocks[i]);
    }
    cache->stats->cache_bytes -= chunk->at - chunk->start;
    chunk->block_count = 0;
    chunk->at = chunk->start;
    region_reset(&chunk->records);
    region_reset(&chunk->list);
    chunk->indexed = 0;
}

// The next block's place is made present in both mappings, which the guest's first run of it would fault in page by
// page.
static void chunk_populate(struct cache *cache, struct chunk *chunk) {
    if (chunk->at + TRANSLATE_MAX_HOST <= chunk->present || chunk->present == chunk->end)
        return;
    uint32_t step = chunk->end - chunk->present < POPULATE_STEP ? chunk->end - chunk->present : POPULATE_STEP;
    populate_write(arena_rw(&cache->arena, chunk->present), step);
    populate_read((void *)(uintptr_t)chunk->present, step);
    chunk->present += step;
}

static bool chunk_full(const struct chunk *chunk) {
    return chunk->end - chunk->at < TRANSLATE_MAX_HOST || chunk->records.size - chunk->records.used < RECORD_MAX ||
           chunk->list.size - chunk->list.used < sizeof(struct block *);
}

void cache_reserve(struct cache *cache, uint8_t **rw, uint32_t *rx, uint32_t *capacity) {
    struct chunk *chunk = &cache->chunks[cache->current];
    if (chunk_full(chunk)) {
        cache->current = (cache->current + 1) % CHUNKS;
        chunk = &cache->chunks[cache->current];
        if (chunk->block_count) {
            chunk_evict(cache, chunk);
            cache->stats->cache_evictions++;
        }
    }
    chunk_populate(cache, chunk);
    *rx = chunk->at;
    *rw = arena_rw(&cache->arena, chunk->at);
    *capacity = chunk->end - chunk->at;
}

struct block *cache_commit(struct cache *cache, const struct translate_output *out, uint32_t frame, uint32_t next_frame,
                           uint32_t offset, uint32_t mode, bool loose, const uint8_t *bytes) {
    struct chunk *chunk = &cache->chunks[cache->current];
    unsigned exits = loose ? 0 : out->exit_count;
    size_t marks = out->mark_count * sizeof *out->marks;
    struct block *block = region_take(&chunk->records, sizeof *block + exits * sizeof *block->links);
    struct block **listed = region_take(&chunk->list, sizeof(struct block *));
    block->marks = region_take(&chunk->records, marks);
    block->guest_bytes = region_take(&chunk->records, out->guest_size);
    memcpy(block->marks, out->marks, marks);
    memcpy(block->guest_bytes, bytes, out->guest_size);
    for (uint32_t granule = (chunk->at - chunk->start) / GRANULE; chunk->indexed <= granule; chunk->indexed++)
        chunk->first[chunk->indexed] = chunk->block_count;
    *listed = block;
    chunk->block_count++;
    block->host = chunk->at;
    block->host_size = out->host_size;
    block->frame = frame;
    block->next_frame = next_frame;
    block->mode = mode;
    block->offset = (uint16_t)offset;
    block->guest_size = out->guest_size;
    block->link_entry = out->link_entry;
    block->loose = loose;
    block->mark_count = out->mark_count;
    block->insns = (uint16_t)out->insns;
    block->exit_count = (uint16_t)exits;
    for (unsigned i = 0; i < block->exit_count; i++) {
        block->links[i].exit = out->exits[i];
        block->links[i].owner = block;
    }
    uint32_t size = (out->host_size + BLOCK_ALIGN - 1) & ~(BLOCK_ALIGN - 1);
    chunk->at += size;
    cache->stats->cache_bytes += size;
    block->alive = true;
    if (loose) {
        block_list_push(&frame_code_get(cache, frame)->loose, block);
    } else {
        block->slice = cache_slice(cache, frame, mode);
        block_list_push(&block->slice->blocks, block);
        block->slice->entries[offset] = block->host;
    }
    if (next_frame != CACHE_NO_FRAME)
        crossing_push(&frame_code_get(cache, next_frame)->crossing, block);
    return block;
}

// ---- Host address to block and instruction
// -----------------------------------------------------------------------------

struct block *cache_block_at(const struct cache *cache, uint32_t host) {
    for (unsigned i = 0; i < CHUNKS; i++) {
        const struct chunk *chunk = &cache->chunks[i];
        if (host < chunk->start || host >= chunk->at || !chunk->block_count)
            continue;
        struct block *const *blocks = chunk_blocks(chunk);
        uint32_t granule = (host - chunk->start) / GRANULE;
        uint32_t low = granule < chunk->indexed ? chunk->first[granule] : chunk->block_count - 1;
        if (low && blocks[low]->host > host) // it starts in a granule before
            low--;
        while (low + 1 < chunk->block_count && blocks[low + 1]->host <= host)
            low++;
        struct block *block = blocks[low];
        return host - block->host < block->host_size ? block : NULL;
    }
    return NULL;
}

unsigned block_insns_from(const struct block *block, uint32_t offset) {
    unsigned before = 0;
    uint32_t next = 0; // out-of-line code at the end has marks of instructions seen already
    for (uint32_t i = 0; i < block->mark_count && before < block->insns; i++) {
        const struct block_mark *mark = &block->marks[i];
        if (mark->guest >= offset)
            break;
        if (mark->guest >= next) {
            before++;
            next = mark->guest + 1u;
        }
    }
    return block->insns - before;
}

const struct block_mark *block_mark_at(const struct block *block, uint32_t host) {
    uint32_t low = 0, high = block->mark_count, offset = host - block->host;
    if (!high || block->marks[0].host > offset)
        return NULL;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (block->marks[middle].host <= offset)
            low = middle;
        else
            high = middle;
    }
    return &block->marks[low];
}

// ---- The cache as a whole
// ----------------------------------------------------------------------------------------------

struct cache *cache_create(const struct cache_config *config, struct error *err) {
    struct cache *cache = calloc(1, sizeof *cache);
    if (!cache) {
        error_set(err, "out of memory");
        return NULL;
    }
    cache->stats = config->stats;
    cache->log = config->log;
    cache->slice_max = config->slices && config->slices < SLICE_MAX ? config->slices : SLICE_MAX;
    if (arena_create(&cache->arena, (config->mib ? config->mib : CACHE_DEFAULT_MIB) << 20, err) < 0) {
        free(cache);
        return NULL;
    }
    return cache;
}

int cache_install_stubs(struct cache *cache, const void *code, uint32_t size, uint32_t miss_offset, struct error *err) {
    memcpy(cache->arena.rw, code, size);
    cache->miss = cache->arena.rx + miss_offset;
    cache->code_start = cache->arena.rx + ((size + 4095) & ~4095u);
    uint32_t share = (cache->arena.rx + cache->arena.size - cache->code_start) / CHUNKS & ~4095u;
    if (share < 2 * TRANSLATE_MAX_HOST)
        return error_set(err, "code cache too small: at least 2 MiB are needed");
    for (unsigned i = 0; i < CHUNKS; i++) {
        cache->chunks[i].start = cache->chunks[i].at = cache->code_start + i * share;
        cache->chunks[i].end = cache->chunks[i].start + share;
        cache->chunks[i].present = cache->chunks[i].start;
        if (region_create(&cache->chunks[i].records, (size_t)share * RECORD_SHARE) < 0 ||
            region_create(&cache->chunks[i].list, share / 4) < 0 ||
            !(cache->chunks[i].first = calloc(share / GRANULE + 1, sizeof(uint32_t))))
            return error_set(err, "address space for the records of blocks: %s", strerror(errno));
    }
    return codemap_create(cache, err);
}

void cache_destroy(struct cache *cache) {
    for (unsigned i = 0; i < CHUNKS; i++) {
        region_destroy(&cache->chunks[i].records);
        region_destroy(&cache->chunks[i].list);
        free(cache->chunks[i].first);
    }
    for (unsigned bucket = 0; bucket < FRAME_BUCKETS; bucket++)
        for (struct frame_code *code = cache->frames[bucket], *next; code; code = next) {
            next = code->next;
            for (struct slice *slice = code->slices, *after; slice; slice = after) {
                after = slice->next_of_frame;
                free(slice);
            }
            free(code->soft);
            free(code);
        }
    codemap_destroy(cache);
    arena_destroy(&cache->arena);
    free(cache);
}

const struct arena *cache_arena(const struct cache *cache) {
    return &cache->arena;
}
