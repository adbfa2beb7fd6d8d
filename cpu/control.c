// Control registers: checks, what a change invalidates, and what it makes of the block mode. Intel SDM vol. 3A 2.5,
// 4.1, 4.4.1, 4.10.4; vol. 2, MOV to control registers, LMSW, CLTS, INVLPG.
#include "cpu/semantics.h"

// What CPUID announces; every other bit is reserved and faults.
#define CR4_DEFINED                                                                                                    \
    (CR4_VME | CR4_PVI | CR4_TSD | CR4_DE | CR4_PSE | CR4_PAE | CR4_PGE | CR4_PCE | CR4_OSFXSR | CR4_OSXMMEXCPT)
#define CR0_FLUSHES (CR0_PG | CR0_PE | CR0_WP | CR0_CD | CR0_NW) // the last two load the PDPTEs
#define CR4_FLUSHES (CR4_PSE | CR4_PAE | CR4_PGE | CR4_SMEP | CR4_SMAP)
#define EFER_NXE    (1u << 11)

static enum callout_result bad_value(struct vcpu *v) {
    cpu_raise_error(v, VECTOR_GP, 0);
    return CALLOUT_FAULT;
}

int cpu_control_apply(struct vcpu *v) {
    const struct mmu_control control = {
        .cr0 = v->abi.cr0, .cr3 = v->abi.cr3, .cr4 = v->abi.cr4, .nxe = (v->msr.efer & EFER_NXE) != 0, .a20 = v->a20};
    cpu_control_update(v);
    return mmu_set_control(v->mmu, &control);
}

// CR0 and CR4 become the given values. The mmu and the code map forget translations only where the SDM says so (vol. 3A
// 4.10.4.1): an operating system changes CR0.TS often. 0, or -1 with #GP for a bad PDPTE and nothing changed.
static int set_controls(struct vcpu *v, uint32_t cr0, uint32_t cr4) {
    const uint32_t old0 = v->abi.cr0, old4 = v->abi.cr4;
    bool flush = ((old0 ^ cr0) & CR0_FLUSHES) || ((old4 ^ cr4) & CR4_FLUSHES);
    v->abi.cr0 = cr0;
    v->abi.cr4 = cr4;
    if (flush && cpu_control_apply(v) < 0) {
        v->abi.cr0 = old0;
        v->abi.cr4 = old4;
        cpu_control_apply(v); // the old PDPTEs were good
        return cpu_raise_error(v, VECTOR_GP, 0);
    }
    cpu_control_update(v);
    if ((old4 ^ cr4) & CR4_DE) // the meaning of DR7's R/W fields
        cpu_debug_arm(v);
    if (flush)
        engine_flush_code_roots(v, false);
    cpu_mode_update(v);
    return 0;
}

static enum callout_result set_cr0(struct vcpu *v, uint32_t value) {
    value = (value & CR0_DEFINED) | CR0_ET;
    if (((value & CR0_PG) && !(value & CR0_PE)) || ((value & CR0_NW) && !(value & CR0_CD)))
        return bad_value(v);
    return set_controls(v, value, v->abi.cr4) < 0 ? callout_failed(v) : CALLOUT_CONTINUE;
}

int cpu_load_cr3(struct vcpu *v, uint32_t value) {
    if (mmu_load_cr3(v->mmu, value) < 0)
        return cpu_raise_error(v, VECTOR_GP, 0);
    v->abi.cr3 = value;
    v->stats->cr3_loads++;
    engine_flush_code_roots(v, v->abi.cr4 & CR4_PGE);
    cpu_mode_update(v);
    return 0;
}

static enum callout_result set_cr3(struct vcpu *v, uint32_t value) {
    return cpu_load_cr3(v, value) < 0 ? callout_failed(v) : CALLOUT_CONTINUE;
}

static enum callout_result set_cr4(struct vcpu *v, uint32_t value) {
    if (value & ~(CR4_DEFINED | v->cr4_optional))
        return bad_value(v);
    return set_controls(v, v->abi.cr0, value) < 0 ? callout_failed(v) : CALLOUT_CONTINUE;
}

// A change of address space or paging ends the block: what follows is looked up anew.
static enum callout_result end_block(struct vcpu *v, enum callout_result result, uint32_t word) {
    if (result != CALLOUT_CONTINUE)
        return result;
    callout_next(v, word);
    return CALLOUT_JUMP;
}

enum callout_result cpu_change_cr(struct vcpu *v, unsigned cr, uint32_t value, uint32_t word) {
    switch (cr) {
    case 0: return end_block(v, set_cr0(v, value), word);
    case 3: return end_block(v, set_cr3(v, value), word);
    case 4: return end_block(v, set_cr4(v, value), word);
    default: cpu_raise(v, VECTOR_UD); return CALLOUT_FAULT;
    }
}

enum callout_result callout_CLTS(struct vcpu *v, uint32_t r8, uint32_t r9, uint32_t word) {
    (void)r8, (void)r9, (void)word;
    if (cpu_needs_ring0(v))
        return CALLOUT_FAULT;
    return set_controls(v, v->abi.cr0 & ~CR0_TS, v->abi.cr4) < 0 ? callout_failed(v) : CALLOUT_CONTINUE;
}

// LMSW sets PE but cannot clear it.
enum callout_result callout_LMSW(struct vcpu *v, uint32_t r8, uint32_t r9, uint32_t word) {
    uint32_t value;
    if (cpu_needs_ring0(v) || cpu_read_rm(v, r9, r8, 2, &value) < 0)
        return callout_failed(v);
    const uint32_t changes = CR0_MP | CR0_EM | CR0_TS;
    return end_block(v, set_cr0(v, (v->abi.cr0 & ~changes) | (value & (changes | CR0_PE))), word);
}

enum callout_result callout_INVLPG(struct vcpu *v, uint32_t r8, uint32_t r9, uint32_t word) {
    if (cpu_needs_ring0(v))
        return CALLOUT_FAULT;
    // The address is not checked against the segment's limit (SDM vol. 2A, INVLPG).
    uint32_t linear = v->seg[RM_INDEX(r9)].base + r8;
    mmu_invlpg(v->mmu, linear);
    engine_flush_code_page(v, linear);
    return end_block(v, CALLOUT_CONTINUE, word);
}

// Caches are the host's: INVD and WBINVD only ask for the privilege.
enum callout_result callout_INVD(struct vcpu *v, uint32_t r8, uint32_t r9, uint32_t word) {
    (void)r8, (void)r9, (void)word;
    return cpu_needs_ring0(v) ? CALLOUT_FAULT : CALLOUT_CONTINUE;
}
