// Loads and stores of the system registers: GDTR, IDTR, LDTR, TR, and the machine status word. Intel SDM vol. 2, LGDT
// LIDT SGDT SIDT LLDT LTR SLDT STR SMSW; vol. 3A 2.4.
#include "cpu/semantics.h"

static bool needs_protected(struct vcpu *v) {
    if (cpu_uses_descriptors(v))
        return false;
    cpu_raise(v, VECTOR_UD);
    return true;
}

// ---- GDTR and IDTR -------------------------------------------------------------------------------------------------

static enum callout_result load_table(struct vcpu *v, uint32_t rm, uint32_t offset, uint32_t word, uint32_t *base,
                                      uint16_t *limit) {
    uint8_t bytes[6];
    if (cpu_needs_ring0(v) || cpu_read(v, RM_INDEX(rm), offset, bytes, 6) < 0)
        return callout_failed(v);
    *limit = (uint16_t)(bytes[0] | bytes[1] << 8);
    *base = (uint32_t)bytes[2] | (uint32_t)bytes[3] << 8 | (uint32_t)bytes[4] << 16;
    if (CALLOUT_EXTRA(word) != 2)
        *base |= (uint32_t)bytes[5] << 24;
    return CALLOUT_CONTINUE;
}

// All 32 bits of the base are stored whatever the operand size, as every processor since the 386 does.
static enum callout_result store_table(struct vcpu *v, uint32_t rm, uint32_t offset, uint32_t base, uint16_t limit) {
    const uint8_t bytes[6] = {(uint8_t)limit,       (uint8_t)(limit >> 8), (uint8_t)base,
                              (uint8_t)(base >> 8), (uint8_t)(base >> 16), (uint8_t)(base >> 24)};
    return cpu_write_aligned(v, RM_INDEX(rm), offset, bytes, 6, 4) < 0 ? callout_failed(v) : CALLOUT_CONTINUE;
}

enum callout_result callout_LGDT(struct vcpu *v, uint32_t r8, uint32_t r9, uint32_t word) {
    cpu_forget_descriptors(v);
    return load_table(v, r9, r8, word, &v->gdt_base, &v->gdt_limit);
}

enum callout_result callout_LIDT(struct vcpu *v, uint32_t r8, uint32_t r9, uint32_t word) {
    cpu_known_forget(v);
    return load_table(v, r9, r8, word, &v->idt_base, &v->idt_limit);
}

enum callout_result callout_SGDT(struct vcpu *v, uint32_t r8, uint32_t r9, uint32_t word) {
    (void)word;
    return store_table(v, r9, r8, v->gdt_base, v->gdt_limit);
}

enum callout_result callout_SIDT(struct vcpu *v, uint32_t r8, uint32_t r9, uint32_t word) {
    (void)word;
    return store_table(v, r9, r8, v->idt_base, v->idt_limit);
}

// ---- LDTR and TR ---------------------------------------------------------------------------------------------------

// Checks common to LLDT and LTR: in the GDT, a system segment of the wanted type, present. 0 or -1.
static int system_segment(struct vcpu *v, uint32_t selector, bool tss, uint64_t *descriptor) {
    if (selector & 4)
        return cpu_raise_error(v, VECTOR_GP, selector_error(selector, 0));
    if (cpu_need_descriptor(v, selector, VECTOR_GP, 0, descriptor) < 0)
        return -1;
    unsigned attr = descriptor_attr(*descriptor), type = attr & ATTR_TYPE;
    bool type_ok = tss ? type == TYPE_TSS16 || type == TYPE_TSS32 : type == TYPE_LDT;
    if ((attr & ATTR_S) || !type_ok)
        return cpu_raise_error(v, VECTOR_GP, selector_error(selector, 0));
    if (!(attr & ATTR_P))
        return cpu_raise_error(v, VECTOR_NP, selector_error(selector, 0));
    return 0;
}

enum callout_result callout_LLDT(struct vcpu *v, uint32_t r8, uint32_t r9, uint32_t word) {
    (void)word;
    uint32_t selector;
    uint64_t descriptor;
    if (needs_protected(v) || cpu_needs_ring0(v) || cpu_read_rm(v, r9, r8, 2, &selector) < 0)
        return callout_failed(v);
    if (selector_is_null(selector)) {
        v->ldtr = (struct cpu_segment){.selector = (uint16_t)selector};
    } else {
        if (system_segment(v, selector, false, &descriptor) < 0)
            return callout_failed(v);
        cpu_unpack_segment(&v->ldtr, selector, descriptor);
    }
    cpu_forget_descriptors(v);
    return CALLOUT_CONTINUE;
}

enum callout_result callout_LTR(struct vcpu *v, uint32_t r8, uint32_t r9, uint32_t word) {
    (void)word;
    uint32_t selector;
    uint64_t descriptor;
    if (needs_protected(v) || cpu_needs_ring0(v) || cpu_read_rm(v, r9, r8, 2, &selector) < 0)
        return callout_failed(v);
    if (selector_is_null(selector)) {
        cpu_raise_error(v, VECTOR_GP, 0);
        return CALLOUT_FAULT;
    }
    if (system_segment(v, selector, true, &descriptor) < 0)
        return callout_failed(v);
    uint8_t busy = (uint8_t)(descriptor >> 40) | 2;
    if (cpu_write_system(v, v->gdt_base + (selector & 0xfff8) + 5, &busy, 1) < 0)
        return callout_failed(v);
    cpu_unpack_segment(&v->tr, selector, descriptor | 2ull << 40);
    cpu_known_forget(v);
    return CALLOUT_CONTINUE;
}

// A register destination takes the operand's size, zero-extended; memory always gets two bytes.
static enum callout_result store_word(struct vcpu *v, uint32_t rm, uint32_t offset, uint32_t word, uint32_t value) {
    unsigned size = RM_IS_REGISTER(rm) && CALLOUT_EXTRA(word) == 4 ? 4 : 2;
    return cpu_write_rm(v, rm, offset, size, value) < 0 ? callout_failed(v) : CALLOUT_CONTINUE;
}

enum callout_result callout_SLDT(struct vcpu *v, uint32_t r8, uint32_t r9, uint32_t word) {
    return needs_protected(v) ? callout_failed(v) : store_word(v, r9, r8, word, v->ldtr.selector);
}

enum callout_result callout_STR(struct vcpu *v, uint32_t r8, uint32_t r9, uint32_t word) {
    return needs_protected(v) ? callout_failed(v) : store_word(v, r9, r8, word, v->tr.selector);
}

enum callout_result callout_SMSW(struct vcpu *v, uint32_t r8, uint32_t r9, uint32_t word) {
    return store_word(v, r9, r8, word, v->abi.cr0);
}
