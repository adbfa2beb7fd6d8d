// The virtual processor's structure and the conventions of the C code that emulates what cannot run as it is.
// Private to cpu/. The part that translated code touches is struct vcpu_abi (translator/abi.h), which comes first.
//
// How a callout works: the stub has saved the guest's registers and flags into abi; callout_dispatch sets abi.eip to
// the instruction's EIP and calls the row's function. Registers are changed in abi.gpr, arithmetic flags in abi.flags,
// other EFLAGS bits in abi.sys_flags. The function returns what happens next (enum callout_result). A function that may
// fault makes every access and check before it changes anything, reports a fault with cpu_raise / cpu_fault_* and
// returns CALLOUT_FAULT.
#ifndef CPU_VCPU_H
#define CPU_VCPU_H

#include "cpu/cpu.h"
#include "mmu/mmu.h"
#include "translator/abi.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define EFLAGS_CF   (1u << 0)
#define EFLAGS_PF   (1u << 2)
#define EFLAGS_AF   (1u << 4)
#define EFLAGS_ZF   (1u << 6)
#define EFLAGS_SF   (1u << 7)
#define EFLAGS_TF   (1u << 8)
#define EFLAGS_IF   (1u << 9)
#define EFLAGS_DF   (1u << 10)
#define EFLAGS_OF   (1u << 11)
#define EFLAGS_IOPL (3u << 12)
#define EFLAGS_NT   (1u << 14)
#define EFLAGS_RF   (1u << 16)
#define EFLAGS_VM   (1u << 17)
#define EFLAGS_AC   (1u << 18)
#define EFLAGS_VIF  (1u << 19)
#define EFLAGS_VIP  (1u << 20)
#define EFLAGS_ID   (1u << 21)
// What lives in abi.flags; the rest lives in abi.sys_flags.
#define EFLAGS_LIVE (EFLAGS_CF | EFLAGS_PF | EFLAGS_AF | EFLAGS_ZF | EFLAGS_SF | EFLAGS_DF | EFLAGS_OF)

#define CR0_PE         (1u << 0)
#define CR0_MP         (1u << 1)
#define CR0_EM         (1u << 2)
#define CR0_TS         (1u << 3)
#define CR0_ET         (1u << 4)
#define CR0_NE         (1u << 5)
#define CR0_WP         (1u << 16)
#define CR0_AM         (1u << 18)
#define CR0_NW         (1u << 29)
#define CR0_CD         (1u << 30)
#define CR0_PG         (1u << 31)
#define CR0_DEFINED    (CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD | CR0_PG)
#define CR4_VME        (1u << 0)
#define CR4_PVI        (1u << 1)
#define CR4_TSD        (1u << 2)
#define CR4_DE         (1u << 3)
#define CR4_PSE        (1u << 4)
#define CR4_PAE        (1u << 5)
#define CR4_MCE        (1u << 6)
#define CR4_PGE        (1u << 7)
#define CR4_PCE        (1u << 8)
#define CR4_OSFXSR     (1u << 9)
#define CR4_OSXMMEXCPT (1u << 10)
#define CR4_OSXSAVE    (1u << 18)
#define XCR0_X87       (1u << 0)
#define XCR0_SSE       (1u << 1)
#define XCR0_AVX       (1u << 2)
#define CR4_SMEP       (1u << 20)
#define CR4_SMAP       (1u << 21)

enum cpu_vector {
    VECTOR_DE = 0,
    VECTOR_DB = 1,
    VECTOR_NMI = 2,
    VECTOR_BP = 3,
    VECTOR_OF = 4,
    VECTOR_BR = 5,
    VECTOR_UD = 6,
    VECTOR_NM = 7,
    VECTOR_DF = 8,
    VECTOR_TS = 10,
    VECTOR_NP = 11,
    VECTOR_SS = 12,
    VECTOR_GP = 13,
    VECTOR_PF = 14,
    VECTOR_MF = 16,
    VECTOR_AC = 17,
    VECTOR_MC = 18,
    VECTOR_XM = 19,
};

