// A VEX instruction of 128 bits does to the low halves what SSE does, and zeroes the upper one; one of 256 bits does
// the same to both halves. Destination, first source and second source are three registers. Intel SDM vol. 2, 2.3.
#include "avx.h"

// clang-format off
#define BINARY(X) \
    X(addps) X(addpd) X(subps) X(subpd) X(mulps) X(mulpd) X(divps) X(divpd) X(minps) X(minpd) X(maxps) X(maxpd) \
    X(andps) X(andpd) X(andnps) X(andnpd) X(orps) X(orpd) X(xorps) X(xorpd) X(haddps) X(haddpd) X(hsubps) X(hsubpd) \
    X(addsubps) X(addsubpd) X(unpcklps) X(unpcklpd) X(unpckhps) X(unpckhpd) X(paddb) X(paddw) X(paddd) X(paddq) \
    X(psubb) X(psubw) X(psubd) X(psubq) X(paddsb) X(paddsw) X(paddusb) X(paddusw) X(psubsb) X(psubsw) X(psubusb) \
    X(psubusw) X(pmullw) X(pmulhw) X(pmulhuw) X(pmulhrsw) X(pmulld) X(pmuldq) X(pmuludq) X(pmaddwd) X(pmaddubsw) \
    X(pand) X(pandn) X(por) X(pxor) X(pcmpeqb) X(pcmpeqw) X(pcmpeqd) X(pcmpeqq) X(pcmpgtb) X(pcmpgtw) X(pcmpgtd) \
    X(pcmpgtq) X(pminub) X(pminuw) X(pminud) X(pminsb) X(pminsw) X(pminsd) X(pmaxub) X(pmaxuw) X(pmaxud) X(pmaxsb) \
    X(pmaxsw) X(pmaxsd) X(pavgb) X(pavgw) X(psadbw) X(pshufb) X(psignb) X(psignw) X(psignd) X(phaddw) X(phaddd) \
    X(phaddsw) X(phsubw) X(phsubd) X(phsubsw) X(packsswb) X(packssdw) X(packuswb) X(packusdw) X(punpcklbw) \
    X(punpcklwd) X(punpckldq) X(punpcklqdq) X(punpckhbw) X(punpckhwd) X(punpckhdq) X(punpckhqdq)

#define UNARY(X) \
    X(sqrtps) X(sqrtpd) X(cvtdq2ps) X(cvtps2dq) X(cvttps2dq) X(pabsb) X(pabsw) X(pabsd) X(movsldup) X(movshdup) \
    X(movddup) X(movaps) X(movupd) X(movdqa) X(movdqu)

#define IMMEDIATE(X) \
    X(shufps, 0x1b) X(shufpd, 2) X(cmpps, 1) X(cmppd, 6) X(blendps, 9) X(blendpd, 2) X(pblendw, 0x5a) X(palignr, 5) \
    X(mpsadbw, 0) X(dpps, 0xff)
// clang-format on

typedef void operation(const struct ymm in[2], struct ymm *out);

// in[0] is the first source; SSE destroys it.
#define DEFINE(op, sse, vex128, vex256)                                                                                \
    static void sse_##op(const struct ymm in[2], struct ymm *out) {                                                    \
        __asm__ volatile("movups (%0), %%xmm3\n movups 32(%0), %%xmm5\n" sse "\n movups %%xmm3, (%1)" ::"r"(in),       \
                         "r"(out)                                                                                      \
                         : "memory");                                                                                  \
    }                                                                                                                  \
    static void x_##op(const struct ymm in[2], struct ymm *out) {                                                      \
        __asm__ volatile("vmovups (%0), %%ymm3\n vmovups 32(%0), %%ymm5\n vmovups (%0), %%ymm6\n" vex128               \
                         "\n vmovups %%ymm6, (%1)" ::"r"(in),                                                          \
                         "r"(out)                                                                                      \
                         : "memory");                                                                                  \
    }                                                                                                                  \
    static void y_##op(const struct ymm in[2], struct ymm *out) {                                                      \
        __asm__ volatile("vmovups (%0), %%ymm3\n" vex256 "\n vmovups %%ymm6, (%1)" ::"r"(in), "r"(out) : "memory");    \
    }
