// Local descriptor tables: data, stack and code selectors in an LDT, several LDTs in turn, an LDT that changes.
#include "exec.h"

enum { LDT_DATA = 0x0c | 3, LDT_CODE = 0x14 | 3, LDT_STACK = 0x1c | 3 };
static u64 tables[2][8] __attribute__((aligned(16)));

static void lldt(u16 selector) {
    __asm__ volatile("lldt %w0" ::"r"((u32)selector));
}

SNIPPET(d_read, "mov %fs:8, %eax", "nop")
SNIPPET(d_code, "mov %cs, %eax\n push %eax\n pop %ebx", "nop")

static void set_up(void) {
    for (unsigned i = 0; i < 2; i++) {
        tables[i][1] = descriptor((u32)user_buffer + i * 256, 0xfffff, SEG_DATA | SEG_DPL3, SEG_G | SEG_D);
        tables[i][2] = descriptor(0, 0xfffff, SEG_CODE | SEG_DPL3, SEG_G | SEG_D);
        tables[i][3] = descriptor(0, 0xfffff, SEG_DATA | SEG_DPL3, SEG_G | SEG_D);
        gdt_set((u16)(SEL_FREE + 8 * i), (u32)tables[i], sizeof tables[i] - 1, SYS_LDT, 0);
        *(u32 *)(user_buffer + i * 256 + 8) = 0x1000 + i;
    }
    lldt(SEL_FREE);
}

TEST(data) {
    set_up();
    struct regs r = regs_for(3);
    struct trap t;
    for (unsigned i = 0; i < 20; i++) {
        lldt((u16)(SEL_FREE + (i & 1) * 8));
        r.fs = LDT_DATA;
        exec(d_read, &r, &t);
        CHECK_DONE("read", t);
        CHECK_EQ("by the table", t.r.eax, 0x1000 + (i & 1));
    }
}

TEST(code_and_stack) {
    set_up();
    struct regs r = regs_for(3);
    struct trap t;
    r.cs = LDT_CODE;
    r.ss = LDT_STACK;
    exec(d_code, &r, &t);
    CHECK_DONE("ran", t);
    CHECK_EQ("cs", t.r.eax & 0xffff, LDT_CODE);
    CHECK_EQ("cs at the trap", t.r.cs, LDT_CODE);
    CHECK_EQ("ss at the trap", t.r.ss, LDT_STACK);
}

TEST(entry_rewritten) { // modify_ldt: the same selector, another base
    set_up();
    struct regs r = regs_for(3);
    struct trap t;
    r.fs = LDT_DATA;
    for (u32 i = 0; i < 20; i++) {
        u32 at = (i * 24) & 0x3ff;
        *(u32 *)(user_buffer + at + 8) = i + 7;
        tables[0][1] = descriptor((u32)user_buffer + at, 0xfffff, SEG_DATA | SEG_DPL3, SEG_G | SEG_D);
        exec(d_read, &r, &t);
        if (!CHECK_EQ("by the entry", t.r.eax, i + 7))
            return;
    }
}
