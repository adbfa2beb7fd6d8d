// See fixture.h.
#include "fixture.h"

static uint64_t fake_now(void *opaque) {
    const struct fixture *f = opaque;
    return f->now;
}

void fixture_create(struct fixture *f) {
    *f = (struct fixture){.now = 1000000000};
    struct error err;
    f->loop = event_loop_create((struct device_clock){fake_now, f}, &err);
    assert_non_null(f->loop);
    f->io = io_bus_create(NULL);
    assert_non_null(f->io);
}

void fixture_destroy(struct fixture *f) {
    io_bus_destroy(f->io);
    event_loop_destroy(f->loop);
}

void fixture_advance(struct fixture *f, uint64_t ns) {
    uint64_t end = f->now + ns;
    while (event_loop_next_deadline(f->loop) <= end) {
        if (event_loop_next_deadline(f->loop) > f->now)
            f->now = event_loop_next_deadline(f->loop);
        event_loop_turn(f->loop, 0);
    }
    f->now = end;
    event_loop_turn(f->loop, 0);
}

void fixture_jump(struct fixture *f, uint64_t ns) {
    f->now += ns;
    event_loop_turn(f->loop, 0);
}

static void line_set(void *opaque, unsigned number, bool level) {
    (void)number;
    struct fake_line *line = opaque;
    if (level && !line->level) {
        line->edges++;
        line->pending = true;
    }
    line->level = level;
}

static bool line_pending(void *opaque, unsigned number) {
    (void)number;
    return ((struct fake_line *)opaque)->pending;
}

static void line_watch(void *opaque, unsigned number, irq_wanted_fn wanted, void *device) {
    (void)number;
    struct fake_line *line = opaque;
    line->wanted = wanted;
    line->device = device;
    if (wanted)
        wanted(device, false);
}

struct irq_line fake_line(struct fixture *f) {
    return (struct irq_line){.set = line_set, .pending = line_pending, .opaque = &f->line};
}

struct irq_line fake_line_maskable(struct fixture *f) {
    struct irq_line line = fake_line(f);
    line.watch = line_watch;
    return line;
}

void fake_line_want(struct fixture *f, bool wanted) {
    f->line.wanted(f->line.device, wanted);
}

void fake_line_take(struct fixture *f) {
    f->line.pending = false;
}

uint8_t in8(struct fixture *f, uint16_t port) {
    return (uint8_t)io_bus_read(f->io, port, 1);
}

void out8(struct fixture *f, uint16_t port, uint8_t value) {
    io_bus_write(f->io, port, 1, value);
}
