// MOV from a control register. Intel SDM vol. 2B. Every page fault's handler reads CR2, so this is light code: general
// registers only, no library calls.
#include "cpu/semantics.h"

enum callout_result callout_MOV_FROM_CR(struct vcpu *v, uint32_t r8, uint32_t r9, uint32_t word) {
    (void)r8, (void)word;
    uint32_t *to = &v->abi.gpr[r9 >> 8 & 7];
    if (cpu_protected(v) && v->cpl != 0) {
        cpu_raise_error(v, VECTOR_GP, 0);
        return CALLOUT_FAULT;
    }
    switch (r9 & 0xff) {
    case 0: *to = v->cr0; return CALLOUT_CONTINUE;
    case 2: *to = v->cr2; return CALLOUT_CONTINUE;
    case 3: *to = v->cr3; return CALLOUT_CONTINUE;
    case 4: *to = v->cr4; return CALLOUT_CONTINUE;
    default: cpu_raise(v, VECTOR_UD); return CALLOUT_FAULT;
    }
}
