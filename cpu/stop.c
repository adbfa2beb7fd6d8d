// The run ends because the guest asked for something that is not there yet. Library code: parks the FPU state first.
#include "cpu/semantics.h"

int cpu_stop_unsupported(struct vcpu *v, const char *what) {
    engine_park_fpu(v);
    error_set(&v->error, "not supported yet: %s (at %04x:%08x)", what, v->seg[CPU_SEG_CS].selector, v->abi.eip);
    engine_stop(v, CPU_STOP_ERROR);
    v->fault.vector = CPU_FAULT_STOP;
    return -1;
}
