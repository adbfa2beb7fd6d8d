// Task switches that are refused before their commit point: error codes of table 7-1, and nothing of the old task has
// changed.
#include "kit.h"

SNIPPET(f_jmp, "", "ljmp $0x40, $0")
SNIPPET(f_call, "", "lcall $0x40, $0")
SNIPPET(f_jmp_gate, "", "ljmp $0x50, $0")
SNIPPET(f_call_gate, "", "lcall $0x50, $0")
SNIPPET(f_int, "", "int $0x80")
SNIPPET(f_iret, "pushf\n orl $0x4000, (%esp)\n popf", "iret")
SNIPPET(f_rpl, "", "ljmp $0x43, $0")
SNIPPET(f_gate_rpl, "", "ljmp $0x53, $0")
SNIPPET(f_ldt, "", "ljmp $4, $0")
SNIPPET(f_never, "", "ud2")

enum { BY_TSS = 1, BY_GATE = 2, BY_INT = 4, BY_IRET = 8, NOT_IRET = 7, ALL = 15 };

static void reset(void) {
    segments_reset();
    exec_reset();
    task_make(&task_b, B, 0, f_never);
    gdt[GATE_B >> 3] = task_gate(B, 3);
    idt[0x80] = task_gate(B, 3);
}

static void refused(const char *name, const u8 *code, const u8 *at, u32 vector, u32 error) {
    struct regs r = regs_for(0);
    struct trap t;
    check_context(name);
    tss.eip = 0x99999999;
    task_b.link = 0x1234;
    exec(code, &r, &t);
    CHECK_TRAP(t, vector, error, at);
    CHECK_EQ("TR", current_task(), SEL_TSS);
    CHECK_EQ("main task busy", is_busy(SEL_TSS), true);
    CHECK_EQ("nothing saved", tss.eip, 0x99999999);
    CHECK_EQ("link", task_b.link, 0x1234);
    CHECK_EQ("CR0.TS", read_cr0() & CR0_TS, 0);
    CHECK_EQ("esp", t.r.esp, r.esp);
}

// The descriptor of B as it stands now, reached in all the ways of `how`.
static void refuse(unsigned how, u32 vector, u32 error) {
    static const struct {
        unsigned how;
        const char *name;
        const u8 *code, *at;
    } ways[] = {
        {BY_TSS, "JMP", f_jmp, f_jmp},
        {BY_TSS, "CALL", f_call, f_call},
        {BY_GATE, "JMP gate", f_jmp_gate, f_jmp_gate},
        {BY_GATE, "CALL gate", f_call_gate, f_call_gate},
        {BY_INT, "INT", f_int, f_int},
        {BY_IRET, "IRET", f_iret, f_iret_at},
    };
    for (unsigned i = 0; i < sizeof ways / sizeof *ways; i++)
        if (ways[i].how & how)
            refused(ways[i].name, ways[i].code, ways[i].at, vector, error);
}

static void set_b(u32 limit, u8 access) {
    gdt_set(B, (u32)&task_b, limit, access, 0);
}

TEST(busy) {
    reset();
    set_b(TSS32_LIMIT, SYS_TSS_BUSY);
    refuse(NOT_IRET, VEC_GP, B);
    set_b(TSS16_LIMIT, SYS_TSS16 | 2);
    refuse(NOT_IRET, VEC_GP, B);
}

TEST(not_busy) { // for IRET
    reset();
    tss.link = B;
    refuse(BY_IRET, VEC_TS, B);
    set_b(TSS16_LIMIT, SYS_TSS16);
    refuse(BY_IRET, VEC_TS, B);
}

TEST(not_present) {
    reset();
    set_b(TSS32_LIMIT, SYS_TSS & ~SEG_P);
    refuse(NOT_IRET, VEC_NP, B);
    set_b(TSS32_LIMIT, SYS_TSS_BUSY & ~SEG_P);
    tss.link = B;
    refuse(BY_IRET, VEC_NP, B);
    refuse(NOT_IRET, VEC_GP, B); // the type comes first
}

