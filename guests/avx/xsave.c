// XSAVE and XRSTOR: what is written, what a header refuses, initial states, faults that change nothing. Intel SDM vol.
// 1, 13.4 to 13.8.
#include "avx.h"
#include "paging.h"

SNIPPET(x_save, "", "xsave (%esi)")
SNIPPET(x_restore, "", "xrstor (%esi)")

enum { FTW = 4, MXCSR = 24, XMM = 160, HEADER = 512, YMM = 576, IMAGE = 832 };

static u8 *image(void) {
    return user_buffer;
}

static u32 bv(void) {
    return *(u32 *)(image() + HEADER);
}

// Nothing in use: every component is as after power-up.
static void state_initial(void) {
    static const u32 mxcsr = MXCSR_DEFAULT;
    __asm__ volatile("fninit\n vzeroall\n ldmxcsr %0" ::"m"(mxcsr));
}

static void save(u32 components) {
    struct trap t = avx_exec(x_save, 3, 0, components);
    CHECK_DONE("saved", t);
}

static void restore(u32 components) {
    struct trap t = avx_exec(x_restore, 3, 0, components);
    CHECK_DONE("restored", t);
}

TEST(round_trip) {
    avx_on();
    __asm__ volatile("fninit\n fldpi\n fld1");
    ymm_fill(5);
    memset(image(), 0, IMAGE);
    save(XCR0_ALL);
    CHECK_EQ("all in use", bv(), XCR0_ALL);
    struct ymm expected = ymm_pattern(5 + 7);
    CHECK(ymm_equal(image() + XMM + 7 * 16, expected.bytes, 16));
    CHECK(ymm_equal(image() + YMM + 7 * 16, expected.bytes + 16, 16));
    CHECK_EQ("tags", image()[FTW], 0xc0);
    state_initial();
    restore(XCR0_ALL);
    CHECK(ymm_filled(5));
    double top;
    __asm__ volatile("fstpl %0\n fninit" : "=m"(top));
    CHECK_EQ("top of the stack", ((u32 *)&top)[1], 0x3ff00000);
}

// RFBM: only what is asked for is written, and of XSTATE_BV only those bits change.
TEST(parts) {
    avx_on();
    for (u32 asked = 0; asked < 8; asked++) {
        __asm__ volatile("fninit\n fldpi");
        ymm_fill(9);
        memset(image(), 0xee, IMAGE);
        memset(image() + HEADER, 0, 64);
        *(u32 *)(image() + HEADER) = 7;
        save(asked);
        struct ymm expected = ymm_pattern(9), junk;
        memset(&junk, 0xee, sizeof junk);
        CHECK_EQ("bits", bv(), 7);
        CHECK_EQ("x87", image()[FTW], asked & XCR0_X87 ? 0x80 : 0xee);
        if (!(under_qemu() && (asked & 6) == XCR0_AVX)) // TCG writes it with the XMM registers alone
            CHECK_EQ("mxcsr", *(u32 *)(image() + MXCSR), asked & 6 ? MXCSR_DEFAULT : 0xeeeeeeee);
        CHECK(ymm_equal(image() + XMM, asked & XCR0_SSE ? expected.bytes : junk.bytes, 16));
        CHECK(ymm_equal(image() + YMM, asked & XCR0_AVX ? expected.bytes + 16 : junk.bytes, 16));
    }
    __asm__ volatile("fninit");
}

// A component whose bit is clear takes its initial state, whatever the image holds; MXCSR is loaded all the same.
TEST(initial_states) {
    avx_on();
    for (u32 present = 0; present < 8; present++) {
        __asm__ volatile("fninit\n fldpi");
        ymm_fill(20);
        memset(image(), 0, IMAGE);
        save(XCR0_ALL);
        *(u32 *)(image() + HEADER) = present;
        *(u32 *)(image() + MXCSR) = 0x1fc0;
        ymm_fill(1);
        __asm__ volatile("fninit\n fldz\n fldz");
        restore(XCR0_ALL);
        struct ymm v[8], expected = ymm_pattern(20 + 6), zero;
        memset(&zero, 0, sizeof zero);
        ymm_read(v);
        CHECK(ymm_equal(v[6].bytes, present & XCR0_SSE ? expected.bytes : zero.bytes, 16));
        CHECK(ymm_equal(v[6].bytes + 16, present & XCR0_AVX ? expected.bytes + 16 : zero.bytes, 16));
        u32 mxcsr;
        u16 status;
        __asm__ volatile("stmxcsr %0\n fnstsw %1" : "=m"(mxcsr), "=m"(status));
        CHECK_EQ("mxcsr", mxcsr, 0x1fc0);
        CHECK_EQ("top", status >> 11 & 7, present & XCR0_X87 ? 7 : 0);
    }
    state_initial();
}

