// What takes the trace of a run: a file (--trace), a report (--report), both or neither.
#ifndef APP_RECORDING_H
#define APP_RECORDING_H

#include "app/report.h"
#include "app/trace_file.h"

struct recording {
    struct trace_file file;
    struct report *report; // NULL where none was asked for
};

// Opens what the options name, and empties nothing. 0, or -1 with err filled; then nothing is open.
int recording_open(struct recording *recording, const struct run_options *options, struct ringshade_error *err);
// Makes the machine's configuration tell it.
void recording_configure(struct recording *recording, struct ringshade_config *config);
// The run has ended: writes the report. 0, or -1 with err filled.
int recording_report(struct recording *recording, const struct ringshade *machine, const struct run_options *options,
                     struct ringshade_error *err);
// Closes the trace. 0, or -1 with err filled.
int recording_close(struct recording *recording, struct ringshade_error *err);
// Nothing was run: what was made is removed.
void recording_discard(struct recording *recording);

#endif
