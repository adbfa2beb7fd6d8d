// Of the VEX instructions only the aligned and non-temporal moves want alignment, to their whole width, before a page
// is looked at; the others take any address. Intel SDM vol. 1, 14.9.
#include "avx.h"
#include "paging.h"

#define STRICT(X)                                                                                                      \
    X(vs_movaps_x, "vmovaps (%esi), %xmm0", 16)                                                                        \
    X(vs_movaps_y, "vmovaps (%esi), %ymm0", 32)                                                                        \
    X(vs_movapd_st, "vmovapd %ymm0, (%esi)", 32)                                                                       \
    X(vs_movdqa_y, "vmovdqa (%esi), %ymm0", 32)                                                                        \
    X(vs_movdqa_st, "vmovdqa %xmm0, (%esi)", 16)                                                                       \
    X(vs_movntps, "vmovntps %ymm0, (%esi)", 32)                                                                        \
    X(vs_movntdq, "vmovntdq %ymm0, (%esi)", 32)                                                                        \
    X(vs_movntdqa, "vmovntdqa (%esi), %ymm0", 32)
#define LOOSE(X)                                                                                                       \
    X(vl_movups, "vmovups (%esi), %ymm0", 32)                                                                          \
    X(vl_movdqu_st, "vmovdqu %ymm0, (%esi)", 32)                                                                       \
    X(vl_addps_x, "vaddps (%esi), %xmm1, %xmm0", 16)                                                                   \
    X(vl_addpd_y, "vaddpd (%esi), %ymm1, %ymm0", 32)                                                                   \
    X(vl_pxor, "vpxor (%esi), %ymm1, %ymm0", 32)                                                                       \
    X(vl_pshufb, "vpshufb (%esi), %xmm1, %xmm0", 16)                                                                   \
    X(vl_broadcast, "vbroadcastf128 (%esi), %ymm0", 16)                                                                \
    X(vl_broadcastss, "vbroadcastss (%esi), %ymm0", 4)                                                                 \
    X(vl_pmovzx, "vpmovzxbw (%esi), %ymm0", 16)                                                                        \
    X(vl_insert, "vinserti128 $1, (%esi), %ymm1, %ymm0", 16)                                                           \
    X(vl_extract, "vextractf128 $1, %ymm1, (%esi)", 16)                                                                \
    X(vl_perm, "vperm2f128 $1, (%esi), %ymm1, %ymm0", 32)                                                              \
    X(vl_pcmpistri, "vpcmpistri $0, (%esi), %xmm0", 16)                                                                \
    X(vl_movsd, "vmovsd (%esi), %xmm0", 8)                                                                             \
    X(vl_addss, "vaddss (%esi), %xmm1, %xmm0", 4)                                                                      \
    X(vl_pinsrb, "vpinsrb $3, (%esi), %xmm1, %xmm0", 1)                                                                \
    X(vl_pextrw, "vpextrw $3, %xmm1, (%esi)", 2)
#define SNIP(name, text, size) SNIPPET(name, "", text)
STRICT(SNIP)
LOOSE(SNIP)

struct row {
    const char *name;
    const u8 *code;
    u32 size;
};
#define ROW(name, text, size) {#name, name, size},
static const struct row strict[] = {STRICT(ROW)}, loose[] = {LOOSE(ROW)};

static void all(u32 offset, bool second_missing) {
    for (unsigned ring = 0; ring <= 3; ring += 3) {
        for (unsigned i = 0; i < sizeof strict / sizeof *strict; i++) {
            check_context(strict[i].name);
            bool reaches = second_missing && offset + strict[i].size > 0x1000;
            u32 expected = offset & (strict[i].size - 1) ? VEC_GP : reaches ? VEC_PF : EXEC_DONE;
            CHECK_EQ("strict", avx_exec(strict[i].code, ring, offset, 0).vector, expected);
        }
        for (unsigned i = 0; i < sizeof loose / sizeof *loose; i++) {
            check_context(loose[i].name);
            bool reaches = second_missing && offset + loose[i].size > 0x1000;
            CHECK_EQ("loose", avx_exec(loose[i].code, ring, offset, 0).vector, reaches ? VEC_PF : EXEC_DONE);
        }
    }
    check_context(NULL);
}

static void fill(void) {
    memset(user_buffer, 0, 0x1000);
    __asm__ volatile("vzeroall");
}

TEST(alignment) {
    if (under_qemu()) // TCG checks the alignment of some instructions only
        return;
    avx_on();
    fill();
    for (u32 offset = 0x40; offset < 0x61; offset++)
        all(offset, false);
    all(0xff0, false);
    all(0xff1, false);
}

TEST(before_page_fault) {
    if (under_qemu())
        return;
    avx_on();
    fill();
    struct space s = space_new(PAGING_32);
    space_identity(&s);
    pte_set(&s, (u32)user_buffer + 0x1000, 0);
    space_enter(&s);
    for (unsigned round = 0; round < 3; round++) {
        all(0x1000, true);
        all(0x1001, true);
        all(0x1010, true);
        all(0xff8, true);
        all(0xfe8, true);
        all(0xfff, true);
    }
}
