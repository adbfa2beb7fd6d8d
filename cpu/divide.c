// DIV and IDIV where one has raised #DE so often that a signal of the host each time would be dear. Intel SDM vol. 2A.
// The arithmetic flags, which are undefined behind them, stay as they are.
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

// Quotient and remainder in size * 8 bits each; false if the quotient has no room there. Signs are those of the manual:
// the remainder's is the dividend's.
static bool divide(uint64_t dividend, uint64_t divisor, unsigned bits, bool is_signed, uint64_t *quotient,
                   uint64_t *remainder) {
    bool negative = is_signed && dividend >> 63, opposite = is_signed && (dividend ^ divisor) >> 63;
    uint64_t n = is_signed ? magnitude(dividend) : dividend, d = is_signed ? magnitude(divisor) : divisor;
    if (d == 0)
        return false;
    uint64_t q = n / d, r = n % d, most = is_signed ? (1ull << (bits - 1)) - !opposite : (1ull << bits) - 1;
    *quotient = opposite ? 0 - q : q;
    *remainder = negative ? 0 - r : r;
    return q <= most;
}

enum callout_result callout_DIVIDE(struct vcpu *v, uint32_t r8, uint32_t r9, uint32_t word) {
    unsigned size = CALLOUT_EXTRA(word) & 15, bits = 8 * size;
    bool is_signed = CALLOUT_EXTRA(word) & DIVIDE_SIGNED;
    uint32_t operand;
    if (cpu_read_rm(v, r9, r8, size, &operand) < 0)
        return callout_failed(v);
    uint64_t dividend = dividend_of(v, size), divisor = operand, quotient, remainder;
    if (is_signed) {
        dividend = sign_extend(dividend, 2 * bits);
        divisor = sign_extend(divisor, bits);
    }
    if (!divide(dividend, divisor, bits, is_signed, &quotient, &remainder)) {
        cpu_raise(v, VECTOR_DE);
        return CALLOUT_FAULT;
    }
    if (size == 1) {
        cpu_set_reg(v, CPU_EAX, 2, (uint32_t)(quotient & 0xff) | (uint32_t)(remainder & 0xff) << 8);
    } else {
        cpu_set_reg(v, CPU_EAX, size, (uint32_t)quotient);
        cpu_set_reg(v, CPU_EDX, size, (uint32_t)remainder);
    }
    return CALLOUT_CONTINUE;
}
