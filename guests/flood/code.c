// More code than caches like to hold: thousands of pages of small routines, executed, rewritten and executed again, in
// one space and in many. Uses physical memory from 64 MiB to 96 MiB.
#include "exec.h"
#include "paging.h"

enum { PAGES = 3000, AREA = 64 << 20, PAGE = 4096, PER_PAGE = 4 };

// Routine k of page p: eax = eax * 33 + constant; then a jump to routine k of the next page, or a return from the last.
static u32 constant(u32 page, u32 k, u32 version) {
    return page * 0x9e3779b1u + k * 77 + version;
}

static void write_page(u32 page, u32 version) {
    for (u32 k = 0; k < PER_PAGE; k++) {
        u8 *p = (u8 *)(AREA + page * PAGE + k * 512 + (page & 63));
        u32 c = constant(page, k, version);
        memcpy(p, "\x6b\xc0\x21\x05", 4); // imul $33, %eax, %eax; add $c, %eax
        memcpy(p + 4, &c, 4);
        if (page + 1 < PAGES) {
            u32 target = AREA + (page + 1) * PAGE + k * 512 + ((page + 1) & 63);
            u32 relative = target - ((u32)p + 13);
            p[8] = 0xe9;
            memcpy(p + 9, &relative, 4);
        } else {
            p[8] = 0xc3;
        }
    }
}

static u32 run(u32 k) {
    u32 eax = k;
    u32 entry = AREA + k * 512;
    __asm__ volatile("call *%1" : "+a"(eax) : "r"(entry) : "memory", "cc");
    return eax;
}

static u32 model(u32 k, u32 (*version)(u32 page)) {
    u32 eax = k;
    for (u32 page = 0; page < PAGES; page++)
        eax = eax * 33 + constant(page, k, version(page));
    return eax;
}

static u32 all_1(u32 page) {
    return page - page + 1;
}
static u32 every_third_2(u32 page) {
    return page % 3 == 0 ? 2 : 1;
}

TEST(thousands_of_code_pages) {
    for (u32 page = 0; page < PAGES; page++)
        write_page(page, 1);
    for (unsigned again = 0; again < 3; again++)
        for (u32 k = 0; k < PER_PAGE; k++)
            CHECK_EQ("all", run(k), model(k, all_1));
    for (u32 page = 0; page < PAGES; page += 3)
        write_page(page, 2);
    for (unsigned again = 0; again < 2; again++)
        for (u32 k = 0; k < PER_PAGE; k++)
            CHECK_EQ("every third rewritten", run(k), model(k, every_third_2));
    for (u32 page = 0; page < PAGES; page += 3)
        write_page(page, 1);
    for (u32 k = 0; k < PER_PAGE; k++)
        CHECK_EQ("as at first", run(k), model(k, all_1));
}

// One block after another in the same place, each run once: what is generated, used and thrown away.
TEST(endless_new_code) {
    u8 *p = (u8 *)AREA;
    u32 x = 1;
    for (u32 i = 0; i < 3000; i++) {
        x = x * 1664525 + 1013904223;
        u8 *at = p + (i % 64) * 48;
        at[0] = 0xb8;
        memcpy(at + 1, &x, 4);
        at[5] = 0x35;
        memcpy(at + 6, &i, 4);
        at[10] = 0xc3;
        u32 eax;
        __asm__ volatile("call *%1" : "=a"(eax) : "r"(at) : "memory", "cc");
        if (eax != (x ^ i)) {
            CHECK_EQ("value", eax, x ^ i);
            return;
        }
    }
}

SNIPPET(walk, "1: call *%esi\n add $4096, %esi\n dec %ecx\n jnz 1b", "nop")

TEST(code_in_many_spaces) { // 60 spaces with 100 pages of code each, at addresses of their own, all the same frames
    enum { SPACES = 60, CODE_PAGES = 100 };
    static struct space spaces[SPACES];
    u32 frames = page_alloc(CODE_PAGES);
    for (u32 i = 0; i < CODE_PAGES; i++) {
        u8 *p = (u8 *)(frames + i * PAGE);
        p[0] = 0x05; // add $i, %eax
        memcpy(p + 1, &i, 4);
        p[5] = 0xc3;
    }
    for (u32 s = 0; s < SPACES; s++) {
        spaces[s] = space_new(PAGING_32);
        if (s == 0)
            space_identity(&spaces[0]);
        else
            memcpy((void *)spaces[s].root, (void *)spaces[0].root, 8 * 4);
        for (u32 i = 0; i < CODE_PAGES; i++)
            space_map(&spaces[s], 0x40000000 + s * 0x00777000 + i * PAGE, frames + i * PAGE, PTE_P | PTE_U);
    }
    space_enter(&spaces[0]);
    for (u32 round = 0; round < 3; round++)
        for (u32 s = 0; s < SPACES; s++) {
            write_cr3(spaces[s].root);
            struct regs r = regs_for(3);
            struct trap t;
            r.esi = 0x40000000 + s * 0x00777000;
            r.ecx = CODE_PAGES;
            exec(walk, &r, &t);
            if (!CHECK_DONE("walk", t) || !CHECK_EQ("sum", t.r.eax, CODE_PAGES * (CODE_PAGES - 1) / 2))
                return;
        }
}
