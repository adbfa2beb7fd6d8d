// A PC/AT of our make: RAM, buses, interrupt controllers, timer, clock, serial port, keyboard controller, the small
// ports, the I/O thread, and one virtual processor. Everything of one machine hangs on struct pc; there is no other
// state. Knows nothing of kernels.
#ifndef MACHINE_PC_H
#define MACHINE_PC_H

#include "base/error.h"
#include "base/log.h"
#include "base/stats.h"
#include "cpu/cpu.h"
#include "devices/a20.h"
#include "devices/event_loop.h"
#include "mmu/ram.h"

#include <stdbool.h>
#include <stdint.h>

struct pc_config {
    uint64_t memory; // bytes; see ram_create
    enum mmu_policy policy;
    bool verify, no_link;
    uint32_t ablate;               // enum ablate
    const struct cpu_trace *trace; // NULL: nothing is traced
    bool virtual_clock;            // time is counted in guest instructions (cpu/cpu.h)
    int64_t rtc_start;             // seconds since 1970 (UTC), or MC146818_HOST_TIME
    uint32_t cache_mib;
    bool smep, smap, avx; // announced by CPUID
    bool hypercalls;
    bool dma_test, nmi_test;
    const struct log *log; // borrowed
    struct stats *stats;   // borrowed
    // Both called with the device lock held; they may only note the event and call vcpu_request_stop.
    void (*debug_exit)(void *opaque, uint32_t value); // on the vCPU's thread
    void (*quit)(void *opaque);                       // the console's Ctrl-A x, on the I/O thread
    // Under the virtual clock, as struct cpu_clock has it; NULL for nobody.
    uint64_t (*reached)(void *opaque, uint64_t instructions);
    void *opaque;
};

struct pc {
    struct ram ram;
    struct io_bus *io;
    struct mmio_bus *mmio;
    struct event_loop *loop;
    bool loop_runs;
    struct event_loop *timers; // of the guest's clocks: `loop` itself, or one that the processor steps
    uint64_t (*reached)(void *opaque, uint64_t instructions);
    struct vcpu *vcpu;
    struct a20_gate a20;
    bool nmi_level; // of the processor's NMI input
    struct i8259_pair *pic;
    struct i8254 *pit;
    struct port61 *port61;
    struct mc146818 *rtc;
    struct i8042 *kbc;
    struct port92 *port92;
    struct coprocessor *coprocessor;
    struct post_port *post;
    struct debug_exit *debug_exit;
    struct dmatest *dmatest; // NULL unless it was asked for
    struct nmitest *nmitest; // likewise
    struct chardev *serial;  // NULL until pc_connect_serial
    struct ns16550 *uart;
    const struct log *log;
    void (*quit)(void *opaque);
    void *opaque;
};

// Builds the machine without its serial port; no thread runs yet. Returns 0, or -1 with err filled; pc is empty then.
int pc_create(struct pc *pc, const struct pc_config *config, struct error *err);

// Stops the I/O thread and gives everything back. An empty pc is allowed.
void pc_destroy(struct pc *pc);

// Opens the back end that spec names (devices/chardev.h) and plugs COM1 into it. Once; apart from pc_create because it
// touches things outside of the process, which must not happen before all input is known to be good.
int pc_connect_serial(struct pc *pc, const char *spec, struct error *err);

// Starts the I/O thread unless it runs. Returns 0, or -1 with err filled.
int pc_start(struct pc *pc, struct error *err);

// Sets every device and the processor to its power-on state, and all RAM to zero. The vCPU must not be running.
// Returns 0, or -1 with err filled when the host cannot give the memory back.
int pc_reset(struct pc *pc, struct error *err);

#endif
