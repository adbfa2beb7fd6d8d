// Large pages: 4 MiB (CR4.PSE) and 2 MiB (PAE), rights, A and D, INVLPG of the whole, splitting, mixing with small
// pages.
#include "kit.h"

enum { BIG_AT = 0x60000000 };
static u32 big_size(enum paging_mode mode) {
    return mode == PAGING_PAE ? 2 << 20 : 4 << 20;
}

// A large page at BIG_AT over physical memory at `physical`.
static void enter(struct space *s, enum paging_mode mode, u32 physical, u64 flags) {
    kit_enter(s, mode, PTE_WU);
    pde_set(s, BIG_AT, physical | flags | PTE_PS);
    write_cr3(s->root);
}

static void both(void (*test)(enum paging_mode mode)) {
    test(PAGING_32);
    exec_reset();
    test(PAGING_PAE);
}

enum { PHYSICAL = 8 << 20, PHYSICAL2 = 12 << 20 }; // beyond the guest and its allocations

static void contents(enum paging_mode mode) {
    struct space s;
    enter(&s, mode, PHYSICAL, PTE_WU);
    for (u32 at = 0; at < big_size(mode); at += 0x31000)
        *(volatile u32 *)(PHYSICAL + at) = at ^ 0x5a5a5a5a;
    for (unsigned ring = 0; ring <= 3; ring += 3)
        for (u32 at = 0; at < big_size(mode); at += 0x31000) {
            struct trap t = kit_access(a_read, ring, BIG_AT + at);
            CHECK_DONE("read", t);
            if (!CHECK_EQ("word", t.r.eax, at ^ 0x5a5a5a5a))
                return;
        }
    kit_access(a_write, 3, BIG_AT + big_size(mode) - 4);
    CHECK_EQ("last word", *(volatile u32 *)(PHYSICAL + big_size(mode) - 4), 0x11223344);
    struct trap t = kit_access(a_read, 3, BIG_AT + big_size(mode));
    CHECK_PF(t, PF_U, BIG_AT + big_size(mode), a_read);
}
TEST(contents) {
    both(contents);
}

static void accessed_dirty(enum paging_mode mode) {
    struct space s;
    enter(&s, mode, PHYSICAL, PTE_WU);
    kit_access(a_read, 3, BIG_AT + 0x12345);
    CHECK_EQ("A", pde_get(&s, BIG_AT) & (PTE_A | PTE_D), PTE_A);
    kit_access(a_write, 3, BIG_AT + 0x54320);
    CHECK_EQ("A and D", pde_get(&s, BIG_AT) & (PTE_A | PTE_D), PTE_A | PTE_D);
}
TEST(accessed_dirty) {
    both(accessed_dirty);
}

static void rights(enum paging_mode mode) {
    struct space s;
    enter(&s, mode, PHYSICAL, PTE_P | PTE_U);
    struct trap t = kit_access(a_rmw, 3, BIG_AT + 0x1000);
    CHECK_PF(t, PF_P | PF_U | PF_W, BIG_AT + 0x1000, a_rmw);
    t = kit_access(a_read, 3, BIG_AT + 0x1000);
    CHECK_DONE("read", t);
    pde_set(&s, BIG_AT, PHYSICAL | PTE_WS | PTE_PS);
    invlpg(BIG_AT);
    t = kit_access(a_read, 3, BIG_AT + 0x1000);
    CHECK_PF(t, PF_P | PF_U, BIG_AT + 0x1000, a_read);
    t = kit_access(a_rmw, 0, BIG_AT + 0x1000);
    CHECK_DONE("supervisor", t);
}
TEST(rights) {
    both(rights);
}

static void invalidate(enum paging_mode mode) { // INVLPG of any address drops the whole page
    struct space s;
    enter(&s, mode, PHYSICAL, PTE_WU);
    for (u32 at = 0; at < big_size(mode); at += 0x40000) {
        *(volatile u32 *)(PHYSICAL + at) = 1;
        *(volatile u32 *)(PHYSICAL2 + at) = 2;
    }
    for (unsigned round = 0; round < 6; round++) {
        for (u32 at = 0; at < big_size(mode); at += 0x40000) {
            struct trap t = kit_access(a_read, round & 2 ? 0 : 3, BIG_AT + at);
            if (!CHECK_EQ("word", t.r.eax, round & 1 ? 2 : 1))
                return;
        }
        pde_set(&s, BIG_AT, (round & 1 ? PHYSICAL : PHYSICAL2) | PTE_WU | PTE_PS);
        invlpg(BIG_AT + 0x123456 % big_size(mode));
    }
}
TEST(invalidate) {
    both(invalidate);
}

static void split(enum paging_mode mode) { // a large page becomes a table of small ones with a hole, and large again
    struct space s;
    enter(&s, mode, PHYSICAL, PTE_WU);
    *(volatile u32 *)(PHYSICAL + 0x5000) = 0x55;
    *(volatile u32 *)(PHYSICAL + 0x6000) = 0x66;
    struct trap t = kit_access(a_read, 3, BIG_AT + 0x5000);
    CHECK_EQ("large", t.r.eax, 0x55);
    for (unsigned round = 0; round < 3; round++) {
        pde_set(&s, BIG_AT, 0);
        for (u32 at = 0; at < big_size(mode); at += PAGE)
            pte_set(&s, BIG_AT + at, at == 0x6000 ? 0 : (PHYSICAL + at) | PTE_WU);
        write_cr3(s.root);
        t = kit_access(a_read, 3, BIG_AT + 0x5000);
        CHECK_EQ("small", t.r.eax, 0x55);
        t = kit_access(a_read, 3, BIG_AT + 0x6000);
        CHECK_PF(t, PF_U, BIG_AT + 0x6000, a_read);
        pde_set(&s, BIG_AT, PHYSICAL | PTE_WU | PTE_PS);
        write_cr3(s.root);
        t = kit_access(a_read, 3, BIG_AT + 0x6000);
        CHECK_EQ("large again", t.r.eax, 0x66);
    }
}
TEST(split) {
    both(split);
}

static void code(enum paging_mode mode) { // code in a large page, also across 4 KiB boundaries
    struct space s;
    enter(&s, mode, PHYSICAL, PTE_P | PTE_U);
    memset((void *)(PHYSICAL + 0xf00), 0x40, 0x200); // inc %eax
    memcpy((void *)(PHYSICAL + 0x1100), "\xb9\x78\x56\x34\x12\xcd\x81", 7);
    for (unsigned ring = 0; ring <= 3; ring += 3) {
        struct trap t = exec_ring((void *)(BIG_AT + 0xf00), ring);
        CHECK_DONE("ran", t);
        CHECK_EQ("eax", t.r.eax, 0x200);
        CHECK_EQ("ecx", t.r.ecx, 0x12345678);
    }
}
TEST(code) {
    both(code);
}

TEST(without_pse) { // CR4.PSE clear: the PS bit means nothing in a 32-bit directory entry
    struct space s;
    kit_enter(&s, PAGING_32, PTE_WU);
    u64 pde = pde_get(&s, PAGE_AT);
    write_cr4(read_cr4() & ~CR4_PSE);
    pde_set(&s, PAGE_AT, pde | PTE_PS);
    write_cr3(s.root);
    struct trap t = kit_access(a_write, 3, PAGE_AT);
    CHECK_DONE("a table all the same", t);
    CHECK_EQ("stored", *(u32 *)((u32)pte_get(&s, PAGE_AT) & ~0xfffu), 0x11223344);
    pde_set(&s, PAGE_AT, pde);
}
