// Misaligned operands: #GP(0) where 16 bytes must be aligned, whatever the page holds, none where they need not, and
// #AC only where it is asked for (SDM vol. 1, 11.4.4; vol. 3A, 6.15; vol. 2, the instructions).
#include "paging.h"
#include "sse.h"

#define STRICT(X)                                                                                                      \
    X(a_movaps, "movaps (%esi), %xmm0")                                                                                \
    X(a_movaps_st, "movaps %xmm0, (%esi)")                                                                             \
    X(a_movapd, "movapd (%esi), %xmm1")                                                                                \
    X(a_movdqa, "movdqa (%esi), %xmm2")                                                                                \
    X(a_movdqa_st, "movdqa %xmm2, (%esi)")                                                                             \
    X(a_movntps, "movntps %xmm2, (%esi)")                                                                              \
    X(a_movntdq, "movntdq %xmm2, (%esi)")                                                                              \
    X(a_movntdqa, "movntdqa (%esi), %xmm2")                                                                            \
    X(a_addps, "addps (%esi), %xmm0")                                                                                  \
    X(a_mulpd, "mulpd (%esi), %xmm0")                                                                                  \
    X(a_andps, "andps (%esi), %xmm0")                                                                                  \
    X(a_pxor, "pxor (%esi), %xmm0")                                                                                    \
    X(a_pshufd, "pshufd $1, (%esi), %xmm0")                                                                            \
    X(a_psllw, "psllw (%esi), %xmm0")                                                                                  \
    X(a_pshufb, "pshufb (%esi), %xmm0")                                                                                \
    X(a_palignr, "palignr $3, (%esi), %xmm0")                                                                          \
    X(a_haddps, "haddps (%esi), %xmm0")                                                                                \
    X(a_pblendvb, "pblendvb %xmm0, (%esi), %xmm1")                                                                     \
    X(a_pmulld, "pmulld (%esi), %xmm0")                                                                                \
    X(a_ptest, "ptest (%esi), %xmm0")                                                                                  \
    X(a_roundps, "roundps $0, (%esi), %xmm0")                                                                          \
    X(a_cvtdq2ps, "cvtdq2ps (%esi), %xmm0")                                                                            \
    X(a_pcmpgtq, "pcmpgtq (%esi), %xmm0")
#define LOOSE(X)                                                                                                       \
    X(l_movups, "movups (%esi), %xmm0", 16)                                                                            \
    X(l_movups_st, "movups %xmm0, (%esi)", 16)                                                                         \
    X(l_movdqu, "movdqu (%esi), %xmm0", 16)                                                                            \
    X(l_lddqu, "lddqu (%esi), %xmm0", 16)                                                                              \
    X(l_pcmpistri, "pcmpistri $0, (%esi), %xmm0", 16)                                                                  \
    X(l_pcmpestrm, "pcmpestrm $0, (%esi), %xmm0", 16)                                                                  \
    X(l_movsd, "movsd (%esi), %xmm0", 8)                                                                               \
    X(l_movss, "movss (%esi), %xmm0", 4)                                                                               \
    X(l_addss, "addss (%esi), %xmm0", 4)                                                                               \
    X(l_movq, "movq (%esi), %xmm0", 8)                                                                                 \
    X(l_movhps, "movhps (%esi), %xmm0", 8)                                                                             \
    X(l_paddb, "paddb (%esi), %mm0", 8)                                                                                \
    X(l_pmovzx, "pmovzxbw (%esi), %xmm0", 8)                                                                           \
    X(l_cvtps2pd, "cvtps2pd (%esi), %xmm0", 8)                                                                         \
    X(l_movddup, "movddup (%esi), %xmm0", 8)                                                                           \
    X(l_cvtpi2ps, "cvtpi2ps (%esi), %xmm0", 8)                                                                         \
    X(l_pinsrd, "pinsrd $1, (%esi), %xmm0", 4)                                                                         \
    X(l_movnti, "movnti %eax, (%esi)", 4)                                                                              \
    X(l_stmxcsr, "stmxcsr (%esi)", 4)
