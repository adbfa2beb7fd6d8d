// `ringshade trace`: lists, filters and counts what is in the trace of a run.
#ifndef APP_TRACE_H
#define APP_TRACE_H

// argv[0] is "trace". Returns the exit status; has printed what there is to say.
int trace_main(int argc, char **argv);

#endif
