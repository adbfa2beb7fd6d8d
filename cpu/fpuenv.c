// Images of the x87 and SSE state in memory, in the guest's formats and with the guest's instruction and data pointers
// (PITFALLS 5): FNSTENV FLDENV FNSAVE FRSTOR FXSAVE FXRSTOR, and the x87 exception. Intel SDM vol. 1 8.1.10, 10.5.1;
// vol. 2. The state is parked in abi.fx, a 64-bit FXSAVE image, and goes back into the processor from there.
#include "cpu/fpuenv.h"
#include "cpu/fx_image.h"
#include "cpu/semantics.h"

#include <string.h>

#define FCW_INIT           0x037f
#define MXCSR_DEFAULT_MASK 0xffbfu

// ---- Environment: 28 bytes, or 14 with a 16-bit operand size -------------------------------------------------------

static unsigned environment_size(unsigned size) {
    return size == 2 ? 14 : 28;
}

// The opcode of the last instruction that raised an unmasked exception (SDM vol. 1 8.1.9: the other mode is gone from
// processors since the Pentium 4). Its bytes are still where it ran; without a pending exception it is what was loaded.
static uint32_t last_opcode(struct vcpu *v) {
    if (!(fx_get16(v->abi.fx + FX_FSW) & FSW_ES))
        return v->abi.fop & 0x7ffu;
    uint32_t linear = v->seg[CPU_SEG_CS].base + v->abi.fip;
    for (unsigned i = 0; i < 14; i++) { // behind the prefixes
        const uint8_t *escape = cpu_host_span(v, linear + i, MMU_READ);
        const uint8_t *modrm = escape ? cpu_host_span(v, linear + i + 1, MMU_READ) : NULL;
        if (modrm && (*escape & 0xf8) == 0xd8)
            return (uint32_t)(*escape & 7) << 8 | *modrm;
    }
    return v->abi.fop & 0x7ffu;
}

// The four words or doublewords of the pointers (SDM vol. 1 figures 8-9 to 8-12). FCS and FDS are zero: CPUID says that
// they are deprecated (leaf 7, EBX bit 13).
static void pointer_fields(struct vcpu *v, unsigned size, uint32_t fields[4]) {
    const uint32_t high = 0xffff0000u; // reserved halves are ones
    uint32_t fip = v->abi.fip, fdp = v->abi.fdp, opcode = last_opcode(v);
    if (cpu_uses_descriptors(v)) {
        fields[0] = fip;
        fields[1] = size == 2 ? 0 : opcode << 16;
        fields[2] = fdp;
        fields[3] = high;
    } else if (size == 2) {
        fields[0] = fip;
        fields[1] = (fip >> 4 & 0xf000) | opcode;
        fields[2] = fdp;
        fields[3] = fdp >> 4 & 0xf000;
    } else {
        fields[0] = fip | high;
        fields[1] = (fip >> 16) << 12 | opcode;
        fields[2] = fdp | high;
        fields[3] = (fdp >> 16) << 12;
    }
}

static void build_environment(struct vcpu *v, unsigned size, uint8_t *image) {
    const uint8_t *fx = v->abi.fx;
    uint32_t words[7] = {fx_get16(fx + FX_FCW), fx_get16(fx + FX_FSW), fx_full_tags(fx)};
    pointer_fields(v, size, words + 3);
    for (unsigned i = 0; i < 7; i++) {
        if (size == 2)
            fx_put16(image + 2 * i, words[i]);
        else
            fx_put32(image + 4 * i, i < 3 ? words[i] | 0xffff0000u : words[i]);
    }
}

static void set_pointers(struct vcpu *v, uint32_t fip, uint16_t fop, uint32_t fdp) {
    v->abi.fip = fip;
    v->abi.fop = fop & 0x7ff;
    v->abi.fdp = fdp;
}

// `image` is that of the first pointer.
static void load_pointers(struct vcpu *v, unsigned size, const uint8_t *image) {
    bool real = !cpu_uses_descriptors(v);
    if (size == 2) {
        uint16_t second = real ? fx_get16(image + 2) : 0, fourth = real ? fx_get16(image + 6) : 0;
        set_pointers(v, fx_get16(image) | (second & 0xf000u) << 4, second,
                     fx_get16(image + 4) | (fourth & 0xf000u) << 4);
    } else if (real) {
        uint32_t second = fx_get32(image + 4), fourth = fx_get32(image + 12);
        set_pointers(v, fx_get16(image) | (second << 4 & 0xffff0000u), (uint16_t)second,
                     fx_get16(image + 8) | (fourth << 4 & 0xffff0000u));
    } else {
        set_pointers(v, fx_get32(image), fx_get16(image + 6), fx_get32(image + 8));
    }
}

