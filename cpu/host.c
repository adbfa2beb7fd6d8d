// Host signals of the vCPU thread. A SIGSEGV, SIGBUS, SIGFPE or SIGILL whose host address lies in translated code is a
// window page to fill, a window base to restore, or a guest fault; anything else is a crash of the monitor. The kick
// signal makes the next transfer of translated code leave for the dispatcher (PITFALLS 1 of the design).
//
// A synchronous signal from translated code interrupts no C code, so its handler may call anything; the kick handler
// may only do so in that case too.
#include "cpu/engine.h"
#include "cpu/trace.h"

#include <asm/prctl.h>
#include <cpuid.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define HWCAP2_FSGSBASE (1ul << 1)
#define TRAP_DIVIDE     0
#define TRAP_GP         13
#define TRAP_PAGE       14
#define TRAP_X87        16
#define TRAP_ALIGN      17
#define TRAP_SIMD       19
#define ERROR_WRITE     2

// ---- The window base
// -------------------------------------------------------------------------------------------------------

static void write_gs_base(uint64_t base) {
    __asm__ volatile("wrgsbase %0" ::"r"(base));
}

static void pin_gs_base(uint64_t base) {
    syscall(SYS_arch_prctl, ARCH_SET_GS, base);
}

void host_set_window(struct vcpu *v, uint64_t base) {
    v->abi.window = base;
    if (v->engine->gs_pinned) { // before the base changes: a context switch must not bring back another window
        v->engine->gs_pinned = false;
        pin_gs_base(window_empty_base(v->mmu));
    }
    write_gs_base(base);
}

void host_renew_window(const struct vcpu *v) {
    if (v->engine->gs_volatile)
        write_gs_base(v->abi.window);
}

// The base was lost to a context switch. Where that happens on every way back from the handler (a tracer stops the
// thread there), the kernel is asked to keep the base of this window, for as long as it is the current one.
static void restore_gs_base(struct vcpu *v, uint64_t pc) {
    struct engine *e = v->engine;
    v->stats->gs_restores++;
    e->gs_losses = pc == e->gs_lost_at ? e->gs_losses + 1 : 0;
    e->gs_lost_at = pc;
    if (e->gs_losses < ENGINE_GS_LOSSES) {
        write_gs_base(v->abi.window);
        return;
    }
    e->gs_losses = 0;
    e->gs_pinned = true;
    v->abi.view_changes++; // what sets another window must go through host_set_window
    pin_gs_base(v->abi.window);
}

int host_check(struct engine *e, struct error *err) {
    unsigned a, b, c, d;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b & (1u << 8)))
        return error_set(err, "this host's processor lacks BMI2");
    if (!(b & 1u))
        return error_set(err, "this host's processor lacks FSGSBASE");
    // Where the kernel does not say that it keeps gs base across context switches, it restores what arch_prctl set
    // last: the empty window, so that a lost base is a fault that the handler mends. docs/decisions/gs-base.md
    e->gs_volatile = !(getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE);
    return 0;
}

// ---- Guest faults from host signals
// --------------------------------------------------------------------------------------

static greg_t *regs_of(void *context) {
    return ((ucontext_t *)context)->uc_mcontext.gregs;
}

static bool in_code(const struct engine *e, uint64_t pc) {
    const struct arena *arena = cache_arena(e->cache);
    return pc >= e->code_start && pc < arena->rx + arena->size;
}

static bool is_string_prefix(uint8_t byte) {
    return byte == 0xf3 || byte == 0xf2;
}

