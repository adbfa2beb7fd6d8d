// SYSENTER and SYSEXIT: the MSRs, the flat segments they load whatever the tables say, their checks (SDM vol. 2).
#include "exec.h"

enum { MSR_CS = 0x174, MSR_ESP = 0x175, MSR_EIP = 0x176 };

SNIPPET(y_enter, "", "sysenter")
SNIPPET(y_entry, "mov %cs, %eax\n mov %ss, %ebx\n mov %ds, %ecx\n pushf\n pop %edx", "nop")
SNIPPET(y_call, "mov %esp, %ecx\n mov $1f, %edx\n add $5, %eax\n sysenter\n ud2\n 1: mov %cs, %ebx\n mov %ss, %esi",
        "nop")
SNIPPET(y_back, "add $7, %eax\n sti", "sysexit")
SNIPPET(y_exit, "", "sysexit")
SNIPPET(y_loop, "mov %ebp, %edi\n 2: mov %esp, %ecx\n mov $1f, %edx\n sysenter\n ud2\n 1: dec %edi\n jnz 2b", "nop")
SNIPPET(y_fast, "incl (%esi)", "sysexit")

static bool supported(void) {
    u32 r[4];
    cpuid(1, r);
    if (!(r[3] >> 11 & 1))
        print("     no SYSENTER\n");
    return r[3] >> 11 & 1;
}

static u8 stack[1024] __attribute__((aligned(16)));

static void set_up(const u8 *entry) {
    outb(0x21, 0xff);
    outb(0xa1, 0xff);
    wrmsr(MSR_CS, SEL_KCODE);
    wrmsr(MSR_ESP, (u32)stack + sizeof stack);
    wrmsr(MSR_EIP, (u32)entry);
}

TEST(msrs) {
    if (!supported())
        return;
    set_up(y_entry);
    CHECK_EQ("CS", rdmsr(MSR_CS), SEL_KCODE);
    CHECK_EQ("ESP", rdmsr(MSR_ESP), (u32)stack + sizeof stack);
    CHECK_EQ("EIP", rdmsr(MSR_EIP), (u32)y_entry);
}

TEST(entry) {
    if (!supported())
        return;
    set_up(y_entry);
    for (unsigned ring = 0; ring <= 3; ring += 3) {
        struct regs r = regs_for(ring);
        struct trap t;
        r.eflags |= FLAG_IF | FLAG_CF | FLAG_OF | FLAG_IOPL;
        exec(y_enter, &r, &t);
        CHECK_DONE("entered", t);
        CHECK_EQ("cs", t.r.eax & 0xffff, SEL_KCODE);
        CHECK_EQ("ss", t.r.ebx & 0xffff, SEL_KDATA);
        CHECK_EQ("ds", t.r.ecx & 0xffff, r.ds);
        CHECK_EQ("flags: IF clear", t.r.edx, r.eflags & ~FLAG_IF);
        CHECK_EQ("esp", t.r.esp, (u32)stack + sizeof stack);
        CHECK_EQ("inner", t.inner, 0);
    }
}

TEST(there_and_back) {
    if (!supported())
        return;
    set_up(y_back);
    for (unsigned again = 0; again < 3; again++) {
        struct regs r = regs_for(3);
        struct trap t;
        exec(y_call, &r, &t);
        CHECK_DONE("back", t);
        CHECK_EQ("eax", t.r.eax, 12);
        CHECK_EQ("cs", t.r.ebx & 0xffff, SEL_UCODE);
        CHECK_EQ("ss", t.r.esi & 0xffff, SEL_UDATA);
        CHECK_EQ("esp", t.r.esp, r.esp);
    }
}

SNIPPET(y_wipe, "movl $0, gdt + 0x18\n movl $0, gdt + 0x1c\n movl $0, gdt + 0x20\n movl $0, gdt + 0x24", "sysexit")

TEST(segments_are_flat) { // SYSEXIT does not read the descriptors of ring 3: they are gone here
    if (!supported())
        return;
    set_up(y_wipe);
    struct regs r = regs_for(3);
    struct trap t;
    exec(y_call, &r, &t);
    CHECK_DONE("back", t);
    CHECK_EQ("cs", t.r.ebx & 0xffff, SEL_UCODE);
    CHECK_EQ("ss", t.r.esi & 0xffff, SEL_UDATA);
}

TEST(many) {
    if (!supported())
        return;
    set_up(y_fast);
    struct regs r = regs_for(3);
    struct trap t;
    r.esi = (u32)user_buffer;
    r.ebp = 5000;
    *(u32 *)user_buffer = 0;
    exec(y_loop, &r, &t);
    CHECK_DONE("loop", t);
    CHECK_EQ("calls", *(u32 *)user_buffer, 5000);
    CHECK_EQ("esp", t.r.esp, r.esp);
}

TEST(refused) {
    if (!supported())
        return;
    EXPECT_FAULT_RING(3, y_exit, VEC_GP, 0); // SYSEXIT needs ring 0
    wrmsr(MSR_CS, 0);
    EXPECT_FAULT_RING(3, y_enter, VEC_GP, 0);
    EXPECT_FAULT_RING(0, y_enter, VEC_GP, 0);
    EXPECT_FAULT_RING(0, y_exit, VEC_GP, 0);
    wrmsr(MSR_CS, 3); // the RPL bits do not make it non-null
    if (!under_qemu())
        EXPECT_FAULT_RING(3, y_enter, VEC_GP, 0);
    wrmsr(MSR_CS, 0);
}
