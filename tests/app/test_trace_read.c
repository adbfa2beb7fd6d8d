// The trace from its encoder to its reader: what goes in comes out, and whatever bytes the reader gets, it gives
// records or an error. Changed chunks get the hash that fits, so that the records themselves are what is looked at.
#include "app/trace_read.h"
#include "machine/trace_encoder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include <cmocka.h>

#define BLOCKS    300u
#define RECORDS   100000u
#define CHANGES   3000u
#define TRACE_MAX (8u << 20)

static uint64_t seed;

static uint32_t next_random(void) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed >> 32);
}

// ---- The trace in memory -------------------------------------------------------------------------------------------

static uint8_t *trace;
static size_t trace_size, trace_room;

static int take(void *opaque, const void *data, size_t size) {
    (void)opaque;
    if (trace_size + size > trace_room)
        return -1;
    memcpy(trace + trace_size, data, size);
    trace_size += size;
    return 0;
}

// ---- What is expected, and what came -------------------------------------------------------------------------------

// A block (kind 255) or an event, as one line of numbers.
struct line {
    uint64_t time;
    uint32_t kind, info, linear, a, b;
};

static struct line wanted[RECORDS];
static uint32_t wanted_count, seen, samples, stops;

static void see(const struct line *line) {
    if (seen < wanted_count)
        assert_memory_equal(line, &wanted[seen], sizeof *line);
    seen++;
}

static void on_block(void *opaque, struct trace_block *block, uint32_t id, uint32_t linear) {
    (void)opaque;
    (void)block;
    see(&(struct line){.kind = 255, .info = id, .linear = linear});
}

static void on_event(void *opaque, const struct trace_event *e) {
    (void)opaque;
    see(&(struct line){e->time, e->kind, e->info, e->linear, e->a, e->b});
}

static void on_sample(void *opaque, const struct trace_sample *s) {
    (void)opaque;
    (void)s;
    samples++;
}

static void on_stop(void *opaque, unsigned cause) {
    (void)opaque;
    stops++;
    assert_in_range(cause, 0, RINGSHADE_STOP_ERROR);
}

static const struct trace_visitor compare = {on_block, on_event, on_sample, on_stop, NULL};

// ---- Making one ----------------------------------------------------------------------------------------------------

static uint8_t code[TRACE_BLOCK_MAX];

static void define(struct trace_encoder *e, uint32_t id) {
    const struct cpu_trace_block block = {
        .id = id,
        .linear = 0x1000 * (id % 7) + 16 * id,
        .frame = id % 7,
        .mode = id,
        .host_size = 100 + id,
        .guest_size = 1 + id % TRACE_BLOCK_MAX,
        .insns = 1 + id % 64,
        .bytes = code,
    };
    assert_int_equal(e->cpu.block(e->cpu.opaque, &block), 0);
}

static uint32_t linear_of(uint32_t id) {
    return 0x1000 * (id % 7) + 16 * id;
}

// Mostly the same few blocks, now and then in another page, and events of every kind between them.
static void fill(struct trace_encoder *e) {
    static uint64_t words[RECORDS * CPU_TRACE_EVENT_WORDS];
    uint64_t *at = words + sizeof words / sizeof *words, time = 1000;
    for (wanted_count = 0; wanted_count < RECORDS; wanted_count++) {
        struct line *line = &wanted[wanted_count];
        uint32_t roll = next_random() % 100;
        if (roll < 15) {
            time += next_random() % 1000;
            time -= roll == 0 ? 300 : 0; // another processor's counter
            *line = (struct line){
                time,         next_random() % CPU_TRACE_EVENTS, next_random() & 0xffffff, next_random(), next_random(),
                next_random()};
            *--at = (uint64_t)line->linear << 32 | CPU_TRACE_EVENT | line->kind << 24 | line->info;
            *--at = (uint64_t)line->b << 32 | line->a;
            *--at = time;
            continue;
        }
        uint32_t id = roll < 80 ? wanted_count % 3 : next_random() % BLOCKS;
        uint32_t page = roll == 99 ? next_random() << 12 : linear_of(id) & ~4095u;
        *line = (struct line){.kind = 255, .info = id, .linear = page | (linear_of(id) & 4095)};
        *--at = (uint64_t)page << 32 | id;
    }
    assert_int_equal(e->cpu.records(e->cpu.opaque, at, (size_t)(words + sizeof words / sizeof *words - at), 0, time),
                     0);
}

static void make_trace(size_t room) {
    static struct stats stats;
    struct error err;
    seed = 0x2545f4914f6cdd1du;
    trace_size = 0;
    trace_room = room;
    struct trace_encoder *e = trace_encoder_create(false, &stats, take, NULL, &err);
    assert_non_null(e);
    for (uint32_t id = 0; id < BLOCKS; id++)
        define(e, id);
    if (room == TRACE_MAX) {
        fill(e);
        trace_encoder_stop(e, RINGSHADE_STOP_HALT);
    }
    trace_encoder_destroy(e);
}

