// Which records of a trace are looked at: `ringshade trace` with --kind, --address, --cpl and --time.
#ifndef APP_TRACE_SELECT_H
#define APP_TRACE_SELECT_H

#include "app/trace_read.h"

enum { TRACE_KIND_BLOCK = 16, TRACE_KIND_SAMPLE }; // behind enum cpu_trace_event

struct trace_select {
    uint32_t kinds;            // bit n: enum cpu_trace_event or TRACE_KIND_*
    uint32_t from, to;         // linear addresses, inclusive
    int cpl;                   // -1: any
    double time_from, time_to; // seconds, or instructions under the virtual clock
};

struct trace_select trace_select_all(void);

// "block,callout,...": sets the kinds. 0, or -1 with err filled.
int trace_select_kinds(struct trace_select *select, const char *text, struct ringshade_error *err);
// "FROM-TO", hexadecimal, inclusive; or one address.
int trace_select_addresses(struct trace_select *select, const char *text, struct ringshade_error *err);
int trace_select_cpl(struct trace_select *select, const char *text, struct ringshade_error *err);
// "FROM-TO", decimal.
int trace_select_times(struct trace_select *select, const char *text, struct ringshade_error *err);

// One record: its kind, linear address, CPL and time.
bool trace_selected(const struct trace_select *select, unsigned kind, uint32_t linear, unsigned cpl, double time);

#endif
