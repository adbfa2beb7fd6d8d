// A page with a data breakpoint that is used heavily before, while and after it is watched: the forms of operands
// change under it, and nothing is lost or counted twice.
#include "debug.h"

#include "paging.h"

SNIPPET(t_fill, "1: mov %eax, (%esi,%ecx,4)\n add (%esi,%ecx,4), %ebx\n dec %ecx\n jns 1b", "nop")

static void turns(unsigned ring) {
    struct regs r = regs_for(ring);
    struct trap t;
    r.esi = (u32)user_buffer;
    r.ecx = 2047; // two pages
    r.eax = 3;
    for (unsigned turn = 0; turn < 8; turn++) {
        t = debug_run(t_fill, &r, 0);
        CHECK_EQ("sum", t.r.ebx, 3 * 2048);
        write_dr0(r.esi + 8);
        write_dr1(r.esi + 4096);
        t = debug_run(t_fill, &r, dr7_bits(0, RW_WRITE, LEN4) | dr7_bits(1, RW_ACCESS, LEN1));
        CHECK_DONE("end", t);
        CHECK_EVENTS(3);
        CHECK_EQ("sum", t.r.ebx, 3 * 2048);
        check_event(0, t_fill + 3, 2, __FILE__, __LINE__);
        check_event(1, t_fill + 6, 2, __FILE__, __LINE__);
        check_event(2, t_fill + 3, 1, __FILE__, __LINE__);
    }
}

TEST(without_paging) {
    turns(0);
    turns(3);
}

TEST(under_paging) {
    struct space s = space_new(PAGING_32);
    space_identity(&s);
    space_enter(&s);
    turns(3);
    turns(0);
}

TEST(large_pages) { // identity by 4 MiB pages
    struct space s = space_new(PAGING_32);
    write_cr4(read_cr4() | 0x10);
    for (u32 at = 0; at < 32u << 20; at += 4u << 20)
        pde_set(&s, at, at | PTE_P | PTE_W | PTE_U | PTE_PS);
    space_enter(&s);
    turns(0);
    turns(3);
}
