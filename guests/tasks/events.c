// Exceptions and interrupts through task gates: error codes, what the old task saves, the way back; double faults.
#include "kit.h"
#include "paging.h"
#include "pc.h"

SNIPPET(e_int, "mov $5, %ecx", "int $0x80")
SNIPPET(e_int3, "", "int3")
SNIPPET(e_ud2, "", "ud2")
SNIPPET(e_hlt, "", "hlt")
SNIPPET(e_load, "mov %esi, %esp", "mov (%esi), %eax")
SNIPPET(h_stop, "pushf\n pop %ebx", "nop")
SNIPPET(h_error, "pop %edx\n pushf\n pop %ebx", "nop")
SNIPPET(h_back, "1: inc %eax\n iret", "jmp 1b")
// Skips the faulting instruction of two bytes through the TSS that the link names: the main one.
SNIPPET(h_skip, "addl $2, (%esi)", "iret")

TEST(int_n) {
    task_make(&task_b, B, 0, h_stop);
    idt[0x80] = task_gate(B, 3);
    for (unsigned ring = 0; ring <= 3; ring += 3) {
        segments_reset();
        exec_reset();
        task_make(&task_b, B, 0, h_stop);
        idt[0x80] = task_gate(B, 3);
        struct trap t = exec_ring(e_int, ring);
        CHECK_DONE("in B", t);
        CHECK_TASKS(B, true, true);
        CHECK_EQ("link", task_b.link, SEL_TSS);
        CHECK_EQ("saved EIP", tss.eip, (u32)e_int_end);
        CHECK_EQ("saved ECX", tss.ecx, 5);
        CHECK_EQ("saved CS", tss.cs, ring ? SEL_UCODE : SEL_KCODE);
        CHECK_EQ("saved RF", tss.eflags & FLAG_RF, 0);
        CHECK_EQ("EFLAGS", t.r.ebx, FLAG_ONE | FLAG_NT);
        CHECK_EQ("nothing pushed", t.r.esp, stack_of(&task_b));
    }
}

SNIPPET(e_many, "1: int $0x80\n dec %ecx", "jnz 1b")

TEST(int_n_and_back) {
    for (unsigned ring = 0; ring <= 3; ring += 3) {
        task_make(&task_b, B, 0, h_back);
        idt[0x80] = task_gate(B, 3);
        struct regs r = regs_for(ring);
        struct trap t;
        r.ecx = 200;
        exec(e_many, &r, &t);
        CHECK_DONE("loop", t);
        CHECK_EQ("visits", task_b.eax, 200);
        CHECK_EQ("ring", t.r.cs, r.cs);
        CHECK_TASKS(SEL_TSS, true, false);
    }
}

TEST(fault_with_error_code) {
    for (unsigned ring = 0; ring <= 3; ring += 3) {
        segments_reset();
        exec_reset();
        task_make(&task_b, B, 0, h_error);
        idt[VEC_GP] = task_gate(B, 0);
        struct trap t = exec_ring(ring ? e_hlt : e_int, ring); // INT 80h has DPL 0
        u8 *at = e_hlt;
        if (!ring) {
            CHECK_TRAP(t, 0x80, 0, e_int_end); // ring 0 may
            continue;
        }
        CHECK_DONE("in B", t);
        CHECK_EQ("error code", t.r.edx, 0);
        CHECK_EQ("popped", t.r.esp, stack_of(&task_b));
        CHECK_EQ("saved EIP", tss.eip, (u32)at);
        if (!under_qemu())
            CHECK_EQ("saved RF", tss.eflags & FLAG_RF, FLAG_RF);
    }
    idt_set_dpl(0x80, 0);
    segments_reset();
    exec_reset();
    task_make(&task_b, B, 0, h_error);
    idt[VEC_GP] = task_gate(B, 0);
    struct trap t = exec_ring(e_int, 3);
    CHECK_DONE("in B", t);
    CHECK_EQ("error code", t.r.edx, 0x80 << 3 | 2);
}

TEST(fault_and_back) { // the handler's task repairs the old one through its TSS
    task_make(&task_b, B, 0, h_skip);
    task_b.esi = (u32)&tss.eip;
    idt[VEC_UD] = task_gate(B, 0);
    for (unsigned ring = 0; ring <= 3; ring += 3) {
        task_make(&task_b, B, 0, h_skip);
        task_b.esi = (u32)&tss.eip;
        struct trap t = exec_ring(e_ud2, ring);
        CHECK_DONE("skipped", t);
        CHECK_EQ("ring", t.r.cs & 3, ring);
        CHECK_TASKS(SEL_TSS, true, false);
    }
}

SNIPPET(h16, "pop %dx", "nop")

TEST(fault_into_16_bits) { // the error code is a word there
    task_make16(&task_16, B, h16, h16_end);
    idt[VEC_GP] = task_gate(B, 0);
    struct trap t = exec_ring(e_hlt, 3);
    CHECK_DONE("in B", t);
    CHECK_EQ("error code", t.r.edx & 0xffff, 0);
    CHECK_EQ("sp", t.r.esp & 0xffff, task_16.sp0);
}

TEST(external_bit) { // a fault in the switch itself: EXT is set
    idt[VEC_UD] = task_gate(B, 0);
    gdt_set(B, (u32)&task_b, TSS32_LIMIT, SYS_TSS_BUSY, 0);
    struct trap t = exec_ring(e_ud2, 0);
    u32 ext = under_qemu() ? 0 : 1;
    CHECK_TRAP(t, VEC_GP, B | ext, e_ud2);
    task_make(&task_b, B, 3, h_stop);
    task_b.es = 0x7fb;
    t = exec_ring(e_ud2, 0);
    CHECK_TRAP(t, VEC_TS, 0x7f8 | ext, h_stop);
    CHECK_EQ("TR", current_task(), B);
}