// MASKMOVQ and MASKMOVDQU take their address from rdi, so one that is not plain EDI is exchanged into it around them
// (translator/identity.c). The instruction that faults is followed by the exchange back, which must be done by hand.
static void restore_mask_move(greg_t *regs) {
    const uint8_t *at = (const uint8_t *)(uintptr_t)regs[REG_RIP];
    while (*at == 0x65 || *at == 0x66 || *at == 0x67)
        at++;
    at += (*at & 0xf0) == 0x40;
    if (at[0] != 0x0f || at[1] != 0xf7)
        return;
    at += 3;
    bool r8 = at[0] == 0x4c ? at[2] == 0xc7 : at[2] == 0xf8, r9 = at[0] == 0x4c ? at[2] == 0xcf : at[2] == 0xf9;
    if ((at[0] == 0x4c || at[0] == 0x49) && at[1] == 0x87 && (r8 || r9))
        regs[REG_RDI] = r8 ? regs[REG_R8] : regs[REG_R9];
}

// The state of a direct string instruction in the middle is restartable once its pointers are guest addresses again.
static void restore_pointers(greg_t *regs) {
    restore_mask_move(regs);
    regs[REG_RSI] = (uint32_t)regs[REG_RSI];
    regs[REG_RDI] = (uint32_t)regs[REG_RDI];
}

static uint32_t eip_of(const struct vcpu *v, const greg_t *regs, const struct block_mark *mark) {
    return (uint32_t)regs[REG_R11] + mark->guest - v->seg[CPU_SEG_CS].base;
}

// The block is left at this instruction.
static void leave(struct vcpu *v, greg_t *regs, const struct block *block, const struct block_mark *mark) {
    regs[REG_R12] = (uint32_t)((uint32_t)regs[REG_R12] + 4u * (uint32_t)mark->esp_late);
    v->engine->left_block = block;
    v->engine->left_offset = mark->guest;
    clock_give_back(v, block, mark->guest);
}

// Goes on in the fault stub, which saves the guest's registers and delivers v->fault.
static void redirect_fault(struct vcpu *v, greg_t *regs, const struct block *block, const struct block_mark *mark) {
    v->engine->fault_eip = eip_of(v, regs, mark);
    leave(v, regs, block, mark);
    restore_pointers(regs);
    regs[REG_RIP] = v->engine->stub[STUB_FAULT];
}

// Leaves for the dispatcher, to run the instruction anew.
static void redirect_again(struct vcpu *v, greg_t *regs, const struct block *block, const struct block_mark *mark) {
    v->engine->again = true;
    leave(v, regs, block, mark);
    restore_pointers(regs);
    regs[REG_R8] = (uint32_t)((uint32_t)regs[REG_R11] + mark->guest);
    regs[REG_RIP] = v->engine->stub[STUB_EXIT];
}

// The instruction becomes soft: in this form its operand cannot be reached, or not cheaply.
static void soften(struct vcpu *v, greg_t *regs, const struct block *block, const struct block_mark *mark) {
    v->stats->forms_to_soft++;
    cache_soft_set(v->engine->cache, block->frame, mark->guest, __builtin_ia32_rdtsc());
    cache_kill_at(v->engine->cache, block->frame, mark->guest, block->mode);
    redirect_again(v, regs, block, mark);
}

// An instruction met a fault of the guest by a signal. True if it does so time and again, like the one instruction of
// an allocator that touches every new page first: in soft form the same fault costs no signal.
static bool faults_often(struct vcpu *v, const struct block *block, const struct block_mark *mark) {
    uint64_t now = __builtin_ia32_rdtsc();
    uint32_t key = block->frame << 12 | mark->guest;
    struct fault_rate *rate = &v->engine->fault_rates[(key ^ key >> 12) % ENGINE_FAULT_RATES];
    if (rate->key != key || now - rate->since > ENGINE_FAULT_SPAN) {
        *rate = (struct fault_rate){.key = key, .since = now};
    }
    return ++rate->count >= ENGINE_FAULT_MAX && !(v->config.ablate & ABLATE_FORM_CHANGE);
}

static void note_shadow_fault(struct vcpu *v, const greg_t *regs, uint32_t linear, const struct block *block,
                              const struct block_mark *mark) {
    uint64_t time = trace_time(v) - (v->clock.counts ? block_insns_from(block, mark->guest) : 0);
    trace_event(v, CPU_TRACE_SHADOW, (regs[REG_ERR] & ERROR_WRITE) != 0, (uint32_t)regs[REG_R11] + mark->guest, linear,
                0, time);
}

