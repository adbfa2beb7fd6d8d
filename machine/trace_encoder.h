// Makes a trace (machine/trace_format.h) of what the vCPU tells (struct cpu_trace): packs the records into chunks and
// gives them, whole, to whoever configured it. It keeps two words for each block, and one chunk.
#ifndef MACHINE_TRACE_ENCODER_H
#define MACHINE_TRACE_ENCODER_H

#include "base/stats.h"
#include "cpu/cpu.h"
#include "machine/trace_format.h"

struct trace_encoder {
    struct cpu_trace cpu; // for cpu_config
    int (*write)(void *opaque, const void *data, size_t size);
    void *opaque;
    const struct stats *stats;
    enum trace_clock clock;
    bool begun;                    // the header is written
    bool failed;                   // nothing more is written
    uint32_t *next, *page;         // by number: the block that came after it last, where it ran last
    uint32_t blocks, room;         // numbers given; of the two arrays
    uint32_t last;                 // the block that ran last, or UINT32_MAX
    uint32_t run;                  // predicted blocks not written yet
    uint64_t time;                 // the last that was written
    uint64_t start_ns, written_ns; // CLOCK_MONOTONIC: of the creation, of the last chunk
    struct trace_chunk chunk;      // its records:
    uint8_t records[TRACE_CHUNK_MAX];
};

// Nothing is written before there are records. NULL with err filled.
struct trace_encoder *trace_encoder_create(bool virtual_clock, const struct stats *stats,
                                           int (*write)(void *opaque, const void *data, size_t size), void *opaque,
                                           struct error *err);
// The run has ended for this reason (enum ringshade_stop): writes what is left.
void trace_encoder_stop(struct trace_encoder *encoder, unsigned cause);
void trace_encoder_destroy(struct trace_encoder *encoder); // NULL is allowed

#endif
