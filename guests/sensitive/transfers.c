// CALL far, JMP far, INT n, RET far and IRET at their own privilege: flags and registers that they leave, RPL and CPL
// in the selector that they store. Checks, gates, rings and stacks are in the guests far, exceptions, privilege and
// tasks.
#include "kit.h"

SNIPPET(c_call3, "", "lcall $0x1b, $1f\n 1:")
SNIPPET(c_call3_rpl0, "", "lcall $0x18, $1f\n 1:")
SNIPPET(c_call0, "", "lcall $8, $1f\n 1:")
SNIPPET(c_jmp3, "", "ljmp $0x18, $1f\n ud2\n 1:")
SNIPPET(c_jmp0, "", "ljmp $8, $1f\n ud2\n 1:")
SNIPPET(c_int, "", "int $0x80")
SNIPPET(c_ret, "", "lret $8")
SNIPPET(c_iret, "", "iret")
SNIPPET(c_done, "", "nop")

TEST(far_call_and_jump) { // no flag changes; CS shows the CPL whatever the RPL given
    struct regs r = pattern(3);
    const u8 *const calls[] = {c_call3, c_call3_rpl0};
    for (unsigned i = 0; i < 2; i++) {
        struct trap t = runs("call", calls[i], &r, STACK);
        u32 *stack = (u32 *)t.r.esp;
        CHECK_EQ("esp", t.r.esp, r.esp - 8);
        CHECK_EQ("return EIP", stack[0], (u32)calls[i] + 7);
        CHECK_EQ("return CS", stack[1] & 0xffff, SEL_UCODE);
    }
    runs("jump", c_jmp3, &r, NOTHING);
    r = pattern(0);
    struct trap t = runs("call", c_call0, &r, STACK);
    CHECK_EQ("esp", t.r.esp, r.esp - 8);
    runs("jump", c_jmp0, &r, NOTHING);
    r = pattern(3);
    faults("call inwards", c_call0, &r, VEC_GP, SEL_KCODE);
    faults("jump inwards", c_jmp0, &r, VEC_GP, SEL_KCODE);
}

TEST(far_return) {
    for (unsigned ring = 0; ring <= 3; ring += 3) {
        struct regs r = pattern(ring);
        r.esp -= 64;
        ((u32 *)r.esp)[0] = (u32)c_done;
        ((u32 *)r.esp)[1] = 0xdead0000 | r.cs; // sixteen bits count
        struct trap t = runs("return", c_ret, &r, STACK);
        CHECK_EQ("esp", t.r.esp, r.esp + 16);
        CHECK_EQ("eip", t.r.eip, (u32)c_done_end + 2);
    }
    struct regs r = pattern(3);
    r.esp -= 64;
    ((u32 *)r.esp)[0] = (u32)c_done;
    ((u32 *)r.esp)[1] = SEL_KCODE;
    faults("inwards", c_ret, &r, VEC_GP, SEL_KCODE);
    ((u32 *)r.esp)[1] = SEL_UCODE & ~3; // RPL below CPL
    faults("RPL", c_ret, &r, VEC_GP, SEL_UCODE & ~3);
}

static u32 flags_inside;
static bool inside(struct trap_frame *f) {
    flags_inside = read_flags();
    return f->vector == 0x80;
}

TEST(int_n_and_back) { // every flag survives the round trip
    idt_set_dpl(0x80, 3);
    hook_set(0x80, inside);
    for (unsigned ring = 0; ring <= 3; ring += 3)
        for (u32 iopl = 0; iopl < 4; iopl++) {
            struct regs r = pattern(ring);
            r.eflags |= iopl << 12;
            runs("int", c_int, &r, NOTHING);
            CHECK_EQ("IOPL in the handler", flags_inside & FLAG_IOPL, iopl << 12);
            CHECK_EQ("IF in the handler", flags_inside & FLAG_IF, 0);
        }
    idt_set_dpl(0x80, 0);
    struct regs r = pattern(3);
    r.eflags |= FLAG_IOPL; // IOPL does not matter outside virtual-8086 mode
    faults("DPL", c_int, &r, VEC_GP, 0x80 << 3 | 2);
}

TEST(iret_changes) { // which flags IRET may change at each ring and IOPL (SDM vol. 2, IRET)
    outb(0x21, 0xff);
    outb(0xa1, 0xff);
    const u32 live = FLAGS_ARITH | FLAG_DF | FLAG_AC | 1 << 21;
    for (unsigned ring = 0; ring <= 3; ring += 3)
        for (u32 iopl = 0; iopl < 4; iopl++)
            for (unsigned set = 0; set < 2; set++) {
                struct regs r = pattern(ring);
                u32 mask = live | (ring == 0 ? FLAG_IOPL : 0) | (ring <= iopl ? FLAG_IF : 0);
                u32 before = FLAG_ONE | iopl << 12 | (set ? 0 : live | FLAG_IF);
                u32 image = set ? live | FLAG_IF | FLAG_IOPL | 0x8028 : 0;
                r.eflags = before;
                r.esp -= 64;
                ((u32 *)r.esp)[0] = (u32)c_done;
                ((u32 *)r.esp)[1] = r.cs;
                ((u32 *)r.esp)[2] = image;
                struct trap t = runs("iret", c_iret, &r, STACK | ALL_FLAGS);
                CHECK_EQ("esp", t.r.esp, r.esp + 12);
                CHECK_EQ("flags", t.r.eflags, (before & ~mask) | (image & mask) | FLAG_ONE);
            }
}
