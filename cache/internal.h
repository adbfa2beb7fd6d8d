// What the files of cache/ share. Private to this folder.
#ifndef CACHE_INTERNAL_H
#define CACHE_INTERNAL_H

#include "cache/cache.h"

#define CHUNKS          16    // generations that the arena is divided into
#define FRAME_BUCKETS   16384 // power of two
#define RETAIN_BUCKETS  16384 // power of two
#define RETAIN_LOOKED   16    // dead blocks of a bucket that are compared
#define ROOT_MAX        96
#define ROOT_RECORD_MAX 2048 // beyond this many entries a root is emptied as a whole
#define ROOT_PAGES      (1u << 20)
#define ROOT_BYTES      (ROOT_PAGES * 8u)
#define SLICE_ENTRIES   4096u
#define SLICE_BYTES     (SLICE_ENTRIES * 4u)
#define SLICE_MAX       32768u // reserve of address space for slices
#define BLOCK_ALIGN     16u
#define GRANULE         1024u // bytes of host code, for finding the block of a host address

#define POPULATE_STEP (256u << 10) // bytes that are made present by one call, before they are touched

// Address space that is used from its start on, a piece at a time, and given back as a whole. Its pages are populated
// in steps: on many hosts a page fault costs as much as populating a hundred pages.
struct region {
    uint8_t *base;
    size_t size, used, present;
    size_t dirty; // bytes from the start that were in use before a reset: the rest is zero
};

// A stretch of the arena that is filled and evicted as a whole, with the records of its blocks. The blocks are listed
// in ascending host order.
struct chunk {
    uint32_t start, end, at;
    uint32_t present;      // end of what is populated
    struct region records; // struct block, marks, guest bytes
    struct region list;    // struct block *[]
    uint32_t *first;       // by GRANULE of host code: the first block that starts there or later
    uint32_t indexed;      // granules of first[] that are filled
    uint32_t block_count;
};

// What is known of a guest frame that has, or had, translations.
struct frame_code {
    uint32_t frame;
    struct slice *slices;
    struct block *loose;
    struct block *crossing;         // blocks of other frames whose instruction runs into this one
    uint64_t *soft;                 // 4,096 bits, or NULL
    uint64_t soft_until, soft_hold; // when its soft instructions become direct again; the last time that they were held
    uint64_t kills_since, checking_since;
    uint32_t kills; // since kills_since
    bool self_checking;
    struct frame_code *next_soft; // of those with a soft map
    struct frame_code *next;
};

struct cache {
    struct arena arena;
    struct stats *stats;
    const struct log *log;
    uint32_t miss;       // address of the miss stub
    uint32_t code_start; // behind the stubs
    struct chunk chunks[CHUNKS];
    unsigned current; // chunk being filled
    struct frame_code *frames[FRAME_BUCKETS];
    struct frame_code *soft_frames;
    struct block *retained[RETAIN_BUCKETS];
    // Slices
    uint8_t *slice_pool;
    uint32_t slice_max;       // how many there may be
    struct slice *slice_last; // asked for last
    uint32_t slice_hand;      // where the last thinning out began
    uint32_t slice_fresh;     // slices of the pool handed out at least once
    uint32_t slice_present;   // slices whose pages are populated
    uint32_t *slice_free;     // addresses (pool index) given back
    uint32_t slice_free_count;
    uint32_t *empty_slice;
    // Roots
    int template_fd;
    struct root empty_root;
    struct root roots[ROOT_MAX];
    unsigned root_count;
    uint64_t root_clock;
};

int region_create(struct region *region, size_t size);
void region_destroy(struct region *region);
void *region_take(struct region *region, size_t size); // 8-byte aligned, zeroed; NULL when full
void region_reset(struct region *region);
struct frame_code *frame_code_find(const struct cache *cache, uint32_t frame); // light
struct frame_code *frame_code_get(struct cache *cache, uint32_t frame);
void slices_create(struct cache *cache);
int codemap_create(struct cache *cache, struct error *err);
void codemap_destroy(struct cache *cache);
void slice_reset(struct cache *cache, struct slice *slice);
void block_kill(struct cache *cache, struct block *block);
void block_list_push(struct block **head, struct block *block);
void block_list_remove(struct block *block);
void retain_insert(struct cache *cache, struct block *block);
void retain_remove(struct block *block);

#endif
