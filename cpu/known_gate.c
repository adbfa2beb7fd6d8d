// Interrupts and IRETs that meet the same descriptors as the time before. The tables are read again and compared byte
// for byte; where nothing changed, the checks of exception.c and iret.c would pass again and are left out. Intel SDM
// vol. 3A 6.12; vol. 2A, INT n and IRET. Only between rings 0 and 3, with flat 32-bit code and stacks: what every
// system call and page fault does. All else says no, with nothing changed. Light code: general registers only, no
// library calls.
#include "cpu/segment_store.h"

enum { TSS32_ESP0 = 4 };

// ---- Descriptors ---------------------------------------------------------------------------------------------------

static bool is_flat(uint64_t descriptor, unsigned wanted, unsigned unwanted) {
    const unsigned common = ATTR_P | ATTR_S | ATTR_ACCESSED | ATTR_DB;
    return (descriptor_attr(descriptor) & (common | wanted | unwanted)) == (common | wanted) &&
           descriptor_base(descriptor) == 0 && descriptor_limit(descriptor) == 0xffffffffu;
}

// The eight bytes of a table, if the software TLB knows their place.
static bool peek(struct vcpu *v, uint32_t linear, uint64_t *bytes) {
    const uint8_t *host = cpu_tlb_system(v, linear, 8);
    if (host)
        *bytes = *(const copy_u64 *)host;
    return host;
}

static bool gdt_peek(struct vcpu *v, uint32_t selector, uint64_t *bytes) {
    return !(selector & 4) && peek(v, v->gdt_base + (selector & 0xfff8), bytes);
}

// Does the GDT still hold the same? That the selector lies within its limit was found out when it was noted.
static bool still_holds(struct vcpu *v, uint32_t selector, uint64_t before) {
    uint64_t bytes;
    return gdt_peek(v, selector, &bytes) && bytes == before;
}

// Notes what CS and SS, just loaded through descriptors, were loaded from. `stack`: SS too.
static bool note(struct vcpu *v, struct known_segments *known, bool stack) {
    known->code_selector = v->seg[CPU_SEG_CS].selector;
    known->code_attr = v->seg[CPU_SEG_CS].attr;
    known->stack_selector = v->seg[CPU_SEG_SS].selector;
    known->stack_attr = v->seg[CPU_SEG_SS].attr;
    known->valid = gdt_peek(v, known->code_selector, &known->code) &&
                   is_flat(known->code, ATTR_CODE, ATTR_CONFORMING) && attr_dpl(known->code_attr) == v->cpl &&
                   (!stack || (gdt_peek(v, known->stack_selector, &known->stack) &&
                               is_flat(known->stack, ATTR_WRITABLE, ATTR_CODE | ATTR_EXPAND_DOWN)));
    return known->valid;
}

void cpu_known_forget(struct vcpu *v) {
    for (unsigned i = 0; i < KNOWN_GATES; i++)
        v->known.gate[i].to.valid = false;
    for (unsigned i = 0; i < 2; i++)
        v->known.back[i].valid = false;
    for (unsigned seg = 0; seg < CPU_SEG_COUNT; seg++)
        for (unsigned i = 0; i < SEGMENT_LOADS; i++)
            v->abi.loads[seg][i].key = SEGMENT_LOAD_NONE;
}

static bool may_note(const struct vcpu *v) {
    return cpu_uses_descriptors(v) && !(v->config.ablate & ABLATE_DESCRIPTOR_FAST);
}

// ---- In through a gate ---------------------------------------------------------------------------------------------

void cpu_known_gate_note(struct vcpu *v, unsigned vector, uint64_t gate, unsigned from) {
    struct known_gate *known = &v->known.gate[vector % KNOWN_GATES];
    known->to.valid = false;
    if (!may_note(v) || v->cpl != 0 || (from != 0 && from != 3) || (from == 3 && !tss_is_wide(&v->tr)) ||
        (descriptor_attr(gate) & ATTR_TYPE) < TYPE_INTERRUPT_GATE32 || !note(v, &known->to, from == 3))
        return;
    known->gate = gate;
    known->vector = (uint8_t)vector;
    known->from = (uint8_t)from;
}

// ESP of ring 0, if the TSS names the same SS there.
static bool inner_stack(struct vcpu *v, const struct known_segments *to, uint32_t *esp) {
    const uint8_t *host = cpu_tlb_system(v, v->tr.base + TSS32_ESP0, 6);
    if (!host || *(const copy_u16 *)(host + 4) != to->stack_selector)
        return false;
    *esp = *(const copy_u32 *)host;
    return still_holds(v, to->stack_selector, to->stack);
}

