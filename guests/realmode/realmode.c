// Real-address mode: interrupts through the vector table, far transfers, segment loads, flags, the timer. Intel SDM
// vol. 3B 20.1.
#include "pc.h"
#include "rm.h"

static struct rm fresh(void) {
    struct rm rm;
    rm_init(&rm);
    return rm;
}

RM_SNIPPET(r_int, "int $0x40\n mov %sp, %si\n jmp 1f\n .org r_int + 0x40\n mov %sp, %bp\n mov (%bp), %ax\n mov 2(%bp), "
                  "%bx\n mov 4(%bp), %cx\n pushf\n pop %dx\n iret\n 1:");
TEST(interrupt_frame) {
    struct rm rm = fresh();
    rm.flags = 0x2 | FLAG_CF | FLAG_DF | FLAG_OF | FLAG_IOPL;
    rm_vector(0x40, RM_CODE_SEG, 0x40);
    rm = RM_RUN(r_int, rm);
    CHECK_EQ("vector", rm.vector, RM_DONE);
    CHECK_EQ("pushed IP", rm.eax, 2);
    CHECK_EQ("pushed CS", rm.ebx, RM_CODE_SEG);
    CHECK_EQ("pushed flags", rm.ecx, 0x2 | FLAG_CF | FLAG_DF | FLAG_OF | FLAG_IOPL);
    CHECK_EQ("flags inside", rm.edx, 0x2 | FLAG_CF | FLAG_DF | FLAG_OF | FLAG_IOPL);
    CHECK_EQ("sp", rm.esi, RM_STACK_TOP);
}

RM_SNIPPET(r_flags, "sti\n nop\n int $0x40\n pushf\n pop %cx\n cli\n jmp 1f\n .org r_flags + 0x40\n pushf\n pop %ax\n "
                    "iret\n 1:");
TEST(interrupt_clears_if) {
    struct rm rm = fresh();
    rm_vector(0x40, RM_CODE_SEG, 0x40);
    rm = RM_RUN(r_flags, rm);
    CHECK_EQ("inside", rm.eax & FLAG_IF, 0);
    CHECK_EQ("afterwards", rm.ecx & FLAG_IF, FLAG_IF);
}

RM_SNIPPET(r_far, "lcall $0x3000, $0x40\n lcall *(0x20)\n pushw $0x1234\n lcall $0x3010, $0x40\n mov %sp, %si\n ljmp "
                  "$0x3020, $0x100\n .org r_far + 0x40\n incw %ax\n lret\n .org r_far + 0x80\n incw %bx\n lret\n .org "
                  "r_far + 0x140\n incw %cx\n lret $2\n .org r_far + 0x300\n movw %cs, %dx");
TEST(far_transfers) {
    struct rm rm = fresh();
    *(volatile u16 *)(RM_DATA + 0x20) = 0x0070;
    *(volatile u16 *)(RM_DATA + 0x22) = 0x3001;
    rm = RM_RUN(r_far, rm);
    CHECK_EQ("vector", rm.vector, RM_DONE);
    CHECK_EQ("direct", rm.eax, 1);
    CHECK_EQ("through memory", rm.ebx, 1);
    CHECK_EQ("with words to release", rm.ecx, 1);
    CHECK_EQ("sp", rm.esi, RM_STACK_TOP);
    CHECK_EQ("jump", rm.edx, 0x3020);
}

RM_SNIPPET(r_far32, "mov %sp, %bp\n .byte 0x66, 0x9a\n .long 0x40\n .word 0x3000\n jmp 1f\n .org r_far32 + 0x40\n movl "
                    "(%esp), %eax\n movw 4(%esp), %bx\n sub %sp, %bp\n lretl\n 1: mov %sp, %si");
TEST(wide_far_transfers) {
    struct rm rm = RM_RUN(r_far32, fresh());
    CHECK_EQ("vector", rm.vector, RM_DONE);
    CHECK_EQ("pushed EIP", rm.eax, 10);
    CHECK_EQ("pushed CS", rm.ebx, 0x3000);
    CHECK_EQ("bytes pushed", rm.ebp, 8);
    CHECK_EQ("sp", rm.esi, RM_STACK_TOP);
}

RM_SNIPPET(r_iret32, "pushl $0x247ed7\n pushw $0\n pushw $0x3000\n pushl $0x40\n iretl\n .org r_iret32 + 0x40\n "
                     "pushfl\n popl %edx\n pushl $2\n popfl\n pushfl\n popl %ebx");