// A state that is the initial one may be left out of XSTATE_BV. Then what is loaded is the initial state.
TEST(not_in_use) {
    avx_on();
    state_initial();
    memset(image(), 0, IMAGE);
    save(XCR0_ALL);
    ymm_fill(2);
    restore(XCR0_ALL);
    struct ymm v[8], zero;
    memset(&zero, 0, sizeof zero);
    ymm_read(v);
    CHECK(ymm_equal(&v[5], &zero, 32));
}

TEST(refused) {
    avx_on();
    ymm_fill(30);
    memset(image(), 0, IMAGE + 64);
    *(u32 *)(image() + MXCSR) = MXCSR_DEFAULT;
    for (u32 offset = 1; offset < 64; offset++) {
        CHECK_EQ("save", avx_exec(x_save, 3, offset, 7).vector, VEC_GP);
        CHECK_EQ("restore", avx_exec(x_restore, 3, offset, 7).vector, VEC_GP);
    }
    for (unsigned bit = 3; bit < 24 * 8; bit++) { // XSTATE_BV beyond XCR0; XCOMP_BV; the eight bytes behind it
        image()[HEADER + bit / 8] = (u8)(1u << bit % 8);
        if (!(under_qemu() && bit >= 64)) // TCG knows the compacted form
            CHECK_EQ("header", avx_exec(x_restore, 3, 0, 7).vector, VEC_GP);
        image()[HEADER + bit / 8] = 0;
    }
    for (unsigned bit = 16; bit < 32; bit++) {
        *(u32 *)(image() + MXCSR) = MXCSR_DEFAULT | 1u << bit;
        if (!under_qemu()) { // TCG takes any
            CHECK_EQ("mxcsr with SSE", avx_exec(x_restore, 3, 0, 2).vector, VEC_GP);
            CHECK_EQ("mxcsr with AVX", avx_exec(x_restore, 3, 0, 4).vector, VEC_GP);
        }
        CHECK_EQ("mxcsr not looked at", avx_exec(x_restore, 3, 0, 1).vector, EXEC_DONE);
    }
    *(u32 *)(image() + MXCSR) = MXCSR_DEFAULT;
    CHECK(ymm_filled(30));
    xsetbv(XCR0_X87 | XCR0_SSE);
    *(u32 *)(image() + HEADER) = XCR0_AVX;
    CHECK_EQ("not in XCR0", avx_exec(x_restore, 3, 0, 7).vector, VEC_GP);
    *(u32 *)(image() + HEADER) = 0;
}

TEST(page_faults) {
    avx_on();
    struct space s = space_new(PAGING_32);
    space_identity(&s);
    pte_set(&s, (u32)user_buffer + 0x1000, 0);
    pte_set(&s, (u32)user_buffer + 0x2000, (u32)user_buffer + 0x2000 + PTE_P + PTE_U); // read-only
    space_enter(&s);
    const u32 missing = (u32)user_buffer + 0x1000;
    static const u32 tails[] = {64, 192, 320, 576, 640}; // bytes of the image before the missing page
    for (unsigned i = 0; i < sizeof tails / sizeof *tails; i++) {
        u32 at = 0x1000 - tails[i];
        ymm_fill(40);
        memset(user_buffer + at, 0, tails[i]);
        if (tails[i] >= 576)
            user_buffer[at + HEADER] = 7;
        *(u32 *)(user_buffer + at + MXCSR) = MXCSR_DEFAULT;
        struct trap t = avx_exec(x_restore, 3, at, 7);
        CHECK_EQ("restore", t.vector, VEC_PF);
        CHECK_EQ("its error", t.error, PF_U);
        CHECK_EQ("page", t.cr2 & ~0xfffu, missing);
        if (!under_qemu()) // TCG restores up to the fault
            CHECK(ymm_filled(40));
        t = avx_exec(x_save, 3, at, 7);
        CHECK_EQ("save", t.vector, VEC_PF);
        CHECK_EQ("its page", t.cr2 & ~0xfffu, missing);
    }
    struct trap t = avx_exec(x_save, 3, 0x2000, 7);
    CHECK_EQ("read-only", t.vector, VEC_PF);
    CHECK_EQ("its error", t.error, PF_U | PF_W | PF_P);
    t = avx_exec(x_save, 3, 0x1000 - 576, 3); // the part that is missing is not asked for
    CHECK_DONE("without AVX", t);
}
