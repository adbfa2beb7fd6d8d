// Call gates: to the same and to an inner ring, with parameters, 32 and 16 bits wide; the stack that the inner ring
// finds (SDM vol. 3A, 5.8.4 and 5.8.5).
#include "exec.h"

extern u8 rt_trap_stack_top[];
enum { GATE = SEL_FREE, GATE2 = SEL_FREE + 8 };

// Ring 3 calls through the gate with four parameters on its stack; the target stops at once.
SNIPPET(g_call, "push $0x44\n push $0x33\n push $0x22\n push $0x11\n lcall $0x43, $0x12345678", "nop")
SNIPPET(g_call_mem,
        "push $0x44\n push $0x33\n push $0x22\n push $0x11\n movl $0x99, (%esi)\n movw $0x43, 4(%esi)\n lcall *(%esi)",
        "nop")
SNIPPET(g_jmp, "", "ljmp $0x43, $0")
SNIPPET(g_stop, "mov %cs, %ebx\n mov %ss, %edx", "nop")
SNIPPET(g_return, "mov %cs, %ebx\n mov $1, %eax\n mov 8(%esp), %ecx\n mov 20(%esp), %edi", "lret $16")
SNIPPET(g_return0, "mov %cs, %ebx\n mov $1, %eax", "lret")
SNIPPET(g_return16, "mov %cs, %ebx\n mov $1, %eax\n movzwl 4(%esp), %ecx", "lretw $4")
SNIPPET(g_call0, "lcall $0x43, $0\n mov %cs, %ebp", "nop")
SNIPPET(g_call16, "pushw $0x44\n pushw $0x33\n lcall $0x43, $0\n mov %cs, %ebp", "nop")
SNIPPET(g_far, "push $0x44\n push $0x33\n push $0x22\n push $0x11\n lcall $0x43, $0\n mov %cs, %ebp", "nop")
SNIPPET(g_same_ring, "lcall $0x40, $0\n mov %esp, %edx", "nop")

static struct trap run(const u8 *code, unsigned ring, struct regs *r) {
    struct trap t;
    *r = regs_for(ring);
    r->esi = (u32)user_buffer;
    exec(code, r, &t);
    return t;
}

TEST(inner_ring_stack) {
    gdt[GATE >> 3] = gate(SEL_KCODE, (u32)g_stop, GATE_CALL | SEG_DPL3, 4);
    const u8 *const code[] = {g_call, g_call_mem};
    for (unsigned i = 0; i < 2; i++) {
        struct regs r;
        struct trap t = run(code[i], 3, &r);
        CHECK_DONE("stopped in ring 0", t);
        CHECK_EQ("cs", t.r.ebx & 0xffff, SEL_KCODE);
        CHECK_EQ("ss", t.r.edx & 0xffff, SEL_KDATA);
        CHECK_EQ("inner", t.inner, 0);
        u32 *stack = (u32 *)t.r.esp; // EIP, CS, four parameters, ESP, SS
        CHECK_EQ("esp", t.r.esp, (u32)rt_trap_stack_top - 8 * 4);
        CHECK_EQ("return EIP", stack[0],
                 (u32)code[i] + (u32)(code[i] == g_call ? g_call_at - g_call : g_call_mem_at - g_call_mem));
        CHECK_EQ("return CS", stack[1] & 0xffff, SEL_UCODE);
        for (u32 k = 0; k < 4; k++)
            CHECK_EQ("parameter", stack[2 + k], 0x11 * (k + 1));
        CHECK_EQ("outer ESP", stack[6], r.esp - 16);
        CHECK_EQ("outer SS", stack[7] & 0xffff, SEL_UDATA);
    }
}

TEST(inner_and_back) {
    gdt[GATE >> 3] = gate(SEL_KCODE, (u32)g_return, GATE_CALL | SEG_DPL3, 4);
    for (unsigned again = 0; again < 5; again++) {
        struct regs r;
        struct trap t = run(g_far, 3, &r);
        CHECK_DONE("back in ring 3", t);
        CHECK_EQ("cs inside", t.r.ebx & 0xffff, SEL_KCODE);
        CHECK_EQ("first parameter", t.r.ecx, 0x11);
        CHECK_EQ("last parameter", t.r.edi, 0x44);
        CHECK_EQ("cs", t.r.cs, SEL_UCODE);
        CHECK_EQ("ss", t.r.ss, SEL_UDATA);
        CHECK_EQ("esp: parameters released here too", t.r.esp, r.esp);
        CHECK_EQ("cs seen", t.r.ebp & 0xffff, SEL_UCODE);
    }
}