// Reads trace[] to its end, or to what is wrong.
static int read_trace(const struct trace_visitor *visitor) {
    struct trace_reader reader;
    struct ringshade_error err;
    struct trace_chunk chunk;
    trace_reader_begin(&reader, visitor);
    int status = trace_reader_header(&reader, trace, &err);
    for (size_t at = sizeof(struct trace_header); !status && at + sizeof chunk <= trace_size;) {
        memcpy(&chunk, trace + at, sizeof chunk);
        status = trace_reader_check_chunk(&reader, &chunk, &err);
        at += sizeof chunk;
        if (!status && chunk.size > trace_size - at)
            status = -1;
        if (!status)
            status = trace_reader_chunk(&reader, &chunk, trace + at, &err);
        at += chunk.size;
    }
    trace_reader_end(&reader);
    return status;
}

// ---- Tests ---------------------------------------------------------------------------------------------------------

static void test_round_trip(void **state) {
    (void)state;
    seen = samples = stops = 0;
    make_trace(TRACE_MAX);
    assert_int_equal(read_trace(&compare), 0);
    assert_int_equal(seen, RECORDS);
    assert_int_equal(samples, 1);
    assert_int_equal(stops, 1);
    assert_true(trace_size > TRACE_CHUNK_MAX); // several chunks
}

// A sink that takes no more is not asked again, and the vCPU is told.
static void test_full(void **state) {
    (void)state;
    static struct stats stats;
    struct error err;
    trace_size = 0;
    trace_room = 1000;
    struct trace_encoder *e = trace_encoder_create(true, &stats, take, NULL, &err);
    assert_non_null(e);
    int status = 0;
    const struct cpu_trace_block block = {.guest_size = TRACE_BLOCK_MAX, .insns = 64, .bytes = code};
    for (unsigned i = 0; i < 1000 && !status; i++)
        status = e->cpu.block(e->cpu.opaque, &block);
    assert_int_equal(status, -1);
    assert_int_equal(trace_size, sizeof(struct trace_header));
    trace_encoder_stop(e, RINGSHADE_STOP_HALT);
    trace_encoder_destroy(e);
    assert_int_equal(trace_size, sizeof(struct trace_header));
}

static const struct trace_visitor nothing = {0};

static void mend_hashes(void) {
    struct trace_chunk chunk;
    for (size_t at = sizeof(struct trace_header); at + sizeof chunk <= trace_size; at += sizeof chunk + chunk.size) {
        memcpy(&chunk, trace + at, sizeof chunk);
        if (chunk.size > trace_size - at - sizeof chunk)
            return;
        chunk.hash = XXH3_64bits(trace + at + sizeof chunk, chunk.size);
        memcpy(trace + at, &chunk, sizeof chunk);
    }
}

static void test_changed_records(void **state) {
    (void)state;
    make_trace(TRACE_MAX);
    static uint8_t first[65536];
    struct trace_chunk chunk;
    const size_t begin = sizeof(struct trace_header) + sizeof chunk;
    memcpy(first, trace, sizeof first);
    unsigned refused = 0;
    for (unsigned i = 0; i < CHANGES; i++) {
        uint32_t size = 200 + next_random() % 20000;
        memcpy(trace, first, sizeof first);
        memcpy(&chunk, trace + sizeof(struct trace_header), sizeof chunk);
        chunk.size = size;
        memcpy(trace + sizeof(struct trace_header), &chunk, sizeof chunk);
        for (uint32_t k = 1 + next_random() % 8; k; k--)
            trace[begin + next_random() % size] = (uint8_t)next_random();
        trace_size = begin + size;
        mend_hashes();
        refused += read_trace(&nothing) < 0;
    }
    assert_true(refused > CHANGES / 2);
}

static void test_random_records(void **state) {
    (void)state;
    for (unsigned i = 0; i < CHANGES; i++) {
        struct trace_header header = {.version = TRACE_VERSION, .header_size = sizeof header};
        struct trace_chunk chunk = {.magic = TRACE_CHUNK, .size = 1 + next_random() % 500};
        memcpy(header.magic, TRACE_MAGIC, sizeof header.magic);
        memcpy(trace, &header, sizeof header);
        memcpy(trace + sizeof header, &chunk, sizeof chunk);
        for (uint32_t k = 0; k < chunk.size; k++) // small bytes, so that they mean something now and then
            trace[sizeof header + sizeof chunk + k] = (uint8_t)(next_random() % (i % 2 ? 256 : 32));
        trace_size = sizeof header + sizeof chunk + chunk.size;
        mend_hashes();
        read_trace(&nothing);
    }
}

static void test_random_headers(void **state) {
    (void)state;
    for (unsigned i = 0; i < CHANGES; i++) {
        make_trace(TRACE_MAX / 2);
        trace_size = 200 + sizeof(struct trace_header);
        for (size_t k = i % 2 ? 0 : 64; k < trace_size; k++)
            trace[k] = (uint8_t)next_random();
        if (i % 2 == 0) {
            struct trace_header header = {.version = TRACE_VERSION, .header_size = sizeof header};
            memcpy(header.magic, TRACE_MAGIC, sizeof header.magic);
            memcpy(trace, &header, sizeof header);
        }
        assert_int_equal(read_trace(&nothing), -1);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),      cmocka_unit_test(test_full),
        cmocka_unit_test(test_changed_records), cmocka_unit_test(test_random_records),
        cmocka_unit_test(test_random_headers),
    };
    trace = malloc(TRACE_MAX);
    int status = trace ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
    free(trace);
    return status;
}