static bool stack_is_flat(const struct vcpu *v) {
    return (v->segment_mode & (MODE_STACK32 | 3u << (MODE_SEG_SHIFT + 2 * CPU_SEG_SS))) ==
           (MODE_STACK32 | (uint32_t)MODE_SEG_FLAT << (MODE_SEG_SHIFT + 2 * CPU_SEG_SS));
}

bool cpu_known_gate(struct vcpu *v, unsigned vector, bool software, const uint32_t *error, uint32_t eip, bool resume) {
    const struct known_gate *known = &v->known.gate[vector % KNOWN_GATES];
    const struct known_segments *to = &known->to;
    bool inner = v->cpl != 0;
    uint64_t gate;
    uint32_t esp = v->abi.gpr[CPU_ESP];
    if (!to->valid || known->vector != vector || known->from != v->cpl || !cpu_uses_descriptors(v) ||
        !peek(v, v->idt_base + vector * 8, &gate) || gate != known->gate ||
        (software && attr_dpl(descriptor_attr(gate)) < v->cpl) || !still_holds(v, to->code_selector, to->code))
        return false;
    if (inner ? !inner_stack(v, to, &esp) : !stack_is_flat(v))
        return false;
    unsigned bytes = (inner ? 20u : 12u) + (error ? 4u : 0u);
    copy_u32 *place = (copy_u32 *)(void *)cpu_tlb_lookup(v, esp - bytes, false, bytes, true);
    if (!place)
        return false;

    copy_u32 *at = place;
    if (error)
        *at++ = *error;
    at[0] = eip;
    at[1] = v->seg[CPU_SEG_CS].selector;
    at[2] = (cpu_eflags(v) & ~EFLAGS_RF) | (resume ? EFLAGS_RF : 0);
    if (inner) {
        at[3] = v->abi.gpr[CPU_ESP];
        at[4] = v->seg[CPU_SEG_SS].selector;
        segment_store_flat_stack(v, to->stack_selector, to->stack_attr);
    }
    bool interrupt_gate = !(descriptor_attr(gate) & 1);
    v->abi.sys_flags &= ~(EFLAGS_TF | EFLAGS_NT | EFLAGS_RF | (interrupt_gate ? EFLAGS_IF : 0));
    v->abi.gpr[CPU_ESP] = esp - bytes;
    segment_store_flat_code(v, to->code_selector, to->code_attr, 0);
    v->abi.eip = ((uint32_t)gate & 0xffff) | ((uint32_t)(gate >> 32) & 0xffff0000u);
    v->abi.shadow = 0;
    cpu_mode_update(v);
    return true;
}

// ---- Back by IRET --------------------------------------------------------------------------------------------------

void cpu_known_back_note(struct vcpu *v, unsigned from) {
    if (from == 0 && may_note(v) && (v->cpl == 0 || v->cpl == 3))
        note(v, &v->known.back[v->cpl == 3], v->cpl == 3);
}

bool cpu_known_back(struct vcpu *v, uint32_t *eflags) {
    uint32_t esp = v->abi.gpr[CPU_ESP];
    if (v->cpl != 0 || !cpu_uses_descriptors(v) || !stack_is_flat(v))
        return false;
    const copy_u32 *frame = (const copy_u32 *)(const void *)cpu_tlb_lookup(v, esp, false, 12, false);
    if (!frame || (frame[2] & EFLAGS_VM))
        return false;
    bool outer = frame[1] & 3;
    const struct known_segments *to = &v->known.back[outer];
    if (!to->valid || (frame[1] & 0xffff) != to->code_selector || !still_holds(v, to->code_selector, to->code))
        return false;
    uint32_t eip = frame[0];
    *eflags = frame[2];
    if (outer) {
        if (!cpu_tlb_lookup(v, esp, false, 20, false) || (frame[4] & 0xffff) != to->stack_selector ||
            !still_holds(v, to->stack_selector, to->stack))
            return false;
        v->abi.gpr[CPU_ESP] = frame[3];
        segment_store_flat_stack(v, to->stack_selector, to->stack_attr);
    } else {
        v->abi.gpr[CPU_ESP] = esp + 12;
    }
    segment_store_flat_code(v, to->code_selector, to->code_attr, outer ? 3 : 0);
    if (outer)
        cpu_drop_inner_segments(v);
    v->abi.eip = eip;
    return true;
}
