// What is remembered of a guest frame with code: which instructions had better be soft, and for how long, and whether
// its blocks check their own bytes because the page is code and data at once.
#include "cache/internal.h"

#include <stdlib.h>

#define SOFT_HOLD_FIRST (1ull << 27) // cycles: some 50 ms
#define SOFT_HOLD_MAX   (1ull << 35) // some 15 s
#define KILLS_SPAN      (1ull << 27) // cycles in which KILLS_MAX kills make a page a mixed one
#define KILLS_MAX       32u
#define CHECKING_SPAN   (1ull << 33) // cycles after which a mixed page is tried as plain code again

// ---- Soft instructions
// ---------------------------------------------------------------------------------------------------

const uint64_t *cache_soft_map(const struct cache *cache, uint32_t frame) {
    const struct frame_code *code = frame_code_find(cache, frame);
    return code ? code->soft : NULL;
}

void cache_soft_set(struct cache *cache, uint32_t frame, uint32_t offset, uint64_t now) {
    struct frame_code *code = frame_code_get(cache, frame);
    if (!code->soft) {
        code->soft = calloc(SLICE_ENTRIES / 64, sizeof *code->soft);
        if (!code->soft)
            abort(); // 512 bytes: the host is out of memory
        code->next_soft = cache->soft_frames;
        cache->soft_frames = code;
        code->soft_hold = !code->soft_hold                  ? SOFT_HOLD_FIRST
                          : code->soft_hold < SOFT_HOLD_MAX ? 2 * code->soft_hold
                                                            : SOFT_HOLD_MAX;
    }
    code->soft_until = now + code->soft_hold;
    code->soft[offset >> 6] |= 1ull << (offset & 63);
}

static void soft_drop(struct cache *cache, struct frame_code *code) {
    struct frame_code **at = &cache->soft_frames;
    while (*at != code)
        at = &(*at)->next_soft;
    *at = code->next_soft;
    free(code->soft);
    code->soft = NULL;
}

void cache_soft_forget(struct cache *cache, uint32_t frame) {
    struct frame_code *code = frame_code_find(cache, frame);
    if (!code)
        return;
    if (code->soft)
        soft_drop(cache, code);
    code->soft_hold = 0;
}

// The blocks of every mode that cover a soft instruction die.
static unsigned soft_release(struct cache *cache, struct frame_code *code) {
    unsigned count = 0;
    for (uint32_t offset = 0; offset < SLICE_ENTRIES; offset++) {
        if (!(code->soft[offset >> 6] >> (offset & 63) & 1))
            continue;
        count++;
        for (struct slice *slice = code->slices; slice; slice = slice->next_of_frame)
            if (!(slice->mode & MODE_SOFT))
                cache_kill_at(cache, code->frame, offset, slice->mode);
    }
    soft_drop(cache, code);
    return count;
}

unsigned cache_soft_review(struct cache *cache, uint64_t now) {
    unsigned count = 0;
    for (struct frame_code *code = cache->soft_frames, *next; code; code = next) {
        next = code->next_soft;
        if ((int64_t)(now - code->soft_until) > 0)
            count += soft_release(cache, code);
    }
    return count;
}

// ---- Pages that are code and data at once
// --------------------------------------------------------------------------------

void cache_note_kill(struct cache *cache, uint32_t frame, uint64_t now) {
    struct frame_code *code = frame_code_find(cache, frame);
    if (!code)
        return;
    if (now - code->kills_since > KILLS_SPAN) {
        code->kills_since = now;
        code->kills = 0;
    }
    if (++code->kills >= KILLS_MAX) {
        code->self_checking = true;
        code->checking_since = now;
    }
}

bool cache_frame_checks(struct cache *cache, uint32_t frame, uint64_t now) {
    struct frame_code *code = frame_code_find(cache, frame);
    if (!code || !code->self_checking)
        return false;
    if (now - code->checking_since < CHECKING_SPAN)
        return true;
    cache_kill_frame(cache, frame);
    code->self_checking = false;
    code->kills = 0;
    return false;
}
