// MASKMOVQ and MASKMOVDQU: the bytes that the mask selects and no others, at the end of a page whose neighbour is
// missing too. With an all-zero mask a processor may or may not fault (SDM vol. 2B, MASKMOVDQU), so that is not looked
// at.
#include "paging.h"
#include "sse.h"

SNIPPET(k_dqu, "movdqu (%esi), %xmm0\n movdqu 16(%esi), %xmm1", "maskmovdqu %xmm1, %xmm0")
SNIPPET(k_q, "movq (%esi), %mm0\n movq 16(%esi), %mm1", "maskmovq %mm1, %mm0")

static void prepare(u32 mask, u8 *to, unsigned size) {
    for (unsigned i = 0; i < 16; i++) {
        user_buffer[i] = (u8)(0x30 + i);
        user_buffer[16 + i] = mask >> i & 1 ? 0x80 + i : 0x7f;
    }
    memset(to, 0xee, size);
}

static struct trap store(const u8 *code, u8 *to) {
    struct regs r = regs_for(3);
    struct trap t;
    r.esi = (u32)user_buffer;
    r.edi = (u32)to;
    r.ebx = 0x1234;
    exec(code, &r, &t);
    CHECK_EQ("edi", t.r.edi, r.edi);
    CHECK_EQ("ebx", t.r.ebx, r.ebx);
    return t;
}

static void both(u32 mask, u8 *to) {
    for (unsigned wide = 0; wide < 2; wide++) {
        unsigned size = wide ? 16 : 8;
        prepare(mask, to, 16);
        struct trap t = store(wide ? k_dqu : k_q, to);
        CHECK_DONE("ran", t);
        for (unsigned i = 0; i < 16; i++)
            CHECK_EQ("byte", to[i], i < size && mask >> i & 1 ? 0x30 + i : 0xee);
    }
}

TEST(selected_bytes) {
    static const u32 masks[] = {0xffff, 0xa55a, 0x0001, 0x8080, 0x00f0};
    sse_on();
    for (unsigned i = 0; i < sizeof masks / sizeof *masks; i++) {
        both(masks[i], user_buffer + 0x200);
        both(masks[i], user_buffer + 0x239);
        both(masks[i], user_buffer + 0x1ff8 - 1);
    }
    __asm__ volatile("emms");
}

TEST(page_end) {
    if (under_qemu()) // TCG stores byte by byte
        return;
    sse_on();
    struct space s = space_new(PAGING_32);
    space_identity(&s);
    pte_set(&s, (u32)user_buffer + 0x2000, 0);
    pte_set(&s, (u32)user_buffer + 0x3000, (u32)user_buffer + 0x3000 + PTE_P + PTE_U); // read-only
    space_enter(&s);
    u8 *end = user_buffer + 0x2000;
    for (unsigned round = 0; round < 12; round++) {
        both(0xffff, end - 16);
        prepare(0xffff, end - 8, 8);
        struct trap t = store(k_q, end - 8);
        CHECK_DONE("last quadword", t);
        prepare(0xffff, end - 8, 8);
        t = store(k_dqu, end - 8); // a selected byte lies beyond
        CHECK_PF(t, PF_U | PF_W, end, k_dqu_at);
        for (unsigned i = 0; i < 8; i++)
            CHECK_EQ("nothing stored", end[(int)i - 8], 0xee);
        t = store(k_dqu, user_buffer + 0x3100);
        CHECK_PF(t, PF_U | PF_W | PF_P, (u32)user_buffer + 0x3100, k_dqu_at);
    }
    __asm__ volatile("emms");
}
