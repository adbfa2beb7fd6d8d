// The timer interrupt in its simplest forms: it comes, it comes again, HLT wakes, CLI holds it back.
#include "pc.h"

static volatile u32 ticks;
static volatile u32 last_eip;

static bool tick(struct trap_frame *frame) {
    ticks++;
    last_eip = frame->eip;
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

TEST(timer_ticks) {
    set_up();
    pit_start(0, PIT_RATE, PIT_HZ / 1000);
    sti();
    while (ticks < 20)
        ;
    tear_down();
    CHECK_EQ("interrupts stay off", (read_flags() & FLAG_IF) != 0, 0);
}

TEST(held_back_by_if) {
    set_up();
    pit_start(0, PIT_RATE, PIT_HZ / 1000);
    CHECK(wait_pending(IRQ_TIMER));
    for (volatile u32 i = 0; i < 100000; i++)
        ;
    CHECK_EQ("none while IF is 0", ticks, 0);
    sti();
    __asm__ volatile("nop; nop");
    cli();
    CHECK(ticks >= 1);
    tear_down();
}

TEST(held_back_by_mask) {
    set_up();
    pic_mask(IRQ_TIMER);
    pit_start(0, PIT_RATE, PIT_HZ / 1000);
    sti();
    for (volatile u32 i = 0; i < 300000; i++)
        ;
    CHECK_EQ("none while masked", ticks, 0);
    pic_unmask(IRQ_TIMER);
    while (ticks == 0)
        ;
    tear_down();
}

TEST(halt_wakes) { // sti; hlt never sleeps through an interrupt, however soon it comes
    set_up();
    for (u32 i = 0; i < 400; i++) {
        u32 before = ticks;
        pit_start(0, PIT_ONE_SHOT, (u16)(2 + i * 3 % 200));
        for (volatile u32 spin = 0; spin < i % 50; spin++)
            ;
        while (ticks == before)
            __asm__ volatile("sti; hlt; cli" ::: "memory");
        CHECK_EQ("one interrupt a shot", ticks, before + 1);
        if (ticks != before + 1)
            break;
    }
    tear_down();
}

SNIPPET(halted, "sti", "hlt")

TEST(eip_of_halt) { // the interrupted EIP is that behind HLT
    set_up();
    pit_start(0, PIT_ONE_SHOT, 2000);
    struct trap t = exec_ring(halted, 0);
    CHECK_DONE("hlt", t);
    CHECK_EQ("eip", last_eip, (u32)halted_end);
    CHECK_EQ("ticks", ticks, 1);
    tear_down();
}

// Time-stamp cycles in a millisecond: the least of many measurements, since a host that stops us makes them longer.
static u64 cycles_of_a_millisecond(void) {
    u64 least = ~0ull;
    for (unsigned i = 0; i < 30; i++) {
        outb(0x61, (u8)((inb(0x61) & ~2u) | 1));
        pit_start(2, PIT_ONE_SHOT, PIT_HZ / 1000);
        u64 start = rdtsc();
        while (!(inb(0x61) & 0x20))
            ;
        u64 cycles = rdtsc() - start;
        if (cycles < least)
            least = cycles;
    }
    return least;
}

TEST(rate) { // no tick comes before its time: twenty of 2 ms take no less than 40 ms
    u64 millisecond = cycles_of_a_millisecond();
    set_up();
    u64 start = rdtsc();
    pit_start(0, PIT_RATE, PIT_HZ / 500);
    sti();
    while (ticks < 20)
        ;
    u64 elapsed = rdtsc() - start;
    tear_down();
    CHECK(elapsed > millisecond * 36);
}
