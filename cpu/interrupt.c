// INT n, INT3, INTO, INT1, HLT, and exceptions that translated code raises by itself. Intel SDM vol. 2, INT n; vol.
// 3A 6.4. Light code: general registers only, no library calls.
#include "cpu/semantics.h"

enum int_kind { INT_N, INT_3, INT_O, INT_1 };

enum callout_result callout_RAISE(struct vcpu *v, uint32_t r8, uint32_t r9, uint32_t word) {
    (void)r8, (void)word;
    enum cpu_vector vector = (enum cpu_vector)(r9 & 0xff);
    if (r9 >> 8 & 1)
        cpu_raise_error(v, vector, r9 >> 16);
    else
        cpu_raise(v, vector);
    return CALLOUT_FAULT;
}

enum callout_result callout_INT(struct vcpu *v, uint32_t r8, uint32_t r9, uint32_t word) {
    (void)r8;
    enum int_kind kind = (enum int_kind)(r9 >> 8 & 3);
    uint32_t next = v->abi.eip + CALLOUT_LENGTH(word);
    if (kind == INT_O && !(v->abi.flags & EFLAGS_OF))
        return CALLOUT_CONTINUE;
    if (kind != INT_1 && cpu_known_gate(v, r9 & 0xff, true, NULL, next, false))
        return CALLOUT_JUMP;
    if (kind == INT_N && (v->abi.sys_flags & EFLAGS_VM))
        return cpu_v86_software(v, (uint8_t)r9, next) < 0 ? callout_failed(v) : CALLOUT_JUMP;
    return cpu_deliver_software(v, (uint8_t)r9, next, kind == INT_1) < 0 ? callout_failed(v) : CALLOUT_JUMP;
}

enum callout_result callout_HLT(struct vcpu *v, uint32_t r8, uint32_t r9, uint32_t word) {
    (void)r8, (void)r9;
    if (cpu_needs_ring0(v))
        return CALLOUT_FAULT;
    engine_halt(v);
    callout_next(v, word);
    return CALLOUT_LEAVE;
}
