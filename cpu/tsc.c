// RDTSC where it cannot be done in line. Intel SDM vol. 2B, RDTSC; vol. 3B 17.17. Light code: general registers only.
#include "cpu/semantics.h"

enum callout_result callout_RDTSC(struct vcpu *v, uint32_t r8, uint32_t r9, uint32_t word) {
    (void)r8, (void)r9, (void)word;
    if ((v->abi.cr4 & CR4_TSD) && cpu_protected(v) && v->cpl != 0) {
        cpu_raise_error(v, VECTOR_GP, 0);
        return CALLOUT_FAULT;
    }
    uint64_t tsc = clock_tsc(v);
    v->abi.gpr[CPU_EAX] = (uint32_t)tsc;
    v->abi.gpr[CPU_EDX] = (uint32_t)(tsc >> 32);
    return CALLOUT_CONTINUE;
}
