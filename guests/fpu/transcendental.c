// FSIN FCOS FSINCOS FPTAN FPATAN F2XM1 FYL2X FYL2XP1 against values computed by other means (transcendental.py): the
// error stays below what the manual promises for arguments that need no reduction, in every rounding mode and whatever
// the precision control says. Arguments out of range set C2 and change nothing else. What is beyond, the reduction of
// large angles by a processor's own pi, is the processor's affair. Intel SDM vol. 1, 8.3.8 to 8.3.11.
#include "rt.h"

enum function { SINE, COSINE, TANGENT, ARC_TANGENT, POWER, LOGARITHM, LOGARITHM_1 };

struct real {
    u64 mantissa;
    u16 head; // sign and exponent
} __attribute__((packed));

struct reference {
    u8 function;
    struct real x, y;
    u64 value;
    u32 more;
    u16 head;
};

static const struct reference references[] = {
#include "transcendental.h"
};
#define REFERENCES (sizeof references / sizeof *references)

enum { C1 = 0x200, C2 = 0x400, IE = 1, ZE = 4 };
enum { FCW_MASKED = 0x37f, RC_SHIFT = 10 };

struct outcome {
    struct real st0, st1; // as they stand afterwards
    u16 status;
};

// The instruction with ST(0) and ST(1) as given; both afterwards, whatever TOP is.
#define X87_RUN(text)                                                                                                  \
    __asm__ volatile("fninit\n fldcw %3\n fldt %5\n fldt %4\n" text "\n fnstsw %2\n fstpt %0\n fstpt %1"               \
                     : "=m"(out.st0), "=m"(out.st1), "=m"(out.status)                                                  \
                     : "m"(fcw), "m"(st0), "m"(st1)                                                                    \
                     : "memory", "cc")

enum instruction { FSIN, FCOS, FSINCOS, FPTAN, FPATAN, F2XM1, FYL2X, FYL2XP1 };
static const char *const names[] = {"FSIN", "FCOS", "FSINCOS", "FPTAN", "FPATAN", "F2XM1", "FYL2X", "FYL2XP1"};

static struct outcome run(enum instruction instruction, struct real st0, struct real st1, u16 fcw) {
    struct outcome out;
    switch (instruction) {
    case FSIN: X87_RUN("fsin"); break;
    case FCOS: X87_RUN("fcos"); break;
    case FSINCOS: X87_RUN("fsincos"); break;
    case FPTAN: X87_RUN("fptan"); break;
    case FPATAN: X87_RUN("fpatan\n fld %%st(0)"); break;
    case F2XM1: X87_RUN("f2xm1"); break;
    case FYL2X: X87_RUN("fyl2x\n fld %%st(0)"); break;
    default: X87_RUN("fyl2xp1\n fld %%st(0)"); break;
    }
    return out;
}

// ---- Errors --------------------------------------------------------------------------------------------------------

// In units of 2^-16 of the last place; a huge one for another sign or a distant exponent.
static u32 error_of(const struct real *got, const struct reference *r) {
    const u32 huge = 0xffffffff;
    u64 whole = got->mantissa;
    u32 part = 0;
    int apart = (got->head & 0x7fff) - (r->head & 0x7fff);
    if ((got->head ^ r->head) & 0x8000 || apart > 1 || apart < -1)
        return huge;
    if (apart == 1) { // the value was rounded up to the next power of two
        whole = (whole << 1) - r->value;
    } else if (apart == -1) {
        part = (u32)(whole & 1) << 31;
        whole = (whole >> 1) - r->value;
    } else {
        whole -= r->value;
    }
    u64 parts = (whole << 16) + (part >> 16) - (r->more >> 16);
    u64 size = (int64_t)parts < 0 ? 0 - parts : parts;
    return whole + 0x8000 > 0x10000 || size > huge ? huge : (u32)size;
}

// The bound of the manual, in the same units: 1 ulp to nearest, 1.5 else; 1.35 and 1.85 for logarithms times y.
static u32 bound_of(const struct reference *r, unsigned rounding) {
    bool times_y = r->function >= LOGARITHM && (r->y.mantissa != 1ull << 63 || (r->y.head & 0x7fff) != 0x3fff);
    return (times_y ? 88473u : 65536u) + (rounding ? 32768u : 0);
}

