// An x87 exception with CR0.NE clear: no #MF, but FERR# to the outside, and the waiting instruction freezes until an
// interrupt comes (Intel SDM vol. 1, 8.7.2 and D.2). Stands between the light exits and a device.
#include "cpu/engine.h"
#include "cpu/semantics.h"

bool engine_signals_ferr(const struct vcpu *v) {
    return v->fault.vector == VECTOR_MF && !v->fault.software && !(v->cr0 & CR0_NE) && v->config.coprocessor_error;
}

void engine_ferr(struct vcpu *v) {
    engine_park_fpu(v);
    if (v->config.lock)
        v->config.lock(v->config.opaque);
    v->config.coprocessor_error(v->config.opaque);
    if (v->config.unlock)
        v->config.unlock(v->config.opaque);
    v->engine->fault_pending = false;
    v->engine->halted = true;
}
