// Which of several exceptions an instruction reports, and what comes first at an instruction boundary. Intel SDM vol.
// 3A 6.9 and table 6-2. Within "faults on executing an instruction" the order is the processor's own; what is tested of
// it was seen on one: #AC before #PF.
#include "paging.h"
#include "pc.h"

enum { MISSING = 0x70000000, HERE = 0x50000000 };

SNIPPET(o_lock_hlt, "", ".byte 0xf0; hlt")
SNIPPET(o_lock_mov, "", ".byte 0xf0; mov %eax, %ebx")
SNIPPET(o_cr7, "", ".byte 0x0f, 0x20, 0xf8")
SNIPPET(o_lgdt, "", "lgdt (%esi)")
SNIPPET(o_lmsw, "", "lmsw (%esi)")
SNIPPET(o_ltr, "", "ltr (%esi)")
SNIPPET(o_invlpg, "", "invlpg (%esi)")
SNIPPET(o_fld, "", "fldl (%esi)")
SNIPPET(o_fld_fs, "", "fldl %fs:(%esi)")
SNIPPET(o_div, "xor %edx, %edx", "divl (%esi)")
SNIPPET(o_bound, "", "bound %eax, (%esi)")
SNIPPET(o_lcall, "", "lcall *(%esi)")
SNIPPET(o_read_fs, "", "mov %fs:(%esi), %eax")
SNIPPET(o_les, "", "les %fs:(%esi), %edi")
SNIPPET(o_jmp, "", "jmp *%esi")

static struct regs paged(unsigned ring) {
    struct space s = space_new(PAGING_32);
    space_identity(&s);
    space_map(&s, HERE, page_alloc(1), PTE_WU);
    space_enter(&s);
    struct regs r = regs_for(ring);
    r.esi = MISSING;
    return r;
}

static void first(const u8 *code, const u8 *at, const struct regs *r, u32 vector, u32 error) {
    struct trap t;
    exec(code, r, &t);
    CHECK_TRAP(t, vector, error, at);
}

TEST(decoding_before_privilege) {
    struct regs r = paged(3);
    if (under_qemu()) // it ignores LOCK here, and looks at the privilege first
        return;
    first(o_lock_hlt, o_lock_hlt, &r, VEC_UD, 0);
    first(o_lock_mov, o_lock_mov, &r, VEC_UD, 0);
    first(o_cr7, o_cr7, &r, VEC_UD, 0);
}

TEST(privilege_before_operands) {
    struct regs r = paged(3);
    first(o_lgdt, o_lgdt, &r, VEC_GP, 0);
    first(o_lmsw, o_lmsw, &r, VEC_GP, 0);
    first(o_ltr, o_ltr, &r, VEC_GP, 0);
    first(o_invlpg, o_invlpg, &r, VEC_GP, 0);
}

TEST(coprocessor_before_operands) { // #NM is a fault of decoding
    struct regs r = paged(3);
    write_cr0(read_cr0() | CR0_TS);
    first(o_fld, o_fld, &r, VEC_NM, 0);
    r.fs = 0;
    first(o_fld_fs, o_fld_fs, &r, VEC_NM, 0);
    write_cr0(read_cr0() & ~CR0_TS);
    first(o_fld, o_fld, &r, VEC_PF, PF_U);
    if (!under_qemu())
        first(o_fld_fs, o_fld_fs, &r, VEC_GP, 0);
}

TEST(operand_before_result) {
    struct regs r = paged(3);
    first(o_div, o_div_at, &r, VEC_PF, PF_U);
    first(o_bound, o_bound, &r, VEC_PF, PF_U);
    first(o_lcall, o_lcall, &r, VEC_PF, PF_U);
    r.esi = HERE;
    first(o_div, o_div_at, &r, VEC_DE, 0);
    first(o_lcall, o_lcall, &r, VEC_GP, 0);
}

