// The trace of a run: traced blocks (translator/record.h) and the monitor's C code write records into one ring, from
// its end to its beginning; the dispatcher hands them over and empties it. abi.trace_room counts what blocks may still
// write; events of the monitor may go below zero, into a reserve. Nothing here runs, and no block records anything,
// where no trace was asked for: the stubs then call exits.c directly. docs/trace.md
#ifndef CPU_TRACE_H
#define CPU_TRACE_H

#include "cpu/engine.h"

#define TRACE_RING    65536 // words that blocks may write
#define TRACE_RESERVE 4096  // more, for events

int trace_create(struct vcpu *v, struct error *err); // does nothing without config.trace
void trace_destroy(struct vcpu *v);
void trace_serve(struct vcpu *v); // between two instructions, in the dispatcher: afterwards there is room
void trace_flush(struct vcpu *v); // likewise: hands over what there is
// A block that was just stored.
void trace_block(struct vcpu *v, const struct block *block, uint32_t linear, const struct translate_output *out);

// ---- Events: light and signal-safe; only while v->trace.on ----------------------------------------------------------

static inline uint64_t trace_time(const struct vcpu *v) {
    return v->clock.counts ? clock_count(v) : __builtin_ia32_rdtsc() - v->trace.start;
}

static inline void trace_event(struct vcpu *v, enum cpu_trace_event kind, uint32_t info, uint32_t linear, uint32_t a,
                               uint32_t b, uint64_t time) {
    int64_t at = v->abi.trace_room - CPU_TRACE_EVENT_WORDS;
    uint64_t *ring = (uint64_t *)(uintptr_t)v->abi.trace_ring;
    if (at < -TRACE_RESERVE) {
        v->trace.lost++;
        return;
    }
    ring[at + 2] = (uint64_t)linear << 32 | CPU_TRACE_EVENT | (uint32_t)kind << 24 | (info & 0xffffffu);
    ring[at + 1] = (uint64_t)b << 32 | a;
    ring[at] = time;
    v->abi.trace_room = at;
}

// v->fault is about to be delivered at abi.eip.
static inline void trace_fault(struct vcpu *v) {
    uint32_t vector = v->fault.vector, error = v->fault.has_error ? v->fault.error : 0;
    trace_event(v, CPU_TRACE_FAULT, vector, cpu_linear_eip(v), error, vector == VECTOR_PF ? v->fault.cr2 : 0,
                trace_time(v));
}

// Mode and address space, if they are others than at the last time.
static inline void trace_state(struct vcpu *v) {
    uint32_t mode = v->mode & ~(uint32_t)MODE_ONE;
    if (mode != v->trace.mode) {
        trace_event(v, CPU_TRACE_MODE, v->cpl, cpu_linear_eip(v), mode, v->trace.mode, trace_time(v));
        v->trace.mode = mode;
    }
    if (v->abi.cr3 != v->trace.cr3) {
        trace_event(v, CPU_TRACE_SPACE, 0, cpu_linear_eip(v), v->abi.cr3, v->trace.cr3, trace_time(v));
        v->trace.cr3 = v->abi.cr3;
    }
}

#endif
