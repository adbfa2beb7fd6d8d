// Non-maskable interrupts: vector 2 whatever IF says, one for an edge, none between one and the next IRET, none behind
// MOV SS; out of HLT; the PC's gates for them at ports 61h and 70h. Intel SDM vol. 3A 6.7, 6.8.3, 6.9. They come from
// the NMI test device (devices/nmitest.h), so this needs --nmi-test.
#include "pc.h"

enum { NMITEST = 0x5b0, PORT61 = 0x61, IOCHK = 0x40, NO_IOCHK = 0x08, RTC_INDEX = 0x70, NMI_OFF = 0x80 };
enum { SEL_TASK = 0x48 };
extern u8 trap_stubs[];

static volatile u32 count, eip[8], order[8], orders;
static void (*volatile inside)(struct trap_frame *frame); // what the handler does besides

static void clear_check(void) {
    outb(PORT61, NO_IOCHK);
    outb(PORT61, 0);
}

static bool on_nmi(struct trap_frame *frame) {
    if (count < 8)
        eip[count] = frame->eip;
    count++;
    if (orders < 8)
        order[orders++] = VEC_NMI;
    clear_check();
    if (inside)
        inside(frame);
    return true;
}

static void set_up(void) {
    outl(NMITEST, 0xffffffff);
    clear_check();
    outb(RTC_INDEX, 0);
    count = orders = 0;
    inside = NULL;
    hook_set(VEC_NMI, on_nmi);
}

static void raise(void) {
    outl(NMITEST, 0);
}

#define RAISE "mov $0x5b0, %edx\n xor %eax, %eax\n out %eax, %dx\n"
SNIPPET(n_out, RAISE "n_out_1: inc %ecx", "nop")
extern u8 n_out_1[];

TEST(taken_at_once) { // after the instruction that raises it, IF set or not, at ring 0 and ring 3
    for (unsigned i = 0; i < 4; i++) {
        struct regs r = regs_for(i & 1 ? 3 : 0);
        struct trap t;
        set_up();
        outb(0x21, 0xff);
        outb(0xa1, 0xff);
        r.eflags |= FLAG_IOPL | (i & 2 ? FLAG_IF : 0);
        exec(n_out, &r, &t);
        CHECK_DONE("ran on", t);
        CHECK_EQ("NMIs", count, 1);
        CHECK_EQ("EIP", eip[0], (u32)n_out_1);
        CHECK_EQ("ecx", t.r.ecx, 1);
        CHECK_EQ("IF", t.r.eflags & FLAG_IF, r.eflags & FLAG_IF);
    }
}

TEST(frame) { // no error code, RF clear, IF and TF cleared by the gate
    set_up();
    hook_set(VEC_NMI, NULL);
    struct regs r = regs_for(3);
    struct trap t;
    r.eflags |= FLAG_IOPL | FLAG_CF;
    exec(n_out, &r, &t);
    CHECK_TRAP(t, VEC_NMI, 0, n_out_1);
    CHECK_EQ("EFLAGS", t.r.eflags & ~FLAGS_ARITH, r.eflags & ~FLAGS_ARITH);
    CHECK_EQ("esp", t.r.esp, r.esp);
    // exec left the handler without IRET: the next NMI waits for one.
    set_up();
    raise();
    CHECK_EQ("blocked", count, 0);
    exec(n_out_1, &r, &t); // entered by IRET
    CHECK_DONE("ran", t);
    CHECK_EQ("unblocked", count, 1);
    CHECK_EQ("EIP", eip[0], (u32)n_out_1);
}

TEST(port_61h) {
    set_up();
    CHECK_EQ("no check", inb(PORT61) & IOCHK, 0);
    outb(PORT61, NO_IOCHK);
    raise();
    CHECK_EQ("disabled", count, 0);
    CHECK_EQ("not even noted", inb(PORT61) & IOCHK, 0);
    outb(PORT61, 0);
    CHECK_EQ("nothing kept", count, 0);
    hook_set(VEC_NMI, NULL);
    struct regs r = regs_for(0);
    struct trap t;
    exec(n_out, &r, &t);
    CHECK_EQ("vector", t.vector, VEC_NMI);
    CHECK_EQ("noted", inb(PORT61) & IOCHK, IOCHK);
    exec(n_out_1, &r, &t); // IRET
    hook_set(VEC_NMI, on_nmi);
    raise(); // the line is still high: no edge
    CHECK_EQ("no edge", count, 0);
    clear_check();
    CHECK_EQ("cleared", inb(PORT61) & IOCHK, 0);
    raise();
    CHECK_EQ("an edge again", count, 1);
}

