// What a report says of a run: the trace added up, as it comes, and written as JSON.
#ifndef APP_REPORT_DATA_H
#define APP_REPORT_DATA_H

#include "app/options.h"
#include "app/report_series.h"
#include "app/trace_counts.h"

#include <stdio.h>

struct report_data {
    struct trace_counts counts;
    struct trace_visitor inner; // of counts
    struct report_series series;
    const struct trace_reader *reader;
};

struct trace_visitor report_data_visitor(struct report_data *data, const struct trace_reader *reader);
void report_data_begin(struct report_data *data, enum trace_clock clock);
// 0, or -1 with err filled when memory is out.
int report_data_write(const struct report_data *data, const struct ringshade *machine,
                      const struct run_options *options, FILE *out, struct ringshade_error *err);

#endif
