// The 8254 of a PC, after the Intel 82C54 data sheet (order number 231244): control words, latches and read-back, and
// IRQ 0 from counter 0. A tick that the processor could not take in time is made up for, but at no more than twice the
// programmed rate and never more than a quarter of a second's worth (PITFALLS 15 of the design). OUT's falling edges in
// modes 2 and 3 do not reach the line: they would double the wake-ups of the host and interrupt nobody.
#include "devices/i8254.h"

#include "devices/i8254_counter.h"

#include <stdlib.h>

#define PIT_PORT         0x40
#define PIT_COUNTERS     3
#define PIT_CONTROL      3    // the fourth port
#define CONTROL_READBACK 3    // counter select bits 7-6
#define READBACK_COUNT   0x20 // 0: latch the counts
#define READBACK_STATUS  0x10 // 0: latch the states

#define NS_PER_S           1000000000u
#define PIT_CATCH_UP_TICKS (I8254_HZ / 4)
#define PIT_TIMER_MIN_NS   20000u // a guest that programs a shorter period gets its ticks merged

struct i8254 {
    struct i8254_counter counter[PIT_COUNTERS];
    struct event_loop *loop;
    struct event_timer timer;
    struct irq_line irq;
    bool wanted;         // IRQ 0 is not masked
    uint64_t seen;       // tick up to which edges of counter 0 have reached the line
    uint64_t last_pulse; // tick of the last edge given to the line
    uint64_t backlog;    // periodic edges owed
    uint64_t masked_at;  // tick at which `wanted` became false
};

// Split at the second, so that 64 bits are enough for centuries.
static uint64_t ticks_from_ns(uint64_t ns) {
    return ns / NS_PER_S * I8254_HZ + ns % NS_PER_S * I8254_HZ / NS_PER_S;
}

static uint64_t ns_from_ticks(uint64_t ticks) {
    return ticks / I8254_HZ * NS_PER_S + (ticks % I8254_HZ * NS_PER_S + I8254_HZ - 1) / I8254_HZ;
}

static uint64_t pit_now(const struct i8254 *pit) {
    return ticks_from_ns(event_loop_now(pit->loop));
}

static void pit_pulse(struct i8254 *pit, uint64_t now) {
    pit->last_pulse = now;
    irq_edge(&pit->irq);
}

static bool pit_is_periodic(const struct i8254 *pit) {
    return pit->counter[0].mode == 2 || pit->counter[0].mode == 3;
}

// Gives the line the edges since the last call.
static void pit_deliver(struct i8254 *pit, uint64_t now) {
    const struct i8254_counter *counter = &pit->counter[0];
    uint64_t edges = counter_edges(&pit->counter[0], pit->seen, now);
    pit->seen = now;
    if (!pit->wanted || !pit_is_periodic(pit)) {
        if (edges)
            pit_pulse(pit, now);
        return;
    }
    uint64_t most = PIT_CATCH_UP_TICKS / counter->period;
    uint64_t owed = pit->backlog + edges;
    if (owed && !irq_pending(&pit->irq) && now - pit->last_pulse >= counter->period / 2) {
        pit_pulse(pit, now);
        owed--;
    }
    pit->backlog = owed < most ? owed : most;
}

// Arms the host timer for the next edge that the line wants.
static void pit_arm(struct i8254 *pit, uint64_t now) {
    if (!pit->wanted) {
        event_timer_cancel(&pit->timer);
        return;
    }
    uint64_t next = counter_next_edge(&pit->counter[0], now);
    if (next == I8254_NO_TICK) {
        event_timer_cancel(&pit->timer);
        return;
    }
    uint64_t catch_up = pit->last_pulse + pit->counter[0].period / 2;
    if (pit->backlog && catch_up > now && catch_up < next)
        next = catch_up;
    uint64_t earliest = event_loop_now(pit->loop) + PIT_TIMER_MIN_NS;
    uint64_t deadline = ns_from_ticks(next);
    event_timer_arm(&pit->timer, deadline > earliest ? deadline : earliest);
}

static void pit_update(struct i8254 *pit) {
    uint64_t now = pit_now(pit);
    pit_deliver(pit, now);
    pit_arm(pit, now);
}

static void pit_timer_fired(void *opaque) {
    pit_update(opaque);
}

