// How fast the time-stamp counter runs, for CPUID leaf 15h: the host's counter against its monotonic clock, from the
// first reset until somebody asks. Without it a kernel counts against the 8254, and a host that pauses the process
// spoils that.
#include "cpu/semantics.h"

#include <time.h>

#define VIRTUAL_KHZ    1000000u // an instruction is a nanosecond and a cycle
#define MEASURE_MIN_NS 5000000u // two readings are exact to about 50 ns: 10 parts in a million

static uint64_t monotonic_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

// Both clocks at one moment: of a few tries the one that took the shortest.
static void read_both(uint64_t *tsc, uint64_t *ns) {
    uint64_t best = UINT64_MAX;
    for (unsigned i = 0; i < 5; i++) {
        uint64_t before = __builtin_ia32_rdtsc(), now = monotonic_ns(), after = __builtin_ia32_rdtsc();
        if (after - before < best) {
            best = after - before;
            *tsc = before + best / 2;
            *ns = now;
        }
    }
}

void tsc_rate_start(struct vcpu *v) {
    if (v->clock.counts)
        v->tsc_rate = (struct tsc_rate){.khz = VIRTUAL_KHZ, .invariant = true};
    if (v->clock.counts || v->tsc_rate.ns)
        return;
    v->tsc_rate.invariant = cpuid_host_invariant_tsc();
    read_both(&v->tsc_rate.tsc, &v->tsc_rate.ns);
}

uint32_t tsc_rate_khz(struct vcpu *v) {
    struct tsc_rate *rate = &v->tsc_rate;
    uint64_t tsc = 0, ns = 0;
    if (rate->khz)
        return rate->khz;
    do
        read_both(&tsc, &ns);
    while (ns - rate->ns < MEASURE_MIN_NS);
    rate->khz = (uint32_t)((unsigned __int128)(tsc - rate->tsc) * 1000000u / (ns - rate->ns));
    return rate->khz;
}