TEST(limit_before_page) {
    struct regs r = paged(3);
    if (under_qemu())
        return;
    r.fs = SEL_FREE | 3;
    gdt_set(SEL_FREE, MISSING, 3, SEG_DATA | SEG_DPL3, SEG_D);
    r.esi = 0;
    first(o_read_fs, o_read_fs, &r, VEC_PF, PF_U);
    first(o_les, o_les, &r, VEC_GP, 0); // the selector's bytes are beyond
    r.esi = 1;
    first(o_read_fs, o_read_fs, &r, VEC_GP, 0);
}

TEST(alignment_before_page) {
    struct regs r = paged(3);
    if (under_qemu())
        return;
    write_cr0(read_cr0() | CR0_AM);
    r.eflags |= FLAG_AC;
    r.fs = SEL_UDATA;
    r.esi = MISSING + 1;
    first(o_read_fs, o_read_fs, &r, VEC_AC, 0);
    r.esi = MISSING + 4;
    first(o_read_fs, o_read_fs, &r, VEC_PF, PF_U);
    r.esi = HERE + 4095; // into the missing page
    first(o_read_fs, o_read_fs, &r, VEC_AC, 0);
    gdt_set(SEL_FREE, MISSING, 4, SEG_DATA | SEG_DPL3, SEG_D);
    r.fs = SEL_FREE | 3;
    r.esi = 2;
    first(o_read_fs, o_read_fs, &r, VEC_GP, 0); // but the limit comes first
}

TEST(length) { // more than 15 bytes: #GP, whatever the instruction would be
    struct regs r = paged(3);
    u8 *code = (u8 *)HERE;
    for (u32 prefixes = 13; prefixes <= 15; prefixes++) {
        memset(code, 0x3e, prefixes);
        memcpy(code + prefixes, "\x0f\x0b\xcd\x81", 4); // ud2
        first(code, code, &r, prefixes > 13 ? VEC_GP : VEC_UD, 0);
        memset(code, 0x3e, prefixes);
        memcpy(code + prefixes, "\x90\xcd\x81", 3); // nop
        struct trap t;
        exec(code, &r, &t);
        if (prefixes < 15)
            CHECK_DONE("nop", t);
        else
            CHECK_TRAP(t, VEC_GP, 0, code);
    }
    if (under_qemu())
        return;
    code = (u8 *)HERE + 4096 - 15; // fifteen prefixes, then a page that is not there: no byte of it is needed
    memset(code, 0x3e, 15);
    first(code, code, &r, VEC_GP, 0);
    memset(code, 0x3e, 15);
    code++; // fourteen: the next byte is needed
    first(code, code, &r, VEC_PF, PF_U);
}

SNIPPET(o_step, "pushf\n orl $0x100, (%esp)\n popf\n jmp *%esi", "nop")
static u32 seen[4], at[4], count;

static bool note(struct trap_frame *f) {
    if (count < 4) {
        seen[count] = f->vector;
        at[count] = f->eip;
    }
    count++;
    f->eflags &= ~FLAG_TF;
    if (f->vector == IRQ_VECTOR + IRQ_TIMER)
        pic_eoi(IRQ_TIMER);
    return f->vector != VEC_PF;
}

TEST(step_before_fetch) { // the trap of the jump, then the fault of what it jumps to
    struct regs r = paged(0);
    struct trap t;
    count = 0;
    hook_set(VEC_DB, note);
    exec(o_step, &r, &t);
    CHECK_PF(t, 0, MISSING, (u8 *)MISSING);
    CHECK_EQ("traps", count, 1);
    CHECK_EQ("at the target", at[0], MISSING);
}

static void timer_waits(void) {
    cli();
    pic_init();
    count = 0;
    hook_set(IRQ_VECTOR + IRQ_TIMER, note);
    pit_start(0, PIT_ONE_SHOT, 10);
    pic_unmask(IRQ_TIMER);
    CHECK(wait_pending(IRQ_TIMER));
}

SNIPPET(o_open, "sti", "jmp *%esi")

