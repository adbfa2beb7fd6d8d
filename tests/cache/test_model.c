// The cache against a model that keeps everything in plain arrays, under a random sequence of all operations. The seed
// is fixed; another may be given as the first argument.
#include "cache/internal.h"
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FRAMES  40u
#define OFFSETS 16u // possible places in a page, 32 bytes apart
#define STEPS   66000u
#define KINDS   4u // of content

// The block that the model expects at (frame, mode, place), or NULL; and the frame that it runs into.
struct place {
    struct block *block;
    uint8_t kind;
    uint32_t next_frame;
};

static struct place model[FRAMES][2][OFFSETS];
static struct place model_loose[FRAMES][2][OFFSETS];
static uint64_t seed;

static uint32_t any(uint32_t below) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % below;
}

static uint32_t mode_of(unsigned index) {
    return index ? MODE_B : MODE_A;
}

static void model_kill_frame(uint32_t frame) {
    for (unsigned m = 0; m < 2; m++)
        for (unsigned o = 0; o < OFFSETS; o++) {
            model[frame][m][o].block = model_loose[frame][m][o].block = NULL;
            for (unsigned other = 0; other < FRAMES; other++)
                if (model[other][m][o].next_frame == frame)
                    model[other][m][o].block = NULL;
        }
}

// Whatever lies in [start, end) of the arena is gone.
static void model_evict(uint32_t start, uint32_t end) {
    struct place *places[2] = {&model[0][0][0], &model_loose[0][0][0]};
    for (unsigned list = 0; list < 2; list++)
        for (unsigned i = 0; i < FRAMES * 2 * OFFSETS; i++) {
            struct place *p = &places[list][i];
            if (p->block && p->block->host >= start && p->block->host < end)
                p->block = NULL;
        }
}

static void add(struct fixture *f) {
    unsigned frame = any(FRAMES), m = any(2), o = any(OFFSETS), loose = any(8) == 0;
    bool crossing = !loose && o == OFFSETS - 1;
    struct place *p = loose ? &model_loose[frame][m][o] : &model[frame][m][o];
    if (p->block)
        return;
    struct recipe recipe = {.frame = frame,
                            .next_frame = crossing ? any(FRAMES) : CACHE_NO_FRAME,
                            .offset = o * 32,
                            .mode = mode_of(m),
                            .host_size = 120 + any(3000),
                            .guest_size = (uint16_t)(1 + any(60)),
                            .loose = loose,
                            .exit_count = loose ? 0 : any(3),
                            .fill = (uint8_t)any(KINDS)};
    for (unsigned i = 0; i < recipe.exit_count; i++)
        recipe.target[i] = (uint16_t)(any(OFFSETS) * 32);
    uint64_t evictions = f->stats.cache_evictions;
    uint8_t *rw;
    uint32_t rx, capacity;
    cache_reserve(f->cache, &rw, &rx, &capacity);
    if (f->stats.cache_evictions != evictions) {
        const struct chunk *chunk = &f->cache->chunks[f->cache->current];
        model_evict(chunk->start, chunk->end);
    }
    p->block = fixture_add(f, &recipe);
    p->kind = recipe.fill;
    p->next_frame = recipe.next_frame;
}

static void revive(struct fixture *f) {
    unsigned frame = any(FRAMES), m = any(2), o = any(OFFSETS);
    struct place *p = &model[frame][m][o];
    if (p->block)
        return;
    uint8_t bytes[64];
    uint8_t kind = (uint8_t)any(KINDS);
    memset(bytes, kind, sizeof bytes);
    struct block *block = cache_revive(f->cache, frame, o * 32, mode_of(m), bytes, sizeof bytes);
    if (!block)
        return;
    assert_int_equal(block->guest_bytes[0], kind);
    assert_int_equal(block->next_frame, CACHE_NO_FRAME);
    *p = (struct place){.block = block, .kind = kind, .next_frame = CACHE_NO_FRAME};
}

static void link_any(struct fixture *f) {
    unsigned frame = any(FRAMES), m = any(2);
    struct block *from = model[frame][m][any(OFFSETS)].block;
    if (!from || !from->exit_count)
        return;
    unsigned index = any(from->exit_count);
    struct block *to = model[frame][m][from->links[index].exit.target / 32].block;
    if (to)
        cache_link(f->cache, from, index, to);
}

static void kill_at(struct fixture *f) {
    unsigned frame = any(FRAMES), m = any(2);
    uint32_t offset = any(OFFSETS * 32);
    cache_kill_at(f->cache, frame, offset, mode_of(m));
    for (unsigned o = 0; o < OFFSETS; o++) {
        struct place *both[2] = {&model[frame][m][o], &model_loose[frame][m][o]};
        for (unsigned i = 0; i < 2; i++)
            if (both[i]->block && o * 32 <= offset && offset < o * 32 + both[i]->block->guest_size)
                both[i]->block = NULL;
    }
}

static void check_block(const struct fixture *f, const struct block *block, uint32_t frame, uint32_t mode, uint32_t o) {
    assert_true(block->alive);
    assert_true(block->frame == frame && block->mode == mode && block->offset == o * 32);
    assert_ptr_equal(cache_block_at(f->cache, block->host + block->host_size - 1), block);
    for (unsigned i = 0; i < block->exit_count; i++) {
        const struct block *target = block->links[i].target;
        if (target) {
            assert_true(target->alive && target->frame == frame && target->mode == mode);
            assert_int_equal(fixture_branch(f, block, i), target->host + LINK_ENTRY);
        } else {
            assert_int_equal(fixture_branch(f, block, i), fixture_cold(block, i));
        }
    }
}

static void check(const struct fixture *f) {
    for (uint32_t frame = 0; frame < FRAMES; frame++)
        for (unsigned m = 0; m < 2; m++)
            for (uint32_t o = 0; o < OFFSETS; o++) {
                struct block *block = model[frame][m][o].block, *loose = model_loose[frame][m][o].block;
                assert_ptr_equal(cache_find(f->cache, frame, o * 32, mode_of(m)), block);
                assert_ptr_equal(cache_find_loose(f->cache, frame, o * 32, mode_of(m)), loose);
                if (block)
                    check_block(f, block, frame, mode_of(m), o);
                if (loose)
                    check_block(f, loose, frame, mode_of(m), o);
            }
}

static void test_model(void **state) {
    (void)state;
    static struct fixture f;
    fixture_open(&f, 2, 0);
    for (unsigned step = 0; step < STEPS; step++) {
        switch (any(16)) {
        case 0: {
            uint32_t frame = any(FRAMES);
            cache_kill_frame(f.cache, frame);
            model_kill_frame(frame);
            break;
        }
        case 1: kill_at(&f); break;
        case 2:
        case 3: revive(&f); break;
        case 4: {
            struct block *block = model[any(FRAMES)][any(2)][any(OFFSETS)].block;
            if (block)
                cache_unlink_exits(f.cache, block);
            break;
        }
        case 5:
        case 6:
        case 7: link_any(&f); break;
        default: add(&f);
        }
        if (step % 64 == 0)
            check(&f);
    }
    check(&f);
    assert_true(f.stats.cache_evictions > 20 && f.stats.retained_hits > 50 && f.stats.links_made > 500);
    fixture_close(&f);
}

int main(int argc, char **argv) {
    seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_model)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
