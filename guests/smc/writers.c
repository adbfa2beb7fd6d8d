// Somebody else changes code: the kernel user code, ring 3 its own, code in one page that of another, through other
// addresses of the same frame, and in writes that only touch code at their edge.
#include "exec.h"
#include "paging.h"

enum { CODE_AT = 0x50000000, ALIAS = 0x58000000, PAGE = 4096 };

static struct space space;
static u32 frames;

static void set_up(u64 code_flags) {
    space = space_new(PAGING_32);
    space_identity(&space);
    frames = page_alloc(4);
    for (u32 i = 0; i < 4; i++) {
        space_map(&space, CODE_AT + i * PAGE, frames + i * PAGE, code_flags);
        space_map(&space, ALIAS + i * PAGE, frames + i * PAGE, PTE_WU);
    }
    space_enter(&space);
}

static void put_value(u32 at, u32 value) { // mov $value, %eax; int $0x81
    u8 *p = (u8 *)at;
    p[0] = 0xb8;
    memcpy(p + 1, &value, 4);
    p[5] = 0xcd;
    p[6] = EXEC_DONE;
}

static bool runs(u32 offset, u32 expected) {
    for (unsigned ring = 0; ring <= 3; ring += 3) {
        struct trap t = exec_ring((void *)(CODE_AT + offset), ring);
        if (!CHECK_DONE("code", t) || !CHECK_EQ("value", t.r.eax, expected))
            return false;
    }
    return true;
}

TEST(through_the_identity) { // physical address, that is, another linear one
    set_up(PTE_WU);
    for (u32 i = 0; i < 40; i++) {
        put_value(frames + 0x100, i);
        if (!runs(0x100, i))
            return;
    }
}

TEST(through_an_alias) {
    set_up(PTE_P | PTE_U); // the code itself is read-only
    put_value(frames + 0x100, 0);
    for (u32 i = 0; i < 40; i++) {
        *(volatile u32 *)(ALIAS + 0x101) = i * 3;
        if (!runs(0x100, i * 3))
            return;
    }
}

SNIPPET(user_patch, "", "mov %eax, (%esi)")

TEST(by_ring_3) {
    set_up(PTE_WU);
    put_value(frames + 0x200, 0);
    for (u32 i = 0; i < 20; i++) {
        struct regs r = regs_for(3);
        struct trap t;
        r.eax = i * 7;
        r.esi = (i & 1 ? ALIAS : CODE_AT) + 0x201;
        exec(user_patch, &r, &t);
        CHECK_DONE("patched", t);
        if (!runs(0x200, i * 7))
            return;
    }
}

TEST(there_and_back) { // the same two contents in turn
    set_up(PTE_WU);
    for (u32 i = 0; i < 60; i++) {
        put_value(frames + 0x300, i & 1 ? 1111 : 2222);
        if (!runs(0x300, i & 1 ? 1111 : 2222))
            return;
    }
}

TEST(whole_page_copied_in) { // as a kernel reads a page of a program from disk
    set_up(PTE_WU);
    u32 image = page_alloc(3);
    for (u32 i = 0; i < 3; i++)
        for (u32 at = 0; at < PAGE; at += 64)
            put_value(image + i * PAGE + at, i << 16 | at);
    for (u32 i = 0; i < 30; i++) {
        memcpy((void *)frames, (void *)(image + i % 3 * PAGE), PAGE);
        for (u32 at = 64 * (i & 7); at < PAGE; at += 704)
            if (!runs(at, (i % 3) << 16 | at))
                return;
    }
}

TEST(cleared_page) { // code goes, zeros (add %al, (%eax)) come
    set_up(PTE_WU);
    put_value(frames + 0x80, 5);
    runs(0x80, 5);
    memset((void *)frames, 0, PAGE);
    struct regs r = regs_for(3);
    struct trap t;
    r.eax = 0x1000;
    exec((void *)(CODE_AT + 0x80), &r, &t);
    CHECK_PF(t, (under_qemu() ? t.error & PF_W : PF_W) | PF_U | PF_P, 0x1000, (void *)(CODE_AT + 0x80));
}

TEST(store_across_into_code) { // the last bytes of a store are the first of the code
    set_up(PTE_WU);
    put_value(frames + PAGE, 9);
    runs(PAGE, 9);
    for (u32 i = 0; i < 10; i++) {
        // 4 bytes: FF FF B8+.. : two in the page before, two in the code's page
        *(volatile u32 *)(CODE_AT + PAGE - 2) = 0x00b8ffff | (i + 1) << 24;
        if (!runs(PAGE, i + 1))
            return;
    }
}

TEST(long_store_over_code) { // one rep stos over two pages with code in the middle, then new code
    set_up(PTE_WU);
    for (u32 i = 0; i < 8; i++) {
        put_value(frames + PAGE + 0x40, i);
        put_value(frames + 0x800, i + 100);
        if (!runs(PAGE + 0x40, i) || !runs(0x800, i + 100))
            return;
        memset((void *)(CODE_AT + 0x10), 0x90, 2 * PAGE - 0x20);
        memcpy((void *)(CODE_AT + 2 * PAGE - 0x10), "\xb8\x44\x33\x22\x11\xcd\x81", 7);
        if (!runs(0x800, 0x11223344) || !runs(PAGE + 0x40, 0x11223344))
            return;
    }
}

TEST(crossing_instruction_patched) { // PITFALLS 9: both frames of an instruction that lies in two pages
    set_up(PTE_WU);
    put_value(frames + PAGE - 3, 0x01020304);
    for (u32 i = 0; i < 12; i++) {
        u32 value = 0x01020304;
        u8 *byte = (u8 *)(i & 1 ? frames + PAGE : frames + PAGE - 1); // bits 16-23, 8-15
        *byte = (u8)(0x30 + i);
        memcpy(&value, (u8 *)frames + PAGE - 2, 4);
        if (!runs(PAGE - 3, value))
            return;
    }
}

TEST(code_page_as_page_table) { // a frame that held code becomes a page table, and code again
    set_up(PTE_WU);
    for (u32 i = 0; i < 6; i++) {
        put_value(frames, i);
        if (!runs(0, i))
            return;
        memset((void *)frames, 0, PAGE);
        u32 *directory = (u32 *)space.root;
        u32 saved = directory[0x60000000 >> 22];
        ((u32 *)frames)[3] = (frames + 2 * PAGE) | (u32)PTE_WU;
        directory[0x60000000 >> 22] = frames | (u32)PTE_WU;
        write_cr3(space.root);
        *(volatile u32 *)(frames + 2 * PAGE) = 0x5150 + i;
        CHECK_EQ("through the table", *(volatile u32 *)0x60003000, 0x5150 + i);
        CHECK(((u32 *)frames)[3] & (u32)PTE_A); // the walk wrote into the frame
        directory[0x60000000 >> 22] = saved;
        write_cr3(space.root);
    }
}
