// FIP, FOP and FDP in every place where they can be seen: after a run of instructions, after a fault in the middle of
// one, after control instructions, which leave them alone (SDM vol. 1, 8.1.8, 8.1.9).
#include "env.h"
#include "paging.h"

// FOP is that of the last instruction with an unmasked exception, here 0 or, while it pends, that one (8.1.9.1).
static void expect(const char *what, const void *fip, u32 fop, u32 fdp) {
    fop = fpu_status() & FSW_ES ? fop : 0;
    struct env e = env_get();
    check_context(what);
    CHECK_EQ("FIP", e.fip, fip);
    CHECK_EQ("FDP", e.fdp, fdp);
    if (!under_qemu()) {
        CHECK_EQ("FCS and FOP", e.fcs_fop, fop << 16);
        CHECK_EQ("FDS", e.fds, 0xffff0000);
    }
    check_context(NULL);
}

SNIPPET(p_last, "fildl (%esi)\n fldl 8(%esi)", "faddp")
SNIPPET(p_control, "fldl 8(%esi)\n 1: fldl 16(%esi)\n fnstcw 32(%esi)\n fldcw 32(%esi)\n fnclex\n fnstsw %ax\n fwait",
        "nop")
SNIPPET(p_forms, "", "flds 5(%esi,%ecx,2)")
SNIPPET(p_absolute, "fninit\n fld1", "fstps user_buffer+20")
SNIPPET(p_address16, "", "addr16 flds 3(%bx,%si)")

TEST(completed) {
    if (under_qemu()) // TCG keeps no pointers
        return;
    fpu_init();
    struct trap t = env_exec(p_last, 3);
    CHECK_DONE("ran", t);
    expect("faddp", p_last_at, 0x6c1, env_regs(3).esi + 8);
    t = env_exec(p_control, 3);
    CHECK_DONE("ran", t);
    expect("behind control instructions", p_control + 3, 0x546, env_regs(3).esi + 16);
    struct regs r = env_regs(3);
    fpu_init();
    expect("FNINIT", 0, 0, 0);
    r.ecx = 4;
    exec(p_forms, &r, &t);
    expect("SIB", p_forms_at, 0x144, r.esi + 13);
    exec(p_absolute, &r, &t);
    expect("absolute", p_absolute_at, 0x11d, (u32)user_buffer + 20);
    fpu_init();
}

// A run whose third instruction faults: whatever the cause, the pointers are those of the second and of the first.
SNIPPET(f_page, "fldl 8(%esi)\n 1: fchs", "faddl (%edi)")
SNIPPET(f_page2, "fldl 8(%esi)\n fadds 4(%esi,%ecx)", "faddl (%edi)")
SNIPPET(f_store, "fld1\n fldl 24(%esi)", "fstpl (%edi)")
SNIPPET(f_integer, "fldl 8(%esi)", "mov (%edi), %eax")
SNIPPET(f_control, "fldl 8(%esi)\n fchs\n fnstcw 40(%esi)", "fldcw (%edi)")
SNIPPET(f_env, "fldl 8(%esi)\n fchs", "fnstenv (%edi)")

static void fault(const char *what, const u8 *code, const u8 *at, u32 error, u32 fip, u32 fop, u32 fdp) {
    struct regs r = env_regs(3);
    struct trap t;
    r.edi = (u32)user_buffer + 0x2000;
    r.ecx = 8;
    fpu_init();
    exec(code, &r, &t);
    check_context(what);
    CHECK_PF(t, error, r.edi, at);
    expect(what, code + fip, fop, r.esi + fdp);
}

TEST(page_faults) {
    if (under_qemu()) // TCG keeps no pointers
        return;
    struct space s = space_new(PAGING_32);
    space_identity(&s);
    pte_set(&s, (u32)user_buffer + 0x2000, 0);
    space_enter(&s);
    for (unsigned i = 0; i < 12; i++) { // also once the instruction has become soft
        fault("register before", f_page, f_page_at, PF_U, 3, 0x1e0, 8);
        fault("memory before", f_page2, f_page2_at, PF_U, 3, 0x044, 12);
        fault("store", f_store, f_store_at, PF_U | PF_W, 2, 0x546, 24);
        fault("integer", f_integer, f_integer_at, PF_U, 0, 0x546, 8);
        fault("control", f_control, f_control_at, PF_U, 3, 0x1e0, 8);
        fault("environment", f_env, f_env_at, PF_U | PF_W, 3, 0x1e0, 8);
    }
    fpu_init();
}