static u32 worst[FYL2XP1 + 1];

static void check_value(enum instruction instruction, const struct reference *r, const struct real *got,
                        unsigned rounding) {
    u32 error = error_of(got, r);
    if (error > worst[instruction] && rounding == 0)
        worst[instruction] = error;
    if (error > bound_of(r, rounding)) {
        print("     entry %u, rounding %u: %04x %08x%08x, not %04x %08x%08x\n", (unsigned)(r - references), rounding,
              got->head, (u32)(got->mantissa >> 32), (u32)got->mantissa, r->head, (u32)(r->value >> 32), (u32)r->value);
        FAIL(names[instruction]);
    }
}

static const struct real one = {1ull << 63, 0x3fff};

static void check_reference(const struct reference *r, u16 fcw, unsigned rounding) {
    struct outcome out;
    switch (r->function) {
    case SINE:
        out = run(FSIN, r->x, r->y, fcw);
        check_value(FSIN, r, &out.st0, rounding);
        out = run(FSINCOS, r->x, r->y, fcw);
        check_value(FSINCOS, r, &out.st1, rounding);
        break;
    case COSINE:
        out = run(FCOS, r->x, r->y, fcw);
        check_value(FCOS, r, &out.st0, rounding);
        out = run(FSINCOS, r->x, r->y, fcw);
        check_value(FSINCOS, r, &out.st0, rounding);
        break;
    case TANGENT:
        out = run(FPTAN, r->x, r->y, fcw);
        check_value(FPTAN, r, &out.st1, rounding);
        CHECK("FPTAN pushes one" && memcmp(&out.st0, &one, 10) == 0);
        break;
    case ARC_TANGENT:
        out = run(FPATAN, r->x, r->y, fcw);
        check_value(FPATAN, r, &out.st0, rounding);
        break;
    case POWER:
        out = run(F2XM1, r->x, r->y, fcw);
        check_value(F2XM1, r, &out.st0, rounding);
        break;
    default: {
        enum instruction instruction = r->function == LOGARITHM ? FYL2X : FYL2XP1;
        out = run(instruction, r->x, r->y, fcw);
        check_value(instruction, r, &out.st0, rounding);
    }
    }
    CHECK_EQ("C2", out.status & C2, 0);
}

TEST(errors_stay_below_the_bound) {
    if (under_qemu()) // computes with doubles
        return;
    for (unsigned rounding = 0; rounding < 4; rounding++)
        for (unsigned i = 0; i < REFERENCES; i++)
            check_reference(&references[i], (u16)(FCW_MASKED | rounding << RC_SHIFT), rounding);
    for (unsigned i = 0; i <= FYL2XP1; i++)
        print("     %s: at most %u/1000 of the last place\n", names[i], (u32)((u64)worst[i] * 1000 >> 16));
}

TEST(precision_control_does_not_count) {
    if (under_qemu())
        return;
    for (unsigned i = 0; i < REFERENCES; i++) {
        const struct reference *r = &references[i];
        enum instruction instruction = r->function <= COSINE ? (enum instruction)(FSIN + r->function)
                                                             : (enum instruction)(FPTAN + r->function - TANGENT);
        struct outcome full = run(instruction, r->x, r->y, FCW_MASKED), single = run(instruction, r->x, r->y, 0x7f);
        CHECK("the same" && memcmp(&full, &single, sizeof full) == 0);
    }
}

// ---- Arguments out of range, and special ones ----------------------------------------------------------------------

TEST(angles_out_of_range) { // 2^63 and beyond: C2, and nothing else changes
    if (under_qemu())
        return;
    static const struct real beyond[] = {
        {1ull << 63, 0x403e}, {1ull << 63, 0xc03e}, {0xc000000000000000, 0x4100}, {~0ull, 0x7ffe}};
    static const struct real last[] = {{~0ull, 0x403d}, {~0ull, 0xc03d}};
    for (enum instruction i = FSIN; i <= FPTAN; i++) {
        for (unsigned k = 0; k < sizeof beyond / sizeof *beyond; k++) {
            struct outcome out = run(i, beyond[k], one, FCW_MASKED);
            CHECK_EQ(names[i], out.status & C2, C2);
            CHECK("ST(0) stays" && memcmp(&out.st0, &beyond[k], 10) == 0);
            CHECK("nothing is pushed" && memcmp(&out.st1, &one, 10) == 0);
            CHECK_EQ("no exception", out.status & 0x3f, 0);
        }
        for (unsigned k = 0; k < sizeof last / sizeof *last; k++) {
            struct outcome out = run(i, last[k], one, FCW_MASKED);
            CHECK_EQ(names[i], out.status & C2, 0);
            CHECK("reduced" && memcmp(&out.st0, &last[k], 10) != 0);
        }
    }
}

