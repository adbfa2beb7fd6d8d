// The second half of a hardware task switch: the registers come from the TSS that v->tr names, then LDT and segments
// are checked and loaded. Intel SDM vol. 3A, 7.3 and table 7-1. The commit point is passed: a fault here belongs to the
// new task, at its first instruction. Light code: general registers only, no library calls.
#include "cpu/task.h"

#define TSS32_TRAP 100u // offset of the T bit's word

// EFLAGS bits that exist; the others are fixed.
#define EFLAGS_LOADED                                                                                                  \
    (EFLAGS_LIVE | EFLAGS_TF | EFLAGS_IF | EFLAGS_IOPL | EFLAGS_NT | EFLAGS_RF | EFLAGS_VM | EFLAGS_AC | EFLAGS_VIF |  \
     EFLAGS_VIP | EFLAGS_ID)

struct image {
    uint32_t cr3, eip, eflags, gpr[8], selector[CPU_SEG_COUNT], ldt;
    bool trap;
};

// ---- Reading the TSS -----------------------------------------------------------------------------------------------

static uint32_t get(const uint8_t *bytes, unsigned offset, unsigned size) {
    uint32_t value = 0;
    copy_bytes(&value, bytes + offset, size);
    return value;
}

// Figures 7-2 and 7-10. A 16-bit TSS has no FS, GS, CR3 and T; the upper halves of its registers are zero.
static int read_image(struct vcpu *v, struct image *image) {
    bool wide = tss_is_wide(&v->tr);
    unsigned size = wide ? 4 : 2, at = wide ? 32 : 14;
    uint8_t bytes[104];
    if (cpu_read_system(v, v->tr.base, bytes, wide ? 104 : 44) < 0)
        return -1;
    image->cr3 = wide ? get(bytes, TSS32_CR3, 4) : 0;
    image->eip = get(bytes, at, size);
    image->eflags = get(bytes, at += size, size);
    for (unsigned reg = 0; reg < 8; reg++)
        image->gpr[reg] = get(bytes, at += size, size);
    for (unsigned seg = 0; seg < CPU_SEG_COUNT; seg++)
        image->selector[seg] = wide || seg <= CPU_SEG_DS ? get(bytes, at += size, 2) : 0;
    image->ldt = get(bytes, at + size, 2);
    image->trap = wide && (bytes[TSS32_TRAP] & 1);
    return 0;
}

static int load_registers(struct vcpu *v, const struct task_switch *task, const struct image *image) {
    if (tss_is_wide(&v->tr) && (v->abi.cr0 & CR0_PG) && cpu_load_cr3(v, image->cr3) < 0)
        return -1;
    uint32_t eflags = image->eflags | (task_nests(task) ? EFLAGS_NT : 0), before = v->abi.sys_flags;
    cpu_debug_task_switch(v);
    eflags = cpu_effective_rf(v, eflags);
    v->abi.flags = eflags & EFLAGS_LIVE;
    v->abi.sys_flags = eflags & EFLAGS_LOADED & ~EFLAGS_LIVE;
    for (unsigned reg = 0; reg < 8; reg++)
        v->abi.gpr[reg] = image->gpr[reg];
    v->abi.eip = image->eip;
    v->abi.shadow = 0;
    v->abi.cr0 |= CR0_TS;
    cpu_control_update(v);
    if ((v->abi.sys_flags & ~before & EFLAGS_IF) && v->abi.pending)
        engine_interrupt_window(v);
    return 0;
}

// ---- Segments ------------------------------------------------------------------------------------------------------

static int bad(struct vcpu *v, enum cpu_vector vector, uint32_t selector, uint32_t ext) {
    return cpu_raise_error(v, vector, selector_error(selector, ext));
}

static int load_ldt(struct vcpu *v, uint32_t selector, uint32_t ext) {
    uint64_t descriptor;
    v->ldtr = (struct cpu_segment){.selector = (uint16_t)selector};
    cpu_forget_descriptors(v);
    if (selector_is_null(selector))
        return 0;
    if (selector & 4)
        return bad(v, VECTOR_TS, selector, ext);
    if (cpu_need_descriptor(v, selector, VECTOR_TS, ext, &descriptor) < 0)
        return -1;
    unsigned attr = descriptor_attr(descriptor);
    if ((attr & (ATTR_S | ATTR_TYPE)) != TYPE_LDT || !(attr & ATTR_P))
        return bad(v, VECTOR_TS, selector, ext);
    cpu_unpack_segment(&v->ldtr, selector, descriptor);
    return 0;
}

