// Model-specific registers of the announced processor (docs/decisions/cpuid.md), the time-stamp counter among them.
// Intel SDM vol. 4; vol. 2, RDMSR, WRMSR. A register that is not listed does not exist: #GP(0).
#include "cpu/semantics.h"

enum msr_number {
    MSR_TSC = 0x10,
    MSR_PLATFORM_ID = 0x17,
    MSR_TSC_ADJUST = 0x3b,
    MSR_UCODE_WRITE = 0x79,
    MSR_UCODE_REVISION = 0x8b,
    MSR_SYSENTER_CS = 0x174,
    MSR_SYSENTER_ESP = 0x175,
    MSR_SYSENTER_EIP = 0x176,
    MSR_MISC_ENABLE = 0x1a0,
    MSR_EFER = 0xc0000080,
};

#define EFER_NXE (1u << 11)
// Fast strings on; branch trace and precise sampling not available. Only the first can be changed, and means nothing
// here.
#define MISC_ENABLE_FIXED    ((1u << 11) | (1u << 12))
#define MISC_ENABLE_WRITABLE (1u << 0)

// Returns 0, or -1 if there is no such register.
static int read_msr(struct vcpu *v, uint32_t number, uint64_t *value) {
    switch (number) {
    case MSR_TSC: *value = clock_tsc(v); return 0;
    case MSR_TSC_ADJUST: *value = v->msr.tsc_adjust; return 0;
    case MSR_PLATFORM_ID:
    case MSR_UCODE_REVISION: *value = 0; return 0;
    case MSR_SYSENTER_CS: *value = v->msr.sysenter_cs; return 0;
    case MSR_SYSENTER_ESP: *value = v->msr.sysenter_esp; return 0;
    case MSR_SYSENTER_EIP: *value = v->msr.sysenter_eip; return 0;
    case MSR_MISC_ENABLE: *value = v->msr.misc_enable | MISC_ENABLE_FIXED; return 0;
    case MSR_EFER: *value = v->msr.efer; return 0;
    default: return -1;
    }
}

static int write_efer(struct vcpu *v, uint64_t value) {
    if (value & ~(uint64_t)EFER_NXE)
        return -1;
    if (value == v->msr.efer)
        return 0;
    v->msr.efer = value;
    cpu_control_apply(v);
    engine_flush_code_roots(v, false);
    cpu_mode_update(v);
    return 0;
}

// The counter and its adjustment move together (SDM vol. 3B 17.17.3).
static int shift_tsc(struct vcpu *v, uint64_t by) {
    v->abi.tsc_offset = (int64_t)((uint64_t)v->abi.tsc_offset + by);
    v->msr.tsc_adjust += by;
    return 0;
}

static int write_msr(struct vcpu *v, uint32_t number, uint64_t value) {
    switch (number) {
    case MSR_TSC: return shift_tsc(v, value - clock_tsc(v));
    case MSR_TSC_ADJUST: return shift_tsc(v, value - v->msr.tsc_adjust);
    case MSR_UCODE_WRITE:
    case MSR_UCODE_REVISION: return 0; // no update is ever loaded: the revision stays 0
    case MSR_SYSENTER_CS:
        v->msr.sysenter_cs = (uint32_t)value;
        cpu_forget_crossings(v);
        return 0;
    case MSR_SYSENTER_ESP: v->msr.sysenter_esp = (uint32_t)value; return 0;
    case MSR_SYSENTER_EIP: v->msr.sysenter_eip = (uint32_t)value; return 0;
    case MSR_MISC_ENABLE: v->msr.misc_enable = value & MISC_ENABLE_WRITABLE; return 0;
    case MSR_EFER: return write_efer(v, value);
    default: return -1;
    }
}

static enum callout_result refuse(struct vcpu *v) {
    cpu_raise_error(v, VECTOR_GP, 0);
    return CALLOUT_FAULT;
}

static bool allowed(const struct vcpu *v) {
    return !cpu_protected(v) || v->cpl == 0;
}

enum callout_result callout_RDMSR(struct vcpu *v, uint32_t r8, uint32_t r9, uint32_t word) {
    (void)r8, (void)r9, (void)word;
    uint64_t value;
    if (!allowed(v) || read_msr(v, v->abi.gpr[CPU_ECX], &value) < 0)
        return refuse(v);
    v->abi.gpr[CPU_EAX] = (uint32_t)value;
    v->abi.gpr[CPU_EDX] = (uint32_t)(value >> 32);
    return CALLOUT_CONTINUE;
}

enum callout_result callout_WRMSR(struct vcpu *v, uint32_t r8, uint32_t r9, uint32_t word) {
    (void)r8, (void)r9;
    uint64_t value = (uint64_t)v->abi.gpr[CPU_EDX] << 32 | v->abi.gpr[CPU_EAX];
    uint32_t number = v->abi.gpr[CPU_ECX];
    if (!allowed(v) || write_msr(v, number, value) < 0)
        return refuse(v);
    if (number != MSR_EFER)
        return CALLOUT_CONTINUE;
    callout_next(v, word);
    return CALLOUT_JUMP;
}

// No performance counters are announced: every counter number is out of range.
enum callout_result callout_RDPMC(struct vcpu *v, uint32_t r8, uint32_t r9, uint32_t word) {
    (void)r8, (void)r9, (void)word;
    return refuse(v);
}
