// IRET in protected mode: to the same ring and to an outer one. Intel SDM vol. 2A, IRET/IRETD; vol. 3A 6.12.1, 6.8.3.
// Light code: general registers only, no library calls. Every read and check comes before the first change.
#include "cpu/semantics.h"

// EFLAGS bits that IRET may change at this privilege (SDM vol. 2A, IRET's operation).
static uint32_t writable_flags(const struct vcpu *v, unsigned size) {
    uint32_t mask = EFLAGS_LIVE | EFLAGS_TF | EFLAGS_NT;
    if (v->cpl == 0)
        mask |= EFLAGS_IOPL;
    if (v->cpl <= cpu_iopl(v))
        mask |= EFLAGS_IF;
    if (size == 4) {
        mask |= EFLAGS_AC | EFLAGS_ID | EFLAGS_RF;
        if (v->cpl == 0)
            mask |= EFLAGS_VIF | EFLAGS_VIP;
    }
    return mask;
}

static int check_code(struct vcpu *v, uint32_t selector, uint64_t *descriptor) {
    if (selector_is_null(selector))
        return cpu_raise_error(v, VECTOR_GP, 0);
    if (cpu_need_descriptor(v, selector, VECTOR_GP, 0, descriptor) < 0)
        return -1;
    unsigned attr = descriptor_attr(*descriptor), rpl = selector & 3;
    bool ring_ok = attr_is_conforming(attr) ? attr_dpl(attr) <= rpl : attr_dpl(attr) == rpl;
    if (!attr_is_code(attr) || rpl < v->cpl || !ring_ok)
        return cpu_raise_error(v, VECTOR_GP, selector_error(selector, 0));
    if (!(attr & ATTR_P))
        return cpu_raise_error(v, VECTOR_NP, selector_error(selector, 0));
    return 0;
}

static int check_outer_stack(struct vcpu *v, uint32_t selector, unsigned ring, uint64_t *descriptor) {
    if (selector_is_null(selector))
        return cpu_raise_error(v, VECTOR_GP, 0);
    if (cpu_need_descriptor(v, selector, VECTOR_GP, 0, descriptor) < 0)
        return -1;
    unsigned attr = descriptor_attr(*descriptor);
    if ((selector & 3) != ring || attr_dpl(attr) != ring || !attr_is_writable_data(attr))
        return cpu_raise_error(v, VECTOR_GP, selector_error(selector, 0));
    if (!(attr & ATTR_P))
        return cpu_raise_error(v, VECTOR_SS, selector_error(selector, 0));
    return 0;
}

int cpu_return_far(struct vcpu *v, uint32_t eip, uint32_t selector, uint32_t skip, uint32_t release, unsigned size) {
    uint64_t code_descriptor, stack_descriptor = 0;
    uint32_t outer[2] = {0, 0}; // ESP, SS
    unsigned ring = selector & 3;
    if (check_code(v, selector, &code_descriptor) < 0)
        return -1;
    bool to_outer = ring > v->cpl;
    if (to_outer && (cpu_stack_peek(v, skip + release, outer, 2, size) < 0 ||
                     check_outer_stack(v, outer[1] & 0xffff, ring, &stack_descriptor) < 0))
        return -1;
    if (eip > descriptor_limit(code_descriptor))
        return cpu_raise_error(v, VECTOR_GP, 0);
    if (cpu_mark_accessed(v, selector, &code_descriptor) < 0 ||
        (to_outer && cpu_mark_accessed(v, outer[1], &stack_descriptor) < 0))
        return -1;

    if (!to_outer) {
        cpu_stack_release(v, skip + release);
        cpu_commit_descriptor(v, CPU_SEG_CS, selector, code_descriptor);
    } else {
        cpu_commit_descriptor(v, CPU_SEG_CS, selector, code_descriptor);
        cpu_commit_descriptor(v, CPU_SEG_SS, outer[1] & 0xffff, stack_descriptor);
        // A 16-bit stack keeps the upper half of ESP of the inner ring.
        cpu_stack_set_pointer(v, outer[0] + release);
        cpu_drop_inner_segments(v);
    }
    v->abi.eip = eip;
    return 0;
}

// CS:EIP and SS:ESP are loaded; `mask` is what the old privilege may change.
static void load_flags(struct vcpu *v, uint32_t image, uint32_t mask) {
    uint32_t flags = cpu_effective_rf(v, image);
    uint32_t live = mask & EFLAGS_LIVE, system = mask & ~EFLAGS_LIVE, before = v->abi.sys_flags;
    v->abi.flags = (v->abi.flags & ~live) | (flags & live);
    v->abi.sys_flags = (before & ~system) | (flags & system);
    cpu_mode_update(v);
    cpu_heed_rf(v);
    if ((v->abi.sys_flags & ~before & EFLAGS_IF) && v->abi.pending)
        engine_interrupt_window(v);
}

static int iret(struct vcpu *v, unsigned size, uint32_t next) {
    uint32_t frame[3]; // EIP, CS, EFLAGS
    unsigned from = v->cpl;
    uint32_t mask = writable_flags(v, size);
    if (!cpu_protected(v))
        return cpu_real_iret(v, size);
    if (v->abi.sys_flags & EFLAGS_VM)
        return cpu_v86_iret(v, size);
    if (v->abi.sys_flags & EFLAGS_NT)
        return cpu_task_return(v, next);
    if (size == 4 && cpu_known_back(v, &frame[2])) {
        load_flags(v, frame[2], mask);
        return 0;
    }
    if (cpu_stack_peek(v, 0, frame, 3, size) < 0)
        return -1;
    if (size == 4 && (frame[2] & EFLAGS_VM) && v->cpl == 0)
        return cpu_v86_enter(v);
    if (cpu_return_far(v, frame[0], frame[1] & 0xffff, 3 * size, 0, size) < 0)
        return -1;
    load_flags(v, frame[2], mask);
    cpu_known_back_note(v, from);
    return 0;
}

enum callout_result callout_IRET(struct vcpu *v, uint32_t r8, uint32_t r9, uint32_t word) {
    (void)r8, (void)r9;
    if (v->nmi_blocked) // whether or not it faults
        engine_nmi_unblock(v);
    return iret(v, CALLOUT_EXTRA(word), v->abi.eip + CALLOUT_LENGTH(word)) < 0 ? callout_failed(v) : CALLOUT_JUMP;
}
