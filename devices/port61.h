// System control port B (61h): gate of counter 2, speaker enable, refresh toggle and counter 2's output, which
// operating systems use to calibrate their delay loops, and the channel check, the PC/AT's source of non-maskable
// interrupts. The speaker itself is silent.
#ifndef DEVICES_PORT61_H
#define DEVICES_PORT61_H

#include "base/error.h"
#include "devices/bus.h"
#include "devices/event_loop.h"
#include "devices/i8254.h"
#include "devices/irq.h"

struct port61;

// `nmi` is the processor's NMI input, of which only rising edges count. Returns NULL with err filled. The timer must
// outlive it.
struct port61 *port61_create(struct io_bus *io, struct event_loop *loop, struct i8254 *pit, struct irq_line nmi,
                             struct error *err);
void port61_destroy(struct port61 *port);
void port61_reset(struct port61 *port);

// A card reports an error (IOCHK): bit 6 is set and the NMI line raised, unless bit 3 disables the check.
void port61_channel_check(struct port61 *port);
// Bit 7 of the clock's index port (70h): the line stays low while it is set, and rises with what waits when it clears.
void port61_mask_nmi(struct port61 *port, bool masked);

#endif