enum callout_result {
    CALLOUT_CONTINUE, // go on behind the instruction (if the function changed the mode, the caller turns this into a
                      // jump)
    CALLOUT_JUMP,     // go on at abi.eip, which the function has set
    CALLOUT_FAULT,    // v->fault is set; abi.eip is that of the instruction
    CALLOUT_LEAVE,    // to the dispatcher, going on at abi.eip, which the function has set (HLT, shadow, stop)
};

// Not an exception: the run is being stopped (engine_stop was called). cpu_deliver_fault leaves the state alone then.
#define CPU_FAULT_STOP 0xff

// A pending exception of the current instruction.
struct cpu_fault {
    uint8_t vector; // enum cpu_vector, or CPU_FAULT_STOP
    bool has_error;
    bool software; // INT n, INT3, INTO: DPL of the gate is checked, EIP pushed is the next one
    bool resume;   // a #DB that pushes RF as set
    uint32_t error;
    uint32_t cr2; // for VECTOR_PF
};

struct cpu_msr {
    uint32_t sysenter_cs, sysenter_esp, sysenter_eip;
    uint64_t efer; // NXE only
    uint64_t pat, misc_enable;
    uint64_t tsc_adjust;
};

// How fast the time-stamp counter runs: measured against the host's monotonic clock from the first reset on
// (tsc_rate.c).
struct tsc_rate {
    uint64_t tsc, ns; // at the start of the measurement
    uint32_t khz;     // 0: not asked yet
    bool invariant;   // the host's counter never stops or changes its rate
};

// The virtual clock (clock.c): what has been counted, all of it 0 under the host's.
struct vcpu_clock {
    bool counts;           // config.clock is there: blocks are counted
    bool moved;            // a device access changed the first deadline: leave behind the instruction
    uint32_t tail;         // in C reached from a block: instructions charged but not completed
    uint64_t limit;        // instructions completed when abi.budget is zero
    uint64_t skipped;      // ns that HLT skipped and port accesses took
    uint64_t deadline;     // of the devices, as the budget was last computed from it
    uint64_t next_reached; // when config.clock->reached is due
};

// The trace (trace.h); all of it 0 where none is written.
struct vcpu_trace {
    bool on;
    bool failed;       // whoever takes the records wants no more
    uint32_t blocks;   // number of the next block
    uint32_t mode;     // as the last event said
    uint32_t cr3;      // likewise
    uint64_t start;    // host TSC
    uint64_t flushed;  // host TSC of the last time that records were handed over
    uint64_t lost;     // events without room
    uint64_t *storage; // of the ring
};

// What the fast path of a segment load remembers: descriptor bytes last loaded through a selector, at which privilege.
struct segment_memo {
    uint16_t selector;
    bool valid;
    uint8_t cpl;
    uint64_t descriptor;
};

// What known_gate.c remembers: GDT entries that CS and SS were loaded from, and what became of them.
struct known_segments {
    bool valid;
    uint16_t code_selector, code_attr, stack_selector, stack_attr;
    uint64_t code, stack;
};

#define KNOWN_GATES 16

struct known_gate {
    struct known_segments to;
    uint64_t gate;
    uint8_t vector, from; // CPL before
};

struct known {
    struct known_gate gate[KNOWN_GATES]; // by vector
    struct known_segments back[2];       // by IRET to ring 0, to ring 3
};

#define DR6_BD          (1u << 13)
#define DR6_BS          (1u << 14)
#define DR6_BT          (1u << 15)
#define DR6_BREAKPOINTS 0xfu
#define DR7_GD          (1u << 13)

#define DEBUG_POINTS_MAX  64
#define DEBUG_WATCH_FOUND (1u << 31) // in cpu_debug.found: a watchpoint of the debugger

