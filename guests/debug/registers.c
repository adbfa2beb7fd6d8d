// The debug registers themselves: MOV at each privilege, DR4 and DR5, fixed bits, general detect, ICEBP; and the
// record of #DBs that the other files use. Intel SDM vol. 3B, 17.2.
#include "debug.h"

struct events events;
bool set_rf;

static bool record(struct trap_frame *f) {
    if (events.count < EVENTS)
        events.at[events.count] = (struct event){f->eip, read_dr6(), f->eflags, f->cs & 0xffff};
    events.count++;
    write_dr6(DR6_CLEAR);
    if (set_rf)
        f->eflags |= FLAG_RF;
    return true;
}

struct trap debug_run(const void *code, const struct regs *in, u32 dr7) {
    struct trap t;
    events.count = 0;
    hook_set(VEC_DB, record);
    write_dr6(DR6_CLEAR);
    write_dr7(DR7_CLEAR | dr7);
    exec(code, in, &t);
    write_dr7(DR7_CLEAR);
    return t;
}

void check_event(unsigned n, const void *eip, u32 dr6, const char *file, int line) {
    if (n >= events.count) {
        check_equal("a #DB is missing: number", n, events.count, file, line);
        return;
    }
    check_equal("EIP of a #DB", events.at[n].eip, (u32)eip, file, line);
    check_equal("DR6", events.at[n].dr6, DR6_CLEAR | dr6, file, line);
}

TEST(fixed_bits) {
    write_dr6(0xffffffff);
    CHECK_EQ("DR6", read_dr6() | 0xf000, 0xffffffff); // BLD and RTM may be writable on some
    write_dr6(0);
    CHECK_EQ("DR6", read_dr6(), DR6_CLEAR);
    write_dr7(0);
    CHECK_EQ("DR7", read_dr7(), DR7_CLEAR);
    write_dr0(0x12345678);
    write_dr1(0xffffffff);
    write_dr2(0);
    write_dr3(0x80000000);
    CHECK_EQ("DR0", read_dr0(), 0x12345678);
    CHECK_EQ("DR1", read_dr1(), 0xffffffff);
    CHECK_EQ("DR2", read_dr2(), 0);
    CHECK_EQ("DR3", read_dr3(), 0x80000000);
}

SNIPPET(t_to, "", "mov %eax, %dr0")
SNIPPET(t_from, "", "mov %dr7, %eax")
SNIPPET(t_dr4, "", ".byte 0x0f, 0x21, 0xe0") // mov %dr4, %eax
SNIPPET(t_dr5, "", ".byte 0x0f, 0x21, 0xe8")

TEST(privilege) {
    EXPECT_FAULT_RING(3, t_to, VEC_GP, 0);
    EXPECT_FAULT_RING(3, t_from, VEC_GP, 0);
}

TEST(dr4_and_dr5) {
    struct trap t;
    write_dr6(DR6_CLEAR | 5);
    t = exec_ring(t_dr4, 0);
    CHECK_EQ("DR4 is DR6", t.r.eax, DR6_CLEAR | 5);
    t = exec_ring(t_dr5, 0);
    CHECK_EQ("DR5 is DR7", t.r.eax, DR7_CLEAR);
    write_dr6(DR6_CLEAR);
    write_cr4(read_cr4() | CR4_DE);
    EXPECT_FAULT(t_dr4, VEC_UD, 0);
    EXPECT_FAULT(t_dr5, VEC_UD, 0);
}

SNIPPET(t_detect, "nop\n t_detect_1: mov %dr6, %eax", "mov %dr7, %ebx")
extern u8 t_detect_1[];

TEST(general_detect) { // a fault; DR7.GD goes, so that the handler may read
    struct regs r = regs_for(0);
    if (under_qemu())
        return;
    struct trap t = debug_run(t_detect, &r, DR7_GD);
    CHECK_DONE("end", t);
    CHECK_EVENTS(1);
    CHECK_EVENT(0, t_detect_1, DR6_BD);
    CHECK_EQ("RF pushed", events.at[0].eflags & FLAG_RF, FLAG_RF);
    CHECK_EQ("DR7", t.r.ebx, DR7_CLEAR);
}

SNIPPET(t_icebp, "nop\n .byte 0xf1\n t_icebp_1: nop", "nop")
extern u8 t_icebp_1[];

TEST(icebp) {         // a trap that sets nothing in DR6, whatever the gate's DPL
    if (under_qemu()) // #UD
        return;
    for (unsigned ring = 0; ring <= 3; ring += 3) {
        struct regs r = regs_for(ring);
        struct trap t = debug_run(t_icebp, &r, 0);
        CHECK_DONE("end", t);
        CHECK_EVENTS(1);
        CHECK_EVENT(0, t_icebp_1, 0);
    }
}
