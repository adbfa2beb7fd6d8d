// Switching between real-address and protected mode from inside 16-bit code. Intel SDM vol. 3A 9.9.
#include "rm.h"

// PE set: CS keeps what real mode gave it until a far jump; loads of the others take descriptors.
RM_SNIPPET(m_protected, "movl %cr0, %eax\n or $1, %al\n movl %eax, %cr0\n mov %cs, %bx\n mov $0x48, %cx\n mov %cx, "
                        "%es\n movw %es:(0x200), %dx\n and $0xfe, %al\n movl %eax, %cr0\n mov $0x4000, %cx\n mov %cx, "
                        "%es\n movw %es:(0), %si");
TEST(protection_and_back) {
    struct rm rm;
    rm_init(&rm);
    rm_vector(0x200 / 4, 0, 0xabcd);
    *(volatile u16 *)RM_DATA = 0x2468;
    rm = RM_RUN(m_protected, rm);
    CHECK_EQ("vector", rm.vector, RM_DONE);
    CHECK_EQ("cs", rm.ebx, RM_CODE_SEG);
    CHECK_EQ("es in protected mode", rm.edx, 0xabcd);
    CHECK_EQ("es in real mode", rm.esi, 0x2468);
}

// LMSW sets PE; a 32-bit far jump runs 32-bit code and comes back.
RM_SNIPPET(m_lmsw,
           "smsw %ax\n or $1, %al\n lmsw %ax\n ljmpl $0x50, $1f - m_lmsw + 0x30000\n .code32\n 1: mov "
           "$0x12345678, %ebx\n ljmp $0x58, $2f - m_lmsw\n .code16\n 2: movl %cr0, %eax\n and $0xfe, %al\n movl "
           "%eax, %cr0\n ljmp $0x3000, $3f - m_lmsw\n 3: smsw %cx");
TEST(lmsw_and_32_bit_code) {
    struct rm rm;
    rm_init(&rm);
    gdt_set(0x50, 0, 0xfffff, SEG_CODE, SEG_G | SEG_D);
    gdt_set(0x58, RM_CODE, 0xffff, SEG_CODE, 0);
    for (unsigned again = 0; again < 3; again++) {
        struct rm out = RM_RUN(m_lmsw, rm);
        CHECK_EQ("vector", out.vector, RM_DONE);
        CHECK_EQ("ebx", out.ebx, 0x12345678);
        CHECK_EQ("PE", out.ecx & 1, 0);
        CHECK_EQ("cs", out.cs, RM_CODE_SEG);
    }
}

// CPL is 0 in real mode whatever the low bits of the selector are.
RM_SNIPPET(m_rpl,
           "ljmp $0x2fff, $1f - m_rpl + 0x10\n 1: cli\n movl %cr0, %eax\n mov %cs, %bx\n hlt_is_privileged: movl "
           "%eax, %cr0");
TEST(ring_0) {
    struct rm rm;
    rm_init(&rm);
    rm = RM_RUN(m_rpl, rm);
    CHECK_EQ("vector", rm.vector, RM_DONE);
    CHECK_EQ("cs", rm.ebx, 0x2fff);
}
