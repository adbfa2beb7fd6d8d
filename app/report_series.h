// What happened when: events and counters of a run in a bounded number of slices of its time, which become wider as the
// run becomes longer.
#ifndef APP_REPORT_SERIES_H
#define APP_REPORT_SERIES_H

#include "app/trace_read.h"
#include "cpu/cpu.h"

#define REPORT_SLICES 240u // even

struct report_slice {
    uint32_t events[CPU_TRACE_EVENTS];
    uint64_t insns; // of the blocks that began to run
    bool sampled;
    uint64_t counters[TRACE_COUNTERS]; // of its last sample
};

struct report_series {
    uint64_t width; // of a slice, in the units of the trace's clock
    unsigned count; // slices in use
    struct report_slice slice[REPORT_SLICES];
};

void report_series_begin(struct report_series *series, enum trace_clock clock);
// The slice of `time`. Times before the last one are of another processor's clock and count as the last one's.
struct report_slice *report_series_at(struct report_series *series, uint64_t time);

#endif
