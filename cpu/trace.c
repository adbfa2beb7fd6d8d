// See trace.h. The entries that stubs call while a trace is written are here too: each is that of exits.c with events
// around it. Light, but for what the dispatcher calls.
#include "cpu/trace.h"
#include "cpu/semantics.h"

#include <sys/mman.h>

#define ROOM_MIN     64           // words that are free whenever the dispatcher enters a block
#define FLUSH_CYCLES (1ull << 26) // host TSC cycles, some 20 ms, after which records are handed over anyway
#define STORAGE_SIZE ((TRACE_RING + TRACE_RESERVE) * sizeof(uint64_t))

// ---- Entries of the stubs ------------------------------------------------------------------------------------------

static struct vcpu *vcpu_of(struct vcpu_abi *abi) {
    return (struct vcpu *)(void *)abi;
}

static uint64_t traced_callout(struct vcpu_abi *abi) {
    struct vcpu *v = vcpu_of(abi);
    uint32_t word = abi->r10, linear = abi->page + CALLOUT_OFFSET(word);
    clock_enter(v, CALLOUT_OFFSET(word));
    trace_event(v, CPU_TRACE_CALLOUT, CALLOUT_ID(word), linear, abi->r8, abi->r9, trace_time(v));
    uint64_t way = engine_callout(abi);
    trace_state(v);
    return way;
}

static uint64_t traced_soft_miss(struct vcpu_abi *abi) {
    uint64_t way = engine_soft_miss(abi);
    trace_state(vcpu_of(abi));
    return way;
}

static uint64_t traced_exit(struct vcpu_abi *abi) {
    uint64_t way = engine_exit(abi);
    trace_state(vcpu_of(abi));
    return way;
}

static void set_entries(struct vcpu *v, bool traced) {
    v->abi.callout_entry = (uint64_t)(uintptr_t)(traced ? traced_callout : engine_callout);
    v->abi.soft_miss_entry = (uint64_t)(uintptr_t)(traced ? traced_soft_miss : engine_soft_miss);
    v->abi.exit_entry = (uint64_t)(uintptr_t)(traced ? traced_exit : engine_exit);
}

// ---- Life ----------------------------------------------------------------------------------------------------------

int trace_create(struct vcpu *v, struct error *err) {
    if (!v->config.trace)
        return 0;
    void *storage = mmap(NULL, STORAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (storage == MAP_FAILED)
        return error_set(err, "out of memory");
    v->trace = (struct vcpu_trace){.on = true, .start = __builtin_ia32_rdtsc(), .storage = storage};
    v->trace.flushed = v->trace.start;
    v->abi.trace_ring = (uint64_t)(uintptr_t)(v->trace.storage + TRACE_RESERVE);
    v->abi.trace_room = TRACE_RING;
    set_entries(v, true);
    return 0;
}

void trace_destroy(struct vcpu *v) {
    if (v->trace.storage)
        munmap(v->trace.storage, STORAGE_SIZE);
    v->trace.storage = NULL;
}

// The guest goes on in blocks that record nothing. The traced ones stay in the cache until they are evicted.
static void stop(struct vcpu *v) {
    v->trace.on = false;
    set_entries(v, false);
    cpu_control_update(v);
    cpu_mode_update(v);
}

// ---- Handing over --------------------------------------------------------------------------------------------------

void trace_flush(struct vcpu *v) {
    const struct cpu_trace *trace = v->config.trace;
    if (!v->trace.on)
        return;
    const uint64_t *ring = (const uint64_t *)(uintptr_t)v->abi.trace_ring;
    int64_t room = v->abi.trace_room;
    v->trace.failed |=
        trace->records(trace->opaque, ring + room, (size_t)(TRACE_RING - room), v->trace.lost, trace_time(v)) < 0;
    v->abi.trace_room = TRACE_RING;
    v->trace.flushed = __builtin_ia32_rdtsc();
    if (v->trace.failed)
        stop(v);
}

void trace_serve(struct vcpu *v) {
    if (!v->trace.on)
        return;
    bool late = !v->clock.counts && __builtin_ia32_rdtsc() - v->trace.flushed > FLUSH_CYCLES;
    if (v->abi.trace_room < ROOM_MIN || late || v->trace.failed)
        trace_flush(v);
}

void trace_block(struct vcpu *v, const struct block *block, uint32_t linear, const struct translate_output *out) {
    const struct cpu_trace *trace = v->config.trace;
    const struct cpu_trace_block told = {
        .id = v->trace.blocks,
        .linear = linear,
        .frame = block->frame,
        .mode = block->mode,
        .host_size = block->host_size,
        .guest_size = block->guest_size,
        .insns = out->insns,
        .identity = out->identity,
        .inlined = out->inlined,
        .callouts = out->called,
        .bytes = block->guest_bytes,
    };
    v->trace.failed |= trace->block(trace->opaque, &told) < 0 || ++v->trace.blocks == TRACE_EVENT;
}
