// Tens of thousands of pages in an order that gives no runs: whatever maps guest pages one by one comes to a limit here
// and must go on.
#include "exec.h"
#include "paging.h"

enum { FRAMES = 4096, FRAME_AREA = 64 << 20, PAGE = 4096, AT = 0x40000000 };

static u32 frame_of(u32 page) {
    return FRAME_AREA + (page * 1597 + page / FRAMES * 11) % FRAMES * PAGE;
}

SNIPPET(touch, "1: add (%esi), %eax\n mov %eax, 4(%esi)\n add $4096, %esi\n dec %ecx\n jnz 1b", "nop")

// More pages than half of Linux's default vm.max_map_count is what a window per page would need.
enum { BEYOND_LIMITS = 34000 };

static void scatter(enum paging_mode mode, unsigned ring, u32 pages) {
    struct space s = space_new(mode);
    space_identity(&s);
    for (u32 i = 0; i < FRAMES; i++) {
        *(u32 *)(FRAME_AREA + i * PAGE) = i * 3 + 1;
        *(u32 *)(FRAME_AREA + i * PAGE + 4) = 0;
    }
    for (u32 i = 0; i < pages; i++)
        space_map(&s, AT + i * PAGE, frame_of(i), PTE_WU);
    space_enter(&s);
    for (unsigned round = 0; round < 2; round++) {
        struct regs r = regs_for(ring);
        struct trap t;
        r.esi = AT;
        r.ecx = round ? 2000 : pages;
        exec(touch, &r, &t);
        CHECK_DONE("touched", t);
        u32 eax = 0;
        for (u32 i = 0; i < r.ecx; i++)
            eax += (frame_of(i) - FRAME_AREA) / PAGE * 3 + 1;
        CHECK_EQ("sum", t.r.eax, eax);
    }
    write_cr0(read_cr0() & ~CR0_PG);
    u32 eax = 0, wrong = 0;
    static u32 last[FRAMES];
    memset(last, 0, sizeof last);
    for (u32 pass = 0; pass < 2; pass++) {
        eax = 0;
        for (u32 i = 0; i < (pass ? 2000 : pages); i++) {
            eax += (frame_of(i) - FRAME_AREA) / PAGE * 3 + 1;
            last[(frame_of(i) - FRAME_AREA) / PAGE] = eax;
        }
    }
    for (u32 i = 0; i < FRAMES; i++)
        wrong += *(u32 *)(FRAME_AREA + i * PAGE + 4) != last[i];
    CHECK_EQ("frames with another last value", wrong, 0);
}

TEST(scattered_user_pages) {
    scatter(PAGING_32, 3, BEYOND_LIMITS);
}
TEST(scattered_supervisor_accesses) {
    scatter(PAGING_32, 0, 10000);
}
TEST(scattered_pae) {
    scatter(PAGING_PAE, 3, 4000);
}
