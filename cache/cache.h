// The code cache: stores translated blocks in a doubly mapped arena, finds them by guest frame and mode through the
// two-level code map, links and unlinks them, and forgets them when their bytes change or room is needed.
// It knows no guest memory and decodes nothing. All functions run on the vCPU thread; those marked "signal-safe" may
// also run in a host signal handler that interrupted translated code (never one that interrupted this module).
#ifndef CACHE_CACHE_H
#define CACHE_CACHE_H

#include "base/error.h"
#include "base/log.h"
#include "base/stats.h"
#include "translator/translator.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CACHE_DEFAULT_MIB 64
#define ROOT_TABLE_PAGES  2048 // host pages of a root
#define CACHE_NO_FRAME    UINT32_MAX

// ---- Arena: one memfd, mapped read-execute below 1 GiB and read-write elsewhere
// ---------------------------------------

struct arena {
    uint8_t *rw;   // write here
    uint32_t rx;   // runs here
    uint32_t size; // bytes, both mappings
    int fd;
};

int arena_create(struct arena *arena, uint32_t size, struct error *err);
void arena_destroy(struct arena *arena);
static inline uint8_t *arena_rw(const struct arena *arena, uint32_t rx) {
    return arena->rw + (rx - arena->rx);
}

// ---- Blocks
// ------------------------------------------------------------------------------------------------------------

struct slice;
struct block;

// A direct transfer inside a page, and its place in the list of exits that are linked to the same block.
struct block_link {
    struct block_exit exit;
    struct block *target;              // NULL while not linked
    struct block_link *next, **anchor; // among the links of target
    struct block *owner;
};

struct block {
    uint32_t host; // address of its first instruction
    uint32_t host_size;
    uint32_t frame;      // guest frame of its bytes
    uint32_t next_frame; // second frame of a crossing block, or CACHE_NO_FRAME
    uint32_t mode;
    uint16_t offset; // in the page
    uint16_t guest_size;
    uint16_t link_entry; // offset of the entry for links
    uint16_t mark_count;
    uint16_t exit_count;
    uint16_t insns;     // guest instructions in it
    bool alive;         // reachable through its slice or the loose table
    bool loose;         // without slice: one-instruction modes
    bool self_checking; // compares its own bytes before it runs; belongs to one frame for good
    struct slice *slice;
    struct block *next_in_slice, **anchor_in_slice; // or in the list of its frame's loose blocks
    struct block *next_crossing, **anchor_crossing; // in next_frame's list
    struct block *next_retained, **anchor_retained; // dead blocks, by content
    struct block_link *incoming;
    struct block_mark *marks;
    uint8_t *guest_bytes;      // guest_size bytes, as translated
    struct block_link links[]; // exit_count of them
};

// ---- Code map
// ----------------------------------------------------------------------------------------------------------

// Host entry points of one guest page in one mode: 4,096 addresses below 1 GiB, the miss stub's where there is no
// block.
struct slice {
    uint32_t *entries;
    uint32_t frame, mode;
    struct block *blocks;
    struct slice *next_of_frame;
};

// Slices by linear page: entry p holds the slice's address minus 4 x the page's linear address.
struct root {
    uint64_t *map; // 2^20 entries, a private mapping of the template
    uint32_t view, mode;
    uint64_t generation;
    uint64_t used;                           // for replacement
    uint32_t count;                          // entries recorded, or more than the record holds
    uint64_t written[ROOT_TABLE_PAGES / 64]; // host pages of the map that were ever written: others are the template's
    uint64_t large[16];                      // by 4 MiB of linear addresses: some entry was of a large page
    uint32_t *record;                        // pages (bits 0-19) that differ from the template; bit 31: global
};

struct cache_config {
    uint32_t mib;    // arena size; 0 means CACHE_DEFAULT_MIB
    uint32_t slices; // at most so many code-map slices, 16 KiB each; 0 means the default, 32,768
    struct stats *stats;
    const struct log *log;
};

struct cache;
struct cache *cache_create(const struct cache_config *config, struct error *err);
void cache_destroy(struct cache *cache);
const struct arena *cache_arena(const struct cache *cache);

// The first bytes of the arena hold the stubs: copies them there and fills every empty slice entry with miss_stub.
// Called once, before any slice exists.
int cache_install_stubs(struct cache *cache, const void *code, uint32_t size, uint32_t miss_offset, struct error *err);

// Room for one block of at most TRANSLATE_MAX_HOST bytes: evicts the oldest generation if need be (any block but those
// that hold `keep`, a host address, may die; pass 0 for none).
void cache_reserve(struct cache *cache, uint8_t **rw, uint32_t *rx, uint32_t *capacity);

