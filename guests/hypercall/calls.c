// The calls that change nothing in the machine: query, console, clock.
#include "kit.h"

TEST(query) {
    struct answer a = call(RINGSHADE_CALL_QUERY, 5, 6, 7);
    CHECK_EQ("status", a.status, 0);
    CHECK_EQ("calls", a.ebx, (1u << RINGSHADE_CALLS) - 1);
    CHECK_EQ("version", a.ecx, RINGSHADE_CALLS_VERSION);
}

// Where RAM ends, from the size that the loader told.
static u32 ram_end(void) {
    return (memory_kib() << 10) + (1u << 20);
}

static s32 console(u32 at, u32 size) {
    s32 status;
    do
        status = call_alone(RINGSHADE_CALL_CONSOLE, at, size, 0);
    while (size && status == 0); // congested
    return status;
}

TEST(console) {
    static const char text[] = "written by a call\n";
    CHECK_EQ("status", console((u32)text, sizeof text - 1), sizeof text - 1);
    CHECK_EQ("nothing", console((u32)text, 0), 0);
    u32 page = page_alloc(2);
    memset((void *)page, ' ', 2 * 4096);
    memcpy((void *)(page + 4093), "across\n", 7);
    CHECK_EQ("across pages", console(page + 4093, 7), 7);
}

TEST(console_refused) {
    static const u32 outside[] = {0xa0000, 0xb8000, 0xfffff, 0xfee00000, 0xffffffff};
    for (unsigned i = 0; i < sizeof outside / sizeof *outside; i++)
        CHECK_EQ("outside RAM", console(outside[i], 1), RINGSHADE_CALL_EFAULT);
    CHECK_EQ("into the hole", console(0x9ffff, 2), RINGSHADE_CALL_EFAULT);
    CHECK_EQ("over the hole", console(0x9f800, 4096), RINGSHADE_CALL_EFAULT);
    CHECK_EQ("past the end", console(ram_end() - 1, 2), RINGSHADE_CALL_EFAULT);
    CHECK_EQ("around", console(0xfffffff0, 32), RINGSHADE_CALL_EFAULT);
    CHECK_EQ("too long", console(0x100000, RINGSHADE_CONSOLE_MAX + 1), RINGSHADE_CALL_E2BIG);
    CHECK_EQ("much too long", console(0x100000, 0xffffffff), RINGSHADE_CALL_E2BIG);
    *(volatile u8 *)(ram_end() - 1) = '\n';
    CHECK_EQ("the last byte", console(ram_end() - 1, 1), 1);
}

TEST(console_paged) { // physical, whatever the page tables say
    static char text[] __attribute__((aligned(4096))) = "physical\n";
    struct space s = space_new(PAGING_32);
    space_identity(&s);
    pte_set(&s, (u32)text, 0);
    space_enter(&s);
    CHECK_EQ("status", console((u32)text, sizeof text - 1), sizeof text - 1);
}

TEST(clock) {
    u64 before = clock_now(), t0 = rdtsc(), last = before;
    for (unsigned i = 0; i < 1000; i++) {
        u64 now = clock_now();
        CHECK(now >= last);
        last = now;
    }
    u64 t1 = rdtsc(), after = clock_now();
    CHECK(after > before);
    CHECK(t1 > t0);
}
