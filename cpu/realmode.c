// Real-address mode, and what virtual-8086 mode has in common with it: interrupts through the table of far pointers,
// far transfers and IRET that take a selector as a base. Intel SDM vol. 3B 20.1; vol. 2, INT n, IRET, CALL, JMP, RET
// (their REAL-ADDRESS-MODE parts). Light code: general registers only, no library calls. Every access and check comes
// before the first change. A segment keeps the limit and the size that it had: what protected mode loaded lasts.
#include "cpu/semantics.h"

#define VECTOR_BYTES 4u // of an entry of the interrupt vector table: IP, then CS

// IRET and POPF with a 32-bit operand: what real-address mode takes from the stack (SDM vol. 2A, IRET).
#define FLAGS_FROM_STACK 0x00257fd5u

// Virtual-8086 mode sets the whole hidden part (SDM vol. 3B 20.2.1); real-address mode keeps limit and size.
void cpu_load_base(struct vcpu *v, unsigned seg, uint32_t selector) {
    uint32_t attr = ATTR_P | ATTR_S | ATTR_WRITABLE | ATTR_ACCESSED, limit = 0xffff;
    if (v->abi.sys_flags & EFLAGS_VM) {
        attr |= 3u << ATTR_DPL_SHIFT;
    } else {
        attr |= (v->seg[seg].attr & (ATTR_DB | ATTR_G)) | (seg == CPU_SEG_CS ? ATTR_CODE : 0);
        limit = v->seg[seg].limit;
    }
    cpu_commit_fields(v, seg, selector & 0xffff, attr, (selector & 0xffff) << 4, limit);
}

static int check_target(struct vcpu *v, uint32_t eip) {
    return cpu_limit_ok(&v->seg[CPU_SEG_CS], eip, 1) ? 0 : cpu_raise_error(v, VECTOR_GP, 0);
}

void cpu_real_go(struct vcpu *v, uint32_t selector, uint32_t eip) {
    cpu_load_base(v, CPU_SEG_CS, selector);
    v->abi.eip = eip;
    cpu_mode_update(v);
}

void cpu_real_flags(struct vcpu *v, uint32_t value, uint32_t mask) {
    cpu_set_eflags(v, cpu_effective_rf(v, value), mask);
    cpu_heed_rf(v);
}

int cpu_real_interrupt(struct vcpu *v, uint8_t vector, uint32_t eip) {
    uint32_t at = vector * VECTOR_BYTES, entry;
    struct cpu_stack stack;
    if (at + VECTOR_BYTES - 1 > v->idt_limit)
        return cpu_raise_error(v, VECTOR_GP, 0);
    if (cpu_read_system(v, v->idt_base + at, &entry, VECTOR_BYTES) < 0)
        return -1;
    const uint32_t items[3] = {cpu_eflags(v), v->seg[CPU_SEG_CS].selector, eip};
    cpu_stack_current(v, &stack);
    if (cpu_stack_push(v, &stack, items, 3, 2) < 0)
        return -1;
    v->abi.gpr[CPU_ESP] = stack.esp;
    v->abi.sys_flags &= ~(EFLAGS_IF | EFLAGS_TF | EFLAGS_AC | EFLAGS_RF);
    v->abi.shadow = 0;
    cpu_real_go(v, entry >> 16, entry & 0xffff);
    return 0;
}

int cpu_real_far(struct vcpu *v, uint32_t selector, uint32_t eip, unsigned size, bool call, uint32_t next) {
    struct cpu_stack stack;
    const uint32_t items[2] = {v->seg[CPU_SEG_CS].selector, next};
    eip &= offset_mask(size);
    cpu_stack_current(v, &stack);
    if (check_target(v, eip) < 0 || (call && cpu_stack_push(v, &stack, items, 2, size) < 0))
        return -1;
    v->abi.gpr[CPU_ESP] = stack.esp;
    cpu_real_go(v, selector, eip);
    return 0;
}

int cpu_real_return(struct vcpu *v, uint32_t release, unsigned size) {
    uint32_t frame[2]; // EIP, CS
    if (cpu_stack_peek(v, 0, frame, 2, size) < 0 || check_target(v, frame[0]) < 0)
        return -1;
    cpu_stack_release(v, 2 * size + release);
    cpu_real_go(v, frame[1] & 0xffff, frame[0]);
    return 0;
}

int cpu_real_iret(struct vcpu *v, unsigned size) {
    uint32_t frame[3]; // EIP, CS, EFLAGS
    uint32_t mask = FLAGS_FROM_STACK & (size == 2 ? 0xffffu : 0xffffffffu);
    if (cpu_stack_peek(v, 0, frame, 3, size) < 0 || check_target(v, frame[0]) < 0)
        return -1;
    cpu_stack_release(v, 3 * size);
    cpu_real_go(v, frame[1] & 0xffff, frame[0]);
    cpu_real_flags(v, frame[2], mask);
    return 0;
}
