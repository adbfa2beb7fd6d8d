// 16-bit effective addresses in 32-bit code (67h prefix): every form with loads, stores and jumps, the wrap at 64 KiB,
// the default segment of BP, the upper halves of registers that do not count. Data lies in the first 64 KiB.
#include "exec.h"

#define FORM(name, text) SNIPPET(name, "", "addr16 movl " text ", %eax")
FORM(a_bx_si, "(%bx,%si)")
FORM(a_bx_di, "(%bx,%di)")
FORM(a_bp_si, "(%bp,%si)")
FORM(a_bp_di, "(%bp,%di)")
FORM(a_si, "(%si)")
FORM(a_di, "(%di)")
FORM(a_bx, "(%bx)")
FORM(a_disp, "0x6120")
FORM(a_bp8, "0x10(%bp)")
FORM(a_bx_si8, "-0x10(%bx,%si)")
FORM(a_di16, "0x6000(%di)")
FORM(a_bp_di16, "-0x100(%bp,%di)")
FORM(a_wrap, "0x7000(%bx)")
static const struct {
    const u8 *code;
    int bx, bp, si, di, disp;
} forms[] = {{a_bx_si, 1, 0, 1, 0, 0},      {a_bx_di, 1, 0, 0, 1, 0},     {a_bp_si, 0, 1, 1, 0, 0},
             {a_bp_di, 0, 1, 0, 1, 0},      {a_si, 0, 0, 1, 0, 0},        {a_di, 0, 0, 0, 1, 0},
             {a_bx, 1, 0, 0, 0, 0},         {a_disp, 0, 0, 0, 0, 0x6120}, {a_bp8, 0, 1, 0, 0, 0x10},
             {a_bx_si8, 1, 0, 1, 0, -0x10}, {a_di16, 0, 0, 0, 1, 0x6000}, {a_bp_di16, 0, 1, 0, 1, -0x100},
             {a_wrap, 1, 0, 0, 0, 0x7000}};

SNIPPET(a_store, "", "addr16 movl %eax, (%bx,%si)")
SNIPPET(a_add, "", "addr16 addl %eax, 4(%bx)")
SNIPPET(a_lock, "", "addr16 lock xaddl %eax, 4(%bx)")
SNIPPET(a_high, "", "addr16 movb %ah, (%bx)")
SNIPPET(a_push, "addr16 pushl (%bx)", "addr16 popl 8(%bx)")
SNIPPET(a_jump, "movl $1f, (%ebx)\n addr16 jmp *(%bx)\n ud2\n 1: mov $3, %ecx", "nop")
SNIPPET(a_call, "movl $1f, (%ebx)\n addr16 call *(%bx)\n jmp 2f\n 1: mov $3, %ecx\n ret\n 2:", "nop")
SNIPPET(a_moffs, "addr16 mov 0x6100, %eax\n addr16 mov %al, 0x6110\n addr16 mov 0x6104, %bx", "nop")
SNIPPET(a_xlat, "", "addr16 xlat")
SNIPPET(a_bts, "", "addr16 btsl %eax, (%bx)")

TEST(forms) {
    for (u32 i = 0; i < 0x10000 - 0x1000; i += 4)
        if (i >= 0x1000 && (i < 0x7c00 || i > 0x8000))
            *(volatile u32 *)i = i * 0x9e3779b1u;
    for (unsigned i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct regs r = regs_for(0);
        struct trap t;
        r.ebx = 0x12340000 | (forms[i].code == a_wrap ? 0xa000 : 0x3000);
        r.ebp = 0x56780000 | 0x3400;
        r.esi = 0x9abc0000 | 0x2800;
        r.edi = 0xdef00000 | 0x1a00;
        u32 address = (u32)(forms[i].bx * (int)r.ebx + forms[i].bp * (int)r.ebp + forms[i].si * (int)r.esi +
                            forms[i].di * (int)r.edi + forms[i].disp) &
                      0xffff;
        exec(forms[i].code, &r, &t);
        CHECK_DONE("load", t);
        if (!CHECK_EQ("word", t.r.eax, *(volatile u32 *)address))
            print("     form %u, address %04x\n", i, address);
    }
}

TEST(operations) {
    struct regs r = regs_for(0);
    struct trap t;
    r.ebx = 0xffff6200;
    r.esi = 0xffff0010;
    r.eax = 0x11223344;
    exec(a_store, &r, &t);
    CHECK_DONE("store", t);
    CHECK_EQ("stored", *(volatile u32 *)0x6210, 0x11223344);
    *(volatile u32 *)0x6204 = 5;
    exec(a_add, &r, &t);
    CHECK_EQ("added", *(volatile u32 *)0x6204, 0x11223349);
    exec(a_lock, &r, &t);
    CHECK_EQ("xadd", t.r.eax, 0x11223349);
    exec(a_high, &r, &t);
    CHECK_EQ("high byte", *(volatile u8 *)0x6200, 0x33);
    *(volatile u32 *)0x6200 = 0xabcdef;
    exec(a_push, &r, &t);
    CHECK_DONE("push and pop", t);
    CHECK_EQ("moved", *(volatile u32 *)0x6208, 0xabcdef);
    CHECK_EQ("esp", t.r.esp, r.esp);
    r.ebx = 0x6200;
    exec(a_jump, &r, &t);
    CHECK_DONE("jump", t);
    CHECK_EQ("ecx", t.r.ecx, 3);
    exec(a_call, &r, &t);
    CHECK_DONE("call", t);
    CHECK_EQ("ecx", t.r.ecx, 3);
    *(volatile u32 *)0x6100 = 0x13572468;
    *(volatile u32 *)0x6104 = 0x9999;
    exec(a_moffs, &r, &t);
    CHECK_DONE("moffs", t);
    CHECK_EQ("eax", t.r.eax, 0x13572468);
    CHECK_EQ("stored", *(volatile u8 *)0x6110, 0x68);
    CHECK_EQ("ebx", t.r.ebx & 0xffff, 0x9999);
    r.eax = 4;
    r.ebx = 0x77776100;
    exec(a_xlat, &r, &t);
    CHECK_EQ("xlat", t.r.eax, 0x99);
    *(volatile u32 *)0x6108 = 0;
    r.eax = 66; // two dwords on
    exec(a_bts, &r, &t);
    CHECK_DONE("bts", t);
    CHECK_EQ("bit", *(volatile u32 *)0x6108, 4);
}

TEST(default_segments) { // BP means SS
    gdt_set(SEL_FREE, 0x4000, 0xfffff, SEG_DATA | SEG_DPL3, SEG_G | SEG_D);
    *(volatile u32 *)0x5000 = 0x5555;
    *(volatile u32 *)0x1000 = 0x1111;
    struct regs r = regs_for(3);
    struct trap t;
    r.ds = SEL_FREE | 3;
    r.ebp = 0x1000 - 0x10;
    r.ebx = 0x1000;
    exec(a_bp8, &r, &t);
    CHECK_DONE("bp", t);
    CHECK_EQ("through SS", t.r.eax, 0x1111);
    exec(a_bx, &r, &t);
    CHECK_EQ("through DS", t.r.eax, 0x5555);
}
