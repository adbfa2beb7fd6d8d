// The format of a trace (docs/trace.md): what the encoder writes and readers understand. A trace is a header and chunks
// of records; numbers in records are unsigned LEB128, at most ten bytes, those that may be negative zigzag-encoded.
#ifndef MACHINE_TRACE_FORMAT_H
#define MACHINE_TRACE_FORMAT_H

#include <stdint.h>

#define TRACE_VERSION   1
#define TRACE_MAGIC     "RSHTRACE"   // 8 bytes, without the NUL
#define TRACE_CHUNK     0x4b435352u  // "RSCK"
#define TRACE_CHUNK_MAX (256u << 10) // bytes of a chunk's records
#define TRACE_BLOCK_MAX 960u         // guest bytes of a block

enum trace_clock { TRACE_CLOCK_HOST, TRACE_CLOCK_INSTRUCTIONS, TRACE_CLOCKS };

// How the file ended. Only a file that has it and whose size is `size` is whole.
enum trace_end {
    TRACE_END_NONE,     // the run was killed, or still goes on
    TRACE_END_COMPLETE, // with the run
    TRACE_END_LIMIT,    // at the size that was allowed; the guest went on
    TRACE_END_ERROR,    // when a write failed; the guest went on
    TRACE_ENDS,
};

// Little-endian, as the host that writes it.
struct trace_header {
    char magic[8];
    uint32_t version;
    uint32_t header_size; // where the first chunk begins
    uint32_t clock;       // enum trace_clock: what times count
    uint32_t end;         // enum trace_end; this and size are written last
    uint64_t size;        // of the whole file in bytes
    uint64_t reserved[4]; // 0
};

struct trace_chunk {
    uint32_t magic; // TRACE_CHUNK
    uint32_t size;  // bytes of records behind this header, 1 to TRACE_CHUNK_MAX
    uint32_t index; // 0, 1, 2, ...
    uint32_t reserved;
    uint64_t hash; // XXH3-64 of the records
};

enum trace_tag {
    TRACE_BLOCK = 1, // number: a block ran, in the page where it ran last
    TRACE_BLOCK_AT,  // number, page (linear address >> 12)
    TRACE_DEFINE,    // the next number's block: linear address, frame, mode, size of its host code, of its guest code,
                     // instructions, of these identity, inlined, callouts; then the guest code
    TRACE_SAMPLE,    // time, ns since the start, TRACE_COUNTERS counters
    TRACE_STOP,      // why the run ended (enum ringshade_stop)
    TRACE_EVENT_0 = 16, // + enum cpu_trace_event: time, info, linear address, a, b
    TRACE_RUN = 128,    // + n - 1: n times the block that followed the last one when that ran before, in the page where
                        // it ran last
};

// Times are differences from the last one, zigzag-encoded.
#define TRACE_RUN_MAX 128u

// Counters of a sample, in this order; those of base/stats.h, but `killed`, which is the sum of three, `bounced`, of
// two, and `lost`, the events for which there was no room.
#define TRACE_SAMPLE_COUNTERS(X)                                                                                       \
    X(cache_bytes)                                                                                                     \
    X(blocks_translated)                                                                                               \
    X(killed)                                                                                                          \
    X(cache_evictions)                                                                                                 \
    X(links_made)                                                                                                      \
    X(dispatches)                                                                                                      \
    X(softtlb_misses)                                                                                                  \
    X(bounced)                                                                                                         \
    X(shadow_faults)                                                                                                   \
    X(host_maps)                                                                                                       \
    X(exceptions)                                                                                                      \
    X(page_faults)                                                                                                     \
    X(interrupts)                                                                                                      \
    X(lost)

enum trace_counter {
#define TRACE_COUNTER_ENUM(name) TRACE_COUNTER_##name,
    TRACE_SAMPLE_COUNTERS(TRACE_COUNTER_ENUM)
#undef TRACE_COUNTER_ENUM
        TRACE_COUNTERS
};

#endif
