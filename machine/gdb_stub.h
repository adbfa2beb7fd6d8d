// The commands of the GDB remote serial protocol for a machine that stands still: one packet in, one reply and what to
// do next out. Knows no socket. "Debugging with GDB", appendix E; the physical-memory packets are those of QEMU.
#ifndef MACHINE_GDB_STUB_H
#define MACHINE_GDB_STUB_H

#include "machine/gdb_packet.h"
#include "machine/machine.h"

enum gdb_action {
    GDB_ACTION_REPLY,  // send the reply, stay
    GDB_ACTION_NONE,   // nothing to send, stay
    GDB_ACTION_RUN,    // let the guest run; a stop reply follows later
    GDB_ACTION_STEP,   // the same for one instruction
    GDB_ACTION_DETACH, // send the reply, then let it run without a debugger
    GDB_ACTION_KILL,   // send the reply (if any), end the run
};

#define GDB_POINTS_MAX 64

struct gdb_point {
    char type; // '0' to '4', as in Z packets
    uint32_t linear, length;
};

struct gdb_stub {
    struct ringshade *machine;
    bool no_ack;
    bool physical;  // m, M and X take guest-physical addresses
    bool described; // the client has read the description: g holds all registers
    char stop[64];  // the last stop reply, for ?
    unsigned points;
    struct gdb_point point[GDB_POINTS_MAX];
    char description[16384];
    size_t description_length;
};

void gdb_stub_init(struct gdb_stub *stub, struct ringshade *machine);
// A client comes or goes: no points, modes as at the start.
void gdb_stub_reset(struct gdb_stub *stub);
// packet has a NUL behind its `length` bytes. console gets the text of monitor commands, to be sent before the reply.
enum gdb_action gdb_stub_command(struct gdb_stub *stub, const char *packet, size_t length, struct gdb_reply *reply,
                                 struct gdb_reply *console);
// Makes the stop reply for a CPU_STOP_DEBUG.
void gdb_stub_stopped(struct gdb_stub *stub);
// Makes one for a signal by gdb's number.
void gdb_stub_signal(struct gdb_stub *stub, unsigned signal);

// gdb_memory.c: by linear address through the guest's tables, or by physical address. Bytes of the range that were
// accessed before the first one that is not RAM.
size_t gdb_memory_read(struct ringshade *machine, uint64_t address, bool physical, void *data, size_t size);
size_t gdb_memory_write(struct ringshade *machine, uint64_t address, bool physical, const void *data, size_t size);

// gdb_monitor.c: a line of `monitor`; its answer is appended to `out`. An action other than REPLY ends the stop.
enum gdb_action gdb_monitor_command(struct ringshade *machine, const char *line, struct gdb_reply *out);

#endif
