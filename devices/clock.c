// The host's monotonic clock as a device clock. Asking it takes three times as long as reading the time-stamp counter,
// and drivers' delay loops ask it thousands of times: in between, the counter serves.
#include "devices/clock.h"

#include <cpuid.h>
#include <time.h>

#define LEAF_POWER      0x80000007u
#define INVARIANT_TSC   (1u << 8)
#define STEP_TICKS      (1u << 20)   // after which the host's clock is asked again: some 0.3 ms
#define SCALE_TICKS     (1u << 21)   // between two looks, for a rate to be computed
#define SCALE_TICKS_MAX (1ull << 34) // likewise, so that nothing overflows
#define LOOK_TICKS_MAX  2048u        // a look that took longer was interrupted
#define SCALE_BITS      32
#define SLOWER_SHIFT    14 // the rate is taken a little too low, so that the steps do not run ahead

static uint64_t host_now_ns(void *opaque) {
    (void)opaque;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

struct device_clock device_clock_host(void) {
    return (struct device_clock){host_now_ns, 0};
}

static bool tsc_is_invariant(void) {
    unsigned a, b, c, d = 0;
    return __get_cpuid(LEAF_POWER, &a, &b, &c, &d) && (d & INVARIANT_TSC);
}

// Asks the clock, and goes on from there.
static uint64_t look(const struct device_clock *clock, struct device_clock_steps *steps) {
    uint64_t before = __builtin_ia32_rdtsc(), ns = device_clock_now(clock), tsc = __builtin_ia32_rdtsc();
    uint64_t ticks = tsc - steps->tsc;
    bool first = steps->ns == 0, long_enough = ticks >= SCALE_TICKS && ticks <= SCALE_TICKS_MAX && ns > steps->ns;
    if (first)
        steps->useless = clock->now_ns != host_now_ns || !tsc_is_invariant();
    if (tsc - before > LOOK_TICKS_MAX || (!first && steps->scale == 0 && ticks < SCALE_TICKS))
        return ns;
    if (!first && long_enough)
        steps->scale =
            (uint64_t)(((unsigned __int128)(ns - steps->ns) << SCALE_BITS) / (ticks + (ticks >> SLOWER_SHIFT)));
    steps->tsc = tsc;
    steps->ns = ns;
    return ns;
}

uint64_t device_clock_quick(const struct device_clock *clock, struct device_clock_steps *steps) {
    if (steps->useless)
        return device_clock_now(clock);
    uint64_t ticks = __builtin_ia32_rdtsc() - steps->tsc, now;
    if (steps->scale && ticks < STEP_TICKS)
        now = steps->ns + (ticks * steps->scale >> SCALE_BITS);
    else
        now = look(clock, steps);
    if (now < steps->last)
        now = steps->last;
    steps->last = now;
    return now;
}
