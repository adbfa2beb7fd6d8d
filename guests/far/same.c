// Far jumps, calls and returns that stay at their privilege: direct, through memory, with 16-bit operands, into
// conforming code, with the frames they leave on the stack.
#include "exec.h"

SNIPPET(f_ljmp, "ljmp $8, $1f\n ud2\n 1: mov $1, %eax", "nop")
SNIPPET(f_ljmp_mem, "movl $1f, (%esi)\n movw $8, 4(%esi)\n ljmp *(%esi)\n ud2\n 1: mov $1, %eax", "nop")
SNIPPET(f_lcall,
        "mov %esp, %edx\n lcall $8, $1f\n jmp 2f\n 1: mov $1, %eax\n mov (%esp), %ebx\n mov 4(%esp), %ecx\n sub %esp, "
        "%edx\n lret\n 2:",
        "nop")
SNIPPET(f_lcall_mem,
        "movl $1f, (%esi)\n movw $8, 4(%esi)\n mov %esp, %edx\n lcall *(%esi)\n jmp 2f\n 1: mov $1, %eax\n mov (%esp), "
        "%ebx\n mov 4(%esp), %ecx\n sub %esp, %edx\n lret\n 2:",
        "nop")
SNIPPET(f_lret_n,
        "mov %esp, %edx\n push $1\n push $2\n push $3\n lcall $8, $1f\n jmp 2f\n 1: mov $1, %eax\n lret $12\n 2: sub "
        "%esp, %edx",
        "nop")
SNIPPET(f_lret, "push $8\n push $1f\n lret\n ud2\n 1: mov $1, %eax", "nop")
SNIPPET(f_lret16, "mov %esp, %edx\n pushw $8\n pushw $0x7100\n lretw", "ud2")
SNIPPET(f_ljmp_user, "ljmp $0x1b, $1f\n ud2\n 1: mov $1, %eax", "nop")
SNIPPET(f_lcall_user,
        "mov %esp, %edx\n lcall $0x18, $1f\n jmp 2f\n 1: mov $1, %eax\n mov (%esp), %ebx\n mov 4(%esp), %ecx\n sub "
        "%esp, %edx\n lret\n 2:",
        "nop")
SNIPPET(f_conforming, "ljmp $0x43, $1f\n ud2\n 1: mov $1, %eax\n mov %cs, %ebx", "nop")
SNIPPET(f_conforming_call, "lcall $0x40, $1f\n jmp 2f\n 1: mov $1, %eax\n mov %cs, %ebx\n lret\n 2: mov %cs, %ecx",
        "nop")

static struct trap run(const u8 *code, unsigned ring) {
    struct regs r = regs_for(ring);
    struct trap t;
    r.esi = (u32)user_buffer;
    exec(code, &r, &t);
    CHECK_DONE("ran", t);
    CHECK_EQ("arrived", t.r.eax, 1);
    CHECK_EQ("esp", t.r.esp, r.esp);
    return t;
}

TEST(jumps) {
    for (unsigned again = 0; again < 3; again++) {
        run(f_ljmp, 0);
        run(f_ljmp_mem, 0);
        run(f_lret, 0);
        struct trap t = run(f_ljmp_user, 3);
        CHECK_EQ("cs", t.r.cs, SEL_UCODE);
    }
}

TEST(calls) {
    for (unsigned again = 0; again < 3; again++) {
        struct trap t = run(f_lcall, 0);
        CHECK_EQ("cs on the stack", t.r.ecx & 0xffff, SEL_KCODE);
        CHECK_EQ("bytes pushed", t.r.edx, 8);
        CHECK(t.r.ebx > (u32)f_lcall && t.r.ebx < (u32)f_lcall_end);
        t = run(f_lcall_mem, 0);
        CHECK_EQ("cs on the stack", t.r.ecx & 0xffff, SEL_KCODE);
        t = run(f_lret_n, 0);
        CHECK_EQ("released", t.r.edx, 0);
        t = run(f_lcall_user, 3);
        CHECK_EQ("cs on the stack", t.r.ecx & 0xffff, SEL_UCODE);
        CHECK_EQ("cs after the return", t.r.cs, SEL_UCODE);
    }
}

TEST(conforming) { // CPL stays; CS gets the selector with RPL = CPL
    gdt_set(SEL_FREE, 0, 0xfffff, SEG_CODE_CONFORM, SEG_G | SEG_D);
    struct trap t = run(f_conforming, 3);
    CHECK_EQ("cs", t.r.ebx & 0xffff, SEL_FREE | 3);
    CHECK_EQ("cs", t.r.cs, SEL_FREE | 3);
    t = run(f_conforming, 0);
    CHECK_EQ("cs at ring 0", t.r.ebx & 0xffff, SEL_FREE);
    t = run(f_conforming_call, 3);
    CHECK_EQ("cs inside", t.r.ebx & 0xffff, SEL_FREE | 3);
    CHECK_EQ("cs after", t.r.ecx & 0xffff, SEL_UCODE);
}

TEST(operand_size_16) {                                                // RETF with 16-bit operands: IP and CS are words
    memcpy((void *)0x7100, "\xb8\x01\x00\x00\x00\x29\xe2\xcd\x81", 9); // mov $1, %eax; sub %esp, %edx
    struct trap t = run(f_lret16, 0);
    CHECK_EQ("eip", t.r.eip, 0x7109);
    CHECK_EQ("released", t.r.edx, 0);
}

SNIPPET(f_to_free, "ljmp $0x43, $1f\n 1: mov %cs, %eax", "nop")

TEST(accessed_bit) { // a transfer marks the descriptor as accessed
    gdt_set(SEL_FREE, 0, 0xfffff, SEG_CODE | SEG_DPL3, SEG_G | SEG_D);
    CHECK_EQ("before", (u32)(gdt[SEL_FREE >> 3] >> 40) & 1, 0);
    struct regs r = regs_for(3);
    struct trap t;
    exec(f_to_free, &r, &t);
    CHECK_DONE("ran", t);
    if (!under_qemu())
        CHECK_EQ("after", (u32)(gdt[SEL_FREE >> 3] >> 40) & 1, 1);
}
