// The two-level code map: slices (host entry points of one guest page in one mode) and roots (slices by linear page).
// Root entries are biased by minus 4 x the page's linear address, so that a transfer needs no mask; the entries of an
// empty root too, which is why a root is a private mapping of a template file.
#include "base/populate.h"
#include "base/reserve.h"
#include "cache/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SLICE_STEP    8u // slices that are populated together
#define SLICE_THIN    8u // this share of the frames loses its blocks when there are too many slices
#define RECORD_GLOBAL 0x80000000u
#define RECORD_PAGE   0x000fffffu

static uint64_t root_entry(const uint32_t *entries, uint32_t page) {
    return (uint64_t)(uintptr_t)entries - 4 * ((uint64_t)page << 12);
}

static int template_create(struct cache *cache, struct error *err) {
    cache->template_fd = memfd_create("ringshade-root", MFD_CLOEXEC);
    if (cache->template_fd < 0 || ftruncate(cache->template_fd, ROOT_BYTES) < 0)
        return error_set(err, "code-map template: %s", strerror(errno));
    uint64_t *map = mmap(NULL, ROOT_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, cache->template_fd, 0);
    if (map == MAP_FAILED)
        return error_set(err, "code-map template: %s", strerror(errno));
    populate_write(map, ROOT_BYTES);
    for (uint32_t page = 0; page < ROOT_PAGES; page++)
        map[page] = root_entry(cache->empty_slice, page);
    munmap(map, ROOT_BYTES);
    map = mmap(NULL, ROOT_BYTES, PROT_READ, MAP_SHARED, cache->template_fd, 0);
    if (map == MAP_FAILED)
        return error_set(err, "empty code map: %s", strerror(errno));
    cache->empty_root.map = map;
    return 0;
}

int codemap_create(struct cache *cache, struct error *err) {
    cache->slice_pool = reserve_private((size_t)SLICE_MAX * SLICE_BYTES);
    if (!cache->slice_pool)
        return error_set(err, "address space for the code map: %s", strerror(errno));
    cache->slice_free = calloc(SLICE_MAX, sizeof *cache->slice_free);
    if (!cache->slice_free)
        return error_set(err, "out of memory");
    cache->empty_slice = (uint32_t *)(void *)cache->slice_pool;
    cache->slice_fresh = 1;
    for (uint32_t i = 0; i < SLICE_ENTRIES; i++)
        cache->empty_slice[i] = cache->miss;
    return template_create(cache, err);
}

void codemap_destroy(struct cache *cache) {
    for (unsigned i = 0; i < cache->root_count; i++) {
        munmap(cache->roots[i].map, ROOT_BYTES);
        free(cache->roots[i].record);
    }
    if (cache->empty_root.map)
        munmap(cache->empty_root.map, ROOT_BYTES);
    if (cache->template_fd > 0)
        close(cache->template_fd);
    reserve_release(cache->slice_pool, (size_t)SLICE_MAX * SLICE_BYTES);
    free(cache->slice_free);
}

// ---- Slices
// -------------------------------------------------------------------------------------------------------------

void slice_reset(struct cache *cache, struct slice *slice) {
    uint32_t *at = slice->entries;
    uint64_t count = SLICE_ENTRIES;
    __asm__ volatile("rep stosl" : "+D"(at), "+c"(count) : "a"(cache->miss) : "memory");
}

// Root entries that point to a slice must go before its memory serves another page.
static void root_drop_slice(struct cache *cache, struct root *root, const struct slice *slice) {
    if (root->count > ROOT_RECORD_MAX) {
        root_clear(cache, root, false);
        return;
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < root->count; i++) {
        uint32_t page = root->record[i] & RECORD_PAGE;
        if (root->map[page] == root_entry(slice->entries, page))
            root->map[page] = root_entry(cache->empty_slice, page);
        else
            root->record[kept++] = root->record[i];
    }
    root->count = kept;
}

