// Blocks: found by guest place and by host address, linked, unlinked, killed, brought back.
#include "fixture.h"

#include <string.h>

static int setup(void **state) {
    static struct fixture f;
    fixture_open(&f, 4, 0);
    *state = &f;
    return 0;
}

static int teardown(void **state) {
    fixture_close(*state);
    return 0;
}

static struct recipe exits_to(uint32_t offset, uint16_t first, uint16_t second) {
    return (struct recipe){.frame = 7,
                           .next_frame = CACHE_NO_FRAME,
                           .offset = offset,
                           .mode = MODE_A,
                           .host_size = 100,
                           .guest_size = 8,
                           .exit_count = 2,
                           .target = {first, second}};
}

static void test_found(void **state) {
    struct fixture *f = *state;
    struct block *block = fixture_plain(f, 7, 0x123, MODE_A);
    assert_ptr_equal(cache_find(f->cache, 7, 0x123, MODE_A), block);
    assert_null(cache_find(f->cache, 7, 0x124, MODE_A));
    assert_null(cache_find(f->cache, 7, 0x123, MODE_B));
    assert_null(cache_find(f->cache, 8, 0x123, MODE_A));
    assert_null(cache_find_loose(f->cache, 7, 0x123, MODE_A));
    assert_int_equal(block->slice->entries[0x123], block->host);
    assert_int_equal(block->slice->entries[0x122], f->miss);
}

static void test_host_addresses(void **state) {
    struct fixture *f = *state;
    struct block *blocks[200];
    for (unsigned i = 0; i < 200; i++) {
        const struct recipe recipe = {
            .frame = i, .next_frame = CACHE_NO_FRAME, .mode = MODE_A, .guest_size = 4, .host_size = 33 + i * 37 % 5000};
        blocks[i] = fixture_add(f, &recipe);
    }
    for (unsigned i = 0; i < 200; i++) {
        struct block *b = blocks[i];
        assert_ptr_equal(cache_block_at(f->cache, b->host), b);
        assert_ptr_equal(cache_block_at(f->cache, b->host + b->host_size / 2), b);
        assert_ptr_equal(cache_block_at(f->cache, b->host + b->host_size - 1), b);
        const struct block *behind = cache_block_at(f->cache, b->host + b->host_size);
        assert_true(behind == NULL || (i + 1 < 200 && behind == blocks[i + 1]));
        assert_int_equal(block_mark_at(b, b->host + LINK_ENTRY - 1)->guest, 0);
        assert_int_equal(block_mark_at(b, b->host + b->host_size - 1)->guest, 1);
    }
    assert_null(cache_block_at(f->cache, f->miss));
    assert_null(cache_block_at(f->cache, blocks[199]->host + 8192));
    cache_kill_frame(f->cache, 100);
    assert_ptr_equal(cache_block_at(f->cache, blocks[100]->host + 1),
                     blocks[100]); // dead, but its code still lies there
}

static void test_links(void **state) {
    struct fixture *f = *state;
    const struct recipe a = exits_to(0, 0x40, 0x80), b = exits_to(0x40, 0, 0x80), c = exits_to(0x80, 0x80, 0);
    struct block *first = fixture_add(f, &a), *second = fixture_add(f, &b), *third = fixture_add(f, &c);
    assert_int_equal(fixture_branch(f, first, 0), fixture_cold(first, 0));
    cache_link(f->cache, first, 0, second);
    cache_link(f->cache, first, 1, third);
    cache_link(f->cache, second, 1, third);
    cache_link(f->cache, third, 0, third); // a loop on itself
    assert_int_equal(fixture_branch(f, first, 0), second->host + LINK_ENTRY);
    assert_int_equal(fixture_branch(f, third, 0), third->host + LINK_ENTRY);
    cache_link(f->cache, first, 0, second); // twice is once
    assert_int_equal(f->stats.links_made, 4);
    cache_unlink_exits(f->cache, first);
    assert_int_equal(fixture_branch(f, first, 0), fixture_cold(first, 0));
    assert_int_equal(fixture_branch(f, first, 1), fixture_cold(first, 1));
    assert_int_equal(fixture_branch(f, second, 1), third->host + LINK_ENTRY);
    assert_int_equal(f->stats.links_cut, 2);
}

