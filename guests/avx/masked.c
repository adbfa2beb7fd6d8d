// VMASKMOV, VPMASKMOV and the gathers: what the mask leaves out does not fault; a fault in the middle of a gather keeps
// what has been gathered. Intel SDM vol. 2, VMASKMOV, VPMASKMOV, VPGATHERDD and their like.
#include "avx.h"
#include "paging.h"

SNIPPET(m_load_ps, "vmovdqu (%edi), %ymm1", "vmaskmovps (%esi), %ymm1, %ymm2")
SNIPPET(m_load_d, "vmovdqu (%edi), %ymm1", "vpmaskmovd (%esi), %ymm1, %ymm2")
SNIPPET(m_load_pd, "vmovdqu (%edi), %ymm1", "vmaskmovpd (%esi), %ymm1, %ymm2")
SNIPPET(m_load_x, "vmovdqu (%edi), %ymm1", "vpmaskmovd (%esi), %xmm1, %xmm2")
SNIPPET(m_store_d, "vmovdqu (%edi), %ymm1\n vmovdqu 32(%edi), %ymm2", "vpmaskmovd %ymm2, %ymm1, (%esi)")
SNIPPET(m_store_q, "vmovdqu (%edi), %ymm1\n vmovdqu 32(%edi), %ymm2", "vpmaskmovq %ymm2, %ymm1, (%esi)")
SNIPPET(g_dd, "vmovdqu (%edi), %ymm1\n vmovdqu 32(%edi), %ymm3", "vpgatherdd %ymm1, (%esi,%ymm3,4), %ymm2")
SNIPPET(g_dd_x, "vmovdqu (%edi), %ymm1\n vmovdqu 32(%edi), %ymm3", "vgatherdps %xmm1, 4(%esi,%xmm3,4), %xmm2")
SNIPPET(g_dq, "vmovdqu (%edi), %ymm1\n vmovdqu 32(%edi), %ymm3", "vpgatherdq %ymm1, (%esi,%xmm3,8), %ymm2")
SNIPPET(g_qd, "vmovdqu (%edi), %ymm1\n vmovdqu 32(%edi), %ymm3", "vpgatherqd %xmm1, (%esi,%ymm3,4), %xmm2")
SNIPPET(g_same, "", ".byte 0xc4, 0xe2, 0x75, 0x90, 0x0c, 0x16") // vpgatherdd ymm1, [esi+ymm2], ymm1

enum { CONTROL = 0x3000 }; // where EDI points: mask, then the second operand

static struct trap run(const u8 *code, u32 address) {
    struct regs r = regs_for(3);
    struct trap t;
    r.esi = address;
    r.edi = (u32)user_buffer + CONTROL;
    exec(code, &r, &t);
    return t;
}

static u32 *control(void) {
    return (u32 *)(user_buffer + CONTROL);
}

// A mask of eight elements of 4 bytes (its signs alone count), or of four of 8 bytes.
static void set_mask(u32 bits, bool wide) {
    for (unsigned i = 0; i < 8; i++)
        control()[i] =
            wide ? (i & 1 && bits >> (i / 2) & 1 ? 0x80000000 : 0x7fffffff) : (bits >> i & 1 ? 0x80000001 : 0x12345678);
}

static struct ymm result(unsigned reg) {
    struct ymm v[8];
    ymm_read(v);
    return v[reg];
}

static void check_load(const u8 *code, bool wide, unsigned bytes) {
    u32 *from = (u32 *)(user_buffer + 0x104); // aligned to nothing that matters
    for (unsigned i = 0; i < 8; i++)
        from[i] = 0xa0000000 + i;
    for (u32 bits = 0; bits < (wide ? 16u : 256u); bits += 5) {
        ymm_fill(7);
        set_mask(bits, wide);
        struct trap t = run(code, (u32)from);
        CHECK_DONE("loaded", t);
        struct ymm got = result(2);
        for (unsigned i = 0; i < 8; i++) {
            bool selected = i * 4 < bytes && bits >> (wide ? i / 2 : i) & 1;
            CHECK_EQ("element", ((u32 *)got.bytes)[i], selected ? 0xa0000000 + i : 0);
        }
    }
}

TEST(masked_loads) {
    avx_on();
    check_load(m_load_ps, false, 32);
    check_load(m_load_d, false, 32);
    check_load(m_load_pd, true, 32);
    check_load(m_load_x, false, 16);
}

static void check_store(const u8 *code, bool wide) {
    u32 *to = (u32 *)(user_buffer + 0x1ff0); // across a page
    for (u32 bits = 0; bits < (wide ? 16u : 256u); bits += 3) {
        memset(to, 0xee, 32);
        set_mask(bits, wide);
        for (unsigned i = 0; i < 8; i++)
            control()[8 + i] = 0xb0 + i;
        struct trap t = run(code, (u32)to);
        CHECK_DONE("stored", t);
        for (unsigned i = 0; i < 8; i++)
            CHECK_EQ("element", to[i], bits >> (wide ? i / 2 : i) & 1 ? 0xb0 + i : 0xeeeeeeee);
    }
}

TEST(masked_stores) {
    avx_on();
    check_store(m_store_d, false);
    check_store(m_store_q, true);
}

