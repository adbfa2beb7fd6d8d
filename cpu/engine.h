// The engine: where translator, code cache and shadow MMU meet. The dispatcher finds or makes the block at EIP and
// enters it; exits.c is what translated code reaches through the stubs; host.c turns host signals into guest faults,
// window fills and kicks; kick.c is how other threads get the vCPU's attention. Private to cpu/.
#ifndef CPU_ENGINE_H
#define CPU_ENGINE_H

#include "cache/cache.h"
#include "cpu/vcpu.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#define ENGINE_REVIEW_CYCLES (1ull << 26) // host TSC cycles between two looks at the forms of operands
#define ENGINE_GS_LOSSES     8            // losses of gs base in a row, at one instruction, before it is pinned
#define ENGINE_FAULT_RATES   64
#define ENGINE_FAULT_SPAN    (1ull << 24) // cycles, some 8 ms, in which
#define ENGINE_FAULT_MAX     8            // guest faults at one direct instruction make it soft
#define ENGINE_DMA_QUEUE     64           // pending kill requests of the I/O thread
#define ENGINE_FAULT_SIGNALS 4            // SIGSEGV, SIGBUS, SIGFPE, SIGILL
#define ENGINE_SIGNAL_STACK  262144       // bytes of the alternate signal stack

// The root that code of one privilege last used: what a privilege switch finds without a search.
struct root_memo {
    uint32_t view, mode;
    uint64_t generation;
    struct root *root;
};

// What the last change of mode at one privilege came to. It holds for the same mode while the mmu has counted no change
// (vcpu_abi.view_changes) and the root still serves it.
struct settled {
    uint32_t mode; // without MODE_SOFT: what v->mode follows from, but for the mmu's say
    uint32_t full; // v->mode
    uint32_t changes;
    uint32_t view;
    struct root *root; // NULL: nothing is remembered
    uint64_t window;   // unless it is soft
};

// How often a direct instruction met page faults of the guest.
struct fault_rate {
    uint32_t key; // frame and offset
    uint32_t count;
    uint64_t since; // host TSC
};

struct engine {
    struct vcpu *v;
    struct cache *cache;
    uint32_t stub[STUB_COUNT];
    uint32_t gate, gate_end, code_start; // host addresses: the gate; where blocks begin
    uint32_t cross, cross_end;           // the transfer of SYSENTER and SYSEXIT, which may be begun anew
    uint32_t quick, quick_end;           // stubs that return to their block without the gate
    uint32_t miss;                       // what an empty slice entry holds
    struct root *root;                   // of v->mode and the current view
    const struct root *empty;
    struct root_memo memo[2];  // [1] CPL 3
    struct settled settled[2]; // likewise

    bool one_shot;                  // the block entered last has MODE_ONE: every exit goes to the dispatcher
    bool code_killed;               // a write hit translated code since the last entry: leave at the next instruction
    uint8_t last_callout;           // id of the last callout: some of them suppress the single-step trap
    uint32_t fault_eip;             // with EXIT_FAULT: the instruction's EIP
    const struct block *left_block; // where a signal left translated code,
    uint32_t left_offset;           // and the guest instruction's place in its page
    bool again;              // left before the instruction at EIP was executed: it is no single step, and shadows stay
    bool fault_pending;      // v->fault is to be delivered at abi.eip before anything runs
    struct block *link_from; // the exit that led here, to be linked once its target exists
    unsigned link_index;
    uint64_t link_evictions;

    struct fault_rate fault_rates[ENGINE_FAULT_RATES]; // direct-mapped
    uint64_t reviewed;                                 // host TSC of the last look at soft instructions
    bool halted;                                       // HLT executed, waiting
    bool yielding;                                     // halted by a call of the guest,
    uint64_t yield_end;                                // until then: engine_wait_now
    bool stopping;
    enum cpu_stop why;

    // Shared with other threads, accessed with __atomic.
    uint32_t wake; // futex word: bumped at every event
    uint8_t intr;  // level of the interrupt controller's output
    uint8_t nmi;   // an edge that has not been taken yet
    uint8_t stop_requested, reset_requested;
    uint8_t running; // vcpu_run is active: kicks make sense
    uint8_t waiting; // in the futex wait of HLT
    int tid;

    pthread_mutex_t dma_lock;
    pthread_cond_t dma_done;
    uint32_t dma_frames[ENGINE_DMA_QUEUE];
    unsigned dma_count;
    bool dma_all; // the queue ran over

    void *guard_page; // what seg_base_p of a null selector points to
    void *signal_stack;
    stack_t old_signal_stack; // of the thread, before the run
    unsigned gs_losses;       // in a row at gs_lost_at
    uint64_t gs_lost_at;
    bool no_split_locks;                 // the host raised SIGBUS for a LOCK across a cache line
    bool gs_pinned;                      // the kernel restores the current window's base, not the empty window's
    bool gs_volatile;                    // this host's kernel does not keep gs base across context switches
    uint8_t page[4096], next_page[4096]; // snapshots for the translator
    struct translate_output out;
};

static inline uint64_t *engine_return_slot(struct vcpu *v) {
    return (uint64_t *)(uintptr_t)(v->abi.host_rsp - 8);
}

