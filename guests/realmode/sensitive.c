// Sensitive unprivileged instructions in real-address mode: SGDT SIDT SMSW, PUSHF and POPF, segment registers without
// any check. docs/sensitive.md; what is no instruction there is in faults.c, transfers are in realmode.c.
#include "rm.h"

static u32 dword(u32 address) {
    return rm_word(address) | (u32)rm_word(address + 2) << 16;
}

RM_SNIPPET(z_tables,
           "movl $-1, (0x10)\n movl $-1, (0x14)\n movl $-1, (0x20)\n movl $-1, (0x24)\n sgdt (0x10)\n sidt (0x20)");
RM_SNIPPET(z_tables32, "movl $-1, (0x10)\n movl $-1, (0x14)\n .byte 0x66\n sgdt (0x10)");
RM_SNIPPET(
    z_smsw,
    "movl $-1, %ecx\n movl $-1, %edx\n smsw %cx\n smswl %edx\n movl $-1, (0x10)\n smsw (0x10)\n movl %cr0, %eax");

TEST(sgdt_sidt_smsw) {
    struct rm rm;
    rm_init(&rm);
    rm = RM_RUN(z_tables, rm);
    CHECK_EQ("ran", rm.vector, RM_DONE);
    CHECK_EQ("GDT limit", rm_word(RM_DATA + 0x10), GDT_ENTRIES * 8 - 1);
    CHECK_EQ("GDT base", dword(RM_DATA + 0x12), (u32)gdt);
    CHECK_EQ("six bytes", rm_word(RM_DATA + 0x16), 0xffff);
    CHECK_EQ("vector table's limit", rm_word(RM_DATA + 0x20), 0x3ff);
    CHECK_EQ("vector table's base", dword(RM_DATA + 0x22), 0);
    rm_init(&rm);
    rm = RM_RUN(z_tables32, rm);
    CHECK_EQ("32-bit operand", dword(RM_DATA + 0x12), (u32)gdt);
    rm_init(&rm);
    rm = RM_RUN(z_smsw, rm);
    CHECK_EQ("ran", rm.vector, RM_DONE);
    CHECK_EQ("PE is clear", rm.eax & CR0_PE, 0);
    CHECK_EQ("16-bit register", rm.ecx, 0xffff0000 | (rm.eax & 0xffff));
    CHECK_EQ("32-bit register", rm.edx, rm.eax);
    CHECK_EQ("memory", dword(RM_DATA + 0x10), 0xffff0000 | (rm.eax & 0xffff));
}

RM_SNIPPET(z_limit, "mov $0xfffb, %bx\n sgdt (%bx)");
RM_SNIPPET(z_register, ".byte 0x0f, 0x01, 0xc7");

TEST(sgdt_faults) {
    struct rm rm;
    rm_init(&rm);
    rm = RM_RUN(z_register, rm);
    CHECK_EQ("no form with a register", rm.vector, VEC_UD);
    if (under_qemu()) // no limits
        return;
    rm_init(&rm);
    rm = RM_RUN(z_limit, rm);
    CHECK_EQ("beyond the segment", rm.vector, VEC_GP);
    CHECK_EQ("ip", rm.ip, 3);
}

RM_SNIPPET(
    z_segments,
    "mov $0x7f8, %ax\n mov %ax, %es\n push %es\n pop %fs\n mov %fs, %bx\n mov $0xffff, %cx\n mov %cx, %gs\n movl $-1, "
    "%edx\n movl %gs, %edx\n push %cs\n pop %si\n push %ss\n pop %di\n xor %bp, %bp\n mov %bp, %ds");

TEST(segment_registers) { // every value may be loaded; null is a segment like others
    struct rm rm;
    rm_init(&rm);
    rm = RM_RUN(z_segments, rm);
    CHECK_EQ("ran", rm.vector, RM_DONE);
    CHECK_EQ("es", rm.es, 0x7f8);
    CHECK_EQ("fs", rm.fs, 0x7f8);
    CHECK_EQ("bx", rm.ebx & 0xffff, 0x7f8);
    CHECK_EQ("gs", rm.gs, 0xffff);
    CHECK_EQ("32-bit register", rm.edx, 0xffff);
    CHECK_EQ("cs", rm.esi & 0xffff, RM_CODE_SEG);
    CHECK_EQ("ss", rm.edi & 0xffff, RM_STACK_SEG);
    CHECK_EQ("ds", rm.ds, 0);
    CHECK_EQ("sp", rm.esp & 0xffff, RM_STACK_TOP);
}

RM_SNIPPET(z_flags,
           "pushfl\n popl %eax\n pushw $0x7202\n popfw\n pushf\n pop %bx\n pushl $0x247202\n popfl\n pushfl\n popl "
           "%ecx\n pushl $2\n popfl\n pushf\n pop %dx");

TEST(pushf_popf) { // IF and IOPL change freely
    struct rm rm;
    outb(0x21, 0xff);
    outb(0xa1, 0xff);
    rm_init(&rm);
    rm = RM_RUN(z_flags, rm);
    CHECK_EQ("ran", rm.vector, RM_DONE);
    CHECK_EQ("at first", rm.eax, 2);
    CHECK_EQ("a word", rm.ebx & 0xffff, 0x7202);
    CHECK_EQ("AC and ID", rm.ecx, 0x247202);
    CHECK_EQ("cleared", rm.edx & 0xffff, 2);
}
