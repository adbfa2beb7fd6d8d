// 16-bit code segments in protected mode: operand and address size defaults and their prefixes, IP that wraps, near and
// far transfers to and from 32-bit code, at several bases (also not page-aligned).
#include "exec.h"
#include "paging.h"

// Assembled for 16 bits; S16 runs at offset 0 of a code segment based at the snippet.
#define SNIPPET16(name, setup, instruction) SNIPPET(name, ".code16\n" setup, instruction "\n.code32")
// SNIPPET puts its INT 81h behind .code32; the two bytes are the same in both sizes.

SNIPPET16(c_sizes,
          "mov $0x1234, %ax\n mov $0x12345678, %ebx\n push $0x55\n mov %sp, %cx\n pop %dx\n add $-1, %eax\n cwde\n "
          "cbw\n inc %si\n incl %edi",
          "nop")
SNIPPET16(c_call, "call 1f\n jmp 2f\n 1: pop %ax\n push %ax\n mov $7, %bx\n ret\n 2: mov $8, %cx", "nop")
SNIPPET16(c_loop, "mov $5, %cx\n 1: inc %ax\n loop 1b\n mov $3, %cx\n jcxz 2f\n add $100, %ax\n 2:", "nop")
SNIPPET16(c_jcc_near,
          "cmp %ax, %ax\n .byte 0x0f, 0x85\n .word 0x100\n .byte 0x0f, 0x84\n .word 3\n mov $9, %bx\n mov $5, %cx",
          "nop")
SNIPPET16(c_string, "mov $0x10, %si\n mov $0x40, %di\n mov $8, %cx\n cld\n rep movsb\n lodsw", "nop")
SNIPPET16(c_indirect,
          "mov $1f - c_indirect, %bx\n jmp *%bx\n ud2\n 1: movw $2f - c_indirect, 0x20\n call *0x20\n jmp 3f\n 2: mov "
          "$0x77, %cx\n ret\n 3:",
          "nop")
SNIPPET16(c_far, "lcall $0x43, $1f - c_far\n jmp 2f\n 1: mov %sp, %bx\n lret\n 2: mov %sp, %cx", "nop")
SNIPPET16(c_to_32, "push %eax\n .byte 0x66, 0xea\n .long c_in_32\n .word 0x1b", "nop")
SNIPPET(c_in_32, "mov $0x12345678, %ebx\n mov %esp, %ecx", "nop")
SNIPPET16(c_prefixes,
          "mov $0x11112222, %eax\n addr32 movl %eax, 4(%esi)\n addr32 movw 4(%esi), %bx\n movl 0x24, %ecx\n pushl "
          "%eax\n popl %edx\n calll 1f\n jmp 2f\n 1: retl\n 2:",
          "nop")
SNIPPET16(c_fault, "inc %ax", "ud2")
SNIPPET16(c_enter, "movl %esp, %ebp\n enter $4, $0\n mov %bp, %ax\n sub %sp, %ax\n leave\n mov %bp, %bx", "nop")
SNIPPET16(c_pusha,
          "mov $1, %ax\n mov $2, %cx\n mov $3, %bx\n pusha\n xor %ax, %ax\n mov %ax, %cx\n popa\n pushf\n pop %dx",
          "nop")

static void code_segment(u32 base) {
    gdt_set(SEL_FREE, base, 0xffff, SEG_CODE | SEG_DPL3, 0);
}

static struct trap run(const u8 *code, u32 data_base) {
    code_segment((u32)code);
    gdt_set(SEL_FREE + 8, data_base, 0xfffff, SEG_DATA | SEG_DPL3, SEG_G | SEG_D);
    struct regs r = regs_for(3);
    struct trap t;
    r.cs = SEL_FREE | 3;
    r.ds = r.es = (SEL_FREE + 8) | 3;
    exec((void *)0, &r, &t);
    return t;
}

TEST(operand_sizes) {
    struct trap t = run(c_sizes, (u32)user_buffer);
    CHECK_DONE("sizes", t);
    CHECK_EQ("eax: ADD and CWDE are 32 bits wide here", t.r.eax, 0x0033);
    CHECK_EQ("ebx", t.r.ebx, 0x12345678);
    CHECK_EQ("one word pushed", t.r.ecx & 0xffff, ((u32)user_stack_top - 2) & 0xffff);
    CHECK_EQ("dx", t.r.edx, 0x55);
    CHECK_EQ("si", t.r.esi, 1);
    CHECK_EQ("edi", t.r.edi, 1);
    CHECK_EQ("esp", t.r.esp, (u32)user_stack_top);
}

TEST(transfers) {
    for (unsigned again = 0; again < 3; again++) {
        struct trap t = run(c_call, (u32)user_buffer);
        CHECK_DONE("call", t);
        CHECK_EQ("pushed IP", t.r.eax, 3);
        CHECK_EQ("bx", t.r.ebx, 7);
        CHECK_EQ("cx", t.r.ecx, 8);
        t = run(c_loop, (u32)user_buffer);
        CHECK_EQ("loop", t.r.eax, 105);
        t = run(c_jcc_near, (u32)user_buffer);
        CHECK_DONE("jcc", t);
        CHECK_EQ("skipped", t.r.ebx, 0);
        CHECK_EQ("cx", t.r.ecx, 5);
        t = run(c_indirect, (u32)user_buffer);
        CHECK_DONE("indirect", t);
        CHECK_EQ("cx", t.r.ecx, 0x77);
        t = run(c_far, (u32)user_buffer);
        CHECK_DONE("far", t);
        CHECK_EQ("two words", (t.r.ecx - t.r.ebx) & 0xffff, 4);
    }
}

