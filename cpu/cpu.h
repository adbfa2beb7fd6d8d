// The virtual processor as the rest of the machine sees it: create, run, interrupt, stop, inspect.
// Only machine/ includes this; devices know nothing of the processor.
#ifndef CPU_CPU_H
#define CPU_CPU_H

#include "base/ablate.h"
#include "base/error.h"
#include "base/log.h"
#include "base/stats.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct io_bus;   // devices/bus.h
struct mmio_bus; // devices/bus.h
struct ram;      // mmu/ram.h
struct vcpu;     // cpu/vcpu.h, private to cpu/

enum mmu_policy { MMU_ADAPTIVE, MMU_DIRECT, MMU_SOFT };

// The virtual clock's way to the devices and to whoever watches the run, all on the vCPU thread; fire, next_deadline
// and acknowledge see one time that stands still. Times are those of vcpu_clock_ns.
struct cpu_clock {
    uint64_t (*next_deadline)(void *opaque); // the first time at which a device wants to act; UINT64_MAX for never
    void (*fire)(void *opaque);              // it has come: devices act; takes the device lock itself
    // Called between two instructions when vcpu_instructions has reached the count that it returned last (0 at first),
    // before the instruction that follows and before any interrupt; the state may be read then. Returns the next count.
    uint64_t (*reached)(void *opaque, uint64_t instructions);
};

// ---- The trace of a run (trace.c): what vcpu_run gives to whoever asked for it in cpu_config.trace

// A block that has just been translated, before it runs for the first time. Its number is one more than that of the
// block before; the first is 0.
struct cpu_trace_block {
    uint32_t id;
    uint32_t linear;                             // address of its first instruction
    uint32_t frame;                              // guest-physical page
    uint32_t mode;                               // enum mode_bit of translator/abi.h
    uint32_t host_size, guest_size;              // bytes
    uint32_t insns, identity, inlined, callouts; // instructions; the last three are parts of the first
    const uint8_t *bytes;                        // guest_size of them; only during the call
};

// A record is a 64-bit word: the number of a block that began to run, and in bits 32-63 the linear address of the page
// that it began in. With bit 31 set it is an event: enum cpu_trace_event in bits 24-30, `info` in bits 0-23, a linear
// address in bits 32-63; behind it come a word with `a` in the lower and `b` in the upper half, and one with the time.
#define CPU_TRACE_EVENT       0x80000000u
#define CPU_TRACE_EVENT_WORDS 3
enum cpu_trace_event {
    CPU_TRACE_CALLOUT,   // info: its number; a, b: its arguments; address: of the instruction
    CPU_TRACE_FAULT,     // an exception is delivered: info: vector; a: error code; b: CR2 of a page fault
    CPU_TRACE_INTERRUPT, // info: vector, 2 for an NMI; address: where
    CPU_TRACE_SHADOW,    // a page of the window was missing: info: 1 for a write; a: address of the access
    CPU_TRACE_MODE,      // info: the new CPL; a: the new mode (enum mode_bit), b: the one before; address: where
    CPU_TRACE_SPACE,     // a: the new CR3; b: the one before
    CPU_TRACE_EVENTS,
};

// Times are cycles of the host's time-stamp counter since the vCPU was created, or, under the virtual clock, guest
// instructions. Each function returns 0, or -1: then the trace ends and the guest goes on without it.
struct cpu_trace {
    int (*block)(void *opaque, const struct cpu_trace_block *block);
    // `count` words, the newest first; called when there are many of them, every few hundredths of a second, and at the
    // end of vcpu_run. `lost` counts events since the creation for which there was no room.
    int (*records)(void *opaque, const uint64_t *words, size_t count, uint64_t lost, uint64_t time);
    void *opaque;
};

