// An engine with a tiny guest: 4 MiB of RAM, page tables, descriptor tables, handlers, the programs of programs.S, one
// memory-mapped device, one port. The vCPU is driven through cpu/cpu.h; tests that reach inside use cpu/engine.h.
#ifndef TESTS_ENGINE_RIG_H
#define TESTS_ENGINE_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cpu/engine.h"
#include "devices/bus.h"
#include "mmu/ram.h"
#include "tests/engine/layout.h"

#define RIG_DEVICE_LOG 4096

struct rig_access {
    uint64_t value;
    uint32_t offset;
    uint8_t size;
    bool write;
};

struct rig {
    struct ram ram;
    struct io_bus *io;
    struct mmio_bus *mmio;
    struct stats stats;
    struct log log;
    struct vcpu *vcpu;
    struct engine *engine;
    uint8_t device[DEVICE_SIZE]; // what the device holds
    struct rig_access accesses[RIG_DEVICE_LOG];
    unsigned access_count;
    unsigned acknowledged; // interrupts taken
    uint8_t port_value;
    void *watcher; // of the test that runs
};

struct rig_options {
    enum mmu_policy policy;
    uint32_t cache_mib;
    bool no_link;
    bool verify;
    const struct cpu_clock *clock; // its opaque is the rig
};

void rig_open(struct rig *rig, const struct rig_options *options);
void rig_close(struct rig *rig);

// Fresh memory but for the program pages: tables, variables, data. Translations of the programs stay.
void rig_reset_memory(struct rig *rig);
// The program pages too.
void rig_reset_programs(struct rig *rig);
// Ready to run at linear `eip`: flat segments, paging, IOPL 3, IF as told.
void rig_start(struct rig *rig, uint32_t eip, unsigned cpl, bool interrupts);
// The guest address of a label of programs.S.
uint32_t rig_address(const uint8_t *label);
uint32_t rig_get(const struct rig *rig, uint32_t gpa);
void rig_put(struct rig *rig, uint32_t gpa, uint32_t value);                  // tells the engine
void rig_code(struct rig *rig, uint32_t gpa, const void *bytes, size_t size); // likewise
void rig_map(struct rig *rig, uint32_t linear, uint64_t entry); // a page of SPECIAL or of the first 4 MiB; no flush
// Runs to the end and expects the program to have stopped by HLT with interrupts off.
void rig_run(struct rig *rig);

// What a run leaves behind: registers, x87 and SSE state without pointers, exceptions, data.
struct rig_result {
    struct cpu_state state;
    uint8_t fx[512];
    uint8_t log[LOG_END - LOG_START];
    uint8_t data[DATA_END - DATA];
    uint32_t exceptions;
};
void rig_result(struct rig *rig, struct rig_result *result);
// Fails, naming the first difference, if two results differ.
void rig_compare(const struct rig_result *wanted, const struct rig_result *got, const char *what);

// ---- Programs
// --------------------------------------------------------------------------------------------------------------

#define RIG_PROGRAMS(X)                                                                                                \
    X(loops, 3)                                                                                                        \
    X(recursion, 3)                                                                                                    \
    X(memory, 3)                                                                                                       \
    X(strings, 3)                                                                                                      \
    X(callouts, 3)                                                                                                     \
    X(flags, 3) X(sysenter, 2) X(self, 3) X(generate, 3) X(faults, 2) X(demand, 3) X(floating, 3) X(pages, 3)
#define RIG_SPINS(X)                                                                                                   \
    X(spin_one, 3)                                                                                                     \
    X(spin_blocks, 3)                                                                                                  \
    X(spin_memory, 3)                                                                                                  \
    X(spin_call, 3)                                                                                                    \
    X(spin_callout, 3) X(spin_string, 3) X(spin_shadow, 3) X(spin_popf, 3) X(spin_pages, 3) X(spin_crossing, 3)

#define RIG_DECLARE(name, cpls) extern const uint8_t program_##name[];
RIG_PROGRAMS(RIG_DECLARE)
RIG_SPINS(RIG_DECLARE)
#undef RIG_DECLARE
extern const uint8_t programs_begin[], programs_end[], handler_stubs[], handler_irq[], handler_done[], handler_end[],
    sysenter_entry[];

struct rig_program {
    const char *name;
    const uint8_t *code;
    unsigned cpls; // bit 0: runs at CPL 0, bit 1: at CPL 3
    bool changes_code, demand;
};
extern const struct rig_program rig_programs[], rig_spins[];
extern const unsigned rig_program_count, rig_spin_count;

// rig_reset_memory, what the program needs, rig_start.
void rig_start_program(struct rig *rig, const struct rig_program *program, unsigned cpl, bool interrupts);

#endif