// A breakpoint or watchpoint of a debugger outside the guest.
struct cpu_debug_point {
    enum cpu_point_kind kind;
    uint32_t linear, length;
};

// Breakpoints of the guest's debug registers and of a debugger outside the guest (debug.c, debugpoint.c, debugger.c).
struct cpu_debug {
    uint32_t found;   // DR6 bits of conditions that the current instruction has met so far
    uint32_t pending; // of those before it: delivered as #DB at the next boundary that allows it
    bool exec;        // an instruction breakpoint is enabled
    bool data;        // a data breakpoint is enabled
    bool io;          // an I/O breakpoint is enabled
    bool alone;       // the next instruction runs by itself: it will hit a data breakpoint
    uint8_t exec_registers, data_registers, io_registers; // bit n: DRn
    // The debugger's.
    bool step; // vcpu_run ends after one instruction
    bool stop; // vcpu_run ends now
    unsigned points;
    struct cpu_debug_point point[DEBUG_POINTS_MAX];
    struct cpu_debug_hit hit;
};

struct vcpu {
    struct vcpu_abi abi; // must be first
    // Segments with their hidden part, in the order of CPU_SEG_*; cpl is CS's privilege.
    struct cpu_segment seg[CPU_SEG_COUNT];
    struct cpu_segment ldtr, tr;
    uint32_t gdt_base, idt_base;
    uint16_t gdt_limit, idt_limit;
    uint8_t cpl;
    uint32_t xcr0, xcr0_supported; // XCR0_*; supported is 0 where XSAVE is not announced
    uint32_t dr[8];
    struct cpu_msr msr;
    uint32_t cr4_optional; // CR4_SMEP, CR4_SMAP, CR4_OSXSAVE where they are announced
    bool user_open;        // under SMAP: explicit accesses reach user pages now (CPL 0 to 2 with EFLAGS.AC)
    struct tsc_rate tsc_rate;
    struct vcpu_clock clock;
    struct vcpu_trace trace;
    bool a20;
    bool nmi_blocked;      // an NMI was taken, and no IRET has been executed since
    bool ignne;            // IGNNE# is asserted
    bool ignne_step;       // the next instruction waits for x87 exceptions, and goes on for IGNNE#
    bool ignne_masked;     // it runs, with all exceptions masked
    uint16_t ignne_fcw;    // the control word before it
    uint32_t mode;         // of the blocks that run now: enum mode_bit, kept by cpu_mode_update
    uint32_t segment_mode; // its part that depends on the segment registers, kept by cpu_commit_segment
    uint32_t control_mode; // its part that depends on CR0, CR4 and XCR0, kept by cpu_control_update
    struct cpu_fault fault;
    struct cpu_debug debug;
    struct segment_memo memo[CPU_SEG_COUNT];
    struct known known;

    struct cpu_config config;
    uint32_t port_accesses;
    uint64_t device_cycles, translate_cycles, fault_cycles; // host TSC, of this run: become ns in stats at its end
    struct stats *stats;
    const struct log *log;
    struct mmu *mmu;
    struct error error;
    struct engine *engine; // cpu/engine.h: cache, stubs, dispatcher, host signals
};

// ---- Time: light, exact at the start of the instruction that C was reached from -------------------------------------

static inline uint64_t clock_count(const struct vcpu *v) {
    return v->clock.limit - (uint64_t)v->abi.budget - v->clock.tail;
}
static inline uint64_t clock_ns(const struct vcpu *v) {
    return clock_count(v) + v->clock.skipped;
}
// The guest's time-stamp counter; the virtual one runs at 1 GHz.
static inline uint64_t clock_tsc(const struct vcpu *v) {
    return (v->clock.counts ? clock_ns(v) : __builtin_ia32_rdtsc()) + (uint64_t)v->abi.tsc_offset;
}
// After a device access on the vCPU thread, with the device lock held; it took `ns` longer than an instruction does.
// The block goes on if neither that nor a change of the first deadline brings it into what the block was charged for.
static inline void clock_device_accessed(struct vcpu *v, unsigned ns) {
    if (!v->clock.counts)
        return;
    v->clock.skipped += ns;
    v->clock.limit -= ns;
    v->abi.budget -= ns;
    v->clock.moved |= v->abi.budget < 0 || v->config.clock->next_deadline(v->config.opaque) != v->clock.deadline;
}

