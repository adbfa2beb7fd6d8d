// Exceptions and interrupts: how a fault is noted and how it is delivered through the IDT. Intel SDM vol. 3A, 6.9 to
// 6.15. Light code: general registers only, no library calls. Nothing of the processor's state changes before every
// check and every push of the delivery has succeeded.
#include "cpu/semantics.h"
#include "cpu/trace.h"

#define IDT_ERROR 2u // the IDT bit of an error code

enum event_kind { EVENT_FAULT, EVENT_SOFTWARE, EVENT_ICEBP, EVENT_EXTERNAL };

struct event {
    uint8_t vector;
    enum event_kind kind;
    bool has_error;
    uint32_t error;
    uint32_t eip; // to be pushed
    bool resume;  // RF in the pushed image
};

// ---- Noting a fault ------------------------------------------------------------------------------------------------

static int note(struct vcpu *v, enum cpu_vector vector, bool has_error, uint32_t error, uint32_t cr2) {
    v->fault.vector = (uint8_t)vector;
    v->fault.has_error = has_error;
    v->fault.software = false;
    v->fault.resume = false;
    v->fault.error = error;
    v->fault.cr2 = cr2;
    return -1;
}

int cpu_raise(struct vcpu *v, enum cpu_vector vector) {
    return note(v, vector, false, 0, 0);
}

int cpu_raise_error(struct vcpu *v, enum cpu_vector vector, uint32_t error) {
    return note(v, vector, true, error, 0);
}

int cpu_raise_page(struct vcpu *v, const struct mmu_fault *fault) {
    return note(v, VECTOR_PF, true, fault->error, fault->linear);
}

// ---- Delivery ------------------------------------------------------------------------------------------------------

// The gate of `vector`, checked. 0 or -1.
static int read_gate(struct vcpu *v, const struct event *event, uint32_t ext, uint64_t *gate) {
    uint32_t offset = event->vector * 8u, error = offset | IDT_ERROR | ext;
    if (offset + 7 > v->idt_limit)
        return cpu_raise_error(v, VECTOR_GP, error);
    if (cpu_read_eight(v, v->idt_base + offset, gate) < 0)
        return -1;
    unsigned attr = descriptor_attr(*gate);
    switch (attr & (ATTR_S | ATTR_TYPE)) {
    case TYPE_TASK_GATE:
    case TYPE_INTERRUPT_GATE16:
    case TYPE_TRAP_GATE16:
    case TYPE_INTERRUPT_GATE32:
    case TYPE_TRAP_GATE32: break;
    default: return cpu_raise_error(v, VECTOR_GP, error);
    }
    if (event->kind == EVENT_SOFTWARE && attr_dpl(attr) < v->cpl)
        return cpu_raise_error(v, VECTOR_GP, error);
    if (!(attr & ATTR_P))
        return cpu_raise_error(v, VECTOR_NP, error);
    return 0;
}

// The handler's code segment, checked; *dpl is the ring it will run in. 0 or -1.
static int read_handler(struct vcpu *v, uint32_t selector, uint32_t ext, uint64_t *descriptor, unsigned *ring) {
    if (selector_is_null(selector))
        return cpu_raise_error(v, VECTOR_GP, ext);
    if (cpu_need_descriptor(v, selector, VECTOR_GP, ext, descriptor) < 0)
        return -1;
    unsigned attr = descriptor_attr(*descriptor);
    if (!attr_is_code(attr) || attr_dpl(attr) > v->cpl)
        return cpu_raise_error(v, VECTOR_GP, selector_error(selector, ext));
    if (!(attr & ATTR_P))
        return cpu_raise_error(v, VECTOR_NP, selector_error(selector, ext));
    // Out of virtual-8086 mode the way leads to ring 0 (SDM vol. 2A, INT n, INTERRUPT-FROM-VIRTUAL-8086-MODE).
    if ((v->abi.sys_flags & EFLAGS_VM) && (attr_is_conforming(attr) || attr_dpl(attr) != 0))
        return cpu_raise_error(v, VECTOR_GP, selector_error(selector, ext));
    *ring = attr_is_conforming(attr) ? v->cpl : attr_dpl(attr);
    return 0;
}

// RF is set here between an IRET and the next instruction, and between two iterations of a string instruction.
static bool pushes_rf(const struct vcpu *v, const struct event *event) {
    return event->resume ||
           ((v->abi.sys_flags & EFLAGS_RF) && (event->kind == EVENT_EXTERNAL || event->kind == EVENT_FAULT));
}

// Pushes what the handler's IRET will pop. The stack is that of the handler.
static int push_frame(struct vcpu *v, const struct event *event, bool inner, unsigned size, struct cpu_stack *stack) {
    static const uint8_t data[] = {CPU_SEG_GS, CPU_SEG_FS, CPU_SEG_DS, CPU_SEG_ES};
    uint32_t items[10];
    unsigned count = 0;
    for (unsigned i = 0; i < sizeof data && (v->abi.sys_flags & EFLAGS_VM); i++)
        items[count++] = v->seg[data[i]].selector;
    if (inner) {
        items[count++] = v->seg[CPU_SEG_SS].selector;
        items[count++] = v->abi.gpr[CPU_ESP];
    }
    items[count++] = (cpu_eflags(v) & ~EFLAGS_RF) | (pushes_rf(v, event) ? EFLAGS_RF : 0);
    items[count++] = v->seg[CPU_SEG_CS].selector;
    items[count++] = event->eip;
    if (event->has_error)
        items[count++] = event->error;
    return cpu_stack_push(v, stack, items, count, size);
}