static int check_code(struct vcpu *v, uint32_t selector, unsigned attr, uint32_t ext) {
    unsigned rpl = selector & 3, dpl = attr_dpl(attr);
    if (!attr_is_code(attr) || (attr_is_conforming(attr) ? dpl > rpl : dpl != rpl))
        return bad(v, VECTOR_TS, selector, ext);
    return attr & ATTR_P ? 0 : bad(v, VECTOR_NP, selector, ext);
}

static int check_stack(struct vcpu *v, uint32_t selector, unsigned attr, uint32_t ext) {
    if (!attr_is_writable_data(attr) || attr_dpl(attr) != v->cpl || (selector & 3) != v->cpl)
        return bad(v, VECTOR_TS, selector, ext);
    return attr & ATTR_P ? 0 : bad(v, VECTOR_SS, selector, ext);
}

static int check_data(struct vcpu *v, uint32_t selector, unsigned attr, uint32_t ext) {
    bool readable = (attr & ATTR_S) && (!(attr & ATTR_CODE) || (attr & ATTR_READABLE));
    unsigned rpl = selector & 3, lowest = rpl > v->cpl ? rpl : v->cpl;
    if (!readable || (!attr_is_conforming(attr) && lowest > attr_dpl(attr)))
        return bad(v, VECTOR_TS, selector, ext);
    return attr & ATTR_P ? 0 : bad(v, VECTOR_NP, selector, ext);
}

static int load_segment(struct vcpu *v, unsigned seg, uint32_t selector, uint32_t ext) {
    bool needed = seg == CPU_SEG_CS || seg == CPU_SEG_SS;
    uint64_t descriptor;
    if (selector_is_null(selector))
        return needed ? bad(v, VECTOR_TS, selector, ext) : 0;
    if (cpu_need_descriptor(v, selector, VECTOR_TS, ext, &descriptor) < 0)
        return -1;
    unsigned attr = descriptor_attr(descriptor);
    int checked = seg == CPU_SEG_CS   ? check_code(v, selector, attr, ext)
                  : seg == CPU_SEG_SS ? check_stack(v, selector, attr, ext)
                                      : check_data(v, selector, attr, ext);
    if (checked < 0 || cpu_mark_accessed(v, selector, &descriptor) < 0)
        return -1;
    struct cpu_segment segment;
    cpu_unpack_segment(&segment, selector, descriptor);
    cpu_commit_segment(v, seg, &segment);
    return 0;
}

// The registers hold the new selectors from the start. Where a check fails, the rest stays as unusable as null.
static int load_segments(struct vcpu *v, const struct image *image, uint32_t ext) {
    static const uint8_t order[] = {CPU_SEG_CS, CPU_SEG_SS, CPU_SEG_DS, CPU_SEG_ES, CPU_SEG_FS, CPU_SEG_GS};
    bool v86 = v->abi.sys_flags & EFLAGS_VM;
    for (unsigned seg = 0; seg < CPU_SEG_COUNT; seg++)
        if (v86)
            cpu_load_base(v, seg, image->selector[seg]);
        else
            cpu_commit_fields(v, seg, image->selector[seg], 0, 0, 0);
    if (load_ldt(v, image->ldt, ext) < 0)
        return -1;
    for (unsigned i = 0; i < sizeof order && !v86; i++)
        if (load_segment(v, order[i], image->selector[order[i]], ext) < 0)
            return -1;
    return 0;
}

static int push_error(struct vcpu *v, const struct task_switch *task) {
    struct cpu_stack stack;
    cpu_stack_current(v, &stack);
    stack.error = task->ext;
    if (cpu_stack_push(v, &stack, &task->error, 1, tss_is_wide(&v->tr) ? 4 : 2) < 0)
        return -1;
    v->abi.gpr[CPU_ESP] = stack.esp;
    return 0;
}

int task_load(struct vcpu *v, const struct task_switch *task) {
    struct image image;
    if (read_image(v, &image) < 0 || load_registers(v, task, &image) < 0)
        return -1;
    int result = load_segments(v, &image, task->ext);
    cpu_mode_update(v);
    if (result < 0 || (task->has_error && push_error(v, task) < 0))
        return -1;
    if (!cpu_limit_ok(&v->seg[CPU_SEG_CS], v->abi.eip, 1))
        return cpu_raise_error(v, VECTOR_GP, task->ext);
    if (image.trap) // SDM vol. 3B 17.3.1.5: after the switch, before the first instruction
        cpu_debug_task_trap(v);
    cpu_heed_rf(v);
    return 0;
}
