// `ringshade run --report DIR`: a page of HTML about the run, in one file that needs no network. It takes the trace of
// the run as it is made, adds it up, and keeps none of it.
#ifndef APP_REPORT_H
#define APP_REPORT_H

#include "app/options.h"

struct report;

// Makes DIR if it does not exist, and DIR/index.html, which is not emptied before report_write. NULL with err filled by
// a line that names what could not be opened.
struct report *report_open(const char *dir, struct ringshade_error *err);
// For ringshade_config.trace, with the report as opaque.
int report_take(void *opaque, const void *data, size_t size);
// Writes the page of a run that has ended, and closes it. 0, or -1 with err filled.
int report_write(struct report *report, const struct ringshade *machine, const struct run_options *options,
                 struct ringshade_error *err);
// Gives everything back; what report_open made and report_write has not written is removed. NULL is allowed.
void report_destroy(struct report *report);

#endif
