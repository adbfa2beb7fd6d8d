// #XM with MXCSR, #UD instead where CR4.OSXMMEXCPT is clear, what the status flags and the registers hold then, and the
// masked results (SDM vol. 1, 11.5; vol. 3A, 6.15 on #XM).
#include "sse.h"

SNIPPET(n_invalid, "", "sqrtss (%esi), %xmm0")  // of -1
SNIPPET(n_denormal, "", "addss 4(%esi), %xmm0") // denormal
SNIPPET(n_zero, "", "divss 8(%esi), %xmm0")     // 1 / 0
SNIPPET(n_overflow, "movss 12(%esi), %xmm0", "mulss %xmm0, %xmm0")
SNIPPET(n_underflow, "movss 16(%esi), %xmm0", "mulss %xmm0, %xmm0")
SNIPPET(n_precision, "", "divss 20(%esi), %xmm0") // 1 / 3
SNIPPET(n_packed, "movaps 32(%esi), %xmm1", "divps 48(%esi), %xmm1")
SNIPPET(n_convert, "", "cvttss2si 24(%esi), %eax")
SNIPPET(n_compare, "", "ucomiss 28(%esi), %xmm0") // a signalling NaN
SNIPPET(n_mmx, "", "cvtps2pi 64(%esi), %mm0")
SNIPPET(n_nop, "", "nop")

static const struct {
    const char *name;
    const u8 *code, *at;
    u32 flag, flags;
} rows[] = {
    {"invalid", n_invalid, n_invalid_at, MX_IE, MX_IE},
    {"denormal", n_denormal, n_denormal_at, MX_DE, MX_DE | MX_PE},
    {"zero", n_zero, n_zero_at, MX_ZE, MX_ZE},
    {"overflow", n_overflow, n_overflow_at, MX_OE, MX_OE | MX_PE},
    {"underflow", n_underflow, n_underflow_at, MX_UE, MX_UE | MX_PE},
    {"precision", n_precision, n_precision_at, MX_PE, MX_PE},
    {"packed", n_packed, n_packed_at, MX_ZE, MX_ZE | MX_PE},
    {"convert", n_convert, n_convert_at, MX_IE, MX_IE},
    {"compare", n_compare, n_compare_at, MX_IE, MX_IE},
    {"MMX", n_mmx, n_mmx_at, MX_IE, MX_IE},
};

static void fill(void) {
    static const u32 values[20] = {0xbf800000, 1, 0, 0x7f000000, 0x00800000, 0x40400000, 0x7f800000, 0x7fa00000,
                                   // packed: 1/0, 1/3, 1/1, 0/1
                                   0x3f800000, 0x3f800000, 0x3f800000, 0, 0, 0x40400000, 0x3f800000, 0x3f800000,
                                   0x7f800000, 0x3f800000, 0, 0};
    memcpy(user_buffer, values, sizeof values);
}

static struct trap run(unsigned i, u32 mxcsr, u32 *after, u32 xmm[8]) {
    static const u32 one = 0x3f800000;
    fill();
    mxcsr_set(mxcsr);
    __asm__ volatile("movss %0, %%xmm0\n movaps %1, %%xmm1" ::"m"(one), "m"(user_buffer[32]));
    struct trap t = sse_exec(rows[i].code, 3, 0);
    *after = mxcsr_get();
    mxcsr_set(MX_DEFAULT);
    __asm__ volatile("movups %0, %%xmm7" ::"m"(xmm[0])); // keeps the compiler from reading stale memory
    __asm__ volatile("movups %%xmm0, %0\n movups %%xmm1, %1" : "=m"(*(u32(*)[4])xmm), "=m"(*(u32(*)[4])(xmm + 4)));
    __asm__ volatile("emms");
    return t;
}

TEST(masked) {
    if (under_qemu()) // TCG does not report denormals
        return;
    u32 after, xmm[8];
    sse_on();
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct trap t = run(i, MX_DEFAULT, &after, xmm);
        check_context(rows[i].name);
        CHECK_DONE("ran", t);
        CHECK_EQ("flags", after & 0x3f, rows[i].flags);
    }
    run(6, MX_DEFAULT, &after, xmm);
    CHECK_EQ("1/0", xmm[4], 0x7f800000);
    CHECK_EQ("1/3", xmm[5], 0x3eaaaaab);
    struct trap t = run(7, MX_DEFAULT, &after, xmm);
    CHECK_EQ("integer indefinite", t.r.eax, 0x80000000);
}

TEST(unmasked) {
    if (under_qemu()) // TCG raises no #XM
        return;
    u32 after, xmm[8];
    for (unsigned round = 0; round < 2; round++) {
        sse_on();
        if (round)
            write_cr4(read_cr4() & ~(u32)CR4_OSXMMEXCPT);
        for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
            struct trap t = run(i, MX_DEFAULT & ~(rows[i].flag << 7), &after, xmm);
            check_context(rows[i].name);
            CHECK_TRAP(t, round ? VEC_UD : VEC_XM, 0, rows[i].at);
            CHECK_EQ("flag", after & rows[i].flag, rows[i].flag);
            CHECK_EQ("masks kept", after & 0x1f80, MX_DEFAULT & ~(rows[i].flag << 7));
            if (i == 6) {
                CHECK_EQ("destination kept", xmm[4], 0x3f800000);
                CHECK_EQ("destination kept", xmm[5], 0x3f800000);
            }
            if (i == 7)
                CHECK_EQ("register kept", t.r.eax, 0);
            // A flag that stands does not pend: the next instruction runs.
            t = exec_ring(n_nop, 3);
            CHECK_DONE("no longer", t);
        }
    }
}

// Rounding by MXCSR.RC, flush to zero, DAZ where MXCSR_MASK has it.
TEST(control) {
    static const u32 third[4] = {0x3eaaaaab, 0x3eaaaaaa, 0x3eaaaaab, 0x3eaaaaaa};
    static u8 image[512] __attribute__((aligned(16)));
    u32 after, xmm[8];
    sse_on();
    for (u32 rc = 0; rc < 4; rc++) {
        run(5, MX_DEFAULT | rc << 13, &after, xmm);
        CHECK_EQ("1/3", xmm[0], third[rc]);
    }
    run(4, MX_DEFAULT | 1 << 15, &after, xmm);
    CHECK_EQ("flushed", xmm[0], 0);
    CHECK_EQ("flags", after & 0x3f, MX_UE | MX_PE);
    __asm__ volatile("fxsave %0" : "=m"(image));
    u32 mask = *(u32 *)(image + 28);
    CHECK(mask == 0 || (mask & ~0x40u) == 0xffbf);
    if (mask & MX_DAZ) {
        run(1, MX_DEFAULT | MX_DAZ, &after, xmm);
        CHECK_EQ("denormal is zero", after & 0x3f, 0);
    }
}