static void load_environment(struct vcpu *v, unsigned size, const uint8_t *image) {
    uint8_t *fx = v->abi.fx;
    unsigned width = size == 2 ? 2 : 4;
    uint32_t fcw = (fx_get16(image) & 0x1f7fu) | 0x40u;
    fx_put16(fx + FX_FCW, fcw);
    fx_put16(fx + FX_FSW, fx_with_summary(fx_get16(image + width), fcw));
    fx[FX_FTW] = fx_abridged_tags(fx_get16(image + 2 * width));
    load_pointers(v, size, image + 3 * width);
}

static enum callout_result store_environment(struct vcpu *v, uint32_t rm, uint32_t offset, unsigned size) {
    uint8_t image[28];
    build_environment(v, size, image);
    if (cpu_write(v, RM_INDEX(rm), offset, image, environment_size(size)) < 0)
        return callout_failed(v);
    uint8_t *fx = v->abi.fx;
    fx_put16(fx + FX_FCW, fx_get16(fx + FX_FCW) | FCW_MASKS);
    fx_put16(fx + FX_FSW, fx_with_summary(fx_get16(fx + FX_FSW), FCW_MASKS));
    return CALLOUT_CONTINUE;
}

// FLDENV and FNSAVE leave the physical registers alone, but the image holds them in stack order, which begins at TOP.
static void turn_stack(uint8_t *fx, unsigned old_top) {
    unsigned by = (fx_top(fx) - old_top) & 7;
    uint8_t turned[8][16];
    for (unsigned i = 0; i < 8; i++)
        memcpy(turned[i], fx + FX_ST + 16 * ((i + by) & 7), 16);
    memcpy(fx + FX_ST, turned, sizeof turned);
}

static enum callout_result fldenv(struct vcpu *v, uint32_t rm, uint32_t offset, unsigned size) {
    uint8_t image[28];
    if (cpu_read(v, RM_INDEX(rm), offset, image, environment_size(size)) < 0)
        return callout_failed(v);
    unsigned old_top = fx_top(v->abi.fx);
    load_environment(v, size, image);
    turn_stack(v->abi.fx, old_top);
    return CALLOUT_CONTINUE;
}

static enum callout_result fnsave(struct vcpu *v, uint32_t rm, uint32_t offset, unsigned size) {
    uint8_t image[28 + 80], *fx = v->abi.fx;
    unsigned head = environment_size(size);
    build_environment(v, size, image);
    for (unsigned i = 0; i < 8; i++)
        memcpy(image + head + 10 * i, fx + FX_ST + 16 * i, 10);
    if (cpu_write(v, RM_INDEX(rm), offset, image, head + 80) < 0)
        return callout_failed(v);
    unsigned old_top = fx_top(fx);
    fx_put16(fx + FX_FCW, FCW_INIT);
    fx_put16(fx + FX_FSW, 0);
    turn_stack(fx, old_top);
    fx[FX_FTW] = 0;
    set_pointers(v, 0, 0, 0);
    return CALLOUT_CONTINUE;
}

static enum callout_result frstor(struct vcpu *v, uint32_t rm, uint32_t offset, unsigned size) {
    uint8_t image[28 + 80];
    unsigned head = environment_size(size);
    if (cpu_read(v, RM_INDEX(rm), offset, image, head + 80) < 0)
        return callout_failed(v);
    load_environment(v, size, image);
    for (unsigned i = 0; i < 8; i++) {
        memcpy(v->abi.fx + FX_ST + 16 * i, image + head + 10 * i, 10);
        memset(v->abi.fx + FX_ST + 16 * i + 10, 0, 6);
    }
    return CALLOUT_CONTINUE;
}

// ---- FXSAVE and FXRSTOR --------------------------------------------------------------------------------------------

uint32_t fpu_mxcsr_mask(const struct vcpu *v) {
    uint32_t mask = fx_get32(v->abi.fx + FX_MXCSR_MASK);
    return mask ? mask & 0xffff : MXCSR_DEFAULT_MASK; // an AMD host has bit 17, which an Intel processor has not
}

// Checks segment and alignment of the 512 bytes. 0 or -1.
static int fx_operand(struct vcpu *v, uint32_t rm, uint32_t offset, enum mmu_access access) {
    uint32_t linear;
    if (cpu_segment_linear(v, RM_INDEX(rm), offset, FX_SIZE, access, &linear) < 0)
        return -1;
    return linear & 15 ? cpu_raise_error(v, VECTOR_GP, 0) : 0;
}

void fpu_guest_image(struct vcpu *v, uint8_t image[FX_USED]) {
    memcpy(image, v->abi.fx, FX_USED);
    fx_put16(image + FX_FOP, last_opcode(v));
    fx_put32(image + FX_FIP, v->abi.fip);
    fx_put32(image + FX_FCS, 0);
    fx_put32(image + FX_FDP, v->abi.fdp);
    fx_put32(image + FX_FDS, 0);
    fx_put32(image + FX_MXCSR_MASK, fpu_mxcsr_mask(v));
}

