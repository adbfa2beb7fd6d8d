// The gdb port of a machine: a listening socket, one client at a time, and who holds the machine. While the guest runs,
// the I/O thread only looks whether something comes in, and then asks for a stop; while a debugger holds the machine,
// the vCPU's thread serves it. Without a port there is none of this.
#ifndef MACHINE_GDB_SERVER_H
#define MACHINE_GDB_SERVER_H

#include "machine/machine.h"

struct gdb_server;

// Opens the port: "unix:PATH" or a TCP port number on 127.0.0.1, optionally after "tcp:". wait: the guest does not run
// before a client lets it. Returns NULL with err filled. Before the I/O thread runs or with the device lock held.
struct gdb_server *gdb_server_create(struct ringshade *machine, const char *address, bool wait, struct error *err);
void gdb_server_destroy(struct gdb_server *server); // NULL is allowed

// Something happened that gdb_server_hold should return for. Async-signal-safe, from any thread.
void gdb_server_wake(struct gdb_server *server);

// Before vcpu_run: serves the client for as long as it holds the machine. False if the machine has an event to take
// instead; call it again after that.
bool gdb_server_hold(struct gdb_server *server);

// vcpu_run came back: for a breakpoint or step, or because something came in. The client gets its stop reply.
void gdb_server_stopped(struct gdb_server *server, enum cpu_stop cause);
// The guest cannot go on (a triple fault): the client may look at it before the run ends. `text` is told to the client.
void gdb_server_last_look(struct gdb_server *server, const char *text);
// The guest was reset and goes on.
void gdb_server_told(struct gdb_server *server, const char *text);
// The run is over with this exit status.
void gdb_server_ended(struct gdb_server *server, unsigned status);

#endif
