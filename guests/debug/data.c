// Data breakpoints: traps behind the instruction that wrote or accessed a byte of theirs, whatever kind of instruction
// it was and at whatever privilege. Intel SDM vol. 3B 17.2.5, 17.3.1.2.
#include "debug.h"

SNIPPET(t_rw, "mov (%esi), %eax\n t_rw_1: mov %eax, (%esi)\n t_rw_2: incl (%esi)\n t_rw_3: mov 4(%esi), %eax\n nop",
        "nop")
extern u8 t_rw_1[], t_rw_2[], t_rw_3[];

TEST(write_and_access) {
    for (unsigned ring = 0; ring <= 3; ring += 3) {
        struct regs r = regs_for(ring);
        struct trap t;
        r.esi = (u32)user_buffer + 64;
        t = debug_run(t_rw, &r, 0); // translated before
        write_dr0(r.esi);
        t = debug_run(t_rw, &r, dr7_bits(0, RW_WRITE, LEN4));
        CHECK_DONE("end", t);
        CHECK_EVENTS(2);
        CHECK_EVENT(0, t_rw_2, 1);
        CHECK_EVENT(1, t_rw_3, 1);
        CHECK_EQ("RF pushed", events.at[0].eflags & FLAG_RF, 0);
        write_dr3(r.esi);
        t = debug_run(t_rw, &r, dr7_bits(3, RW_ACCESS, LEN4));
        CHECK_DONE("end", t);
        CHECK_EVENTS(3);
        CHECK_EVENT(0, t_rw_1, 8);
        CHECK_EVENT(1, t_rw_2, 8);
        CHECK_EVENT(2, t_rw_3, 8);
        t = debug_run(t_rw, &r, 0);
        CHECK_EVENTS(0);
    }
}

SNIPPET(t_byte, "movb %al, (%esi)\n t_byte_1: nop", "nop")
SNIPPET(t_word, "movw %ax, (%esi)\n t_word_1: nop", "nop")
SNIPPET(t_dword, "movl %eax, (%esi)\n t_dword_1: nop", "nop")

TEST(lengths) { // which bytes meet which breakpoint
    static const struct { u32 len, bytes; } points[] = {{LEN1, 1}, {LEN2, 2}, {LEN4, 4}};
    static const struct {
        const u8 *code;
        u32 bytes;
    } writes[] = {{t_byte, 1}, {t_word, 2}, {t_dword, 4}};
    struct regs r = regs_for(0);
    if (under_qemu()) // takes some neighbours for a hit
        return;
    for (unsigned p = 0; p < 3; p++)
        for (unsigned w = 0; w < 3; w++)
            for (int distance = -6; distance <= 6; distance++) {
                u32 at = (u32)user_buffer + 4096 - 8;
                r.esi = at + (u32)distance;
                write_dr1(at);
                debug_run(writes[w].code, &r, dr7_bits(1, RW_WRITE, points[p].len));
                bool meets = distance < (int)points[p].bytes && distance + (int)writes[w].bytes > 0;
                CHECK_EVENTS(meets);
            }
    write_dr1((u32)user_buffer + 2); // the length masks the address
    r.esi = (u32)user_buffer;
    debug_run(t_byte, &r, dr7_bits(1, RW_WRITE, LEN4));
    CHECK_EVENTS(1);
}

TEST(across_pages) { // the breakpoint in the second page of an operand, and in the first
    struct regs r = regs_for(3);
    r.esi = (u32)user_buffer + 4096 - 2;
    write_dr0((u32)user_buffer + 4096);
    debug_run(t_dword, &r, dr7_bits(0, RW_WRITE, LEN1));
    CHECK_EVENTS(1);
    write_dr0((u32)user_buffer + 4095);
    debug_run(t_dword, &r, dr7_bits(0, RW_WRITE, LEN1));
    CHECK_EVENTS(1);
    write_dr0((u32)user_buffer + 4098);
    debug_run(t_dword, &r, dr7_bits(0, RW_WRITE, LEN1));
    CHECK_EVENTS(0);
}

