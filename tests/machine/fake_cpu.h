// A processor without an engine: implements cpu/cpu.h for tests of machine/, which write the guest as a C function.
#ifndef TESTS_MACHINE_FAKE_CPU_H
#define TESTS_MACHINE_FAKE_CPU_H

#include "cpu/cpu.h"

#include <semaphore.h>
#include <stdatomic.h>

struct vcpu {
    struct cpu_config config;
    struct cpu_state state;
    atomic_bool stop_requested, reset_requested, intr;
    atomic_uint nmis; // edges
    bool a20;
    unsigned resets;        // calls of vcpu_reset
    unsigned runs;          // calls of vcpu_run, the current one included
    uint64_t bytes_changed; // vcpu_memory_changed
    sem_t wake;
    const char *error_text;
    uint8_t fx[512];
    unsigned points;
    bool step;
};

// What vcpu_run does. Set by a test before it runs a machine.
extern enum cpu_stop (*fake_cpu_guest)(struct vcpu *v);

// Makes vcpu_create fail with this text while it is not NULL.
extern const char *fake_cpu_create_error;

// For guests: port accesses; HLT with IF=0, which waits for a stop or a reset and says which; HLT with IF=1, which
// waits for an interrupt, acknowledges it and returns its vector.
void fake_cpu_out(struct vcpu *v, uint16_t port, uint8_t value);
uint8_t fake_cpu_in(struct vcpu *v, uint16_t port);
enum cpu_stop fake_cpu_wait(struct vcpu *v);
uint8_t fake_cpu_wait_interrupt(struct vcpu *v);

#endif