static void slice_free(struct cache *cache, struct slice *slice) {
    for (unsigned i = 0; i < cache->root_count; i++)
        root_drop_slice(cache, &cache->roots[i], slice);
    struct frame_code *code = frame_code_find(cache, slice->frame);
    for (struct slice **at = &code->slices; *at; at = &(*at)->next_of_frame)
        if (*at == slice) {
            *at = slice->next_of_frame;
            break;
        }
    cache->slice_free[cache->slice_free_count++] =
        (uint32_t)((uint8_t *)slice->entries - cache->slice_pool) / SLICE_BYTES;
    cache->stats->slices--;
    free(slice);
}

// Blocks that run into this page hold the address of the slice and compare a root entry with it.
static bool slice_promised(const struct frame_code *code, const struct slice *slice) {
    const struct block *block = code->crossing;
    while (block && block->mode != slice->mode)
        block = block->next_crossing;
    return block;
}

// Slices without blocks serve nothing: their frames were written, or their blocks evicted. The one asked for last
// stays: the translator may have been promised it for a block that is about to be stored.
static void slices_collect(struct cache *cache) {
    for (unsigned bucket = 0; bucket < FRAME_BUCKETS; bucket++)
        for (struct frame_code *code = cache->frames[bucket]; code; code = code->next)
            for (struct slice *slice = code->slices, *next; slice; slice = next) {
                next = slice->next_of_frame;
                if (!slice->blocks && slice != cache->slice_last && !slice_promised(code, slice))
                    slice_free(cache, slice);
            }
}

// All of them hold live blocks: those of some frames die, as if their generation had been evicted. Their host code
// stays where it is until that happens, so nobody who holds an address in it is hurt.
static void slices_thin_out(struct cache *cache) {
    for (unsigned tried = 0; tried < FRAME_BUCKETS && !cache->slice_free_count; tried++) {
        cache->slice_hand = (cache->slice_hand + FRAME_BUCKETS / SLICE_THIN) % FRAME_BUCKETS;
        for (unsigned i = 0; i < FRAME_BUCKETS / SLICE_THIN; i++) {
            const struct frame_code *code = cache->frames[(cache->slice_hand + i) % FRAME_BUCKETS];
            for (; code; code = code->next)
                cache->stats->blocks_killed_evict += cache_kill_frame(cache, code->frame);
        }
        slices_collect(cache);
    }
}

static bool slices_out(const struct cache *cache) {
    return !cache->slice_free_count && cache->slice_fresh >= cache->slice_max;
}

struct slice *cache_slice(struct cache *cache, uint32_t frame, uint32_t mode) {
    struct slice *slice = cache_find_slice(cache, frame, mode);
    if (slice)
        return cache->slice_last = slice;
    if (slices_out(cache))
        slices_collect(cache);
    if (slices_out(cache))
        slices_thin_out(cache);
    slice = calloc(1, sizeof *slice);
    if (!slice || slices_out(cache))
        abort(); // the host is out of memory
    uint32_t index = cache->slice_free_count ? cache->slice_free[--cache->slice_free_count] : cache->slice_fresh++;
    if (index >= cache->slice_present) {
        populate_write(cache->slice_pool + (size_t)cache->slice_present * SLICE_BYTES, SLICE_STEP * SLICE_BYTES);
        cache->slice_present += SLICE_STEP;
    }
    slice->entries = (uint32_t *)(void *)(cache->slice_pool + (size_t)index * SLICE_BYTES);
    slice->frame = frame;
    slice->mode = mode;
    slice_reset(cache, slice);
    struct frame_code *code = frame_code_get(cache, frame);
    slice->next_of_frame = code->slices;
    code->slices = slice;
    cache->stats->slices++;
    return cache->slice_last = slice;
}

// ---- Roots
// --------------------------------------------------------------------------------------------------------------

const struct root *cache_empty_root(const struct cache *cache) {
    return &cache->empty_root;
}

void root_clear(struct cache *cache, struct root *root, bool keep_global) {
    if (root->count > ROOT_RECORD_MAX) {
        madvise(root->map, ROOT_BYTES, MADV_DONTNEED);
        for (unsigned i = 0; i < ROOT_TABLE_PAGES / 64; i++)
            root->written[i] = 0;
        root->count = 0;
        return;
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < root->count; i++) {
        uint32_t page = root->record[i] & RECORD_PAGE;
        if (keep_global && (root->record[i] & RECORD_GLOBAL))
            root->record[kept++] = root->record[i];
        else
            root->map[page] = root_entry(cache->empty_slice, page);
    }
    root->count = kept;
}

