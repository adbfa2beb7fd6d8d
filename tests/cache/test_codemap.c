// The two-level code map: what a root entry says after every kind of change, and that a slice's memory serves another
// page only when nothing points to it any more.
#include "cache/internal.h"
#include "fixture.h"

static int setup(void **state) {
    static struct fixture f;
    fixture_open(&f, 4, 64);
    *state = &f;
    return 0;
}

static int teardown(void **state) {
    fixture_close(*state);
    return 0;
}

static void test_empty(void **state) {
    struct fixture *f = *state;
    const struct root *empty = cache_empty_root(f->cache);
    const struct root *made = cache_root(f->cache, 1, 1, MODE_A);
    for (uint64_t linear = 0; linear < 1ull << 32; linear += 4093 * 16) {
        assert_int_equal(root_lookup(empty, (uint32_t)linear), f->miss);
        assert_int_equal(root_lookup(made, (uint32_t)linear), f->miss);
    }
    assert_int_equal(root_lookup(made, 0xffffffff), f->miss);
}

static void test_set_and_clear(void **state) {
    struct fixture *f = *state;
    struct root *root = cache_root(f->cache, 1, 1, MODE_A), *other = cache_root(f->cache, 2, 1, MODE_A);
    struct block *block = fixture_plain(f, 7, 0xfff, MODE_A);
    static const uint32_t pages[] = {0, 0x1000, 0x7ffff000, 0x80000000, 0xfffff000};
    for (unsigned i = 0; i < 5; i++) {
        root_set(f->cache, root, pages[i], block->slice, false);
        assert_int_equal(root_lookup(root, pages[i] + 0xfff), block->host);
        assert_int_equal(root_lookup(root, pages[i] + 0xffe), f->miss);
        assert_int_equal(root_lookup(other, pages[i] + 0xfff), f->miss);
        root_clear_page(f->cache, root, pages[i] + 0x123);
        assert_int_equal(root_lookup(root, pages[i] + 0xfff), f->miss);
    }
    root_set(f->cache, root, 0x5000, block->slice, false);
    root_set(f->cache, other, 0x5000, block->slice, false);
    cache_clear_roots(f->cache, 2, false);
    assert_int_equal(root_lookup(root, 0x5fff), block->host);
    assert_int_equal(root_lookup(other, 0x5fff), f->miss);
    cache_clear_roots(f->cache, UINT32_MAX, false);
    assert_int_equal(root_lookup(root, 0x5fff), f->miss);
}

static void test_global(void **state) {
    struct fixture *f = *state;
    struct root *root = cache_root(f->cache, 0, 1, MODE_A);
    struct block *block = fixture_plain(f, 7, 0, MODE_A);
    root_set(f->cache, root, 0x1000, block->slice, true);
    root_set(f->cache, root, 0x2000, block->slice, false);
    root_clear(f->cache, root, true);
    assert_int_equal(root_lookup(root, 0x1000), block->host);
    assert_int_equal(root_lookup(root, 0x2000), f->miss);
    root_clear(f->cache, root, false);
    assert_int_equal(root_lookup(root, 0x1000), f->miss);
}

// The page was global and is now another one, which is not: a load of CR3 must forget it.
static void test_global_page_becomes_local(void **state) {
    struct fixture *f = *state;
    struct root *root = cache_root(f->cache, 0, 1, MODE_A);
    struct block *old = fixture_plain(f, 7, 0, MODE_A), *new = fixture_plain(f, 8, 0, MODE_A);
    root_set(f->cache, root, 0x1000, old->slice, true);
    root_set(f->cache, root, 0x1000, new->slice, false);
    assert_int_equal(root_lookup(root, 0x1000), new->host);
    root_clear(f->cache, root, true);
    assert_int_equal(root_lookup(root, 0x1000), f->miss);
}

// INVLPG of one address of a large page forgets all of it.
static void test_large_page(void **state) {
    struct fixture *f = *state;
    struct root *root = cache_root(f->cache, 0, 1, MODE_A);
    struct block *block = fixture_plain(f, 7, 0, MODE_A);
    root_set(f->cache, root, 0x801000, block->slice, ROOT_LARGE | ROOT_GLOBAL);
    root_set(f->cache, root, 0xbff000, block->slice, ROOT_LARGE);
    root_set(f->cache, root, 0xc00000, block->slice, 0);
    cache_clear_roots_page(f->cache, 0x900000);
    assert_int_equal(root_lookup(root, 0x801000), f->miss);
    assert_int_equal(root_lookup(root, 0xbff000), f->miss);
    assert_int_equal(root_lookup(root, 0xc00000), block->host);
}

static void test_many_entries(void **state) {
    struct fixture *f = *state;
    struct root *root = cache_root(f->cache, 0, 1, MODE_A);
    struct block *block = fixture_plain(f, 7, 0, MODE_A);
    for (uint32_t count = ROOT_RECORD_MAX - 1; count <= ROOT_RECORD_MAX + 1; count++) {
        for (uint32_t page = 0; page < count; page++)
            root_set(f->cache, root, page << 12, block->slice, false);
        assert_int_equal(root_lookup(root, (count - 1) << 12), block->host);
        root_clear(f->cache, root, true);
        for (uint32_t page = 0; page < count; page++)
            assert_int_equal(root_lookup(root, page << 12), f->miss);
        assert_int_equal(root->count, 0);
    }
}