#define DEFINE_BINARY(op)                                                                                              \
    DEFINE(op, #op " %%xmm5, %%xmm3", "v" #op " %%xmm5, %%xmm3, %%xmm6", "v" #op " 32(%0), %%ymm3, %%ymm6")
#define DEFINE_UNARY(op) DEFINE(op, #op " %%xmm5, %%xmm3", "v" #op " %%xmm5, %%xmm6", "v" #op " 32(%0), %%ymm6")
#define DEFINE_IMMEDIATE(op, imm)                                                                                      \
    DEFINE(op, #op " $" #imm ", %%xmm5, %%xmm3", "v" #op " $" #imm ", %%xmm5, %%xmm3, %%xmm6",                         \
           "v" #op " $" #imm ", 32(%0), %%ymm3, %%ymm6")
BINARY(DEFINE_BINARY)
UNARY(DEFINE_UNARY)
IMMEDIATE(DEFINE_IMMEDIATE)

static const struct {
    const char *name;
    operation *sse, *x, *y;
} rows[] = {
#define ROW(op, ...) {#op, sse_##op, x_##op, y_##op},
    BINARY(ROW) UNARY(ROW) IMMEDIATE(ROW)};

// Numbers, so that arithmetic neither traps nor meets a NaN of which two payloads could be right.
static void operands(struct ymm in[2], u32 round) {
    static const u32 values[] = {0x3f800000, 0xbf000000, 0x40490fdb, 0x42c80000, 0x3e99999a,
                                 0xc1200000, 0x3f19999a, 0x44fa0000, 0x3c23d70a, 0xc0a00000};
    for (unsigned i = 0; i < 16; i++)
        ((u32 *)in[i / 8].bytes)[i % 8] = values[(i * 7 + round * 3) % 10];
}

static void one(unsigned i, const struct ymm in[2]) {
    struct ymm low, high, x, y, swapped[2], zero;
    memset(&zero, 0, sizeof zero);
    for (unsigned k = 0; k < 2; k++) {
        memcpy(swapped[k].bytes, in[k].bytes + 16, 16);
        memcpy(swapped[k].bytes + 16, in[k].bytes, 16);
    }
    rows[i].sse(in, &low);
    rows[i].sse(swapped, &high);
    rows[i].x(in, &x);
    rows[i].y(in, &y);
    check_context(rows[i].name);
    CHECK(ymm_equal(x.bytes, low.bytes, 16));
    CHECK(ymm_equal(x.bytes + 16, zero.bytes, 16));
    CHECK(ymm_equal(y.bytes, low.bytes, 16));
    // The immediates of these choose by position in the whole register.
    bool by_position = rows[i].sse == sse_blendps || rows[i].sse == sse_blendpd || rows[i].sse == sse_shufpd;
    if (!by_position)
        CHECK(ymm_equal(y.bytes + 16, high.bytes, 16));
}

TEST(lanes) {
    avx_on();
    for (u32 round = 0; round < 10; round++) {
        struct ymm in[2];
        operands(in, round);
        for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++)
            one(i, in);
    }
    check_context(NULL);
}

TEST(zero) {
    avx_on();
    ymm_fill(1);
    struct ymm v[8], zero;
    memset(&zero, 0, sizeof zero);
    __asm__ volatile("vzeroupper");
    ymm_read(v);
    for (u32 i = 0; i < 8; i++) {
        struct ymm expected = ymm_pattern(1 + i);
        CHECK(ymm_equal(v[i].bytes, expected.bytes, 16));
        CHECK(ymm_equal(v[i].bytes + 16, zero.bytes, 16));
    }
    ymm_fill(2);
    __asm__ volatile("vzeroall");
    ymm_read(v);
    for (u32 i = 0; i < 8; i++)
        CHECK(ymm_equal(&v[i], &zero, 32));
}

// SSE leaves upper halves alone.
TEST(sse_keeps_upper_halves) {
    avx_on();
    ymm_fill(4);
    __asm__ volatile("pxor %xmm2, %xmm2\n addps %xmm2, %xmm2");
    struct ymm v[8], expected = ymm_pattern(4 + 2);
    ymm_read(v);
    CHECK(ymm_equal(v[2].bytes + 16, expected.bytes + 16, 16));
}

// General registers, scalars, permutations and the immediate that names a register, each against what it must give.
TEST(others) {
    avx_on();
    static const u32 in[8] = {1, 2, 3, 4, 5, 6, 7, 0x80000008};
    u32 out[8], value;
    __asm__ volatile("vmovd %1, %%xmm1\n vpbroadcastd %%xmm1, %%ymm2\n vmovdqu %%ymm2, %0" : "=m"(out) : "r"(77));
    CHECK_EQ("broadcast", out[7], 77);
    __asm__ volatile("vmovdqu %1, %%ymm1\n vmovmskps %%ymm1, %0" : "=r"(value) : "m"(in));
    CHECK_EQ("signs", value, 0x80);
    __asm__ volatile("vmovdqu %1, %%ymm1\n vpmovmskb %%ymm1, %0" : "=r"(value) : "m"(in));
    CHECK_EQ("byte signs", value, 0x80000000);
    __asm__ volatile("vmovdqu %1, %%ymm1\n vextracti128 $1, %%ymm1, %%xmm2\n vpextrd $2, %%xmm2, %0"
                     : "=r"(value)
                     : "m"(in));
    CHECK_EQ("upper half", value, 7);
    __asm__ volatile("vmovdqu %1, %%ymm1\n vpermq $0x1b, %%ymm1, %%ymm2\n vmovdqu %%ymm2, %0" : "=m"(out) : "m"(in));
    CHECK_EQ("permuted", out[0], 7);
    CHECK_EQ("permuted", out[7], 2);
    __asm__ volatile("vpcmpeqd %%ymm7, %%ymm7, %%ymm7\n vmovdqu %1, %%ymm1\n vpxor %%ymm2, %%ymm2, %%ymm2\n"
                     "vblendvps %%ymm7, %%ymm1, %%ymm2, %%ymm3\n vmovdqu %%ymm3, %0"
                     : "=m"(out)
                     : "m"(in));
    CHECK_EQ("chosen", out[4], 5);
    __asm__ volatile("vbroadcasti128 %1, %%ymm3\n vmovdqu %%ymm3, %0" : "=m"(out) : "m"(in));
    CHECK_EQ("repeated", out[5], 2);
    __asm__ volatile("vcvtsi2sd %1, %%xmm1, %%xmm1\n vaddsd %%xmm1, %%xmm1, %%xmm1\n vcvttsd2si %%xmm1, %0"
                     : "=r"(value)
                     : "r"(21));
    CHECK_EQ("scalar", value, 42);
    __asm__ volatile("vmovdqu %1, %%ymm1\n vtestps %%ymm1, %%ymm1\n setz %%al\n movzbl %%al, %0"
                     : "=a"(value)
                     : "m"(in));
    CHECK_EQ("flags", value, 0);
}
