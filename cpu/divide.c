// DIV and IDIV where one has raised #DE so often that a signal of the host each time would be dear. Intel SDM vol. 2A.
// The host's processor divides once it is known not to fault, so that the flags, which the manual leaves undefined, are
// those of every other form.
#include "cpu/semantics.h"

static uint64_t dividend_of(const struct vcpu *v, unsigned size) {
    uint32_t low = cpu_get_reg(v, CPU_EAX, size == 1 ? 2 : size);
    return size == 1 ? low : (uint64_t)cpu_get_reg(v, CPU_EDX, size) << (8 * size) | low;
}

static uint64_t sign_extend(uint64_t value, unsigned bits) {
    uint64_t sign = 1ull << (bits - 1);
    return ((value & (2 * sign - 1)) ^ sign) - sign;
}

static uint64_t magnitude(uint64_t value) {
    return value >> 63 ? 0 - value : value;
}

// Whether the quotient has room in `bits`.
static bool fits(uint64_t dividend, uint64_t divisor, unsigned bits, bool is_signed) {
    bool opposite = is_signed && (dividend ^ divisor) >> 63;
    uint64_t n = is_signed ? magnitude(dividend) : dividend, d = is_signed ? magnitude(divisor) : divisor;
    return d != 0 && n / d <= (is_signed ? (1ull << (bits - 1)) - !opposite : (1ull << bits) - 1);
}

#define ARITHMETIC (EFLAGS_LIVE & ~EFLAGS_DF)
#define HOST(instruction)                                                                                              \
    __asm__ volatile("lea -128(%%rsp), %%rsp\n\tpush %[flags]\n\tpopfq\n\t" instruction                                \
                     "\n\tpushfq\n\tpop %[flags]\n\tlea 128(%%rsp), %%rsp"                                             \
                     : [flags] "+&r"(flags), "+&a"(v->abi.gpr[CPU_EAX]), "+&d"(v->abi.gpr[CPU_EDX])                    \
                     : [by] "r"(divisor)                                                                               \
                     : "cc", "memory")

static void divide(struct vcpu *v, uint32_t divisor, unsigned size, bool is_signed) {
    uint64_t flags = (v->abi.flags & ARITHMETIC) | 2;
    switch (size | (is_signed ? DIVIDE_SIGNED : 0)) {
    case 1: HOST("divb %b[by]"); break;
    case 2: HOST("divw %w[by]"); break;
    case 4: HOST("divl %k[by]"); break;
    case 1 | DIVIDE_SIGNED: HOST("idivb %b[by]"); break;
    case 2 | DIVIDE_SIGNED: HOST("idivw %w[by]"); break;
    default: HOST("idivl %k[by]"); break;
    }
    v->abi.flags = (v->abi.flags & ~(uint32_t)ARITHMETIC) | ((uint32_t)flags & ARITHMETIC);
}

enum callout_result callout_DIVIDE(struct vcpu *v, uint32_t r8, uint32_t r9, uint32_t word) {
    unsigned size = CALLOUT_EXTRA(word) & 15, bits = 8 * size;
    bool is_signed = CALLOUT_EXTRA(word) & DIVIDE_SIGNED;
    uint32_t operand;
    if (cpu_read_rm(v, r9, r8, size, &operand) < 0)
        return callout_failed(v);
    uint64_t dividend = dividend_of(v, size), divisor = operand;
    if (is_signed) {
        dividend = sign_extend(dividend, 2 * bits);
        divisor = sign_extend(divisor, bits);
    }
    if (!fits(dividend, divisor, bits, is_signed)) {
        cpu_raise(v, VECTOR_DE);
        return CALLOUT_FAULT;
    }
    divide(v, operand, size, is_signed);
    return CALLOUT_CONTINUE;
}
