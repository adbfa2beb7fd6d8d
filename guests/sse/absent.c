// Encodings whose meaning depends on a feature that CPUID does not announce behave as on a processor without it: #UD,
// or the older instruction that the encoding is without its prefix (TZCNT is BSF, LZCNT BSR, WBNOINVD WBINVD), or a
// NOP.
#include "sse.h"

#define UNDEFINED(X)                                                                                                   \
    X(vaddps, 0xc5, 0xf4, 0x58, 0xc2) /* VEX with 11b above: LDS in no mode */                                         \
    X(vzeroupper, 0xc5, 0xf8, 0x77)                                                                                    \
    X(vpaddd, 0xc5, 0xf5, 0xfe, 0xc2)                                                                                  \
    X(andn, 0xc4, 0xe2, 0x70, 0xf2, 0xc2)                                                                              \
    X(bextr, 0xc4, 0xe2, 0x70, 0xf7, 0xc2)                                                                             \
    X(shlx, 0xc4, 0xe2, 0x71, 0xf7, 0xc2)                                                                              \
    X(mulx, 0xc4, 0xe2, 0x73, 0xf6, 0xc2)                                                                              \
    X(rorx, 0xc4, 0xe3, 0x7b, 0xf0, 0xc1, 0x01)                                                                        \
    X(vfmadd, 0xc4, 0xe2, 0x71, 0x98, 0xc2)                                                                            \
    X(vcvtph2ps, 0xc4, 0xe2, 0x79, 0x13, 0xc1)                                                                         \
    X(vgatherdd, 0xc4, 0xe2, 0x69, 0x90, 0x04, 0x0e)                                                                   \
    X(evex, 0x62, 0xf1, 0x7c, 0x48, 0x58, 0xc1)                                                                        \
    X(xop, 0x8f, 0xe8, 0x78, 0xc2, 0xc1, 0x01)                                                                         \
    X(movbe_load, 0x0f, 0x38, 0xf0, 0x06)                                                                              \
    X(movbe_store, 0x0f, 0x38, 0xf1, 0x06)                                                                             \
    X(adcx, 0x66, 0x0f, 0x38, 0xf6, 0xc1)                                                                              \
    X(adox, 0xf3, 0x0f, 0x38, 0xf6, 0xc1)                                                                              \
    X(rdrand, 0x0f, 0xc7, 0xf0)                                                                                        \
    X(rdseed, 0x0f, 0xc7, 0xf8)                                                                                        \
    X(rdpid, 0xf3, 0x0f, 0xc7, 0xf8)                                                                                   \
    X(aesenc, 0x66, 0x0f, 0x38, 0xdc, 0xc1)                                                                            \
    X(aesenc_mem, 0x66, 0x0f, 0x38, 0xdc, 0x06)                                                                        \
    X(aesdec, 0x66, 0x0f, 0x38, 0xde, 0xc1)                                                                            \
    X(aesimc, 0x66, 0x0f, 0x38, 0xdb, 0xc1)                                                                            \
    X(aeskeygen, 0x66, 0x0f, 0x3a, 0xdf, 0xc1, 0x01)                                                                   \
    X(pclmulqdq, 0x66, 0x0f, 0x3a, 0x44, 0xc1, 0x00)                                                                   \
    X(sha1rnds4, 0x0f, 0x3a, 0xcc, 0xc1, 0x00)                                                                         \
    X(sha1nexte, 0x0f, 0x38, 0xc8, 0xc1)                                                                               \
    X(sha256rnds2, 0x0f, 0x38, 0xcb, 0xc1)                                                                             \
    X(gf2p8mulb, 0x66, 0x0f, 0x38, 0xcf, 0xc1)                                                                         \
    X(insertq, 0xf2, 0x0f, 0x79, 0xc1)                                                                                 \
    X(extrq, 0x66, 0x0f, 0x79, 0xc1)                                                                                   \
    X(movntss, 0xf3, 0x0f, 0x2b, 0x06)                                                                                 \
    X(movntsd, 0xf2, 0x0f, 0x2b, 0x06)                                                                                 \
    X(pfadd, 0x0f, 0x0f, 0xc1, 0x9e)                                                                                   \
    X(femms, 0x0f, 0x0e)                                                                                               \
    X(syscall, 0x0f, 0x05)                                                                                             \
    X(sysret, 0x0f, 0x07)                                                                                              \
    X(xgetbv, 0x0f, 0x01, 0xd0)                                                                                        \
    X(xsetbv, 0x0f, 0x01, 0xd1)                                                                                        \
    X(xsave, 0x0f, 0xae, 0x26)                                                                                         \
    X(xrstor, 0x0f, 0xae, 0x2e)                                                                                        \
    X(xsaveopt, 0x0f, 0xae, 0x36)                                                                                      \
    X(xsavec, 0x0f, 0xc7, 0x26)                                                                                        \
    X(clflush, 0x0f, 0xae, 0x3e)                                                                                       \
    X(clflushopt, 0x66, 0x0f, 0xae, 0x3e)                                                                              \
    X(clwb, 0x66, 0x0f, 0xae, 0x36)                                                                                    \
    X(monitor, 0x0f, 0x01, 0xc8)                                                                                       \
    X(mwait, 0x0f, 0x01, 0xc9)                                                                                         \
    X(monitorx, 0x0f, 0x01, 0xfa)                                                                                      \
    X(clac, 0x0f, 0x01, 0xca)                                                                                          \
    X(stac, 0x0f, 0x01, 0xcb)                                                                                          \
    X(encls, 0x0f, 0x01, 0xcf)                                                                                         \
    X(vmcall, 0x0f, 0x01, 0xc1)                                                                                        \
    X(vmlaunch, 0x0f, 0x01, 0xc2)                                                                                      \
    X(xend, 0x0f, 0x01, 0xd5)                                                                                          \
    X(xtest, 0x0f, 0x01, 0xd6)                                                                                         \
    X(vmrun, 0x0f, 0x01, 0xd8)                                                                                         \
    X(vmmcall, 0x0f, 0x01, 0xd9)                                                                                       \
    X(clgi, 0x0f, 0x01, 0xdd)                                                                                          \
    X(rdtscp, 0x0f, 0x01, 0xf9)                                                                                        \
    X(clzero, 0x0f, 0x01, 0xfc)                                                                                        \
    X(serialize, 0x0f, 0x01, 0xe8)                                                                                     \
    X(rdpkru, 0x0f, 0x01, 0xee)                                                                                        \
    X(invept, 0x66, 0x0f, 0x38, 0x80, 0x06)                                                                            \
    X(invpcid, 0x66, 0x0f, 0x38, 0x82, 0x06)                                                                           \
    X(vmread, 0x0f, 0x78, 0xc1)                                                                                        \
    X(getsec, 0x0f, 0x37)                                                                                              \
    X(movdiri, 0x0f, 0x38, 0xf9, 0x06)                                                                                 \
    X(movdir64b, 0x66, 0x0f, 0x38, 0xf8, 0x06)                                                                         \
    X(umonitor, 0xf3, 0x0f, 0xae, 0xf0)                                                                                \
    X(tpause, 0x66, 0x0f, 0xae, 0xf0)                                                                                  \
    X(ptwrite, 0xf3, 0x0f, 0xae, 0xe0)                                                                                 \
    X(incssp, 0xf3, 0x0f, 0xae, 0xe8)                                                                                  \
    X(xbegin, 0xc7, 0xf8, 0x00, 0x00, 0x00, 0x00)                                                                      \
    X(xabort, 0xc6, 0xf8, 0x00)                                                                                        \
    X(rsm, 0x0f, 0xaa)                                                                                                 \
    X(ud0, 0x0f, 0xff, 0xc1)                                                                                           \
    X(ud1, 0x0f, 0xb9, 0xc1)