TEST(without_parameters) {
    gdt[GATE >> 3] = gate(SEL_KCODE, (u32)g_return0, GATE_CALL | SEG_DPL3, 0);
    struct regs r;
    struct trap t = run(g_call0, 3, &r);
    CHECK_DONE("back", t);
    CHECK_EQ("esp", t.r.esp, r.esp);
    CHECK_EQ("eax", t.r.eax, 1);
}

TEST(most_parameters) {
    gdt[GATE >> 3] = gate(SEL_KCODE, (u32)g_stop, GATE_CALL | SEG_DPL3, 31);
    struct regs r = regs_for(3);
    struct trap t;
    for (u32 i = 0; i < 40; i++)
        ((u32 *)(r.esp - 160))[i] = 0x1000 + i;
    r.esp -= 160;
    exec(g_call0, &r, &t);
    CHECK_DONE("stopped", t);
    u32 *stack = (u32 *)t.r.esp;
    CHECK_EQ("esp", t.r.esp, (u32)rt_trap_stack_top - 35 * 4);
    for (u32 k = 0; k < 31; k++)
        CHECK_EQ("parameter", stack[2 + k], 0x1000 + k);
    CHECK_EQ("outer ESP", stack[33], r.esp);
}

TEST(gate_16) { // words on the stacks
    memcpy((void *)0x7200, g_return16, (u32)(g_return16_end - g_return16));
    gdt[GATE >> 3] = gate(SEL_KCODE, 0x7200, GATE_CALL16 | SEG_DPL3, 2);
    struct regs r;
    // The way back carries only SP and IP of 16 bits: a ring 3 stack and code below 64 KiB.
    u8 *low = (u8 *)0x7400;
    memcpy(low, g_call16, (u32)(g_call16_end - g_call16) + 2);
    r = regs_for(3);
    struct trap t;
    r.esp = 0x8000;
    exec(low, &r, &t);
    CHECK_DONE("back", t);
    CHECK_EQ("cs inside", t.r.ebx & 0xffff, SEL_KCODE);
    CHECK_EQ("first parameter", t.r.ecx, 0x33);
    CHECK_EQ("esp", t.r.esp, 0x8000);
    CHECK_EQ("cs", t.r.cs, SEL_UCODE);
}

TEST(same_ring) {
    gdt[GATE >> 3] = gate(SEL_KCODE, (u32)g_return0, GATE_CALL, 5); // the count does not matter without a stack switch
    struct regs r;
    struct trap t = run(g_same_ring, 0, &r);
    CHECK_DONE("back", t);
    CHECK_EQ("esp", t.r.edx, r.esp);
    CHECK_EQ("eax", t.r.eax, 1);
    // At ring 3 to ring 3 code, the same.
    gdt[GATE >> 3] = gate(SEL_UCODE, (u32)g_return0, GATE_CALL | SEG_DPL3, 0);
    t = run(g_call0, 3, &r);
    CHECK_DONE("ring 3", t);
    CHECK_EQ("cs inside", t.r.ebx & 0xffff, SEL_UCODE);
    CHECK_EQ("esp", t.r.esp, r.esp);
    // A jump through the gate.
    gdt[GATE >> 3] = gate(SEL_UCODE, (u32)g_stop, GATE_CALL | SEG_DPL3, 0);
    t = run(g_jmp, 3, &r);
    CHECK_DONE("jump", t);
    CHECK_EQ("cs", t.r.ebx & 0xffff, SEL_UCODE);
}

TEST(conforming_target) { // no ring change
    gdt_set(GATE2, 0, 0xfffff, SEG_CODE_CONFORM, SEG_G | SEG_D);
    gdt[GATE >> 3] = gate(GATE2, (u32)g_return0, GATE_CALL | SEG_DPL3, 3);
    struct regs r;
    struct trap t = run(g_call0, 3, &r);
    CHECK_DONE("back", t);
    if (!under_qemu()) // it takes the target's DPL for the new CPL
        CHECK_EQ("cs inside", t.r.ebx & 0xffff, GATE2 | 3);
    CHECK_EQ("esp", t.r.esp, r.esp);
}

SNIPPET(g_caller, "lcall $0x43, $0", "nop")

