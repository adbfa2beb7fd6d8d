// The pointers and the opcode when a run of x87 instructions is left in its middle, again and again, at every kind of
// next instruction (PITFALLS 5; SDM vol. 1, 8.1.8 to 8.1.10).
#include "env.h"
#include "paging.h"

enum { MISSING = 0x70000000 };

struct env16 {
    u16 control, status, tags, fip, fcs, fdp, fds;
};

// As FNSTENV leaves it: everything masked, so that a pending exception is over.
static struct env store(void) {
    struct env e;
    __asm__ volatile("fnstenv %0" : "=m"(e));
    return e;
}

// The peer keeps no opcode, and selectors that nobody has set.
static void check_pointers(const struct env *e, u32 fip, u32 fdp) {
    CHECK_EQ("fip", e->fip, fip);
    CHECK_EQ("fdp", e->fdp, fdp);
    if (under_qemu())
        return;
    CHECK_EQ("fcs", e->fcs_fop & 0xffff, 0);
    CHECK_EQ("fds", e->fds & 0xffff, 0);
}

static struct regs start(void) {
    struct space space = space_new(PAGING_32);
    space_identity(&space);
    space_enter(&space);
    fpu_init();
    struct regs r = env_regs(3);
    r.edi = MISSING;
    r.ebx = 2;
    return r;
}

#define LABEL(name) extern u8 name[]

SNIPPET(r_run, "fld1\n fldl (%esi)\n fldl 8(%esi,%ebx,4)\nr_run_last: fadd %st(1), %st", "faddl (%edi)")
SNIPPET(r_first, "fld1\n fldl 16(%esi)\nr_first_last: fld1\n nop", "fldl (%edi)")
SNIPPET(r_store, "fld1\nr_store_last: fldl 8(%esi)", "fstpl (%edi)")
SNIPPET(r_control, "fldl 24(%esi)\nr_control_last: fldpi\n fnstcw (%esi)", "fldcw (%edi)")
SNIPPET(r_other, "r_other_last: fldl 24(%esi)", "mov (%edi), %eax")
SNIPPET(r_adds,
        "fldl 8(%esi,%ebx,4)\n add $16, %esi\n dec %ebx\nr_adds_last: fld1\n cmp %esi, %ebx\n lea 4(%edi), %edi",
        "faddl -4(%edi)")
SNIPPET(r_written, "fld1\nr_written_last: fldl 8(%esi)\n mov %edi, %esi", "faddl (%edi)")
SNIPPET(r_passed, "r_passed_last: fldl 24(%esi)\n sub $8, %esi\n xor %eax, %eax", "mov (%edi), %eax")
LABEL(r_adds_last);
LABEL(r_written_last);
LABEL(r_passed_last);
LABEL(r_run_last);
LABEL(r_first_last);
LABEL(r_store_last);
LABEL(r_control_last);
LABEL(r_other_last);

static void faults(const char *name, const u8 *code, const u8 *at, u32 fip, u32 fdp) {
    struct trap t;
    struct regs r = start();
    check_context(name);
    for (unsigned again = 0; again < 4; again++) {
        exec(code, &r, &t);
        CHECK_EQ("vector", t.vector, VEC_PF);
        CHECK_EQ("eip", t.r.eip, (u32)at);
        const struct env e = store();
        check_pointers(&e, fip, fdp);
        fpu_init();
    }
}

TEST(page_fault_in_a_run) {
    faults("memory before a register form", r_run, r_run_at, (u32)r_run_last, (u32)user_buffer + 16);
    faults("a run of its own", r_first, r_first_at, (u32)r_first_last, (u32)user_buffer + 16);
    faults("a store", r_store, r_store_at, (u32)r_store_last, (u32)user_buffer + 8);
    faults("a control instruction", r_control, r_control_at, (u32)r_control_last, (u32)user_buffer + 24);
    faults("additions in between", r_adds, r_adds_at, (u32)r_adds_last, (u32)user_buffer + 16);
    faults("the register is written", r_written, r_written_at, (u32)r_written_last, (u32)user_buffer + 8);
    faults("none of the unit, behind others", r_passed, r_passed_at, (u32)r_passed_last, (u32)user_buffer + 24);
    faults("none of the unit", r_other, r_other_at, (u32)r_other_last, (u32)user_buffer + 24);
}

