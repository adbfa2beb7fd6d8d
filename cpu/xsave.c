// XSAVE, XRSTOR, XGETBV and XSETBV with the standard form of the image: x87, SSE and, in bytes 576 on, the upper halves
// of the YMM registers. Intel SDM vol. 1 13.4 to 13.8, vol. 2. The state is parked in abi.fx and abi.ymm. What a fault
// would leave half done is looked at before anything is written.
#include "cpu/fpuenv.h"
#include "cpu/semantics.h"

#include <string.h>

enum {
    XSAVE_HEADER = 512, // XSTATE_BV, XCOMP_BV, and bytes that must be zero
    XSAVE_HEADER_SIZE = 64,
    XSAVE_CHECKED = 24, // bytes of the header that XRSTOR looks at
    XSAVE_YMM = 576,
    YMM_USED = 128, // YMM0 to YMM7; the other half is not written outside 64-bit mode
    MXCSR_AT_RESET = 0x1f80,
    FCW_AT_INIT = 0x037f
};

static bool all_zero(const uint8_t *bytes, unsigned size) {
    for (unsigned i = 0; i < size; i++)
        if (bytes[i])
            return false;
    return true;
}

// ---- What is in use (SDM vol. 1 13.6) -------------------------------------------------------------------------------

static bool x87_is_initial(const uint8_t image[FX_USED]) {
    return fx_get16(image + FX_FCW) == FCW_AT_INIT && all_zero(image + FX_FSW, FX_MXCSR - FX_FSW) &&
           all_zero(image + FX_ST, FX_XMM - FX_ST);
}

static uint32_t components_in_use(const struct vcpu *v, const uint8_t image[FX_USED]) {
    uint32_t used = 0;
    if (!x87_is_initial(image))
        used |= XCR0_X87;
    if (!all_zero(image + FX_XMM, FX_USED - FX_XMM))
        used |= XCR0_SSE;
    if (!all_zero(v->abi.ymm[0], sizeof v->abi.ymm))
        used |= XCR0_AVX;
    return used;
}

// ---- XSAVE ----------------------------------------------------------------------------------------------------------

// A piece of the image that the requested components make part of it.
struct piece {
    unsigned at, size;
    uint32_t components; // any of them
};

static const struct piece pieces[] = {
    {FX_FCW, FX_MXCSR - FX_FCW, XCR0_X87}, {FX_MXCSR, 8, XCR0_SSE | XCR0_AVX}, {FX_ST, FX_XMM - FX_ST, XCR0_X87},
    {FX_XMM, FX_USED - FX_XMM, XCR0_SSE},  {XSAVE_YMM, YMM_USED, XCR0_AVX},
};
enum { PIECES = sizeof pieces / sizeof *pieces };

static enum callout_result xsave(struct vcpu *v, unsigned seg, uint32_t offset, uint32_t wanted) {
    uint8_t image[FX_USED], old[4];
    if (cpu_read(v, seg, offset + XSAVE_HEADER, old, 4) < 0 || cpu_probe_write(v, seg, offset + XSAVE_HEADER, 4) < 0)
        return callout_failed(v);
    for (unsigned i = 0; i < PIECES; i++)
        if ((pieces[i].components & wanted) && cpu_probe_write(v, seg, offset + pieces[i].at, pieces[i].size) < 0)
            return callout_failed(v);
    fpu_guest_image(v, image);
    uint32_t bv = (fx_get32(old) & ~wanted) | (components_in_use(v, image) & wanted);
    for (unsigned i = 0; i < PIECES; i++) {
        const uint8_t *from = pieces[i].at == XSAVE_YMM ? v->abi.ymm[0] : image + pieces[i].at;
        if ((pieces[i].components & wanted) && cpu_write(v, seg, offset + pieces[i].at, from, pieces[i].size) < 0)
            return callout_failed(v);
    }
    return cpu_write(v, seg, offset + XSAVE_HEADER, &bv, 4) < 0 ? callout_failed(v) : CALLOUT_CONTINUE;
}

// ---- XRSTOR ---------------------------------------------------------------------------------------------------------

static void load_x87(struct vcpu *v, const uint8_t *image, bool initial) {
    uint8_t empty[FX_XMM] = {FCW_AT_INIT & 0xff, FCW_AT_INIT >> 8};
    fpu_load_x87(v, initial ? empty : image);
}

static void load_vectors(uint8_t *state, const uint8_t *image, unsigned size, bool initial) {
    if (initial)
        memset(state, 0, size);
    else
        memcpy(state, image, size);
}

