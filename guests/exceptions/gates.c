// INT n and the IDT: gate checks with their error codes, kinds of gate, what is pushed, what the handler's flags are.
#include "exec.h"

extern u8 rt_trap_stack_top[];
SNIPPET(i_int80, "int $0x80", "nop")
SNIPPET(i_int, "", "int $0x80")
SNIPPET(i_int3, "", "int3")
SNIPPET(i_into, "mov $0x7f, %al\n inc %al", "into")
SNIPPET(i_icebp, ".byte 0xf1", "nop")
SNIPPET(i_ud2, "", "ud2")
SNIPPET(i_hlt, "", "hlt")
SNIPPET(i_target, "pushf\n pop %eax\n mov %cs, %ebx\n mov %ss, %ecx\n mov %ds, %edx", "nop")

static u32 gate_error(u32 vector) {
    return vector << 3 | 2;
}

TEST(every_vector) { // INT 0 to INT 255 from ring 0; through a generated snippet
    for (u32 v = 0; v < 256; v++) {
        user_buffer[0] = 0xcd;
        user_buffer[1] = (u8)v;
        // Vectors whose stubs expect an error code get none from INT n: the stub would take EIP for it.
        if (v == 8 || (v >= 10 && v <= 14) || v == 17)
            continue;
        struct trap t = exec_ring(user_buffer, 0);
        if (!CHECK_EQ("vector", t.vector, v) || !CHECK_EQ("eip", t.r.eip, (u32)user_buffer + 2))
            return;
    }
}

TEST(dpl_of_software_interrupts) {
    EXPECT_FAULT_RING(3, i_int, VEC_GP, gate_error(0x80));
    EXPECT_FAULT_RING(3, i_int3, VEC_GP, gate_error(VEC_BP));
    EXPECT_FAULT_RING(3, i_into, VEC_GP, gate_error(VEC_OF));
    struct trap t = exec_ring(i_icebp, 3); // INT1 is not checked
    if (!under_qemu())
        CHECK_TRAP(t, VEC_DB, 0, i_icebp_at);
    idt_set_dpl(0x80, 3);
    t = exec_ring(i_int80, 3);
    CHECK_TRAP(t, 0x80, 0, i_int80_at);
    EXPECT_FAULT_RING(3, i_ud2, VEC_UD, 0); // exceptions are not checked
}

TEST(bad_gates) {
    idt[0x80] = 0;
    EXPECT_FAULT_RING(0, i_int, VEC_GP, gate_error(0x80));
    idt[0x80] = gate(SEL_KCODE, (u32)i_target, (GATE_INT | SEG_DPL3) & ~SEG_P, 0);
    EXPECT_FAULT_RING(3, i_int, VEC_NP, gate_error(0x80));
    idt[0x80] = gate(SEL_KCODE, (u32)i_target, GATE_CALL | SEG_DPL3, 0); // a call gate is none of the IDT's
    EXPECT_FAULT_RING(3, i_int, VEC_GP, gate_error(0x80));
    idt[0x80] = gate(0, (u32)i_target, GATE_INT | SEG_DPL3, 0);
    EXPECT_FAULT_RING(3, i_int, VEC_GP, 0);
    idt[0x80] = gate(SEL_KDATA, (u32)i_target, GATE_INT | SEG_DPL3, 0);
    EXPECT_FAULT_RING(3, i_int, VEC_GP, SEL_KDATA);
    idt[0x80] = gate(0x7f8, (u32)i_target, GATE_INT | SEG_DPL3, 0);
    EXPECT_FAULT_RING(3, i_int, VEC_GP, 0x7f8);
    gdt_set(SEL_FREE, 0, 0xfffff, SEG_CODE & ~SEG_P, SEG_G | SEG_D);
    idt[0x80] = gate(SEL_FREE, (u32)i_target, GATE_INT | SEG_DPL3, 0);
    EXPECT_FAULT_RING(3, i_int, VEC_NP, SEL_FREE);
    idt[0x80] = gate(SEL_UCODE & ~3, (u32)i_target, GATE_INT | SEG_DPL3, 0); // from ring 0 to ring 3: never
    EXPECT_FAULT_RING(0, i_int, VEC_GP, SEL_UCODE & ~3);
    idt_load((u32)idt, 0x80 * 8 + 6); // the gate's last byte is outside
    EXPECT_FAULT_RING(0, i_int, VEC_GP, gate_error(0x80));
    idt_load((u32)idt, sizeof idt - 1);
}

static u32 external(void) {
    return under_qemu() ? 0 : 1;
}

TEST(external_bit) {              // an exception whose gate is bad: the error code's EXT bit is set
    idt[VEC_UD] &= ~(1ull << 47); // not present
    EXPECT_FAULT_RING(0, i_ud2, VEC_NP, gate_error(VEC_UD) | external());
    EXPECT_FAULT_RING(3, i_ud2, VEC_NP, gate_error(VEC_UD) | external());
    idt[VEC_UD] = gate(SEL_KDATA, 0, GATE_INT, 0);
    EXPECT_FAULT_RING(3, i_ud2, VEC_GP, SEL_KDATA | external());
}

