// 16-bit stack segments (B clear): SP alone counts and wraps at 64 KiB, the upper half of ESP stays as it is, for every
// instruction that uses the stack.
#include "exec.h"

SNIPPET(k_push, "mov %edi, %esp\n push %eax\n pushw %bx\n popw %cx\n pop %edx", "nop")
SNIPPET(k_call, "mov %edi, %esp\n call 1f\n jmp 2f\n 1: mov %esp, %ebx\n ret\n 2: mov %esp, %ecx", "nop")
SNIPPET(k_pusha, "mov %edi, %esp\n pusha\n mov %esp, %ecx\n mov %ecx, 8(%esi)\n popa", "nop")
SNIPPET(k_enter, "mov %edi, %esp\n enter $8, $0\n mov %esp, %ecx\n mov %ebp, %edx\n leave", "nop")
SNIPPET(k_pushf,
        "mov %edi, %esp\n pushf\n popf\n push %ds\n pop %es\n push $5\n pop %ebx\n pushl (%esi)\n popl 4(%esi)", "nop")
SNIPPET(k_ret_n, "mov %edi, %esp\n push $1\n push $2\n call 1f\n jmp 2f\n 1: ret $8\n 2: mov %esp, %ecx", "nop")
SNIPPET(k_int, "mov %edi, %esp\n int $0x82", "nop")

static u8 *stack; // 64 KiB

static struct regs set_up(u32 esp) {
    stack = (u8 *)page_alloc(17);
    gdt_set(SEL_FREE, (u32)stack, 0xffff, SEG_DATA | SEG_DPL3, 0);
    struct regs r = regs_for(3);
    r.ss = SEL_FREE | 3;
    r.esp = r.edi = esp; // IRET does not load the upper half: the snippets do
    r.esi = (u32)user_buffer;
    r.eax = 0x11223344;
    r.ebx = 0x5566;
    return r;
}

TEST(push_pop) {
    struct regs r = set_up(0xabcd0010);
    struct trap t;
    exec(k_push, &r, &t);
    CHECK_DONE("push", t);
    CHECK_EQ("stored", *(u32 *)(stack + 12), 0x11223344);
    CHECK_EQ("word", *(u16 *)(stack + 10), 0x5566);
    CHECK_EQ("cx", t.r.ecx, 0x5566);
    CHECK_EQ("edx", t.r.edx, 0x11223344);
    CHECK_EQ("esp", t.r.esp, 0xabcd0010);
}

TEST(wraps) { // SP 0: the push goes to the top of the segment
    struct regs r = set_up(0x12340000);
    struct trap t;
    exec(k_push, &r, &t);
    CHECK_DONE("push", t);
    CHECK_EQ("stored", *(u32 *)(stack + 0xfffc), 0x11223344);
    CHECK_EQ("esp", t.r.esp, 0x12340000);
    exec(k_call, &r, &t);
    CHECK_DONE("call", t);
    CHECK_EQ("inside", t.r.ebx, 0x1234fffc);
    CHECK_EQ("after", t.r.ecx, 0x12340000);
    exec(k_ret_n, &r, &t);
    CHECK_DONE("ret 8", t);
    CHECK_EQ("after", t.r.ecx, 0x12340000);
}

TEST(pusha_popa) {
    struct regs r = set_up(0x77770020);
    struct trap t;
    exec(k_pusha, &r, &t);
    CHECK_DONE("pusha", t);
    CHECK_EQ("inside", *(u32 *)(user_buffer + 8), 0x77770000);
    CHECK_EQ("eax", t.r.eax, r.eax);
    CHECK_EQ("ebx", t.r.ebx, r.ebx);
    CHECK_EQ("esp", t.r.esp, r.esp);
    CHECK_EQ("pushed eax", *(u32 *)(stack + 0x1c), r.eax);
}

TEST(enter_leave) {
    struct regs r = set_up(0x99990100);
    struct trap t;
    r.ebp = 0x44444444;
    exec(k_enter, &r, &t);
    CHECK_DONE("enter", t);
    CHECK_EQ("saved ebp", *(u32 *)(stack + 0xfc), 0x44444444);
    CHECK_EQ("inside", t.r.ecx, 0x999900f4);
    CHECK_EQ("frame", t.r.edx & 0xffff, 0x00fc);
    CHECK_EQ("ebp", t.r.ebp, 0x44444444);
    CHECK_EQ("esp", t.r.esp, 0x99990100);
}

TEST(others) {
    struct regs r = set_up(0x55550000);
    struct trap t;
    *(u32 *)user_buffer = 0x1234;
    exec(k_pushf, &r, &t);
    CHECK_DONE("others", t);
    CHECK_EQ("ebx", t.r.ebx, 5);
    CHECK_EQ("push and pop memory", *(u32 *)(user_buffer + 4), 0x1234);
    CHECK_EQ("esp", t.r.esp, 0x55550000);
}

static bool look(struct trap_frame *f) {
    CHECK_EQ("outer ESP", f->esp, 0x66660040);
    CHECK_EQ("outer SS", f->ss & 0xffff, SEL_FREE | 3);
    return true;
}

TEST(interrupted) { // the whole ESP is saved on the inner stack; what comes back in its upper half is not laid down
    struct regs r = set_up(0x66660040);
    struct trap t;
    idt_set_dpl(0x82, 3);
    hook_set(0x82, look);
    exec(k_int, &r, &t);
    CHECK_DONE("back", t);
    CHECK_EQ("sp", t.r.esp & 0xffff, 0x0040);
}
