// How the fields of a segment register are stored with what follows from them, for those that commit segments often.
// Light code. Private to cpu/.
#ifndef CPU_SEGMENT_STORE_H
#define CPU_SEGMENT_STORE_H

#include "cpu/semantics.h"

static inline void segment_store(struct vcpu *v, unsigned seg, uint32_t selector, uint32_t attr, uint32_t base,
                                 uint32_t limit) {
    v->seg[seg].selector = (uint16_t)selector;
    v->seg[seg].attr = (uint16_t)attr;
    v->seg[seg].base = base;
    v->seg[seg].limit = limit;
    v->memo[seg].valid = false;
    v->abi.seg_selector[seg] = selector;
    v->abi.seg_base[seg] = base;
    v->abi.seg_base_p[seg] = attr & ATTR_P ? (uint64_t)(uintptr_t)&v->abi.seg_base[seg] : engine_guard_page(v);
}

// From descriptors that are known to be flat 32-bit segments: CS, with the CPL, and SS. What cpu_commit_fields would
// find out is known here.
static inline void segment_store_flat_code(struct vcpu *v, uint32_t selector, uint32_t attr, unsigned ring) {
    segment_store(v, CPU_SEG_CS, selector, attr, 0, 0xffffffffu);
    v->segment_mode = (v->segment_mode & ~(uint32_t)MODE_CS_CHECKED) | MODE_CODE32;
    v->cpl = (uint8_t)ring;
}

static inline void segment_store_flat_stack(struct vcpu *v, uint32_t selector, uint32_t attr) {
    const unsigned shift = MODE_SEG_SHIFT + 2 * CPU_SEG_SS;
    segment_store(v, CPU_SEG_SS, selector, attr, 0, 0xffffffffu);
    v->segment_mode = (v->segment_mode & ~(3u << shift)) | (uint32_t)MODE_SEG_FLAT << shift | MODE_STACK32;
}

#endif
