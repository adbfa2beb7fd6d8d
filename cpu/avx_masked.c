// The AVX instructions that access only the elements which a mask selects: VMASKMOVPS, VMASKMOVPD, VPMASKMOVD,
// VPMASKMOVQ and the gathers. Element by element, since an element that is masked off must not fault. Intel SDM vol. 2,
// VMASKMOV, VPGATHERDD and their like; the block's mode has seen to #UD and #NM. FPU state parked.
#include "cpu/fx_image.h"
#include "cpu/semantics.h"

#include <string.h>

union vector {
    uint8_t bytes[32];
    uint32_t dwords[8];
    uint64_t qwords[4];
};

static union vector get_ymm(const struct vcpu *v, unsigned reg) {
    union vector value;
    memcpy(value.bytes, v->abi.fx + FX_XMM + 16 * reg, 16);
    memcpy(value.bytes + 16, v->abi.ymm[reg], 16);
    return value;
}

static void set_ymm(struct vcpu *v, unsigned reg, const union vector *value) {
    memcpy(v->abi.fx + FX_XMM + 16 * reg, value->bytes, 16);
    memcpy(v->abi.ymm[reg], value->bytes + 16, 16);
}

// The sign of the mask's element.
static bool is_selected(const union vector *mask, unsigned i, bool wide) {
    return wide ? mask->qwords[i] >> 63 : mask->dwords[i] >> 31;
}

// ---- VMASKMOV and VPMASKMOV -----------------------------------------------------------------------------------------

static enum callout_result masked_load(struct vcpu *v, uint32_t offset, uint32_t r9, unsigned count, unsigned size) {
    const union vector mask = get_ymm(v, AVX_MASKED_MASK(r9));
    union vector value = {{0}};
    for (unsigned i = 0; i < count; i++)
        if (is_selected(&mask, i, size == 8) &&
            cpu_read(v, AVX_MASKED_SEG(r9), offset + i * size, value.bytes + i * size, size) < 0)
            return callout_failed(v);
    set_ymm(v, AVX_MASKED_REG(r9), &value);
    return CALLOUT_CONTINUE;
}

// Nothing is stored if one of the elements cannot be.
static enum callout_result masked_store(struct vcpu *v, uint32_t offset, uint32_t r9, unsigned count, unsigned size) {
    const union vector mask = get_ymm(v, AVX_MASKED_MASK(r9)), value = get_ymm(v, AVX_MASKED_REG(r9));
    unsigned seg = AVX_MASKED_SEG(r9);
    for (unsigned i = 0; i < count; i++)
        if (is_selected(&mask, i, size == 8) && cpu_probe_write(v, seg, offset + i * size, size) < 0)
            return callout_failed(v);
    for (unsigned i = 0; i < count; i++)
        if (is_selected(&mask, i, size == 8) && cpu_write(v, seg, offset + i * size, value.bytes + i * size, size) < 0)
            return callout_failed(v);
    return CALLOUT_CONTINUE;
}

// ---- Gathers --------------------------------------------------------------------------------------------------------

static uint32_t element_offset(const union vector *index, unsigned i, uint32_t r9, uint32_t offset) {
    uint32_t low = AVX_MASKED_WIDE_INDEX(r9) ? (uint32_t)index->qwords[i] : index->dwords[i];
    return offset + (low << AVX_MASKED_SCALE(r9)); // addresses have 32 bits
}

// The mask has all bits of an element alike from the beginning.
static void widen_mask(union vector *mask, unsigned count, bool wide) {
    for (unsigned i = 0; i < count; i++) {
        if (wide)
            mask->qwords[i] = is_selected(mask, i, true) ? UINT64_MAX : 0;
        else
            mask->dwords[i] = is_selected(mask, i, false) ? UINT32_MAX : 0;
    }
}

// An element that has been loaded is no longer in the mask: after a fault the instruction goes on where it was.
static enum callout_result gather(struct vcpu *v, uint32_t offset, uint32_t r9, unsigned bytes, unsigned size) {
    const union vector index = get_ymm(v, AVX_MASKED_INDEX(r9));
    union vector mask = get_ymm(v, AVX_MASKED_MASK(r9)), value = get_ymm(v, AVX_MASKED_REG(r9));
    unsigned index_size = AVX_MASKED_WIDE_INDEX(r9) ? 8 : 4;
    unsigned count = bytes / (size > index_size ? size : index_size);
    bool failed = false;
    widen_mask(&mask, count, size == 8);
    for (unsigned i = 0; i < count && !failed; i++) {
        if (is_selected(&mask, i, size == 8))
            failed = cpu_read(v, AVX_MASKED_SEG(r9), element_offset(&index, i, r9, offset), value.bytes + i * size,
                              size) < 0;
        if (!failed)
            memset(mask.bytes + i * size, 0, size);
    }
    if (!failed) {
        memset(&mask, 0, sizeof mask);
        memset(value.bytes + count * size, 0, sizeof value - count * size);
    }
    set_ymm(v, AVX_MASKED_MASK(r9), &mask);
    set_ymm(v, AVX_MASKED_REG(r9), &value);
    return failed ? callout_failed(v) : CALLOUT_CONTINUE;
}

enum callout_result callout_AVX_MASKED(struct vcpu *v, uint32_t r8, uint32_t r9, uint32_t word) {
    unsigned size = AVX_MASKED_WIDE(r9) ? 8 : 4, bytes = AVX_MASKED_YMM(r9) ? 32 : 16;
    (void)word;
    switch (AVX_MASKED_KIND(r9)) {
    case AVX_MASKED_LOAD: return masked_load(v, r8, r9, bytes / size, size);
    case AVX_MASKED_STORE: return masked_store(v, r8, r9, bytes / size, size);
    default: return gather(v, r8, r9, bytes, size);
    }
}
