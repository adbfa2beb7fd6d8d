// The coprocessor error circuit of the PC/AT, for systems that leave CR0.NE clear: the processor's FERR# output drives
// IRQ 13, and a write to port F0h takes the request back. Intel SDM vol. 1, D.2.1 (figure D-1); IBM PC/AT technical
// reference.
#ifndef DEVICES_COPROCESSOR_H
#define DEVICES_COPROCESSOR_H

#include "base/error.h"
#include "devices/bus.h"
#include "devices/irq.h"

#define COPROCESSOR_IRQ 13

struct coprocessor;

// ignore is called at the write that clears the request, on the thread that writes.
struct coprocessor *coprocessor_create(struct io_bus *io, struct irq_line irq, void (*ignore)(void *opaque),
                                       void *opaque, struct error *err); // NULL with err filled
void coprocessor_destroy(struct coprocessor *coprocessor);
void coprocessor_reset(struct coprocessor *coprocessor);

// FERR#: an x87 instruction met a pending exception. Device lock held.
void coprocessor_error(struct coprocessor *coprocessor);

#endif
