// `ringshade run`: boots a kernel and waits for its end.
#ifndef APP_RUN_H
#define APP_RUN_H

// Exit statuses of the process (docs/usage.md).
enum run_status {
    RUN_STATUS_OK = 0,
    RUN_STATUS_BAD_INPUT = 2,
    RUN_STATUS_TRIPLE_FAULT = 4,
    RUN_STATUS_TIMEOUT = 6,
    RUN_STATUS_MONITOR_ERROR = 8,
    RUN_STATUS_SIGNAL = 128, // plus the signal's number
};

// argv[0] is "run". Returns the exit status; has printed what there is to say on stderr.
int run_main(int argc, char **argv);

#endif
