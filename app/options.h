// The options of `ringshade run`.
#ifndef APP_OPTIONS_H
#define APP_OPTIONS_H

#include "ringshade.h"

#include <stdbool.h>

struct run_options {
    struct ringshade_config config; // log_stream is left to the caller, who opens log_path
    struct ringshade_guest guest;
    struct ringshade_module modules[RINGSHADE_MODULES_MAX];
    const char *stats_path; // NULL where no statistics were asked for
    const char *log_path;   // NULL means stderr
    const char *hash_path;  // NULL where no hashes were asked for; hash_stream is left to the caller
    const char *trace_path; // NULL where no trace was asked for; config.trace is left to the caller
    uint64_t trace_limit;   // bytes
    const char *report_dir; // NULL where no report was asked for
    bool help;              // --help was given: nothing else has been checked
};

// Parses argv[1] to argv[argc-1]; the texts stay argv's, in which a blank or a colon may be replaced by a NUL. Returns
// 0, or -1 with err filled by one line that names the option. Nothing is opened. Not reentrant (getopt_long).
int options_parse(struct run_options *options, int argc, char **argv, struct ringshade_error *err);

#endif
