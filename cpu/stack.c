// Pushes and pops of transfers between segments: several items, all or none, on the current stack or on one that
// becomes current afterwards. Intel SDM vol. 3A 6.12, vol. 1 6.2. Light code: general registers only, no library
// calls.
#include "cpu/semantics.h"
#include "mmu/copy.h"

#define STACK_BYTES_MAX 160 // a 32-bit call gate with 31 parameters takes 140

void cpu_stack_current(const struct vcpu *v, struct cpu_stack *stack) {
    stack->segment = v->seg[CPU_SEG_SS];
    stack->esp = v->abi.gpr[CPU_ESP];
    stack->user = cpu_user(v);
    stack->error = 0;
}

static uint32_t pointer_mask(const struct cpu_segment *segment) {
    return segment->attr & ATTR_DB ? 0xffffffffu : 0xffffu;
}

static int stack_fault(struct vcpu *v, const struct cpu_stack *stack) {
    return cpu_raise_error(v, VECTOR_SS, stack->error);
}

// #AC for the natural alignment of each item. Pushes of a handler's frame are made in its ring and are never checked.
static int align_check(struct vcpu *v, uint32_t linear, bool user, unsigned size) {
    if ((v->mode & MODE_ALIGN) && user && (linear & (size - 1)))
        return cpu_raise_error(v, VECTOR_AC, 0);
    return 0;
}

int cpu_stack_room(struct vcpu *v, const struct cpu_stack *stack, unsigned count, unsigned size) {
    uint32_t mask = pointer_mask(&stack->segment);
    for (unsigned i = 0; i < count; i++)
        if (!cpu_limit_ok(&stack->segment, (stack->esp - (i + 1) * size) & mask, size))
            return stack_fault(v, stack);
    return 0;
}

// Items that wrap around the end of a 16-bit stack, one by one after a check of all.
static int push_wrapped(struct vcpu *v, const struct cpu_stack *stack, const uint32_t *items, unsigned count,
                        unsigned size, uint32_t mask) {
    if (cpu_stack_room(v, stack, count, size) < 0)
        return -1;
    for (unsigned i = 0; i < count; i++) {
        uint32_t offset = (stack->esp - (i + 1) * size) & mask;
        if (cpu_write_linear(v, stack->segment.base + offset, stack->user, &items[i], size) < 0)
            return -1;
    }
    return 0;
}

// Items are pushed downwards: CR2 of a frame's page fault is the highest item that starts in the missing page.
static int push_fault(struct vcpu *v, uint32_t linear, uint32_t top, unsigned size) {
    if (v->fault.vector == VECTOR_PF && (v->fault.cr2 ^ linear) >> 12 == 0) {
        uint32_t end = linear | (RAM_PAGE_SIZE - 1), above = (top ^ linear) >> 12 ? top - end : 0;
        v->fault.cr2 = top - (above + size - 1) / size * size;
    }
    return -1;
}

// The host's address of a frame of 32-bit items, if the segment is flat, no alignment is checked and the software TLB
// knows the page: what nearly every transfer finds. NULL: take the way with all checks.
static copy_u32 *flat_frame(struct vcpu *v, const struct cpu_segment *segment, uint32_t offset, bool user,
                            unsigned bytes, bool write) {
    bool flat = segment->limit == 0xffffffffu && segment->base == 0 &&
                (segment->attr & (ATTR_P | ATTR_S | ATTR_CODE | ATTR_EXPAND_DOWN | ATTR_WRITABLE | ATTR_DB)) ==
                    (ATTR_P | ATTR_S | ATTR_WRITABLE | ATTR_DB);
    if (!flat || ((v->mode & MODE_ALIGN) && user))
        return NULL;
    return (copy_u32 *)(void *)cpu_tlb_lookup(v, offset, user, bytes, write);
}

int cpu_stack_push(struct vcpu *v, struct cpu_stack *stack, const uint32_t *items, unsigned count, unsigned size) {
    copy_u32 *place = NULL;
    if (size == 4)
        place = flat_frame(v, &stack->segment, stack->esp - count * 4, stack->user, count * 4, true);
    if (place) {
        for (unsigned i = 0; i < count; i++)
            place[count - 1 - i] = items[i];
        stack->esp -= count * 4;
        return 0;
    }
    uint32_t mask = pointer_mask(&stack->segment), bytes = count * size;
    uint32_t bottom = (stack->esp - bytes) & mask;
    if (bottom + bytes - 1 > mask || bottom + bytes - 1 < bottom) {
        if (push_wrapped(v, stack, items, count, size, mask) < 0)
            return -1;
    } else {
        uint8_t frame[STACK_BYTES_MAX];
        for (unsigned i = 0; i < count; i++)
            copy_bytes(frame + bytes - (i + 1) * size, &items[i], size);
        if (!cpu_limit_ok(&stack->segment, bottom, bytes))
            return stack_fault(v, stack);
        uint32_t linear = stack->segment.base + bottom, top = linear + bytes - size;
        // The items go down: when both pages of a frame are missing, the upper one is what faults.
        struct mmu_fault fault;
        if (align_check(v, linear, stack->user, size) < 0)
            return -1;
        if ((linear ^ top) >> 12 && mmu_probe_write(v->mmu, top, stack->user, size, &fault) < 0)
            return cpu_raise_page(v, &fault);
        if (cpu_write_linear(v, linear, stack->user, frame, bytes) < 0)
            return push_fault(v, linear, top, size);
    }
    stack->esp = (stack->esp & ~mask) | bottom;
    return 0;
}

int cpu_stack_peek(struct vcpu *v, uint32_t skip, uint32_t *items, unsigned count, unsigned size) {
    const struct cpu_segment *segment = &v->seg[CPU_SEG_SS];
    uint32_t mask = pointer_mask(segment), bytes = count * size;
    uint32_t offset = (v->abi.gpr[CPU_ESP] + skip) & mask;
    const copy_u32 *place = size == 4 ? flat_frame(v, segment, offset, cpu_user(v), bytes, false) : NULL;
    if (place) {
        for (unsigned i = 0; i < count; i++)
            items[i] = place[i];
        return 0;
    }
    bool whole = offset + bytes - 1 <= mask && offset + bytes - 1 >= offset;
    uint8_t frame[STACK_BYTES_MAX];
    uint32_t linear;
    if (whole &&
        (cpu_segment_linear(v, CPU_SEG_SS, offset, bytes, MMU_READ, &linear) < 0 ||
         align_check(v, linear, cpu_user(v), size) < 0 || cpu_read_linear(v, linear, cpu_user(v), frame, bytes) < 0))
        return -1;
    for (unsigned i = 0; i < count; i++) {
        items[i] = 0;
        if (whole)
            copy_bytes(&items[i], frame + i * size, size);
        else if (cpu_read(v, CPU_SEG_SS, (offset + i * size) & mask, &items[i], size) < 0)
            return -1;
    }
    return 0;
}

void cpu_stack_release(struct vcpu *v, uint32_t bytes) {
    cpu_stack_set_pointer(v, v->abi.gpr[CPU_ESP] + bytes);
}

void cpu_stack_set_pointer(struct vcpu *v, uint32_t value) {
    uint32_t mask = pointer_mask(&v->seg[CPU_SEG_SS]);
    v->abi.gpr[CPU_ESP] = (v->abi.gpr[CPU_ESP] & ~mask) | (value & mask);
}
