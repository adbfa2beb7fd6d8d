// The limit check of operands of every size and kind, and of implicit ones: one byte beyond the limit is #GP, or #SS
// through the stack segment. Nothing has changed then.
#include "exec.h"

#define FORM(name, text) SNIPPET(name, "", text)
FORM(m_xlat, "xlat %fs:(%ebx)")
FORM(m_pop, "popl %fs:(%esi)")
FORM(m_les, "les %fs:(%esi), %edi")
FORM(m_bound, "bound %eax, %fs:(%esi)")
FORM(m_movs, "movsl %fs:(%esi), %es:(%edi)")
FORM(m_cmps, "cmpsl %es:(%edi), %fs:(%esi)")
FORM(m_outs, "outsb %fs:(%esi), %dx")
FORM(m_cmpxchg, "cmpxchg %eax, %fs:(%esi)")
FORM(m_xchg, "xchg %ax, %fs:(%esi)")
FORM(m_xadd, "lock xadd %eax, %fs:(%esi)")
FORM(m_bt, "btw $3, %fs:(%esi)")
FORM(m_setcc, "setc %fs:(%esi)")
FORM(m_div, "divw %fs:(%esi)")
FORM(m_shld, "shld $3, %eax, %fs:(%esi)")
FORM(m_movzx, "movzwl %fs:(%esi), %eax")
FORM(m_far_jmp, "ljmp *%fs:(%esi)")
FORM(m_fld, "fldt %fs:(%esi)")
FORM(m_fbstp, "fbstp %fs:(%esi)")
FORM(m_fild, "fildll %fs:(%esi)")
FORM(m_fnstcw, "fnstcw %fs:(%esi)")
FORM(m_fnstenv, "fnstenv %fs:(%esi)")
FORM(m_fnsave, "fnsave %fs:(%esi)")
FORM(m_frstor, "frstor %fs:(%esi)")
FORM(m_smsw, "smsw %fs:(%esi)")
FORM(m_sldt, "sldt %fs:(%esi)")
FORM(m_lar, "lar %fs:(%esi), %eax")
FORM(m_mov_ds, "mov %ds, %fs:(%esi)")
FORM(m_to_es, "mov %fs:(%esi), %es")
FORM(m_call, "call *%fs:(%esi)")
FORM(m_push, "pushw %fs:(%esi)")

static const struct form {
    const char *name;
    const u8 *code;
    u32 size;
    bool refused; // inside too, by what it reads: any other fault will do
} forms[] = {
    {"xlat", m_xlat, 1, false},       {"pop", m_pop, 4, false},
    {"les", m_les, 6, false},         {"bound", m_bound, 8, false},
    {"movs", m_movs, 4, false},       {"cmps", m_cmps, 4, false},
    {"outs", m_outs, 1, false},       {"cmpxchg", m_cmpxchg, 4, false},
    {"xchg", m_xchg, 2, false},       {"xadd", m_xadd, 4, false},
    {"bt", m_bt, 2, false},           {"setc", m_setcc, 1, false},
    {"div", m_div, 2, true},          {"shld", m_shld, 4, false},
    {"movzx", m_movzx, 2, false},     {"fld", m_fld, 10, false},
    {"fbstp", m_fbstp, 10, false},    {"fild", m_fild, 8, false},
    {"fnstcw", m_fnstcw, 2, false},   {"fnstenv", m_fnstenv, 28, false},
    {"fnsave", m_fnsave, 108, false}, {"frstor", m_frstor, 108, false},
    {"smsw", m_smsw, 2, false},       {"sldt", m_sldt, 2, false},
    {"lar", m_lar, 2, false},         {"mov ds", m_mov_ds, 2, false},
    {"mov es", m_to_es, 2, false},    {"pushw", m_push, 2, false},
};

enum { LAST = 255 };

static struct trap run(const struct form *form, u32 offset) {
    struct regs r = regs_for(3);
    struct trap t;
    memset(user_buffer, 0, 512);
    r.fs = SEL_FREE | 3;
    r.esi = r.ebx = offset;
    r.edi = (u32)user_buffer + 1024;
    r.edx = 0x80;
    r.esp -= 64;
    r.eflags |= FLAG_IOPL;
    __asm__ volatile("fninit");
    exec(form->code, &r, &t);
    if (t.vector != EXEC_DONE) {
        CHECK_EQ("eip", t.r.eip, (u32)form->code);
        CHECK_EQ("esp", t.r.esp, r.esp);
        CHECK_EQ("esi", t.r.esi, r.esi);
    }
    return t;
}

