// Segment registers: descriptors, checks, hidden parts and what the block mode makes of them. Intel SDM vol. 3A, 3.4
// and 5.4 to 5.6; vol. 2, MOV to a segment register. Light code: general registers only, no library calls. Descriptor
// tables are read and written as a supervisor whatever the CPL.
#include "cpu/segment_store.h"
#include "mmu/copy.h"

// ---- Descriptors ---------------------------------------------------------------------------------------------------

static bool descriptor_address(const struct vcpu *v, uint32_t selector, uint32_t *linear) {
    uint32_t base = v->gdt_base, limit = v->gdt_limit;
    if (selector & 4) {
        if (!(v->ldtr.attr & ATTR_P))
            return false;
        base = v->ldtr.base;
        limit = v->ldtr.limit;
    }
    *linear = base + (selector & 0xfff8);
    return (selector | 7) <= limit;
}

enum fetch_result cpu_fetch_descriptor(struct vcpu *v, uint32_t selector, uint64_t *descriptor) {
    uint32_t linear;
    if (!descriptor_address(v, selector & 0xffff, &linear))
        return FETCH_OUTSIDE;
    return cpu_read_eight(v, linear, descriptor) < 0 ? FETCH_FAULT : FETCH_OK;
}

int cpu_need_descriptor(struct vcpu *v, uint32_t selector, enum cpu_vector vector, uint32_t ext, uint64_t *descriptor) {
    switch (cpu_fetch_descriptor(v, selector, descriptor)) {
    case FETCH_OK: return 0;
    case FETCH_OUTSIDE: return cpu_raise_error(v, vector, selector_error(selector, ext));
    default: return -1;
    }
}

void cpu_unpack_segment(struct cpu_segment *segment, uint32_t selector, uint64_t descriptor) {
    segment->selector = (uint16_t)selector;
    segment->attr = (uint16_t)descriptor_attr(descriptor);
    segment->base = descriptor_base(descriptor);
    segment->limit = descriptor_limit(descriptor);
}

int cpu_mark_accessed(struct vcpu *v, uint32_t selector, uint64_t *descriptor) {
    const uint64_t accessed = 1ull << 40;
    if (*descriptor & accessed)
        return 0;
    uint32_t linear = 0;
    uint8_t type = (uint8_t)(*descriptor >> 40) | 1;
    if (descriptor_address(v, selector & 0xffff, &linear) && cpu_write_system(v, linear + 5, &type, 1) < 0)
        return -1;
    *descriptor |= accessed;
    return 0;
}

// ---- Hidden parts and mode bits ------------------------------------------------------------------------------------

static bool is_whole_writable(uint32_t attr, uint32_t limit) {
    return limit == 0xffffffffu && (attr & (ATTR_P | ATTR_S | ATTR_CODE | ATTR_EXPAND_DOWN | ATTR_WRITABLE)) ==
                                       (ATTR_P | ATTR_S | ATTR_WRITABLE);
}

// FS and GS are never FLAT, so that null, flat and based ones share one mode; ES, SS and DS are hardly ever null or
// based.
static enum mode_seg kind_of(unsigned seg, uint32_t attr, uint32_t base, uint32_t limit) {
    bool whole = is_whole_writable(attr, limit), null = !(attr & ATTR_P);
    switch (seg) {
    case CPU_SEG_FS:
    case CPU_SEG_GS: return whole || null ? MODE_SEG_BASED : MODE_SEG_CHECKED;
    case CPU_SEG_SS: return whole && base == 0 ? MODE_SEG_FLAT : MODE_SEG_CHECKED;
    default: return !whole ? MODE_SEG_CHECKED : base == 0 ? MODE_SEG_FLAT : MODE_SEG_BASED;
    }
}

