// System control port A (92h): bit 1 is the fast A20 gate, a rising bit 0 resets the processor.
#ifndef DEVICES_PORT92_H
#define DEVICES_PORT92_H

#include "base/error.h"
#include "devices/a20.h"
#include "devices/bus.h"

struct port92;

// reset is called with the device lock held and may be NULL. Returns NULL with err filled.
struct port92 *port92_create(struct io_bus *io, struct a20_gate *a20, void (*reset)(void *opaque), void *opaque,
                             struct error *err);
void port92_destroy(struct port92 *port);
void port92_reset(struct port92 *port); // does not touch the A20 gate

#endif