#define BYTES(name, ...) static const u8 e_##name[16] = {__VA_ARGS__, 0xcd, EXEC_DONE};
UNDEFINED(BYTES)

static const struct {
    const char *name;
    const u8 *bytes;
} undefined[] = {
#define ROW(name, ...) {#name, e_##name},
    UNDEFINED(ROW)};

static u8 *const code = (u8 *)user_buffer + 0x1000;

static struct trap run(const u8 *bytes, unsigned ring) {
    struct regs r = regs_for(ring);
    struct trap t;
    memcpy(code, bytes, 16);
    memset(user_buffer, 0, 64);
    r.esi = (u32)user_buffer;
    r.eax = 0x00f00100;
    r.ecx = 0x00012340;
    r.edx = 0x55;
    r.eflags |= FLAG_CF | FLAG_OF;
    exec(code, &r, &t);
    CHECK_EQ("memory", *(u32 *)user_buffer, 0);
    return t;
}

TEST(undefined) {
    if (under_qemu()) // announces them
        return;
    sse_on();
    for (unsigned ring = 0; ring <= 3; ring += 3)
        for (unsigned i = 0; i < sizeof undefined / sizeof *undefined; i++) {
            struct trap t = run(undefined[i].bytes, ring);
            check_context(undefined[i].name);
            CHECK_TRAP(t, VEC_UD, 0, code);
            CHECK_EQ("eax", t.r.eax, 0x00f00100);
            CHECK_EQ("flags", t.r.eflags & FLAGS_ARITH, FLAG_CF | FLAG_OF);
        }
    __asm__ volatile("fninit");
}

