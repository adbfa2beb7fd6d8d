// Goes through a trace in a file.
#ifndef APP_TRACE_LOAD_H
#define APP_TRACE_LOAD_H

#include "app/trace_read.h"

// Reads the file at `path` into `reader`, which the caller begins and ends, and checks it to its end. With `partial` a
// file whose run was killed, or that was cut, is read as far as its chunks are whole. Returns 0, or -1 with err filled
// by a line that names the file.
int trace_load(struct trace_reader *reader, const char *path, bool partial, struct ringshade_error *err);

#endif
