// Single steps: a #DB after each instruction while TF was set at its start (SDM vol. 3B, 17.3.1.4), in and out of POPF
// and IRET, over MOV SS, through repeated strings, calls, faults and callouts.
#include "exec.h"

enum { STEPS = 600, DR6_BS = 1 << 14 };
static u32 steps, where[STEPS], dr6_bad;
static u32 stop_after;

static u32 read_dr6(void) {
    u32 v;
    __asm__ volatile("mov %%dr6, %0" : "=r"(v));
    return v;
}
static void write_dr6(u32 v) {
    __asm__ volatile("mov %0, %%dr6" ::"r"(v));
}

static bool record(struct trap_frame *f) {
    if (steps < STEPS)
        where[steps] = f->eip;
    steps++;
    if (!(read_dr6() & DR6_BS))
        dr6_bad++;
    write_dr6(0xffff0ff0);
    if (steps >= stop_after)
        f->eflags &= ~FLAG_TF;
    return true;
}

static struct trap run(const u8 *code, struct regs r, u32 flags) {
    struct trap t;
    steps = dr6_bad = 0;
    stop_after = STEPS;
    hook_set(VEC_DB, record);
    write_dr6(0xffff0ff0);
    r.eflags |= flags;
    exec(code, &r, &t);
    CHECK_EQ("DR6.BS missing", dr6_bad, 0);
    return t;
}

SNIPPET(t_plain,
        "inc %eax\n t_plain_1: add %ecx, (%esi)\n t_plain_2: push %eax\n t_plain_3: pop %ebx\n t_plain_4: cpuid\n "
        "t_plain_5: mov %cr0, %eax\n t_plain_6:",
        "nop")
extern u8 t_plain_1[], t_plain_2[], t_plain_3[], t_plain_4[], t_plain_5[];

TEST(each_instruction) {
    for (unsigned ring = 0; ring <= 3; ring += 3) {
        struct regs r = regs_for(ring);
        r.esi = (u32)user_buffer;
        struct trap t = run(t_plain, r, FLAG_TF);
        const u8 *const expected[] = {t_plain_1, t_plain_2, t_plain_3, t_plain_4, t_plain_5};
        for (unsigned i = 0; i < 5; i++)
            CHECK_EQ("step", where[i], (u32)expected[i]);
        if (ring == 0) {
            CHECK_DONE("end", t);
            CHECK_EQ("steps", steps, 7);
            CHECK_EQ("last", where[6], (u32)t_plain_end);
            CHECK(t.r.eflags & FLAG_TF);
        } else { // MOV from CR0 is refused; the fault is no step
            CHECK_TRAP(t, VEC_GP, 0, t_plain_5);
            CHECK_EQ("steps", steps, 5);
        }
    }
}

SNIPPET(t_popf, "pushf\n pushf\n orl $0x100, (%esp)\n popf\n nop\n t_popf_1: popf\n t_popf_2: nop", "nop")
extern u8 t_popf_1[], t_popf_2[];

TEST(popf) { // the one that sets TF is not stepped, the one that clears it is
    for (unsigned ring = 0; ring <= 3; ring += 3) {
        struct trap t = run(t_popf, regs_for(ring), 0);
        CHECK_DONE("end", t);
        CHECK_EQ("steps", steps, 2);
        CHECK_EQ("first", where[0], (u32)t_popf_1);
        CHECK_EQ("second", where[1], (u32)t_popf_2);
    }
}

SNIPPET(t_iret,
        "pushf\n orl $0x100, (%esp)\n push %cs\n push $1f\n iret\n ud2\n 1: nop\n t_iret_1: pushf\n t_iret_2: andl "
        "$~0x100, (%esp)\n t_iret_3: popf\n t_iret_4: nop",
        "nop")
extern u8 t_iret_1[], t_iret_2[], t_iret_3[], t_iret_4[];

TEST(iret) {
    struct trap t = run(t_iret, regs_for(0), 0);
    CHECK_DONE("end", t);
    CHECK_EQ("steps", steps, 4);
    CHECK_EQ("first", where[0], (u32)t_iret_1);
    CHECK_EQ("last", where[3], (u32)t_iret_4);
}

SNIPPET(t_string, "", "rep movsb")

TEST(repeated_string) { // after each iteration, EIP at the instruction until it is done
    struct regs r = regs_for(3);
    r.esi = (u32)user_buffer;
    r.edi = (u32)user_buffer + 100;
    r.ecx = 5;
    struct trap t = run(t_string, r, FLAG_TF);
    CHECK_EQ("steps", steps, 5);
    for (unsigned i = 0; i < 4; i++)
        CHECK_EQ("step", where[i], (u32)t_string);
    CHECK_EQ("last", where[4], (u32)t_string_end);
    CHECK_EQ("ecx", t.r.ecx, 0);
}

