// What a trace adds up to. Counts records that a selection lets through.
#ifndef APP_TRACE_COUNTS_H
#define APP_TRACE_COUNTS_H

#include "app/trace_select.h"
#include "cpu/cpu.h"

#include <stdio.h>

#define TRACE_CALLOUTS 256
#define TRACE_VECTORS  256

struct trace_counts {
    struct trace_select select;
    uint64_t events[CPU_TRACE_EVENTS];
    uint64_t callouts[TRACE_CALLOUTS], faults[TRACE_VECTORS], interrupts[TRACE_VECTORS];
    uint64_t blocks;                                  // that ran
    uint64_t insns, identity, inlined, callout_insns; // in them; the last three are parts of the first
    uint64_t translations;                            // different blocks among them
    struct trace_sample last;                         // sample, of all
    bool stopped;
    unsigned cause; // enum ringshade_stop
    // Of the reading itself:
    const struct trace_reader *reader;
    double units; // to select by time: trace_units of the whole trace
    unsigned cpl; // as of the last record
};

// How many units of time a second has; exact under the virtual clock. 0: not known, no second sample has been read.
double trace_units(const struct trace_counts *counts);
// A record's time in seconds, or in instructions under the virtual clock; `units` as trace_units gave it.
double trace_seconds(const struct trace_reader *reader, double units, uint64_t time);

struct trace_visitor trace_counts_visitor(struct trace_counts *counts, const struct trace_select *select, double units,
                                          const struct trace_reader *reader);
void trace_counts_print(const struct trace_counts *counts, const char *path, FILE *out);
void trace_counts_print_json(const struct trace_counts *counts, FILE *out);

#endif
