// All of the x87 and SSE state through thousands of timer interrupts: a computation whose result is known, while the
// handler leaves the unit alone or saves it, uses it and puts it back.
#include "env.h"
#include "pc.h"

static volatile u32 ticks;
static u8 area[512] __attribute__((aligned(16)));

static bool plain(struct trap_frame *f) {
    (void)f;
    ticks++;
    pic_eoi(IRQ_TIMER);
    return true;
}

static bool saving(struct trap_frame *f) {
    static const u32 mxcsr = 0x5f80;
    (void)f;
    __asm__ volatile("fxsave %0\n fninit\n fldpi\n fldl2e\n fmulp\n pcmpeqb %%mm3, %%mm3\n pcmpeqb %%xmm5, %%xmm5\n"
                     "ldmxcsr %1\n fxrstor %0"
                     : "+m"(area)
                     : "m"(mxcsr));
    ticks++;
    pic_eoi(IRQ_TIMER);
    return true;
}

static bool saving_x87(struct trap_frame *f) {
    (void)f;
    __asm__ volatile("fnsave %0\n fldpi\n fldl2e\n fmulp\n frstor %0" : "+m"(area));
    ticks++;
    pic_eoi(IRQ_TIMER);
    return true;
}

// 1/1 + 1/2 + ... + 1/n with both units, rounding up in one and down in the other.
static void compute(u32 n, u32 *x87, u32 *sse) {
    u16 up = 0xb7f;
    u32 down = 0x3f80, start = 0x1f80, one = 0x3f800000;
    __asm__ volatile("fninit\n fldcw %[up]\n ldmxcsr %[down]\n fldz\n fld1\n fld1\n xorps %%xmm0, %%xmm0\n"
                     "movss %[one], %%xmm1\n movaps %%xmm1, %%xmm2\n movaps %%xmm1, %%xmm7\n"
                     "1: fld %%st(1)\n fdiv %%st(1), %%st\n faddp %%st, %%st(3)\n fadd %%st(1), %%st\n"
                     "movaps %%xmm2, %%xmm3\n divss %%xmm1, %%xmm3\n addss %%xmm3, %%xmm0\n addss %%xmm2, %%xmm1\n"
                     "dec %[n]\n jnz 1b\n"
                     "fstp %%st\n fstp %%st\n fstps %[x87]\n movss %%xmm0, %[sse]\n ldmxcsr %[start]\n fninit"
                     : [n] "+r"(n), [x87] "=m"(*x87), [sse] "=m"(*sse)
                     : [up] "m"(up), [down] "m"(down), [start] "m"(start), [one] "m"(one)
                     : "memory");
}

static void under(trap_hook handler, const char *what) {
    enum { N = 20000 };
    u32 x87, sse, x87_quiet, sse_quiet;
    write_cr4(read_cr4() | 1u << 9);
    compute(N, &x87_quiet, &sse_quiet);
    cli();
    pic_init();
    ticks = 0;
    hook_set(IRQ_VECTOR + IRQ_TIMER, handler);
    pit_start(0, PIT_RATE, PIT_HZ / 4000);
    pic_unmask(IRQ_TIMER);
    sti();
    check_context(what);
    for (unsigned i = 0; i < 10000 && ticks < 200; i++) {
        compute(N, &x87, &sse);
        if (!CHECK_EQ("x87", x87, x87_quiet) | !CHECK_EQ("SSE", sse, sse_quiet))
            break;
    }
    cli();
    pic_mask(IRQ_TIMER);
    CHECK(ticks >= 200);
}

TEST(storm_plain) {
    under(plain, "plain");
}
TEST(storm_saving) {
    under(saving, "FXSAVE in the handler");
}
TEST(storm_saving_x87) {
    under(saving_x87, "FNSAVE in the handler");
}