static void pit_wanted(void *device, bool wanted) {
    struct i8254 *pit = device;
    uint64_t now = pit_now(pit);
    pit_deliver(pit, now); // under the old value: what happened while it was masked is one edge
    if (pit->wanted && !wanted)
        pit->masked_at = now;
    if (!pit->wanted && wanted && now - pit->masked_at > PIT_CATCH_UP_TICKS)
        pit->backlog = 0; // interrupt handlers mask their line for a moment; this was more
    pit->wanted = wanted;
    pit_arm(pit, now);
}

// After a write to counter 0: the line follows OUT where the mode holds it low.
static void pit_reprogrammed(struct i8254 *pit, uint64_t now) {
    struct i8254_counter *counter = &pit->counter[0];
    pit->backlog = 0;
    irq_set(&pit->irq, counter->mode > 1 || counter_out(counter, now));
    pit_arm(pit, now);
}

static void pit_control(struct i8254 *pit, uint8_t value, uint64_t now) {
    unsigned select = value >> 6;
    if (select == CONTROL_READBACK) {
        for (unsigned i = 0; i < PIT_COUNTERS; i++) {
            if (!(value & 2u << i))
                continue;
            if (!(value & READBACK_COUNT))
                counter_latch_count(&pit->counter[i], now);
            if (!(value & READBACK_STATUS))
                counter_latch_status(&pit->counter[i], now);
        }
        return;
    }
    if (!(value & 0x30)) {
        counter_latch_count(&pit->counter[select], now);
        return;
    }
    counter_control(&pit->counter[select], value & 0x3f);
    if (select == 0)
        pit_reprogrammed(pit, now);
}

static void pit_write(void *device, uint16_t port, unsigned size, uint32_t value) {
    (void)size;
    struct i8254 *pit = device;
    uint64_t now = pit_now(pit);
    unsigned index = port & 3;
    pit_deliver(pit, now);
    if (index == PIT_CONTROL) {
        pit_control(pit, (uint8_t)value, now);
        return;
    }
    counter_write(&pit->counter[index], (uint8_t)value, now);
    if (index == 0)
        pit_reprogrammed(pit, now);
}

static uint32_t pit_read(void *device, uint16_t port, unsigned size) {
    (void)size;
    struct i8254 *pit = device;
    unsigned index = port & 3;
    return index == PIT_CONTROL ? 0xff : counter_read(&pit->counter[index], pit_now(pit));
}

void i8254_set_gate(struct i8254 *pit, unsigned counter, bool level) {
    counter_set_gate(&pit->counter[counter % PIT_COUNTERS], level, pit_now(pit));
}

bool i8254_gate(const struct i8254 *pit, unsigned counter) {
    return pit->counter[counter % PIT_COUNTERS].gate;
}

bool i8254_out(struct i8254 *pit, unsigned counter, uint64_t now_ns) {
    return counter_out(&pit->counter[counter % PIT_COUNTERS], ticks_from_ns(now_ns));
}

void i8254_reset(struct i8254 *pit) {
    static const struct {
        uint8_t control;
        uint16_t count;
        bool gate;
    } after_bios[PIT_COUNTERS] = {{0x36, 0, true}, {0x74, 18, true}, {0xb6, 0, false}};
    uint64_t now = pit_now(pit);
    for (unsigned i = 0; i < PIT_COUNTERS; i++) {
        pit->counter[i].gate = after_bios[i].gate;
        counter_control(&pit->counter[i], after_bios[i].control & 0x3f);
        counter_write(&pit->counter[i], (uint8_t)after_bios[i].count, now);
        counter_write(&pit->counter[i], (uint8_t)(after_bios[i].count >> 8), now);
    }
    pit->seen = pit->last_pulse = now;
    pit_reprogrammed(pit, now);
}

struct i8254 *i8254_create(struct io_bus *io, struct event_loop *loop, struct irq_line irq, struct error *err) {
    struct i8254 *pit = calloc(1, sizeof *pit);
    if (!pit) {
        error_set(err, "i8254: out of memory");
        return NULL;
    }
    pit->loop = loop;
    pit->irq = irq;
    event_timer_init(&pit->timer, loop, pit_timer_fired, pit);
    if (io_bus_register(io, PIT_PORT, PIT_COUNTERS + 1, pit_read, pit_write, pit, err)) {
        free(pit);
        return NULL;
    }
    i8254_reset(pit);
    irq_watch(&pit->irq, pit_wanted, pit);
    return pit;
}

void i8254_destroy(struct i8254 *pit) {
    if (!pit)
        return;
    event_timer_cancel(&pit->timer);
    irq_watch(&pit->irq, NULL, NULL);
    free(pit);
}
