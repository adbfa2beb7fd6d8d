// Code and page boundaries: jumps between pages, an instruction that lies in two pages (PITFALLS 9), one frame at
// several addresses, the second page missing, code at the top of the address space.
#include "exec.h"
#include "paging.h"

SNIPPET(i_mov, "", "mov $0x12345678, %eax")
SNIPPET(i_add_mem, "", "addl $0x11223344, 0x10(%esi,%ecx,4)")
SNIPPET(i_jmp, "", "jmp 1f\n nop\n nop\n 1:")
SNIPPET(i_call, "", "call 1f\n jmp 2f\n 1: mov (%esp), %ebx\n ret\n 2:")
SNIPPET(i_jcc, "", ".byte 0x0f, 0x84, 2, 0, 0, 0\n nop\n nop")
SNIPPET(i_bt, "", "btsl $5, 0x100(%esi)")
SNIPPET(i_prefixes, "", ".byte 0x64, 0x66, 0xf0, 0x81, 0x46, 0x20, 0x34, 0x12") // lock addw $0x1234, %fs:0x20(%esi)
SNIPPET(i_push, "", "push $0x13572468\n pop %edi")
SNIPPET(i_string, "lea 64(%esi), %edi\n mov $9, %ecx", "rep movsl")
SNIPPET(i_pushf, "", ".byte 0x66, 0x9c, 0x66, 0x9d")
SNIPPET(i_in, "", ".byte 0x66, 0xe5, 0x80") // in $0x80, %ax
static const u8 *const straddle[][2] = {{i_mov, i_mov_end},
                                        {i_add_mem, i_add_mem_end},
                                        {i_jmp, i_jmp_end},
                                        {i_call, i_call_end},
                                        {i_jcc, i_jcc_end},
                                        {i_bt, i_bt_end},
                                        {i_prefixes, i_prefixes_end},
                                        {i_push, i_push_end},
                                        {i_string, i_string_end},
                                        {i_pushf, i_pushf_end},
                                        {i_in, i_in_end}};

enum { CODE = 0x50000000, OTHER = 0x60003000, PAGE = 4096 };
static struct space space;
static u32 frames; // two physical pages, not next to each other

static void set_up(void) {
    space = space_new(PAGING_32);
    space_identity(&space);
    frames = page_alloc(3);
    space_map(&space, CODE, frames, PTE_WU);
    space_map(&space, CODE + PAGE, frames + 2 * PAGE, PTE_WU);
    space_enter(&space);
}

// Writes code so that `before` of its bytes lie in the first page, ending with INT 81h.
static u32 place(const u8 *from, const u8 *to, unsigned before) {
    u32 size = (u32)(to - from);
    u8 *first = (u8 *)frames, *second = (u8 *)frames + 2 * PAGE;
    for (u32 i = 0; i < size + 2; i++) {
        u8 byte = i < size ? from[i] : i == size ? 0xcd : EXEC_DONE;
        if (i < before)
            first[PAGE - before + i] = byte;
        else
            second[i - before] = byte;
    }
    return CODE + PAGE - before;
}

static struct regs start(unsigned ring) {
    struct regs r = regs_for(ring);
    r.esi = (u32)user_buffer;
    r.ecx = 3;
    r.ebp = 0x1234;
    for (unsigned i = 0; i < 1024; i++)
        user_buffer[i] = (u8)(i * 7 + 3);
    return r;
}

static void same(const struct trap *a, const struct trap *b, u32 moved, unsigned row, unsigned split) {
    bool ok = CHECK_EQ("vector", a->vector, b->vector) && CHECK_EQ("eax", a->r.eax, b->r.eax) &&
              CHECK_EQ("ecx", a->r.ecx, b->r.ecx) && CHECK_EQ("edi", a->r.edi, b->r.edi) &&
              CHECK_EQ("esi", a->r.esi, b->r.esi) && CHECK_EQ("eflags", a->r.eflags, b->r.eflags) &&
              CHECK_EQ("ebx", a->r.ebx, b->r.ebx ? b->r.ebx + moved : 0) && CHECK_EQ("eip", a->r.eip, b->r.eip + moved);
    if (!ok)
        print("     row %u, %u bytes in the first page\n", row, split);
}