TEST(too_short) {
    reset();
    set_b(TSS32_LIMIT - 1, SYS_TSS);
    refuse(NOT_IRET, VEC_TS, B);
    set_b(TSS16_LIMIT - 1, SYS_TSS16);
    refuse(NOT_IRET, VEC_TS, B);
    set_b(TSS32_LIMIT - 1, SYS_TSS_BUSY);
    tss.link = B;
    refuse(BY_IRET, VEC_TS, B);
}

TEST(selector_of_the_gate) {
    static const struct {
        u16 selector;
        u32 error;
    } bad[] = {{0, 0},         {3, 0},          {B | 4, B | 4}, {0x7f8, 0x7f8}, {SEL_KDATA, SEL_KDATA},
               {0x1f8, 0x1f8}, {GATE_B, GATE_B}};
    const u32 local = under_qemu() ? VEC_TS : VEC_GP; // of a selector in the LDT
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        reset();
        gdt[GATE_B >> 3] = task_gate(bad[i].selector, 3);
        idt[0x80] = task_gate(bad[i].selector, 3);
        refuse(BY_GATE | BY_INT, bad[i].selector & 4 ? local : VEC_GP, bad[i].error);
        tss.link = bad[i].selector;
        if (under_qemu() && bad[i].error == 0) // it loads a null link
            continue;
        refuse(BY_IRET, VEC_TS, bad[i].error);
    }
}

TEST(privilege_of_the_gate) {
    reset();
    gdt[GATE_B >> 3] = task_gate(B, 0);
    EXPECT_FAULT_RING(3, f_jmp_gate, VEC_GP, GATE_B);
    EXPECT_FAULT_RING(3, f_call_gate, VEC_GP, GATE_B);
    EXPECT_FAULT_RING(0, f_gate_rpl, VEC_GP, GATE_B); // RPL counts too
    EXPECT_FAULT_RING(0, f_rpl, VEC_GP, B);
    EXPECT_FAULT_RING(3, f_jmp, VEC_GP, B);
    EXPECT_FAULT_RING(3, f_call, VEC_GP, B);
    idt[0x80] = task_gate(B, 0);
    EXPECT_FAULT_RING(3, f_int, VEC_GP, 0x80 << 3 | 2);
    gdt[GATE_B >> 3] = gate(B, 0, (GATE_TASK | SEG_DPL3) & ~SEG_P, 0);
    refuse(BY_GATE, VEC_NP, GATE_B);
    idt[0x80] = gate(B, 0, (GATE_TASK | SEG_DPL3) & ~SEG_P, 0);
    refuse(BY_INT, VEC_NP, 0x80 << 3 | 2);
    gdt[GATE_B >> 3] = gate(B, 0, GATE_TASK & ~SEG_P, 0); // privilege before presence
    EXPECT_FAULT_RING(3, f_jmp_gate, VEC_GP, GATE_B);
}

TEST(tss_in_an_ldt) { // a TSS descriptor counts only in the GDT
    reset();
    u64 *ldt = (u64 *)user_buffer;
    ldt[0] = gdt[B >> 3];
    gdt_set(OWN_LDT, (u32)ldt, 7, SYS_LDT, 0);
    __asm__ volatile("lldt %w0" ::"r"(OWN_LDT));
    refused("JMP through the LDT", f_ldt, f_ldt, under_qemu() ? VEC_TS : VEC_GP, 4);
}

TEST(old_tss_too_short) { // nowhere to save: as for a new one
    reset();
    gdt_set(SPARE, (u32)&tss, TSS32_LIMIT - 1, SYS_TSS, 0);
    __asm__ volatile("ltr %w0" ::"r"(SPARE));
    struct trap t = exec_ring(f_jmp, 0);
    if (!under_qemu()) {
        CHECK_TRAP(t, VEC_TS, SPARE, f_jmp);
        CHECK_EQ("TR", current_task(), SPARE);
    }
}