static void test_generation_and_recycling(void **state) {
    struct fixture *f = *state;
    struct block *block = fixture_plain(f, 7, 0, MODE_A);
    struct root *root = cache_root(f->cache, 3, 1, MODE_A);
    root_set(f->cache, root, 0x1000, block->slice, true);
    assert_ptr_equal(cache_root(f->cache, 3, 1, MODE_A), root);
    assert_int_equal(root_lookup(root, 0x1000), block->host);
    assert_ptr_not_equal(cache_root(f->cache, 3, 1, MODE_B), root);
    assert_ptr_equal(cache_root(f->cache, 3, 2, MODE_A), root); // another address space under the same number
    assert_int_equal(root_lookup(root, 0x1000), f->miss);
    root_set(f->cache, root, 0x1000, block->slice, true);
    for (uint32_t view = 100; view < 100 + ROOT_MAX; view++)
        assert_int_equal(root_lookup(cache_root(f->cache, view, 1, MODE_A), 0x1000), f->miss);
    assert_int_equal(root_lookup(cache_root(f->cache, 3, 2, MODE_A), 0x1000), f->miss); // was the oldest
}

// ---- Slices run out
// ------------------------------------------------------------------------------------------------------

static void test_slices_collected(void **state) {
    struct fixture *f = *state;
    struct root *root = cache_root(f->cache, 0, 1, MODE_A);
    for (uint32_t frame = 0; frame < 1000; frame++) {
        struct block *block = fixture_plain(f, frame, frame & 4095, MODE_A);
        uint32_t linear = (frame % 300) << 12;
        root_set(f->cache, root, linear, block->slice, false);
        assert_int_equal(root_lookup(root, linear + (frame & 4095)), block->host);
        cache_kill_frame(f->cache, frame);
        for (uint32_t page = 0; page < 300; page++)
            assert_int_equal(root_lookup(root, (page << 12) + (frame & 4095)), f->miss);
    }
    assert_true(f->stats.slices <= 64);
}

// Every one of more frames than there are slices holds a live block: some must die, none may be confused.
static void test_slices_exhausted_by_live_blocks(void **state) {
    struct fixture *f = *state;
    struct root *root = cache_root(f->cache, 0, 1, MODE_A);
    for (uint32_t frame = 0; frame < 1000; frame++) {
        struct block *block = fixture_plain(f, frame, 0x10, MODE_A);
        root_set(f->cache, root, frame << 12, block->slice, false);
        assert_ptr_equal(cache_find(f->cache, frame, 0x10, MODE_A), block);
        for (uint32_t page = 0; page <= frame; page++) {
            uint32_t host = root_lookup(root, (page << 12) + 0x10);
            if (host != f->miss)
                assert_int_equal(cache_block_at(f->cache, host)->frame, page);
        }
    }
    assert_true(f->stats.slices <= 64);
}

// A crossing block compares a root entry with the address of the slice of its second page. While it lives, that slice
// must not become another page's.
static void test_slice_of_second_page_stays(void **state) {
    struct fixture *f = *state;
    const struct recipe crossing = {
        .frame = 7, .next_frame = 9, .offset = 0xffe, .mode = MODE_A, .host_size = 50, .guest_size = 5};
    const uint32_t *promised = cache_slice(f->cache, 9, MODE_A)->entries; // as the translator is told
    struct block *block = fixture_add(f, &crossing);
    for (uint32_t frame = 100; frame < 300; frame++) {
        struct slice *slice = cache_slice(f->cache, frame, MODE_A);
        if (block->alive)
            assert_ptr_not_equal(slice->entries, promised);
        fixture_plain(f, frame, 0, MODE_A);
    }
}

// The same while the block is not there yet: between the promise and the commit other slices are asked for.
static void test_promised_slice_stays(void **state) {
    struct fixture *f = *state;
    for (uint32_t round = 0; round < 200; round++) {
        uint32_t frame = 1000 + 2 * round;
        const uint32_t *promised = cache_slice(f->cache, frame + 1, MODE_A)->entries;
        const struct recipe crossing = {
            .frame = frame, .next_frame = frame + 1, .offset = 0xffe, .mode = MODE_A, .host_size = 50, .guest_size = 5};
        struct block *block = fixture_add(f, &crossing);
        assert_ptr_equal(cache_find_slice(f->cache, frame + 1, MODE_A)->entries, promised);
        assert_true(block->alive);
    }
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_empty),
        TEST(test_set_and_clear),
        TEST(test_global),
        TEST(test_global_page_becomes_local),
        TEST(test_large_page),
        TEST(test_many_entries),
        TEST(test_generation_and_recycling),
        TEST(test_slices_collected),
        TEST(test_slices_exhausted_by_live_blocks),
        TEST(test_slice_of_second_page_stays),
        TEST(test_promised_slice_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