static void test_kill_cuts_every_way_in(void **state) {
    struct fixture *f = *state;
    const struct recipe a = exits_to(0, 0x40, 0), b = exits_to(0x40, 0, 0x40),
                        other = {.frame = 7,
                                 .next_frame = CACHE_NO_FRAME,
                                 .offset = 0x40,
                                 .mode = MODE_B,
                                 .host_size = 50,
                                 .guest_size = 4};
    struct block *first = fixture_add(f, &a), *second = fixture_add(f, &b), *third = fixture_add(f, &other);
    cache_link(f->cache, first, 0, second);
    cache_link(f->cache, second, 0, first);
    cache_link(f->cache, second, 1, second);
    struct slice *slice = second->slice;
    assert_int_equal(cache_kill_at(f->cache, 7, 0x44, MODE_A), 1); // in the middle of the second
    assert_false(second->alive);
    assert_true(first->alive && third->alive);
    assert_int_equal(slice->entries[0x40], f->miss);
    assert_int_equal(fixture_branch(f, first, 0), fixture_cold(first, 0));
    assert_int_equal(fixture_branch(f, second, 0), fixture_cold(second, 0));
    assert_int_equal(fixture_branch(f, second, 1), fixture_cold(second, 1));
    assert_int_equal(cache_kill_frame(f->cache, 7), 2);
    assert_int_equal(cache_kill_frame(f->cache, 7), 0);
}

static void test_crossing_dies_with_either_frame(void **state) {
    struct fixture *f = *state;
    const struct recipe crossing = {
        .frame = 7, .next_frame = 9, .offset = 0xffe, .mode = MODE_A, .host_size = 50, .guest_size = 5};
    for (unsigned frame = 7; frame <= 9; frame += 2) {
        struct block *block = fixture_add(f, &crossing);
        fixture_plain(f, 9, 0x10, MODE_A);
        assert_int_equal(cache_kill_frame(f->cache, frame), frame == 7 ? 1 : 2 + 1);
        assert_false(block->alive);
        assert_null(cache_find(f->cache, 7, 0xffe, MODE_A));
        const uint8_t bytes[8] = {0};
        assert_null(cache_revive(f->cache, 7, 0xffe, MODE_A, bytes, 2)); // it holds the address of a slice
    }
}

static void test_loose(void **state) {
    struct fixture *f = *state;
    struct recipe recipe = exits_to(0x20, 0x40, 0x40);
    recipe.loose = true;
    struct block *block = fixture_add(f, &recipe);
    assert_ptr_equal(cache_find_loose(f->cache, 7, 0x20, MODE_A), block);
    assert_null(cache_find_loose(f->cache, 7, 0x20, MODE_B));
    assert_null(cache_find(f->cache, 7, 0x20, MODE_A));
    assert_int_equal(block->exit_count, 0); // a loose block is never linked
    assert_int_equal(cache_kill_frame(f->cache, 7), 1);
    assert_null(cache_find_loose(f->cache, 7, 0x20, MODE_A));
}

static void test_revive(void **state) {
    struct fixture *f = *state;
    struct recipe recipe = exits_to(0x20, 0x20, 0x30);
    recipe.fill = 0x90;
    uint8_t bytes[64];
    memset(bytes, 0x90, sizeof bytes);
    struct block *block = fixture_add(f, &recipe);
    assert_null(cache_revive(f->cache, 8, 0x20, MODE_A, bytes, sizeof bytes)); // it lives
    cache_link(f->cache, block, 0, block);
    cache_kill_frame(f->cache, 7);
    assert_null(cache_revive(f->cache, 8, 0x21, MODE_A, bytes, sizeof bytes));
    assert_null(cache_revive(f->cache, 8, 0x20, MODE_B, bytes, sizeof bytes));
    assert_null(cache_revive(f->cache, 8, 0x20, MODE_A, bytes, recipe.guest_size - 1u));
    bytes[recipe.guest_size - 1] = 0x91;
    assert_null(cache_revive(f->cache, 8, 0x20, MODE_A, bytes, sizeof bytes));
    bytes[recipe.guest_size - 1] = 0x90;
    bytes[recipe.guest_size] = 0x91; // behind it: no matter
    assert_ptr_equal(cache_revive(f->cache, 8, 0x20, MODE_A, bytes, sizeof bytes), block);
    assert_ptr_equal(cache_find(f->cache, 8, 0x20, MODE_A), block);
    assert_null(cache_find(f->cache, 7, 0x20, MODE_A));
    assert_int_equal(fixture_branch(f, block, 0), fixture_cold(block, 0));
    assert_null(cache_revive(f->cache, 9, 0x20, MODE_A, bytes, sizeof bytes)); // one block, one place
    assert_int_equal(cache_kill_frame(f->cache, 8), 1);
}

