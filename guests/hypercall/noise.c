// Arguments without sense: every call ends with one of its results, and the guest goes on.
#include "kit.h"

static u32 seed = 12345;

static u32 random(void) {
    seed ^= seed << 13; // Marsaglia's xorshift
    seed ^= seed >> 17;
    return seed ^= seed << 5;
}

// Addresses at which something ends or begins.
static u32 address(u32 scratch) {
    static const u32 edges[] = {0xffffffff, 0xfffffffc, 0xfffff000, 0xa0000, 0x9fffc, 0xffffc, 0xfee00000, 0xe0000000};
    u32 end = (memory_kib() << 10) + (1u << 20);
    switch (random() % 8) {
    case 0: return edges[random() % (sizeof edges / sizeof *edges)];
    case 1: return end - 16 + random() % 32;
    case 2: return random() | 0x80000000;
    case 3: return scratch + random() % 8192;
    default: return scratch + random() % 1024 * 8;
    }
}

static bool known(s32 status, u32 most) {
    return status == RINGSHADE_CALL_E2BIG || status == RINGSHADE_CALL_EFAULT || status == RINGSHADE_CALL_EINVAL ||
           status == RINGSHADE_CALL_ENOSYS || (u32)status <= most;
}

static u32 count(void) {
    switch (random() % 4) {
    case 0: return random();
    case 1: return 0x10000000 + random() % 4; // times 16 it wraps
    case 2: return RINGSHADE_PTES_MAX - 1 + random() % 3;
    default: return random() % 8;
    }
}

// Entries that are refused, but for those inside the last page of the scratch memory.
static void fill(u32 scratch) {
    struct ringshade_pte *p = (struct ringshade_pte *)scratch;
    for (unsigned i = 0; i < 3 * 4096 / sizeof *p; i++, p++) {
        p->entry = random() % 64 ? scratch + 3 * 4096 + random() % 511 * 8 : address(scratch + 3 * 4096) | random() % 2;
        p->page = random() % 2 ? 0 : (random() & ~0xfffu) | (random() % 64 ? 1 : 3);
        p->value = random() | 0x80000000 | (random() % 64 ? 0ull : (u64)random() << 32); // no address, if read as one
    }
}

TEST(noise) {
    u32 scratch = page_alloc(6), stored = 0, refused = 0;
    for (unsigned i = 0; i < 4000; i++) {
        u32 number = random() % 8 ? random() % 6 : random();
        u32 ebx = number == RINGSHADE_CALL_YIELD ? random() % 1000 : address(scratch), ecx = count();
        u32 edx = random() % 4 ? 4u << random() % 2 : random();
        if (i % 16 == 0)
            fill(scratch);
        if (number == RINGSHADE_CALL_CONSOLE)
            ebx |= 0x80000000; // no noise on the console
        s32 status = call(number, ebx, ecx, edx).status;
        CHECK(known(status, 4096));
        stored += number == RINGSHADE_CALL_PTES && status > 0;
        refused += status < 0;
    }
    print("\n%u batches stored, %u calls refused\n", stored, refused);
    CHECK(stored > 0 && refused > 0);
}
