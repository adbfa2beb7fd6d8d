// Hidden parts of segment registers outlast a return to real-address mode: limits of 4 GiB ("unreal mode") and of a few
// bytes, big stacks, 32-bit code. Intel SDM vol. 3A 9.9.2; vol. 3B 20.1.1.
#include "rm.h"

enum { SEL_BIG = 0x50, SEL_SMALL = 0x58, SEL_BIG_STACK = 0x60, SEL_DOWN = 0x68 };

static struct rm fresh(void) {
    struct rm rm;
    rm_init(&rm);
    gdt_set(SEL_BIG, 0, 0xfffff, SEG_DATA, SEG_G);
    gdt_set(SEL_SMALL, 0, 0xfff, SEG_DATA, 0);
    gdt_set(SEL_BIG_STACK, 0, 0xfffff, SEG_DATA, SEG_G | SEG_D);
    gdt_set(SEL_DOWN, 0, 0xfff, SEG_DATA_DOWN, 0);
    return rm;
}

static volatile u32 target[4];

RM_SNIPPET(u_big, "movl (%ebx), %eax\n movl $0x55667788, 4(%ebx)\n mov $0x4000, %cx\n mov %cx, %es\n xor %edx, %edx\n "
                  "mov %cx, %dx\n shl $4, %edx\n subl %edx, %ebx\n movl %es:4(%ebx), %edx\n movl $8, %ecx\n rep "
                  "addr32 lodsb");
TEST(four_gib) {
    for (unsigned again = 0; again < 2; again++) {
        struct rm rm = fresh();
        target[0] = 0x11223344;
        target[1] = 0;
        rm.selector = SEL_BIG;
        rm.ds = 0;
        rm.ebx = (u32)target;
        rm = RM_RUN(u_big, rm);
        CHECK_EQ("vector", rm.vector, RM_DONE);
        CHECK_EQ("read", rm.eax & 0xffffff00, 0x11223300);
        CHECK_EQ("written", target[1], 0x55667788);
        CHECK_EQ("through es, loaded again", rm.edx, 0x55667788);
    }
}

RM_SNIPPET(u_small,
           "movb (0xfff), %al\n mov $0x4000, %ax\n mov %ax, %ds\n movb (0xfff), %al\n inc %bx\n movb (0x1000), "
           "%al");
TEST(small_limit) {
    struct rm rm = fresh();
    if (under_qemu())
        return;
    rm.selector = SEL_SMALL;
    rm.ds = RM_DATA_SEG;
    rm = RM_RUN(u_small, rm);
    CHECK_EQ("vector", rm.vector, VEC_GP);
    CHECK_EQ("ip", rm.ip, 12);
    CHECK_EQ("ebx", rm.ebx, 1);
}

RM_SNIPPET(u_down, "movb (0x1000), %al\n inc %bx\n movb (0xfff), %al");
TEST(expand_down) {
    struct rm rm = fresh();
    if (under_qemu())
        return;
    rm.selector = SEL_DOWN;
    rm = RM_RUN(u_down, rm);
    // A load in real mode gives the register the type of a plain data segment, with the limit that it had.
    CHECK_EQ("vector", rm.vector, VEC_GP);
    CHECK_EQ("ip", rm.ip, 0);
}

// A stack segment loaded with B set: ESP counts, as long as the B bit lasts.
RM_SNIPPET(u_stack, "movl %esp, %ebx\n pushw $0x1234\n movl %esp, %ecx\n popw %dx\n movl %esp, %esi");
TEST(big_stack) {
    struct rm rm = fresh();
    u8 *top = user_buffer + 256;
    if (under_qemu()) // its IRET pops from SP in real mode, whatever the B bit
        return;
    rm.stack = SEL_BIG_STACK;
    rm.ss = 0;
    rm.esp = (u32)top;
    rm = RM_RUN(u_stack, rm);
    CHECK_EQ("vector", rm.vector, RM_DONE);
    CHECK_EQ("before", rm.ebx, (u32)top);
    CHECK_EQ("after", rm.ecx, (u32)top - 2);
    CHECK_EQ("popped", rm.edx & 0xffff, 0x1234);
    CHECK_EQ("back", rm.esi, (u32)top);
}

