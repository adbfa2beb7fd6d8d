// Times what a program asks of its operating system, in the manner of lmbench. It uses the C library, whose system
// calls go through the kernel's own entry (SYSENTER on i386).
#include "os.h"

#include "timing.h"

const struct timed_row timed_rows[] = {
    {.name = "getppid", .run = run_getppid, .unit = 1},
    {.name = "clock", .run = run_clock, .unit = 1},
    {.name = "read", .run = run_read, .unit = 1},
    {.name = "open-close", .run = run_open, .unit = 1},
    {.name = "file-create", .run = run_file, .unit = 1},
    {.name = "fork-wait", .run = run_fork, .unit = 1},
    {.name = "exec", .run = run_exec, .unit = 1},
    {.name = "sh-c", .run = run_shell, .unit = 1},
    {.name = "page-touch", .run = run_touch, .unit = TOUCH_PAGES},
    {.name = "map-unmap", .run = run_map, .unit = 1},
    {.name = "pipe", .run = run_pipe, .unit = 1},
    {.name = "switch", .run = run_switch, .unit = 2},
    {.name = "context-2", .run = run_ring_2, .unit = 2},
    {.name = "context-4", .run = run_ring_4, .unit = 4},
    {.name = "context-8", .run = run_ring_8, .unit = 8},
    {.name = "context-16", .run = run_ring_16, .unit = 16},
    {.name = "signal", .run = run_signal, .unit = 1},
    {.name = "signal-install", .run = run_install, .unit = 1},
    {.name = "signal-fault", .run = run_fault, .unit = 1},
};
const unsigned timed_row_count = sizeof timed_rows / sizeof timed_rows[0];