static void set_code_mode(struct vcpu *v, uint32_t selector, uint32_t attr, uint32_t base, uint32_t limit) {
    bool real = !cpu_protected(v), v86 = v->abi.sys_flags & EFLAGS_VM;
    uint32_t mode = v->segment_mode & ~(uint32_t)(MODE_CODE32 | MODE_CS_CHECKED);
    if (attr & ATTR_DB)
        mode |= MODE_CODE32;
    if (!(attr & ATTR_DB) || base != 0 || limit != 0xffffffffu)
        mode |= MODE_CS_CHECKED;
    v->segment_mode = mode;
    v->cpl = real ? 0 : v86 ? 3 : selector & 3;
}

// Values come one by one, not as a structure: reading back in one piece what was just written in halves is slow.
void cpu_commit_fields(struct vcpu *v, unsigned seg, uint32_t selector, uint32_t attr, uint32_t base, uint32_t limit) {
    segment_store(v, seg, selector, attr, base, limit);
    if (seg == CPU_SEG_CS) {
        set_code_mode(v, selector, attr, base, limit);
        return;
    }
    unsigned shift = MODE_SEG_SHIFT + 2 * seg;
    uint32_t mode = (v->segment_mode & ~(3u << shift)) | (uint32_t)kind_of(seg, attr, base, limit) << shift;
    if (seg == CPU_SEG_SS)
        mode = (mode & ~(uint32_t)MODE_STACK32) | (attr & ATTR_DB ? (uint32_t)MODE_STACK32 : 0);
    v->segment_mode = mode;
}

void cpu_commit_flat(struct vcpu *v, uint32_t code_selector, uint32_t stack_selector, unsigned ring) {
    const uint32_t common = ATTR_P | ATTR_S | ATTR_ACCESSED | ATTR_DB | ATTR_G | ring << ATTR_DPL_SHIFT;
    segment_store_flat_code(v, code_selector, common | ATTR_CODE | ATTR_READABLE, ring);
    segment_store_flat_stack(v, stack_selector, common | ATTR_WRITABLE);
}

void cpu_commit_segment(struct vcpu *v, unsigned seg, const struct cpu_segment *segment) {
    cpu_commit_fields(v, seg, segment->selector, segment->attr, segment->base, segment->limit);
}

void cpu_commit_descriptor(struct vcpu *v, unsigned seg, uint32_t selector, uint64_t descriptor) {
    cpu_commit_fields(v, seg, selector, descriptor_attr(descriptor), descriptor_base(descriptor),
                      descriptor_limit(descriptor));
}

static void load_null(struct vcpu *v, unsigned seg, uint32_t selector) {
    bool valid = v->memo[seg].valid; // null and back is what kernels do with FS and GS
    cpu_commit_fields(v, seg, selector, 0, 0, 0);
    v->memo[seg].valid = valid;
}

void cpu_forget_descriptors(struct vcpu *v) {
    cpu_known_forget(v);
    for (unsigned seg = 0; seg < CPU_SEG_COUNT; seg++)
        v->memo[seg].valid = false;
}

void cpu_drop_inner_segments(struct vcpu *v) {
    static const uint8_t data[] = {CPU_SEG_ES, CPU_SEG_DS, CPU_SEG_FS, CPU_SEG_GS};
    for (unsigned i = 0; i < sizeof data; i++) {
        unsigned attr = v->seg[data[i]].attr;
        if ((attr & ATTR_P) && attr_dpl(attr) < v->cpl && !attr_is_conforming(attr))
            load_null(v, data[i], 0);
    }
}

// ---- Loads ---------------------------------------------------------------------------------------------------------

static int check_stack_segment(struct vcpu *v, uint32_t selector, unsigned attr) {
    if ((selector & 3) != v->cpl || !attr_is_writable_data(attr) || attr_dpl(attr) != v->cpl)
        return cpu_raise_error(v, VECTOR_GP, selector_error(selector, 0));
    if (!(attr & ATTR_P))
        return cpu_raise_error(v, VECTOR_SS, selector_error(selector, 0));
    return 0;
}

