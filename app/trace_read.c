// See trace_read.h. Nothing in a trace is believed: numbers of blocks, sizes and counts are compared with what is there
// before they are used.
#include "app/trace_read.h"

#include "app/parse.h"
#include "cpu/cpu.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define NONE       UINT32_MAX
#define PAGES      (1u << 20)
#define INSNS_MAX  64u // of a block
#define BLOCKS_MAX (1u << 26)

static const char *const event_names[CPU_TRACE_EVENTS] = {"callout", "fault", "interrupt", "shadow", "mode", "space"};

const char *trace_event_name(unsigned kind) {
    return event_names[kind];
}

const char *trace_counter_name(unsigned counter) {
    static const char *const names[] = {
#define COUNTER_NAME(name) #name,
        TRACE_SAMPLE_COUNTERS(COUNTER_NAME)
#undef COUNTER_NAME
    };
    return names[counter];
}

// ---- Life ----------------------------------------------------------------------------------------------------------

void trace_reader_begin(struct trace_reader *reader, const struct trace_visitor *visitor) {
    *reader = (struct trace_reader){.visitor = *visitor, .last = NONE};
}

void trace_reader_end(struct trace_reader *reader) {
    for (uint32_t i = 0; i < reader->block_count; i++)
        free((void *)(uintptr_t)reader->blocks[i].bytes);
    free(reader->blocks);
    reader->blocks = NULL;
    reader->block_count = 0;
}

int trace_reader_header(struct trace_reader *reader, const void *data, struct ringshade_error *err) {
    struct trace_header *header = &reader->header;
    memcpy(header, data, sizeof *header);
    if (memcmp(header->magic, TRACE_MAGIC, sizeof header->magic))
        return parse_error(err, "not a trace of Ringshade");
    if (header->version != TRACE_VERSION)
        return parse_error(err, "a trace of version %u; this program reads version %d", header->version, TRACE_VERSION);
    if (header->header_size != sizeof *header || header->clock >= TRACE_CLOCKS || header->end >= TRACE_ENDS)
        return parse_error(err, "the header is damaged");
    return 0;
}

// ---- Records -------------------------------------------------------------------------------------------------------

struct cursor {
    const uint8_t *at, *end;
    bool bad;
};

static uint64_t get(struct cursor *c) {
    uint64_t number = 0;
    for (unsigned shift = 0; shift < 64 && c->at < c->end; shift += 7) {
        uint8_t byte = *c->at++;
        if (shift == 63 && byte > 1)
            break;
        number |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return number;
    }
    c->bad = true;
    return 0;
}

static uint32_t get_below(struct cursor *c, uint64_t bound) {
    uint64_t number = get(c);
    c->bad |= number >= bound;
    return c->bad ? 0 : (uint32_t)number;
}

static uint32_t get_word(struct cursor *c) {
    return get_below(c, 1ull << 32);
}

static uint64_t get_time(struct trace_reader *reader, struct cursor *c) {
    uint64_t number = get(c);
    reader->time += number >> 1 ^ (number & 1 ? UINT64_MAX : 0);
    return reader->time;
}

static struct trace_block *new_block(struct trace_reader *reader) {
    if (reader->block_count == reader->room) {
        uint32_t room = reader->room ? 2 * reader->room : 1024;
        struct trace_block *blocks = room > BLOCKS_MAX ? NULL : realloc(reader->blocks, room * sizeof *blocks);
        if (!blocks)
            return NULL;
        reader->blocks = blocks;
        reader->room = room;
    }
    return &reader->blocks[reader->block_count];
}

static void define(struct trace_reader *reader, struct cursor *c) {
    struct trace_block b = {.next = NONE};
    b.linear = get_word(c);
    b.frame = get_word(c);
    b.mode = get_word(c);
    b.host_size = get_word(c);
    b.guest_size = get_below(c, TRACE_BLOCK_MAX + 1);
    b.insns = get_below(c, INSNS_MAX + 1);
    b.identity = get_below(c, INSNS_MAX + 1);
    b.inlined = get_below(c, INSNS_MAX + 1);
    b.callouts = get_below(c, INSNS_MAX + 1);
    b.page = b.linear >> 12;
    c->bad |= b.insns == 0 || b.identity + b.inlined + b.callouts > b.insns || b.guest_size == 0 ||
              (size_t)(c->end - c->at) < b.guest_size;
    if (c->bad)
        return;
    struct trace_block *to = new_block(reader);
    uint8_t *bytes = malloc(b.guest_size);
    if (!to || !bytes) {
        free(bytes);
        c->bad = true;
        return;
    }
    memcpy(bytes, c->at, b.guest_size);
    c->at += b.guest_size;
    b.bytes = bytes;
    *to = b;
    reader->block_count++;
}

