// Who may use AVX and when: CPUID, CR4.OSXSAVE, XCR0, CR0.TS. Intel SDM vol. 1, 13.2, 13.3, 14.3; vol. 2, XSETBV,
// XGETBV.
#include "avx.h"

SNIPPET(s_vex, "", "vpxor %xmm0, %xmm0, %xmm0")
SNIPPET(s_vex256, "", "vaddps %ymm0, %ymm0, %ymm0")
SNIPPET(s_zeroupper, "", "vzeroupper")
SNIPPET(s_gather, "", "vgatherdps %xmm0, (%esi,%xmm1), %xmm2")
SNIPPET(s_masked, "", "vmaskmovps (%esi), %xmm1, %xmm2")
SNIPPET(s_vldmxcsr, "", "vldmxcsr (%esi)")
SNIPPET(s_xsave, "", "xsave (%esi)")
SNIPPET(s_xrstor, "", "xrstor (%esi)")
SNIPPET(s_xgetbv, "", "xgetbv")
SNIPPET(s_xsetbv, "", "xsetbv")
SNIPPET(s_lock, "", ".byte 0xf0; xsave (%esi)")

static const u8 *const vector_code[] = {s_vex, s_vex256, s_zeroupper, s_gather, s_masked, s_vldmxcsr};
enum { VECTOR_CODES = sizeof vector_code / sizeof *vector_code };

static void all_trap(const char *what, u32 vector) {
    for (unsigned ring = 0; ring <= 3; ring += 3)
        for (unsigned i = 0; i < VECTOR_CODES; i++) {
            memset(user_buffer, 0, 64);
            *(u32 *)user_buffer = MXCSR_DEFAULT; // for VLDMXCSR
            struct trap t = avx_exec(vector_code[i], ring, 0, 0);
            if (!CHECK_EQ(what, t.vector, vector))
                print("  instruction %u, ring %u\n", i, ring);
        }
}

static u32 xcr_exec(const u8 *code, unsigned ring, u32 eax, u32 ecx, u32 edx) {
    struct regs r = regs_for(ring);
    struct trap t;
    r.eax = eax;
    r.ecx = ecx;
    r.edx = edx;
    exec(code, &r, &t);
    return t.vector;
}

TEST(cpuid) {
    u32 leaf1[4], leaf7[4], d[4], d2[4];
    write_cr4(read_cr4() & ~(u32)CR4_OSXSAVE);
    cpuid(1, leaf1);
    cpuid(7, leaf7);
    CHECK(leaf1[2] & 1u << 26); // XSAVE
    CHECK(leaf1[2] & 1u << 28); // AVX
    CHECK(leaf7[1] & 1u << 5);  // AVX2
    CHECK(!(leaf1[2] & 1u << 27));
    avx_on();
    cpuid(1, leaf1);
    CHECK(leaf1[2] & 1u << 27); // OSXSAVE
    cpuid(13, d);
    CHECK_EQ("components", d[0] & XCR0_ALL, XCR0_ALL);
    CHECK_EQ("size now", d[1], 832);
    xsetbv(XCR0_X87 | XCR0_SSE);
    cpuid(13, d);
    CHECK_EQ("size without AVX", d[1], 576);
    __asm__ volatile("cpuid" : "=a"(d2[0]), "=b"(d2[1]), "=c"(d2[2]), "=d"(d2[3]) : "a"(13), "c"(2));
    CHECK_EQ("size of the upper halves", d2[0], 256);
    CHECK_EQ("their place", d2[1], 576);
}

TEST(undefined_without_osxsave) {
    write_cr4((read_cr4() | CR4_OSFXSR) & ~(u32)CR4_OSXSAVE);
    all_trap("no OSXSAVE", VEC_UD);
    for (unsigned ring = 0; ring <= 3; ring += 3) {
        CHECK_EQ("xsave", avx_exec(s_xsave, ring, 0, XCR0_ALL).vector, VEC_UD);
        CHECK_EQ("xrstor", avx_exec(s_xrstor, ring, 0, XCR0_ALL).vector, VEC_UD);
        CHECK_EQ("xgetbv", xcr_exec(s_xgetbv, ring, 0, 0, 0), VEC_UD);
        if (!(under_qemu() && ring == 3)) // TCG looks at the CPL first
            CHECK_EQ("xsetbv", xcr_exec(s_xsetbv, ring, 7, 0, 0), VEC_UD);
    }
}