TEST(older_meaning) {
    static const u8 tzcnt[16] = {0xf3, 0x0f, 0xbc, 0xc1, 0xcd, EXEC_DONE},
                    lzcnt[16] = {0xf3, 0x0f, 0xbd, 0xc1, 0xcd, EXEC_DONE};
    if (under_qemu())
        return;
    struct trap t = run(tzcnt, 3);
    CHECK_DONE("BSF", t);
    CHECK_EQ("lowest bit", t.r.eax, 6);
    t = run(lzcnt, 3);
    CHECK_DONE("BSR", t);
    CHECK_EQ("highest bit", t.r.eax, 16);
    CHECK_EQ("ZF", t.r.eflags & FLAG_ZF, 0);
}

// Hints of later processors are NOPs: ENDBR32, RDSSP, CLDEMOTE, MPX, PREFETCHIT, and WBNOINVD is WBINVD at CPL 0.
TEST(hints) {
    static const u8 endbr[16] = {0xf3, 0x0f, 0x1e, 0xfb, 0xcd, EXEC_DONE},
                    rdssp[16] = {0xf3, 0x0f, 0x1e, 0xc8, 0xcd, EXEC_DONE},
                    cldemote[16] = {0x0f, 0x1c, 0x06, 0xcd, EXEC_DONE},
                    bndcl[16] = {0xf3, 0x0f, 0x1a, 0x06, 0xcd, EXEC_DONE},
                    bndmk[16] = {0xf3, 0x0f, 0x1b, 0x06, 0xcd, EXEC_DONE},
                    prefetchw[16] = {0x0f, 0x0d, 0x0e, 0xcd, EXEC_DONE},
                    xacquire[16] = {0xf2, 0xf0, 0x83, 0x06, 0x00, 0xcd, EXEC_DONE},
                    wbnoinvd[16] = {0xf3, 0x0f, 0x09, 0xcd, EXEC_DONE};
    const u8 *const all[] = {endbr, rdssp, cldemote, bndcl, bndmk, prefetchw, xacquire};
    if (under_qemu())
        return;
    for (unsigned i = 0; i < sizeof all / sizeof *all; i++) {
        struct trap t = run(all[i], 3);
        CHECK_DONE("NOP", t);
        CHECK_EQ("eax", t.r.eax, 0x00f00100);
    }
    struct trap t = run(wbnoinvd, 0);
    CHECK_DONE("WBINVD", t);
    t = run(wbnoinvd, 3);
    CHECK_TRAP(t, VEC_GP, 0, code);
}
