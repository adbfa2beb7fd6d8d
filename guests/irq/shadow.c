// Where an interrupt that waits is taken: after the instruction behind STI, right after POPF and IRET, not between MOV
// SS and the next instruction (SDM vol. 2, STI, MOV; vol. 3A, 6.8.3). PITFALLS 7.
#include "pc.h"

static volatile u32 ticks, eip, eflags;

static bool note(struct trap_frame *frame) {
    ticks++;
    eip = frame->eip;
    eflags = frame->eflags;
    pic_eoi(IRQ_TIMER);
    return true;
}

#define LABELS(name) extern u8 name##_1[], name##_2[], name##_3[];
SNIPPET(s_sti, "sti\n s_sti_1: inc %eax\n s_sti_2: inc %eax\n s_sti_3:", "nop")
LABELS(s_sti)
SNIPPET(s_sti_cli, "sti\n cli\n inc %eax", "nop")
SNIPPET(s_sti_sti, "sti\n sti\n s_sti_sti_1: inc %eax\n", "nop")
extern u8 s_sti_sti_1[];
SNIPPET(s_sti_jmp, "sti\n jmp 1f\n nop\n 1: s_sti_jmp_1: inc %eax\n inc %eax", "nop")
extern u8 s_sti_jmp_1[];
SNIPPET(s_sti_hlt, "sti\n hlt\n s_sti_hlt_1: inc %eax", "nop")
extern u8 s_sti_hlt_1[];
SNIPPET(s_sti_ret, "push $1f\n sti\n ret\n nop\n 1: s_sti_ret_1: inc %eax", "nop")
extern u8 s_sti_ret_1[];
SNIPPET(s_popf, "pushf\n orl $0x200, (%esp)\n popf\n s_popf_1: inc %eax\n", "nop")
extern u8 s_popf_1[];
SNIPPET(s_popf16, "pushfw\n orw $0x200, (%esp)\n popfw\n s_popf16_1: inc %eax\n", "nop")
extern u8 s_popf16_1[];
SNIPPET(s_iret, "pushf\n orl $0x200, (%esp)\n push %cs\n push $1f\n iret\n nop\n 1: s_iret_1: inc %eax\n", "nop")
extern u8 s_iret_1[];
SNIPPET(s_sti_mov_ss, "mov %ss, %edx\n sti\n mov %edx, %ss\n s_sti_mov_ss_1: inc %eax\n s_sti_mov_ss_2: inc %eax",
        "nop")
extern u8 s_sti_mov_ss_1[], s_sti_mov_ss_2[];
SNIPPET(s_sti_on, "sti\n s_sti_on_1: inc %eax\n nop", "nop")
SNIPPET(s_pop_ss, "push %ss\n pushf\n orl $0x200, (%esp)\n popf\n pop %ss", "nop")

// Runs with the timer's interrupt waiting; returns where it was taken.
static u32 taken_at(const u8 *code, u32 flags, struct trap *t) {
    cli();
    pic_init();
    ticks = 0;
    eip = 0;
    hook_set(IRQ_VECTOR + IRQ_TIMER, note);
    pit_start(0, PIT_ONE_SHOT, 10);
    pic_unmask(IRQ_TIMER);
    CHECK(wait_pending(IRQ_TIMER));
    struct regs r = regs_for(0);
    r.eflags |= flags;
    exec(code, &r, t);
    CHECK_DONE("ran", *t);
    pic_mask(IRQ_TIMER);
    return eip;
}

#define TAKEN(code, flags, at)                                                                                         \
    do {                                                                                                               \
        struct trap t_;                                                                                                \
        for (unsigned again_ = 0; again_ < 3; again_++)                                                                \
            CHECK_EQ(#code, taken_at(code, flags, &t_), (u32)(at));                                                    \
    } while (0)

TEST(sti_shadow) {
    TAKEN(s_sti, 0, s_sti_2);
    CHECK(eflags & FLAG_IF);
    TAKEN(s_sti_sti, 0, s_sti_sti_1);
    TAKEN(s_sti_jmp, 0, s_sti_jmp_1);
    TAKEN(s_sti_hlt, 0, s_sti_hlt_1);
    TAKEN(s_sti_ret, 0, s_sti_ret_1);
}

TEST(sti_cli_hides) {
    struct trap t;
    CHECK_EQ("not taken", taken_at(s_sti_cli, 0, &t), 0);
    CHECK_EQ("ticks", ticks, 0);
    CHECK_EQ("eax", t.r.eax, 1);
}

TEST(no_shadow_of_popf_and_iret) {
    TAKEN(s_popf, 0, s_popf_1);
    TAKEN(s_popf16, 0, s_popf16_1);
    TAKEN(s_iret, 0, s_iret_1);
}

TEST(entry_with_if) { // exec's IRET enables interrupts: taken before the first instruction
    struct trap t;
    CHECK_EQ("at the first instruction", taken_at(s_sti_on, FLAG_IF, &t), (u32)s_sti_on);
}

TEST(mov_ss_shadow) { // STI's shadow covers MOV SS; MOV SS has its own then
    struct trap t;
    u32 at = taken_at(s_sti_mov_ss, 0, &t);
    if (!under_qemu())
        CHECK(at == (u32)s_sti_mov_ss_1 || at == (u32)s_sti_mov_ss_2);
    CHECK_EQ("ticks", ticks, 1);
    taken_at(s_pop_ss, 0, &t);
    CHECK_EQ("ticks", ticks, 1);
}

// A loop that opens a window of one instruction again and again: interrupts get through in it.
SNIPPET(window, "1: sti\n nop\n cli\n inc %eax\n cmpl $20, (%esi)\n jb 1b", "nop")
SNIPPET(window_popf,
        "pushf\n pop %edx\n mov %edx, %ebx\n or $0x200, %ebx\n 1: push %ebx\n popf\n push %edx\n popf\n inc %eax\n "
        "cmpl $20, (%esi)\n jb 1b",
        "nop")

TEST(narrow_windows) {
    const u8 *const code[] = {window, window_popf};
    for (unsigned i = 0; i < 2; i++) {
        cli();
        pic_init();
        ticks = 0;
        hook_set(IRQ_VECTOR + IRQ_TIMER, note);
        pit_start(0, PIT_RATE, PIT_HZ / 2000);
        pic_unmask(IRQ_TIMER);
        struct regs r = regs_for(0);
        struct trap t;
        r.esi = (u32)&ticks;
        exec(code[i], &r, &t);
        CHECK_DONE("window", t);
        CHECK(ticks >= 20);
    }
    pic_mask(IRQ_TIMER);
}

SNIPPET(user_cli, "", "cli")
SNIPPET(user_loop, "1: inc %eax\n cmpl $5, (%esi)\n jb 1b", "nop")

TEST(ring_3) { // interrupts at ring 3, where CLI is refused
    EXPECT_FAULT_RING(3, user_cli, VEC_GP, 0);
    cli();
    pic_init();
    ticks = 0;
    hook_set(IRQ_VECTOR + IRQ_TIMER, note);
    pit_start(0, PIT_RATE, PIT_HZ / 1000);
    pic_unmask(IRQ_TIMER);
    struct regs r = regs_for(3);
    struct trap t;
    r.esi = (u32)&ticks;
    r.eflags |= FLAG_IF;
    exec(user_loop, &r, &t);
    CHECK_DONE("loop", t);
    CHECK(ticks >= 5);
    pic_mask(IRQ_TIMER);
}
