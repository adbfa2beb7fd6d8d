// Operands that lie in two pages, which are two unrelated frames: right values, and faults on the second page with its
// address and nothing changed in the first.
#include "kit.h"

SNIPPET(x_read, "", "mov (%esi), %eax")
SNIPPET(x_read16, "", "movzwl (%esi), %eax")
SNIPPET(x_write, "", "mov %eax, (%esi)")
SNIPPET(x_write16, "", "mov %ax, (%esi)")
SNIPPET(x_add, "", "add %eax, (%esi)")
SNIPPET(x_lock, "", "lock add %eax, (%esi)")
SNIPPET(x_xchg, "", "xchg %eax, (%esi)")
SNIPPET(x_cmpxchg, "mov (%esi), %eax\n mov $0x77665544, %ecx", "lock cmpxchg %ecx, (%esi)")
SNIPPET(x_cmpxchg8b, "mov (%esi), %eax\n mov 4(%esi), %edx\n mov $0x1, %ebx\n mov $2, %ecx", "cmpxchg8b (%esi)")
SNIPPET(x_push, "lea 4(%esi), %esp", "push %eax")
SNIPPET(x_pop, "mov %esi, %esp", "pop %eax")
SNIPPET(x_pusha, "lea 4(%esi), %esp", "pusha")
SNIPPET(x_movs, "mov $user_buffer, %edi", "movsl")
SNIPPET(x_bts, "mov $12, %ecx", "btsl %ecx, (%esi)")
static const struct access all[] = {
    {"read", x_read, false, false},      {"read16", x_read16, false, false}, {"write", x_write, true, false},
    {"write16", x_write16, true, false}, {"add", x_add, true, true},         {"lock add", x_lock, true, true},
    {"xchg", x_xchg, true, true},        {"cmpxchg", x_cmpxchg, true, true}, {"cmpxchg8b", x_cmpxchg8b, true, true},
    {"push", x_push, true, false},       {"pop", x_pop, false, false},       {"pusha", x_pusha, true, false},
    {"movs", x_movs, false, false},      {"bts", x_bts, true, true},
};
enum { COUNT = sizeof all / sizeof *all };

static u32 second;
static u32 set_up(struct space *s, u64 first_flags, u64 second_flags) {
    u32 first = kit_enter(s, PAGING_32, first_flags);
    page_alloc(3);
    second = page_alloc(1);
    pte_set(s, PAGE_AT + PAGE, second | second_flags);
    write_cr3(s->root);
    for (unsigned i = 0; i < PAGE; i++) {
        ((u8 *)first)[i] = (u8)(i * 3);
        ((u8 *)second)[i] = (u8)(i * 5 + 1);
    }
    return first;
}

TEST(values) { // the same result as at an address that does not cross
    struct space s;
    for (unsigned i = 0; i < COUNT; i++)
        for (unsigned back = 1; back < 4; back++) {
            u32 first = set_up(&s, PTE_WU, PTE_WU);
            check_context(all[i].name);
            // A copy of the 64 bytes around the boundary, in one page.
            u8 *flat = user_buffer + 1024;
            memcpy(flat, (u8 *)first + PAGE - 64, 64);
            memcpy(flat + 64, (u8 *)second, 64);
            struct trap expected = kit_access(all[i].code, 3, (u32)flat + 64 - back);
            struct trap t = kit_access(all[i].code, 3, PAGE_AT + PAGE - back);
            CHECK_DONE("flat", expected);
            CHECK_DONE("crossing", t);
            CHECK_EQ("eax", t.r.eax, expected.r.eax);
            CHECK_EQ("edx", t.r.edx, expected.r.edx);
            CHECK_EQ("eflags", t.r.eflags, expected.r.eflags);
            if (all[i].code != x_pusha) { // it stores ESP
                CHECK(!memcmp(flat, (u8 *)first + PAGE - 64, 64));
                CHECK(!memcmp(flat + 64, (u8 *)second, 64));
            }
            exec_reset();
        }
}

TEST(second_missing) {
    struct space s;
    for (unsigned i = 0; i < COUNT; i++)
        for (unsigned kind = 0; kind < 2; kind++) { // absent, read-only
            u32 first = set_up(&s, PTE_WU, kind ? PTE_P | PTE_U : 0);
            if (kind && !all[i].writes)
                continue;
            if (all[i].code == x_cmpxchg || all[i].code == x_cmpxchg8b || all[i].code == x_pusha)
                continue; // these read first, or start in the other page
            check_context(all[i].name);
            struct trap t = kit_access(all[i].code, 3, PAGE_AT + PAGE - 1);
            CHECK_EQ("vector", t.vector, VEC_PF);
            u32 error = PF_U | (kind ? PF_P : 0) | (all[i].writes ? PF_W : 0);
            CHECK_EQ("error", t.error, kit_error(&all[i], t.error, error));
            CHECK_EQ("CR2", t.cr2, PAGE_AT + PAGE);
            if (!under_qemu())
                CHECK_EQ("first page unchanged", ((u8 *)first)[PAGE - 1], (u8)((PAGE - 1) * 3));
            exec_reset();
        }
}

TEST(first_missing) { // both missing: the first is reported
    struct space s;
    for (unsigned i = 0; i < COUNT; i++) {
        set_up(&s, 0, 0);
        check_context(all[i].name);
        if (all[i].code == x_cmpxchg || all[i].code == x_cmpxchg8b || all[i].code == x_pusha)
            continue;
        struct trap t = kit_access(all[i].code, 3, PAGE_AT + PAGE - 1);
        CHECK_EQ("vector", t.vector, VEC_PF);
        if (!under_qemu() || !all[i].writes)
            CHECK_EQ("CR2", t.cr2, PAGE_AT + PAGE - 1);
        exec_reset();
    }
}

TEST(dirty_bits_of_both) {
    struct space s;
    set_up(&s, PTE_WU, PTE_WU);
    struct trap t = kit_access(x_write, 3, PAGE_AT + PAGE - 2);
    CHECK_DONE("write", t);
    CHECK(pte_get(&s, PAGE_AT) & PTE_D);
    CHECK(pte_get(&s, PAGE_AT + PAGE) & PTE_D);
}

TEST(aliased_halves) { // both pages are the same frame
    struct space s;
    u32 frame = kit_enter(&s, PAGING_32, PTE_WU);
    pte_set(&s, PAGE_AT + PAGE, frame | PTE_WU);
    write_cr3(s.root);
    struct trap t = kit_access(x_write, 3, PAGE_AT + PAGE - 2);
    CHECK_DONE("write", t);
    CHECK_EQ("end", *(u16 *)(frame + PAGE - 2), 0x3344);
    CHECK_EQ("beginning", *(u16 *)frame, 0x1122);
    t = kit_access(x_lock, 3, PAGE_AT + PAGE - 2);
    CHECK_DONE("lock add", t);
    CHECK_EQ("end", *(u16 *)(frame + PAGE - 2), 0x6688);
    CHECK_EQ("beginning", *(u16 *)frame, 0x2244);
}