enum { MANY = 200 };

// Dead blocks of one place that differ in one byte.
static void make_many_dead(struct fixture *f, uint16_t size, uint8_t other_at, struct block *blocks[MANY]) {
    struct recipe recipe = exits_to(0x20, 0x20, 0x30);
    recipe.guest_size = size;
    recipe.other_at = other_at;
    for (unsigned i = 0; i < MANY; i++) {
        recipe.other = (uint8_t)i;
        blocks[i] = fixture_add(f, &recipe);
        cache_kill_frame(f->cache, 7);
    }
}

static struct block *revive_other(struct fixture *f, uint8_t other_at, unsigned other) {
    uint8_t bytes[64] = {0};
    bytes[other_at] = (uint8_t)other;
    return cache_revive(f->cache, 7, 0x20, MODE_A, bytes, sizeof bytes);
}

static void test_revive_one_of_many(void **state) {
    struct fixture *f = *state;
    const struct {
        uint16_t size;
        uint8_t other_at;
    } cases[] = {{4, 2}, {15, 3}, {16, 5}, {40, 15}}; // in what they are filed by
    struct block *blocks[MANY];
    for (unsigned c = 0; c < sizeof cases / sizeof *cases; c++) {
        make_many_dead(f, cases[c].size, cases[c].other_at, blocks);
        for (unsigned i = 0; i < MANY; i++)
            assert_ptr_equal(revive_other(f, cases[c].other_at, i), blocks[i]);
        cache_kill_frame(f->cache, 7);
    }
}

// Of those that begin alike the latest are found: what a lookup costs does not grow with their number.
static void test_revive_looks_at_few(void **state) {
    struct fixture *f = *state;
    struct block *blocks[MANY];
    make_many_dead(f, 40, 20, blocks);
    assert_null(revive_other(f, 20, 0));
    assert_ptr_equal(revive_other(f, 20, MANY - 5), blocks[MANY - 5]);
}

// A block that dies because an instruction in it must become soft has the right bytes and the wrong form.
static void test_wrong_form_is_not_revived(void **state) {
    struct fixture *f = *state;
    const uint8_t bytes[16] = {0};
    fixture_plain(f, 7, 0x20, MODE_A);
    assert_int_equal(cache_kill_at(f->cache, 7, 0x22, MODE_A), 1);
    assert_null(cache_revive(f->cache, 7, 0x20, MODE_A, bytes, sizeof bytes));
}

static void test_soft_map(void **state) {
    struct fixture *f = *state;
    assert_null(cache_soft_map(f->cache, 7));
    cache_soft_forget(f->cache, 7);
    cache_soft_set(f->cache, 7, 0, 0);
    cache_soft_set(f->cache, 7, 4095, 0);
    cache_soft_set(f->cache, 7, 64, 0);
    const uint64_t *map = cache_soft_map(f->cache, 7);
    for (unsigned i = 0; i < 4096; i++)
        assert_int_equal(map[i >> 6] >> (i & 63) & 1, i == 0 || i == 64 || i == 4095);
    assert_null(cache_soft_map(f->cache, 8));
    cache_soft_forget(f->cache, 7);
    assert_null(cache_soft_map(f->cache, 7));
}

static void test_arena(void **state) {
    struct fixture *f = *state;
    const struct arena *arena = cache_arena(f->cache);
    assert_true(arena->rx >= 0x10000 && (uint64_t)arena->rx + arena->size <= 1u << 30);
    arena_rw(arena, arena->rx + 4096)[0] = 0x5a;
    assert_int_equal(*(const uint8_t *)(uintptr_t)(arena->rx + 4096), 0x5a);
    struct arena other;
    struct error err;
    assert_int_equal(arena_create(&other, 8u << 20, &err), 0);
    assert_true(other.rx + other.size <= arena->rx || other.rx >= arena->rx + arena->size);
    arena_destroy(&other);
    assert_int_equal(arena_create(&other, 1u << 30, &err), -1);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_found),
        TEST(test_host_addresses),
        TEST(test_links),
        TEST(test_kill_cuts_every_way_in),
        TEST(test_crossing_dies_with_either_frame),
        TEST(test_loose),
        TEST(test_revive),
        TEST(test_revive_one_of_many),
        TEST(test_revive_looks_at_few),
        TEST(test_wrong_form_is_not_revived),
        TEST(test_soft_map),
        TEST(test_arena),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
