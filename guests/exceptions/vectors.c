// Every exception that an instruction can raise by itself, at ring 0 and ring 3: vector, error code, EIP, and that
// nothing else changed.
#include "exec.h"

SNIPPET(v_div0, "xor %ecx, %ecx", "div %ecx")
SNIPPET(v_div8, "mov $0x1000, %eax\n mov $1, %cl", "divb %cl")
SNIPPET(v_div8_ah, "mov $0x00ff, %eax\n mov $0, %ch", "divb %ch")
SNIPPET(v_div16, "mov $5, %edx\n mov $5, %ecx", "divw %cx")
SNIPPET(v_div32, "mov $5, %edx\n mov $5, %ecx", "divl %ecx")
SNIPPET(v_idiv8, "mov $0x4000, %eax\n mov $2, %cl", "idivb %cl")
SNIPPET(v_idiv16, "mov $0x8000, %eax\n mov $0xffff, %edx\n mov $0xffff, %ecx", "idivw %cx")
SNIPPET(v_idiv32, "mov $0x80000000, %eax\n cdq\n mov $-1, %ecx", "idivl %ecx")
SNIPPET(v_div_mem, "movl $0, (%esi)\n mov $1, %eax", "divl (%esi)")
SNIPPET(v_div_mem8, "movb $1, (%esi)\n mov $0x100, %eax", "divb (%esi)")
SNIPPET(v_aam, "", ".byte 0xd4, 0")
SNIPPET(v_ud2, "", "ud2")
SNIPPET(v_ud0, "", ".byte 0x0f, 0xff, 0xc0")
SNIPPET(v_ud1, "", ".byte 0x0f, 0xb9, 0xc0")
SNIPPET(v_undefined, "", ".byte 0x0f, 0x04")
SNIPPET(v_undefined2, "", ".byte 0x0f, 0x0a")
SNIPPET(v_group, "", ".byte 0xfe, 0xd0")             // FE /2
SNIPPET(v_group_ff, "", ".byte 0xff, 0xf8")          // FF /7
SNIPPET(v_group_8f, "", ".byte 0x8f, 0xc8")          // 8F /1
SNIPPET(v_group_c6, "", ".byte 0xc6, 0xc8, 0")       // C6 /1
SNIPPET(v_group_ba, "", ".byte 0x0f, 0xba, 0xc0, 1") // 0F BA /0
SNIPPET(v_lock_mov, "", "lock\n mov %eax, (%esi)")
SNIPPET(v_lock_reg, "", "lock\n .byte 0x01, 0xc0") // ADD with a register destination
SNIPPET(v_lock_cmp, "", "lock\n cmp %eax, (%esi)")
SNIPPET(v_lock_nop, "", "lock\n nop")
SNIPPET(v_lock_bt, "", "lock\n bt %eax, (%esi)")
SNIPPET(v_lock_load, "", "lock\n .byte 0x03, 0x06") // ADD to a register from memory
SNIPPET(v_lea_reg, "", ".byte 0x8d, 0xc0")
SNIPPET(v_lds_reg, "", ".byte 0xc5, 0xc0")
SNIPPET(v_bound_reg, "", ".byte 0x62, 0xc0")
SNIPPET(v_cmpxchg8b_reg, "", ".byte 0x0f, 0xc7, 0xc8")
SNIPPET(v_mov_cs, "", ".byte 0x8e, 0xc8") // MOV CS, EAX
SNIPPET(v_mov_seg6, "", ".byte 0x8e, 0xf0")
SNIPPET(v_from_seg7, "", ".byte 0x8c, 0xf8")
SNIPPET(v_long, "", ".fill 12, 1, 0x66\n .byte 0x81, 0xc0, 1, 0, 0x90, 0x90") // 16 bytes
SNIPPET(v_longest, ".fill 9, 1, 0x3e\n .byte 0x81, 0xc0, 1, 0, 0, 0", "nop")  // 15 bytes: allowed
SNIPPET(v_bound_low, "movl $10, (%esi)\n movl $20, 4(%esi)\n mov $9, %eax", "bound %eax, (%esi)")
SNIPPET(v_bound_high, "movl $10, (%esi)\n movl $20, 4(%esi)\n mov $21, %eax", "bound %eax, (%esi)")
SNIPPET(v_bound_signed, "movl $-10, (%esi)\n movl $20, 4(%esi)\n mov $-11, %eax", "bound %eax, (%esi)")
SNIPPET(
    v_bound_in,
    "movl $-10, (%esi)\n movl $20, 4(%esi)\n mov $-10, %eax\n bound %eax, (%esi)\n mov $20, %eax\n bound %eax, (%esi)",
    "nop")
SNIPPET(v_bound16, "movl $0x00140005, (%esi)\n mov $0x10015, %eax", "boundw %ax, (%esi)")
SNIPPET(v_bound16_in, "movl $0x00140005, (%esi)\n mov $0x10014, %eax", "boundw %ax, (%esi)")
SNIPPET(v_int3, "int3", "nop")
SNIPPET(v_int3_long, ".byte 0xcd, 3", "nop")
SNIPPET(v_into, "mov $0x7fffffff, %eax\n inc %eax\n into", "nop")
SNIPPET(v_into_no, "mov $1, %eax\n inc %eax", "into")
SNIPPET(v_icebp, ".byte 0xf1", "nop")