// The instruction that runs into a pending exception is not the one that FIP names.
SNIPPET(m_register, "fldz\n fld1\n fdiv %st(1), %st", "fchs")
SNIPPET(m_memory, "fldz\n fld1\n fdivl 8(%esi)", "fldl 16(%esi)")
SNIPPET(m_wait, "fldz\n fld1\n fdivl 8(%esi)\n nop", "fwait")
SNIPPET(m_mmx, "fldz\n fld1\n fdivl 8(%esi)", "movq %mm0, %mm1")
SNIPPET(m_skipped, "fldz\n fld1\n fdivl 8(%esi)\n fnstsw %ax\n fnstcw 32(%esi)", "fld1")

static void pending(const char *what, const u8 *code, const u8 *at, u32 fip, u32 fop, u32 fdp) {
    struct regs r = env_regs(3);
    struct trap t;
    memset(user_buffer, 0, 64);
    fpu_init();
    __asm__ volatile("flds %0\n fstp %%st" ::"m"(*(u32 *)user_buffer)); // some FDP
    fpu_control(0x37f & ~FSW_ZE);
    exec(code, &r, &t);
    check_context(what);
    CHECK_TRAP(t, VEC_MF, 0, at);
    CHECK_EQ("status", fpu_status() & 0xff, FSW_ES | FSW_ZE);
    expect(what, code + fip, fop, fdp);
    fpu_init();
}

TEST(pending_exception) {
    if (under_qemu()) // TCG keeps no pointers
        return;
    write_cr0(read_cr0() | CR0_NE);
    u32 esi = env_regs(3).esi, buffer = (u32)user_buffer;
    for (unsigned i = 0; i < 3; i++) {
        pending("register", m_register, m_register_at, 4, 0x0f1, buffer);
        pending("memory", m_memory, m_memory_at, 4, 0x476, esi + 8);
        pending("wait", m_wait, m_wait_at, 4, 0x476, esi + 8);
        pending("MMX", m_mmx, m_mmx_at, 4, 0x476, esi + 8);
        pending("controls between", m_skipped, m_skipped_at, 4, 0x476, esi + 8);
    }
}

// A store into code of this run's own page ends the block in the middle of the run.
__asm__(".pushsection .snippets, \"awx\"\n.globl w_code, w_target, w_pop, w_end\nw_code: fld1\n fsts w_target\n fchs\n "
        "w_pop: fstp %st\n"
        "w_end: int $0x81\n .balign 4\n w_target: .long 0\n .popsection");
extern u8 w_code[], w_target[], w_pop[], w_end[];
SNIPPET(w_fault, "fld1\n fsts w_target", "faddl (%edi)")

TEST(store_into_code) {
    if (under_qemu()) // TCG keeps no pointers
        return;
    fpu_init();
    for (unsigned i = 0; i < 3; i++) {
        struct trap t = env_exec(w_code, 3);
        CHECK_DONE("ran", t);
        expect("fstp", w_pop, 0x5d8, (u32)w_target);
    }
    struct space s = space_new(PAGING_32);
    space_identity(&s);
    pte_set(&s, (u32)user_buffer + 0x2000, 0);
    space_enter(&s);
    struct regs r = env_regs(3);
    struct trap t;
    r.edi = (u32)user_buffer + 0x2000;
    for (unsigned i = 0; i < 3; i++) {
        fpu_init();
        exec(w_fault, &r, &t);
        CHECK_PF(t, PF_U, r.edi, w_fault_at);
        expect("fsts", w_fault + 2, 0x115, (u32)w_target);
    }
    fpu_init();
}
