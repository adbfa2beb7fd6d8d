// The child process of the laboratory: given pages and registers, it runs to the first signal.
#ifndef APP_LAB_CHILD_H
#define APP_LAB_CHILD_H

#include "app/lab_run.h"

struct lab_child_end {
    struct lab_state state; // but `vector` and `wide`
    uint64_t eip;           // all of RIP
    int signal;             // what stopped it; SIGTRAP for an INT3
    char how[LAB_HOW_MAX];  // the signal by name, and the exception that it stands for
};

// Maps the image at LAB_BASE in a child and runs it from `start` with code segment `selector`, ESP = LAB_STACK, all
// other segments but FS and GS = LAB_DATA_3. The child may use a second of processor time and make one system call,
// getpid by INT 80h; it is gone when this returns. Returns 0, or -1 with `why` filled: there is no such child here.
int lab_child_run(const uint8_t image[LAB_SIZE], const struct lab_start *start, uint16_t selector,
                  struct lab_child_end *end, char why[LAB_HOW_MAX]);

#endif
