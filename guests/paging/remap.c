// Pages that change their frame under running code, several addresses for one frame, page tables edited as memory.
#include "kit.h"

enum { CODE_AT = 0x70000000, ALIAS = 0x78000000 };

// A routine that returns `value` in EAX and, if `pad`, is longer.
static void routine(u32 frame, u32 offset, u32 value) {
    u8 *p = (u8 *)frame + offset;
    p[0] = 0xb8; // mov $value, %eax
    memcpy(p + 1, &value, 4);
    p[5] = 0xcd;
    p[6] = EXEC_DONE;
}

static void code_frames(enum paging_mode mode, bool by_cr3) {
    struct space s = space_new(mode);
    space_identity(&s);
    u32 frames = page_alloc(4);
    for (u32 i = 0; i < 4; i++)
        routine(frames + i * PAGE, 0x20, 100 + i);
    pte_set(&s, CODE_AT, frames | PTE_WU);
    space_enter(&s);
    for (u32 i = 0; i < 60; i++) {
        u32 which = (i * 7 + i / 5) & 3;
        pte_set(&s, CODE_AT, (frames + which * PAGE) | PTE_WU);
        if (by_cr3)
            write_cr3(s.root);
        else
            invlpg(CODE_AT);
        for (unsigned ring = 0; ring <= 3; ring += 3) {
            struct trap t = exec_ring((void *)(CODE_AT + 0x20), ring);
            if (!CHECK_EQ("code of the frame", t.r.eax, 100 + which))
                return;
        }
    }
}
TEST(code_remapped_invlpg) {
    code_frames(PAGING_32, false);
}
TEST(code_remapped_cr3) {
    code_frames(PAGING_32, true);
}
TEST(code_remapped_pae) {
    code_frames(PAGING_PAE, false);
    exec_reset();
    code_frames(PAGING_PAE, true);
}

// Code that remaps the page it runs in: after INVLPG the next instruction comes from the other frame.
// ESI = page-table entry, EDI = its new value, EBP = address in the page.
SNIPPET(self_remap, "mov %edi, (%esi)\n invlpg (%ebp)\n mov $1, %ecx\n mov $0x11, %edx", "nop")

TEST(code_remaps_itself) {
    struct space s;
    u32 first = kit_enter(&s, PAGING_32, PTE_WU);
    u32 second = page_alloc(1);
    u32 size = (u32)(self_remap_end - self_remap) + 2;
    for (unsigned i = 0; i < 20; i++) {
        memcpy((void *)first, self_remap, size);
        memcpy((void *)second, self_remap, size);
        u8 *value = (u8 *)(i & 1 ? first : second) + (u32)(self_remap_at - self_remap) - 4;
        *value = (u8)(0x40 + i);
        pte_set(&s, PAGE_AT, (i & 1 ? second : first) | PTE_WU);
        invlpg(PAGE_AT);
        struct regs r = regs_for(0);
        struct trap t;
        r.esi = (u32)space_pte(&s, PAGE_AT);
        r.edi = (i & 1 ? first : second) | (u32)PTE_WU;
        r.ebp = PAGE_AT + 5;
        exec((void *)PAGE_AT, &r, &t);
        CHECK_DONE("went on", t);
        CHECK_EQ("edx from the other frame", t.r.edx, 0x40 + i);
        CHECK_EQ("ecx", t.r.ecx, 1);
    }
}

// PITFALLS 10: ring 0 code loads CR3, and in the new space its own page is another frame. ESI = the new CR3.
SNIPPET(self_switch, "mov %esi, %cr3\n mov $1, %ecx\n call 1f\n jmp 2f\n 1: mov $0x22, %edx\n ret\n 2: mov $0x11, %ebx",
        "nop")

TEST(code_switches_space_under_itself) {
    struct space s[2];
    u32 frames = page_alloc(2);
    u32 size = (u32)(self_switch_end - self_switch) + 2;
    for (u32 i = 0; i < 2; i++) {
        s[i] = space_new(PAGING_32);
        space_identity(&s[i]);
        space_map(&s[i], PAGE_AT, frames + i * PAGE, PTE_WS);
        memcpy((void *)(frames + i * PAGE), self_switch, size);
        *(u8 *)(frames + i * PAGE + (u32)(self_switch_at - self_switch) - 4) = (u8)(0x50 + i); // of EBX
    }
    space_enter(&s[0]);
    for (u32 i = 0; i < 40; i++) {
        struct regs r = regs_for(0);
        struct trap t;
        u32 to = (i + i / 3) & 1;
        r.esi = s[to].root;
        exec((void *)PAGE_AT, &r, &t);
        CHECK_DONE("went on", t);
        CHECK_EQ("from the new space", t.r.ebx, 0x50 + to);
        CHECK_EQ("edx", t.r.edx, 0x22);
    }
}

TEST(code_page_missing_after_switch) { // the instruction behind MOV CR3 faults in the new space
    struct space s[2];
    u32 frame = page_alloc(1);
    memcpy((void *)frame, self_switch, (u32)(self_switch_end - self_switch) + 2);
    for (u32 i = 0; i < 2; i++) {
        s[i] = space_new(PAGING_32);
        space_identity(&s[i]);
    }
    space_map(&s[0], PAGE_AT, frame, PTE_WS);
    for (u32 i = 0; i < 5; i++) {
        space_enter(&s[0]);
        struct regs r = regs_for(0);
        struct trap t;
        r.esi = s[1].root;
        exec((void *)PAGE_AT, &r, &t);
        CHECK_PF(t, 0, PAGE_AT + 3, (void *)(PAGE_AT + 3));
        CHECK_EQ("ecx", t.r.ecx, 0);
    }
}

