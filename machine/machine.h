// What stands behind `struct ringshade`: a PC, the guest that was loaded into it, and why it stopped last.
#ifndef MACHINE_MACHINE_H
#define MACHINE_MACHINE_H

#include "base/log.h"
#include "base/stats.h"
#include "machine/guest.h"
#include "machine/pc.h"
#include "machine/trace_encoder.h"
#include "ringshade.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

// Reasons to leave vcpu_run that did not come from the processor itself; bits of ringshade.events.
enum machine_event {
    MACHINE_EVENT_REQUEST = 1 << 0,
    MACHINE_EVENT_CONSOLE = 1 << 1,
    MACHINE_EVENT_TIMEOUT = 1 << 2,
    MACHINE_EVENT_DEBUG_EXIT = 1 << 3,
    MACHINE_EVENT_KILL = 1 << 4,     // a debugger ends the run
    MACHINE_EVENT_DEBUGGER = 1 << 5, // something came in on the gdb port; taken by gdb_server.c
    MACHINE_EVENT_COUNT = 1 << 6,    // config.stop_after
};

struct ringshade {
    struct ringshade_config config; // its texts are not used after ringshade_create, except serial_spec below
    char *serial_spec;              // for chardev_open
    unsigned log_topics;            // what log.topics becomes with the first run: nothing is logged before it
    struct log log;
    struct stats stats;
    struct pc pc; // its address is known to devices: this structure never moves
    struct guest guest;
    bool has_guest;
    struct event_timer timeout;
    struct trace_encoder *trace; // NULL unless it was asked for
    struct gdb_server *gdb;      // NULL unless it was asked for
    atomic_uint events;          // enum machine_event
    uint8_t debug_exit;          // last value; written on the vCPU's thread
    uint64_t ns_run;             // wall time of all runs
    uint64_t resets;             // restarts because the guest asked for one
    bool has_stopped;            // stop is meaningful
    enum ringshade_stop stop;
    struct error stop_text;
};

#endif