SNIPPET(t_flow,
        "jmp 1f\n nop\n 1: t_flow_1: call 2f\n t_flow_3: jmp 3f\n 2: t_flow_2: ret\n 3: t_flow_4: jecxz 4f\n nop\n 4: "
        "t_flow_5: loop 5f\n 5: t_flow_6: nop",
        "nop")
extern u8 t_flow_1[], t_flow_2[], t_flow_3[], t_flow_4[], t_flow_5[], t_flow_6[];

TEST(transfers) {
    for (unsigned ring = 0; ring <= 3; ring += 3) {
        struct trap t = run(t_flow, regs_for(ring), FLAG_TF);
        const u8 *const expected[] = {t_flow_1, t_flow_2, t_flow_3, t_flow_4, t_flow_5, t_flow_6};
        CHECK_DONE("end", t);
        for (unsigned i = 0; i < 6; i++)
            CHECK_EQ("step", where[i], (u32)expected[i]);
    }
}

SNIPPET(t_ss,
        "mov %ss, %ecx\n t_ss_1: mov %ecx, %ss\n nop\n t_ss_2: nop\n t_ss_3: push %ss\n t_ss_4: pop %ss\n nop\n "
        "t_ss_5: nop",
        "nop")
extern u8 t_ss_1[], t_ss_2[], t_ss_3[], t_ss_4[], t_ss_5[];

TEST(mov_ss_holds_back) { // no step between MOV SS or POP SS and the next instruction
    struct trap t = run(t_ss, regs_for(3), FLAG_TF);
    CHECK_DONE("end", t);
    const u8 *const expected[] = {t_ss_1, t_ss_2, t_ss_3, t_ss_4, t_ss_5};
    for (unsigned i = 0; i < 5; i++)
        CHECK_EQ("step", where[i], (u32)expected[i]);
}

SNIPPET(t_int, "int $0x80", "nop")
static bool seen_tf;
static bool no_tf(struct trap_frame *f) {
    u32 flags = read_flags();
    seen_tf = flags & FLAG_TF;
    return f->eflags & FLAG_TF;
}

TEST(software_interrupt) { // the handler runs without TF; the step comes after its IRET and one more instruction
    idt_set_dpl(0x80, 3);
    hook_set(0x80, no_tf);
    struct trap t = run(t_int, regs_for(3), FLAG_TF);
    CHECK_DONE("end", t);
    CHECK_EQ("TF in the handler", seen_tf, 0);
    CHECK_EQ("first step", where[0], (u32)t_int_end);
}

SNIPPET(t_sti, "sti\n nop\n cli", "nop")
SNIPPET(t_move, "", "mov (%esi), %eax")

SNIPPET(t_hlt, "hlt", "nop")

TEST(halt) {          // the trap ends the wait (SDM vol. 2A, HLT), with interrupts off too
    if (under_qemu()) // where it waits on
        return;
    struct trap t = run(t_hlt, regs_for(0), FLAG_TF);
    CHECK_DONE("end", t);
    CHECK_EQ("steps", steps, 2);
    CHECK_EQ("first", where[0], (u32)t_hlt_at);
}

SNIPPET(t_ud, "nop", "ud2")

TEST(fault_under_tf) { // the faulting instruction is not stepped; TF is in the pushed flags
    struct regs r = regs_for(0);
    struct trap t = run(t_ud, r, FLAG_TF);
    CHECK_TRAP(t, VEC_UD, 0, t_ud_at);
    CHECK_EQ("steps", steps, 1);
    CHECK(t.r.eflags & FLAG_TF);
}

TEST(stepping_sti_and_memory) {
    outb(0x21, 0xff);
    struct regs r = regs_for(0);
    r.esi = (u32)user_buffer;
    struct trap t = run(t_sti, r, FLAG_TF);
    CHECK_DONE("end", t);
    CHECK_EQ("steps", steps, under_qemu() ? 3 : 4); // STI holds no step back
    t = run(t_move, r, FLAG_TF);
    CHECK_DONE("end", t);
    CHECK_EQ("steps", steps, 1);
}

// A loop that steps for a while, then runs free, then steps again.
SNIPPET(t_long, "1: inc %eax\n dec %ecx\n jnz 1b", "nop")

TEST(step_then_run) {
    struct regs r = regs_for(3);
    struct trap t;
    r.ecx = 1000;
    steps = dr6_bad = 0;
    stop_after = 100;
    hook_set(VEC_DB, record);
    r.eflags |= FLAG_TF;
    exec(t_long, &r, &t);
    CHECK_DONE("end", t);
    CHECK_EQ("steps", steps, 100);
    CHECK_EQ("eax", t.r.eax, 1000);
    CHECK_EQ("TF", t.r.eflags & FLAG_TF, 0);
}
