// The decimal adjustments and SALC, which 64-bit mode does not have. Intel SDM vol. 2A, DAA DAS AAA AAS AAM AAD. Flags
// that the manual leaves undefined follow the result where they can, and are clear otherwise. Light code: general
// registers only, no library calls.
#include "cpu/semantics.h"

static uint32_t result_flags(uint8_t value) {
    uint32_t flags = 0;
    if (value == 0)
        flags |= EFLAGS_ZF;
    if (value & 0x80)
        flags |= EFLAGS_SF;
    if (!__builtin_parity(value))
        flags |= EFLAGS_PF;
    return flags;
}

static void set_flags(struct vcpu *v, uint32_t flags) {
    const uint32_t all = EFLAGS_CF | EFLAGS_PF | EFLAGS_AF | EFLAGS_ZF | EFLAGS_SF | EFLAGS_OF;
    v->abi.flags = (v->abi.flags & ~all) | flags;
}

static void decimal_adjust(struct vcpu *v, bool subtract) {
    uint8_t al = (uint8_t)v->abi.gpr[CPU_EAX], old = al;
    bool carry = v->abi.flags & EFLAGS_CF, low = (al & 0xf) > 9 || (v->abi.flags & EFLAGS_AF),
         high = old > 0x99 || carry;
    uint32_t flags = 0;
    if (low) {
        // A borrow or carry out of the low digit's correction counts only together with the old one.
        if (subtract && al < 6)
            carry = true;
        al = (uint8_t)(subtract ? al - 6 : al + 6);
        flags |= EFLAGS_AF;
    }
    if (high) {
        al = (uint8_t)(subtract ? al - 0x60 : al + 0x60);
        flags |= EFLAGS_CF;
    } else if (subtract && low && carry) {
        flags |= EFLAGS_CF;
    }
    cpu_set_reg(v, 0, 1, al);
    set_flags(v, flags | result_flags(al));
}

static void ascii_adjust(struct vcpu *v, bool subtract) {
    uint32_t ax = v->abi.gpr[CPU_EAX] & 0xffff, flags = 0;
    if ((ax & 0xf) > 9 || (v->abi.flags & EFLAGS_AF)) {
        ax = subtract ? ax - 0x106 : ax + 0x106;
        flags = EFLAGS_AF | EFLAGS_CF;
    }
    uint8_t al = (uint8_t)(ax & 0xf);
    cpu_set_reg(v, CPU_EAX, 2, (ax & 0xff00) | al);
    set_flags(v, flags | result_flags(al));
}

enum callout_result callout_BCD(struct vcpu *v, uint32_t r8, uint32_t r9, uint32_t word) {
    (void)r8, (void)word;
    uint32_t opcode = r9 & 0xff, base = r9 >> 8 & 0xff, ax = v->abi.gpr[CPU_EAX] & 0xffff;
    switch (opcode) {
    case 0x27: decimal_adjust(v, false); break;
    case 0x2f: decimal_adjust(v, true); break;
    case 0x37: ascii_adjust(v, false); break;
    case 0x3f: ascii_adjust(v, true); break;
    case 0xd4: { // AAM
        if (base == 0) {
            cpu_raise(v, VECTOR_DE);
            return CALLOUT_FAULT;
        }
        uint32_t al = ax & 0xff;
        cpu_set_reg(v, CPU_EAX, 2, al / base << 8 | al % base);
        set_flags(v, result_flags((uint8_t)(al % base)));
        break;
    }
    case 0xd5: { // AAD
        uint8_t al = (uint8_t)((ax & 0xff) + (ax >> 8) * base);
        cpu_set_reg(v, CPU_EAX, 2, al);
        set_flags(v, result_flags(al));
        break;
    }
    default: // SALC
        cpu_set_reg(v, 0, 1, v->abi.flags & EFLAGS_CF ? 0xff : 0);
        break;
    }
    return CALLOUT_CONTINUE;
}