static enum callout_result bad_image(struct vcpu *v) {
    cpu_raise_error(v, VECTOR_GP, 0);
    return CALLOUT_FAULT;
}

static enum callout_result xrstor(struct vcpu *v, unsigned seg, uint32_t offset, uint32_t wanted) {
    uint8_t image[FX_USED], ymm[YMM_USED], header[XSAVE_CHECKED];
    if (cpu_read(v, seg, offset + XSAVE_HEADER, header, sizeof header) < 0)
        return callout_failed(v);
    uint32_t bv = fx_get32(header);
    if (bv & ~v->xcr0 || !all_zero(header + 4, XSAVE_CHECKED - 4)) // and the compacted form is not announced
        return bad_image(v);
    for (unsigned i = 0; i < PIECES; i++) {
        bool mxcsr = pieces[i].at == FX_MXCSR;
        if ((pieces[i].components & wanted & (mxcsr ? wanted : bv)) == 0)
            continue;
        uint8_t *to = pieces[i].at == XSAVE_YMM ? ymm : image + pieces[i].at;
        if (cpu_read(v, seg, offset + pieces[i].at, to, pieces[i].size) < 0)
            return callout_failed(v);
    }
    bool mxcsr = wanted & (XCR0_SSE | XCR0_AVX);
    if (mxcsr && (fx_get32(image + FX_MXCSR) & ~fpu_mxcsr_mask(v)))
        return bad_image(v);
    if (mxcsr)
        fx_put32(v->abi.fx + FX_MXCSR, fx_get32(image + FX_MXCSR));
    if (wanted & XCR0_X87)
        load_x87(v, image, !(bv & XCR0_X87));
    if (wanted & XCR0_SSE)
        load_vectors(v->abi.fx + FX_XMM, image + FX_XMM, FX_USED - FX_XMM, !(bv & XCR0_SSE));
    if (wanted & XCR0_AVX)
        load_vectors(v->abi.ymm[0], ymm, sizeof v->abi.ymm, !(bv & XCR0_AVX));
    return CALLOUT_CONTINUE;
}

// ---- Callouts -------------------------------------------------------------------------------------------------------

static enum callout_result raise(struct vcpu *v, enum cpu_vector vector) {
    cpu_raise(v, vector);
    return CALLOUT_FAULT;
}

enum callout_result callout_XSTATE(struct vcpu *v, uint32_t r8, uint32_t r9, uint32_t word) {
    unsigned seg = RM_INDEX(r9);
    uint32_t wanted = v->abi.gpr[CPU_EAX] & v->xcr0, linear;
    (void)word;
    engine_park_x87(v);
    if (!(v->abi.cr4 & CR4_OSXSAVE))
        return raise(v, VECTOR_UD);
    if (v->abi.cr0 & CR0_TS)
        return raise(v, VECTOR_NM);
    enum mmu_access access = RM_OTHER(r9) == XSTATE_XSAVE ? MMU_WRITE : MMU_READ;
    if (cpu_segment_linear(v, seg, r8, XSAVE_HEADER + XSAVE_HEADER_SIZE, access, &linear) < 0)
        return callout_failed(v);
    if (linear & 63)
        return bad_image(v);
    return access == MMU_WRITE ? xsave(v, seg, r8, wanted) : xrstor(v, seg, r8, wanted);
}

static enum callout_result xsetbv(struct vcpu *v) {
    uint32_t value = v->abi.gpr[CPU_EAX];
    bool good = v->abi.gpr[CPU_ECX] == 0 && v->abi.gpr[CPU_EDX] == 0 && (value & XCR0_X87) &&
                !(value & ~v->xcr0_supported) && (!(value & XCR0_AVX) || (value & XCR0_SSE));
    if ((cpu_protected(v) && v->cpl != 0) || !good)
        return bad_image(v);
    v->xcr0 = value;
    v->abi.ymm_live = (value & XCR0_AVX) != 0;
    cpu_control_update(v);
    cpu_mode_update(v);
    return CALLOUT_CONTINUE;
}

enum callout_result callout_XCR(struct vcpu *v, uint32_t r8, uint32_t r9, uint32_t word) {
    (void)r8, (void)word;
    if (!(v->abi.cr4 & CR4_OSXSAVE))
        return raise(v, VECTOR_UD);
    if (r9)
        return xsetbv(v);
    if (v->abi.gpr[CPU_ECX] != 0) // XCR1 comes with XSAVEOPT and its like
        return bad_image(v);
    v->abi.gpr[CPU_EAX] = v->xcr0;
    v->abi.gpr[CPU_EDX] = 0;
    return CALLOUT_CONTINUE;
}