TEST(port_70h) { // bit 7 holds the line down; what waits behind it comes when it clears
    set_up();
    outb(RTC_INDEX, NMI_OFF);
    raise();
    CHECK_EQ("masked", count, 0);
    CHECK_EQ("noted", inb(PORT61) & IOCHK, IOCHK);
    outb(RTC_INDEX, NMI_OFF | 0x0d);
    CHECK_EQ("still masked", count, 0);
    outb(RTC_INDEX, 0x0d);
    CHECK_EQ("unmasked", count, 1);
    CHECK_EQ("the index works", inb(0x71), 0x80);
}

static u32 during;
static void raise_more(struct trap_frame *frame) {
    (void)frame;
    if (count > 1)
        return;
    for (unsigned i = 0; i < 3; i++) {
        raise();
        clear_check();
    }
    during = count;
}

TEST(blocked_until_iret) { // one of three is taken, after the handler's IRET and before the next instruction
    set_up();
    inside = raise_more;
    struct trap t = exec_ring(n_out, 0);
    CHECK_DONE("ran on", t);
    CHECK_EQ("in the handler", during, 1);
    CHECK_EQ("in all", count, 2);
    CHECK_EQ("second", eip[1], (u32)n_out_1);
    CHECK_EQ("ecx", t.r.ecx, 1);
}

SNIPPET(n_int, "int $2\n" RAISE "nop", "nop")

TEST(int_2_blocks_nothing) {
    set_up();
    inside = raise_more;
    struct trap t = exec_ring(n_int, 0); // in the handler of INT 2 the first comes at once
    CHECK_DONE("ran", t);
    CHECK(during >= 2);
}

// An IRET in the handler that faults has unblocked NMIs all the same.
static void bad_iret(struct trap_frame *frame) {
    (void)frame;
    if (count > 1)
        return;
    raise();
    order[orders++] = 0x100; // before the IRET
    __asm__ volatile("push $2\n push $0x7f8\n push $1f\n iret\n 1: add $12, %%esp" ::: "memory", "cc");
    order[orders++] = 0x101;
}

static bool skip_iret(struct trap_frame *frame) {
    if (orders < 8)
        order[orders++] = frame->vector;
    frame->eip++; // IRET is one byte
    return true;
}

TEST(iret_that_faults) {
    set_up();
    inside = bad_iret;
    hook_set(VEC_GP, skip_iret);
    struct trap t = exec_ring(n_out, 0);
    CHECK_DONE("ran on", t);
    static const u32 expected[] = {VEC_NMI, 0x100, VEC_NMI, VEC_GP, 0x101};
    for (unsigned i = 0; i < 5; i++)
        CHECK_EQ("order", order[i], expected[i]);
    CHECK_EQ("before the handler of #GP", eip[1], (u32)trap_stubs + VEC_GP * 16);
}

static bool on_step(struct trap_frame *frame) {
    if (orders < 8)
        order[orders++] = VEC_DB;
    frame->eflags &= ~FLAG_TF;
    return true;
}

SNIPPET(n_tf, "mov $0x5b0, %edx\n xor %eax, %eax\n pushf\n orl $0x100, (%esp)\n popf\n out %eax, %dx\n n_tf_1: nop",
        "nop")
extern u8 n_tf_1[];

TEST(debug_trap_first) { // SDM vol. 3A table 6-2: traps on the previous instruction come before NMI
    set_up();
    hook_set(VEC_DB, on_step);
    struct trap t = exec_ring(n_tf, 0);
    CHECK_DONE("ran", t);
    CHECK_EQ("NMI at the first instruction of #DB's handler", eip[0], (u32)trap_stubs + VEC_DB * 16);
    CHECK_EQ("order", order[0], VEC_NMI);
    CHECK_EQ("order", order[1], VEC_DB);
}

static bool on_timer(struct trap_frame *frame) {
    (void)frame;
    if (orders < 8)
        order[orders++] = IRQ_VECTOR;
    pic_eoi(IRQ_TIMER);
    return true;
}

static void raise_and_open(struct trap_frame *frame) {
    if (count > 1)
        return;
    raise();
    clear_check();
    frame->eflags |= FLAG_IF;
}

TEST(nmi_before_interrupts) { // both wait for the IRET
    cli();
    pic_init();
    set_up();
    hook_set(IRQ_VECTOR + IRQ_TIMER, on_timer);
    pit_start(0, PIT_ONE_SHOT, 10);
    pic_unmask(IRQ_TIMER);
    CHECK(wait_pending(IRQ_TIMER));
    inside = raise_and_open;
    struct trap t = exec_ring(n_out, 0);
    pic_mask(IRQ_TIMER);
    CHECK_DONE("ran", t);
    CHECK_EQ("NMIs", count, 2);
    CHECK_EQ("first", order[0], VEC_NMI);
    CHECK_EQ("second", order[1], VEC_NMI);
    CHECK_EQ("third", order[2], IRQ_VECTOR);
    CHECK_EQ("all at the same place", eip[1], (u32)n_out_1);
}