// The host page of a root that entry `page` lies in.
static bool root_is_written(const struct root *root, uint32_t page) {
    return root->written[page >> 15] >> (page >> 9 & 63) & 1;
}

// A translation of a large page goes as a whole, whichever of its addresses was named (SDM vol. 3A 4.10.4.1).
static void root_clear_large(struct cache *cache, struct root *root, uint32_t linear) {
    root->large[linear >> 28] &= (uint64_t) ~(1ull << (linear >> 22 & 63));
    if (root->count > ROOT_RECORD_MAX) {
        root_clear(cache, root, false);
        return;
    }
    for (uint32_t i = 0; i < root->count; i++) {
        uint32_t page = root->record[i] & RECORD_PAGE;
        if (page >> 10 == linear >> 22)
            root->map[page] = root_entry(cache->empty_slice, page);
    }
}

void root_clear_page(struct cache *cache, struct root *root, uint32_t linear) {
    uint32_t page = linear >> 12;
    if (root->large[linear >> 28] >> (linear >> 22 & 63) & 1)
        root_clear_large(cache, root, linear);
    if (!root_is_written(root, page)) // a store would make the template's page a copy, for nothing
        return;
    root->map[page] = root_entry(cache->empty_slice, page);
}

void root_set(struct cache *cache, struct root *root, uint32_t linear, const struct slice *slice, unsigned flags) {
    uint32_t page = linear >> 12;
    const uint64_t entry = root_entry(slice->entries, page);
    if (root->map[page] != entry) { // one that is replaced is recorded again: it need not be as global as the old one
        if (root->count < ROOT_RECORD_MAX)
            root->record[root->count] = page | (flags & ROOT_GLOBAL ? RECORD_GLOBAL : 0);
        if (root->count <= ROOT_RECORD_MAX)
            root->count++;
    }
    if (flags & ROOT_LARGE)
        root->large[linear >> 28] |= 1ull << (linear >> 22 & 63);
    root->written[page >> 15] |= 1ull << (page >> 9 & 63);
    root->map[page] = entry;
    cache->stats->codemap_fills++;
}

void cache_clear_roots(struct cache *cache, uint32_t view, bool keep_global) {
    for (unsigned i = 0; i < cache->root_count; i++)
        if (view == UINT32_MAX || cache->roots[i].view == view)
            root_clear(cache, &cache->roots[i], keep_global);
}

void cache_clear_roots_page(struct cache *cache, uint32_t linear) {
    for (unsigned i = 0; i < cache->root_count; i++)
        root_clear_page(cache, &cache->roots[i], linear);
}

static struct root *root_make(struct cache *cache, struct root *root) {
    root->map = mmap(NULL, ROOT_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, cache->template_fd, 0);
    root->record = calloc(ROOT_RECORD_MAX, sizeof *root->record);
    if (root->map == MAP_FAILED || !root->record)
        abort(); // 8 MiB of address space
    cache->root_count++;
    cache->stats->roots++;
    return root;
}

static struct root *root_oldest(struct cache *cache) {
    struct root *oldest = &cache->roots[0];
    for (unsigned i = 1; i < cache->root_count; i++)
        if (cache->roots[i].used < oldest->used)
            oldest = &cache->roots[i];
    root_clear(cache, oldest, false);
    return oldest;
}

struct root *cache_root(struct cache *cache, uint32_t view, uint64_t generation, uint32_t mode) {
    struct root *root = NULL;
    for (unsigned i = 0; i < cache->root_count && !root; i++)
        if (cache->roots[i].view == view && cache->roots[i].mode == mode)
            root = &cache->roots[i];
    if (!root) {
        root = cache->root_count < ROOT_MAX ? root_make(cache, &cache->roots[cache->root_count]) : root_oldest(cache);
        root->view = view;
        root->mode = mode;
        root->generation = generation;
    } else if (root->generation != generation) {
        root_clear(cache, root, false);
        root->generation = generation;
    }
    root->used = ++cache->root_clock;
    return root;
}