// Those of virtual-8086 mode mean nothing to the handler.
static void drop_data_segments(struct vcpu *v) {
    static const uint8_t data[] = {CPU_SEG_ES, CPU_SEG_DS, CPU_SEG_FS, CPU_SEG_GS};
    for (unsigned i = 0; i < sizeof data; i++)
        cpu_commit_fields(v, data[i], 0, 0, 0, 0);
}

static int deliver(struct vcpu *v, const struct event *event) {
    uint32_t ext = event->kind != EVENT_SOFTWARE;
    uint64_t gate, descriptor;
    unsigned ring, from = v->cpl;
    if (cpu_known_gate(v, event->vector, event->kind == EVENT_SOFTWARE, event->has_error ? &event->error : NULL,
                       event->eip, pushes_rf(v, event)))
        return 0;
    if (!cpu_protected(v))
        return cpu_real_interrupt(v, event->vector, event->eip);
    if (read_gate(v, event, ext, &gate) < 0)
        return -1;
    uint32_t selector = (uint32_t)gate >> 16, type = descriptor_attr(gate) & ATTR_TYPE;
    if (type == TYPE_TASK_GATE)
        return cpu_task_event(v, selector, ext, event->eip, event->resume, event->has_error ? &event->error : NULL);
    bool wide = type & 8, interrupt_gate = !(type & 1);
    if (read_handler(v, selector, ext, &descriptor, &ring) < 0)
        return -1;

    bool inner = ring < v->cpl;
    struct cpu_stack stack;
    if (inner) {
        if (cpu_inner_stack(v, ring, ext, &stack) < 0)
            return -1;
    } else {
        cpu_stack_current(v, &stack);
        stack.error = ext;
    }
    uint32_t eip = ((uint32_t)gate & 0xffff) | (wide ? (uint32_t)(gate >> 32) & 0xffff0000u : 0);
    if (eip > descriptor_limit(descriptor)) { // the room on the stack is looked at first
        unsigned items = (v->abi.sys_flags & EFLAGS_VM ? 9u : inner ? 5u : 3u) + event->has_error;
        return cpu_stack_room(v, &stack, items, wide ? 4 : 2) < 0 ? -1 : cpu_raise_error(v, VECTOR_GP, ext);
    }
    if (cpu_mark_accessed(v, selector, &descriptor) < 0 || push_frame(v, event, inner, wide ? 4 : 2, &stack) < 0)
        return -1;

    if (v->abi.sys_flags & EFLAGS_VM)
        drop_data_segments(v);
    v->abi.sys_flags &= ~(EFLAGS_TF | EFLAGS_NT | EFLAGS_RF | EFLAGS_VM | (interrupt_gate ? EFLAGS_IF : 0));
    if (inner)
        cpu_commit_segment(v, CPU_SEG_SS, &stack.segment);
    v->abi.gpr[CPU_ESP] = stack.esp;
    cpu_commit_descriptor(v, CPU_SEG_CS, (selector & ~3u) | ring, descriptor);
    v->abi.eip = eip;
    v->abi.shadow = 0;
    cpu_mode_update(v);
    cpu_known_gate_note(v, event->vector, gate, from);
    return 0;
}

// ---- What is delivered ---------------------------------------------------------------------------------------------

static bool is_contributory(unsigned vector) {
    return vector == VECTOR_DE || (vector >= VECTOR_TS && vector <= VECTOR_GP);
}

// SDM vol. 3A table 6-5: does a second exception during the delivery of the first make a double fault?
static bool makes_double_fault(unsigned first, unsigned second) {
    if (first == VECTOR_PF)
        return second == VECTOR_PF || is_contributory(second);
    return is_contributory(first) && is_contributory(second);
}

int cpu_deliver_fault(struct vcpu *v) {
    for (;;) {
        unsigned first = v->fault.vector;
        if (first == CPU_FAULT_STOP)
            return 0;
        if (v->trace.on)
            trace_fault(v);
        if (first == VECTOR_PF)
            v->abi.cr2 = v->fault.cr2;
        // #DB is a trap here, or an instruction breakpoint, #DF an abort; every other exception is a fault and resumes
        // with RF set.
        const struct event event = {.vector = (uint8_t)first,
                                    .kind = v->fault.software ? EVENT_SOFTWARE : EVENT_FAULT,
                                    .has_error = v->fault.has_error,
                                    .error = v->fault.error,
                                    .eip = v->abi.eip,
                                    .resume = v->fault.resume || (!v->fault.software && first != VECTOR_DB &&
                                                                  first != VECTOR_NMI && first != VECTOR_DF)};
        if (deliver(v, &event) == 0)
            return 0;
        if (v->fault.vector == CPU_FAULT_STOP)
            return 0;
        if (first == VECTOR_DF)
            return -1;
        if (makes_double_fault(first, v->fault.vector)) {
            if (v->fault.vector == VECTOR_PF)
                v->abi.cr2 = v->fault.cr2;
            cpu_raise_error(v, VECTOR_DF, 0);
        }
    }
}

int cpu_deliver_interrupt(struct vcpu *v, uint8_t vector) {
    const struct event event = {.vector = vector, .kind = EVENT_EXTERNAL, .eip = v->abi.eip};
    return deliver(v, &event) == 0 ? 0 : cpu_deliver_fault(v);
}

int cpu_deliver_software(struct vcpu *v, uint8_t vector, uint32_t next, bool icebp) {
    const struct event event = {.vector = vector, .kind = icebp ? EVENT_ICEBP : EVENT_SOFTWARE, .eip = next};
    if (deliver(v, &event) < 0)
        return -1;
    if (icebp) // like every #DB but INT n's
        v->dr[7] &= ~DR7_GD;
    return 0;
}
