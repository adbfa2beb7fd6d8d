// The rows. Turns of those with a bound of their own would otherwise fill the console or last too long.
#include "rows.h"

enum { LINEAR = 0x50000000, LINE = 64, READS = 16, MANY = 1000000 };

static const char line[] = "a line of sixty-four bytes, as kernels write them by the dozens\n";
_Static_assert(sizeof line == LINE + 1, "all of it");

static struct space space;
static u32 frames, turns; // two frames of neighbours, which hold 1 and 2
static u32 physical[2][MAPPINGS_MAX];

static u32 turn_console(void) {
    console_line(line, LINE);
    return LINE;
}

static u32 turn_clock(void) {
    u64 last = 0;
    for (unsigned i = 0; i < READS; i++)
        last = clock_read();
    return last != 1;
}

// A page shows the other frame each time, and is read: the sum says that it did.
static u32 turn_map(u32 count) {
    u32 sum = 0, odd = turns++ & 1;
    map_pages(&space, LINEAR, physical[odd], count);
    for (u32 i = 0; i < count; i++)
        sum += *(volatile u32 *)(LINEAR + i * 4096);
    return sum == count * (1 + odd);
}

static u32 turn_map_1(void) {
    return turn_map(1);
}
static u32 turn_map_16(void) {
    return turn_map(16);
}
static u32 turn_map_256(void) {
    return turn_map(256);
}

static u32 turn_idle(void) {
    idle_200us();
    return 1;
}

#ifndef PARAVIRT
static u32 turn_tsc(void) { // no device is asked, so there is no call that could be cheaper
    u32 sum = 0;
    for (unsigned i = 0; i < READS; i++)
        sum |= (u32)rdtsc();
    return sum != 0;
}
#endif

void rows_prepare(void) {
    space = space_new(PAGING_32);
    space_identity(&space);
    frames = page_alloc(2);
    for (u32 i = 0; i < 2; i++)
        *(volatile u32 *)(frames + i * 4096) = 1 + i;
    for (u32 i = 0; i < MAPPINGS_MAX; i++) {
        physical[0][i] = frames;
        physical[1][i] = frames + 4096;
        pte_set(&space, LINEAR + i * 4096, frames | PTE_WS);
    }
    space_enter(&space);
}

#define ROW(name, turn, events, most)                                                                                  \
    { name ROW_SUFFIX, turn, events, most }

const struct row rows[] = {
    ROW("console-line", turn_console, 1, 200), ROW("clock-read", turn_clock, READS, MANY),
#ifndef PARAVIRT
    ROW("clock-tsc", turn_tsc, READS, MANY),
#endif
    ROW("map-1", turn_map_1, 1, MANY),         ROW("map-16", turn_map_16, 16, MANY),
    ROW("map-256", turn_map_256, 256, MANY),   ROW("idle-200us", turn_idle, 1, 50),
};
const unsigned row_count = sizeof rows / sizeof *rows;