TEST(instruction_across_pages) {
    set_up();
    for (unsigned row = 0; row < sizeof straddle / sizeof *straddle; row++)
        for (unsigned split = 1; split < (u32)(straddle[row][1] - straddle[row][0]) + 2; split++)
            for (unsigned ring = 0; ring <= 3; ring += 3) {
                if (straddle[row][0] == i_in && ring == 3)
                    continue;
                struct trap reference, t;
                static u8 image[1024];
                struct regs r = start(ring);
                exec(straddle[row][0], &r, &reference);
                memcpy(image, user_buffer, sizeof image);
                for (unsigned again = 0; again < 2; again++) {
                    r = start(ring);
                    u32 at = place(straddle[row][0], straddle[row][1], split);
                    exec((void *)at, &r, &t);
                    same(&t, &reference, at - (u32)straddle[row][0], row, split);
                    CHECK(!memcmp(image, user_buffer, sizeof image));
                }
            }
}

TEST(second_page_missing) {
    set_up();
    for (unsigned split = 1; split < 5; split++)
        for (unsigned ring = 0; ring <= 3; ring += 3) {
            u32 at = place(i_mov, i_mov_end, split);
            struct regs r = regs_for(ring);
            struct trap t;
            for (unsigned again = 0; again < 3; again++) {
                pte_set(&space, CODE + PAGE, 0);
                invlpg(CODE + PAGE);
                exec((void *)at, &r, &t);
                CHECK_PF(t, ring ? PF_U : 0, CODE + PAGE, (void *)at);
                CHECK_EQ("eax", t.r.eax, 0);
                space_map(&space, CODE + PAGE, frames + 2 * PAGE, PTE_WU);
                exec((void *)t.r.eip, &t.r, &t);
                CHECK_DONE("page came", t);
                CHECK_EQ("eax", t.r.eax, 0x12345678);
            }
        }
}

TEST(second_page_supervisor) { // ring 3 may not fetch the tail of its instruction from a supervisor page
    set_up();
    u32 at = place(i_mov, i_mov_end, 2);
    struct trap t = exec_ring((void *)at, 3);
    CHECK_DONE("allowed", t);
    space_map(&space, CODE + PAGE, frames + 2 * PAGE, PTE_WS);
    invlpg(CODE + PAGE);
    t = exec_ring((void *)at, 3);
    CHECK_PF(t, PF_U | PF_P, CODE + PAGE, (void *)at);
    t = exec_ring((void *)at, 0);
    CHECK_DONE("ring 0", t);
}

TEST(second_page_changes) { // PITFALLS 9: the crossing block must see another second page and another first page
    set_up();
    u32 at = place(i_mov, i_mov_end, 3);
    u8 *other = (u8 *)(frames + PAGE);
    memcpy(other, (u8 *)frames + 2 * PAGE, PAGE);
    other[0] ^= 0xff;
    struct trap t = exec_ring((void *)at, 3);
    CHECK_EQ("eax", t.r.eax, 0x12345678);
    space_map(&space, CODE + PAGE, frames + PAGE, PTE_WU);
    invlpg(CODE + PAGE);
    t = exec_ring((void *)at, 3);
    CHECK_EQ("other frame", t.r.eax, 0x12cb5678);
    other[1] = 0x77; // a write into the second page
    t = exec_ring((void *)at, 3);
    CHECK_EQ("written second page", t.r.eax, 0x77cb5678);
    ((u8 *)frames)[PAGE - 1] = 0x99; // and into the first
    t = exec_ring((void *)at, 3);
    CHECK_EQ("written first page", t.r.eax, 0x77cb9978);
    space_map(&space, CODE + PAGE, frames + 2 * PAGE, PTE_WU);
    write_cr3(space.root);
    t = exec_ring((void *)at, 3);
    CHECK_EQ("first frame again", t.r.eax, 0x12349978);
}

SNIPPET(
    position,
    "call 1f\n 1: pop %eax\n mov $2f, %ebx\n sub $1b, %ebx\n add %eax, %ebx\n push %ebx\n ret\n nop\n 2: mov $7, %ecx",
    "ud2")

TEST(one_frame_many_addresses) { // what depends on EIP is right at each address
    set_up();
    memcpy((void *)frames, position, (u32)(position_end - position));
    u32 reference = 0;
    for (unsigned i = 0; i < 200; i++) {
        u32 linear = OTHER + (i * 0x00012000u);
        space_map(&space, linear, frames, PTE_WU);
        struct trap t = exec_ring((void *)linear, i & 1 ? 3 : 0);
        CHECK_TRAP(t, VEC_UD, 0, (void *)(linear + (u32)(position_at - position)));
        reference = reference ? reference : t.r.eax - linear;
        CHECK_EQ("return address", t.r.eax, linear + reference);
        CHECK_EQ("ecx", t.r.ecx, 7);
    }
}

