// See report_series.h.
#include "app/report_series.h"

#include <string.h>

#define WIDTH_CYCLES       (1ull << 20) // less than a millisecond
#define WIDTH_INSTRUCTIONS 1000u

void report_series_begin(struct report_series *series, enum trace_clock clock) {
    memset(series, 0, sizeof *series);
    series->width = clock == TRACE_CLOCK_INSTRUCTIONS ? WIDTH_INSTRUCTIONS : WIDTH_CYCLES;
}

static void add(struct report_slice *to, const struct report_slice *from) {
    for (unsigned i = 0; i < CPU_TRACE_EVENTS; i++)
        to->events[i] += from->events[i];
    to->insns += from->insns;
    if (from->sampled)
        memcpy(to->counters, from->counters, sizeof to->counters);
    to->sampled |= from->sampled;
}

// Two slices become one.
static void widen(struct report_series *series) {
    for (unsigned i = 0; i < REPORT_SLICES / 2; i++) {
        struct report_slice both = series->slice[2 * i];
        add(&both, &series->slice[2 * i + 1]);
        series->slice[i] = both;
    }
    memset(&series->slice[REPORT_SLICES / 2], 0, sizeof series->slice / 2);
    series->count = (series->count + 1) / 2;
    series->width *= 2;
}

struct report_slice *report_series_at(struct report_series *series, uint64_t time) {
    while (time / series->width >= REPORT_SLICES && series->width < UINT64_MAX / 2)
        widen(series);
    unsigned at = (unsigned)(time / series->width);
    if (at >= REPORT_SLICES)
        at = REPORT_SLICES - 1;
    if (at + 1 > series->count)
        series->count = at + 1;
    return &series->slice[series->count - 1];
}
