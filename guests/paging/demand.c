// Demand paging as kernels do it: user page touch loops, copy on write, kernel accesses to user pages that fault, pages
// given back and touched again.
#include "kit.h"

enum { USER_AT = 0x40000000, PAGES = 256 };

static struct space space;
static u32 pool, next_free, faults, copies;

static bool fill(struct trap_frame *f) { // a fresh page for a missing one; a copy for a write to a read-only one
    u32 page = read_cr2() & ~0xfffu;
    if (page < USER_AT || page >= USER_AT + PAGES * PAGE)
        return false;
    faults++;
    u32 fresh = pool + next_free++ % (2 * PAGES) * PAGE;
    if (f->error & PF_P) {
        copies++;
        memcpy((void *)fresh, (void *)((u32)pte_get(&space, page) & ~0xfffu), PAGE);
    } else {
        memset((void *)fresh, 0, PAGE);
    }
    pte_set(&space, page, fresh | PTE_WU);
    if (f->error & PF_P)
        invlpg(page);
    return true;
}

static void set_up(enum paging_mode mode) {
    space = space_new(mode);
    space_identity(&space);
    pool = page_alloc(2 * PAGES);
    next_free = faults = copies = 0;
    space_enter(&space);
    hook_set(VEC_PF, fill);
}

// Touches a word in each of ECX pages from ESI on; EBX += what was there.
SNIPPET(touch, "1: add (%esi), %ebx\n incl (%esi)\n add $4096, %esi", "loop 1b")
SNIPPET(read_touch, "1: add (%esi), %ebx\n add $4096, %esi", "loop 1b")

static struct trap touch_all(const u8 *code, unsigned ring, u32 offset) {
    struct regs r = regs_for(ring);
    struct trap t;
    r.esi = USER_AT + offset;
    r.ecx = PAGES;
    exec(code, &r, &t);
    return t;
}

static void touch_loop(enum paging_mode mode) {
    set_up(mode);
    for (u32 round = 0; round < 4; round++) {
        faults = 0;
        struct trap t = touch_all(touch, 3, round * 4);
        CHECK_DONE("touched", t);
        CHECK_EQ("a fault a page", faults, PAGES);
        CHECK_EQ("zero pages", t.r.ebx, 0);
        t = touch_all(touch, 3, round * 4);
        CHECK_EQ("no more faults", faults, PAGES);
        CHECK_EQ("ones", t.r.ebx, PAGES);
        for (u32 i = 0; i < PAGES; i++) // give all back
            pte_set(&space, USER_AT + i * PAGE, 0);
        write_cr3(space.root);
    }
}
TEST(page_touch) {
    touch_loop(PAGING_32);
}
TEST(page_touch_pae) {
    touch_loop(PAGING_PAE);
}

TEST(kernel_touches_user_pages) {
    set_up(PAGING_32);
    struct trap t = touch_all(touch, 0, 0);
    CHECK_DONE("ring 0", t);
    CHECK_EQ("a fault a page", faults, PAGES);
    for (u32 round = 0; round < 10; round++) { // as copy_to_user and copy_from_user do, mixed with the user's accesses
        memset((void *)USER_AT, (int)round, 64);
        memcpy((void *)(USER_AT + 3 * PAGE + 100), (void *)USER_AT, 64);
        t = kit_access(a_read, 3, USER_AT + 3 * PAGE + 100);
        CHECK_EQ("seen by the user", t.r.eax, round * 0x01010101u);
        t = kit_access(a_write, 3, USER_AT + 8);
        CHECK_EQ("seen by the kernel", *(volatile u32 *)(USER_AT + 8), 0x11223344);
    }
}

TEST(read_then_write) { // a shared zero page first, read-only; the write copies
    set_up(PAGING_32);
    u32 zero = page_alloc(1);
    for (u32 i = 0; i < PAGES; i++)
        pte_set(&space, USER_AT + i * PAGE, zero | PTE_P | PTE_U);
    write_cr3(space.root);
    struct trap t = touch_all(read_touch, 3, 8);
    CHECK_DONE("read", t);
    CHECK_EQ("no faults", faults, 0);
    t = touch_all(touch, 3, 8);
    CHECK_DONE("written", t);
    CHECK_EQ("copies", copies, PAGES);
    t = touch_all(read_touch, 3, 8);
    CHECK_EQ("ones", t.r.ebx, PAGES);
    CHECK_EQ("zero page", *(u32 *)(zero + 8), 0);
}

TEST(fork_like) { // parent and child share read-only frames; each copies what it writes
    set_up(PAGING_32);
    touch_all(touch, 3, 0);
    struct space parent = space, child = space_new(PAGING_32);
    space_identity(&child);
    for (u32 round = 0; round < 5; round++) {
        for (u32 i = 0; i < PAGES; i++) {
            u64 entry = pte_get(&parent, USER_AT + i * PAGE) & ~(PTE_W | PTE_A | PTE_D);
            pte_set(&parent, USER_AT + i * PAGE, entry);
            pte_set(&child, USER_AT + i * PAGE, entry);
        }
        copies = 0;
        space = child;
        write_cr3(child.root);
        struct trap t = touch_all(read_touch, 3, 0);
        u32 before = t.r.ebx;
        struct regs r = regs_for(3);
        r.esi = USER_AT;
        r.ecx = 40;
        exec(touch, &r, &t);
        CHECK_DONE("child writes", t);
        CHECK_EQ("copies", copies, 40);
        space = parent;
        write_cr3(parent.root);
        t = touch_all(read_touch, 3, 0);
        CHECK_EQ("the parent sees nothing of it", t.r.ebx, before);
        t = touch_all(touch, 3, 0);
        CHECK_DONE("parent writes", t);
        t = touch_all(read_touch, 3, 0);
        CHECK_EQ("one more each", t.r.ebx, before + PAGES);
    }
}

SNIPPET(pushes, "1: push %ecx\n loop 1b", "nop")

TEST(user_stack_grows) { // pushes and calls into missing pages, downwards
    set_up(PAGING_32);
    struct regs r = regs_for(3);
    struct trap t;
    static const u8 code[] = {0x51, 0xe8, 0x05, 0,    0,    0,    0x59, 0xe2, 0xf7, 0xcd, 0x81,
                              0x83, 0xec, 0x64, 0x89, 0x0c, 0x24, 0x83, 0xc4, 0x64, 0xc3};
    // push %ecx; call 1f; pop %ecx; loop; int 81h; 1: sub $100, %esp; mov %ecx, (%esp); add $100, %esp; ret
    memcpy(user_buffer, code, sizeof code);
    user_buffer[2] = 0x05;
    r.esp = USER_AT + PAGES * PAGE;
    r.ecx = 50;
    exec(user_buffer, &r, &t);
    CHECK_DONE("calls", t);
    CHECK_EQ("esp", t.r.esp, USER_AT + PAGES * PAGE);
    r.ecx = 5000;
    exec(pushes, &r, &t);
    CHECK_DONE("pushes", t);
    CHECK_EQ("esp", t.r.esp, USER_AT + PAGES * PAGE - 20000);
    CHECK_EQ("top", *(volatile u32 *)t.r.esp, 1);
    CHECK_EQ("faults", faults, 5);
}