// Two pages that jump to each other: the targets are in other pages and depend on where the code is mapped.
SNIPPET(ping, "1: inc %eax\n dec %ecx\n jz 2f", ".byte 0xe9\n .long 0x1000 - 10\n 2:") // to the same place one page on
SNIPPET(pong, "1: add $2, %eax\n dec %ecx\n jz 2f", ".byte 0xe9\n .long -0x1000 - 12\n 2:")

TEST(jumps_between_pages) {
    set_up();
    u32 jump = (u32)(ping_at - ping) + 5, back = (u32)(pong_at - pong) + 5;
    memcpy((u8 *)frames + 0x100, ping, 32);
    memcpy((u8 *)frames + 2 * PAGE + 0x100, pong, 32);
    *(u32 *)(frames + 0x100 + jump - 4) = PAGE - jump;
    *(u32 *)(frames + 2 * PAGE + 0x100 + back - 4) = 0u - PAGE - back;
    for (unsigned i = 0; i < 8; i++) {
        u32 linear = OTHER + i * 0x400000;
        space_map(&space, linear, frames, PTE_WU);
        space_map(&space, linear + PAGE, frames + 2 * PAGE, PTE_WU);
        for (unsigned ring = 0; ring <= 3; ring += 3) {
            struct regs r = regs_for(ring);
            struct trap t;
            r.ecx = 20000;
            exec((void *)(linear + 0x100), &r, &t);
            CHECK_DONE("ping pong", t);
            CHECK_EQ("eax", t.r.eax, 30000);
            CHECK_EQ("ended in", t.r.eip & ~0xfffu, linear + PAGE);
        }
    }
    // The second page is swapped for another frame between two runs: the first page's jump must follow.
    u8 *third = (u8 *)frames + PAGE;
    memcpy(third + 0x100, "\x83\xc0\x05\x49\x74\x05\xe9\0\0\0\0\xcd\x81", 13); // add $5; dec; jz; jmp back
    *(u32 *)(third + 0x107) = 0u - PAGE - 11;
    space_map(&space, OTHER + PAGE, frames + PAGE, PTE_WU);
    invlpg(OTHER + PAGE);
    struct regs r = regs_for(3);
    struct trap t;
    r.ecx = 2000;
    exec((void *)(OTHER + 0x100), &r, &t);
    CHECK_DONE("other frame", t);
    CHECK_EQ("eax", t.r.eax, 6000);
}

TEST(falls_into_next_page) { // straight-line code runs over a page end between two instructions
    set_up();
    memset((void *)frames, 0x40, PAGE);             // inc %eax
    memset((void *)(frames + 2 * PAGE), 0x41, 100); // inc %ecx
    memcpy((void *)(frames + 2 * PAGE + 100), "\xcd\x81", 2);
    for (unsigned ring = 0; ring <= 3; ring += 3) {
        struct trap t = exec_ring((void *)(CODE + 96), ring);
        CHECK_DONE("4000 instructions", t);
        CHECK_EQ("eax", t.r.eax, 4000);
        CHECK_EQ("ecx", t.r.ecx, 100);
    }
    pte_set(&space, CODE + PAGE, 0);
    invlpg(CODE + PAGE);
    struct trap t = exec_ring((void *)(CODE + 96), 3);
    CHECK_PF(t, PF_U, CODE + PAGE, (void *)(CODE + PAGE));
    CHECK_EQ("eax", t.r.eax, 4000);
}

TEST(top_of_address_space) {
    set_up();
    u8 *top = (u8 *)frames, *bottom = (u8 *)frames + 2 * PAGE;
    space_map(&space, 0xfffff000, frames, PTE_WU);
    space_map(&space, 0, frames + 2 * PAGE, PTE_WU);
    space_enter(&space);
    memcpy(bottom + 0x10, "\xb1\x22\xcd\x81", 4);
    memcpy(top + 0xff0, "\x40\xeb\x1d", 3); // inc %eax; jmp to 10h
    struct trap t = exec_ring((void *)0xfffffff0, 3);
    CHECK_DONE("jump over the top", t);
    CHECK_EQ("eip", t.r.eip, 0x14);
    CHECK_EQ("cl", t.r.ecx, 0x22);
    memcpy(top + 0xff0, "\xe8\x1b\x00\x00\x00\x90", 6); // call 10h
    t = exec_ring((void *)0xfffffff0, 3);
    CHECK_DONE("call over the top", t);
    CHECK_EQ("return address", *(u32 *)t.r.esp, 0xfffffff5);
    memcpy(bottom + 0x40, "\xeb\xae", 2); // jmp -50h: backwards through 0
    t = exec_ring((void *)0x40, 3);
    CHECK_DONE("backwards", t);
    CHECK_EQ("eip", t.r.eip, 0x14);
}
