// See fixture.h.
#include "fixture.h"

#include <string.h>

#define EXIT_BYTES 32u // of host code for each made-up exit: the branch field, then its cold path

void fixture_open(struct fixture *f, uint32_t mib, uint32_t slices) {
    struct error err;
    static const uint8_t stubs[64];
    memset(f, 0, sizeof *f);
    const struct cache_config config = {.mib = mib, .slices = slices, .stats = &f->stats};
    f->cache = cache_create(&config, &err);
    if (!f->cache || cache_install_stubs(f->cache, stubs, sizeof stubs, MISS_OFFSET, &err) < 0)
        fail_msg("%s", err.text);
    f->miss = cache_arena(f->cache)->rx + MISS_OFFSET;
}

void fixture_close(struct fixture *f) {
    cache_destroy(f->cache);
}

struct block *fixture_add(struct fixture *f, const struct recipe *recipe) {
    static struct translate_output out;
    uint8_t *rw, bytes[4096];
    uint32_t rx, capacity;
    cache_reserve(f->cache, &rw, &rx, &capacity);
    assert_true(capacity >= TRANSLATE_MAX_HOST);
    assert_ptr_equal(rw, arena_rw(cache_arena(f->cache), rx));
    memset(&out, 0, sizeof out);
    out.host_size = recipe->host_size;
    out.guest_size = recipe->guest_size;
    out.link_entry = LINK_ENTRY;
    out.crossing = recipe->next_frame != CACHE_NO_FRAME;
    out.exit_count = (uint16_t)recipe->exit_count;
    assert_true(recipe->host_size >= LINK_ENTRY + 8 + recipe->exit_count * EXIT_BYTES);
    memset(rw, 0xcc, recipe->host_size);
    for (unsigned i = 0; i < recipe->exit_count; i++) {
        uint16_t site = (uint16_t)(LINK_ENTRY + 8 + i * EXIT_BYTES);
        out.exits[i] = (struct block_exit){.site = site,
                                           .cold = (uint16_t)(site + 8),
                                           .cold_return = (uint16_t)(site + 24),
                                           .target = recipe->target[i]};
        int32_t displacement = 8 - 4;
        memcpy(rw + site, &displacement, 4);
    }
    out.mark_count = 2;
    out.marks[0] = (struct block_mark){.host = 0, .guest = (uint16_t)recipe->offset, .length = 1};
    out.marks[1] = (struct block_mark){.host = LINK_ENTRY, .guest = (uint16_t)(recipe->offset + 1), .length = 1};
    memset(bytes, recipe->fill, sizeof bytes);
    if (recipe->other_at)
        bytes[recipe->other_at] = recipe->other;
    return cache_commit(f->cache, &out, recipe->frame, recipe->next_frame, recipe->offset, recipe->mode, recipe->loose,
                        bytes);
}

struct block *fixture_plain(struct fixture *f, uint32_t frame, uint32_t offset, uint32_t mode) {
    const struct recipe recipe = {
        .frame = frame,
        .next_frame = CACHE_NO_FRAME,
        .offset = offset,
        .mode = mode,
        .host_size = 40,
        .guest_size = 4,
    };
    return fixture_add(f, &recipe);
}

uint32_t fixture_branch(const struct fixture *f, const struct block *block, unsigned index) {
    uint32_t site = block->host + block->links[index].exit.site;
    int32_t displacement;
    memcpy(&displacement, arena_rw(cache_arena(f->cache), site), 4);
    return site + 4 + (uint32_t)displacement;
}

uint32_t fixture_cold(const struct block *block, unsigned index) {
    return block->host + block->links[index].exit.cold;
}