struct cpu_config {
    struct ram *ram;
    struct io_bus *io;
    struct mmio_bus *mmio;
    const struct log *log;
    struct stats *stats;
    enum mmu_policy policy;
    bool verify;        // every emitted block goes through the verifier; a rejected one stops the run
    bool no_link;       // direct jumps are never patched: every transfer goes through the code map
    uint32_t ablate;    // enum ablate: techniques to do without
    uint32_t cache_mib; // size of the code cache in MiB, 0 for the default
    bool smep, smap;    // announce them
    bool avx;           // announce XSAVE, AVX and AVX2, which the host must have
    bool hypercalls;    // VMCALL at CPL 0 calls the monitor, and CPUID says so
    bool nmi_wakes;     // HLT with IF=0 waits: something may raise an NMI
    // Asked on the vCPU thread when an interrupt is taken; returns the vector from the interrupt controller (INTA
    // cycle).
    uint8_t (*acknowledge)(void *opaque);
    // FERR#: an x87 exception with CR0.NE clear. On the vCPU thread with the device lock held; NULL: #MF all the same.
    void (*coprocessor_error)(void *opaque);
    // Text that the guest gives to the monitor for its console, on the vCPU thread with the device lock held; returns
    // how many bytes were taken. NULL: it goes nowhere.
    uint32_t (*console_write)(void *opaque, const uint8_t *bytes, uint32_t size);
    // Called on the vCPU thread around every device access; NULL where no lock is needed.
    void (*lock)(void *opaque);
    void (*unlock)(void *opaque);
    // Around the sleep of a halted processor: idle_begin returns how long it may sleep at most, in ns (0: not at all;
    // UINT64_MAX: until something happens); idle_end fires what is due, on the vCPU thread. NULL where there is no
    // need.
    uint64_t (*idle_begin)(void *opaque);
    void (*idle_end)(void *opaque);
    const struct cpu_trace *trace; // NULL: nothing is traced
    const struct cpu_clock *clock; // NULL: time is the host's; else it is counted in guest instructions
    void *opaque;
};

// Kinds of a debugger's breakpoints, which the guest cannot see.
enum cpu_point_kind { CPU_POINT_EXEC, CPU_POINT_WRITE, CPU_POINT_READ, CPU_POINT_ACCESS };

// Why a run ended with CPU_STOP_DEBUG.
enum cpu_debug_cause { CPU_DEBUG_STEP, CPU_DEBUG_POINT };
struct cpu_debug_hit {
    enum cpu_debug_cause cause;
    enum cpu_point_kind kind; // of the point
    uint32_t linear;          // of the point
};

enum cpu_stop {
    CPU_STOP_HALT,         // HLT with IF=0 and nothing that could wake it
    CPU_STOP_RESET,        // vcpu_request_reset, after the current instruction
    CPU_STOP_REQUESTED,    // vcpu_request_stop
    CPU_STOP_TRIPLE_FAULT, // the state is that of the faulting instruction
    CPU_STOP_DEBUG,        // a debugger's breakpoint or step; vcpu_debug_hit says which
    CPU_STOP_ERROR,        // an error of the monitor; vcpu_error_text says which
};

// A segment register with its hidden part. attr has the layout of the second descriptor word's bits 8-15 and 20-23:
// type 0-3, S 4, DPL 5-6, P 7, AVL 8, (L 9), D/B 10, G 11. limit is in bytes, inclusive. A null selector has P clear.
struct cpu_segment {
    uint16_t selector;
    uint16_t attr;
    uint32_t base;
    uint32_t limit;
};

enum { CPU_SEG_ES, CPU_SEG_CS, CPU_SEG_SS, CPU_SEG_DS, CPU_SEG_FS, CPU_SEG_GS, CPU_SEG_COUNT };
enum { CPU_EAX, CPU_ECX, CPU_EDX, CPU_EBX, CPU_ESP, CPU_EBP, CPU_ESI, CPU_EDI };

// The architectural state outside x87, MMX and SSE.
struct cpu_state {
    uint32_t gpr[8]; // CPU_EAX ...
    uint32_t eip;
    uint32_t eflags;
    uint32_t cr0, cr2, cr3, cr4;
    uint32_t dr[8];
    struct cpu_segment seg[CPU_SEG_COUNT];
    struct cpu_segment ldtr, tr;
    uint32_t gdt_base, idt_base;
    uint16_t gdt_limit, idt_limit;
};

// Creates a vCPU in the reset state of the Intel SDM, vol. 3A, table 9-1 (CS F000:FFF0, real mode). Returns NULL and
// fills err when the host lacks something (BMI2, FSGSBASE, memfd, address space).
struct vcpu *vcpu_create(const struct cpu_config *config, struct error *err);
void vcpu_destroy(struct vcpu *v);

// Runs guest code on the calling thread until the guest or somebody stops it. May be called again after a stop. The
// thread that calls it first owns the vCPU: host signal handlers are installed for it.
enum cpu_stop vcpu_run(struct vcpu *v);

// Under the virtual clock: guest instructions completed since creation, and the time in ns, which is that count and
// what HLT skipped and port accesses took. On the vCPU thread, or while vcpu_run is not running.
uint64_t vcpu_instructions(const struct vcpu *v);
uint64_t vcpu_clock_ns(const struct vcpu *v);

