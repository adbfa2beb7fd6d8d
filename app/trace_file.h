// The file of `ringshade run --trace`: takes a trace as the machine makes it. A trace that cannot be written on, or has
// reached its limit, ends with its last whole chunk; the guest goes on without it.
#ifndef APP_TRACE_FILE_H
#define APP_TRACE_FILE_H

#include "ringshade.h"

#include <stdbool.h>
#include <stdint.h>

#define TRACE_FILE_LIMIT (1ull << 30) // bytes, unless the user says otherwise

struct trace_file {
    const char *path;
    int fd;         // -1 where no trace was asked for
    bool created;   // the file did not exist before
    uint64_t limit; // bytes
    uint64_t size;  // written, all of it whole chunks
    int error;      // errno of the write that failed
    bool full;      // the limit was reached
};

// Opens path, which must be a regular file or not exist yet; NULL gives none. Nothing is emptied or written. 0, or -1
// with err filled.
int trace_file_open(struct trace_file *file, const char *path, uint64_t limit, struct ringshade_error *err);
// For ringshade_config.trace, with the file as opaque. The first bytes empty the file.
int trace_file_write(void *opaque, const void *data, size_t size);
// Marks the file as whole and closes it. Returns 0, or -1 with err filled by a line that says why the trace is shorter
// than the run.
int trace_file_close(struct trace_file *file, struct ringshade_error *err);
// Closes the file, and removes it if trace_file_open created it: nothing was run.
void trace_file_discard(struct trace_file *file);

#endif