TEST(refused) {
    u16 error = GATE;
    gdt[GATE >> 3] = gate(SEL_KCODE, (u32)g_return0, GATE_CALL, 0); // DPL 0
    struct regs r = regs_for(3);
    struct trap t;
    exec(g_caller, &r, &t);
    CHECK_TRAP(t, VEC_GP, error, g_caller);
    gdt[GATE >> 3] = gate(SEL_KCODE, (u32)g_return0, (GATE_CALL | SEG_DPL3) & ~SEG_P, 0);
    exec(g_caller, &r, &t);
    CHECK_TRAP(t, VEC_NP, error, g_caller);
    gdt[GATE >> 3] = gate(0, (u32)g_return0, GATE_CALL | SEG_DPL3, 0); // null code selector
    exec(g_caller, &r, &t);
    CHECK_TRAP(t, VEC_GP, 0, g_caller);
    gdt[GATE >> 3] = gate(SEL_KDATA, (u32)g_return0, GATE_CALL | SEG_DPL3, 0); // not code
    exec(g_caller, &r, &t);
    CHECK_TRAP(t, VEC_GP, SEL_KDATA, g_caller);
    gdt[GATE >> 3] = gate(0x1f8, (u32)g_return0, GATE_CALL | SEG_DPL3, 0); // empty descriptor
    exec(g_caller, &r, &t);
    CHECK_TRAP(t, VEC_GP, 0x1f8, g_caller);
    gdt[GATE >> 3] = gate(0x7f8, (u32)g_return0, GATE_CALL | SEG_DPL3, 0); // beyond the limit
    exec(g_caller, &r, &t);
    CHECK_TRAP(t, VEC_GP, 0x7f8, g_caller);
    gdt_set(GATE2, 0, 0xfffff, SEG_CODE & ~SEG_P, SEG_G | SEG_D);
    gdt[GATE >> 3] = gate(GATE2, (u32)g_return0, GATE_CALL | SEG_DPL3, 0);
    exec(g_caller, &r, &t);
    CHECK_TRAP(t, VEC_NP, GATE2, g_caller);
    gdt[GATE >> 3] = gate(SEL_KCODE, (u32)g_stop, GATE_CALL | SEG_DPL3, 0); // a jump may not go inwards
    exec(g_jmp, &r, &t);
    CHECK_TRAP(t, VEC_GP, SEL_KCODE, g_jmp);
}

TEST(bad_inner_stack) { // the TSS names no good stack: #TS with its selector
    gdt[GATE >> 3] = gate(SEL_FREE + 16, (u32)g_stop, GATE_CALL | SEG_DPL3, 0);
    gdt_set(SEL_FREE + 16, 0, 0xfffff, SEG_CODE | dpl(1),
            SEG_G | SEG_D); // ring 1 code, so that the handlers' stack stays
    gdt_set(SEL_FREE + 24, 0, 0xfffff, SEG_DATA | dpl(1), SEG_G | SEG_D);
    idt_set_dpl(EXEC_DONE, 3);
    struct regs r = regs_for(3);
    struct trap t;
    tss.esp1 = (u32)user_stack_top - 4096;
    tss.ss1 = (SEL_FREE + 24) | 1;
    exec(g_caller, &r, &t);
    CHECK_DONE("good", t);
    CHECK_EQ("cs", t.r.cs, (SEL_FREE + 16) | 1);
    CHECK_EQ("ss", t.r.ss, (SEL_FREE + 24) | 1);
    CHECK_EQ("esp", t.r.esp, tss.esp1 - 16);
    tss.ss1 = 0;
    exec(g_caller, &r, &t);
    CHECK_TRAP(t, VEC_TS, 0, g_caller);
    tss.ss1 = SEL_KDATA;
    exec(g_caller, &r, &t);
    CHECK_TRAP(t, VEC_TS, SEL_KDATA, g_caller);
    tss.ss1 = (SEL_FREE + 16) | 1; // code
    exec(g_caller, &r, &t);
    CHECK_TRAP(t, VEC_TS, SEL_FREE + 16, g_caller);
    gdt_set(SEL_FREE + 24, 0, 0xfffff, (SEG_DATA | dpl(1)) & ~SEG_P, SEG_G | SEG_D);
    tss.ss1 = (SEL_FREE + 24) | 1;
    exec(g_caller, &r, &t);
    CHECK_TRAP(t, under_qemu() ? VEC_TS : VEC_SS, SEL_FREE + 24, g_caller);
    gdt_set(SEL_FREE + 24, 0, 0xfffff, SEG_DATA_RO | dpl(1), SEG_G | SEG_D);
    exec(g_caller, &r, &t);
    CHECK_TRAP(t, VEC_TS, SEL_FREE + 24, g_caller);
}
