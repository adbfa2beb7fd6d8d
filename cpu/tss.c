// What the current task-state segment holds for the processor: stacks of inner rings and the I/O permission map. Intel
// SDM vol. 3A 5.8.5, 7.2.1, vol. 1 19.5.2. Light code: general registers only, no library calls. Task switches are in
// task.c.
#include "cpu/semantics.h"

#define TSS32_IO_MAP 102 // offset of the I/O map's base

// Reads SSn:ESPn. 0 or -1.
static int read_pointer(struct vcpu *v, unsigned dpl, uint32_t ext, uint32_t *selector, uint32_t *esp) {
    bool wide = tss_is_wide(&v->tr);
    uint32_t offset = wide ? dpl * 8 + 4 : dpl * 4 + 2;
    unsigned size = wide ? 4 : 2;
    // The 32-bit form's selector field has two bytes.
    if (!(v->tr.attr & ATTR_P) || offset + size + 1 > v->tr.limit)
        return cpu_raise_error(v, VECTOR_TS, selector_error(v->tr.selector, ext));
    *selector = *esp = 0;
    const uint8_t *host = wide ? cpu_tlb_system(v, v->tr.base + offset, 6) : NULL;
    if (host) {
        *esp = *(const copy_u32 *)host;
        *selector = *(const copy_u16 *)(host + 4);
        return 0;
    }
    if (cpu_read_system(v, v->tr.base + offset, esp, size) < 0)
        return -1;
    return cpu_read_system(v, v->tr.base + offset + size, selector, 2);
}

int cpu_inner_stack(struct vcpu *v, unsigned dpl, uint32_t ext, struct cpu_stack *stack) {
    uint32_t selector, esp;
    uint64_t descriptor;
    if (read_pointer(v, dpl, ext, &selector, &esp) < 0)
        return -1;
    if (selector_is_null(selector))
        return cpu_raise_error(v, VECTOR_TS, ext);
    if (cpu_need_descriptor(v, selector, VECTOR_TS, ext, &descriptor) < 0)
        return -1;
    unsigned attr = descriptor_attr(descriptor);
    uint32_t error = selector_error(selector, ext);
    if ((selector & 3) != dpl || attr_dpl(attr) != dpl || !attr_is_writable_data(attr))
        return cpu_raise_error(v, VECTOR_TS, error);
    if (!(attr & ATTR_P))
        return cpu_raise_error(v, VECTOR_SS, error);
    if (cpu_mark_accessed(v, selector, &descriptor) < 0)
        return -1;
    cpu_unpack_segment(&stack->segment, selector, descriptor);
    stack->esp = esp;
    stack->user = dpl == 3;
    stack->error = error;
    return 0;
}

int cpu_io_map_base(struct vcpu *v, uint16_t *base) {
    if (!(v->tr.attr & ATTR_P) || !tss_is_wide(&v->tr) || v->tr.limit < TSS32_IO_MAP + 1)
        return cpu_raise_error(v, VECTOR_GP, 0);
    return cpu_read_system(v, v->tr.base + TSS32_IO_MAP, base, 2);
}

int cpu_io_check(struct vcpu *v, uint32_t port, unsigned size) {
    bool v86 = v->abi.sys_flags & EFLAGS_VM;
    if (!cpu_protected(v) || (!v86 && v->cpl <= cpu_iopl(v)))
        return 0;
    uint16_t map, bits;
    if (cpu_io_map_base(v, &map) < 0)
        return -1;
    // Two bytes are always read, so that a port range may cross a byte; both must lie within the TSS.
    uint32_t offset = map + port / 8;
    if (offset + 1 > v->tr.limit)
        return cpu_raise_error(v, VECTOR_GP, 0);
    if (cpu_read_system(v, v->tr.base + offset, &bits, 2) < 0)
        return -1;
    uint32_t wanted = ((1u << size) - 1) << (port & 7);
    return bits & wanted ? cpu_raise_error(v, VECTOR_GP, 0) : 0;
}