static void at_the_limit(u32 first) {
    for (unsigned i = 0; i < sizeof forms / sizeof *forms; i++) {
        const struct form *form = &forms[i];
        check_context(form->name);
        u32 last = LAST + 1 - form->size;
        struct trap t = run(form, last);
        if (!form->refused)
            CHECK_DONE("inside", t);
        else
            CHECK(t.vector != VEC_GP);
        for (u32 out = 1; out <= form->size; out += form->size > 8 ? 7 : 1) {
            t = run(form, last + out);
            CHECK_EQ("vector", t.vector, VEC_GP);
            CHECK_EQ("error", t.error, 0);
        }
        if (first) {
            t = run(form, first - 1);
            CHECK_EQ("below", t.vector, VEC_GP);
        }
    }
}

TEST(operands_at_the_limit) {
    if (under_qemu())
        return;
    gdt_set(SEL_FREE, (u32)user_buffer, LAST, SEG_DATA | SEG_DPL3, SEG_D);
    at_the_limit(0);
}

TEST(operands_expand_down) { // valid: 10000h up to FFFFFFFFh with B; here up to FFFFh without
    if (under_qemu())
        return;
    const u32 first = 0x8000, top = 0xffff;
    gdt_set(SEL_FREE, (u32)user_buffer + 256 - 0x10000, first - 1, SEG_DATA_DOWN | SEG_DPL3, 0);
    for (unsigned i = 0; i < sizeof forms / sizeof *forms; i++) {
        const struct form *form = &forms[i];
        check_context(form->name);
        struct trap t = run(form, top + 1 - form->size);
        if (!form->refused)
            CHECK_DONE("inside", t);
        t = run(form, top + 2 - form->size);
        CHECK_EQ("above", t.vector, VEC_GP);
        t = run(form, first - 1);
        CHECK_EQ("below", t.vector, VEC_GP);
    }
}

TEST(far_pointers_at_the_limit) { // a far jump or a call through the last bytes
    if (under_qemu())
        return;
    gdt_set(SEL_FREE, (u32)user_buffer, LAST, SEG_DATA | SEG_DPL3, SEG_D);
    const struct form jump = {"ljmp", m_far_jmp, 6, true}, call = {"call", m_call, 4, true};
    struct trap t = run(&jump, LAST - 4);
    CHECK_TRAP(t, VEC_GP, 0, m_far_jmp);
    t = run(&call, LAST - 2);
    CHECK_TRAP(t, VEC_GP, 0, m_call);
}

// Implicit stack operands, #SS(0).
FORM(i_popa, "popa")
FORM(i_popf, "popf")
FORM(i_leave, "leave")
FORM(i_ret_n, "ret $8")
FORM(i_lret, "lret")
FORM(i_pop_mem, "popl (%edi)")
FORM(i_push_mem, "pushl (%edi)")
FORM(i_push_imm, "push $5")
FORM(i_lcall, "lcall $0x1b, $0x100000")
FORM(i_enter1, "enter $0, $1")
FORM(i_pushf, "pushf")
FORM(i_push_ds, "push %ds")

TEST(implicit_stack_operands) {
    if (under_qemu())
        return;
    static const struct {
        const char *name;
        const u8 *code;
        u32 esp, ebp;
    } bad[] = {
        {"popa", i_popa, LAST - 30, 0},
        {"popf", i_popf, LAST - 2, 0},
        {"leave", i_leave, 64, LAST - 2},
        {"ret", i_ret_n, LAST - 2, 0},
        {"lret", i_lret, LAST - 6, 0},
        {"pop mem", i_pop_mem, LAST - 2, 0},
        {"push mem", i_push_mem, 3, 0},
        {"push imm", i_push_imm, 2, 0},
        {"lcall", i_lcall, 7, 0},
        {"enter", i_enter1, 7, 64},
        {"pushf", i_pushf, 3, 0},
        {"push ds", i_push_ds, 1, 0},
        {"push above", i_push_imm, LAST + 4, 0},
    };
    gdt_set(SEL_FREE, (u32)user_buffer, LAST, SEG_DATA | SEG_DPL3, SEG_D);
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct regs r = regs_for(3);
        struct trap t;
        check_context(bad[i].name);
        r.ss = SEL_FREE | 3;
        r.esp = bad[i].esp;
        r.ebp = bad[i].ebp;
        r.edi = (u32)user_buffer + 1024;
        exec(bad[i].code, &r, &t);
        CHECK_TRAP(t, VEC_SS, 0, bad[i].code);
        CHECK_EQ("esp", t.r.esp, r.esp);
        CHECK_EQ("ebp", t.r.ebp, r.ebp);
    }
}
