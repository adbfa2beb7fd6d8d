// The NMI test device: reports a channel check, at once or after a while. It is how tests get non-maskable interrupts.
// Off by default. One port of 32 bits, write-only:
//
//   5B0h  0: now; else in that many microseconds (a new value replaces one that waits; FFFFFFFFh: never)
#ifndef DEVICES_NMITEST_H
#define DEVICES_NMITEST_H

#include "base/error.h"
#include "devices/bus.h"
#include "devices/event_loop.h"
#include "devices/port61.h"

#define NMITEST_PORT  0x5b0
#define NMITEST_NEVER 0xffffffffu

struct nmitest;

// Returns NULL with err filled. The port must outlive it.
struct nmitest *nmitest_create(struct io_bus *io, struct event_loop *loop, struct port61 *port61, struct error *err);
void nmitest_destroy(struct nmitest *device);
void nmitest_reset(struct nmitest *device);

#endif
