// Task switches that succeed: JMP, CALL and IRET, by TSS and by gate, nested, between TSSs of both widths; busy bits,
// back link, NT and where each task goes on.
#include "kit.h"

SNIPPET(s_jmp, "mov $1, %eax", "ljmp $0x40, $0x12345678")
SNIPPET(s_call, "mov $1, %eax", "lcall $0x40, $0")
SNIPPET(s_jmp_gate, "mov $1, %eax", "ljmp $0x50, $0")
SNIPPET(s_call_gate, "mov $1, %eax", "lcall $0x50, $0")
SNIPPET(s_jmp_gate3, "mov $1, %eax", "ljmp $0x53, $0")
SNIPPET(s_call_gate3, "mov $1, %eax", "lcall $0x53, $0")
SNIPPET(s_jmp_mem, "movw $0x40, 4(%esi)", "ljmp *(%esi)")
SNIPPET(s_call_mem, "movw $0x40, 4(%esi)", "lcall *(%esi)")
SNIPPET(s_jmp_ldt, "mov $0x58, %eax\n lldt %ax", "ljmp $4, $0") // a task gate in the LDT
SNIPPET(b_stop, "pushf\n pop %ebx\n mov %cr0, %ecx", "mov $0x77, %edx")
SNIPPET(b_back, "mov $2, %eax", "iret")
SNIPPET(b_loop, "1: inc %eax\n iret", "jmp 1b")
SNIPPET(b_stop3, "pushf\n pop %ebx", "mov $0x77, %edx")

static struct trap run(const u8 *code, unsigned ring) {
    struct regs r = regs_for(ring);
    struct trap t;
    r.esi = (u32)user_buffer;
    r.ebp = 0xb9;
    exec(code, &r, &t);
    return t;
}

static void check_left(const u8 *next, unsigned ring) { // what the main task's TSS must hold
    struct regs r = regs_for(ring);
    CHECK_EQ("saved EIP", tss.eip, (u32)next);
    CHECK_EQ("saved EBP", tss.ebp, 0xb9);
    CHECK_EQ("saved ESP", tss.esp, r.esp);
    CHECK_EQ("saved CS", tss.cs, r.cs);
    CHECK_EQ("saved SS", tss.ss, r.ss);
    CHECK_EQ("saved EFLAGS", tss.eflags & ~FLAGS_ARITH, FLAG_ONE);
}

static const struct {
    const u8 *code, *next;
    unsigned ring;
    bool nests;
} entries[] = {
    {s_jmp, s_jmp_end, 0, false},
    {s_call, s_call_end, 0, true},
    {s_jmp_gate, s_jmp_gate_end, 0, false},
    {s_call_gate, s_call_gate_end, 0, true},
    {s_jmp_gate3, s_jmp_gate3_end, 3, false},
    {s_call_gate3, s_call_gate3_end, 3, true},
    {s_jmp_mem, s_jmp_mem_end, 0, false},
    {s_call_mem, s_call_mem_end, 0, true},
    {s_jmp_ldt, s_jmp_ldt_end, 0, false},
};

TEST(jmp_and_call) { // from ring 0 and 3, to ring 0 and 3
    for (unsigned i = 0; i < sizeof entries / sizeof *entries; i++)
        for (unsigned to = 0; to <= 3; to += 3) {
            segments_reset();
            exec_reset();
            gdt[GATE_B >> 3] = task_gate(B, 3);
            *(u64 *)(user_buffer + 64) = task_gate(B, 3);
            gdt_set(OWN_LDT, (u32)user_buffer + 64, 7, SYS_LDT, 0);
            task_make(&task_b, B, to, to ? b_stop3 : b_stop);
            task_b.link = 0x1234;
            struct trap t = run(entries[i].code, entries[i].ring);
            CHECK_DONE("in the new task", t);
            CHECK_TASKS(B, entries[i].nests, true);
            check_left(entries[i].next, entries[i].ring);
            CHECK_EQ("edx", t.r.edx, 0x77);
            CHECK_EQ("eax is the new task's", t.r.eax, 0);
            CHECK_EQ("cs", t.r.cs, to ? SEL_UCODE : SEL_KCODE);
            CHECK_EQ("back link", task_b.link, entries[i].nests ? SEL_TSS : 0x1234);
            CHECK_EQ("EFLAGS", t.r.ebx, FLAG_ONE | (entries[i].nests ? FLAG_NT : 0));
            if (!to)
                CHECK_EQ("CR0.TS", t.r.ecx & CR0_TS, CR0_TS);
            if (check_failures())
                return;
        }
}

TEST(there_and_back) {
    gdt[GATE_B >> 3] = task_gate(B, 3);
    for (unsigned i = 0; i < sizeof entries / sizeof *entries; i++) {
        if (!entries[i].nests)
            continue;
        task_make(&task_b, B, 0, b_back);
        struct trap t = run(entries[i].code, entries[i].ring);
        CHECK_DONE("back", t);
        CHECK_TASKS(SEL_TSS, true, false);
        CHECK_EQ("eax", t.r.eax, entries[i].code == s_call_mem ? 0 : 1);
        CHECK_EQ("ebp", t.r.ebp, 0xb9);
        CHECK_EQ("NT", t.r.eflags & FLAG_NT, 0);
        CHECK_EQ("cs", t.r.cs, regs_for(entries[i].ring).cs);
        CHECK_EQ("B goes on behind its IRET", task_b.eip, (u32)b_back_end);
        CHECK_EQ("B's EAX", task_b.eax, 2);
        CHECK_EQ("B's NT is clear", task_b.eflags & FLAG_NT, 0);
    }
}

