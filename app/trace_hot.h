// The blocks of a trace in which most instructions ran.
#ifndef APP_TRACE_HOT_H
#define APP_TRACE_HOT_H

#include "app/trace_counts.h"

#include <stdio.h>

// Numbers of up to `most` blocks, the one first in which most chosen instructions ran; blocks that did not run are left
// out. Returns how many, -1 when memory is out. *order is to be freed.
long trace_hot_order(const struct trace_reader *reader, unsigned long most, uint32_t **order);

// Prints them with their guest instructions, and with `host` also what each becomes. 0, or -1 when memory is out.
int trace_hot_print(const struct trace_counts *counts, unsigned long most, bool host, bool json, FILE *out);

#endif