// ---- Faults (exception.c)
// ----------------------------------------------------------------------------------------------

// Each fills v->fault and returns -1, for `return cpu_raise_gp(v, selector)` in functions that return int.
int cpu_raise(struct vcpu *v, enum cpu_vector vector);                       // no error code
int cpu_raise_error(struct vcpu *v, enum cpu_vector vector, uint32_t error); // with error code
int cpu_raise_page(struct vcpu *v, const struct mmu_fault *fault);           // #PF

// Delivers v->fault (exception at abi.eip) or an external interrupt through the IDT: protected mode, 32- and 16-bit
// interrupt and trap gates, inner rings through the TSS, contributory rules to #DF. On return abi.eip, segments, flags,
// CPL and mode are those of the handler. Returns 0, or -1 for a triple fault.
int cpu_deliver_fault(struct vcpu *v);
int cpu_deliver_interrupt(struct vcpu *v, uint8_t vector);

// ---- Mode, flags and registers (state.c)
// ---------------------------------------------------------------------------------

// Recomputes v->mode, abi.seg_base_p, abi.seg_selector and, through engine_mode_changed, root and window. Called after
// anything it depends on changed.
void cpu_mode_update(struct vcpu *v);
uint32_t cpu_eflags(const struct vcpu *v);                          // abi.flags and abi.sys_flags together, bit 1 set
void cpu_set_eflags(struct vcpu *v, uint32_t value, uint32_t mask); // changes the bits in mask; recomputes what follows
static inline bool cpu_user(const struct vcpu *v) {
    return v->cpl == 3;
}
static inline bool cpu_protected(const struct vcpu *v) {
    return v->abi.cr0 & CR0_PE;
}
uint32_t cpu_get_reg(const struct vcpu *v, unsigned reg, unsigned size); // size 1 (AL.. BH), 2, 4
void cpu_set_reg(struct vcpu *v, unsigned reg, unsigned size, uint32_t value);
uint32_t cpu_linear_eip(const struct vcpu *v); // CS base + EIP
// May the page of `linear`, which is CS base + EIP, hold blocks of many instructions? It must lie inside the limit of
// CS as a whole, and its IPs must be those of 16-bit code without a wrap (PITFALLS 13).
static inline bool cpu_code_page_plain(const struct vcpu *v, uint32_t linear) {
    if (!(v->mode & MODE_CS_CHECKED))
        return true;
    const struct cpu_segment *cs = &v->seg[CPU_SEG_CS];
    uint32_t in_page = linear & (RAM_PAGE_SIZE - 1), first = v->abi.eip - in_page, last = first + (RAM_PAGE_SIZE - 1);
    uint32_t end = v->mode & MODE_CODE32 || cs->limit < 0xffff ? cs->limit : 0xffff;
    return v->abi.eip >= in_page && last > first && last <= end;
}
// Recomputes what depends on CR0, CR4, EFER or A20 and hands them to the mmu, which drops its translations. 0, or -1 if
// a PDPTE has a reserved bit set (control.c). The caller flushes roots and calls cpu_mode_update.
int cpu_control_apply(struct vcpu *v);

// ---- Memory through segments (access.c): checks type, limit, canonical rules; #GP(0) or #SS(0); 0 or -1 with v->fault
// ------

int cpu_segment_linear(struct vcpu *v, unsigned seg, uint32_t offset, unsigned size, enum mmu_access access,
                       uint32_t *linear);
