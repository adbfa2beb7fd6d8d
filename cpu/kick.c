// How other threads reach the vCPU: the interrupt line, stop and reset requests, and kills after a device's write to
// guest memory. A request is a word in memory, then a signal to the vCPU thread, whose handler (host.c) makes sure that
// the next transfer of translated code leaves for the dispatcher.
#include "cpu/engine.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

// The vCPU that the calling thread runs: what host signal handlers need, and how a call from the guest's own device
// access is told from one of another thread.
_Thread_local struct vcpu *engine_vcpu_thread;

// On the vCPU thread, in C: as the kick handler would.
void engine_arm(struct vcpu *v) {
    v->abi.request = ABI_REQUEST_NEW;
    v->abi.live_root = (uint64_t)(uintptr_t)v->engine->empty->map;
}

static void futex_wake(uint32_t *word) {
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

// Wakes the vCPU out of HLT, or interrupts the code that it runs.
static void kick(struct vcpu *v) {
    struct engine *e = v->engine;
    __atomic_add_fetch(&e->wake, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&e->waiting, __ATOMIC_SEQ_CST))
        futex_wake(&e->wake);
    else if (__atomic_load_n(&e->running, __ATOMIC_SEQ_CST))
        syscall(SYS_tgkill, getpid(), __atomic_load_n(&e->tid, __ATOMIC_RELAXED), ENGINE_KICK_SIGNAL);
}

void vcpu_set_intr(struct vcpu *v, bool level) {
    struct engine *e = v->engine;
    if (__atomic_exchange_n(&e->intr, (uint8_t)level, __ATOMIC_SEQ_CST) == level)
        return;
    __atomic_store_n(&v->abi.pending, (uint8_t)level, __ATOMIC_SEQ_CST);
    if (!level)
        return;
    if (engine_vcpu_thread == v) {
        if (__atomic_load_n(&e->running, __ATOMIC_RELAXED) && (v->abi.sys_flags & EFLAGS_IF))
            engine_arm(v); // raised by the guest's own device access
        return;
    }
    kick(v);
}

void vcpu_raise_nmi(struct vcpu *v) {
    struct engine *e = v->engine;
    __atomic_store_n(&e->nmi, 1, __ATOMIC_SEQ_CST);
    if (engine_vcpu_thread != v)
        kick(v);
    else if (__atomic_load_n(&e->running, __ATOMIC_RELAXED))
        engine_arm(v); // raised by the guest's own device access
}

void engine_nmi_unblock(struct vcpu *v) {
    v->nmi_blocked = false;
    if (__atomic_load_n(&v->engine->nmi, __ATOMIC_SEQ_CST))
        engine_arm(v);
}

void vcpu_request_stop(struct vcpu *v) {
    __atomic_store_n(&v->engine->stop_requested, 1, __ATOMIC_SEQ_CST);
    kick(v);
}

void vcpu_request_reset(struct vcpu *v) {
    __atomic_store_n(&v->engine->reset_requested, 1, __ATOMIC_SEQ_CST);
    kick(v);
}

void engine_interrupt_window(struct vcpu *v) {
    if (__atomic_load_n(&v->abi.pending, __ATOMIC_SEQ_CST))
        engine_arm(v);
}

// An interrupt that would end the wait: a yield's even if it will not be taken.
static bool idle_interrupt(const struct engine *e) {
    bool heeded = e->yielding || e->v->abi.sys_flags & EFLAGS_IF;
    bool nmi = !e->v->nmi_blocked && __atomic_load_n(&e->nmi, __ATOMIC_SEQ_CST);
    return nmi || (heeded && __atomic_load_n(&e->intr, __ATOMIC_SEQ_CST));
}

static bool idle_event(const struct engine *e) {
    return idle_interrupt(e) || __atomic_load_n(&e->stop_requested, __ATOMIC_SEQ_CST) ||
           __atomic_load_n(&e->reset_requested, __ATOMIC_SEQ_CST) || __atomic_load_n(&e->dma_count, __ATOMIC_SEQ_CST);
}

static void futex_wait(uint32_t *word, uint32_t seen, uint64_t most) {
    struct timespec timeout = {.tv_sec = (time_t)(most / 1000000000u), .tv_nsec = (long)(most % 1000000000u)};
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, seen, most == UINT64_MAX ? NULL : &timeout, NULL, 0);
}

static uint64_t wait_now(const struct vcpu *v) {
    return v->clock.counts ? clock_ns(v) : engine_now_ns();
}

// How long a yield may still last; a halt lasts for ever.
static uint64_t wait_left(const struct vcpu *v) {
    const struct engine *e = v->engine;
    if (!e->yielding)
        return UINT64_MAX;
    uint64_t now = wait_now(v);
    return e->yield_end > now ? e->yield_end - now : 0;
}

void engine_yield(struct vcpu *v, uint32_t ns) {
    struct engine *e = v->engine;
    v->stats->yields++;
    e->halted = e->yielding = true;
    e->yield_end = wait_now(v) + ns;
}

