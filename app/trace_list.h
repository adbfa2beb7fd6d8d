// The records of a trace, one a line.
#ifndef APP_TRACE_LIST_H
#define APP_TRACE_LIST_H

#include "app/trace_select.h"

#include <stdio.h>

struct trace_list {
    struct trace_select select;
    struct trace_reader *reader;
    double units;  // trace_units of the whole trace
    uint64_t left; // lines that may still be printed
    bool json;     // each line is a JSON object
    FILE *out;
    unsigned cpl;
};

struct trace_visitor trace_list_visitor(struct trace_list *list);

#endif
