// The host's monotonic clock as a device clock.
#include "devices/clock.h"

#include <time.h>

static uint64_t host_now_ns(void *opaque) {
    (void)opaque;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

struct device_clock device_clock_host(void) {
    return (struct device_clock){host_now_ns, 0};
}