#define SNIP_S(name, text)       SNIPPET(name, "", text)
#define SNIP_L(name, text, size) SNIPPET(name, "", text)
STRICT(SNIP_S)
LOOSE(SNIP_L)

static const struct {
    const char *name;
    const u8 *code;
    u32 size;
} strict[] =
    {
#define ROW_S(name, text) {#name, name, 16},
        STRICT(ROW_S)},
  loose[] = {
#define ROW_L(name, text, size) {#name, name, size},
      LOOSE(ROW_L)};

static void all(const char *what, u32 offset, u32 strict_vector, u32 loose_vector) {
    for (unsigned ring = 0; ring <= 3; ring += 3) {
        for (unsigned i = 0; i < sizeof strict / sizeof *strict; i++) {
            struct trap t = sse_exec(strict[i].code, ring, offset);
            check_context(strict[i].name);
            CHECK_EQ(what, t.vector, offset & 15 ? strict_vector : EXEC_DONE);
            if (t.vector == VEC_GP)
                CHECK_EQ("error code", t.error, 0);
        }
        for (unsigned i = 0; i < sizeof loose / sizeof *loose; i++) {
            struct trap t = sse_exec(loose[i].code, ring, offset);
            check_context(loose[i].name);
            bool second = offset < 0x1000 && offset + loose[i].size <= 0x1000; // never reaches the page that is missing
            CHECK_EQ(what, t.vector, second ? EXEC_DONE : loose_vector);
        }
    }
    __asm__ volatile("emms");
}

TEST(misaligned) {
    if (under_qemu()) // TCG checks the alignment of some instructions only
        return;
    sse_on();
    all("aligned", 0x40, VEC_GP, EXEC_DONE);
    for (u32 offset = 0x41; offset < 0x50; offset++)
        all("misaligned", offset, VEC_GP, EXEC_DONE);
    all("across a line", 0x7c, VEC_GP, EXEC_DONE);
    all("across a page", 0xffe, VEC_GP, EXEC_DONE);
}

// #GP comes before #PF where both apply; where alignment is free, the page that is missing is named.
TEST(before_page_fault) {
    if (under_qemu()) // TCG checks the alignment of some instructions only
        return;
    sse_on();
    struct space s = space_new(PAGING_32);
    space_identity(&s);
    pte_set(&s, (u32)user_buffer + 0x1000, 0);
    space_enter(&s);
    for (unsigned round = 0; round < 3; round++) {
        all("no page", 0x1001, VEC_GP, VEC_PF);
        all("second page missing", 0xffd, VEC_GP, VEC_PF);
    }
}

// #AC: operands of up to 8 bytes at CPL 3; 16-byte operands that need no alignment may raise it too (SDM vol. 3A 6.15),
// here they do not.
TEST(alignment_check) {
    if (under_qemu()) // TCG checks the alignment of some instructions only
        return;
    sse_on();
    write_cr0(read_cr0() | CR0_AM);
    for (unsigned ring = 0; ring <= 3; ring += 3)
        for (unsigned i = 0; i < sizeof loose / sizeof *loose; i++) {
            struct regs r = regs_for(ring);
            struct trap t;
            r.eflags |= FLAG_AC;
            r.esi = (u32)user_buffer + 0x41;
            exec(loose[i].code, &r, &t);
            check_context(loose[i].name);
            u32 expected = ring == 3 && loose[i].size < 16 ? VEC_AC : EXEC_DONE;
            CHECK_EQ("vector", t.vector, expected);
        }
    for (unsigned i = 0; i < sizeof strict / sizeof *strict; i++) {
        struct regs r = regs_for(3);
        struct trap t;
        r.eflags |= FLAG_AC;
        r.esi = (u32)user_buffer + 0x44;
        exec(strict[i].code, &r, &t);
        check_context(strict[i].name);
        CHECK_EQ("#GP all the same", t.vector, VEC_GP);
    }
    __asm__ volatile("emms");
}
