// The Intel 8254 interval timer of a PC: three counters at 1.193182 MHz, ports 40h-43h. Counter 0 drives IRQ 0, counter
// 1 is the refresh clock, counter 2 the speaker (gate and output: devices/port61.h).
// Counts are computed from the device clock when they are read; a host timer runs only while IRQ 0 is wanted.
#ifndef DEVICES_I8254_H
#define DEVICES_I8254_H

#include "base/error.h"
#include "devices/bus.h"
#include "devices/event_loop.h"
#include "devices/irq.h"

#include <stdbool.h>

struct i8254;

#define I8254_HZ 1193182u

// irq is the line of counter 0's output. Returns NULL with err filled.
struct i8254 *i8254_create(struct io_bus *io, struct event_loop *loop, struct irq_line irq, struct error *err);
void i8254_destroy(struct i8254 *pit);
// As a BIOS leaves it: counter 0 in mode 3 with the longest period (18.2 Hz), counter 1 in mode 2 with 18, counter 2
// idle with its gate low. The chip itself has no defined reset state.
void i8254_reset(struct i8254 *pit);

// Pins of one counter (0-2). The gates of 0 and 1 are tied high on a PC.
void i8254_set_gate(struct i8254 *pit, unsigned counter, bool level);
bool i8254_gate(const struct i8254 *pit, unsigned counter);
bool i8254_out(struct i8254 *pit, unsigned counter, uint64_t now_ns);

#endif
