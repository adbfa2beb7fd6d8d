// Files that a run writes (log, statistics). They are opened before anything else is started, so that a wrong name is
// told at once, but nothing in them changes until the run begins.
#ifndef APP_OUTPUT_FILE_H
#define APP_OUTPUT_FILE_H

#include "ringshade.h"

#include <stdbool.h>
#include <stdio.h>

struct output_file {
    const char *path;
    FILE *stream; // NULL where no file was asked for
    bool created; // the file did not exist before
};

// Opens path for writing without emptying it; path NULL gives a file without a stream. Returns 0, or -1 with err
// filled by a line that begins with role.
int output_file_open(struct output_file *file, const char *role, const char *path, struct ringshade_error *err);

// The run begins: empties the file, if it is one that can be emptied.
void output_file_begin(struct output_file *file);

// Closes the file. Returns 0, or -1 with err filled when something could not be written.
int output_file_close(struct output_file *file, struct ringshade_error *err);

// Closes the file and removes it if output_file_open created it: nothing was run.
void output_file_discard(struct output_file *file);

#endif
