// PITFALLS 3: BT and relatives with a register offset reach 256 MiB either side of their memory operand (64 KiB with a
// 16-bit offset). The element that is reached counts for faults, rights, A and D, not the operand's address.
#include "kit.h"

SNIPPET(b_bt, "", "btl %ecx, (%esi)")
SNIPPET(b_bts, "", "btsl %ecx, (%esi)")
SNIPPET(b_btr, "", "lock btrl %ecx, (%esi)")
SNIPPET(b_btc, "", "btcl %ecx, 4(%esi)")
SNIPPET(b_bts16, "", "btsw %cx, (%esi)")

enum { FAR = 0x10000000 }; // 256 MiB

static struct trap run(const u8 *code, u32 address, int bit) {
    struct regs r = regs_for(3);
    struct trap t;
    r.esi = address;
    r.ecx = (u32)bit;
    exec(code, &r, &t);
    return t;
}

TEST(farthest_bits) {
    struct space s;
    kit_enter(&s, PAGING_32, 0); // nothing at the operand's own address
    u32 frames = page_alloc(2);
    space_map(&s, PAGE_AT + FAR, frames, PTE_WU);
    space_map(&s, PAGE_AT - FAR, frames + PAGE, PTE_WU);
    for (unsigned again = 0; again < 2; again++) {
        int bit = 0x7fffffff; // 256 MiB on, less one dword
        u32 *high = (u32 *)(frames + PAGE - 4), *low = (u32 *)(frames + PAGE);
        space_map(&s, PAGE_AT + FAR - PAGE, frames, PTE_WU);
        write_cr3(s.root);
        *high = 0;
        struct trap t = run(b_bts, PAGE_AT, bit);
        CHECK_DONE("bts forwards", t);
        CHECK_EQ("bit", *high, 0x80000000);
        CHECK(!(t.r.eflags & FLAG_CF));
        t = run(b_bt, PAGE_AT, bit);
        CHECK(t.r.eflags & FLAG_CF);
        t = run(b_btr, PAGE_AT, bit);
        CHECK(t.r.eflags & FLAG_CF);
        CHECK_EQ("cleared", *high, 0);
        bit = (int)0x80000000; // 256 MiB back
        *low = 0;
        t = run(b_bts, PAGE_AT, bit);
        CHECK_DONE("bts backwards", t);
        CHECK_EQ("bit", *low, 1);
        t = run(b_btc, PAGE_AT - 4, bit + 5);
        CHECK_DONE("btc", t);
        CHECK_EQ("bit", *low, 0x21);
    }
    CHECK(pte_get(&s, PAGE_AT - FAR) & PTE_D);
}

TEST(faults_of_the_element) {
    struct space s;
    u32 frame = kit_enter(&s, PAGING_32, PTE_WU);
    (void)frame;
    struct trap t = run(b_bt, PAGE_AT, 4096 * 8); // the operand is there, the element is not
    CHECK_PF(t, PF_U, PAGE_AT + PAGE, b_bt);
    t = run(b_bts, PAGE_AT, -32);
    CHECK_PF(t, (under_qemu() ? t.error & PF_W : PF_W) | PF_U, PAGE_AT - 4, b_bts);
    space_map(&s, PAGE_AT + PAGE, page_alloc(1), PTE_P | PTE_U);
    t = run(b_bt, PAGE_AT, 4096 * 8 + 5);
    CHECK_DONE("reads a read-only element", t);
    t = run(b_btr, PAGE_AT, 4096 * 8 + 5);
    CHECK_PF(t, PF_P | PF_W | PF_U, PAGE_AT + PAGE, b_btr);
}

TEST(offsets_of_16_bits) {
    struct space s;
    kit_enter(&s, PAGING_32, PTE_WU);
    u32 frames = page_alloc(2);
    space_map(&s, PAGE_AT + 0x1000 - 2, frames, PTE_WU);
    pte_set(&s, PAGE_AT, frames | PTE_WU);
    pte_set(&s, PAGE_AT - PAGE, (frames + PAGE) | PTE_WU);
    write_cr3(s.root);
    struct trap t = run(b_bts16, PAGE_AT, 0x7fff); // 4 KiB on, less a word; the upper half of ECX does not count
    CHECK_DONE("forwards", t);
    CHECK_EQ("bit", *(u16 *)(frames + PAGE - 2), 0x8000);
    t = run(b_bts16, PAGE_AT, 0x128000);
    CHECK_DONE("backwards", t);
    CHECK_EQ("bit", *(u16 *)(frames + PAGE), 1);
}