TEST(undefined_without_xcr0) {
    avx_on();
    all_trap("enabled", EXEC_DONE);
    xsetbv(XCR0_X87 | XCR0_SSE);
    all_trap("no AVX", VEC_UD);
    xsetbv(XCR0_X87);
    all_trap("no SSE", VEC_UD);
    xsetbv(XCR0_ALL);
    if (!under_qemu()) { // which is none of theirs, but for TCG
        write_cr0(read_cr0() | CR0_EM);
        all_trap("EM", EXEC_DONE);
        write_cr0(read_cr0() & ~CR0_EM);
    }
    write_cr4(read_cr4() & ~(u32)CR4_OSFXSR);
    all_trap("no OSFXSR", EXEC_DONE);
}

TEST(not_available) {
    avx_on();
    write_cr0(read_cr0() | CR0_TS);
    all_trap("TS", VEC_NM);
    if (!under_qemu()) { // TCG does not look at TS
        CHECK_EQ("xsave", avx_exec(s_xsave, 3, 1, XCR0_ALL).vector, VEC_NM);
        CHECK_EQ("xrstor", avx_exec(s_xrstor, 3, 1, XCR0_ALL).vector, VEC_NM);
    }
    CHECK_EQ("xgetbv", xcr_exec(s_xgetbv, 3, 0, 0, 0), EXEC_DONE);
    write_cr0(read_cr0() & ~CR0_TS);
    if (!under_qemu()) // TCG runs it
        CHECK_EQ("LOCK", avx_exec(s_lock, 0, 0, XCR0_ALL).vector, VEC_UD);
}

TEST(xcr0) {
    avx_on();
    CHECK_EQ("read", xgetbv(), XCR0_ALL);
    static const struct {
        u32 eax, ecx, edx, vector;
    } rows[] = {
        {7, 0, 0, EXEC_DONE}, {3, 0, 0, EXEC_DONE},     {1, 0, 0, EXEC_DONE}, {0, 0, 0, VEC_GP},
        {2, 0, 0, VEC_GP},    {6, 0, 0, VEC_GP},        {5, 0, 0, VEC_GP},    {4, 0, 0, VEC_GP},
        {7, 1, 0, VEC_GP},    {7, 0, 1u << 30, VEC_GP}, {15, 0, 0, VEC_GP},   {0x80000007, 0, 0, VEC_GP},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (under_qemu() && (rows[i].eax == 15 || rows[i].eax == 0x80000007))
            continue;
        xsetbv(XCR0_ALL);
        CHECK_EQ("xsetbv", xcr_exec(s_xsetbv, 0, rows[i].eax, rows[i].ecx, rows[i].edx), rows[i].vector);
        CHECK_EQ("xcr0", xgetbv(), rows[i].vector == EXEC_DONE ? rows[i].eax : XCR0_ALL);
        CHECK_EQ("not at ring 3", xcr_exec(s_xsetbv, 3, rows[i].eax, rows[i].ecx, rows[i].edx), VEC_GP);
    }
    CHECK_EQ("xgetbv of 2", xcr_exec(s_xgetbv, 0, 0, 2, 0), VEC_GP);
}

// What XCR0 turns off stays where it was.
TEST(upper_halves_outlast_xcr0) {
    avx_on();
    ymm_fill(3);
    xsetbv(XCR0_X87 | XCR0_SSE);
    __asm__ volatile("pxor %xmm0, %xmm0\n movups %xmm0, %xmm3");
    outb(0x80, 0);
    xsetbv(XCR0_ALL);
    struct ymm v[8];
    ymm_read(v);
    for (u32 i = 0; i < 8; i++) {
        struct ymm expected = ymm_pattern(3 + i);
        CHECK(ymm_equal(v[i].bytes + 16, expected.bytes + 16, 16));
    }
}
