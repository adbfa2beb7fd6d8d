// SGDT SIDT SMSW in virtual-8086 mode: they show the machine's own registers at every IOPL. docs/sensitive.md.
#include "rm.h"

RM_SNIPPET(y_stores, "sgdt (0x10)\n sidt (0x20)\n movl $-1, %ecx\n smsw %cx\n smswl %edx\n smsw (0x30)");
RM_SNIPPET(y_register, ".byte 0x0f, 0x01, 0xc7");
RM_SNIPPET(y_limit, "mov $0xfffb, %bx\n sgdt (%bx)");

static u32 dword(u32 address) {
    return rm_word(address) | (u32)rm_word(address + 2) << 16;
}

static struct trap run(const u8 *code, const u8 *end, u32 iopl) {
    struct regs r = {.eflags = FLAG_ONE | FLAG_VM | iopl << 12, .esp = RM_STACK_TOP};
    struct trap t;
    r.cs = RM_CODE_SEG;
    r.ss = RM_STACK_SEG;
    r.ds = r.es = r.fs = r.gs = RM_DATA_SEG;
    memset((void *)RM_DATA, 0xee, 256);
    rm_code(code, end, 0);
    exec(0, &r, &t);
    return t;
}

TEST(system_registers) {
    for (u32 iopl = 0; iopl < 4; iopl += 3) {
        struct trap t = run(y_stores, y_stores_end, iopl);
        if (iopl == 3) // INT n ends it; else that faults behind the last instruction
            CHECK_DONE("ran", t);
        else
            CHECK_TRAP(t, VEC_GP, 0, (u8 *)(u32)(y_stores_end - y_stores - 2));
        CHECK_EQ("GDT limit", rm_word(RM_DATA + 0x10), GDT_ENTRIES * 8 - 1);
        CHECK_EQ("GDT base", dword(RM_DATA + 0x12), (u32)gdt);
        CHECK_EQ("six bytes", rm_word(RM_DATA + 0x16), 0xeeee);
        CHECK_EQ("IDT limit", rm_word(RM_DATA + 0x20), 256 * 8 - 1);
        CHECK_EQ("IDT base", dword(RM_DATA + 0x22), (u32)idt);
        CHECK_EQ("16-bit register", t.r.ecx, 0xffff0000 | (read_cr0() & 0xffff));
        CHECK_EQ("32-bit register", t.r.edx, read_cr0());
        CHECK_EQ("memory", dword(RM_DATA + 0x30), 0xeeee0000 | (read_cr0() & 0xffff));
        t = run(y_register, y_register_end, iopl);
        CHECK_TRAP(t, VEC_UD, 0, (u8 *)0);
        if (under_qemu())
            continue;
        t = run(y_limit, y_limit_end, iopl);
        CHECK_TRAP(t, VEC_GP, 0, (u8 *)3);
    }
}
