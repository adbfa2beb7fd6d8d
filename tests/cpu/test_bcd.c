// Decimal adjustments: against decimal arithmetic for valid digits, and against the manual's operation sections for all
// operands.
#include "fixture.h"

#define DEFINED_DAA (EFLAGS_SF | EFLAGS_ZF | EFLAGS_AF | EFLAGS_PF | EFLAGS_CF)
#define DEFINED_AAA (EFLAGS_AF | EFLAGS_CF)

static uint32_t adjust(struct fixture *f, unsigned opcode, unsigned immediate, uint32_t ax, uint32_t flags) {
    f->v->abi.gpr[CPU_EAX] = 0xcafe0000 | ax;
    f->v->abi.flags = flags | EFLAGS_DF;
    assert_int_equal(run(f, CALLOUT_BCD, 0, opcode | immediate << 8, 0), CALLOUT_CONTINUE);
    assert_true(f->v->abi.flags & EFLAGS_DF);
    assert_int_equal(f->v->abi.gpr[CPU_EAX] >> 16, 0xcafe);
    return f->v->abi.gpr[CPU_EAX] & 0xffff;
}

static unsigned packed(unsigned number) {
    return number / 10 << 4 | number % 10;
}

static void packed_arithmetic(void **state) {
    struct fixture *f = *state;
    for (unsigned a = 0; a < 100; a++)
        for (unsigned b = 0; b < 100; b++) {
            unsigned sum = packed(a) + packed(b), half = (packed(a) & 15) + (packed(b) & 15) > 15;
            uint32_t flags = (sum > 255 ? EFLAGS_CF : 0) | (half ? EFLAGS_AF : 0);
            assert_int_equal(adjust(f, 0x27, 0, sum & 0xff, flags), packed((a + b) % 100));
            assert_int_equal(!!(f->v->abi.flags & EFLAGS_CF), a + b > 99);
            unsigned difference = packed(a) - packed(b), borrow = (packed(a) & 15) < (packed(b) & 15);
            flags = (packed(a) < packed(b) ? EFLAGS_CF : 0) | (borrow ? EFLAGS_AF : 0);
            assert_int_equal(adjust(f, 0x2f, 0, difference & 0xff, flags), packed((100 + a - b) % 100));
            assert_int_equal(!!(f->v->abi.flags & EFLAGS_CF), a < b);
        }
}

static void unpacked_arithmetic(void **state) {
    struct fixture *f = *state;
    for (unsigned a = 0; a < 10; a++)
        for (unsigned b = 0; b < 10; b++) {
            assert_int_equal(adjust(f, 0x37, 0, a + b, a + b > 15 ? EFLAGS_AF : 0), (a + b) / 10 << 8 | (a + b) % 10);
            uint32_t flags = a < b ? EFLAGS_AF | EFLAGS_CF : 0;
            assert_int_equal(adjust(f, 0x3f, 0, 0x500 | ((a - b) & 0xff), flags),
                             (a < b ? 0x400u : 0x500u) | (10 + a - b) % 10);
            assert_int_equal(adjust(f, 0xd4, 10, a * b, 0), a * b / 10 << 8 | a * b % 10);
            assert_int_equal(adjust(f, 0xd5, 10, a << 8 | b, 0), 10 * a + b);
        }
}

// The operation sections of DAA and DAS, as they stand in SDM vol. 2A.
static void manual_daa_das(struct fixture *f, unsigned old_al, uint32_t flags, bool das) {
    unsigned al = old_al, cf = 0, af = 0, old_cf = flags & EFLAGS_CF;
    if ((al & 15) > 9 || (flags & EFLAGS_AF)) {
        unsigned wide = das ? al - 6 : al + 6;
        cf = old_cf || wide > 0xff;
        al = wide & 0xff;
        af = 1;
    }
    if (old_al > 0x99 || old_cf) {
        al = (das ? al - 0x60 : al + 0x60) & 0xff;
        cf = 1;
    } else if (!das) {
        cf = 0;
    }
    uint32_t expect = (cf ? EFLAGS_CF : 0) | (af ? EFLAGS_AF : 0) | (al == 0 ? EFLAGS_ZF : 0) | (al & 0x80) |
                      (__builtin_parity(al) ? 0 : EFLAGS_PF);
    assert_int_equal(adjust(f, das ? 0x2f : 0x27, 0, 0x1200 | old_al, flags), 0x1200 | al);
    assert_int_equal(f->v->abi.flags & DEFINED_DAA, expect);
}

static void manual_aaa_aas(struct fixture *f, unsigned ax, uint32_t flags, bool aas) {
    bool carry = (ax & 15) > 9 || (flags & EFLAGS_AF);
    unsigned expect = carry ? aas ? ax - 6 - 0x100 : ax + 0x106 : ax;
    assert_int_equal(adjust(f, aas ? 0x3f : 0x37, 0, ax, flags), expect & 0xff0f);
    assert_int_equal(f->v->abi.flags & DEFINED_AAA, carry ? DEFINED_AAA : 0);
}

static void as_the_manual_says(void **state) {
    struct fixture *f = *state;
    static const uint32_t flags[] = {0, EFLAGS_CF, EFLAGS_AF, EFLAGS_AF | EFLAGS_CF};
    for (unsigned al = 0; al < 256; al++)
        for (unsigned i = 0; i < 4; i++) {
            manual_daa_das(f, al, flags[i], false);
            manual_daa_das(f, al, flags[i], true);
            manual_aaa_aas(f, 0x1200 | al, flags[i], false);
            manual_aaa_aas(f, 0xff00 | al, flags[i], false);
            manual_aaa_aas(f, 0x0000 | al, flags[i], true);
            assert_int_equal(adjust(f, 0xd6, 0, al, flags[i]), flags[i] & EFLAGS_CF ? 0xff : 0);
        }
}

static void aam_zero_divides(void **state) {
    struct fixture *f = *state;
    assert_fault(f, run(f, CALLOUT_BCD, 0, 0xd4, 0), VECTOR_DE, 0);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {TEST(packed_arithmetic), TEST(unpacked_arithmetic), TEST(as_the_manual_says),
                                       TEST(aam_zero_divides)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
