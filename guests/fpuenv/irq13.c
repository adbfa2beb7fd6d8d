// CR0.NE clear: a pending exception raises IRQ 13 through the 8259, and the waiting instruction stands still until it
// comes; port F0h takes the interrupt back and lets waiting instructions through until the exception is cleared (SDM
// vol. 1, 8.7.2, appendix D; IBM PC/AT technical reference).
#include "env.h"
#include "pc.h"

enum { IRQ_NPX = 13, NPX_PORT = 0xf0 };

static volatile u32 interrupts, at, in_handler;
static u16 status_then;

static bool clear_it(struct trap_frame *f) {
    interrupts++;
    at = f->eip;
    outb(NPX_PORT, 0);
    status_then = fpu_status();
    __asm__ volatile("fnclex");
    pic_eoi(IRQ_NPX);
    return true;
}

SNIPPET(i_divide, "fldz\n fld1\n fdiv %st(1), %st\n mov $7, %eax", "fchs")
SNIPPET(i_wait, "fldz\n fld1\n fdiv %st(1), %st\n mov $7, %eax", "fwait")
SNIPPET(i_memory, "fldz\n fld1\n fdiv %st(1), %st\n mov $7, %eax", "fstps (%esi)")

static struct trap run(const u8 *code, trap_hook handler) {
    struct regs r = env_regs(0);
    struct trap t;
    write_cr0(read_cr0() & ~CR0_NE);
    irq_open(IRQ_NPX, handler);
    fpu_init();
    fpu_control(0x37b);
    interrupts = at = in_handler = 0;
    r.eflags |= FLAG_IF;
    exec(code, &r, &t);
    irq_close(IRQ_NPX);
    return t;
}

TEST(interrupt) {
    if (under_qemu()) // TCG raises IRQ 13 only with a chipset that isapc lacks
        return;
    const u8 *const code[] = {i_divide, i_wait, i_memory};
    const u8 *const where[] = {i_divide_at, i_wait_at, i_memory_at};
    for (unsigned i = 0; i < 9; i++) {
        struct trap t = run(code[i % 3], clear_it);
        CHECK_DONE("ran", t);
        CHECK_EQ("interrupts", interrupts, 1);
        CHECK_EQ("at the waiting instruction", at, where[i % 3]);
        CHECK_EQ("status", status_then & 0xff, FSW_ES | FSW_ZE);
        CHECK_EQ("eax", t.r.eax, 7);
    }
    fpu_init();
}

// Under IGNNE# the handler may use waiting instructions while the exception pends.
static u32 stored;
static bool use_it(struct trap_frame *f) {
    u16 control = 0x37f;
    struct env e;
    interrupts++;
    at = f->eip;
    outb(NPX_PORT, 0);
    __asm__ volatile("fwait\n fld1\n fadd %%st\n fstps %0\n fwait" : "=m"(stored));
    status_then = fpu_status();
    __asm__ volatile("fnstenv %0\n" : "=m"(e)); // masks: no longer pending
    in_handler = e.fcw;
    __asm__ volatile("fldcw %0\n fnclex" ::"m"(control));
    pic_eoi(IRQ_NPX);
    return true;
}

TEST(ignored) {
    if (under_qemu())
        return;
    for (unsigned i = 0; i < 3; i++) {
        stored = 0;
        struct trap t = run(i_divide, use_it);
        CHECK_DONE("ran", t);
        CHECK_EQ("interrupts", interrupts, 1);
        CHECK_EQ("2", stored, 0x40000000);
        CHECK_EQ("still pending", status_then & 0xff, FSW_ES | FSW_ZE);
        CHECK_EQ("control word as it was", in_handler, 0xffff037b);
    }
    // A new exception after that asserts FERR# anew.
    struct trap t = run(i_wait, clear_it);
    CHECK_DONE("ran", t);
    CHECK_EQ("interrupts", interrupts, 1);
    fpu_init();
}

// Other interrupts come while the processor waits; the instruction waits on.
static volatile u32 ticks;
static bool tick(struct trap_frame *f) {
    (void)f;
    if (++ticks == 5)
        pic_unmask(IRQ_NPX);
    pic_eoi(IRQ_TIMER);
    return true;
}

TEST(waits_on) {
    if (under_qemu())
        return;
    struct regs r = regs_for(0);
    struct trap t;
    write_cr0(read_cr0() & ~CR0_NE);
    cli();
    pic_init();
    ticks = interrupts = 0;
    hook_set(IRQ_VECTOR + IRQ_NPX, clear_it);
    hook_set(IRQ_VECTOR + IRQ_TIMER, tick);
    pit_start(0, PIT_RATE, PIT_HZ / 1000);
    pic_unmask(IRQ_TIMER);
    fpu_init();
    fpu_control(0x37b);
    r.eflags |= FLAG_IF;
    exec(i_wait, &r, &t);
    cli();
    pic_mask(IRQ_TIMER);
    pic_mask(IRQ_NPX);
    CHECK_DONE("ran", t);
    CHECK(ticks >= 5);
    CHECK_EQ("interrupts", interrupts, 1);
    fpu_init();
}