int cpu_read(struct vcpu *v, unsigned seg, uint32_t offset, void *data, unsigned size);
int cpu_write(struct vcpu *v, unsigned seg, uint32_t offset, const void *data, unsigned size);
// Linear, as a supervisor whatever the CPL: descriptor tables, TSS, IDT.
int cpu_read_system(struct vcpu *v, uint32_t linear, void *data, unsigned size);
int cpu_write_system(struct vcpu *v, uint32_t linear, const void *data, unsigned size);
int cpu_probe_system(struct vcpu *v, uint32_t linear, unsigned size); // as a write would fault, without writing

// ---- Segments (segment.c)
// ----------------------------------------------------------------------------------------------

// Loads a data or stack segment register in protected mode with all checks (SDM vol. 2, MOV). 0 or -1 with v->fault.
int cpu_load_segment(struct vcpu *v, unsigned seg, uint16_t selector);

// ---- The table of callouts (callout.c): one function a row of ABI_CALLOUTS
// ----------------------------------------------

typedef enum callout_result (*callout_fn)(struct vcpu *v, uint32_t r8, uint32_t r9, uint32_t word);
extern const callout_fn callout_table[CALLOUT_COUNT];
#define CALLOUT_DECLARE(name, weight)                                                                                  \
    enum callout_result callout_##name(struct vcpu *v, uint32_t r8, uint32_t r9, uint32_t word);
ABI_CALLOUTS(CALLOUT_DECLARE)
#undef CALLOUT_DECLARE

// Sets abi.eip behind the instruction of `word` (for CALLOUT_JUMP and CALLOUT_LEAVE).
static inline void callout_next(struct vcpu *v, uint32_t word) {
    v->abi.eip += CALLOUT_LENGTH(word);
}

// ---- What the engine offers (engine.c)
// ---------------------------------------------------------------------------------

void engine_mode_changed(struct vcpu *v); // root and window for v->mode and the current view
// Sets v->mode, root and window as the last change to `mode` (without MODE_SOFT) did at this privilege. False, with
// nothing done, if they may be others now: then v->mode is to be found out, and engine_mode_changed called.
bool engine_settled(struct vcpu *v, uint32_t mode);
// SYSENTER or SYSEXIT (CROSSING_*) was made from blocks of mode `from`: the stub may do the same.
void engine_note_crossing(struct vcpu *v, unsigned which, uint32_t from);
void engine_flush_code_roots(struct vcpu *v, bool keep_global); // address space changed: code-map roots
void engine_flush_code_page(struct vcpu *v, uint32_t linear);   // INVLPG
void engine_arm(struct vcpu *v);      // kick.c: the next transfer or callout leaves for the dispatcher
void engine_park_fpu(struct vcpu *v); // the guest's vector registers go to abi.fx and abi.ymm (idempotent)
void engine_park_x87(struct vcpu *v); // and its x87 state: before anyone looks at that in abi.fx, or changes it
void cpu_device_lock(struct vcpu *v); // io.c: parks the FPU state, then takes the device lock
void cpu_device_unlock(struct vcpu *v);
void engine_interrupt_window(struct vcpu *v); // IF became 1: look for interrupts before the next block
void engine_nmi_unblock(struct vcpu *v);      // an IRET: an NMI that waits comes next
void engine_halt(struct vcpu *v);             // HLT: the dispatcher waits for an interrupt, going on at abi.eip
// The same for `ns` at most, whatever IF: the dispatcher puts 1 into EAX if an interrupt ended it.
void engine_yield(struct vcpu *v, uint32_t ns);
void engine_wake(struct vcpu *v);                    // neither waits any longer
uint64_t engine_now_ns(void);                        // the host's monotonic clock
void engine_stop(struct vcpu *v, enum cpu_stop why); // end vcpu_run at the next dispatch; error text in v->error

#endif