TEST(iret32_and_popf32) {
    struct rm rm = RM_RUN(r_iret32, fresh());
    CHECK_EQ("vector", rm.vector, RM_DONE);
    CHECK_EQ("flags", rm.edx, 0x247ed7);
    CHECK_EQ("and back", rm.ebx, 2);
}

RM_SNIPPET(r_popf, "pushw $0x7002\n popf\n pushf\n pop %ax\n cli\n sti\n cli\n pushw $0x0002\n popf\n pushf\n pop %bx");
TEST(flags_12_to_14) {
    struct rm rm = RM_RUN(r_popf, fresh());
    CHECK_EQ("set", rm.eax, 0x7002);
    CHECK_EQ("cleared", rm.ebx, 2);
}

RM_SNIPPET(r_segments, "mov $0x4001, %ax\n mov %ax, %ds\n movw (0), %bx\n push %ds\n pop %es\n movw %es:(2), %cx\n lfs "
                       "(0x10), %si\n movw %fs:(%si), %dx\n mov %ax, %gs\n mov %gs, %di");
TEST(segment_loads) {
    struct rm rm = fresh();
    *(volatile u32 *)(RM_DATA + 0x10) = 0x22221111;
    *(volatile u32 *)(RM_DATA + 0x20) = 0x40020004; // at DS:10h
    *(volatile u16 *)(RM_DATA + 0x24) = 0x3333;     // 4002h:4
    rm = RM_RUN(r_segments, rm);
    CHECK_EQ("vector", rm.vector, RM_DONE);
    CHECK_EQ("ds", rm.ebx, 0x1111);
    CHECK_EQ("es", rm.ecx, 0x2222);
    CHECK_EQ("fs", rm.edx, 0x3333);
    CHECK_EQ("gs", rm.edi, 0x4001);
}

// The stack pointer wraps, and so does an address of 16 bits.
RM_SNIPPET(r_wrap, "pushw $0x1111\n pushw $0x2222\n mov $0xfff0, %bx\n mov 0x20(%bx), %ax\n mov $0xff, %al\n xlat");
TEST(offsets_wrap) {
    struct rm rm = fresh();
    rm.esp = 2;
    *(volatile u16 *)(RM_DATA + 0x10) = 0x4444;
    *(volatile u8 *)(RM_DATA + 0xef) = 0x77; // FFF0h + FFh
    rm = RM_RUN(r_wrap, rm);
    CHECK_EQ("vector", rm.vector, RM_DONE);
    CHECK_EQ("at 0", rm_word(RM_STACK), 0x1111);
    CHECK_EQ("at FFFE", rm_word(RM_STACK + 0xfffe), 0x2222);
    CHECK_EQ("sp", rm.esp, 0xfffe);
    CHECK_EQ("read, xlat", rm.eax, 0x4477);
}

// Jumps wrap at 64 KiB.
RM_SNIPPET(r_jump, "jmp . + 2 - 0x14");            // to FFF0h
RM_SNIPPET(r_jump_back, "inc %ax\n jmp . + 0x30"); // FFF1h + 30h = 21h
RM_SNIPPET(r_landed, "inc %bx");
TEST(ip_wraps) {
    struct rm rm = fresh();
    rm_code(r_jump_back, r_jump_back_end, 0xfff0);
    rm_code(r_landed, r_landed_end, 0x21);
    rm.ip = 2;
    rm = RM_RUN(r_jump, rm);
    CHECK_EQ("vector", rm.vector, RM_DONE);
    CHECK_EQ("ax", rm.eax, 1);
    CHECK_EQ("bx", rm.ebx, 1);
}

RM_SNIPPET(r_step, "pushw $0x0102\n popf\n inc %ax\n inc %ax\n int $0x41\n .org r_step + 0x40\n inc %bx\n mov %sp, "
                   "%bp\n cmpw $2, %bx\n jb 1f\n andw $0xfeff, 4(%bp)\n 1: iret\n .org r_step + 0x60\n pushf\n pop "
                   "%cx");
TEST(single_step) {
    struct rm rm = fresh();
    rm_vector(VEC_DB, RM_CODE_SEG, 0x40);
    rm_vector(0x41, RM_CODE_SEG, 0x60);
    rm = RM_RUN(r_step, rm);
    CHECK_EQ("vector", rm.vector, RM_DONE);
    CHECK_EQ("steps", rm.ebx, 2);
    CHECK_EQ("ax", rm.eax, 2);
    CHECK_EQ("TF", rm.ecx & FLAG_TF, 0);
}