TEST(string_with_si_di) {
    for (u32 i = 0; i < 256; i++)
        user_buffer[i] = (u8)i;
    struct trap t = run(c_string, (u32)user_buffer);
    CHECK_DONE("string", t);
    CHECK_EQ("copied", *(u32 *)(user_buffer + 0x44), 0x17161514);
    CHECK_EQ("lodsw", t.r.eax, 0x1918);
    CHECK_EQ("si", t.r.esi, 0x1a);
}

TEST(to_32_bit_code) {
    struct trap t = run(c_to_32, 0);
    CHECK_DONE("32-bit code", t);
    CHECK_EQ("ebx", t.r.ebx, 0x12345678);
    CHECK_EQ("cs", t.r.cs, SEL_UCODE);
    CHECK_EQ("pushed a dword", t.r.ecx, (u32)user_stack_top - 4);
}

TEST(prefixes) {
    code_segment((u32)c_prefixes);
    gdt_set(SEL_FREE + 8, (u32)user_buffer, 0xfffff, SEG_DATA | SEG_DPL3, SEG_G | SEG_D);
    struct regs r = regs_for(3);
    struct trap t;
    r.cs = SEL_FREE | 3;
    r.ds = (SEL_FREE + 8) | 3;
    r.esi = 0x20;
    exec((void *)0, &r, &t);
    CHECK_DONE("prefixes", t);
    CHECK_EQ("bx", t.r.ebx, 0x2222);
    CHECK_EQ("ecx", t.r.ecx, 0x11112222);
    CHECK_EQ("edx", t.r.edx, 0x11112222);
    CHECK_EQ("esp", t.r.esp, r.esp);
}

TEST(stack_instructions) {
    struct trap t = run(c_pusha, (u32)user_buffer);
    CHECK_DONE("pusha", t);
    CHECK_EQ("ax", t.r.eax, 1);
    CHECK_EQ("cx", t.r.ecx, 2);
    CHECK_EQ("bx", t.r.ebx, 3);
    CHECK_EQ("esp", t.r.esp, (u32)user_stack_top);
}

TEST(fault_eip) { // an offset, in a 32-bit frame
    struct trap t = run(c_fault, 0);
    CHECK_TRAP(t, VEC_UD, 0, (void *)1);
    CHECK_EQ("ax", t.r.eax, 1);
}

// IP wraps at 64 KiB, which here lies in the middle of a page (PITFALLS 13).
TEST(ip_wraps) {
    if (under_qemu())
        return;
    u32 area = page_alloc(20);
    static const u32 shifts[] = {0, 0x123, 0xf80};
    for (unsigned i = 0; i < 3; i++) {
        u32 base = area + shifts[i];
        struct space s = space_new(PAGING_32);
        space_identity(&s);
        for (u32 at = 0; at < 20 * 4096; at += 4096)
            space_map(&s, area + at, area + at, PTE_WU);
        space_enter(&s);
        memcpy((void *)(base + 0xfff0), "\x40\xeb\x0e", 3);         // inc %ax; jmp to 1: FFF0h + 3 + 0Eh wraps
        memcpy((void *)(base + 0x0001), "\xb9\x21\x43\xcd\x81", 5); // mov $0x4321, %cx
        memcpy((void *)(base + 0x0100), "\xeb\x80", 2);             // jmp to 82h
        memcpy((void *)(base + 0x0082), "\xe9\x6b\xff", 3);         // jmp to FFF0h: 85h - 95h
        code_segment(base);
        struct regs r = regs_for(3);
        struct trap t;
        r.cs = SEL_FREE | 3;
        for (unsigned again = 0; again < 2; again++) {
            exec((void *)0xfff0, &r, &t);
            CHECK_DONE("over the top", t);
            CHECK_EQ("ax", t.r.eax, 1);
            CHECK_EQ("cx", t.r.ecx, 0x4321);
            CHECK_EQ("ip", t.r.eip, 6);
            exec((void *)0x0100, &r, &t);
            CHECK_DONE("backwards and over", t);
            CHECK_EQ("ax", t.r.eax, 1);
        }
        exec_reset();
    }
}

// A page that the limit cuts, after it ran whole and its jumps were linked: now they are checked.
SNIPPET16(c_cut, "mov $40, %cx\n 1: inc %ax\n jmp 2f\n .org c_cut + 0x60\n 2: inc %bx\n loop 1b", "nop")
TEST(limit_cuts_a_page) {
    if (under_qemu())
        return;
    u32 code = page_alloc(1);
    struct space s = space_new(PAGING_32);
    space_identity(&s);
    space_map(&s, code, code, PTE_WU);
    space_enter(&s);
    memcpy((void *)code, c_cut, (size_t)(c_cut_end - c_cut) + 2);
    struct regs r = regs_for(3);
    struct trap t;
    r.cs = SEL_FREE | 3;
    for (unsigned again = 0; again < 4; again++) {
        bool cut = again & 1;
        gdt_set(SEL_FREE, code, cut ? 0x60 : 0xffff, SEG_CODE | SEG_DPL3, 0);
        exec((void *)0, &r, &t);
        if (cut) { // INC BX is one byte, LOOP lies beyond
            CHECK_TRAP(t, VEC_GP, 0, (void *)0x61);
            CHECK_EQ("bx", t.r.ebx, 1);
        } else {
            CHECK_DONE("whole", t);
            CHECK_EQ("ax", t.r.eax, 40);
            CHECK_EQ("bx", t.r.ebx, 40);
        }
    }
    exec_reset();
}

TEST(enter) {
    struct trap t = run(c_enter, (u32)user_buffer);
    CHECK_DONE("enter", t);
    CHECK_EQ("frame", t.r.eax, 4);
    CHECK_EQ("bp", t.r.ebx & 0xffff, (u32)user_stack_top & 0xffff);
}