// The second page is missing.
static u32 enter_space(void) {
    struct space s = space_new(PAGING_32);
    space_identity(&s);
    pte_set(&s, (u32)user_buffer + 0x1000, 0);
    space_enter(&s);
    return (u32)user_buffer + 0x1000;
}

TEST(masked_faults) {
    if (under_qemu()) // TCG reads all, and stores up to the fault
        return;
    avx_on();
    u32 missing = enter_space();
    ymm_fill(1);
    set_mask(0x0f, false);
    struct trap t = run(m_load_d, missing - 16);
    CHECK_DONE("what is left out may be missing", t);
    t = run(m_store_d, missing - 16);
    CHECK_DONE("also for a store", t);
    set_mask(0x11, false);
    struct ymm before = result(2);
    t = run(m_load_d, missing - 16);
    CHECK_PF(t, PF_U, missing, m_load_d_at);
    struct ymm after = result(2);
    CHECK(ymm_equal(&before, &after, 32));
    memset(user_buffer + 0x1000 - 16, 0xee, 16);
    t = run(m_store_d, missing - 16);
    CHECK_PF(t, PF_U | PF_W, missing, m_store_d_at);
    CHECK_EQ("nothing stored", *(u32 *)(missing - 16), 0xeeeeeeee);
    set_mask(0, false);
    t = run(m_load_d, missing);
    CHECK_DONE("nothing selected", t);
}

TEST(gathers) {
    avx_on();
    u32 *table = (u32 *)user_buffer;
    for (unsigned i = 0; i < 64; i++)
        table[i] = 0xc0000000 + i;
    for (u32 bits = 0; bits < 256; bits += 7) {
        ymm_fill(3);
        struct ymm before = ymm_pattern(3 + 2);
        set_mask(bits, false);
        for (unsigned i = 0; i < 8; i++)
            control()[8 + i] = i * 5 + 1;
        struct trap t = run(g_dd, (u32)table);
        CHECK_DONE("gathered", t);
        struct ymm got = result(2), mask = result(1), zero;
        memset(&zero, 0, sizeof zero);
        CHECK(ymm_equal(&mask, &zero, 32));
        for (unsigned i = 0; i < 8; i++)
            CHECK_EQ("element", ((u32 *)got.bytes)[i],
                     bits >> i & 1 ? 0xc0000000 + i * 5 + 1 : ((u32 *)before.bytes)[i]);
        ymm_fill(3);
        t = run(g_dd_x, (u32)table);
        CHECK_DONE("gathered", t);
        got = result(2);
        for (unsigned i = 0; i < 8; i++)
            CHECK_EQ("of 128 bits", ((u32 *)got.bytes)[i],
                     i >= 4          ? 0
                     : bits >> i & 1 ? 0xc0000000 + i * 5 + 2
                                     : ((u32 *)before.bytes)[i]);
    }
}

TEST(gathers_of_two_widths) {
    avx_on();
    u32 *table = (u32 *)user_buffer;
    for (unsigned i = 0; i < 64; i++)
        table[i] = 0xc0000000 + i;
    memset(control(), 0xff, 32); // all selected
    for (unsigned i = 0; i < 8; i++)
        control()[8 + i] = i < 4 ? 4 + i : 0x7fffffff;
    struct trap t = run(g_dq, (u32)table);
    CHECK_DONE("gathered", t);
    struct ymm got = result(2);
    for (unsigned i = 0; i < 8; i++)
        CHECK_EQ("quadwords by dwords", ((u32 *)got.bytes)[i], 0xc0000000 + 8 + i);
    for (unsigned i = 0; i < 8; i++)
        control()[8 + i] = i & 1 ? 0xdead : 10 + i / 2; // of an index only 32 bits count
    t = run(g_qd, (u32)table);
    CHECK_DONE("gathered", t);
    got = result(2);
    for (unsigned i = 0; i < 8; i++)
        CHECK_EQ("dwords by quadwords", ((u32 *)got.bytes)[i], i < 4 ? 0xc0000000 + 10 + i : 0);
}

TEST(gather_faults) {
    avx_on();
    u32 missing = enter_space();
    u32 *table = (u32 *)user_buffer;
    for (unsigned i = 0; i < 64; i++)
        table[i] = 0xd0000000 + i;
    memset(control(), 0xff, 32);
    for (unsigned i = 0; i < 8; i++)
        control()[8 + i] = i == 5 ? 0x1000 / 4 : i;
    ymm_fill(6);
    struct trap t = run(g_dd, (u32)table);
    CHECK_PF(t, PF_U, missing, g_dd_at);
    if (!under_qemu()) { // any order of the elements is right as long as mask and result agree
        struct ymm got = result(2), mask = result(1), before = ymm_pattern(6 + 2);
        for (unsigned i = 0; i < 8; i++) {
            bool left = ((u32 *)mask.bytes)[i] >> 31;
            CHECK_EQ("element", ((u32 *)got.bytes)[i], left ? ((u32 *)before.bytes)[i] : 0xd0000000 + i);
        }
        CHECK(((u32 *)mask.bytes)[5] >> 31);
    }
    set_mask(0xdf, false); // the one that is missing is left out
    t = run(g_dd, (u32)table);
    CHECK_DONE("left out", t);
    EXPECT_FAULT_RING(3, g_same, VEC_UD, 0);
}