TEST(double_fault_by_task) { // the use that task gates are still put to
    task_make(&task_h, H, 0, h_error);
    idt[VEC_DF] = task_gate(H, 0);
    idt[VEC_GP] &= ~(1ull << 47);
    struct trap t = exec_ring(e_hlt, 3);
    CHECK_DONE("in the task", t);
    CHECK_EQ("error code", t.r.edx, 0);
    CHECK_EQ("TR", current_task(), H);
    CHECK_EQ("saved EIP", tss.eip, (u32)e_hlt);
    CHECK_EQ("saved CS", tss.cs, SEL_UCODE);
    if (!under_qemu())
        CHECK_EQ("saved RF", tss.eflags & FLAG_RF, 0); // an abort
}

TEST(kernel_stack_overflow) { // #PF at the push of #PF's frame: only a task has a stack then
    struct space s = space_new(PAGING_32);
    space_identity(&s);
    space_enter(&s);
    task_make(&task_h, H, 0, h_error);
    idt[VEC_DF] = task_gate(H, 0);
    struct regs r = regs_for(0);
    struct trap t;
    r.esi = 0x50000000;
    exec(e_load, &r, &t);
    CHECK_DONE("in the task", t);
    CHECK_EQ("CR2", t.cr2, 0x4ffffffc);
    CHECK_EQ("saved ESP", tss.esp, 0x50000000);
    CHECK_EQ("saved EIP", tss.eip, (u32)e_load_at);
}

TEST(contributory_in_the_switch) { // #GP whose gate's task is bad: double fault
    idt[VEC_GP] = task_gate(B, 0); // no TSS
    task_make(&task_h, H, 0, h_error);
    idt[VEC_DF] = task_gate(H, 0);
    struct trap t = exec_ring(e_hlt, 3);
    CHECK_DONE("in the task", t);
    CHECK_EQ("TR", current_task(), H);
    CHECK_EQ("saved EIP", tss.eip, (u32)e_hlt);
    segments_reset();
    exec_reset();
    task_make(&task_b, B, 0, h_stop); // and when it shows behind the commit point
    task_b.ds = 0x7f8;
    idt[VEC_GP] = task_gate(B, 0);
    task_make(&task_h, H, 0, h_error);
    idt[VEC_DF] = task_gate(H, 0);
    t = exec_ring(e_hlt, 3);
    CHECK_DONE("in the task", t);
    CHECK_EQ("link", task_h.link, B);
    CHECK_EQ("saved EIP", task_b.eip, (u32)h_stop);
}

SNIPPET(w_loop, "1: inc %eax\n cmpl $20, (%esi)\n jb 1b", "nop")
SNIPPET(w_irq, "1: incl (%esi)\n mov $0x20, %al\n out %al, $0x20\n iret", "jmp 1b")

TEST(timer_interrupt) {
    cli();
    pic_init();
    task_make(&task_b, B, 0, w_irq);
    task_b.esi = (u32)user_buffer;
    *(u32 *)user_buffer = 0;
    idt[IRQ_VECTOR + IRQ_TIMER] = task_gate(B, 0);
    pit_start(0, PIT_RATE, PIT_HZ / 1000);
    pic_unmask(IRQ_TIMER);
    struct regs r = regs_for(3);
    struct trap t;
    r.esi = (u32)user_buffer;
    r.eflags |= FLAG_IF;
    exec(w_loop, &r, &t);
    CHECK_DONE("loop", t);
    CHECK(t.r.eax > 20);
    pic_mask(IRQ_TIMER);
    CHECK_TASKS(SEL_TSS, true, false);
}

SNIPPET(w_hlt, "sti", "hlt")

TEST(interrupt_out_of_hlt) {
    cli();
    pic_init();
    task_make(&task_b, B, 0, w_irq);
    task_b.esi = (u32)user_buffer;
    *(u32 *)user_buffer = 0;
    idt[IRQ_VECTOR + IRQ_TIMER] = task_gate(B, 0);
    pit_start(0, PIT_ONE_SHOT, PIT_HZ / 1000);
    pic_unmask(IRQ_TIMER);
    struct trap t = exec_ring(w_hlt, 0);
    CHECK_DONE("woken", t);
    CHECK_EQ("once", *(u32 *)user_buffer, 1);
    pic_mask(IRQ_TIMER);
}

SNIPPET(t_step, "pushf\n orl $0x100, (%esp)\n popf", "nop\n nop")

TEST(single_step_by_task) { // TF of the old task is saved, the handler's is its own
    static const u32 ones = 0xffff0ff0;
    __asm__ volatile("mov %0, %%dr6" ::"r"(ones));
    task_make(&task_b, B, 0, h_stop);
    idt[VEC_DB] = task_gate(B, 0);
    struct trap t = exec_ring(t_step, 0);
    CHECK_DONE("in B", t);
    CHECK_EQ("saved EIP", tss.eip, (u32)t_step_at + 1);
    CHECK_EQ("saved TF", tss.eflags & FLAG_TF, FLAG_TF);
    CHECK_EQ("TF", t.r.ebx & FLAG_TF, 0);
    __asm__ volatile("mov %0, %%dr6" ::"r"(ones));
}
