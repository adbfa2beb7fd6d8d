// Instruction breakpoints: faults at exactly the first byte of an instruction, in all kinds of code, with RF; beside
// single steps; ignored behind a load of SS. Intel SDM vol. 3B 17.3.1.1; vol. 3A 6.8.3.
#include "debug.h"

#include "paging.h"

SNIPPET(t_plain, "inc %eax\n t_plain_1: inc %ebx\n t_plain_2: .byte 0x66, 0x90\n inc %ecx", "nop")
extern u8 t_plain_1[], t_plain_2[];

TEST(fault_before) {
    for (unsigned ring = 0; ring <= 3; ring += 3) {
        struct regs r = regs_for(ring);
        struct trap t;
        set_rf = true;
        write_dr0((u32)t_plain_1);
        write_dr3(0);
        t = debug_run(t_plain, &r, dr7_bits(0, RW_EXEC, LEN1));
        CHECK_DONE("end", t);
        CHECK_EVENTS(1);
        CHECK_EVENT(0, t_plain_1, 1);
        CHECK_EQ("RF pushed", events.at[0].eflags & FLAG_RF, 0);
        CHECK_EQ("ebx", t.r.ebx, 1);
        CHECK_EQ("RF afterwards", t.r.eflags & FLAG_RF, under_qemu() ? FLAG_RF : 0); // QEMU leaves it set
        // Globally enabled; another register with a wrong byte of the instruction; one that is off.
        write_dr1((u32)t_plain_2);
        write_dr2((u32)t_plain_2 + 1);
        write_dr3((u32)t_plain_1);
        t = debug_run(t_plain, &r, 2 << 2 | dr7_bits(2, RW_EXEC, LEN1));
        CHECK_DONE("end", t);
        CHECK_EVENTS(1);
        CHECK_EVENT(0, t_plain_2, 2);
        // Two at one place.
        t = debug_run(t_plain, &r, dr7_bits(0, RW_EXEC, LEN1) | dr7_bits(3, RW_EXEC, LEN1));
        CHECK_EVENTS(1);
        CHECK_EVENT(0, t_plain_1, 9);
    }
}

SNIPPET(t_loop, "1: inc %eax\n t_loop_1: dec %ecx\n jnz 1b", "nop")
extern u8 t_loop_1[];

TEST(each_time) { // in a loop that is translated as a block of its own
    struct regs r = regs_for(3);
    set_rf = true;
    r.ecx = 20;
    write_dr1((u32)t_loop_1);
    struct trap t = debug_run(t_loop, &r, dr7_bits(1, RW_EXEC, LEN1));
    CHECK_DONE("end", t);
    CHECK_EVENTS(20);
    CHECK_EQ("eax", t.r.eax, 20);
    t = debug_run(t_loop, &r, 0); // and not any more
    CHECK_EVENTS(0);
}

static u32 repeated;
static bool without_rf(struct trap_frame *f) {
    if (++repeated == 3)
        write_dr7(DR7_CLEAR);
    (void)f;
    return true;
}

TEST(again_without_rf) {
    struct trap t;
    struct regs r = regs_for(0);
    repeated = 0;
    hook_set(VEC_DB, without_rf);
    write_dr0((u32)t_plain_1);
    write_dr7(DR7_CLEAR | 1);
    exec(t_plain, &r, &t);
    CHECK_DONE("end", t);
    CHECK_EQ("times", repeated, 3);
    CHECK_EQ("ebx", t.r.ebx, 1);
}

TEST(with_single_step) { // the trap of the step comes first, then the fault
    struct regs r = regs_for(0);
    set_rf = true;
    r.eflags |= FLAG_TF;
    write_dr0((u32)t_plain_1);
    if (under_qemu()) // puts both in one
        return;
    struct trap t = debug_run(t_plain, &r, dr7_bits(0, RW_EXEC, LEN1));
    CHECK_DONE("end", t);
    CHECK_EVENT(0, t_plain_1, DR6_BS);
    // The handler sets RF, which passes the breakpoint.
    CHECK_EVENT(1, t_plain_2, DR6_BS);
}

