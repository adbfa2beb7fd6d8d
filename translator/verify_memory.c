// Where an ordinary instruction's memory operand may lie: in the guest's window, in a listed field of the vCPU
// structure, or at a looked-up operand. Everything else is refused.
#include "translator/verify.h"

#include <stddef.h>

enum { CAN_READ = 1, CAN_WRITE = 2 };

// The fields of struct vcpu_abi that translated code names, with the one size and the accesses it makes.
static const struct {
    int32_t offset;
    uint8_t size, count, access;
} fields[] = {
    {ABI_OFFSET(sys_flags), 4, 1, CAN_READ | CAN_WRITE},
    {ABI_OFFSET(pending), 1, 1, CAN_READ},
    {ABI_OFFSET(seg_base), 4, 6, CAN_READ},
    {ABI_OFFSET(seg_selector), 4, 6, CAN_READ},
    {ABI_OFFSET(tmp), 4, 4, CAN_READ | CAN_WRITE},
    {ABI_OFFSET(fip), 4, 3, CAN_WRITE}, // fip, fdp, fop
    {ABI_OFFSET(cr0), 4, 4, CAN_READ},  // cr0, cr2, cr3, cr4
};
_Static_assert(offsetof(struct vcpu_abi, cr4) == offsetof(struct vcpu_abi, cr0) + 12,
               "the control registers are neighbours");
_Static_assert(offsetof(struct vcpu_abi, fdp) == offsetof(struct vcpu_abi, fip) + 4 &&
                   offsetof(struct vcpu_abi, fop) == offsetof(struct vcpu_abi, fip) + 8,
               "fip, fdp and fop are neighbours");

static bool is_field(int32_t at, unsigned size, unsigned access) {
    for (unsigned i = 0; i < sizeof fields / sizeof *fields; i++) {
        int32_t from = at - fields[i].offset;
        if (from < 0 || from >= fields[i].size * fields[i].count || from % fields[i].size != 0)
            continue;
        bool narrow_selector = fields[i].offset == ABI_OFFSET(seg_selector) && size == 2;
        unsigned wants = access; // ACC_R and ACC_W are the same bits
        return (size == fields[i].size || narrow_selector) && (wants & ~(unsigned)fields[i].access) == 0;
    }
    return false;
}

static bool is_guest_address(unsigned reg) {
    return reg == V_NONE || reg <= V_RBX || (reg >= V_RBP && reg <= V_R8) || reg == V_R12;
}

// gs:[addr32]: the address is cut to 32 bits, so whatever the registers hold it lies in the window.
static int check_window(struct verifier *v, unsigned i) {
    const struct vinsn *n = &v->insns[i];
    if (!n->addr32)
        return verify_reject(v, i, "gs without 67h: the address could leave the window");
    if (v->in->mode & MODE_SOFT)
        return verify_reject(v, i, "a window operand in a soft block");
    if (!is_guest_address(n->base) || !is_guest_address(n->index))
        return verify_reject(v, i, "a window operand on a register that is not the guest's");
    return 0;
}

static int check_vcpu(struct verifier *v, unsigned i, unsigned size, unsigned access) {
    const struct vinsn *n = &v->insns[i];
    if (n->index != V_NONE)
        return verify_reject(v, i, "an index beside r15");
    if (!(n->form->flags & FORM_VCPU) || n->lock)
        return verify_reject(v, i, "an instruction that has no business in the vCPU structure");
    if (!is_field(n->disp, size, access))
        return verify_reject(v, i, "not a listed field of the vCPU structure, size or access");
    bool control = n->disp >= ABI_OFFSET(cr0) && n->disp <= ABI_OFFSET(cr4);
    if (control && mode_cpl(v->in->mode) != 0)
        return verify_reject(v, i, "a control register in a mode that is not CPL 0");
    bool writes_flags = n->disp == ABI_OFFSET(sys_flags) && (access & ACC_W);
    if (writes_flags && !(v->in->mode & MODE_IOPL_OK))
        return verify_reject(v, i, "virtual flags change in line only where IOPL allows it");
    return 0;
}

static int check_looked_up(struct verifier *v, unsigned i, const struct vstate *s, unsigned size, unsigned access) {
    const struct vinsn *n = &v->insns[i];
    if (n->scale != 0 || n->disp != 0)
        return verify_reject(v, i, "a looked-up operand is [r9 + r8] and nothing more");
    if (s->size == 0)
        return verify_reject(v, i, "[r9 + r8] without a lookup that still holds");
    if (size > s->size)
        return verify_reject(v, i, "more bytes than the lookup checked");
    if ((access & ACC_W) && !s->writable)
        return verify_reject(v, i, "a write behind a lookup for reading");
    if ((n->form->flags & FORM_BIT_OFFSET) != 0)
        return verify_reject(v, i, "a bit offset that may leave the operand");
    return 0;
}

int verify_memory(struct verifier *v, unsigned i, const struct vstate *s, unsigned size, unsigned access) {
    const struct vinsn *n = &v->insns[i];
    if (size == 0)
        return verify_reject(v, i, "a memory operand of unknown size");
    if (n->base == V_RIP)
        return verify_reject(v, i, "a RIP-relative operand");
    if (n->gs)
        return check_window(v, i);
    if (n->addr32)
        return verify_reject(v, i, "67h without gs");
    if (n->base == V_R15)
        return check_vcpu(v, i, size, access);
    if (n->base == V_R9 && n->index == V_R8)
        return check_looked_up(v, i, s, size, access);
    return verify_reject(v, i, "a memory operand outside the window, the vCPU structure and a lookup");
}
