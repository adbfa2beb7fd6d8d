// The one clock from which every device derives its time (PITFALLS 15 of the design). Nanoseconds, never backwards.
#ifndef DEVICES_CLOCK_H
#define DEVICES_CLOCK_H

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

#endif