// State access: only while vcpu_run is not running. vcpu_set_state drops every cached translation of addresses.
void vcpu_get_state(const struct vcpu *v, struct cpu_state *state);
void vcpu_set_state(struct vcpu *v, const struct cpu_state *state);
void vcpu_reset(struct vcpu *v);
// Gives the whole architectural state to `visit`, a piece after the other and always in the same order: registers with
// the hidden parts of segments, the control, debug and model-specific ones, x87 and SSE. Also from cpu_clock.reached.
void vcpu_visit_state(struct vcpu *v, void (*visit)(void *opaque, const void *data, size_t size), void *opaque);
const char *vcpu_error_text(const struct vcpu *v); // why CPU_STOP_ERROR or where the triple fault was; one line

// A debugger's view, while vcpu_run does not run. A point is at most CPU_POINT_LENGTH_MAX bytes; CPU_POINT_EXEC is met
// before the instruction at exactly that linear address, the others after the instruction that accesses a byte of
// theirs. insert returns -1 when there are too many; remove returns -1 when there is no such point.
#define CPU_POINT_LENGTH_MAX 4096u
int vcpu_debug_insert(struct vcpu *v, enum cpu_point_kind kind, uint32_t linear, uint32_t length);
int vcpu_debug_remove(struct vcpu *v, enum cpu_point_kind kind, uint32_t linear, uint32_t length);
void vcpu_debug_remove_all(struct vcpu *v);
// The next vcpu_run executes one instruction, or delivers the exception that it raises, and takes no interrupt unless
// the processor is halted; of a repeated string instruction one iteration.
void vcpu_debug_step(struct vcpu *v, bool step);
struct cpu_debug_hit vcpu_debug_hit(const struct vcpu *v);
// The guest-physical address of a linear one through the guest's tables, whatever the privilege and without touching A
// and D. 0 or -1.
int vcpu_debug_translate(struct vcpu *v, uint32_t linear, uint64_t *gpa);
// The x87 and SSE state as FXSAVE with 32-bit operands stores it: 512 bytes.
void vcpu_get_fx(struct vcpu *v, uint8_t fx[512]);
void vcpu_set_fx(struct vcpu *v, const uint8_t fx[512]);
uint64_t vcpu_get_efer(const struct vcpu *v);
// Loads a segment register (CPU_SEG_*) as the mode asks: from the descriptor, without any check, or by real mode's
// rule. 0, or -1 if there is no such descriptor.
int vcpu_debug_load_segment(struct vcpu *v, unsigned seg, uint16_t selector);

// From any thread, at any time, also while vcpu_run is not running (then it takes effect at the next call).
void vcpu_set_intr(struct vcpu *v, bool level); // the interrupt controller's INTR output
void vcpu_raise_nmi(struct vcpu *v);            // an edge at the NMI input; latched until it is taken, once
void vcpu_request_stop(struct vcpu *v);         // async-signal-safe
void vcpu_request_reset(struct vcpu *v);

// IGNNE#, asserted until the pending x87 exception is gone. From a port write on the vCPU thread.
void vcpu_ignore_ferr(struct vcpu *v);

// The A20 gate: when off, physical address bit 20 is forced to 0. Any thread that holds the device lock.
void vcpu_set_a20(struct vcpu *v, bool enabled);

// A write to guest memory by a device, on the I/O thread, WITHOUT the device lock held: writes, then waits until the
// vCPU has dropped every translation of the bytes written; only then may the device publish its completion.
// Returns 0, or -1 if the range is not RAM (the part that is RAM is written).
int vcpu_dma_write(struct vcpu *v, uint64_t gpa, const void *data, uint64_t size);
int vcpu_dma_read(struct vcpu *v, uint64_t gpa, void *data, uint64_t size);

// Guest memory [gpa, gpa+size) was changed from outside (loader, debugger) while vcpu_run does not run: drops every
// translation of its bytes. Not on the I/O thread; a device uses vcpu_dma_write.
void vcpu_memory_changed(struct vcpu *v, uint64_t gpa, uint64_t size);

// Name of callout number `index` of struct stats, or NULL where there is none.
const char *cpu_callout_name(unsigned index);

// CPUID for the announced processor, as the guest sees it but for the TSC's rate (leaves 15h and 16h read as zero
// here).
void cpu_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t regs[4]);

#endif
