// A cache without an engine: blocks are made up here, nothing is translated and nothing runs.
#ifndef TESTS_CACHE_FIXTURE_H
#define TESTS_CACHE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cache/cache.h"

#define MISS_OFFSET 32 // of the miss stub in the made-up stubs
#define LINK_ENTRY  8  // of every made-up block
#define MODE_A      0x08u
#define MODE_B      0x09u

struct fixture {
    struct stats stats;
    struct cache *cache;
    uint32_t miss;
};

// What the made-up block looks like. Zeroes are good defaults but for host_size and guest_size.
struct recipe {
    uint32_t frame, next_frame, offset, mode, host_size;
    uint16_t guest_size;
    bool loose;
    unsigned exit_count;
    uint16_t target[TRANSLATE_MAX_EXITS]; // page offsets of the exits
    uint8_t fill;                         // every guest byte
    uint8_t other_at, other;              // but this one, if other_at is not 0
};

void fixture_open(struct fixture *f, uint32_t mib, uint32_t slices); // sizes as in struct cache_config
void fixture_close(struct fixture *f);
struct block *fixture_add(struct fixture *f, const struct recipe *recipe);
// A small block without exits at (frame, offset).
struct block *fixture_plain(struct fixture *f, uint32_t frame, uint32_t offset, uint32_t mode);
// Where the branch of exit `index` leads now: a host address.
uint32_t fixture_branch(const struct fixture *f, const struct block *block, unsigned index);
uint32_t fixture_cold(const struct block *block, unsigned index);

#endif
