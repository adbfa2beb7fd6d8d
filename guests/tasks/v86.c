// Tasks in virtual-8086 mode: into one by a task switch, out of one by an exception through a task gate, and back.
#include "kit.h"

enum { CODE = 0x30000, DATA = 0x40000, STACK = 0x50000, TOP = 0xff00 };

#define CODE16(name, text)                                                                                             \
    __asm__(".pushsection .rodata\n.globl " #name ", " #name "_end\n" #name ":\n.code16\n" text                        \
            "\nint $0x81\n.code32\n" #name "_end:\n.popsection");                                                      \
    extern const u8 name[], name##_end[]

CODE16(v_look, "mov (0x10), %ax\n mov %fs, %bx\n mov %gs, %cx\n push %es\n pop %dx\n pushfl\n popl %esi");
CODE16(v_hlt, "mov $0x11, %bx\n hlt\n mov $0x22, %cx");
CODE16(v_int, "mov $0x11, %bx\n int $0x80\n mov $0x22, %cx");
SNIPPET(v_jmp, "", "ljmp $0x40, $0")
SNIPPET(v_call, "", "lcall $0x40, $0")
SNIPPET(v_error, "pop %edx", "nop")
SNIPPET(v_skip, "add $4, %esp\n incl (%esi)", "iret")
SNIPPET(v_back, "", "iret")

static void place(const u8 *code, const u8 *end) {
    memcpy((void *)CODE, code, (u32)(end - code));
    *(u16 *)(DATA + 0x10) = 0x1357;
}

static void v86_task(void) { // B
    task_make(&task_b, B, 0, 0);
    task_b.eflags = FLAG_ONE | FLAG_VM | FLAG_IOPL;
    task_b.cs = CODE >> 4;
    task_b.ss = STACK >> 4;
    task_b.esp = TOP;
    task_b.ds = DATA >> 4;
    task_b.es = 0xe5e5;
    task_b.fs = 0xf5f5;
    task_b.gs = 0; // no null selector here
}

static struct regs v86_regs(void) {
    struct regs r = {.eflags = FLAG_ONE | FLAG_VM | FLAG_IOPL, .esp = TOP};
    r.cs = CODE >> 4;
    r.ss = STACK >> 4;
    r.ds = DATA >> 4;
    r.es = 0xe5e5;
    r.fs = 0xf5f5;
    return r;
}

TEST(v86_by_jump_and_call) {
    for (unsigned nests = 0; nests < 2; nests++) {
        segments_reset();
        exec_reset();
        place(v_look, v_look_end);
        v86_task();
        struct trap t = exec_ring(nests ? v_call : v_jmp, 0);
        CHECK_DONE("ran", t);
        CHECK_TASKS(B, nests, true);
        CHECK_EQ("cs", t.r.cs, CODE >> 4);
        CHECK_EQ("ss", t.r.ss, STACK >> 4);
        CHECK_EQ("esp", t.r.esp, TOP);
        CHECK_EQ("through DS", t.r.eax & 0xffff, 0x1357);
        CHECK_EQ("fs", t.r.ebx & 0xffff, 0xf5f5);
        CHECK_EQ("gs", t.r.ecx & 0xffff, 0);
        CHECK_EQ("es", t.r.edx & 0xffff, 0xe5e5);
        CHECK_EQ("EFLAGS", t.r.eflags & ~FLAGS_ARITH, task_b.eflags | (nests ? FLAG_NT : 0));
        CHECK_EQ("PUSHFD hides VM", t.r.esi, FLAG_ONE | FLAG_IOPL | (nests ? FLAG_NT : 0));
    }
}

TEST(fault_of_v86_by_task_gate) {
    place(v_hlt, v_hlt_end);
    task_make(&task_b, B, 0, v_error);
    idt[VEC_GP] = task_gate(B, 0);
    struct regs r = v86_regs();
    struct trap t;
    exec(0, &r, &t);
    CHECK_DONE("in B", t);
    CHECK_TASKS(B, true, true);
    CHECK_EQ("error code", t.r.edx, 0);
    CHECK_EQ("saved EIP", tss.eip, 3);
    CHECK_EQ("saved CS", tss.cs, CODE >> 4);
    CHECK_EQ("saved ES", tss.es, 0xe5e5);
    CHECK_EQ("saved VM and IOPL", tss.eflags & (FLAG_VM | FLAG_IOPL), FLAG_VM | FLAG_IOPL);
    CHECK_EQ("saved EBX", tss.ebx, 0x11);
    segments_reset();
    exec_reset();
    task_make(&task_b, B, 0, v_skip);
    task_b.esi = (u32)&tss.eip;
    idt[VEC_GP] = task_gate(B, 0);
    exec(0, &r, &t);
    CHECK_DONE("back", t);
    CHECK_TASKS(SEL_TSS, true, false);
    CHECK_EQ("went on", t.r.ecx, 0x22);
    CHECK_EQ("cs", t.r.cs, CODE >> 4);
    CHECK_EQ("es", t.r.es, 0xe5e5);
    CHECK_EQ("VM", t.r.eflags & FLAG_VM, FLAG_VM);
}

TEST(int_n_of_v86_by_task_gate) {
    place(v_int, v_int_end);
    task_make(&task_b, B, 0, v_back);
    idt[0x80] = task_gate(B, 3);
    struct regs r = v86_regs();
    struct trap t;
    exec(0, &r, &t);
    CHECK_DONE("back", t);
    CHECK_EQ("went on", t.r.ecx, 0x22);
    CHECK_EQ("saved EIP", tss.eip, 5);
    CHECK_TASKS(SEL_TSS, true, false);
}

// ---- 16-bit tasks --------------------------------------------------------------------------------------------------

SNIPPET(v_skip16, "pop %dx\n incl tss + 32", "iretw")
SNIPPET(v_take, "", "nop")
SNIPPET(v_handler, "mov %esp, %ebx\n mov (%esp), %ecx\n mov 8(%esp), %edx", "nop")

TEST(fault_of_v86_into_16_bits_and_back) { // the old task's TSS has 32 bits, so all of virtual-8086 mode is in it
    if (under_qemu())                      // VM stays set in its 16-bit task
        return;
    place(v_hlt, v_hlt_end);
    task_make16(&task_16, B, v_skip16, v_skip16_end);
    idt[VEC_GP] = task_gate(B, 0);
    struct regs r = v86_regs();
    r.gs = 0x4747;
    task_16.dx = 0xffff;
    struct trap t;
    exec(0, &r, &t);
    CHECK_DONE("back", t);
    CHECK_TASKS(SEL_TSS, true, false);
    CHECK_EQ("went on", t.r.ecx, 0x22);
    CHECK_EQ("error code", task_16.dx, 0);
    CHECK_EQ("link", task_16.link, SEL_TSS);
    CHECK_EQ("cs", t.r.cs, CODE >> 4);
    CHECK_EQ("es", t.r.es, 0xe5e5);
    CHECK_EQ("gs", t.r.gs, 0x4747);
    CHECK_EQ("VM", t.r.eflags & FLAG_VM, FLAG_VM);
}

// A 16-bit TSS has no VM to load, but its task may enter virtual-8086 mode by IRET: its stack of ring 0 has two words.
static void run_under_16_bits(struct regs *r, struct trap *t) {
    task_make16(&task_16, B, v_take, v_take_end);
    __asm__ volatile("ltr %w0" ::"r"(B) : "memory");
    exec(0, r, t);
}

TEST(v86_under_a_16_bit_tss) {
    place(v_int, v_int_end);
    idt[0x80] = gate(SEL_KCODE, (u32)v_handler, GATE_INT | SEG_DPL3, 0);
    struct regs r = v86_regs();
    struct trap t;
    run_under_16_bits(&r, &t);
    CHECK_DONE("handler ran", t);
    CHECK_EQ("ESP", t.r.ebx, task_16.sp0 - 36);
    CHECK_EQ("IP", t.r.ecx, 5);
    CHECK_EQ("VM in the image", t.r.edx & (FLAG_VM | FLAG_IOPL), FLAG_VM | FLAG_IOPL);
    CHECK_EQ("CPL", t.r.cs, SEL_KCODE);
}

TEST(bad_stack_of_a_16_bit_tss) { // #TS for the handler of INT 80h, and for that of #TS: a task must take it
    place(v_int, v_int_end);
    idt[0x80] = gate(SEL_KCODE, (u32)v_handler, GATE_INT | SEG_DPL3, 0);
    task_make(&task_h, H, 0, v_error);
    idt[VEC_TS] = task_gate(H, 0);
    struct regs r = v86_regs();
    struct trap t;
    task_make16(&task_16, B, v_take, v_take_end);
    task_16.ss0 = SPARE;
    __asm__ volatile("ltr %w0" ::"r"(B) : "memory");
    exec(0, &r, &t);
    CHECK_DONE("in H", t);
    CHECK_EQ("error code", t.r.edx, SPARE);
    CHECK_EQ("TR", current_task(), H);
    CHECK_EQ("saved IP", task_16.ip, 3);
    CHECK_EQ("saved CS", task_16.cs, CODE >> 4);
    CHECK_EQ("saved flags", task_16.flags, FLAG_ONE | FLAG_IOPL); // VM is lost
    CHECK_EQ("link", task_h.link, B);
}
