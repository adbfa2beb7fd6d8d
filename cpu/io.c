// IN and OUT: privilege, then the bus under the device lock. Intel SDM vol. 1 19.5; vol. 2, IN and OUT. Devices are
// library code: the FPU state is parked first, also for callers that are light.
#include "cpu/semantics.h"
#include "devices/bus.h"

#define PORT_NS     1000 // of the virtual clock: what an access takes on the ISA bus, which drivers' delays rely on
#define PORT_SAMPLE 17   // no divisor of the loops in which drivers access ports

void cpu_device_lock(struct vcpu *v) {
    engine_park_fpu(v);
    if (v->config.lock)
        v->config.lock(v->config.opaque);
}

void cpu_device_unlock(struct vcpu *v) {
    if (v->config.unlock)
        v->config.unlock(v->config.opaque);
}

// One access in PORT_SAMPLE is timed and stands for the others: reading the time-stamp counter costs as much as an
// access.
static uint64_t sample_begin(struct vcpu *v) {
    return v->port_accesses++ % PORT_SAMPLE ? 0 : __builtin_ia32_rdtsc();
}

static void sample_end(struct vcpu *v, uint64_t start) {
    if (start)
        v->device_cycles += (__builtin_ia32_rdtsc() - start) * PORT_SAMPLE;
}

uint32_t cpu_port_read(struct vcpu *v, uint32_t port, unsigned size) {
    if (v->debug.io)
        cpu_debug_port(v, port, size);
    uint64_t start = sample_begin(v);
    cpu_device_lock(v);
    uint32_t value = io_bus_read(v->config.io, (uint16_t)port, size);
    clock_device_accessed(v, PORT_NS);
    cpu_device_unlock(v);
    sample_end(v, start);
    return value;
}

void cpu_port_write(struct vcpu *v, uint32_t port, unsigned size, uint32_t value) {
    if (v->debug.io)
        cpu_debug_port(v, port, size);
    uint64_t start = sample_begin(v);
    cpu_device_lock(v);
    io_bus_write(v->config.io, (uint16_t)port, size, value);
    clock_device_accessed(v, PORT_NS);
    cpu_device_unlock(v);
    sample_end(v, start);
}

enum callout_result callout_IN(struct vcpu *v, uint32_t r8, uint32_t r9, uint32_t word) {
    (void)r9;
    unsigned size = CALLOUT_EXTRA(word);
    uint32_t port = r8 & 0xffff;
    if (cpu_io_check(v, port, size) < 0)
        return callout_failed(v);
    cpu_set_reg(v, CPU_EAX, size, cpu_port_read(v, port, size));
    return CALLOUT_CONTINUE;
}

enum callout_result callout_OUT(struct vcpu *v, uint32_t r8, uint32_t r9, uint32_t word) {
    (void)r9;
    unsigned size = CALLOUT_EXTRA(word);
    uint32_t port = r8 & 0xffff;
    if (cpu_io_check(v, port, size) < 0)
        return callout_failed(v);
    cpu_port_write(v, port, size, cpu_get_reg(v, CPU_EAX, size));
    return CALLOUT_CONTINUE;
}