SNIPPET(t_stack,
        "push %eax\n t_stack_1: pop %ebx\n t_stack_2: call 1f\n 1: t_stack_3: pusha\n t_stack_4: popa\n t_stack_5: "
        "pop %eax\n t_stack_6: nop",
        "nop")
extern u8 t_stack_1[], t_stack_2[], t_stack_3[], t_stack_4[], t_stack_5[], t_stack_6[];

TEST(stack) {
    for (unsigned ring = 0; ring <= 3; ring += 3) {
        struct regs r = regs_for(ring);
        struct trap t;
        r.esp -= 4096; // the frames of #DB go elsewhere at ring 3, below at ring 0
        write_dr0(r.esp - 4);
        if (ring == 0)
            continue;
        t = debug_run(t_stack, &r, dr7_bits(0, RW_WRITE, LEN4));
        CHECK_DONE("end", t);
        CHECK_EVENTS(2);
        CHECK_EVENT(0, t_stack_1, 1);
        CHECK_EVENT(1, t_stack_3, 1);
        t = debug_run(t_stack, &r, dr7_bits(0, RW_ACCESS, LEN4));
        CHECK_DONE("end", t);
        CHECK_EVENTS(4);
        CHECK_EVENT(1, t_stack_2, 1);
        CHECK_EVENT(3, t_stack_6, 1);
        write_dr0(r.esp - 4 - 16);
        t = debug_run(t_stack, &r, dr7_bits(0, RW_ACCESS, LEN4)); // one of PUSHA's and POPA's
        CHECK_DONE("end", t);
        CHECK_EVENT(0, t_stack_4, 1);
    }
}

SNIPPET(t_movs, "", "rep movsl")
SNIPPET(t_stos, "", "rep stosb")
SNIPPET(t_once, "movsl\n t_once_1: nop", "nop")
extern u8 t_once_1[];

TEST(strings) { // a trap behind the iteration, at the instruction while more are to come
    for (unsigned ring = 0; ring <= 3; ring += 3) {
        struct regs r = regs_for(ring);
        struct trap t;
        r.esi = (u32)user_buffer;
        r.edi = (u32)user_buffer + 8192 + 100;
        r.ecx = 1900;
        t = debug_run(t_movs, &r, 0);
        write_dr2(r.edi + 400);
        t = debug_run(t_movs, &r, dr7_bits(2, RW_WRITE, LEN4));
        CHECK_DONE("end", t);
        CHECK_EVENTS(1);
        CHECK_EVENT(0, t_movs_at, 4);
        CHECK_EQ("ecx", t.r.ecx, 0);
        if (!under_qemu())
            CHECK_EQ("RF pushed between iterations", events.at[0].eflags & FLAG_RF, FLAG_RF);
        write_dr2(r.esi + 1899 * 4);
        t = debug_run(t_movs, &r, dr7_bits(2, RW_ACCESS, LEN4)); // the last one
        CHECK_EVENTS(1);
        CHECK_EVENT(0, under_qemu() ? t_movs_at : t_movs_end, 4);
        write_dr2(r.edi + 4); // four iterations on one breakpoint
        t = debug_run(t_stos, &r, dr7_bits(2, RW_WRITE, LEN4));
        CHECK_EVENTS(4);
        CHECK_EVENT(3, t_stos_at, 4);
        CHECK_EQ("edi", t.r.edi, r.edi + 1900);
        write_dr2(r.edi);
        t = debug_run(t_once, &r, dr7_bits(2, RW_WRITE, LEN4));
        CHECK_EVENTS(1);
        CHECK_EVENT(0, t_once_1, 4);
    }
}

SNIPPET(t_stepped, "mov %eax, (%esi)\n t_stepped_1: nop\n t_stepped_2: nop", "nop")
extern u8 t_stepped_1[], t_stepped_2[];

TEST(with_single_step_data) { // both in one #DB
    struct regs r = regs_for(0);
    r.esi = (u32)user_buffer;
    r.eflags |= FLAG_TF;
    write_dr0(r.esi);
    struct trap t = debug_run(t_stepped, &r, dr7_bits(0, RW_WRITE, LEN4));
    CHECK_DONE("end", t);
    if (under_qemu())
        return;
    CHECK_EVENT(0, t_stepped_1, DR6_BS | 1);
    CHECK_EVENT(1, t_stepped_2, DR6_BS);
}

