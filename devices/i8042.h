// The Intel 8042 keyboard controller of a PC/AT (no auxiliary channel), ports 60h and 64h, IRQ 1: controller commands,
// A20 through the output port, the reset pulse, and an optional MF II keyboard that answers its commands at once.
#ifndef DEVICES_I8042_H
#define DEVICES_I8042_H

#include "base/error.h"
#include "devices/a20.h"
#include "devices/bus.h"
#include "devices/irq.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct i8042;

struct i8042_config {
    struct irq_line irq;         // IRQ 1
    struct a20_gate *a20;        // borrowed
    void (*reset)(void *opaque); // the reset line (FEh, output port bit 0); device lock held, NULL: not connected
    void *opaque;
    bool keyboard; // a keyboard is plugged in; without one, commands to it time out at once, as the chip reports it
};

// The configuration is copied. Returns NULL with err filled.
struct i8042 *i8042_create(struct io_bus *io, const struct i8042_config *config, struct error *err);
void i8042_destroy(struct i8042 *kbc);
void i8042_reset(struct i8042 *kbc); // does not touch the A20 gate

// Key strokes as scan code set 2 bytes; the controller translates them if the guest asked for it. Returns how many were
// taken (0 without a keyboard, or while the guest has disabled it). Device lock held.
size_t i8042_type(struct i8042 *kbc, const uint8_t *scancodes, size_t count);

#endif
