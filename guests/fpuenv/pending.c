// Pending exceptions with CR0.NE set: which instructions wait for them and which do not, what clears them, and that a
// masked exception does not pend (SDM vol. 1, 8.3.12, 8.6, 8.7.1).
#include "env.h"

enum { W_NONE, W_WAITS };
#define KINDS(X)                                                                                                       \
    X(waits_fwait, "fwait", W_WAITS)                                                                                   \
    X(waits_fld, "fld1", W_WAITS)                                                                                      \
    X(waits_fnop, "fnop", W_WAITS)                                                                                     \
    X(waits_fldcw, "fldcw (%esi)", W_WAITS)                                                                            \
    X(waits_fldenv, "fldenv (%esi)", W_WAITS)                                                                          \
    X(waits_frstor, "frstor (%esi)", W_WAITS)                                                                          \
    X(waits_fst, "fsts (%esi)", W_WAITS)                                                                               \
    X(waits_fild, "fildl (%esi)", W_WAITS)                                                                             \
    X(waits_emms, "emms", W_WAITS)                                                                                     \
    X(waits_mmx, "paddb (%esi), %mm0", W_WAITS)                                                                        \
    X(waits_movd, "movd %eax, %mm3", W_WAITS)                                                                          \
    X(no_fnstsw, "fnstsw %ax", W_NONE)                                                                                 \
    X(no_fnstswm, "fnstsw (%esi)", W_NONE)                                                                             \
    X(no_fnstcw, "fnstcw (%esi)", W_NONE)                                                                              \
    X(no_fnstenv, "fnstenv (%esi)", W_NONE)                                                                            \
    X(no_fnsave, "fnsave (%esi)", W_NONE)                                                                              \
    X(no_fnclex, "fnclex", W_NONE)                                                                                     \
    X(no_fninit, "fninit", W_NONE)                                                                                     \
    X(no_fxsave, "fxsave 64(%esi)", W_NONE)                                                                            \
    X(no_sse, "addps %xmm0, %xmm0", W_NONE)                                                                            \
    X(no_integer, "add %eax, %eax", W_NONE)
#define SNIP(name, text, waits) SNIPPET(name, "fldz\n fld1\n fdiv %st(1), %st\n", text)
KINDS(SNIP)

static const struct {
    const char *name;
    const u8 *code, *at;
    u32 waits;
} kinds[] = {
#define ROW(name, text, waits) {#name, name, name##_at, waits},
    KINDS(ROW)};

TEST(waiting) {
    if (under_qemu()) // TCG looks at pending exceptions in FWAIT alone, and stores regardless
        return;
    write_cr0(read_cr0() | CR0_NE);
    write_cr4(read_cr4() | 1u << 9);
    for (unsigned ring = 0; ring <= 3; ring += 3)
        for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++) {
            struct regs r = regs_for(ring);
            struct trap t;
            fpu_init();
            memset(user_buffer, 0, 512);
            fpu_control(0x37b);
            r.esi = ((u32)user_buffer + 63) & ~63u;
            exec(kinds[i].code, &r, &t);
            check_context(kinds[i].name);
            CHECK_EQ("vector", t.vector, kinds[i].waits ? VEC_MF : EXEC_DONE);
            if (kinds[i].waits)
                CHECK_EQ("eip", t.r.eip, kinds[i].at);
            fpu_init();
        }
}

// Each of the six exceptions, masked and unmasked; the status tells, ES only where it is unmasked.
SNIPPET(x_invalid, "fldz\n fldz", "fdivp")
SNIPPET(x_denormal, "fldz", "fadds (%esi)")
SNIPPET(x_zero, "fldz\n fld1", "fdivp %st, %st(1)")
SNIPPET(x_overflow, "fldt 16(%esi)", "fmul %st")
SNIPPET(x_underflow, "fldt 32(%esi)", "fmul %st")
SNIPPET(x_precision, "fld1\n fildl 48(%esi)", "fdivrp")
SNIPPET(x_stack, "", "fchs")
SNIPPET(x_wait, "", "fwait")

static u32 run_exception(const u8 *code, u16 mask) {
    struct regs r = regs_for(3);
    struct trap t;
    memset(user_buffer, 0, 64);
    *(u32 *)user_buffer = 1;                 // a denormal
    *(u64 *)(user_buffer + 16) = 1ull << 63; // the largest power of two
    *(u16 *)(user_buffer + 24) = 0x7ffe;
    *(u64 *)(user_buffer + 32) = 1ull << 63; // the smallest normal
    *(u16 *)(user_buffer + 40) = 1;
    *(u32 *)(user_buffer + 48) = 3;
    r.esi = (u32)user_buffer;
    fpu_init();
    fpu_control((u16)(0x37f & ~mask));
    exec(code, &r, &t);
    CHECK_DONE("ran", t);
    u32 status = fpu_status() & 0xff;
    exec(x_wait, &r, &t);
    CHECK_EQ("wait", t.vector, mask ? VEC_MF : EXEC_DONE);
    __asm__ volatile("fnclex");
    CHECK_EQ("cleared", fpu_status() & 0x80ff, 0);
    exec(x_wait, &r, &t);
    CHECK_DONE("no longer", t);
    fpu_init();
    return status;
}

