// A full cache: generations go in turn, and nothing that lived in one is reachable afterwards.
#include "cache/internal.h"
#include "fixture.h"

static int setup(void **state) {
    static struct fixture f;
    fixture_open(&f, 2, 0);
    *state = &f;
    return 0;
}

static int teardown(void **state) {
    fixture_close(*state);
    return 0;
}

static struct recipe looping(uint32_t frame) {
    return (struct recipe){.frame = frame,
                           .next_frame = CACHE_NO_FRAME,
                           .mode = MODE_A,
                           .host_size = 2000,
                           .guest_size = 8,
                           .exit_count = 2,
                           .target = {0, 0x40},
                           .fill = 0x90};
}

static void test_too_small(void **state) {
    struct fixture *f = *state;
    (void)f;
    struct stats stats = {0};
    struct error err;
    const struct cache_config config = {.mib = 1, .stats = &stats};
    struct cache *cache = cache_create(&config, &err);
    const uint8_t stubs[64] = {0};
    assert_non_null(cache);
    assert_int_equal(cache_install_stubs(cache, stubs, sizeof stubs, 0, &err), -1);
    cache_destroy(cache);
}

static void test_generations(void **state) {
    struct fixture *f = *state;
    const uint32_t arena_end = cache_arena(f->cache)->rx + cache_arena(f->cache)->size;
    for (uint32_t frame = 0; frame < 8000; frame++) {
        const struct recipe recipe = looping(frame);
        struct block *block = fixture_add(f, &recipe);
        assert_true(block->host + block->host_size <= arena_end);
        cache_link(f->cache, block, 0, block);
        assert_ptr_equal(cache_find(f->cache, frame, 0, MODE_A), block);
    }
    assert_true(f->stats.cache_evictions > 50);
    uint32_t alive = 0;
    for (uint32_t frame = 0; frame < 8000; frame++) {
        const struct block *block = cache_find(f->cache, frame, 0, MODE_A);
        if (!block)
            continue;
        alive++;
        assert_int_equal(block->frame, frame);
        assert_int_equal(fixture_branch(f, block, 0), block->host + LINK_ENTRY);
    }
    assert_true(alive > 500);
    assert_int_equal(alive, 8000 - f->stats.blocks_killed_evict);
}

// The target of a link is evicted before its source: the branch must lead to its cold path again, not into new code.
static void test_links_across_generations(void **state) {
    struct fixture *f = *state;
    struct recipe target = looping(5), source = looping(5);
    source.offset = 0x100;
    struct block *to = fixture_add(f, &target);
    for (uint32_t i = 0; f->cache->current == 0; i++) {
        const struct recipe filler = looping(1000 + i);
        fixture_add(f, &filler);
    }
    struct block *from = fixture_add(f, &source);
    cache_link(f->cache, from, 0, to);
    for (uint32_t i = 0; f->stats.cache_evictions == 0; i++) {
        const struct recipe filler = looping(5000 + i);
        fixture_add(f, &filler);
    }
    assert_true(from->alive);
    assert_null(cache_find(f->cache, 5, 0, MODE_A));
    assert_int_equal(fixture_branch(f, from, 0), fixture_cold(from, 0));
}

// A dead block that is kept by content must not come back from a generation whose memory serves other code.
static void test_no_revival_from_an_evicted_generation(void **state) {
    struct fixture *f = *state;
    uint8_t bytes[64];
    for (unsigned i = 0; i < sizeof bytes; i++)
        bytes[i] = 0x77;
    struct recipe kept = looping(5);
    kept.fill = 0x77;
    fixture_add(f, &kept);
    cache_kill_frame(f->cache, 5);
    struct block *block = cache_revive(f->cache, 6, 0, MODE_A, bytes, sizeof bytes);
    assert_non_null(block);
    cache_kill_frame(f->cache, 6);
    for (uint32_t i = 0; f->stats.cache_evictions == 0; i++) {
        const struct recipe filler = looping(5000 + i);
        fixture_add(f, &filler);
    }
    assert_null(cache_revive(f->cache, 6, 0, MODE_A, bytes, sizeof bytes));
}

// Blocks as large as they come, and blocks as small as they come.
static void test_extreme_sizes(void **state) {
    struct fixture *f = *state;
    struct recipe large = looping(1);
    large.host_size = TRANSLATE_MAX_HOST;
    large.guest_size = 960;
    for (unsigned i = 0; i < 200; i++) {
        large.frame = i;
        struct block *block = fixture_add(f, &large);
        assert_ptr_equal(cache_block_at(f->cache, block->host + TRANSLATE_MAX_HOST - 1), block);
    }
    for (uint32_t i = 0; i < 150000; i++) {
        const struct recipe small = {.frame = i & 1023,
                                     .next_frame = CACHE_NO_FRAME,
                                     .offset = i >> 10,
                                     .mode = MODE_A,
                                     .host_size = 16,
                                     .guest_size = 1};
        struct block *block = fixture_add(f, &small);
        assert_ptr_equal(cache_block_at(f->cache, block->host), block);
    }
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_too_small),
        TEST(test_generations),
        TEST(test_links_across_generations),
        TEST(test_no_revival_from_an_evicted_generation),
        TEST(test_extreme_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
