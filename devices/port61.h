// System control port B (61h): gate of counter 2, speaker enable, refresh toggle and counter 2's output, which
// operating systems use to calibrate their delay loops. The speaker itself is silent.
#ifndef DEVICES_PORT61_H
#define DEVICES_PORT61_H

#include "base/error.h"
#include "devices/bus.h"
#include "devices/event_loop.h"
#include "devices/i8254.h"

struct port61;

// Returns NULL with err filled. The timer must outlive it.
struct port61 *port61_create(struct io_bus *io, struct event_loop *loop, struct i8254 *pit, struct error *err);
void port61_destroy(struct port61 *port);
void port61_reset(struct port61 *port);

#endif
