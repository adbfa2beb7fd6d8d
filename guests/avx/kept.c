// The upper halves of the YMM registers outlast what enters the monitor: callouts, faults, interrupts, and a system
// that switches them with XSAVE and XRSTOR under a storm of timer interrupts.
#include "avx.h"
#include "paging.h"
#include "pc.h"

SNIPPET(k_ud, "", "ud2")
SNIPPET(k_pf, "", "mov 0x10000000, %eax")

TEST(over_callouts) {
    avx_on();
    u32 leaf[4];
    for (u32 round = 0; round < 50; round++) {
        ymm_fill(round);
        outb(0x80, (u8)round);
        cpuid(0, leaf);
        write_cr4(read_cr4() ^ CR4_PGE);
        (void)exec_ring(k_ud, 3);
        __asm__ volatile("fninit\n fnstcw %0" : "=m"(leaf[0]));
        CHECK(ymm_filled(round));
    }
}

TEST(over_page_faults) {
    avx_on();
    struct space s = space_new(PAGING_32);
    space_identity(&s);
    space_enter(&s);
    for (u32 round = 0; round < 20; round++) {
        ymm_fill(round);
        struct trap t = exec_ring(k_pf, 3);
        CHECK_EQ("fault", t.vector, VEC_PF);
        pte_set(&s, (u32)user_buffer, (u32)user_buffer + PTE_WU); // and its A and D bits anew
        invlpg((u32)user_buffer);
        user_buffer[round] = 1;
        CHECK(ymm_filled(round));
    }
}

// A second user of the registers in the timer's handler.
static volatile u32 ticks;
static u8 interrupted[832] __attribute__((aligned(64)));

static bool on_tick(struct trap_frame *frame) {
    (void)frame;
    __asm__ volatile("xsave (%0)" ::"r"(interrupted), "a"(7), "d"(0) : "memory");
    ymm_fill(1000 + ticks);
    ticks++;
    __asm__ volatile("xrstor (%0)" ::"r"(interrupted), "a"(7), "d"(0) : "memory");
    pic_eoi(IRQ_TIMER);
    return true;
}

TEST(over_interrupts) {
    avx_on();
    ticks = 0;
    irq_open(IRQ_TIMER, on_tick);
    pit_start(0, PIT_RATE, PIT_HZ / 1000);
    u32 good = 0, rounds = 0;
    sti();
    while (ticks < 100 && rounds < 50000000) {
        u32 seed = rounds++;
        ymm_fill(seed);
        for (volatile int i = 0; i < 50; i++)
            ;
        good += ymm_filled(seed);
    }
    irq_close(IRQ_TIMER);
    CHECK_EQ("rounds", good, rounds);
    CHECK(ticks >= 100);
}