TEST(interrupt_before_fetch) { // it is taken at the boundary, before the fetch faults
    struct regs r = paged(0);
    struct trap t;
    timer_waits();
    exec(o_open, &r, &t);
    pic_mask(IRQ_TIMER);
    CHECK_PF(t, 0, MISSING, (u8 *)MISSING);
    CHECK_EQ("interrupts", count, 1);
    CHECK_EQ("before the target", at[0], MISSING);
}

SNIPPET(o_step_open, "mov $0x300, %ebx\n pushf\n or %ebx, (%esp)\n cli\n popf\n o_step_open_1: nop", "nop\n cli")
extern u8 o_step_open_1[];

TEST(step_before_interrupt) { // POPF sets TF and IF: the interrupt at once; then the step, before another interrupt
    struct regs r = regs_for(0);
    struct trap t;
    timer_waits();
    hook_set(VEC_DB, note);
    exec(o_step_open, &r, &t);
    pic_mask(IRQ_TIMER);
    CHECK_DONE("ran", t);
    CHECK_EQ("first", seen[0], IRQ_VECTOR + IRQ_TIMER);
    CHECK_EQ("at", at[0], (u32)o_step_open_1);
}

// A load of SS holds interrupts back for one instruction, also when that is a software interrupt: the handler's first
// instruction is the next place for one.
SNIPPET(o_sti_int, "sti\n int $0x80\n o_sti_int_1: nop", "cli")
extern u8 o_sti_int_1[];
extern u8 trap_stubs[];

TEST(interrupt_behind_int_n) {
    for (unsigned trap_gate = 0; trap_gate < 2; trap_gate++) {
        struct regs r = regs_for(0);
        struct trap t;
        timer_waits();
        hook_set(0x80, note);
        if (trap_gate)
            idt[0x80] = gate(SEL_KCODE, (u32)trap_stubs + 0x80 * 16, GATE_TRAP, 0);
        exec(o_sti_int, &r, &t);
        pic_mask(IRQ_TIMER);
        CHECK_DONE("ran", t);
        CHECK_EQ("both", count, 2);
        CHECK_EQ("first", seen[0], trap_gate ? IRQ_VECTOR + IRQ_TIMER : 0x80);
        if (!under_qemu() || !trap_gate) // it takes it one instruction later
            CHECK_EQ("interrupted", at[trap_gate ? 0 : 1], trap_gate ? (u32)trap_stubs + 0x80 * 16 : (u32)o_sti_int_1);
    }
}

SNIPPET(o_ss_step, "mov %ss, %edx\n pushf\n orl $0x100, (%esp)\n popf\n mov %edx, %ss",
        "int $0x80\n o_ss_step_1: nop\n o_ss_step_2: nop")
extern u8 o_ss_step_1[], o_ss_step_2[];

TEST(step_held_back_by_ss_and_int) { // no #DB of MOV SS in the handler of the INT behind it; TF goes on after its IRET
    struct regs r = regs_for(0);
    struct trap t;
    count = 0;
    hook_set(VEC_DB, note);
    hook_set(0x80, NULL);
    idt[0x80] = gate(SEL_KCODE, (u32)trap_stubs + 0x80 * 16, GATE_INT, 0);
    exec(o_ss_step, &r, &t);
    CHECK_TRAP(t, 0x80, 0, o_ss_step_1);
    CHECK_EQ("steps before", count, 0);
    CHECK_EQ("TF is in the frame", t.r.eflags & FLAG_TF, FLAG_TF);
}

SNIPPET(o_ss_fault, "mov %ss, %edx\n pushf\n orl $0x200, (%esp)\n cli\n sti\n mov %edx, %ss", "ud2")

TEST(fault_in_the_shadow) { // the fault comes, not the interrupt that waits; the handler's gate has closed IF
    struct regs r = regs_for(0);
    struct trap t;
    if (under_qemu()) // STI behind STI opens the window there
        return;
    timer_waits();
    exec(o_ss_fault, &r, &t);
    pic_mask(IRQ_TIMER);
    CHECK(t.vector == VEC_UD);
    CHECK_EQ("eip", t.r.eip, (u32)o_ss_fault_at);
}
