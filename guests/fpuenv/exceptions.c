// How x87 exceptions reach software: #MF under CR0.NE, IRQ 13 without it, and what waits for a pending one (SDM vol. 1,
// 8.6, 8.7, D.2).
#include "env.h"
#include "pc.h"

enum { IRQ_COPROCESSOR = 13 };

// 1 / 0 with the exception unmasked.
static void leave_pending(void) {
    fpu_init();
    fpu_control(0x37b);
    __asm__ volatile("fldz\n fld1\n fdiv %st(1), %st");
}

static u32 vector_of(const u8 *code) {
    struct regs r = regs_for(0);
    struct trap t;
    r.esi = (u32)user_buffer;
    leave_pending();
    exec(code, &r, &t);
    if (t.vector != EXEC_DONE)
        CHECK_EQ("eip", t.r.eip, (u32)code);
    return t.vector;
}

SNIPPET(e_fwait, "", "fwait")
SNIPPET(e_fld1, "", "fld1")
SNIPPET(e_fstp, "", "fstpl (%esi)")
SNIPPET(e_fldcw, "", "fldcw (%esi)")
SNIPPET(e_fldenv, "", "fldenv (%esi)")
SNIPPET(e_frstor, "", "frstor (%esi)")
SNIPPET(e_mmx, "", "movd %eax, %mm0")
SNIPPET(e_emms, "", "emms")
SNIPPET(e_fnclex, "", "fnclex")
SNIPPET(e_fninit, "", "fninit")
SNIPPET(e_fnstsw, "", "fnstsw %ax")
SNIPPET(e_fnstcw, "", "fnstcw (%esi)")
SNIPPET(e_fnstenv, "", "fnstenv (%esi)")
SNIPPET(e_fnsave, "", "fnsave (%esi)")
SNIPPET(e_fxsave, "", "fxsave (%esi)")

TEST(what_waits) {
    write_cr0(read_cr0() | CR0_NE | CR0_MP);
    const u8 *const waiting[] = {e_fwait, e_fld1, e_fstp, e_fldcw, e_fldenv, e_frstor, e_mmx, e_emms};
    const u8 *const others[] = {e_fnclex, e_fninit, e_fnstsw, e_fnstcw, e_fnstenv, e_fnsave, e_fxsave};
    for (unsigned i = 0; i < sizeof waiting / sizeof *waiting; i++)
        if (!under_qemu() || waiting[i] == e_fwait) // the peer raises it at FWAIT alone
            CHECK_EQ("waits", vector_of(waiting[i]), VEC_MF);
    for (unsigned i = 0; i < sizeof others / sizeof *others; i++)
        CHECK_EQ("does not wait", vector_of(others[i]), EXEC_DONE);
    fpu_init();
}

SNIPPET(e_store_int, "", "fistpl (%esi)")

// A store that is invalid leaves memory as it was and nothing popped; the next instruction reports it.
TEST(suppressed_store) {
    static const u16 control = 0x37e; // IM clear
    struct regs r = regs_for(0);
    struct trap t;
    r.esi = (u32)user_buffer + 4094; // across a page
    write_cr0(read_cr0() | CR0_NE);
    memset(user_buffer, 0x5a, 8192);
    __asm__ volatile("fninit\n fld1\n fldz\n fdivrp\n fldcw %0" ::"m"(control)); // infinity
    exec(e_store_int, &r, &t);
    CHECK_EQ("done", t.vector, EXEC_DONE);
    CHECK_EQ("pending", fpu_status() & 0x81, 0x81);
    if (!under_qemu()) {
        CHECK_EQ("memory", *(u32 *)(void *)(user_buffer + 4094), 0x5a5a5a5a);
        CHECK_EQ("top", fpu_status() >> 11 & 7, 7);
    }
    fpu_init();
}

// ---- IRQ 13 --------------------------------------------------------------------------------------------------------

static unsigned requests;

static bool on_irq13(struct trap_frame *frame) {
    (void)frame;
    requests++;
    __asm__ volatile("fnclex");
    outb(0xf0, 0);
    pic_eoi(IRQ_COPROCESSOR);
    return true;
}

TEST(irq_13) {
    if (under_qemu()) // which ends with a failed assertion
        return;
    write_cr0((read_cr0() & ~(u32)CR0_NE) | CR0_MP);
    irq_open(IRQ_COPROCESSOR, on_irq13);
    for (unsigned i = 1; i <= 3; i++) {
        leave_pending();
        sti();
        __asm__ volatile("fwait\n fld1\n fstp %st(0)");
        cli();
        CHECK_EQ("requests", requests, i);
        CHECK_EQ("status", fpu_status() & 0x80, 0);
    }
    irq_close(IRQ_COPROCESSOR);
    fpu_init();
}
