// The National Semiconductor 16550A serial port. Characters take no time on the line: the transmitter is empty again at
// once, unless the back end is congested. Input is let in only when the guest listens (it enabled the receive
// interrupt, or polls), so that what was typed ahead, or stands in a pipe, is not lost to a driver that starts up.
#ifndef DEVICES_NS16550_H
#define DEVICES_NS16550_H

#include "base/error.h"
#include "devices/bus.h"
#include "devices/chardev.h"
#include "devices/irq.h"

#include <stdint.h>

struct ns16550;

#define NS16550_COM1_PORT 0x3f8
#define NS16550_COM1_IRQ  4

// Occupies eight ports from base on. The back end is borrowed and may be NULL (nothing connected). Returns NULL with
// err filled.
struct ns16550 *ns16550_create(struct io_bus *io, uint16_t base, struct irq_line irq, struct chardev *backend,
                               struct error *err);
void ns16550_destroy(struct ns16550 *uart);
void ns16550_reset(struct ns16550 *uart); // the MR pin
// The guest must not see how fast its output is taken: a full back end makes the processor wait.
void ns16550_set_steady(struct ns16550 *uart);

#endif
