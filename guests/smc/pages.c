// Pages that hold code and much-written data, in patterns that make a cache of translated code work hard: many routines
// of one page rewritten in turn while others of the page run.
#include "exec.h"

enum { ROUTINES = 32, SLOT = 64 };

static u8 page[4096] __attribute__((aligned(4096), section(".udata,\"aw\",@progbits#")));

// mov $value, %eax; add $delta, data(in page); ret
static void make(u32 slot, u32 value) {
    u8 *p = page + slot * SLOT;
    u32 data = (u32)page + 4096 - 4 - 4 * slot;
    p[0] = 0xb8;
    memcpy(p + 1, &value, 4);
    p[5] = 0x01; // add %eax, data
    p[6] = 0x05;
    memcpy(p + 7, &data, 4);
    p[11] = 0xc3;
}

static u32 call(u32 slot) {
    return ((u32(*)(void))(page + slot * SLOT))();
}
static u32 counter(u32 slot) {
    return *(volatile u32 *)(page + 4096 - 4 - 4 * slot);
}

TEST(routines_and_counters) {
    static u32 value[ROUTINES], sum[ROUTINES];
    memset(page, 0, sizeof page);
    for (u32 i = 0; i < ROUTINES; i++) {
        value[i] = i;
        sum[i] = 0;
        make(i, i);
    }
    u32 x = 99;
    for (u32 i = 0; i < 6000; i++) {
        x = x * 1103515245 + 12345;
        u32 slot = x >> 20 & (ROUTINES - 1);
        if (i % 7 == 0) {
            value[slot] = x;
            make(slot, x);
        }
        if (call(slot) != value[slot]) {
            CHECK_EQ("returned", call(slot), value[slot]);
            return;
        }
        sum[slot] += value[slot];
        if (counter(slot) != sum[slot]) {
            CHECK_EQ("counted", counter(slot), sum[slot]);
            return;
        }
    }
}

TEST(routine_rewrites_another) { // each routine patches the next one's value, all in one page
    memset(page, 0, sizeof page);
    for (u32 i = 0; i < ROUTINES; i++) {
        u8 *p = page + i * SLOT;
        u32 next = (u32)page + (i + 1) % ROUTINES * SLOT + 1;
        p[0] = 0xb8; // mov $value, %eax
        p[5] = 0x40; // inc %eax
        p[6] = 0xa3; // mov %eax, next routine's value
        memcpy(p + 7, &next, 4);
        p[11] = 0xc3;
    }
    for (u32 i = 0; i < 3000; i++)
        if (call(i % ROUTINES) != i + 1) {
            CHECK_EQ("value", call(i % ROUTINES), i + 1);
            return;
        }
}
