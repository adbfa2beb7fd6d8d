// Call gates: far JMP and CALL to a code segment of the same or an inner ring, with a switch of stacks and a copy of
// the parameters. Intel SDM vol. 3A 5.8.3 to 5.8.5; vol. 2, CALL and JMP. Every access and check comes before the
// first change.
#include "cpu/semantics.h"

#define PARAMETERS_MAX 31

static int check_gate(struct vcpu *v, uint32_t selector, unsigned attr) {
    if (attr_dpl(attr) < v->cpl || attr_dpl(attr) < (selector & 3))
        return cpu_raise_error(v, VECTOR_GP, selector_error(selector, 0));
    if (!(attr & ATTR_P))
        return cpu_raise_error(v, VECTOR_NP, selector_error(selector, 0));
    return 0;
}

// The code segment behind the gate. RPL is not looked at. *ring is where it will run. 0 or -1.
static int check_target(struct vcpu *v, uint32_t selector, bool call, uint64_t *descriptor, unsigned *ring) {
    if (selector_is_null(selector))
        return cpu_raise_error(v, VECTOR_GP, 0);
    if (cpu_need_descriptor(v, selector, VECTOR_GP, 0, descriptor) < 0)
        return -1;
    unsigned attr = descriptor_attr(*descriptor), dpl = attr_dpl(attr);
    bool conforming = attr_is_conforming(attr);
    if (!attr_is_code(attr) || dpl > v->cpl || (!call && !conforming && dpl != v->cpl))
        return cpu_raise_error(v, VECTOR_GP, selector_error(selector, 0));
    if (!(attr & ATTR_P))
        return cpu_raise_error(v, VECTOR_NP, selector_error(selector, 0));
    *ring = conforming ? v->cpl : dpl;
    return 0;
}

// Builds the frame on the inner stack: SS, ESP, parameters, CS, EIP.
static int push_inner(struct vcpu *v, struct cpu_stack *stack, unsigned parameters, unsigned size, uint32_t next) {
    uint32_t items[4 + PARAMETERS_MAX], copied[PARAMETERS_MAX];
    unsigned count = 0;
    if (parameters && cpu_stack_peek(v, 0, copied, parameters, size) < 0)
        return -1;
    items[count++] = v->seg[CPU_SEG_SS].selector;
    items[count++] = v->abi.gpr[CPU_ESP];
    while (parameters)
        items[count++] = copied[--parameters];
    items[count++] = v->seg[CPU_SEG_CS].selector;
    items[count++] = next;
    return cpu_stack_push(v, stack, items, count, size);
}

int cpu_call_gate(struct vcpu *v, uint32_t selector, uint64_t gate, bool call, uint32_t next) {
    uint32_t target = (uint32_t)gate >> 16 & 0xffff, eip = (uint32_t)gate & 0xffff;
    unsigned attr = descriptor_attr(gate), ring = 0, size = 2;
    uint64_t descriptor = 0;
    if (check_gate(v, selector, attr) < 0 || check_target(v, target, call, &descriptor, &ring) < 0)
        return -1;
    if ((attr & ATTR_TYPE) == TYPE_CALL_GATE32) {
        eip |= (uint32_t)(gate >> 32) & 0xffff0000u;
        size = 4;
    }
    struct cpu_segment code;
    struct cpu_stack stack;
    bool inner = call && ring < v->cpl;
    cpu_unpack_segment(&code, target, descriptor);
    if (!inner)
        cpu_stack_current(v, &stack);
    else if (cpu_inner_stack(v, ring, 0, &stack) < 0)
        return -1;
    unsigned parameters = (unsigned)(gate >> 32) & 31, items_pushed = inner ? 4 + parameters : call ? 2 : 0;
    if (!cpu_limit_ok(&code, eip, 1)) // the room on the stack is looked at first
        return cpu_stack_room(v, &stack, items_pushed, size) < 0 ? -1 : cpu_raise_error(v, VECTOR_GP, 0);
    if (cpu_mark_accessed(v, target, &descriptor) < 0)
        return -1;
    const uint32_t items[2] = {v->seg[CPU_SEG_CS].selector, next};
    if (inner && push_inner(v, &stack, parameters, size, next) < 0)
        return -1;
    if (call && !inner && cpu_stack_push(v, &stack, items, 2, size) < 0)
        return -1;
    if (inner)
        cpu_commit_segment(v, CPU_SEG_SS, &stack.segment);
    v->abi.gpr[CPU_ESP] = stack.esp;
    cpu_enter_code(v, target, ring, descriptor, eip);
    return 0;
}
