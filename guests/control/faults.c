// Transfers that fault: the stack push of a CALL, the pop of a RET, the memory operand, the target. Nothing may have
// changed (PITFALLS 8).
#include "exec.h"
#include "paging.h"

SNIPPET(c_call, "", "call .")
SNIPPET(c_call_mem, "", "call *(%esi)")
SNIPPET(c_call_esp_mem, "", "call *4(%esp)")
SNIPPET(c_jmp_mem, "", "jmp *(%esi)")
SNIPPET(c_jmp_reg, "", "jmp *%esi")
SNIPPET(c_call_reg, "", "call *%esi")
SNIPPET(c_ret, "", "ret")
SNIPPET(c_ret_n, "", "ret $8")

enum { MISSING = 0x70000000, HERE = 0x50000000 };
static struct space space;

static struct regs set_up(void) {
    space = space_new(PAGING_32);
    space_identity(&space);
    space_map(&space, HERE, page_alloc(1), PTE_WU);
    space_enter(&space);
    struct regs r = regs_for(3);
    r.eflags |= FLAG_CF | FLAG_OF;
    r.eax = 0x1234;
    return r;
}

static void faults(const char *name, const u8 *code, struct regs r, u32 error, u32 address) {
    struct trap t;
    check_context(name);
    exec(code, &r, &t);
    CHECK_PF(t, error, address, code);
    CHECK_EQ("esp", t.r.esp, r.esp);
    CHECK_EQ("eflags", t.r.eflags & ~FLAG_RF, r.eflags);
    CHECK_EQ("eax", t.r.eax, r.eax);
}

TEST(push_of_call_faults) {
    struct regs r = set_up();
    r.esp = MISSING + 0x800;
    faults("call", c_call, r, PF_U | PF_W, MISSING + 0x7fc);
    r.esi = (u32)c_ret;
    faults("call reg", c_call_reg, r, PF_U | PF_W, MISSING + 0x7fc);
    *(u32 *)user_buffer = (u32)c_ret;
    r.esi = (u32)user_buffer;
    faults("call mem", c_call_mem, r, PF_U | PF_W, MISSING + 0x7fc);
    r.esp = HERE; // the push goes below the page that is there
    faults("call at the edge", c_call, r, PF_U | PF_W, HERE - 4);
}

TEST(operand_of_transfer_faults) {
    struct regs r = set_up();
    r.esi = MISSING + 8;
    faults("call mem", c_call_mem, r, PF_U, MISSING + 8);
    faults("jmp mem", c_jmp_mem, r, PF_U, MISSING + 8);
    r.esi = HERE + 4094;
    faults("jmp mem across", c_jmp_mem, r, PF_U, HERE + 4096);
    r.esp = HERE + 4096 - 4;
    faults("call 4(esp)", c_call_esp_mem, r, PF_U, HERE + 4096);
    r.esi = r.esp = MISSING; // both missing: the operand is read first
    faults("operand first", c_call_mem, r, PF_U, MISSING);
}

TEST(pop_of_ret_faults) {
    struct regs r = set_up();
    r.esp = MISSING;
    faults("ret", c_ret, r, PF_U, MISSING);
    faults("ret 8", c_ret_n, r, PF_U, MISSING);
    r.esp = HERE + 4095;
    faults("ret across", c_ret, r, PF_U, HERE + 4096);
}

static void goes_to(const char *name, const u8 *code, struct regs r, u32 target, u32 esp) {
    struct trap t;
    check_context(name);
    exec(code, &r, &t);
    CHECK_PF(t, PF_U, target, (void *)target);
    CHECK_EQ("esp", t.r.esp, esp);
}

TEST(target_missing) { // the transfer is complete; the fault is that of the next instruction
    struct regs r = set_up();
    r.esi = MISSING + 0x123;
    goes_to("jmp reg", c_jmp_reg, r, MISSING + 0x123, r.esp);
    goes_to("call reg", c_call_reg, r, MISSING + 0x123, r.esp - 4);
    CHECK_EQ("return address", *(u32 *)(r.esp - 4), (u32)c_call_reg_end);
    *(u32 *)user_buffer = MISSING + 0x456;
    r.esi = (u32)user_buffer;
    goes_to("jmp mem", c_jmp_mem, r, MISSING + 0x456, r.esp);
    goes_to("call mem", c_call_mem, r, MISSING + 0x456, r.esp - 4);
    r.esp = HERE + 64;
    *(u32 *)(HERE + 64) = MISSING + 0x789;
    goes_to("ret", c_ret, r, MISSING + 0x789, r.esp + 4);
    goes_to("ret 8", c_ret_n, r, MISSING + 0x789, r.esp + 12);
}

TEST(target_supervisor) {
    struct regs r = set_up();
    struct trap t;
    r.esi = 0x100000;
    exec(c_jmp_reg, &r, &t);
    CHECK_PF(t, PF_U | PF_P, 0x100000, (void *)0x100000);
}

static bool map_target(struct trap_frame *frame) {
    (void)frame;
    space_map(&space, read_cr2() & ~0xfffu, HERE, 0);
    u32 page = page_alloc(1);
    space_map(&space, read_cr2() & ~0xfffu, page, PTE_WU);
    memcpy((u8 *)page + 0x123, "\x40\xc3", 2); // inc %eax; ret
    return true;
}

TEST(demand_paged_code) {
    struct regs r = set_up();
    hook_set(VEC_PF, map_target);
    for (unsigned i = 0; i < 20; i++) {
        r.esi = MISSING + i * 0x31000 + 0x123;
        r.eax = i;
        for (unsigned again = 0; again < 2; again++) {
            struct trap t;
            exec(c_call_reg, &r, &t);
            CHECK_DONE("called", t);
            CHECK_EQ("eax", t.r.eax, i + 1);
        }
    }
}