// LIDT moves the vector table.
RM_SNIPPET(r_lidt, "mov $0x7777, %dx\n lidtl (0x100)\n int $0x30\n lidtl (0x108)\n jmp 1f\n .org r_lidt + 0x40\n mov "
                   "$0x5555, %ax\n iret\n 1:");
TEST(vector_table_moves) {
    struct rm rm = fresh();
    *(volatile u16 *)(RM_DATA + 0x100) = 0xff;
    *(volatile u32 *)(RM_DATA + 0x102) = RM_DATA + 0x200;
    *(volatile u16 *)(RM_DATA + 0x108) = 0x3ff;
    *(volatile u32 *)(RM_DATA + 0x10a) = 0;
    *(volatile u32 *)(RM_DATA + 0x200 + 0x30 * 4) = 0x30000040;
    rm = RM_RUN(r_lidt, rm);
    CHECK_EQ("vector", rm.vector, RM_DONE);
    CHECK_EQ("ax", rm.eax, 0x5555);
}

RM_SNIPPET(r_timer, "1: sti\n hlt\n cli\n cmpw $3, %bx\n jb 1b\n sti\n 2: cmpw $6, %bx\n jb 2b\n cli\n jmp 3f\n .org "
                    "r_timer + 0x40\n inc %bx\n push %ax\n mov $0x20, %al\n outb %al, $0x20\n pop %ax\n iret\n 3:");
TEST(timer) {
    struct rm rm = fresh();
    pic_init();
    rm_vector(IRQ_VECTOR + IRQ_TIMER, RM_CODE_SEG, 0x40);
    pit_start(0, PIT_RATE, PIT_HZ / 1000);
    pic_unmask(IRQ_TIMER);
    rm = RM_RUN(r_timer, rm);
    pic_mask(IRQ_TIMER);
    CHECK_EQ("vector", rm.vector, RM_DONE);
    CHECK("six interrupts or a few more" && rm.ebx >= 6);
}

// A loop of some size: every kind of near transfer, again and again.
RM_SNIPPET(r_loop, "mov $2000, %cx\n xor %ax, %ax\n 1: call 2f\n test $1, %cl\n jz 3f\n add $3, %ax\n 3: loop 1b\n jmp "
                   "4f\n 2: inc %ax\n push %ax\n pop %dx\n ret\n 4: jcxz 5f\n ud2\n 5:");
TEST(near_transfers) {
    struct rm rm = RM_RUN(r_loop, fresh());
    CHECK_EQ("vector", rm.vector, RM_DONE);
    CHECK_EQ("ax", rm.eax, 5000);
    CHECK_EQ("sp", rm.esp, RM_STACK_TOP);
}

// The same code at two bases: what it was translated to serves both, and the IPs are their own.
RM_SNIPPET(r_bases, "mov $50, %cx\n 1: call 2f\n 2: pop %ax\n loop 1b\n mov %cs, %bx");
TEST(two_bases) {
    for (unsigned again = 0; again < 4; again++) {
        struct rm rm = fresh();
        if (again == 0)
            rm_code(r_bases, r_bases_end, 0);
        rm.cs = again & 1 ? RM_CODE_SEG - 0x10 : RM_CODE_SEG;
        rm.ip = again & 1 ? 0x100 : 0;
        rm_go(&rm);
        CHECK_EQ("vector", rm.vector, RM_DONE);
        CHECK_EQ("ip", rm.eax, (again & 1 ? 0x100 : 0) + 6);
        CHECK_EQ("cs", rm.ebx, again & 1 ? RM_CODE_SEG - 0x10 : RM_CODE_SEG);
    }
}

// With the word `bench`: what an instruction of such a loop costs.
TEST(bench) {
    enum { ROUNDS = 20, INSNS = ROUNDS * 19000 };
    if (!option("bench"))
        return;
    for (unsigned again = 0; again < 3; again++) {
        u64 start = rdtsc();
        for (unsigned i = 0; i < ROUNDS; i++)
            (void)RM_RUN(r_loop, fresh());
        print("cycles for 100 instructions: %u\n", (u32)(rdtsc() - start) / (INSNS / 100));
    }
}

// Code that changes itself.
RM_SNIPPET(r_self,
           "mov $50, %cx\n 1: movb %cl, %cs:2f + 1 - r_self\n jmp 2f\n 2: mov $0, %al\n add %al, %bl\n loop 1b");
TEST(self_modifying) {
    struct rm rm = RM_RUN(r_self, fresh());
    CHECK_EQ("vector", rm.vector, RM_DONE);
    CHECK_EQ("sum of 1 to 50", rm.ebx, (50 * 51 / 2) & 0xff);
}
