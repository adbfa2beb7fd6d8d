// The debug-exit port (F4h, four bytes wide): a guest ends its run by writing a value, as with QEMU's isa-debug-exit.
// What a value means (exit status (v<<1)|1) is up to the machine.
#ifndef DEVICES_DEBUG_EXIT_H
#define DEVICES_DEBUG_EXIT_H

#include "base/error.h"
#include "devices/bus.h"

#include <stdint.h>

#define DEBUG_EXIT_PORT 0xf4

struct debug_exit;

// requested is called on the processor's thread with the device lock held, at every write. NULL with err filled.
struct debug_exit *debug_exit_create(struct io_bus *io, void (*requested)(void *opaque, uint32_t value), void *opaque,
                                     struct error *err);
void debug_exit_destroy(struct debug_exit *port);

#endif
