// Waiting: until an interrupt comes, taken or not, or until the time is over.
#include "kit.h"

#define MS 1000000u

static volatile u32 ticks;

static bool tick(struct trap_frame *frame) {
    (void)frame;
    ticks++;
    pic_eoi(IRQ_TIMER);
    return true;
}

static s32 yield(u32 ns) {
    return call(RINGSHADE_CALL_YIELD, ns, 0, 0).status;
}

TEST(time_over) {
    static const u32 bounds[] = {0, 1, 1000, MS, 3 * MS};
    for (unsigned i = 0; i < sizeof bounds / sizeof *bounds; i++) {
        u64 start = clock_now();
        CHECK_EQ("status", call_alone(RINGSHADE_CALL_YIELD, bounds[i], 0, 0), 0);
        u64 took = clock_now() - start;
        CHECK(took >= bounds[i]);
        CHECK(took < 2000ull * MS);
    }
}

TEST(waiting_already) { // interrupts off: it returns at once, and the interrupt stays where it is
    irq_open(IRQ_TIMER, tick);
    ticks = 0;
    pit_start(0, PIT_ONE_SHOT, 100);
    CHECK(wait_pending(IRQ_TIMER));
    u64 start = clock_now();
    CHECK_EQ("status", yield(4000u * MS), 1);
    CHECK(clock_now() - start < 2000ull * MS);
    CHECK_EQ("not taken", ticks, 0);
    CHECK_EQ("pending", pic_irr() & 1, 1);
    sti();
    __asm__ volatile("nop");
    cli();
    CHECK_EQ("taken", ticks, 1);
    irq_close(IRQ_TIMER);
}

TEST(comes_later) { // interrupts off
    irq_open(IRQ_TIMER, tick);
    ticks = 0;
    for (unsigned i = 0; i < 3; i++) {
        pit_start(0, PIT_ONE_SHOT, 3000); // 2.5 ms
        u64 start = clock_now();
        CHECK_EQ("status", yield(4000u * MS), 1);
        CHECK(clock_now() - start < 2000ull * MS);
        CHECK_EQ("not taken", ticks, i);
        CHECK_EQ("again", yield(4000u * MS), 1);
        sti();
        __asm__ volatile("nop");
        cli();
        CHECK_EQ("taken", ticks, i + 1);
    }
    irq_close(IRQ_TIMER);
}

TEST(taken) { // interrupts on: the handler comes before what follows the call, and EAX is that of the call
    irq_open(IRQ_TIMER, tick);
    for (unsigned shadow = 0; shadow < 2; shadow++) {
        ticks = 0;
        s32 status;
        u32 seen;
        pit_start(0, PIT_ONE_SHOT, 3000);
        if (shadow)
            __asm__ volatile("sti; vmcall; mov %2, %1; cli"
                             : "=a"(status), "=&r"(seen)
                             : "m"(ticks), "a"(RINGSHADE_CALL_YIELD), "b"(4000u * MS)
                             : "memory");
        else
            __asm__ volatile("sti; nop; vmcall; mov %2, %1; cli"
                             : "=a"(status), "=&r"(seen)
                             : "m"(ticks), "a"(RINGSHADE_CALL_YIELD), "b"(4000u * MS)
                             : "memory");
        CHECK_EQ("status", status, 1);
        CHECK_EQ("taken", seen, 1);
    }
    irq_close(IRQ_TIMER);
}

SNIPPET(step_yield, "push $0x102; popf; mov $2, %eax", "vmcall")

static u32 steps;
static bool stepped(struct trap_frame *frame) {
    steps++;
    if (frame->eip == (u32)step_yield_end)
        frame->eflags &= ~FLAG_TF;
    return true;
}

TEST(single_step) { // the trap comes behind the call, and ends it
    struct regs r = regs_for(0);
    struct trap t;
    r.ebx = 4000u * MS;
    u64 start = clock_now();
    steps = 0;
    hook_set(VEC_DB, stepped);
    exec(step_yield, &r, &t);
    CHECK_DONE("yield", t);
    CHECK_EQ("eax", t.r.eax, 0);
    CHECK_EQ("steps", steps, 2);
    CHECK(clock_now() - start < 2000ull * MS);
}
