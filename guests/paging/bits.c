// Accessed and dirty bits: when they come, that they come again after being cleared, and that they are not touched
// without an access.
#include "kit.h"

static void both(void (*test)(enum paging_mode mode)) {
    test(PAGING_32);
    exec_reset();
    test(PAGING_PAE);
}

static u64 bits(struct space *s) {
    return pte_get(s, PAGE_AT) & (PTE_A | PTE_D);
}

static void sequence(enum paging_mode mode) {
    struct space s;
    u32 frame = kit_enter(&s, mode, PTE_WU);
    CHECK_EQ("untouched", bits(&s), 0);
    kit_access(a_read, 3, PAGE_AT);
    CHECK_EQ("after a read", bits(&s), PTE_A);
    kit_access(a_write, 3, PAGE_AT); // the read has filled the TLB: the write must still set D
    CHECK_EQ("after a write", bits(&s), PTE_A | PTE_D);
    for (unsigned i = 0; i < 5; i++) {
        pte_set(&s, PAGE_AT, frame | PTE_WU);
        invlpg(PAGE_AT);
        kit_access(i & 1 ? a_read : a_write, i & 2 ? 3 : 0, PAGE_AT + i * 4);
        CHECK_EQ("again", bits(&s), i & 1 ? PTE_A : PTE_A | PTE_D);
        pte_set(&s, PAGE_AT, frame | PTE_WU | PTE_A); // only D is taken away
        write_cr3(s.root);
        kit_access(a_read, 3, PAGE_AT);
        CHECK_EQ("D stays clear", bits(&s), PTE_A);
        kit_access(a_rmw, 3, PAGE_AT);
        CHECK_EQ("D comes again", bits(&s), PTE_A | PTE_D);
    }
    CHECK(!(pde_get(&s, PAGE_AT) & PTE_D) || mode == PAGING_32);
}
TEST(sequence) {
    both(sequence);
}

static void many(enum paging_mode mode) { // a clock-hand scan over 64 pages
    struct space s;
    kit_enter(&s, mode, PTE_WU);
    u32 frames = page_alloc(64);
    for (u32 i = 0; i < 64; i++)
        pte_set(&s, PAGE_AT + i * PAGE, (frames + i * PAGE) | PTE_WU);
    write_cr3(s.root);
    for (unsigned round = 0; round < 4; round++) {
        for (u32 i = 0; i < 64; i++)
            if (i % (round + 2) == 0)
                kit_access(i & 1 ? a_write : a_read, 3, PAGE_AT + i * PAGE);
        for (u32 i = 0; i < 64; i++) {
            u64 expected = i % (round + 2) ? 0 : i & 1 ? PTE_A | PTE_D : PTE_A;
            u64 got = pte_get(&s, PAGE_AT + i * PAGE) & (PTE_A | PTE_D);
            if (got != expected) {
                CHECK_EQ("page's bits", got, expected);
                return;
            }
            pte_set(&s, PAGE_AT + i * PAGE, (frames + i * PAGE) | PTE_WU);
        }
        write_cr3(s.root);
    }
}
TEST(scan) {
    both(many);
}

TEST(supervisor_loop) { // compiled code at ring 0, the same loop over clean pages again and again
    struct space s;
    kit_enter(&s, PAGING_32, PTE_WS);
    u32 frames = page_alloc(16);
    for (unsigned round = 0; round < 20; round++) {
        for (u32 i = 0; i < 16; i++)
            pte_set(&s, PAGE_AT + i * PAGE, (frames + i * PAGE) | PTE_WS);
        write_cr3(s.root);
        volatile u32 sum = 0;
        for (u32 i = 0; i < 16; i++)
            sum += *(volatile u32 *)(PAGE_AT + i * PAGE + round * 4);
        for (u32 i = 0; i < 16; i++)
            if ((pte_get(&s, PAGE_AT + i * PAGE) & (PTE_A | PTE_D)) != PTE_A) {
                FAIL("only A after reads");
                return;
            }
        for (u32 i = 0; i < 16; i++)
            *(volatile u32 *)(PAGE_AT + i * PAGE + round * 4) = round + i;
        for (u32 i = 0; i < 16; i++)
            if ((pte_get(&s, PAGE_AT + i * PAGE) & (PTE_A | PTE_D)) != (PTE_A | PTE_D)) {
                FAIL("A and D after writes");
                return;
            }
        CHECK_EQ("sum", sum, 0);
    }
}

TEST(no_write_no_dirty) { // accesses that fault or do nothing leave D alone
    struct space s;
    u32 frame = kit_enter(&s, PAGING_32, PTE_P | PTE_U);
    struct trap t = kit_access(a_rmw, 3, PAGE_AT);
    CHECK_EQ("refused", t.error, PF_P | PF_W | PF_U);
    CHECK_EQ("D", pte_get(&s, PAGE_AT) & PTE_D, 0);
    pte_set(&s, PAGE_AT, frame | PTE_WU);
    invlpg(PAGE_AT);
    for (unsigned i = 0; i < access_count; i++)
        if (!accesses[i].writes)
            kit_access(accesses[i].code, 3, PAGE_AT);
    CHECK_EQ("only reads", bits(&s), PTE_A);
}

TEST(descriptor_accesses) { // the processor's own accesses go through the page tables as well
    struct space s;
    kit_enter(&s, PAGING_32, PTE_WU);
    u32 page = (u32)gdt & ~0xfffu;
    u64 entry = pte_get(&s, page) & ~(PTE_A | PTE_D);
    gdt_set(SEL_FREE, 0, 0xfffff, SEG_DATA, SEG_G | SEG_D);
    pte_set(&s, page, entry);
    invlpg(page);
    __asm__ volatile("mov %0, %%fs" ::"r"(SEL_FREE));
    CHECK(pte_get(&s, page) & PTE_A);
    CHECK(gdt[SEL_FREE >> 3] >> 40 & 1);
    CHECK(pte_get(&s, page) & PTE_D); // the descriptor's accessed bit was written
}