static int check_data_segment(struct vcpu *v, uint32_t selector, unsigned attr) {
    bool readable = (attr & ATTR_S) && (!(attr & ATTR_CODE) || (attr & ATTR_READABLE));
    unsigned rpl = selector & 3, lowest = rpl > v->cpl ? rpl : v->cpl;
    if (!readable || (!attr_is_conforming(attr) && lowest > attr_dpl(attr)))
        return cpu_raise_error(v, VECTOR_GP, selector_error(selector, 0));
    if (!(attr & ATTR_P))
        return cpu_raise_error(v, VECTOR_NP, selector_error(selector, 0));
    return 0;
}

// The selector's descriptor is the one that the last load through it found, at the same privilege: then its checks
// would pass again. GDT only; a move of the table makes the memo void.
static bool is_known(struct vcpu *v, const struct segment_memo *memo, uint16_t selector) {
    if (!memo->valid || memo->selector != selector || memo->cpl != v->cpl || (selector & 4))
        return false;
    const uint8_t *host = cpu_tlb_system(v, v->gdt_base + (selector & 0xfff8u), 8);
    return host && *(const copy_u64 *)host == memo->descriptor;
}

// The register has just been loaded from `descriptor`: the stub may do so too.
static void note_load(struct vcpu *v, unsigned seg, uint16_t selector, uint64_t descriptor) {
    struct abi_segment_load *load = &v->abi.loads[seg][selector >> 3 & (SEGMENT_LOADS - 1)];
    const struct cpu_segment *segment = &v->seg[seg];
    uint32_t mask = 3u << (MODE_SEG_SHIFT + 2 * seg);
    load->key = SEGMENT_LOAD_NONE;
    if (seg == CPU_SEG_SS || (selector & 4) || (v->config.ablate & ABLATE_DESCRIPTOR_FAST))
        return;
    *load = (struct abi_segment_load){.descriptor = descriptor,
                                      .key = selector | (uint32_t)v->cpl << 16,
                                      .code = selector | (uint32_t)segment->attr << 16,
                                      .base = segment->base,
                                      .limit = segment->limit,
                                      .mask = mask,
                                      .bits = v->segment_mode & mask};
}

static int load_checked(struct vcpu *v, unsigned seg, uint16_t selector) {
    uint64_t descriptor;
    if (cpu_need_descriptor(v, selector, VECTOR_GP, 0, &descriptor) < 0)
        return -1;
    unsigned attr = descriptor_attr(descriptor);
    if ((seg == CPU_SEG_SS ? check_stack_segment(v, selector, attr) : check_data_segment(v, selector, attr)) < 0 ||
        cpu_mark_accessed(v, selector, &descriptor) < 0)
        return -1;
    struct segment_memo *memo = &v->memo[seg];
    cpu_commit_descriptor(v, seg, selector, descriptor);
    memo->selector = selector;
    memo->cpl = v->cpl;
    memo->descriptor = descriptor;
    memo->valid = !(v->config.ablate & ABLATE_DESCRIPTOR_FAST);
    note_load(v, seg, selector, descriptor);
    return 0;
}

int cpu_load_segment(struct vcpu *v, unsigned seg, uint16_t selector) {
    struct segment_memo *memo = &v->memo[seg];
    v->stats->segment_loads++;
    if (!cpu_uses_descriptors(v)) {
        cpu_load_base(v, seg, selector);
        return 0;
    }
    if (is_known(v, memo, selector)) {
        if (v->seg[seg].selector != selector) {
            cpu_commit_descriptor(v, seg, selector, memo->descriptor);
            memo->valid = true;
        }
        note_load(v, seg, selector, memo->descriptor);
        return 0;
    }
    if (!selector_is_null(selector))
        return load_checked(v, seg, selector);
    if (seg == CPU_SEG_SS)
        return cpu_raise_error(v, VECTOR_GP, 0);
    if (v->seg[seg].selector != selector || v->seg[seg].attr)
        load_null(v, seg, selector);
    return 0;
}