static void ran(struct trace_reader *reader, uint32_t id) {
    struct trace_block *b = &reader->blocks[id];
    if (reader->last != NONE)
        reader->blocks[reader->last].next = id;
    reader->last = id;
    reader->insns += b->insns;
    b->runs++;
    if (reader->visitor.block)
        reader->visitor.block(reader->visitor.opaque, b, id, b->page << 12 | (b->linear & 4095));
}

static void ran_as_before(struct trace_reader *reader, struct cursor *c, unsigned times) {
    while (times-- && !c->bad) {
        uint32_t id = reader->last == NONE ? NONE : reader->blocks[reader->last].next;
        c->bad = id == NONE;
        if (!c->bad)
            ran(reader, id);
    }
}

static void ran_named(struct trace_reader *reader, struct cursor *c, bool elsewhere) {
    uint32_t id = get_below(c, reader->block_count);
    uint32_t page = elsewhere ? get_below(c, PAGES) : 0;
    if (c->bad)
        return;
    if (elsewhere)
        reader->blocks[id].page = page;
    ran(reader, id);
}

static void sample(struct trace_reader *reader, struct cursor *c) {
    struct trace_sample s = {.time = get_time(reader, c), .ns = get(c)};
    for (unsigned i = 0; i < TRACE_COUNTERS; i++)
        s.counters[i] = get(c);
    if (!c->bad && reader->visitor.sample)
        reader->visitor.sample(reader->visitor.opaque, &s);
}

static void event(struct trace_reader *reader, struct cursor *c, unsigned kind) {
    struct trace_event e = {.time = get_time(reader, c), .kind = kind};
    e.info = get_below(c, 1u << 24);
    e.linear = get_word(c);
    e.a = get_word(c);
    e.b = get_word(c);
    if (!c->bad && reader->visitor.event)
        reader->visitor.event(reader->visitor.opaque, &e);
}

static void record(struct trace_reader *reader, struct cursor *c) {
    unsigned tag = *c->at++;
    if (tag >= TRACE_RUN) {
        ran_as_before(reader, c, tag - TRACE_RUN + 1);
        return;
    }
    if (tag >= TRACE_EVENT_0 && tag < TRACE_EVENT_0 + CPU_TRACE_EVENTS) {
        event(reader, c, tag - TRACE_EVENT_0);
        return;
    }
    switch (tag) {
    case TRACE_BLOCK: ran_named(reader, c, false); break;
    case TRACE_BLOCK_AT: ran_named(reader, c, true); break;
    case TRACE_DEFINE: define(reader, c); break;
    case TRACE_SAMPLE: sample(reader, c); break;
    case TRACE_STOP: {
        unsigned cause = get_below(c, RINGSHADE_STOP_ERROR + 1u);
        if (!c->bad && reader->visitor.stop)
            reader->visitor.stop(reader->visitor.opaque, cause);
        break;
    }
    default: c->bad = true;
    }
}

int trace_reader_check_chunk(const struct trace_reader *reader, const struct trace_chunk *chunk,
                             struct ringshade_error *err) {
    if (chunk->magic != TRACE_CHUNK || chunk->size == 0 || chunk->size > TRACE_CHUNK_MAX ||
        chunk->index != reader->chunks)
        return parse_error(err, "chunk %u is damaged: its header makes no sense", reader->chunks);
    return 0;
}

int trace_reader_chunk(struct trace_reader *reader, const struct trace_chunk *chunk, const uint8_t *records,
                       struct ringshade_error *err) {
    if (trace_reader_check_chunk(reader, chunk, err))
        return -1;
    if (XXH3_64bits(records, chunk->size) != chunk->hash)
        return parse_error(err, "chunk %u is damaged: its hash is another", reader->chunks);
    struct cursor c = {.at = records, .end = records + chunk->size};
    while (c.at < c.end) {
        const uint8_t *begin = c.at;
        record(reader, &c);
        if (c.bad)
            return parse_error(err, "chunk %u: no valid record at byte %ld", reader->chunks, (long)(begin - records));
    }
    reader->chunks++;
    return 0;
}
