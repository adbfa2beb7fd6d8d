// See trace_encoder.h. Runs on the vCPU's thread, between two guest instructions.
#include "machine/trace_encoder.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <xxhash.h>

#define NONE       UINT32_MAX
#define NUMBER_MAX 10u         // bytes of a number
#define LATE_NS    1000000000u // a chunk waits so long at most for the records that fill it
#define RECORD_MAX (1u + 9 * NUMBER_MAX + TRACE_BLOCK_MAX)

_Static_assert(sizeof(struct trace_header) == 64 && sizeof(struct trace_chunk) == 24, "the format");
_Static_assert(RECORD_MAX > 1 + (2 + TRACE_COUNTERS) * NUMBER_MAX, "a definition is the longest record");

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

// ---- Chunks --------------------------------------------------------------------------------------------------------

static void write_header(struct trace_encoder *e) {
    struct trace_header header = {.version = TRACE_VERSION, .header_size = sizeof header, .clock = e->clock};
    memcpy(header.magic, TRACE_MAGIC, sizeof header.magic);
    e->begun = true;
    e->failed = e->write(e->opaque, &header, sizeof header) < 0;
}

static void write_chunk(struct trace_encoder *e) {
    if (!e->begun)
        write_header(e);
    if (!e->chunk.size || e->failed)
        return;
    e->chunk.hash = XXH3_64bits(e->records, e->chunk.size);
    e->failed = e->write(e->opaque, &e->chunk, sizeof e->chunk + e->chunk.size) < 0; // the records follow in memory
    e->chunk.index++;
    e->chunk.size = 0;
    e->written_ns = now_ns();
}

static void put_byte(struct trace_encoder *e, unsigned byte) {
    e->records[e->chunk.size++] = (uint8_t)byte;
}

static void put(struct trace_encoder *e, uint64_t number) {
    for (; number >= 0x80; number >>= 7)
        put_byte(e, (unsigned)(number & 0x7f) | 0x80);
    put_byte(e, (unsigned)number);
}

static void put_time(struct trace_encoder *e, uint64_t time) {
    uint64_t difference = time - e->time;
    e->time = time;
    put(e, difference << 1 ^ (difference >> 63 ? UINT64_MAX : 0));
}

static void end_run(struct trace_encoder *e) {
    if (e->run)
        put_byte(e, TRACE_RUN + e->run - 1);
    e->run = 0;
}

static void make_room(struct trace_encoder *e) {
    end_run(e);
    if (e->chunk.size + RECORD_MAX + 1 > TRACE_CHUNK_MAX) // and a run behind it
        write_chunk(e);
}

static void begin(struct trace_encoder *e, unsigned tag) {
    make_room(e);
    put_byte(e, tag);
}

// ---- What the vCPU tells -------------------------------------------------------------------------------------------

static bool grow(struct trace_encoder *e) {
    uint32_t room = e->room ? 2 * e->room : 4096;
    uint32_t *next = realloc(e->next, room * sizeof *next);
    e->next = next ? next : e->next;
    uint32_t *page = realloc(e->page, room * sizeof *page);
    e->page = page ? page : e->page;
    e->room = next && page ? room : e->room;
    return next && page;
}

static int on_block(void *opaque, const struct cpu_trace_block *b) {
    struct trace_encoder *e = opaque;
    if (!e->begun)
        write_header(e);
    if (e->blocks == e->room && !grow(e))
        e->failed = true;
    if (e->failed)
        return -1;
    e->next[e->blocks] = NONE;
    e->page[e->blocks++] = b->linear >> 12;
    begin(e, TRACE_DEFINE);
    const uint32_t numbers[] = {b->linear, b->frame,    b->mode,    b->host_size, b->guest_size,
                                b->insns,  b->identity, b->inlined, b->callouts};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        put(e, numbers[i]);
    memcpy(e->records + e->chunk.size, b->bytes, b->guest_size);
    e->chunk.size += b->guest_size;
    return e->failed ? -1 : 0;
}

