// Reads a trace (machine/trace_format.h) piece by piece, as it is made or as it stands in a file. Everything in it is
// checked: whatever the bytes are, they give records or an error. It keeps what is known of each block.
#ifndef APP_TRACE_READ_H
#define APP_TRACE_READ_H

#include "machine/trace_format.h"
#include "ringshade.h"

#include <stdbool.h>
#include <stddef.h>

// A translation, and how often it ran.
struct trace_block {
    uint32_t linear;                             // address of its first instruction when it was translated
    uint32_t frame;                              // guest-physical page
    uint32_t mode;                               // enum mode_bit of translator/abi.h
    uint32_t host_size, guest_size;              // bytes
    uint32_t insns, identity, inlined, callouts; // instructions; the last three are parts of the first
    const uint8_t *bytes;                        // guest_size of them
    uint64_t runs;
    uint64_t chosen;     // runs that a filter let through, for the visitor
    uint32_t page, next; // the reader's: where it ran last, what ran behind it
};

struct trace_event {
    uint64_t time;
    unsigned kind; // enum cpu_trace_event
    uint32_t info, linear, a, b;
};

struct trace_sample {
    uint64_t time, ns;
    uint64_t counters[TRACE_COUNTERS];
};

// What is done with the records, in their order. Each may be NULL.
struct trace_visitor {
    // Block `id` runs at linear address `linear`.
    void (*block)(void *opaque, struct trace_block *block, uint32_t id, uint32_t linear);
    void (*event)(void *opaque, const struct trace_event *event);
    void (*sample)(void *opaque, const struct trace_sample *sample);
    void (*stop)(void *opaque, unsigned cause); // enum ringshade_stop
    void *opaque;
};

struct trace_reader {
    struct trace_header header;
    struct trace_visitor visitor;
    struct trace_block *blocks;
    uint32_t block_count, room;
    uint32_t last;   // the block that ran last, or UINT32_MAX
    uint32_t chunks; // read so far
    uint64_t time;   // of the last record that has one
    uint64_t insns;  // of all blocks that ran so far
    bool enough;     // set by a visitor that wants no more
};

void trace_reader_begin(struct trace_reader *reader, const struct trace_visitor *visitor);
void trace_reader_end(struct trace_reader *reader);
// Takes the first sizeof(struct trace_header) bytes. 0, or -1 with err filled.
int trace_reader_header(struct trace_reader *reader, const void *data, struct ringshade_error *err);
// Takes a chunk's header and its chunk->size bytes of records. 0, or -1 with err filled: nothing more can be read.
int trace_reader_chunk(struct trace_reader *reader, const struct trace_chunk *chunk, const uint8_t *records,
                       struct ringshade_error *err);
// Is this a header behind which so many bytes of records may stand? 0, or -1 with err filled.
int trace_reader_check_chunk(const struct trace_reader *reader, const struct trace_chunk *chunk,
                             struct ringshade_error *err);

const char *trace_event_name(unsigned kind);      // "callout", "fault", ...
const char *trace_counter_name(unsigned counter); // "cache_bytes", ...

#endif