TEST(each_exception) {
    if (under_qemu()) // TCG looks at pending exceptions in FWAIT alone, and stores regardless
        return;
    static const struct {
        const char *name;
        const u8 *code;
        u16 flag, masked, unmasked;
    } rows[] = {
        {"invalid", x_invalid, FSW_IE, FSW_IE, FSW_IE | FSW_ES},
        {"denormal", x_denormal, FSW_DE, FSW_DE, FSW_DE | FSW_ES},
        {"zero", x_zero, FSW_ZE, FSW_ZE, FSW_ZE | FSW_ES},
        {"overflow", x_overflow, FSW_OE, FSW_OE | FSW_PE, FSW_OE | FSW_ES},
        {"underflow", x_underflow, FSW_UE, FSW_UE, FSW_UE | FSW_ES},
        {"precision", x_precision, FSW_PE, FSW_PE, FSW_PE | FSW_ES},
        {"stack", x_stack, FSW_IE, FSW_IE | FSW_SF, FSW_IE | FSW_SF | FSW_ES},
    };
    write_cr0(read_cr0() | CR0_NE);
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        check_context(rows[i].name);
        u32 masked = run_exception(rows[i].code, 0), unmasked = run_exception(rows[i].code, rows[i].flag);
        if (rows[i].code == x_underflow) // exact: a masked one is not reported
            CHECK_EQ("masked", masked & ~(u32)(FSW_UE | FSW_PE), 0);
        else
            CHECK_EQ("masked", masked, rows[i].masked);
        CHECK_EQ("unmasked", unmasked & ~(u32)(rows[i].code == x_overflow ? FSW_PE : 0), rows[i].unmasked);
    }
}

// An unmasked exception of a store leaves memory and the stack as they were; a rounded result is stored.
SNIPPET(s_invalid, "fldt (%esi)", "fistps (%edi)")
SNIPPET(s_overflow, "fldt (%esi)", "fstps (%edi)")
SNIPPET(s_round, "fldpi", "fstps (%edi)")
static void store(const char *what, const u8 *code, u16 unmask, u32 expected) {
    static const u32 offsets[] = {0x100, 0x101, 0x13f, 0xfff, 0xffe};
    for (unsigned i = 0; i < sizeof offsets / sizeof *offsets; i++) {
        struct regs r = regs_for(3);
        struct trap t;
        memset(user_buffer, 0, 64);
        *(u64 *)user_buffer = 1ull << 63;
        *(u16 *)(user_buffer + 8) = 0x7000;
        r.esi = (u32)user_buffer;
        r.edi = (u32)user_buffer + offsets[i];
        memset((void *)r.edi, 0xa5, 8);
        fpu_init();
        fpu_control((u16)(0x37f & ~unmask));
        exec(code, &r, &t);
        check_context(what);
        CHECK_DONE("ran", t);
        u32 got;
        memcpy(&got, (void *)r.edi, 4);
        CHECK_EQ("memory", got, expected);
        CHECK_EQ("TOP", fpu_status() >> 11 & 7, unmask && unmask != FSW_PE ? 7 : 0);
        fpu_init();
    }
}

TEST(stores) {
    if (under_qemu()) // TCG looks at pending exceptions in FWAIT alone, and stores regardless
        return;
    write_cr0(read_cr0() | CR0_NE);
    store("invalid, masked", s_invalid, 0, 0xa5a58000);
    store("invalid, unmasked", s_invalid, FSW_IE, 0xa5a5a5a5);
    store("overflow, masked", s_overflow, 0, 0x7f800000);
    store("overflow, unmasked", s_overflow, FSW_OE, 0xa5a5a5a5);
    store("precision, unmasked", s_round, FSW_PE, 0x40490fdb);
}

// FLDCW that unmasks what stands in the status word makes it pend.
SNIPPET(u_unmask, "fldz\n fld1\n fdivp %st, %st(1)\n fldcw (%esi)", "fwait")
TEST(unmasked_later) {
    if (under_qemu()) // TCG looks at pending exceptions in FWAIT alone, and stores regardless
        return;
    write_cr0(read_cr0() | CR0_NE);
    struct regs r = regs_for(3);
    struct trap t;
    fpu_init();
    *(u16 *)r.esi = 0x37b;
    exec(u_unmask, &r, &t);
    CHECK_TRAP(t, VEC_MF, 0, u_unmask_at);
    fpu_init();
}