// CS with D set: 32-bit code at CPL 0 without protection.
RM_SNIPPET(u_code32, "movl %cr0, %eax\n or $1, %al\n movl %eax, %cr0\n ljmp $0x70, $1f - u_code32\n .code32\n 1: and "
                     "$0xfe, %al\n mov %eax, %cr0\n ljmpl $0x3000, $2f - u_code32\n 2: mov $0x12345678, %ebx\n push "
                     "%ebx\n pop %ecx\n mov $0x30, %edx\n 3: inc %esi\n loop 4f\n 4: dec %edx\n jnz 3b\n call 5f\n 5: "
                     "pop %edi\n mov %cr0, %eax\n or $1, %al\n mov %eax, %cr0\n ljmp $0x78, $6f - u_code32\n .code16\n "
                     "6: and $0xfe, %al\n movl %eax, %cr0\n ljmp $0x3000, $7f - u_code32\n 7:");
TEST(code_32_bit) {
    struct rm rm = fresh();
    gdt_set(0x70, RM_CODE, 0xfffff, SEG_CODE, SEG_G | SEG_D);
    gdt_set(0x78, RM_CODE, 0xffff, SEG_CODE, 0);
    rm = RM_RUN(u_code32, rm);
    CHECK_EQ("vector", rm.vector, RM_DONE);
    CHECK_EQ("ebx", rm.ebx, 0x12345678);
    CHECK_EQ("ecx", rm.ecx, 0x12345678 - 0x30);
    CHECK_EQ("esi", rm.esi, 0x30);
    CHECK_EQ("sp", rm.esp, RM_STACK_TOP);
}

// Code beyond 64 KiB, with a limit of 4 GiB and 16-bit size: EIP goes on, near transfers of 32 bits reach it, those of
// 16 bits cut EIP.
RM_SNIPPET(u_high,
           "movl %cr0, %eax\n or $1, %al\n movl %eax, %cr0\n ljmp $0x70, $1f - u_high\n 1: and $0xfe, %al\n movl "
           "%eax, %cr0\n ljmp $0x3000, $2f - u_high\n 2: pushl $0x12000\n retl");
RM_SNIPPET(u_high_part, "inc %si\n call . + 0x13\n ud2"); // cut to 16 bits: 2014h
RM_SNIPPET(u_low_part, "inc %di\n movl %cr0, %eax\n or $1, %al\n movl %eax, %cr0\n ljmp $0x78, $0x2080");
RM_SNIPPET(u_end, "and $0xfe, %al\n movl %eax, %cr0\n ljmp $0x3000, $0x2090");
RM_SNIPPET(u_last, "popw %cx");
TEST(code_beyond_64_kib) {
    struct rm rm = fresh();
    gdt_set(0x70, RM_CODE, 0xfffff, SEG_CODE, SEG_G);
    gdt_set(0x78, RM_CODE, 0xffff, SEG_CODE, 0);
    if (under_qemu()) // it cuts EIP to 16 bits in 16-bit code
        return;
    memcpy((void *)(RM_CODE + 0x12000), u_high_part, (size_t)(u_high_part_end - u_high_part));
    rm_code(u_low_part, u_low_part_end, 0x2014);
    rm_code(u_end, u_end_end, 0x2080);
    rm_code(u_last, u_last_end, 0x2090);
    rm = RM_RUN(u_high, rm);
    CHECK_EQ("vector", rm.vector, RM_DONE);
    CHECK_EQ("si", rm.esi, 1);
    CHECK_EQ("di", rm.edi, 1);
    CHECK_EQ("pushed IP", rm.ecx, 0x2004);
}
