// The one clock from which every device derives its time (PITFALLS 15 of the design). Nanoseconds, never backwards.
#ifndef DEVICES_CLOCK_H
#define DEVICES_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

struct device_clock {
    uint64_t (*now_ns)(void *opaque); // from any thread
    void *opaque;
};

static inline uint64_t device_clock_now(const struct device_clock *clock) {
    return clock->now_ns(clock->opaque);
}

// The host's CLOCK_MONOTONIC.
struct device_clock device_clock_host(void);

// What makes the host's clock cheap to ask: between two looks at it the time-stamp counter tells how much has passed.
// Zero at first. Whoever uses one holds a lock.
struct device_clock_steps {
    uint64_t tsc, ns; // at the last look
    uint64_t last;    // what was answered last
    uint64_t scale;   // ns in one tick, 32 fractional bits; 0: not known
    bool useless;     // the counter does not run at one rate, or this is no clock of the host
};
// As device_clock_now, at most a microsecond late, and never behind what it said before.
uint64_t device_clock_quick(const struct device_clock *clock, struct device_clock_steps *steps);

#endif