void engine_yield_end(struct vcpu *v) {
    bool interrupt = idle_interrupt(v->engine);
    if (!interrupt && wait_left(v))
        return;
    v->abi.gpr[CPU_EAX] = interrupt;
    engine_wake(v);
}

void engine_wait(struct vcpu *v) {
    struct engine *e = v->engine;
    uint64_t start = engine_now_ns(), left;
    v->stats->halts += !e->yielding;
    __atomic_store_n(&e->waiting, 1, __ATOMIC_SEQ_CST);
    while (!idle_event(e) && (left = wait_left(v))) {
        if (clock_skip(v, left))
            continue;
        uint32_t seen = __atomic_load_n(&e->wake, __ATOMIC_SEQ_CST);
        uint64_t most = v->config.idle_begin ? v->config.idle_begin(v->config.opaque) : UINT64_MAX;
        most = engine_least(most, left);
        if (most && !idle_event(e))
            futex_wait(&e->wake, seen, most);
        if (v->config.idle_end)
            v->config.idle_end(v->config.opaque);
    }
    __atomic_store_n(&e->waiting, 0, __ATOMIC_SEQ_CST);
    v->stats->ns_halted += engine_now_ns() - start;
}

// ---- DMA
// -----------------------------------------------------------------------------------------------------------------

// More frames than the queue holds: every frame with code, so that none is missed.
static void forget_all(struct vcpu *v) {
    const struct ram *ram = v->config.ram;
    for (uint32_t frame = 0; frame < ram->size / RAM_PAGE_SIZE; frame++)
        if (__atomic_load_n(&ram->frame_flags[frame], __ATOMIC_SEQ_CST) & RAM_FRAME_CODE)
            v->stats->blocks_killed_dma += engine_forget_frame(v, frame);
}

void engine_serve_dma(struct vcpu *v) {
    struct engine *e = v->engine;
    if (!__atomic_load_n(&e->dma_count, __ATOMIC_SEQ_CST))
        return;
    pthread_mutex_lock(&e->dma_lock);
    if (e->dma_all)
        forget_all(v);
    else
        for (unsigned i = 0; i < e->dma_count; i++)
            v->stats->blocks_killed_dma += engine_forget_frame(v, e->dma_frames[i]);
    e->dma_all = false;
    __atomic_store_n(&e->dma_count, 0, __ATOMIC_SEQ_CST);
    pthread_cond_broadcast(&e->dma_done);
    pthread_mutex_unlock(&e->dma_lock);
}

// Never waits: the vCPU may not be running, and then nobody empties the queue.
static void dma_kill(struct vcpu *v, uint32_t frame) {
    struct engine *e = v->engine;
    pthread_mutex_lock(&e->dma_lock);
    if (e->dma_count == ENGINE_DMA_QUEUE) {
        e->dma_all = true;
    } else {
        e->dma_frames[e->dma_count] = frame;
        __atomic_add_fetch(&e->dma_count, 1, __ATOMIC_SEQ_CST);
    }
    pthread_mutex_unlock(&e->dma_lock);
}

static void dma_wait(struct vcpu *v) {
    struct engine *e = v->engine;
    kick(v);
    pthread_mutex_lock(&e->dma_lock);
    // A vCPU that is not running serves the queue before it runs guest code again.
    while (e->dma_count && __atomic_load_n(&e->running, __ATOMIC_SEQ_CST))
        pthread_cond_wait(&e->dma_done, &e->dma_lock);
    pthread_mutex_unlock(&e->dma_lock);
}

int vcpu_dma_write(struct vcpu *v, uint64_t gpa, const void *data, uint64_t size) {
    struct ram *ram = v->config.ram;
    const uint8_t *from = data;
    bool kills = false, hole = false;
    while (size) {
        uint64_t part = RAM_PAGE_SIZE - (gpa & (RAM_PAGE_SIZE - 1));
        if (part > size)
            part = size;
        if (!ram_contains(ram, gpa, part)) {
            hole = true;
        } else {
            __builtin_memcpy(ram->host + gpa, from, part);
            __atomic_thread_fence(__ATOMIC_SEQ_CST);
            if (__atomic_load_n(&ram->frame_flags[gpa >> 12], __ATOMIC_SEQ_CST) & RAM_FRAME_CODE) {
                dma_kill(v, (uint32_t)(gpa >> 12));
                kills = true;
            }
        }
        gpa += part;
        from += part;
        size -= part;
    }
    if (kills)
        dma_wait(v);
    return hole ? -1 : 0;
}

int vcpu_dma_read(struct vcpu *v, uint64_t gpa, void *data, uint64_t size) {
    const struct ram *ram = v->config.ram;
    if (!ram_contains(ram, gpa, size))
        return -1;
    __builtin_memcpy(data, ram->host + gpa, size);
    return 0;
}
