// Under `--clock virtual` a timer's interrupt arrives between the same two instructions every time, and HLT skips to
// it.
#include "pc.h"

static volatile u32 ticks, at_eip, at_tsc;

static u32 tsc_low(void) {
    u32 low;
    __asm__ volatile("rdtsc" : "=a"(low)::"edx");
    return low;
}

static bool tick(struct trap_frame *frame) {
    at_tsc = tsc_low();
    at_eip = frame->eip;
    ticks++;
    pic_eoi(IRQ_TIMER);
    return true;
}

static void set_up(void) {
    irq_open(IRQ_TIMER, tick);
    ticks = 0;
}

static void tear_down(void) {
    irq_close(IRQ_TIMER);
}

// A shot of `count` ticks into a loop of many blocks; the cycles from before it to the handler.
static u32 shoot(u16 count, bool halt) {
    u32 before = ticks, start = tsc_low();
    pit_start(0, PIT_ONE_SHOT, count);
    while (ticks == before) {
        if (halt)
            __asm__ volatile("sti\n\thlt\n\tcli" ::: "memory");
        else
            __asm__ volatile("sti\n\tnop\n\tjmp 1f\n1:\tpush %%eax\n\tcall 2f\n\tjmp 3f\n2:\tinc %%eax\n\tret\n3:\t"
                             "pop %%eax\n\tcli" ::
                                 : "memory", "cc");
    }
    return at_tsc - start;
}

TEST(same_place) {
    set_up();
    for (u16 count = 40; count < 400; count = (u16)(count + 37)) {
        u32 first = shoot(count, false), eip = at_eip;
        u32 period = (u32)((u64)count * 1000000000u / PIT_HZ);
        CHECK(first > period && first < period + 10000);
        (void)eip;
    }
    tear_down();
}

// The 8254 counts at 1.19 MHz and the shot may begin anywhere within its tick, so the time is exact to a tick, and the
// run as a whole is exact: what is hashed here is compared between forms of the MMU by the test that runs this guest.
TEST(halt_skips) {
    set_up();
    for (u16 count = 100; count < 60000; count = (u16)(count + 7001)) {
        u32 cycles = shoot(count, true);
        u32 period = (u32)((u64)count * 1000000000u / PIT_HZ);
        CHECK(cycles > period && cycles < period + 10000);
    }
    tear_down();
}

TEST(places) {
    u32 hash = 1;
    set_up();
    pit_start(0, PIT_RATE, 60);
    sti();
    while (ticks < 500) {
        u32 seen = ticks;
        for (volatile u32 i = 0; ticks == seen; i++)
            ;
        hash = (hash * 31 + at_eip) * 31 + at_tsc;
    }
    tear_down();
    print("     hash of 500 interrupts' places and times: %x\n", hash);
}

TEST(pending_and_shadow) { // STI lets one instruction through
    static volatile u32 order;
    set_up();
    for (unsigned round = 0; round < 20; round++) {
        u32 eax;
        pit_start(0, PIT_ONE_SHOT, 20);
        CHECK(wait_pending(IRQ_TIMER));
        order = ticks;
        __asm__ volatile("sti\n\tmov %1, %0\n\tcli" : "=&r"(eax) : "m"(ticks) : "memory");
        CHECK_EQ("before the interrupt", eax, order);
        CHECK_EQ("after it", ticks, order + 1);
    }
    tear_down();
}