static bool window_signal(struct vcpu *v, greg_t *regs, uint64_t address, const struct block *block,
                          const struct block_mark *mark) {
    uint32_t linear;
    bool wraps;
    if (v->engine->gs_volatile && v->abi.window != window_empty_base(v->mmu)) {
        uint64_t base;
        __asm__ volatile("rdgsbase %0" : "=r"(base));
        if (base != v->abi.window) {
            restore_gs_base(v, (uint64_t)regs[REG_RIP]);
            return true; // retry with the right base
        }
    }
    if (!window_contains(v->mmu, address, &linear, &wraps))
        return false;
    if (wraps) {
        soften(v, regs, block, mark);
        return true;
    }
    struct mmu_fault fault;
    v->stats->shadow_faults++;
    if (v->trace.on)
        note_shadow_fault(v, regs, linear, block, mark);
    switch (window_fault(v->mmu, linear, regs[REG_ERR] & ERROR_WRITE, cpu_user(v), &fault)) {
    case WINDOW_MAPPED: break;
    case WINDOW_SOFT: soften(v, regs, block, mark); break;
    case WINDOW_FAULT:
        if (v->config.policy == MMU_ADAPTIVE && faults_often(v, block, mark)) {
            soften(v, regs, block, mark);
            break;
        }
        cpu_raise_page(v, &fault);
        redirect_fault(v, regs, block, mark);
        break;
    }
    return true;
}

static bool segv_in_code(struct vcpu *v, const siginfo_t *info, greg_t *regs, const struct block *block,
                         const struct block_mark *mark) {
    if (regs[REG_TRAPNO] == TRAP_GP) { // a misaligned SSE operand, or LDMXCSR with a reserved bit
        cpu_raise_error(v, VECTOR_GP, 0);
        redirect_fault(v, regs, block, mark);
        return true;
    }
    uint64_t address = (uint64_t)(uintptr_t)info->si_addr, guard = engine_guard_page(v);
    if (address >= guard && address < guard + 4096) { // an access through a null selector, SDM vol. 3A 5.4.1
        cpu_raise_error(v, VECTOR_GP, 0);
        redirect_fault(v, regs, block, mark);
        return true;
    }
    return window_signal(v, regs, address, block, mark);
}

static bool fpe_in_code(struct vcpu *v, greg_t *regs, const struct block *block, const struct block_mark *mark) {
    switch (regs[REG_TRAPNO]) {
    case TRAP_DIVIDE:
        if (faults_often(v, block, mark)) { // DIV in soft form goes through C, which looks at the operands
            soften(v, regs, block, mark);
            return true;
        }
        cpu_raise(v, VECTOR_DE);
        break;
    case TRAP_X87: cpu_raise(v, VECTOR_MF); break;
    case TRAP_SIMD: cpu_raise(v, v->abi.cr4 & CR4_OSXMMEXCPT ? VECTOR_XM : VECTOR_UD); break;
    default: return false;
    }
    redirect_fault(v, regs, block, mark);
    return true;
}

void engine_forbid_split_locks(struct vcpu *v) {
    v->engine->no_split_locks = true;
    mmu_forbid_split_locks(v->mmu);
}

// A host that forbids a LOCK across a cache line (split_lock_detect=fatal) reports it so. From here on locked operands
// go through the monitor; what is translated already is replaced as it is met.
static bool bus_in_code(struct vcpu *v, greg_t *regs, const struct block *block, const struct block_mark *mark) {
    if (regs[REG_TRAPNO] != TRAP_ALIGN)
        return false;
    engine_forbid_split_locks(v);
    regs[REG_EFL] &= ~(greg_t)EFLAGS_AC; // never the guest's: alignment checks are those of the soft form
    cache_kill_at(v->engine->cache, block->frame, mark->guest, block->mode);
    redirect_again(v, regs, block, mark);
    return true;
}