SNIPPET(s_many, "1: lcall $0x40, $0\n dec %ecx", "jnz 1b")

TEST(again_and_again) { // the called task goes on where it was
    task_make(&task_b, B, 0, b_loop);
    struct regs r = regs_for(0);
    struct trap t;
    r.ecx = 500;
    exec(s_many, &r, &t);
    CHECK_DONE("loop", t);
    CHECK_EQ("rounds", task_b.eax, 500);
    CHECK_TASKS(SEL_TSS, true, false);
}

SNIPPET(b_call_c, "mov $0x22, %edi", "lcall $0x48, $0\n mov %eax, (%esi)\n iret")
SNIPPET(c_back, "pushf\n pop %ebx\n mov $0x33, %edi", "iret")
SNIPPET(c_look, "nop", "nop")

TEST(nested_twice) {
    task_make(&task_b, B, 0, b_call_c);
    task_b.esi = (u32)user_buffer;
    task_make(&task_c, C, 0, c_back);
    struct trap t = run(s_call, 0);
    CHECK_DONE("back", t);
    CHECK_TASKS(SEL_TSS, true, false);
    CHECK_EQ("C busy", is_busy(C), false);
    CHECK_EQ("C's link", task_c.link, B);
    CHECK_EQ("B's link", task_b.link, SEL_TSS);
    CHECK_EQ("NT in C", task_c.ebx & FLAG_NT, FLAG_NT);
    CHECK_EQ("B's EDI", task_b.edi, 0x22);
    // In the middle all three are busy.
    segments_reset();
    exec_reset();
    task_make(&task_b, B, 0, b_call_c);
    task_make(&task_c, C, 0, c_look);
    t = run(s_call, 0);
    CHECK_DONE("in C", t);
    CHECK_TASKS(C, true, true);
    CHECK_EQ("C busy", is_busy(C), true);
    CHECK_EQ("B's NT is saved", task_b.eflags & FLAG_NT, FLAG_NT);
}

SNIPPET(s_nt_iret, "pushf\n orl $0x4000, (%esp)\n popf", "iret")

TEST(iret_by_hand) { // IRET follows whatever the link says: B never called anybody
    task_make(&task_b, B, 0, b_stop);
    gdt_set(B, (u32)&task_b, TSS32_LIMIT, SYS_TSS_BUSY, 0);
    tss.link = B;
    struct trap t = run(s_nt_iret, 0);
    CHECK_DONE("in B", t);
    CHECK_TASKS(B, false, true);
    CHECK_EQ("NT in the saved EFLAGS", tss.eflags & FLAG_NT, 0);
    CHECK_EQ("saved EIP", tss.eip, (u32)s_nt_iret_end);
    CHECK_EQ("EFLAGS", t.r.ebx, FLAG_ONE);
    tss.link = 0;
}

SNIPPET(b16_stop, "mov %bx, %di\n pushf\n pop %ebx", "mov $0x77, %edx")
SNIPPET(b16_back, "inc %eax", "iretw")

TEST(to_16_bits_and_back) {
    const u8 *code = task_make16(&task_16, B, b16_stop, b16_stop_end);
    task_16.ax = 0xa0a1;
    task_16.bx = 0xb0b1;
    task_16.si = 0x5151;
    task_16.link = 0x1234;
    struct trap t = run(s_jmp, 0);
    CHECK_DONE("in the 16-bit task", t);
    CHECK_TASKS(B, false, true);
    CHECK_EQ("ax", t.r.eax & 0xffff, 0xa0a1);
    CHECK_EQ("di", t.r.edi & 0xffff, 0xb0b1);
    CHECK_EQ("si", t.r.esi & 0xffff, 0x5151);
    CHECK_EQ("fs is null", t.r.fs, 0);
    CHECK_EQ("gs is null", t.r.gs, 0);
    CHECK_EQ("link", task_16.link, 0x1234);
    segments_reset();
    exec_reset();
    code = task_make16(&task_16, B, b16_back, b16_back_end);
    task_16.cx = 0x1111;
    t = run(s_call, 0);
    CHECK_DONE("back", t);
    CHECK_TASKS(SEL_TSS, true, false);
    CHECK_EQ("link", task_16.link, SEL_TSS);
    CHECK_EQ("ip", task_16.ip, (u32)code + (u32)(b16_back_end - b16_back));
    CHECK_EQ("ax", task_16.ax, 1);
    CHECK_EQ("cx", task_16.cx, 0x1111);
    CHECK_EQ("flags: NT clear", task_16.flags & FLAG_NT, 0);
    CHECK_EQ("ldt is not saved", task_16.ldt, 0);
    CHECK_EQ("eax", t.r.eax, 1);
    CHECK_EQ("fs", t.r.fs, SEL_KDATA);
}

// ICEBP, HLT and software interrupts are in events.c. A task switch clears what an instruction left open.
SNIPPET(s_ring3, "", "ljmp $0x40, $0")

TEST(direct_needs_dpl) { // ring 3 may jump to a TSS of DPL 3
    task_make(&task_b, B, 0, b_stop);
    EXPECT_FAULT_RING(3, s_ring3, VEC_GP, B);
    gdt_set(B, (u32)&task_b, TSS32_LIMIT, SYS_TSS | SEG_DPL3, 0);
    struct trap t = exec_ring(s_ring3, 3);
    CHECK_DONE("in B", t);
    CHECK_EQ("cs", t.r.cs, SEL_KCODE);
    CHECK_EQ("saved cs", tss.cs, SEL_UCODE);
}