static void fault(const char *name, const u8 *code, const u8 *at, u32 vector) {
    check_context(name);
    for (unsigned ring = 0; ring <= 3; ring += 3)
        for (unsigned again = 0; again < 2; again++) {
            struct regs r = regs_for(ring);
            struct trap t;
            r.esi = (u32)user_buffer;
            r.ebp = 0x55aa55aa;
            r.edi = 0x12344321;
            exec(code, &r, &t);
            check_trap(name, &t, vector, 0, at, __FILE__, __LINE__);
            CHECK_EQ("esp", t.r.esp, r.esp);
            CHECK_EQ("ebp", t.r.ebp, r.ebp);
            CHECK_EQ("edi", t.r.edi, r.edi);
        }
}
#define FAULT(s, vector) fault(#s, s, s##_at, vector)

TEST(divide_error) {
    FAULT(v_div0, VEC_DE);
    FAULT(v_div8, VEC_DE);
    FAULT(v_div8_ah, VEC_DE);
    FAULT(v_div16, VEC_DE);
    FAULT(v_div32, VEC_DE);
    FAULT(v_idiv8, VEC_DE);
    FAULT(v_idiv16, VEC_DE);
    FAULT(v_idiv32, VEC_DE);
    FAULT(v_div_mem, VEC_DE);
    FAULT(v_div_mem8, VEC_DE);
    FAULT(v_aam, VEC_DE);
}

// An engine that has learnt of an instruction's faults must get its other results right, too.
SNIPPET(v_often, "", "divl (%esi)")
SNIPPET(v_often_signed, "", "idivw %cx")

TEST(divide_error_often) {
    for (u32 round = 0; round < 60; round++) {
        struct regs r = regs_for(3);
        struct trap t;
        r.esi = (u32)user_buffer;
        r.eax = 1000 + round;
        r.ecx = round % 4 == 3 ? 0xfff9 : 0; // -7
        *(u32 *)user_buffer = round % 4 == 3 ? 7 : 0;
        exec(v_often, &r, &t);
        if (round % 4 == 3) {
            CHECK_DONE("divided", t);
            CHECK_EQ("quotient", t.r.eax, (1000 + round) / 7);
            CHECK_EQ("remainder", t.r.edx, (1000 + round) % 7);
        } else {
            CHECK_TRAP(t, VEC_DE, 0, v_often_at);
            CHECK_EQ("eax", t.r.eax, r.eax);
        }
        r.eax = 0xabcd0000 | (1000 + round);
        exec(v_often_signed, &r, &t);
        if (round % 4 == 3) {
            CHECK_DONE("divided with sign", t);
            CHECK_EQ("quotient", t.r.eax, 0xabcd0000 | (0xffff & -((1000 + round) / 7)));
            CHECK_EQ("remainder", t.r.edx, (1000 + round) % 7);
        } else {
            CHECK_TRAP(t, VEC_DE, 0, v_often_signed_at);
        }
    }
}

TEST(divide_error_keeps_registers) {
    struct regs r = regs_for(3);
    struct trap t;
    r.eax = 0x12345678;
    r.edx = 0x7fffffff;
    r.ecx = 3;
    r.eflags |= FLAG_CF | FLAG_OF | FLAG_SF;
    exec(v_div32_at, &r, &t);
    CHECK_TRAP(t, VEC_DE, 0, v_div32_at);
    CHECK_EQ("eax", t.r.eax, r.eax);
    CHECK_EQ("edx", t.r.edx, r.edx);
}

TEST(invalid_opcode) {
    FAULT(v_ud2, VEC_UD);
    FAULT(v_ud1, VEC_UD);
    if (!under_qemu())
        FAULT(v_ud0, VEC_UD);
    FAULT(v_undefined, VEC_UD);
    FAULT(v_undefined2, VEC_UD);
    FAULT(v_group, VEC_UD);
    FAULT(v_group_ff, VEC_UD);
    if (!under_qemu()) {
        FAULT(v_group_8f, VEC_UD);
        FAULT(v_group_c6, VEC_UD);
        FAULT(v_lock_mov, VEC_UD);
        FAULT(v_lock_bt, VEC_UD);
    }
    FAULT(v_group_ba, VEC_UD);
    FAULT(v_lock_reg, VEC_UD);
    FAULT(v_lock_cmp, VEC_UD);
    FAULT(v_lock_nop, VEC_UD);
    FAULT(v_lock_load, VEC_UD);
    FAULT(v_lea_reg, VEC_UD);
    FAULT(v_lds_reg, VEC_UD);
    FAULT(v_bound_reg, VEC_UD);
    FAULT(v_cmpxchg8b_reg, VEC_UD);
    FAULT(v_mov_cs, VEC_UD);
    FAULT(v_mov_seg6, VEC_UD);
    FAULT(v_from_seg7, VEC_UD);
}

TEST(instruction_length) {
    FAULT(v_long, VEC_GP);
    EXPECT_DONE_RING(3, v_longest);
}

TEST(bound) {
    FAULT(v_bound_low, VEC_BR);
    FAULT(v_bound_high, VEC_BR);
    FAULT(v_bound_signed, VEC_BR);
    FAULT(v_bound16, VEC_BR);
    struct regs r = regs_for(3);
    struct trap t;
    r.esi = (u32)user_buffer;
    exec(v_bound_in, &r, &t);
    CHECK_DONE("in bounds", t);
    exec(v_bound16_in, &r, &t);
    CHECK_DONE("in bounds, 16 bits", t);
}

TEST(traps) { // EIP is that of the next instruction
    idt_set_dpl(VEC_BP, 3);
    idt_set_dpl(VEC_OF, 3);
    FAULT(v_int3, VEC_BP);
    FAULT(v_int3_long, VEC_BP);
    FAULT(v_into, VEC_OF);
    if (!under_qemu())
        fault("icebp", v_icebp, v_icebp_at, VEC_DB);
    EXPECT_DONE_RING(3, v_into_no);
}
