// x87 exceptions outside the processor (CR0.NE clear), as the PC/AT wires them: FERR# raises IRQ 13, and the processor
// stands still before the waiting instruction until an interrupt comes; the write to port F0h that takes the IRQ back
// asserts IGNNE#, under which waiting instructions go on as if no exception were pending, until FERR# goes away with
// it. Intel SDM vol. 1 8.7.2, D.2. The host raises #MF for every waiting instruction, so those that IGNNE# lets through
// run by themselves with all exceptions masked. FPU state parked.
#include "cpu/engine.h"
#include "cpu/fx_image.h"
#include "cpu/semantics.h"

// FCW becomes the given one, and the summary in FSW what follows from it.
static void set_control(uint8_t *fx, unsigned fcw) {
    fx_put16(fx + FX_FCW, fcw);
    fx_put16(fx + FX_FSW, fx_with_summary(fx_get16(fx + FX_FSW), fcw));
}

static bool pends(struct vcpu *v) {
    engine_park_x87(v);
    return fx_get16(v->abi.fx + FX_FSW) & FSW_ES;
}

bool engine_signals_ferr(const struct vcpu *v) {
    return v->fault.vector == VECTOR_MF && !v->fault.software && !(v->abi.cr0 & CR0_NE) && v->config.coprocessor_error;
}

void engine_ferr(struct vcpu *v) {
    struct engine *e = v->engine;
    engine_park_x87(v);
    e->fault_pending = false;
    e->again = true; // the instruction at abi.eip has not run
    if (v->ignne) {
        v->ignne_step = true;
        return;
    }
    e->halted = true;
    cpu_device_lock(v);
    v->config.coprocessor_error(v->config.opaque);
    cpu_device_unlock(v);
}

void vcpu_ignore_ferr(struct vcpu *v) {
    if (pends(v)) {
        v->ignne = true;
        engine_arm(v); // instruction by instruction from here
    }
}

void engine_ignne_begin(struct vcpu *v) {
    v->ignne_masked = v->ignne_step;
    v->ignne_step = false;
    engine_park_x87(v);
    v->ignne_fcw = fx_get16(v->abi.fx + FX_FCW);
    if (v->ignne_masked)
        set_control(v->abi.fx, v->ignne_fcw | FCW_MASKS);
}

void engine_ignne_end(struct vcpu *v, const struct block *block) {
    engine_park_x87(v);
    bool ran = !v->engine->again && !v->engine->fault_pending;
    if (v->ignne_masked && !(ran && engine_x87_loads_control(block)))
        set_control(v->abi.fx, v->ignne_fcw);
    v->ignne_masked = false;
    v->ignne = pends(v);
}