// What the manual's tables of special arguments say, signs included.
TEST(special_arguments) {
    static const struct real zero = {0, 0}, minus_zero = {0, 0x8000}, infinity = {1ull << 63, 0x7fff},
                             minus_infinity = {1ull << 63, 0xffff}, minus_one = {1ull << 63, 0xbfff},
                             half = {1ull << 63, 0x3ffe}, minus_half = {1ull << 63, 0xbffe},
                             three = {0xc000000000000000, 0x4000}, eight = {1ull << 63, 0x4002},
                             nine = {0x9000000000000000, 0x4002}, default_nan = {0xc000000000000000, 0xffff};
    static const struct {
        u8 instruction;
        const struct real *st0, *st1, *result;
        u8 exceptions; // IE and ZE
        bool at_st1;   // the result is there
    } special[] = {
        {FSIN, &zero, &one, &zero, 0, false},
        {FSIN, &minus_zero, &one, &minus_zero, 0, false},
        {FSIN, &infinity, &one, &default_nan, IE, false},
        {FCOS, &zero, &one, &one, 0, false},
        {FCOS, &minus_infinity, &one, &default_nan, IE, false},
        {FSINCOS, &minus_zero, &one, &one, 0, false},
        {FSINCOS, &minus_zero, &one, &minus_zero, 0, true},
        {FPTAN, &minus_zero, &one, &minus_zero, 0, true},
        {FPTAN, &infinity, &one, &default_nan, IE, false},
        {F2XM1, &zero, &one, &zero, 0, false},
        {F2XM1, &minus_zero, &one, &minus_zero, 0, false},
        {F2XM1, &one, &one, &one, 0, false},
        {F2XM1, &minus_one, &one, &minus_half, 0, false},
        {FPATAN, &one, &zero, &zero, 0, false},
        {FPATAN, &infinity, &minus_one, &minus_zero, 0, false},
        {FPATAN, &infinity, &one, &zero, 0, false},
        {FYL2X, &eight, &three, &nine, 0, false},
        {FYL2X, &half, &one, &minus_one, 0, false},
        {FYL2X, &one, &three, &zero, 0, false},
        {FYL2X, &one, &minus_one, &minus_zero, 0, false},
        {FYL2X, &zero, &one, &minus_infinity, ZE, false},
        {FYL2X, &minus_zero, &minus_one, &infinity, ZE, false},
        {FYL2X, &minus_one, &one, &default_nan, IE, false},
        {FYL2X, &one, &infinity, &default_nan, IE, false},
        {FYL2X, &infinity, &one, &infinity, 0, false},
        {FYL2XP1, &zero, &one, &zero, 0, false},
        {FYL2XP1, &minus_zero, &three, &minus_zero, 0, false},
        {FYL2XP1, &zero, &infinity, &default_nan, IE, false},
    };
    for (unsigned i = 0; i < sizeof special / sizeof *special; i++) {
        enum instruction instruction = (enum instruction)special[i].instruction;
        if (under_qemu() && instruction <= FPTAN) // takes infinities for angles out of range
            continue;
        struct outcome out = run(instruction, *special[i].st0, *special[i].st1, FCW_MASKED);
        const struct real *got = special[i].at_st1 ? &out.st1 : &out.st0;
        if (memcmp(got, special[i].result, 10) != 0 || (out.status & (IE | ZE)) != special[i].exceptions) {
            print("     case %u: %04x %08x%08x, status %04x\n", i, got->head, (u32)(got->mantissa >> 32),
                  (u32)got->mantissa, out.status);
            FAIL(names[instruction]);
        }
    }
}