static void put_block(struct trace_encoder *e, uint32_t id, uint32_t page) {
    bool known = e->last != NONE && e->next[e->last] == id, same = e->page[id] == page;
    if (known && same) {
        if (e->run == TRACE_RUN_MAX)
            make_room(e);
        e->run++;
    } else {
        begin(e, same ? TRACE_BLOCK : TRACE_BLOCK_AT);
        put(e, id);
        if (!same)
            put(e, page);
        e->page[id] = page;
    }
    if (e->last != NONE)
        e->next[e->last] = id;
    e->last = id;
}

static void put_event(struct trace_encoder *e, uint32_t word, uint32_t linear, uint64_t data, uint64_t time) {
    begin(e, TRACE_EVENT_0 + (word >> 24 & 0x7f));
    put_time(e, time);
    put(e, word & 0xffffff);
    put(e, linear);
    put(e, (uint32_t)data);
    put(e, data >> 32);
}

static void put_sample(struct trace_encoder *e, uint64_t lost, uint64_t time) {
    const struct stats *s = e->stats;
    const uint64_t counters[TRACE_COUNTERS] = {
        [TRACE_COUNTER_cache_bytes] = s->cache_bytes,
        [TRACE_COUNTER_blocks_translated] = s->blocks_translated,
        [TRACE_COUNTER_killed] = s->blocks_killed_write + s->blocks_killed_dma + s->blocks_killed_evict,
        [TRACE_COUNTER_cache_evictions] = s->cache_evictions,
        [TRACE_COUNTER_links_made] = s->links_made,
        [TRACE_COUNTER_dispatches] = s->dispatches,
        [TRACE_COUNTER_softtlb_misses] = s->softtlb_misses,
        [TRACE_COUNTER_bounced] = s->bounces_read + s->bounces_write,
        [TRACE_COUNTER_shadow_faults] = s->shadow_faults,
        [TRACE_COUNTER_host_maps] = s->host_maps,
        [TRACE_COUNTER_exceptions] = s->exceptions,
        [TRACE_COUNTER_page_faults] = s->page_faults,
        [TRACE_COUNTER_interrupts] = s->interrupts,
        [TRACE_COUNTER_lost] = lost,
    };
    begin(e, TRACE_SAMPLE);
    put_time(e, time);
    put(e, now_ns() - e->start_ns);
    for (unsigned i = 0; i < TRACE_COUNTERS; i++)
        put(e, counters[i]);
}

static int on_records(void *opaque, const uint64_t *words, size_t count, uint64_t lost, uint64_t time) {
    struct trace_encoder *e = opaque;
    while (count && !e->failed) {
        uint64_t word = words[--count];
        if (word & CPU_TRACE_EVENT) {
            put_event(e, (uint32_t)word, (uint32_t)(word >> 32), words[count - 1], words[count - 2]);
            count -= CPU_TRACE_EVENT_WORDS - 1;
        } else {
            put_block(e, (uint32_t)word, (uint32_t)(word >> 44));
        }
    }
    put_sample(e, lost, time);
    if (now_ns() - e->written_ns > LATE_NS)
        write_chunk(e);
    return e->failed ? -1 : 0;
}

// ---- Life ----------------------------------------------------------------------------------------------------------

struct trace_encoder *trace_encoder_create(bool virtual_clock, const struct stats *stats,
                                           int (*write)(void *opaque, const void *data, size_t size), void *opaque,
                                           struct error *err) {
    struct trace_encoder *e = calloc(1, sizeof *e);
    if (!e) {
        error_set(err, "out of memory");
        return NULL;
    }
    e->cpu = (struct cpu_trace){.block = on_block, .records = on_records, .opaque = e};
    e->write = write;
    e->opaque = opaque;
    e->stats = stats;
    e->last = NONE;
    e->start_ns = e->written_ns = now_ns();
    e->chunk.magic = TRACE_CHUNK;
    e->clock = virtual_clock ? TRACE_CLOCK_INSTRUCTIONS : TRACE_CLOCK_HOST;
    return e;
}

void trace_encoder_stop(struct trace_encoder *e, unsigned cause) {
    begin(e, TRACE_STOP);
    put(e, cause);
    write_chunk(e);
}

void trace_encoder_destroy(struct trace_encoder *e) {
    if (!e)
        return;
    free(e->next);
    free(e->page);
    free(e);
}