TEST(data_remapped) { // a data page swings between frames while one loop reads it
    struct space s;
    kit_enter(&s, PAGING_32, PTE_WS);
    u32 frames = page_alloc(8);
    for (u32 i = 0; i < 8; i++)
        *(u32 *)(frames + i * PAGE + 12) = i * 1111;
    u32 sum = 0, expected = 0;
    for (u32 i = 0; i < 500; i++) {
        u32 which = (i * 5 + i / 7) & 7;
        pte_set(&s, PAGE_AT, (frames + which * PAGE) | PTE_WS);
        invlpg(PAGE_AT);
        sum = sum * 3 + *(volatile u32 *)(PAGE_AT + 12);
        expected = expected * 3 + which * 1111;
    }
    CHECK_EQ("sum", sum, expected);
}

TEST(aliases) { // a write through one address is seen through all the others, at once
    struct space s;
    u32 frame = kit_enter(&s, PAGING_32, PTE_WU);
    for (u32 i = 0; i < 16; i++)
        pte_set(&s, ALIAS + i * 0x401000, frame | PTE_WU);
    for (u32 round = 0; round < 64; round++) {
        volatile u32 *writer = (volatile u32 *)(ALIAS + (round & 15) * 0x401000 + 0x40);
        *writer = round * 77;
        for (u32 i = 0; i < 16; i++)
            if (*(volatile u32 *)(ALIAS + i * 0x401000 + 0x40) != round * 77) {
                CHECK_EQ("alias", *(volatile u32 *)(ALIAS + i * 0x401000 + 0x40), round * 77);
                return;
            }
    }
    struct trap t = kit_access(a_rmw, 3, ALIAS + 0x40);
    CHECK_DONE("user", t);
    CHECK_EQ("through the first", *(volatile u32 *)(PAGE_AT + 0x40), 63 * 77 + 1);
}

TEST(read_only_alias) { // one frame, writable here and read-only there
    struct space s;
    u32 frame = kit_enter(&s, PAGING_32, PTE_WU);
    pte_set(&s, ALIAS, frame | PTE_P | PTE_U);
    for (u32 i = 0; i < 10; i++) {
        struct trap t = kit_access(a_write, 3, PAGE_AT + 4 * i);
        CHECK_DONE("writable", t);
        t = kit_access(a_read, 3, ALIAS + 4 * i);
        CHECK_EQ("read", t.r.eax, 0x11223344);
        t = kit_access(a_write, 3, ALIAS + 4 * i);
        CHECK_PF(t, PF_P | PF_W | PF_U, ALIAS + 4 * i, a_write);
    }
}

TEST(recursive_page_table) { // the directory maps itself; the tables are edited through that window
    struct space s;
    kit_enter(&s, PAGING_32, PTE_WU);
    u32 frames = page_alloc(4);
    for (u32 i = 0; i < 4; i++)
        *(u32 *)(frames + i * PAGE) = 0xa0 + i;
    ((u32 *)s.root)[1023] = s.root | (u32)PTE_WS;
    write_cr3(s.root);
    volatile u32 *tables = (volatile u32 *)0xffc00000;
    CHECK_EQ("directory seen", ((volatile u32 *)0xfffff000)[1023] & ~0xfffu, s.root);
    for (u32 i = 0; i < 100; i++) {
        tables[PAGE_AT >> 12] = (frames + (i & 3) * PAGE) | (u32)PTE_WU;
        invlpg(PAGE_AT);
        struct trap t = kit_access(a_read, i & 4 ? 3 : 0, PAGE_AT);
        if (!CHECK_EQ("word", t.r.eax, 0xa0 + (i & 3)))
            return;
        CHECK(tables[PAGE_AT >> 12] & (u32)PTE_A);
    }
}

TEST(table_swapped) { // a directory entry points to another table; 1,024 pages change at once
    struct space s;
    kit_enter(&s, PAGING_32, PTE_WU);
    u32 frames = page_alloc(2), tables = page_alloc(2);
    *(u32 *)frames = 1;
    *(u32 *)(frames + PAGE) = 2;
    for (u32 i = 0; i < 1024; i++) {
        ((u32 *)tables)[i] = frames | (u32)PTE_WU;
        ((u32 *)tables)[1024 + i] = (frames + PAGE) | (u32)PTE_WU;
    }
    for (u32 i = 0; i < 30; i++) {
        pde_set(&s, 0x60000000, (tables + (i & 1) * PAGE) | PTE_WU);
        write_cr3(s.root);
        for (u32 at = 0x60000000; at < 0x60400000; at += 0x55000)
            if (*(volatile u32 *)at != (i & 1) + 1) {
                CHECK_EQ("word", *(volatile u32 *)at, (i & 1) + 1);
                return;
            }
    }
}

TEST(frame_moves) { // copy on write and compaction: contents stay, frame changes
    struct space s;
    kit_enter(&s, PAGING_32, PTE_WU);
    u32 frames = page_alloc(10);
    u32 current = frames;
    pte_set(&s, PAGE_AT, current | PTE_WU);
    invlpg(PAGE_AT);
    for (u32 i = 1; i < 10; i++) {
        *(volatile u32 *)(PAGE_AT + i * 4) = i * i;
        u32 next = frames + i * PAGE;
        memcpy((void *)next, (void *)current, PAGE);
        memset((void *)current, 0xee, PAGE);
        pte_set(&s, PAGE_AT, next | PTE_WU);
        invlpg(PAGE_AT);
        current = next;
        for (u32 k = 1; k <= i; k++)
            CHECK_EQ("kept", *(volatile u32 *)(PAGE_AT + k * 4), k * k);
    }
}