SNIPPET(n_hlt, "out %eax, %dx\n hlt\n n_hlt_1: inc %ecx", "nop")
extern u8 n_hlt_1[];

TEST(out_of_hlt) { // with IF clear too
    for (unsigned i = 0; i < 2; i++) {
        set_up();
        outb(0x21, 0xff);
        outb(0xa1, 0xff);
        struct regs r = regs_for(0);
        struct trap t;
        r.edx = NMITEST;
        r.eax = 3000;
        r.eflags |= i ? FLAG_IF : 0;
        exec(n_hlt, &r, &t);
        CHECK_DONE("woken", t);
        CHECK_EQ("NMIs", count, 1);
        CHECK_EQ("EIP", eip[0], (u32)n_hlt_1);
        CHECK_EQ("ecx", t.r.ecx, 1);
    }
}

static u32 misplaced;
extern u8 n_ss_1[], n_ss_2[];
static void again_soon(struct trap_frame *frame) {
    if (frame->eip == (u32)n_ss_1 || frame->eip == (u32)n_ss_2)
        misplaced++;
    if (count < 60)
        outl(NMITEST, 100 + count % 7);
}

SNIPPET(n_ss,
        "mov %ss, %ebx\n 1: mov %ebx, %ss\n n_ss_1: inc %eax\n push %ebx\n pop %ss\n n_ss_2: inc %eax\n cmpl $60, "
        "(%esi)\n jb 1b",
        "nop")
SNIPPET(n_loop,
        "1: add $3, %eax\n mov %eax, (%edi)\n sub %ebx, %eax\n mov (%edi), %eax\n inc %ecx\n cmpl $60, (%esi)\n jb 1b",
        "nop")

static void until_done(const u8 *code, unsigned ring, struct trap *t) {
    set_up();
    misplaced = 0;
    inside = again_soon;
    struct regs r = regs_for(ring);
    *(volatile u32 *)user_buffer = 0;
    r.esi = (u32)&count;
    r.edi = (u32)user_buffer + 64;
    outl(NMITEST, 100);
    exec(code, &r, t);
    outl(NMITEST, 0xffffffff);
    CHECK_DONE("loop", *t);
}

TEST(not_behind_mov_ss) {
    struct trap t;
    until_done(n_ss, 0, &t);
    CHECK_EQ("inside a shadow", misplaced, 0);
}

TEST(anywhere_else) { // any instruction of a loop, whose state stays right
    for (unsigned ring = 0; ring <= 3; ring += 3) {
        struct trap t;
        until_done(n_loop, ring, &t);
        CHECK_EQ("eax", t.r.eax, t.r.ecx * 3);
    }
}

TEST(bad_gate) { // the fault in its delivery has EXT
    set_up();
    idt[VEC_NMI] &= ~(1ull << 47);
    struct trap t = exec_ring(n_out, 3);
    CHECK_TRAP(t, VEC_GP, 0, n_out + 7); // OUT is refused at ring 3
    struct regs r = regs_for(3);
    r.eflags |= FLAG_IOPL;
    exec(n_out, &r, &t);
    CHECK_TRAP(t, VEC_NP, VEC_NMI << 3 | 3, n_out_1);
    exec_ring(n_out_1, 0); // an IRET on the way
}

SNIPPET(
    n_task,
    "1: incl (%esi)\n mov $8, %al\n out %al, $0x61\n xor %al, %al\n out %al, $0x61\n cmpl $3, (%esi)\n jae 2f\n out "
    "%eax, %dx\n 2: iret",
    "jmp 1b")

TEST(task_gate) { // blocked in the handler's task until the IRET that switches back
    static struct {
        u32 r[25];
        u16 trap, iomap;
    } task;
    set_up();
    memset(&task, 0, sizeof task);
    task.r[8] = (u32)n_task;
    task.r[9] = FLAG_ONE;
    task.r[12] = NMITEST; // EDX
    task.r[14] = (u32)user_buffer + 4096;
    task.r[16] = (u32)user_buffer;
    task.r[18] = task.r[20] = task.r[21] = SEL_KDATA; // ES SS DS
    task.r[19] = SEL_KCODE;
    gdt_set(SEL_TASK, (u32)&task, 103, SYS_TSS, 0);
    idt[VEC_NMI] = gate(SEL_TASK, 0, GATE_TASK, 0);
    *(volatile u32 *)user_buffer = 0;
    struct regs r = regs_for(0);
    struct trap t;
    exec(n_out, &r, &t); // the first and the second visit raise the next NMI, which finds the task not busy again
    CHECK_DONE("ran on", t);
    CHECK_EQ("visits", *(volatile u32 *)user_buffer, 3);
    CHECK_EQ("ecx", t.r.ecx, 1);
}
