// Far transfers that are refused or whose stack accesses fault: registers and stack stay as they were (PITFALLS 8).
#include "exec.h"
#include "paging.h"

SNIPPET(e_null, "", "ljmp $0, $0")
SNIPPET(e_null3, "", "ljmp $3, $0")
SNIPPET(e_limit, "", "ljmp $0x7f8, $0")
SNIPPET(e_data, "", "ljmp $0x10, $0")
SNIPPET(e_free, "", "ljmp $0x40, $0")
SNIPPET(e_free3, "", "ljmp $0x43, $0")
SNIPPET(e_kernel, "", "ljmp $8, $0")
SNIPPET(e_user, "", "ljmp $0x1b, $0")
SNIPPET(e_call_free, "", "lcall $0x40, $0")
SNIPPET(e_call, "", "lcall $8, $0x100000")
SNIPPET(e_call_user, "", "lcall $0x1b, $0x100000")
SNIPPET(e_call_mem, "", "lcall *(%esi)")
SNIPPET(e_ret, "", "lret")
SNIPPET(e_ret_n, "", "lret $4")
SNIPPET(e_register, "", ".byte 0xff, 0xd8") // far CALL with a register operand

TEST(selectors) {
    EXPECT_FAULT(e_null, VEC_GP, 0);
    EXPECT_FAULT(e_null3, VEC_GP, 0);
    EXPECT_FAULT(e_limit, VEC_GP, 0x7f8);
    EXPECT_FAULT(e_data, VEC_GP, SEL_KDATA);
    EXPECT_FAULT_RING(3, e_kernel, VEC_GP, SEL_KCODE); // non-conforming of another ring
    EXPECT_FAULT(e_user, VEC_GP, SEL_UCODE & ~3);
    EXPECT_FAULT(e_register, VEC_UD, 0);
    gdt_set(SEL_FREE, 0, 0xfffff, SEG_CODE & ~SEG_P, SEG_G | SEG_D);
    EXPECT_FAULT(e_free, VEC_NP, SEL_FREE);
    EXPECT_FAULT(e_call_free, VEC_NP, SEL_FREE);
    gdt_set(SEL_FREE, 0, 0xfffff, SYS_LDT, SEG_G);
    EXPECT_FAULT(e_free, VEC_GP, SEL_FREE);
    gdt[SEL_FREE >> 3] = gate(SEL_KCODE, 0x100000, GATE_INT, 0);
    EXPECT_FAULT(e_free, VEC_GP, SEL_FREE);
    gdt_set(SEL_FREE, 0, 0xfffff, SEG_CODE_CONFORM | SEG_DPL3, SEG_G | SEG_D); // conforming, DPL above CPL
    EXPECT_FAULT(e_free, VEC_GP, SEL_FREE);
    gdt_set(SEL_FREE, 0, 0xfffff, SEG_CODE, SEG_G | SEG_D);
    EXPECT_FAULT(e_free3, VEC_GP, SEL_FREE); // RPL above CPL
}

enum { HERE = 0x50000000, MISSING = 0x70000000 };

static struct regs paged(void) {
    struct space s = space_new(PAGING_32);
    space_identity(&s);
    space_map(&s, HERE, page_alloc(1), PTE_WU);
    space_enter(&s);
    return regs_for(3);
}

static void faults(const char *name, const u8 *code, struct regs r, u32 error, u32 address) {
    struct trap t;
    if (under_qemu() && code != e_call_mem)
        error &= ~(u32)PF_U; // its far transfers use the stack as a supervisor
    check_context(name);
    exec(code, &r, &t);
    CHECK_PF(t, error, address, code);
    CHECK_EQ("esp", t.r.esp, r.esp);
    CHECK_EQ("cs", t.r.cs, r.cs);
}

TEST(stack_of_far_call) {
    struct regs r = paged();
    r.esp = MISSING + 0x100;
    faults("first push", e_call_user, r, PF_U | PF_W, MISSING + 0xfc);
    r.esp = HERE + 4;
    faults("second push", e_call_user, r, PF_U | PF_W, HERE - 4);
    r.esi = MISSING;
    r.esp = (u32)user_stack_top;
    faults("operand", e_call_mem, r, PF_U, MISSING);
    r.esi = HERE + 4096 - 4; // the offset is there, the selector is not
    faults("selector of the operand", e_call_mem, r, PF_U, HERE + 4096);
}

TEST(stack_of_far_return) {
    struct regs r = paged();
    r.esp = MISSING;
    faults("first pop", e_ret, r, PF_U, MISSING);
    r.esp = HERE + 4092;
    faults("second pop", e_ret, r, PF_U, HERE + 4096);
    faults("second pop", e_ret_n, r, PF_U, HERE + 4096);
}

SNIPPET(e_table, "", "ljmp $0x4b, $0")

TEST(descriptor_table_missing) { // the GDT's page is not there: #PF as a supervisor read, also from ring 3
    struct space s = space_new(PAGING_32);
    space_identity(&s);
    space_enter(&s);
    // A copy of the GDT at the end of a page that continues in a missing one.
    space_map(&s, HERE, page_alloc(1), PTE_WU);
    u32 base = HERE + 4096 - 64;
    memcpy((void *)base, gdt, 64);
    gdt_load(base, 0xff);
    struct trap t = exec_ring(e_table, 3);
    gdt_load((u32)gdt, sizeof gdt - 1);
    CHECK_PF(t, 0, HERE + 4096 + 8, e_table);
}
