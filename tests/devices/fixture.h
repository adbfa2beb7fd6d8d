// What every device test needs: a clock that stands still until it is moved, a loop on it that is turned by hand, a
// bus, and an interrupt line that counts.
#ifndef TESTS_DEVICES_FIXTURE_H
#define TESTS_DEVICES_FIXTURE_H

#include "devices/bus.h"
#include "devices/event_loop.h"
#include "devices/irq.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define MS 1000000ull
#define US 1000ull

struct fake_line {
    bool level;
    bool pending;   // an edge that fake_line_take has not taken
    unsigned edges; // rising ones
    irq_wanted_fn wanted;
    void *device;
};

struct fixture {
    uint64_t now; // ns
    struct event_loop *loop;
    struct io_bus *io;
    struct fake_line line;
};

void fixture_create(struct fixture *f);
void fixture_destroy(struct fixture *f);

// Moves the clock ahead, stopping at each deadline on the way to turn the loop.
void fixture_advance(struct fixture *f, uint64_t ns);
// Moves the clock at once, as a host does that stopped the process meanwhile, and turns the loop.
void fixture_jump(struct fixture *f, uint64_t ns);

// A line of the fixture that always wants interrupts, and one that is told by fake_line_want.
struct irq_line fake_line(struct fixture *f);
struct irq_line fake_line_maskable(struct fixture *f);
void fake_line_want(struct fixture *f, bool wanted);
void fake_line_take(struct fixture *f);

// Byte access to ports.
uint8_t in8(struct fixture *f, uint16_t port);
void out8(struct fixture *f, uint16_t port, uint8_t value);

#endif
