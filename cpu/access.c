// Guest memory for emulated instructions: through a segment with its type and limit checks (SDM vol. 3A 5.3, 5.5), or
// by linear address. The software TLBs of translated code are the fast path; what misses goes through soft_miss, which
// serves page crossings, devices and frames with code. Light code: general registers only, no library calls.
#include "cpu/semantics.h"
#include "mmu/copy.h"

bool cpu_limit_ok(const struct cpu_segment *segment, uint32_t offset, unsigned size) {
    uint32_t last = offset + (size - 1);
    if ((segment->attr & (ATTR_S | ATTR_CODE | ATTR_EXPAND_DOWN)) == (ATTR_S | ATTR_EXPAND_DOWN)) {
        uint32_t top = segment->attr & ATTR_DB ? 0xffffffffu : 0xffffu;
        return offset > segment->limit && last <= top && last >= offset;
    }
    // A segment of 4 GiB has no end to run into: addresses wrap.
    return segment->limit == 0xffffffffu || (last <= segment->limit && last >= offset);
}

static bool type_ok(const struct cpu_segment *segment, enum mmu_access access) {
    unsigned attr = segment->attr;
    if (!(attr & ATTR_P))
        return false;
    switch (access) {
    case MMU_READ: return !(attr & ATTR_CODE) || (attr & ATTR_READABLE);
    case MMU_WRITE: return !(attr & ATTR_CODE) && (attr & ATTR_WRITABLE);
    default: return attr & ATTR_CODE;
    }
}

int cpu_segment_linear(struct vcpu *v, unsigned seg, uint32_t offset, unsigned size, enum mmu_access access,
                       uint32_t *linear) {
    const struct cpu_segment *segment = &v->seg[seg];
    // Outside protected mode hidden types do not limit the kind of access (SDM vol. 3B 20.1.1).
    bool typed = cpu_protected(v) && !(v->abi.sys_flags & EFLAGS_VM);
    if ((typed && !type_ok(segment, access)) || !cpu_limit_ok(segment, offset, size))
        return cpu_raise_error(v, seg == CPU_SEG_SS ? VECTOR_SS : VECTOR_GP, 0);
    *linear = segment->base + offset;
    return 0;
}

int cpu_read_linear(struct vcpu *v, uint32_t linear, bool user, void *data, unsigned size) {
    const uint8_t *host = cpu_tlb_lookup(v, linear, user, size, false);
    if (!host) {
        struct mmu_fault fault;
        uint64_t addend;
        if (soft_miss(v->mmu, linear, size, INTENT_READ, user, false, &addend, &fault) == SOFT_FAULT)
            return cpu_raise_page(v, &fault);
        host = (const uint8_t *)(uintptr_t)(addend + linear);
    }
    copy_bytes(data, host, size);
    return 0;
}

int cpu_write_linear(struct vcpu *v, uint32_t linear, bool user, const void *data, unsigned size) {
    uint8_t *host = cpu_tlb_lookup(v, linear, user, size, true);
    if (host) {
        copy_bytes(host, data, size);
        return 0;
    }
    struct mmu_fault fault;
    uint64_t addend;
    enum soft_result result = soft_miss(v->mmu, linear, size, INTENT_WRITE, user, false, &addend, &fault);
    if (result == SOFT_FAULT)
        return cpu_raise_page(v, &fault);
    copy_bytes((uint8_t *)(uintptr_t)(addend + linear), data, size);
    if (result == SOFT_BOUNCED)
        soft_commit(v->mmu);
    return 0;
}

// #AC (SDM vol. 3A 6.15, interrupt 17, table 6-7): `align` is a power of two.
static int align_check(struct vcpu *v, uint32_t linear, unsigned align) {
    if ((v->mode & MODE_ALIGN) && (linear & (align - 1)))
        return cpu_raise_error(v, VECTOR_AC, 0);
    return 0;
}

// Operands of a natural size are aligned to it, others to nothing.
static unsigned natural(unsigned size) {
    return size == 2 || size == 4 || size == 8 ? size : 1;
}

int cpu_read_aligned(struct vcpu *v, unsigned seg, uint32_t offset, void *data, unsigned size, unsigned align) {
    uint32_t linear = 0;
    if (cpu_segment_linear(v, seg, offset, size, MMU_READ, &linear) < 0 || align_check(v, linear, align) < 0)
        return -1;
    return cpu_read_linear(v, linear, cpu_user(v), data, size);
}

int cpu_write_aligned(struct vcpu *v, unsigned seg, uint32_t offset, const void *data, unsigned size, unsigned align) {
    uint32_t linear = 0;
    if (cpu_segment_linear(v, seg, offset, size, MMU_WRITE, &linear) < 0 || align_check(v, linear, align) < 0)
        return -1;
    return cpu_write_linear(v, linear, cpu_user(v), data, size);
}

int cpu_read(struct vcpu *v, unsigned seg, uint32_t offset, void *data, unsigned size) {
    return cpu_read_aligned(v, seg, offset, data, size, natural(size));
}

int cpu_write(struct vcpu *v, unsigned seg, uint32_t offset, const void *data, unsigned size) {
    return cpu_write_aligned(v, seg, offset, data, size, natural(size));
}

int cpu_probe_write(struct vcpu *v, unsigned seg, uint32_t offset, unsigned size) {
    uint32_t linear = 0;
    struct mmu_fault fault;
    if (cpu_segment_linear(v, seg, offset, size, MMU_WRITE, &linear) < 0 || align_check(v, linear, natural(size)) < 0)
        return -1;
    if (cpu_tlb_lookup(v, linear, cpu_user(v), size, true))
        return 0;
    if (mmu_probe_write(v->mmu, linear, cpu_user(v), size, &fault) < 0)
        return cpu_raise_page(v, &fault);
    return 0;
}

uint8_t *cpu_host_span(struct vcpu *v, uint32_t linear, enum mmu_access access) {
    struct mmu_fault fault;
    bool faulted;
    uint8_t *host = cpu_tlb_lookup(v, linear, cpu_user(v), 1, access == MMU_WRITE);
    return host ? host : mmu_host(v->mmu, linear, access, cpu_user(v), &faulted, &fault);
}

// ---- Implicit accesses
// ---------------------------------------------------------------------------------------------------------------

// They are a supervisor's whatever the CPL, and under SMAP never reach a user page (SDM vol. 3A, 4.6.1).
static void open_user(struct vcpu *v, bool open) {
    if (v->user_open)
        mmu_open_user(v->mmu, open);
}

int cpu_read_system(struct vcpu *v, uint32_t linear, void *data, unsigned size) {
    open_user(v, false);
    int result = cpu_read_linear(v, linear, false, data, size);
    open_user(v, true);
    return result;
}

int cpu_write_system(struct vcpu *v, uint32_t linear, const void *data, unsigned size) {
    open_user(v, false);
    int result = cpu_write_linear(v, linear, false, data, size);
    open_user(v, true);
    return result;
}

int cpu_probe_system(struct vcpu *v, uint32_t linear, unsigned size) {
    struct mmu_fault fault;
    open_user(v, false);
    int result = mmu_probe_write(v->mmu, linear, false, size, &fault);
    open_user(v, true);
    return result < 0 ? cpu_raise_page(v, &fault) : 0;
}