// dispatch.c
struct block *engine_find_block(struct vcpu *v, uint32_t linear, uint32_t mode); // translates; NULL: v->fault or a stop

// exits.c: entries of the stubs, and the way on at abi.eip without leaving translated code
uint64_t engine_callout(struct vcpu_abi *abi);
uint64_t engine_soft_miss(struct vcpu_abi *abi);
uint64_t engine_writeback(struct vcpu_abi *abi);
uint64_t engine_gate_slow(struct vcpu_abi *abi);
uint64_t engine_exit(struct vcpu_abi *abi);

// fault_order.c: the soft operand of an instruction of `block` has no page. True with v->fault set if the processor
// would raise another fault first; light
bool engine_fault_before_page(struct vcpu *v, const struct block *block, uint32_t word, uint32_t linear);

// fault_order.c: the instruction at page offset `offset` of `block`, whose EIP is abi.eip and whose registers are in
// abi.gpr, faults: the x87 pointers become what the instructions before it left
void engine_settle_x87(struct vcpu *v, const struct block *block, uint32_t offset);

// Does the one instruction of `block` load the x87 control word?
bool engine_x87_loads_control(const struct block *block);

// ferr.c: does v->fault go out as FERR# instead of being delivered? Then engine_ferr does that, and halts: leave
bool engine_signals_ferr(const struct vcpu *v);
void engine_ferr(struct vcpu *v);
// Around an instruction that runs by itself under IGNNE#.
void engine_ignne_begin(struct vcpu *v);
void engine_ignne_end(struct vcpu *v, const struct block *block);

// engine.c
void engine_enter_mode(struct vcpu *v); // root and window for v->mode: what engine_mode_changed remembers
unsigned engine_forget_frame(struct vcpu *v, uint32_t frame); // kills the frame's blocks, clears its flag
// engine.c: what the mmu calls (struct mmu_config)
void engine_code_written(void *opaque, uint32_t frame);
uint64_t engine_device_read(void *opaque, uint64_t gpa, unsigned size);
void engine_device_write(void *opaque, uint64_t gpa, unsigned size, uint64_t value);
void engine_watched(void *opaque, uint32_t linear, unsigned size, enum operand_intent intent);

// debugstep.c: breakpoints at instruction boundaries
// Before the instruction at `linear`. False if it does not run: v->fault is to be delivered, or the debugger has
// stopped the run. *alone becomes true if it must run by itself.
bool engine_debug_begin(struct vcpu *v, uint32_t linear, bool *alone);
// Turns the conditions met by the last instruction into v->fault, unless a load of SS holds them back. True if there is
// one to deliver.
bool engine_debug_trap(struct vcpu *v);
bool engine_shadow_of_ss(const struct vcpu *v);
static inline bool engine_debug_due(struct vcpu *v) {
    return (v->debug.found | v->debug.pending) && engine_debug_trap(v);
}

static inline uint64_t engine_least(uint64_t a, uint64_t b) { // of two times
    return a < b ? a : b;
}

// kick.c
extern _Thread_local struct vcpu *engine_vcpu_thread;
void engine_wait(struct vcpu *v);      // HLT: sleeps until something happens, or the time of a yield is over
void engine_yield_end(struct vcpu *v); // behind engine_wait: the yield is over if an interrupt came, or its time is
void engine_serve_dma(struct vcpu *v); // kills what the I/O thread overwrote

// clock.c: the virtual clock. Nothing happens in them under the host's
void clock_enter_counted(struct vcpu *v, uint32_t offset);
static inline void clock_enter(struct vcpu *v, uint32_t offset) { // C was reached from the instruction there
    if (v->clock.counts)
        clock_enter_counted(v, offset);
}
void clock_enter_behind(struct vcpu *v, uint32_t next); // from the instruction before that at offset `next`
static inline void clock_return(struct vcpu *v) {       // back to the block behind the return slot
    v->clock.tail = 0;
}
static inline void clock_leave(struct vcpu *v, bool completed) { // the block is left at that instruction, or behind it
    if (v->clock.tail == 0)
        return;
    v->abi.budget += v->clock.tail - completed;
    v->clock.tail = 0;
}
void clock_give_back(struct vcpu *v, const struct block *block, uint32_t offset); // the same, in a signal handler
void clock_serve(struct vcpu *v); // between two instructions: what is due now, and the budget until the next time
bool clock_skip(struct vcpu *v, uint64_t most); // HLT: to the next deadline, which is served, or by `most` ns if that
                                                // comes before. False if there is neither (UINT64_MAX)

// host.c
void engine_forbid_split_locks(struct vcpu *v);      // as if the host had refused one
int host_check(struct engine *e, struct error *err); // BMI2, FSGSBASE
int host_signals_install(struct vcpu *v, struct error *err);
void host_signals_remove(struct vcpu *v);
void host_set_window(struct vcpu *v, uint64_t base); // gs base and abi.window
void host_renew_window(const struct vcpu *v);        // gs base again, where the thread may have slept

uint64_t engine_guard_page(struct vcpu *v);
#define ENGINE_KICK_SIGNAL (SIGRTMIN + 3)

#endif