void fpu_load_x87(struct vcpu *v, const uint8_t image[FX_XMM]) {
    uint8_t *fx = v->abi.fx;
    uint32_t fcw = (fx_get16(image + FX_FCW) & 0x1f7fu) | 0x40u;
    fx_put16(fx + FX_FCW, fcw);
    fx_put16(fx + FX_FSW, fx_with_summary(fx_get16(image + FX_FSW), fcw));
    fx[FX_FTW] = image[FX_FTW];
    set_pointers(v, fx_get32(image + FX_FIP), fx_get16(image + FX_FOP), fx_get32(image + FX_FDP));
    for (unsigned i = 0; i < 8; i++)
        memcpy(fx + FX_ST + 16 * i, image + FX_ST + 16 * i, 10);
}

static enum callout_result fxsave(struct vcpu *v, uint32_t rm, uint32_t offset) {
    uint8_t image[FX_USED];
    if (fx_operand(v, rm, offset, MMU_WRITE) < 0)
        return callout_failed(v);
    fpu_guest_image(v, image);
    // Without OSFXSR the image has no XMM registers. What follows them is not written outside 64-bit mode.
    unsigned bytes = v->abi.cr4 & CR4_OSFXSR ? FX_USED : FX_XMM;
    return cpu_write(v, RM_INDEX(rm), offset, image, bytes) < 0 ? callout_failed(v) : CALLOUT_CONTINUE;
}

static enum callout_result fxrstor(struct vcpu *v, uint32_t rm, uint32_t offset) {
    uint8_t image[FX_USED], *fx = v->abi.fx;
    if (fx_operand(v, rm, offset, MMU_READ) < 0 || cpu_read(v, RM_INDEX(rm), offset, image, sizeof image) < 0)
        return callout_failed(v);
    if (fx_get32(image + FX_MXCSR) & ~fpu_mxcsr_mask(v)) {
        cpu_raise_error(v, VECTOR_GP, 0);
        return CALLOUT_FAULT;
    }
    fpu_load_x87(v, image);
    if (v->abi.cr4 & CR4_OSFXSR) {
        fx_put32(fx + FX_MXCSR, fx_get32(image + FX_MXCSR));
        memcpy(fx + FX_XMM, image + FX_XMM, FX_USED - FX_XMM);
    }
    return CALLOUT_CONTINUE;
}

static enum callout_result ldmxcsr(struct vcpu *v, uint32_t rm, uint32_t offset) {
    uint32_t value;
    if (cpu_read(v, RM_INDEX(rm), offset, &value, 4) < 0)
        return callout_failed(v);
    if (value & ~fpu_mxcsr_mask(v)) {
        cpu_raise_error(v, VECTOR_GP, 0);
        return CALLOUT_FAULT;
    }
    fx_put32(v->abi.fx + FX_MXCSR, value);
    return CALLOUT_CONTINUE;
}

// ---- Callouts ------------------------------------------------------------------------------------------------------

// #NM and #UD before the instruction looks at memory (SDM vol. 3A table 2-2). 0 or -1.
static int available(struct vcpu *v, bool fx) {
    if (fx && (v->abi.cr0 & CR0_EM))
        return cpu_raise(v, VECTOR_UD);
    if (v->abi.cr0 & (CR0_EM | CR0_TS))
        return cpu_raise(v, VECTOR_NM);
    return 0;
}

enum callout_result callout_FPU_ENV(struct vcpu *v, uint32_t r8, uint32_t r9, uint32_t word) {
    enum fpu_env kind = (enum fpu_env)(RM_OTHER(r9) & 7);
    unsigned size = CALLOUT_EXTRA(word);
    engine_park_x87(v);
    if (kind == FPU_LDMXCSR) // the block's mode has seen to #UD and #NM
        return ldmxcsr(v, r9, r8);
    if (available(v, kind == FPU_FXSAVE || kind == FPU_FXRSTOR) < 0)
        return CALLOUT_FAULT;
    // The two x87 loads wait for a pending exception first.
    if ((kind == FPU_FLDENV || kind == FPU_FRSTOR) && (fx_get16(v->abi.fx + FX_FSW) & FSW_ES))
        return callout_FPU_MF(v, r8, r9, word);
    switch (kind) {
    case FPU_FNSTENV: return store_environment(v, r9, r8, size);
    case FPU_FLDENV: return fldenv(v, r9, r8, size);
    case FPU_FNSAVE: return fnsave(v, r9, r8, size);
    case FPU_FRSTOR: return frstor(v, r9, r8, size);
    case FPU_FXSAVE: return fxsave(v, r9, r8);
    case FPU_FXRSTOR: return fxrstor(v, r9, r8);
    case FPU_LDMXCSR: break;
    }
    return CALLOUT_CONTINUE;
}

enum callout_result callout_FPU_MF(struct vcpu *v, uint32_t r8, uint32_t r9, uint32_t word) {
    (void)r8, (void)r9, (void)word;
    cpu_raise(v, VECTOR_MF);
    return CALLOUT_FAULT;
}