static bool ill_in_code(struct vcpu *v, greg_t *regs, const struct block *block, const struct block_mark *mark) {
    cpu_raise(v, VECTOR_UD);
    redirect_fault(v, regs, block, mark);
    return true;
}

// A signal at an address in the arena. False if it cannot come from the guest.
static bool signal_in_code(struct vcpu *v, int signal, const siginfo_t *info, greg_t *regs) {
    const struct block *block = cache_block_at(v->engine->cache, (uint32_t)regs[REG_RIP]);
    const struct block_mark *mark = block ? block_mark_at(block, (uint32_t)regs[REG_RIP]) : NULL;
    v->stats->host_signals++;
    if (!mark)
        return false;
    switch (signal) {
    case SIGSEGV: return segv_in_code(v, info, regs, block, mark);
    case SIGFPE: return fpe_in_code(v, regs, block, mark);
    case SIGILL: return ill_in_code(v, regs, block, mark);
    default: return bus_in_code(v, regs, block, mark);
    }
}

static const int fault_signals[ENGINE_FAULT_SIGNALS] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};

// What a signal does is the process's, not the thread's: the first run of several at once puts the handlers in place
// and the last one restores what was there before.
static struct {
    pthread_mutex_t lock;
    unsigned users;
    struct sigaction before[ENGINE_FAULT_SIGNALS];
} dispositions = {.lock = PTHREAD_MUTEX_INITIALIZER};

// Not a guest's fault. On return the fault repeats and meets whoever handled such signals before the run.
static void crash(int signal, const siginfo_t *info, const greg_t *regs) {
    char text[256];
    int length = snprintf(text, sizeof text, "ringshade: the monitor crashed: signal %d at %#llx, address %p\n", signal,
                          (unsigned long long)regs[REG_RIP], info->si_addr);
    if (length > 0)
        (void)!write(STDERR_FILENO, text, (size_t)length);
    struct sigaction fallback = {.sa_handler = SIG_DFL};
    for (size_t i = 0; i < ENGINE_FAULT_SIGNALS; i++)
        if (fault_signals[i] == signal)
            fallback = dispositions.before[i];
    sigaction(signal, &fallback, NULL);
}

// The kernel enters a handler with AC as it was. Whoever set it, what follows makes unaligned accesses.
static void clear_alignment_check(void) {
    __asm__ volatile("pushfq\n\tandl %0, (%%rsp)\n\tpopfq" ::"i"(~EFLAGS_AC) : "cc", "memory");
}

static void on_fault(int signal, siginfo_t *info, void *context) {
    if (signal == SIGBUS)
        clear_alignment_check();
    struct vcpu *v = engine_vcpu_thread;
    greg_t *regs = regs_of(context);
    int saved = errno;
    uint64_t start = __builtin_ia32_rdtsc();
    bool handled = v && in_code(v->engine, (uint64_t)regs[REG_RIP]) && signal_in_code(v, signal, info, regs);
    if (!handled)
        crash(signal, info, regs);
    else
        v->fault_cycles += __builtin_ia32_rdtsc() - start;
    errno = saved;
}

// ---- The kick
// ------------------------------------------------------------------------------------------------------------

static void kick_in_block(struct vcpu *v, greg_t *regs, struct block *block) {
    struct engine *e = v->engine;
    uint32_t pc = (uint32_t)regs[REG_RIP];
    const struct block_mark *mark = block_mark_at(block, pc);
    cache_unlink_exits(e->cache, block);
    v->abi.request = ABI_REQUEST_ARMED;
    regs[REG_R13] = (greg_t)(uintptr_t)e->empty->map;
    if (!mark)
        return;
    if (mark->kind == MARK_TRANSFER)
        regs[REG_RIP] = block->host + mark->host; // r13 may have been read: once more from the start
    else if (mark->string && is_string_prefix(*arena_rw(cache_arena(e->cache), pc)))
        redirect_again(v, regs, block, mark); // between two iterations
}

