// The interrupt controller pair of a PC/AT: two Intel 8259A, the second cascaded into IR2 of the first, and the ELCR
// registers of later chip sets. Ports 20h-21h, A0h-A1h, 4D0h-4D1h.
#ifndef DEVICES_I8259_H
#define DEVICES_I8259_H

#include "base/error.h"
#include "base/log.h"
#include "devices/bus.h"
#include "devices/irq.h"

#include <stdbool.h>
#include <stdint.h>

struct i8259_pair;

#define I8259_IRQ_COUNT 16

// intr is the INTR output: its set is called at each change, on whichever thread caused it, with the device lock held.
// Returns NULL with err filled.
struct i8259_pair *i8259_create(struct io_bus *io, struct irq_line intr, const struct log *log, struct error *err);
void i8259_destroy(struct i8259_pair *pair);
void i8259_reset(struct i8259_pair *pair); // power-on state: uninitialised, nothing requested; line levels are kept

// The line of IRQ 0 to 15 (2 is the cascade and must not be driven).
struct irq_line i8259_line(struct i8259_pair *pair, unsigned irq);

// The INTA cycles: takes the request with the highest priority and returns its vector. If it is gone meanwhile, the
// spurious vector (IR7) of the controller that was asked. Device lock held.
uint8_t i8259_acknowledge(struct i8259_pair *pair);

// For logs and inspection.
struct i8259_state {
    uint8_t irr, isr, imr, vector_base, elcr;
};
void i8259_get_state(const struct i8259_pair *pair, unsigned chip, struct i8259_state *state);

// True if some unmasked line could still interrupt: false means that HLT can never end. A device may raise it later.
bool i8259_any_unmasked(const struct i8259_pair *pair);

#endif
