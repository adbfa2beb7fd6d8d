// x87 exceptions outside the processor (CR0.NE clear), as the PC/AT wires them: FERR# raises IRQ 13, and the processor
// stands still before the waiting instruction until an interrupt comes; the write to port F0h that takes the IRQ back
// asserts IGNNE#, under which waiting instructions go on as if no exception were pending, until FERR# goes away with
// it. Intel SDM vol. 1 8.7.2, D.2. The host raises #MF for every waiting instruction, so those that IGNNE# lets through
// run by themselves with all exceptions masked. FPU state parked.
#include "cpu/engine.h"
#include "cpu/semantics.h"

#define FCW_MASKS 0x3fu
#define FSW_ES    0x80u
#define FSW_B     0x8000u

static uint16_t get(const struct vcpu *v, unsigned at) {
    return (uint16_t)(v->abi.fx[at] | v->abi.fx[at + 1] << 8);
}

static void put(struct vcpu *v, unsigned at, unsigned value) {
    v->abi.fx[at] = (uint8_t)value;
    v->abi.fx[at + 1] = (uint8_t)(value >> 8);
}

// FCW becomes the given one, and the summary in FSW what follows from it.
static void set_control(struct vcpu *v, unsigned fcw) {
    unsigned fsw = get(v, 2) & ~(FSW_ES | FSW_B);
    put(v, 0, fcw);
    put(v, 2, fsw & ~fcw & FCW_MASKS ? fsw | FSW_ES | FSW_B : fsw);
}

bool engine_signals_ferr(const struct vcpu *v) {
    return v->fault.vector == VECTOR_MF && !v->fault.software && !(v->cr0 & CR0_NE) && v->config.coprocessor_error;
}

void engine_ferr(struct vcpu *v) {
    struct engine *e = v->engine;
    engine_park_fpu(v);
    e->fault_pending = false;
    e->again = true; // the instruction at abi.eip has not run
    if (v->ignne) {
        v->ignne_step = true;
        return;
    }
    e->halted = true;
    if (v->config.lock)
        v->config.lock(v->config.opaque);
    v->config.coprocessor_error(v->config.opaque);
    if (v->config.unlock)
        v->config.unlock(v->config.opaque);
}

void vcpu_ignore_ferr(struct vcpu *v) {
    if (get(v, 2) & FSW_ES) {
        v->ignne = true;
        engine_arm(v); // instruction by instruction from here
    }
}

void engine_ignne_begin(struct vcpu *v) {
    v->ignne_masked = v->ignne_step;
    v->ignne_step = false;
    v->ignne_fcw = get(v, 0);
    if (v->ignne_masked)
        set_control(v, v->ignne_fcw | FCW_MASKS);
}

void engine_ignne_end(struct vcpu *v, const struct block *block) {
    bool ran = !v->engine->again && !v->engine->fault_pending;
    if (v->ignne_masked && !(ran && engine_x87_loads_control(block)))
        set_control(v, v->ignne_fcw);
    v->ignne_masked = false;
    v->ignne = get(v, 2) & FSW_ES;
}