// In a stub that returns to its block without looking at requests: as in the block, behind the call.
static void kick_in_quick(struct vcpu *v, greg_t *regs) {
    struct block *block = cache_block_at(v->engine->cache, (uint32_t)*engine_return_slot(v));
    if (!block)
        return;
    cache_unlink_exits(v->engine->cache, block);
    v->abi.request = ABI_REQUEST_ARMED;
    regs[REG_R13] = (greg_t)(uintptr_t)v->engine->empty->map;
}

static void on_kick(int signal, siginfo_t *info, void *context) {
    (void)signal;
    (void)info;
    struct vcpu *v = engine_vcpu_thread;
    if (!v)
        return;
    struct engine *e = v->engine;
    greg_t *regs = regs_of(context);
    uint64_t pc = (uint64_t)regs[REG_RIP];
    v->stats->kicks++;
    // Also over ARMED: in C or a stub, the block that comes next need not be the one that was cut then.
    v->abi.request = ABI_REQUEST_NEW;
    v->abi.live_root = (uint64_t)(uintptr_t)e->empty->map;
    if (pc >= e->gate && pc < e->gate_end) {
        regs[REG_RIP] = (greg_t)e->gate;
    } else if (pc >= e->quick && pc < e->quick_end) {
        kick_in_quick(v, regs);
    } else if (pc >= e->cross && pc < e->cross_end) {
        regs[REG_RIP] = (greg_t)e->cross;
    } else if (in_code(e, pc)) {
        struct block *block = cache_block_at(e->cache, (uint32_t)pc);
        if (block)
            kick_in_block(v, regs, block);
    }
}

// ---- Installation
// --------------------------------------------------------------------------------------------------------

int host_signals_install(struct vcpu *v, struct error *err) {
    struct engine *e = v->engine;
    stack_t stack = {.ss_sp = e->signal_stack, .ss_size = ENGINE_SIGNAL_STACK};
    if (sigaltstack(&stack, &e->old_signal_stack) < 0)
        return error_set(err, "sigaltstack: %s", strerror(errno));
    struct sigaction fault = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    struct sigaction kick = {.sa_sigaction = on_kick, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
    sigemptyset(&kick.sa_mask);
    sigemptyset(&fault.sa_mask);
    sigaddset(&fault.sa_mask, ENGINE_KICK_SIGNAL); // a kick waits until the fault handler is done
    pthread_mutex_lock(&dispositions.lock);
    for (size_t i = 0; dispositions.users == 0 && i < ENGINE_FAULT_SIGNALS; i++)
        sigaction(fault_signals[i], &fault, &dispositions.before[i]);
    dispositions.users++;
    sigaction(ENGINE_KICK_SIGNAL, &kick, NULL); // stays: a kick may come late
    pthread_mutex_unlock(&dispositions.lock);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, ENGINE_KICK_SIGNAL);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    if (e->gs_volatile)
        syscall(SYS_arch_prctl, ARCH_SET_GS, window_empty_base(v->mmu));
    __atomic_store_n(&e->tid, (int)syscall(SYS_gettid), __ATOMIC_SEQ_CST);
    engine_vcpu_thread = v;
    v->abi.window = 0; // set anew, with gs base, by engine_mode_changed
    return 0;
}

void host_signals_remove(struct vcpu *v) {
    engine_vcpu_thread = NULL;
    pthread_mutex_lock(&dispositions.lock);
    dispositions.users--;
    for (size_t i = 0; dispositions.users == 0 && i < ENGINE_FAULT_SIGNALS; i++)
        sigaction(fault_signals[i], &dispositions.before[i], NULL);
    pthread_mutex_unlock(&dispositions.lock);
    sigaltstack(&v->engine->old_signal_stack, NULL);
}