// 1 / 0 with the exception unmasked: the next waiting instruction reports it.
#define UNMASKED "fldcw (%esi)\n"
SNIPPET(r_divide, UNMASKED "fldl 8(%esi)\n fldz\n fld1\nr_divide_last: fdiv %st(1), %st", "fadd %st(1), %st")
SNIPPET(r_divide_mem, UNMASKED "fld1\nr_divide_mem_last: fdivs 4(%esi)", "fsts 32(%esi)")
SNIPPET(r_divide_wait, UNMASKED "fldz\n fld1\nr_divide_wait_last: fdiv %st(1), %st\n nop", "fwait")
SNIPPET(r_divide_far, UNMASKED "fldz\n fld1\nr_divide_far_last: fdiv %st(1), %st\n jmp 1f\n1:", "fld1")
LABEL(r_divide_last);
LABEL(r_divide_mem_last);
LABEL(r_divide_wait_last);
LABEL(r_divide_far_last);

static void divides(const char *name, const u8 *code, const u8 *at, u32 fip, u32 fdp, u32 opcode) {
    struct trap t;
    u32 before = read_cr0();
    check_context(name);
    for (unsigned again = 0; again < 4; again++) {
        struct regs r = start();
        memset(user_buffer, 0, 64);
        *(u16 *)(void *)user_buffer = 0x37b; // ZM clear
        write_cr0(before | read_cr0() | CR0_NE);
        exec(code, &r, &t);
        CHECK_EQ("vector", t.vector, VEC_MF);
        CHECK_EQ("eip", t.r.eip, (u32)at);
        const struct env e = store();
        CHECK_EQ("status", e.fsw & 0x80ff, 0x8084);
        if (fdp) // the last operand, which the control word is not
            check_pointers(&e, fip, fdp);
        else
            CHECK_EQ("fip", e.fip, fip);
        if (!under_qemu())
            CHECK_EQ("opcode", e.fcs_fop >> 16 & 0x7ff, opcode);
        __asm__ volatile("fnclex; fninit");
    }
}

TEST(exception_in_a_run) {
    if (under_qemu()) // #MF at FWAIT alone
        return;
    divides("at the next in the run", r_divide, r_divide_at, (u32)r_divide_last, (u32)user_buffer + 8, 0x0f1);
    divides("an operand in memory", r_divide_mem, r_divide_mem_at, (u32)r_divide_mem_last, (u32)user_buffer + 4, 0x076);
    divides("at FWAIT", r_divide_wait, r_divide_wait_at, (u32)r_divide_wait_last, 0, 0x0f1);
    divides("in another block", r_divide_far, r_divide_far_at, (u32)r_divide_far_last, 0, 0x0f1);
}

TEST(images) {
    if (under_qemu()) // no pointers in FXSAVE's image, none from FLDENV, zero in reserved halves
        return;
    struct env e;
    struct env16 e16;
    static u8 fx[512] __attribute__((aligned(16)));
    u32 fip, value[2] = {0, 0x3ff00000};
    __asm__ volatile("fninit\n call 1f\n1: pop %0\n 2: fldl %2\n add $2b-1b, %0\n fnstenv %1"
                     : "=&r"(fip), "=m"(e)
                     : "m"(value));
    check_pointers(&e, fip, (u32)value);
    CHECK_EQ("control", e.fcw, 0xffff037f);
    CHECK_EQ("status", e.fsw, 0xffff3800);
    CHECK_EQ("tags", e.ftw, 0xffff3fff);
    __asm__ volatile("data16 fnstenv %0" : "=m"(e16));
    CHECK_EQ("fip 16", e16.fip, fip & 0xffff);
    CHECK_EQ("fdp 16", e16.fdp, (u32)value & 0xffff);
    CHECK_EQ("tags 16", e16.tags, 0x3fff);
    write_cr4(read_cr4() | 1 << 9);
    __asm__ volatile("fxsave %0" : "=m"(fx));
    CHECK_EQ("fip fx", *(u32 *)(void *)(fx + 8), fip);
    CHECK_EQ("fdp fx", *(u32 *)(void *)(fx + 16), (u32)value);
    CHECK_EQ("tags fx", fx[4], 0x80);
    e.fip = 0x11223344;
    e.fdp = 0x55667788;
    __asm__ volatile("fldenv %1\n fnstenv %0" : "=m"(e) : "m"(e));
    check_pointers(&e, 0x11223344, 0x55667788);
    __asm__ volatile("fninit\n fnstenv %0" : "=m"(e));
    check_pointers(&e, 0, 0);
}