SNIPPET(t_fault, "nop", "incl (%esi)")

TEST(a_fault_is_no_access) {
    struct regs r = regs_for(3);
    struct trap t;
    if (under_qemu()) // knows no null selectors
        return;
    r.ds = 0;
    r.esi = (u32)user_buffer;
    write_dr0(r.esi);
    t = debug_run(t_fault, &r, dr7_bits(0, RW_ACCESS, LEN4));
    CHECK_TRAP(t, VEC_GP, 0, t_fault_at);
    CHECK_EVENTS(0);
}

SNIPPET(t_pop_ss, "push %ss\n t_pop_ss_0: pop %ss\n t_pop_ss_1: nop\n t_pop_ss_2: nop", "nop")
extern u8 t_pop_ss_0[], t_pop_ss_2[];

TEST(held_back_by_pop_ss) { // the trap of POP SS comes one instruction later
    struct regs r = regs_for(3);
    write_dr0(r.esp - 4);
    struct trap t = debug_run(t_pop_ss, &r, dr7_bits(0, RW_ACCESS, LEN4));
    CHECK_DONE("end", t);
    if (under_qemu())
        return;
    CHECK_EVENTS(2);
    CHECK_EVENT(0, t_pop_ss_0, 1);
    CHECK_EVENT(1, t_pop_ss_2, 1);
}

SNIPPET(t_arm, "mov %eax, %dr7\n mov %ebx, (%esi)\n t_arm_1: mov %ecx, %dr7\n mov %ebx, (%esi)\n nop", "nop")
extern u8 t_arm_1[];

TEST(armed_within_a_block) {
    struct regs r = regs_for(0);
    r.esi = (u32)user_buffer;
    r.eax = DR7_CLEAR | dr7_bits(0, RW_WRITE, LEN4);
    r.ecx = DR7_CLEAR;
    write_dr0(r.esi);
    for (unsigned turn = 0; turn < 3; turn++) {
        struct trap t = debug_run(t_arm, &r, 0);
        CHECK_DONE("end", t);
        CHECK_EVENTS(1);
        CHECK_EVENT(0, t_arm_1, 1);
    }
}

SNIPPET(t_int, "int $0x80", "nop")
static bool back(struct trap_frame *f) {
    (void)f;
    return true;
}

TEST(frame_of_an_interrupt) { // the trap comes at the handler's first instruction, which is in ring 0
    struct regs r = regs_for(3);
    if (under_qemu()) // aborts
        return;
    idt_set_dpl(0x80, 3);
    hook_set(0x80, back);
    write_dr1(tss.esp0 - 4); // SS of the frame
    struct trap t = debug_run(t_int, &r, dr7_bits(1, RW_WRITE, LEN4));
    CHECK_DONE("end", t);
    CHECK(events.count >= 1);
    CHECK_EQ("CS", events.at[0].cs, SEL_KCODE);
}

SNIPPET(t_xchg,
        "xchg %eax, (%esi)\n t_xchg_1: lock incl (%esi)\n t_xchg_2: bt %ecx, (%esi)\n t_xchg_3: cmpxchg %ebx, (%esi)\n "
        "t_xchg_4: nop",
        "nop")
extern u8 t_xchg_1[], t_xchg_2[], t_xchg_3[], t_xchg_4[];

TEST(read_modify_write) { // a write; BT is a read; CMPXCHG always writes
    struct regs r = regs_for(3);
    r.esi = (u32)user_buffer;
    r.eax = 1;
    write_dr0(r.esi);
    struct trap t = debug_run(t_xchg, &r, dr7_bits(0, RW_WRITE, LEN4));
    CHECK_DONE("end", t);
    CHECK_EVENT(0, t_xchg_1, 1);
    CHECK_EVENT(1, t_xchg_2, 1);
    CHECK_EVENT(2, t_xchg_4, 1);
    CHECK_EVENTS(3);
}