// Stores the block that was emitted at the reserved place. `bytes` are its guest bytes (out->guest_size of them).
// A loose block has no slice. Returns NULL if out of memory.
struct block *cache_commit(struct cache *cache, const struct translate_output *out, uint32_t frame, uint32_t next_frame,
                           uint32_t offset, uint32_t mode, bool loose, const uint8_t *bytes);
// The block just committed checks itself: it is not revived for another frame.
static inline void block_set_self_checking(struct block *block) {
    block->self_checking = true;
}

// A dead block with the same bytes, offset and mode is made alive again for `frame`; NULL if there is none.
// `available` bytes can be read at `bytes` (to the end of the page).
struct block *cache_revive(struct cache *cache, uint32_t frame, uint32_t offset, uint32_t mode, const uint8_t *bytes,
                           uint32_t available);

struct slice *cache_slice(struct cache *cache, uint32_t frame, uint32_t mode);                 // made if missing
struct slice *cache_find_slice(struct cache *cache, uint32_t frame, uint32_t mode);            // light: NULL if missing
struct block *cache_find(struct cache *cache, uint32_t frame, uint32_t offset, uint32_t mode); // alive, not loose
struct block *cache_find_loose(struct cache *cache, uint32_t frame, uint32_t offset, uint32_t mode);

// The block whose host code holds `host`, dead or alive; NULL if none. Signal-safe.
struct block *cache_block_at(const struct cache *cache, uint32_t host);
// The mark that covers `host` in the block. Signal-safe.
const struct block_mark *block_mark_at(const struct block *block, uint32_t host);
// How many of the block's instructions stand at page offset `offset` or behind it. Signal-safe.
unsigned block_insns_from(const struct block *block, uint32_t offset);

// Patches exit `index` of `from` to the link entry of `to` (same frame and mode), or back.
void cache_link(struct cache *cache, struct block *from, unsigned index, struct block *to);
void cache_unlink_exits(struct cache *cache, struct block *from); // signal-safe

// Every block with bytes in `frame` dies: slices emptied, links cut. Returns how many. Host code stays until evicted.
unsigned cache_kill_frame(struct cache *cache, uint32_t frame);
// Every block of (frame, mode) that covers page offset `offset` dies.
unsigned cache_kill_at(struct cache *cache, uint32_t frame, uint32_t offset, uint32_t mode);

// ---- What is remembered of a frame
// --------------------------------------------------------------------------------------- Times are host TSC cycles:
// only their differences count, and only roughly.

// Instructions that must be soft in direct mode: 4,096 bits by page offset, NULL if none.
const uint64_t *cache_soft_map(const struct cache *cache, uint32_t frame);
// Each change doubles the time for which the frame's soft instructions stay so.
void cache_soft_set(struct cache *cache, uint32_t frame, uint32_t offset, uint64_t now);
// The frame's content changed: nothing that was learned of it holds.
void cache_soft_forget(struct cache *cache, uint32_t frame);
// Instructions whose time is over become direct again: their blocks die. Returns how many instructions.
unsigned cache_soft_review(struct cache *cache, uint64_t now);

// A write killed blocks of the frame. When that goes on (code and data in one page), the frame's blocks check
// themselves from then on and writes to it go free.
void cache_note_kill(struct cache *cache, uint32_t frame, uint64_t now);
// Do the frame's blocks check themselves? After some seconds the answer is no again, and its blocks are dead.
bool cache_frame_checks(struct cache *cache, uint32_t frame, uint64_t now);

// ---- Roots
// ---------------------------------------------------------------------------------------------------------------

const struct root *cache_empty_root(const struct cache *cache);
// The root of (view, mode), made (and another recycled) if missing. An older generation of the view is emptied.
struct root *cache_root(struct cache *cache, uint32_t view, uint64_t generation, uint32_t mode);
// What is known of the page of an entry.
enum root_flag {
    ROOT_GLOBAL = 1, // stays when keep_global is asked for
    ROOT_LARGE = 2,  // of a large page: goes with every other entry of its 4 MiB
};
static inline unsigned root_flags(bool global, bool large) {
    return (global ? ROOT_GLOBAL : 0u) | (large ? ROOT_LARGE : 0u);
}
void root_set(struct cache *cache, struct root *root, uint32_t linear, const struct slice *slice, unsigned flags);
void root_clear_page(struct cache *cache, struct root *root, uint32_t linear);
void root_clear(struct cache *cache, struct root *root, bool keep_global);
// Calls for every root of the view (or of every view: view = UINT32_MAX).
void cache_clear_roots(struct cache *cache, uint32_t view, bool keep_global);
void cache_clear_roots_page(struct cache *cache, uint32_t linear);

// Host address of the block at `linear`, or that of the miss stub.
static inline uint32_t root_lookup(const struct root *root, uint32_t linear) {
    return *(const uint32_t *)(uintptr_t)(root->map[linear >> 12] + 4 * (uint64_t)linear);
}

#endif