SNIPPET(t_ss, "mov %ss, %eax\n mov %eax, %ss\n t_ss_1: nop\n t_ss_2: nop", "nop")
extern u8 t_ss_1[], t_ss_2[];

TEST(ignored_behind_mov_ss) {
    struct regs r = regs_for(0);
    set_rf = true;
    write_dr0((u32)t_ss_1);
    write_dr1((u32)t_ss_2);
    struct trap t = debug_run(t_ss, &r, 5);
    CHECK_DONE("end", t);
    if (under_qemu()) // does not ignore it
        return;
    CHECK_EVENTS(1);
    CHECK_EVENT(0, t_ss_2, 2);
}

SNIPPET(t_kinds,
        "t_kinds_0: push %eax\n t_kinds_1: call 1f\n t_kinds_3: jmp 2f\n 1: t_kinds_2: ret\n 2: t_kinds_4: pop %eax\n "
        "t_kinds_5: cpuid",
        "nop")
extern u8 t_kinds_0[], t_kinds_1[], t_kinds_2[], t_kinds_3[], t_kinds_4[], t_kinds_5[];

TEST(kinds_of_instructions) {
    const u8 *const at[] = {t_kinds_0, t_kinds_1, t_kinds_2, t_kinds_3, t_kinds_4, t_kinds_5};
    set_rf = true;
    for (unsigned ring = 0; ring <= 3; ring += 3)
        for (unsigned i = 0; i < 6; i++) {
            struct regs r = regs_for(ring);
            write_dr2((u32)at[i]);
            struct trap t = debug_run(t_kinds, &r, dr7_bits(2, RW_EXEC, LEN1));
            CHECK_DONE("end", t);
            CHECK_EVENTS(1);
            CHECK_EVENT(0, at[i], 4);
        }
}

// An instruction that begins in the page before the one with the breakpoint, and one whose breakpoint is at its first
// byte there; both pages are hot before.
TEST(page_boundary) {
    static u8 pages[3 * 4096] __attribute__((aligned(4096)));
    const u8 code[] = {0x40, 0x05, 1, 0, 0, 0, 0x43, 0xcd, 0x81}; // inc eax; add eax, 1; inc ebx; int 81h
    u8 *at = pages + 4096 - 3;
    memcpy(at, code, sizeof code);
    set_rf = true;
    for (unsigned turn = 0; turn < 3; turn++) {
        struct regs r = regs_for(0);
        struct trap t = debug_run(at, &r, 0);
        CHECK_EQ("eax", t.r.eax, 2);
        write_dr0((u32)at + 6);
        t = debug_run(at, &r, 1);
        CHECK_EVENTS(1);
        CHECK_EVENT(0, at + 6, 1);
        CHECK_EQ("ebx", t.r.ebx, 1);
        write_dr0((u32)at + 1);
        t = debug_run(at, &r, 1);
        CHECK_EVENTS(1);
        CHECK_EVENT(0, at + 1, 1);
        write_dr0((u32)at + 4); // within it
        t = debug_run(at, &r, 1);
        CHECK_EVENTS(0);
    }
}

TEST(before_the_fetch_faults) { // a breakpoint on a page that is not there
    struct space s = space_new(PAGING_32);
    space_identity(&s);
    space_enter(&s);
    static const u32 absent = 0x40000000;
    struct regs r = regs_for(0);
    struct trap t;
    set_rf = true;
    write_dr3(absent);
    t = debug_run((void *)absent, &r, dr7_bits(3, RW_EXEC, LEN1));
    CHECK_PF(t, 0, absent, (void *)absent);
    CHECK_EVENTS(1);
    CHECK_EVENT(0, (void *)absent, 8);
}