static void flags_in_handler(u8 type, u32 expected_if) {
    idt[0x80] = gate(SEL_KCODE, (u32)i_target, type | SEG_DPL3, 0);
    for (unsigned ring = 0; ring <= 3; ring += 3) {
        struct regs r = regs_for(ring);
        struct trap t;
        r.eflags |= FLAG_IF | FLAG_CF | FLAG_SF | FLAG_DF | FLAG_IOPL | FLAG_AC;
        outb(0x21, 0xff);
        outb(0xa1, 0xff); // nothing may come in
        exec(i_int80, &r, &t);
        CHECK_DONE("in the handler", t);
        CHECK_EQ("IF", t.r.eax & FLAG_IF, expected_if);
        CHECK_EQ("other flags", t.r.eax & ~(FLAG_IF), r.eflags & ~FLAG_IF);
        CHECK_EQ("cs", t.r.ebx & 0xffff, SEL_KCODE);
        CHECK_EQ("ss", t.r.ecx & 0xffff, SEL_KDATA);
        CHECK_EQ("ds", t.r.edx & 0xffff, r.ds);
        u32 *stack = (u32 *)t.r.esp;
        CHECK_EQ("pushed EIP", stack[0], (u32)i_int80_at);
        CHECK_EQ("pushed CS", stack[1] & 0xffff, r.cs);
        CHECK_EQ("pushed EFLAGS", stack[2], r.eflags);
        if (ring) {
            CHECK_EQ("pushed ESP", stack[3], r.esp);
            CHECK_EQ("pushed SS", stack[4] & 0xffff, r.ss);
            CHECK_EQ("esp", t.r.esp, (u32)rt_trap_stack_top - 20);
        } else {
            CHECK_EQ("esp", t.r.esp, r.esp - 12);
        }
    }
}

TEST(interrupt_gate) {
    flags_in_handler(GATE_INT, 0);
}
TEST(trap_gate) {
    flags_in_handler(GATE_TRAP, FLAG_IF);
}

SNIPPET(i_nt, "pushf\n orl $0x4000, (%esp)\n popf\n int $0x80", "nop")

TEST(nested_task_cleared) { // NT and TF are clear in the handler, as pushed they are what they were
    idt[0x80] = gate(SEL_KCODE, (u32)i_target, GATE_TRAP | SEG_DPL3, 0);
    struct regs r = regs_for(0);
    struct trap t;
    exec(i_nt, &r, &t);
    CHECK_DONE("handler", t);
    CHECK_EQ("NT", t.r.eax & FLAG_NT, 0);
    CHECK_EQ("pushed", ((u32 *)t.r.esp)[2] & FLAG_NT, FLAG_NT);
    CHECK_EQ("eip", ((u32 *)t.r.esp)[0], (u32)i_nt_at);
}

TEST(gate_16) { // 16-bit gates push words and jump to a 16-bit offset
    memcpy((void *)0x7600, i_target, (u32)(i_target_end - i_target) + 2);
    idt[0x80] = gate(SEL_KCODE, 0x7600, GATE_INT16 | SEG_DPL3, 0);
    struct regs r = regs_for(0);
    struct trap t;
    exec(i_int80, &r, &t);
    CHECK_DONE("handler", t);
    u16 *stack = (u16 *)t.r.esp;
    CHECK_EQ("esp", t.r.esp, r.esp - 6);
    CHECK_EQ("pushed IP", stack[0], (u32)i_int80_at & 0xffff);
    CHECK_EQ("pushed CS", stack[1], SEL_KCODE);
    CHECK_EQ("pushed FLAGS", stack[2], 2);
    r = regs_for(3);
    exec(i_int80, &r, &t);
    CHECK_DONE("handler", t);
    stack = (u16 *)t.r.esp;
    CHECK_EQ("esp", t.r.esp, (u32)rt_trap_stack_top - 10);
    CHECK_EQ("pushed SP", stack[3], r.esp & 0xffff);
    CHECK_EQ("pushed SS", stack[4], SEL_UDATA);
    idt[VEC_GP] = gate(SEL_KCODE, 0x7600, GATE_INT16, 0); // with an error code, a word as well
    exec(i_hlt, &r, &t);
    CHECK_DONE("#GP handler", t);
    stack = (u16 *)t.r.esp;
    CHECK_EQ("esp", t.r.esp, (u32)rt_trap_stack_top - 12);
    CHECK_EQ("error code", stack[0], 0);
    CHECK_EQ("pushed IP", stack[1], (u32)i_hlt & 0xffff);
}

TEST(conforming_handler) { // runs at the interrupted privilege, without a stack switch
    gdt_set(SEL_FREE, 0, 0xfffff, SEG_CODE_CONFORM, SEG_G | SEG_D);
    idt[0x80] = gate(SEL_FREE, (u32)i_target, GATE_INT | SEG_DPL3, 0);
    struct regs r = regs_for(3);
    struct trap t;
    exec(i_int80, &r, &t);
    CHECK_DONE("handler", t);
    CHECK_EQ("cs", t.r.ebx & 0xffff, SEL_FREE | 3);
    CHECK_EQ("ss", t.r.ecx & 0xffff, SEL_UDATA);
    CHECK_EQ("esp", t.r.esp, r.esp - 12);
}

TEST(resume_flag) { // a fault pushes RF set, a trap clear
    struct trap t = exec_ring(i_ud2, 3);
    if (!under_qemu())
        CHECK_EQ("fault", t.r.eflags & FLAG_RF, FLAG_RF);
    idt_set_dpl(0x80, 3);
    t = exec_ring(i_int80, 3);
    CHECK_EQ("trap", t.r.eflags & FLAG_RF, 0);
}
