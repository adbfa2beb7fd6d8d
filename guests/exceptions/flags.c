// Which flags POPF, CLI, STI, PUSHF may change and show at each ring and IOPL (SDM vol. 2, POPF; table 4-16).
#include "exec.h"

SNIPPET(g_popf, "push %eax\n popf\n pushf\n pop %ebx", "nop")
SNIPPET(g_popf16, "push %ax\n popfw\n pushf\n pop %ebx", "nop")
SNIPPET(g_cli, "", "cli")
SNIPPET(g_sti, "", "sti")
SNIPPET(g_after_cli, "cli\n pushf\n pop %ebx", "nop")
SNIPPET(g_after_sti, "sti\n pushf\n pop %ebx", "nop")
SNIPPET(g_pushf, "pushf\n pop %ebx", "nop")

static u32 after(const u8 *code, unsigned ring, u32 flags, u32 value) {
    struct regs r = regs_for(ring);
    struct trap t;
    outb(0x21, 0xff);
    outb(0xa1, 0xff);
    r.eflags |= flags;
    r.eax = value;
    exec(code, &r, &t);
    CHECK_DONE("ran", t);
    return t.r.ebx;
}

enum { SYSTEM = FLAG_IF | FLAG_IOPL };

TEST(popf_arithmetic) {
    for (unsigned ring = 0; ring <= 3; ring += 3) {
        CHECK_EQ("all", after(g_popf, ring, 0, FLAGS_ARITH | FLAG_DF), FLAGS_ARITH | FLAG_DF | FLAG_ONE);
        CHECK_EQ("none", after(g_popf, ring, FLAGS_ARITH | FLAG_DF, 0), FLAG_ONE);
        CHECK_EQ("reserved bits are fixed", after(g_popf, ring, 0, 0x802a) & 0x802a, FLAG_ONE);
        CHECK_EQ("AC", after(g_popf, ring, 0, FLAG_AC) & FLAG_AC, FLAG_AC);
        CHECK_EQ("ID", after(g_popf, ring, 0, 1 << 21) >> 21 & 1, 1);
        CHECK_EQ("VIF and VIP are cleared", after(g_popf, ring, 0, 3 << 19) >> 19 & 3, 0);
        CHECK_EQ("VM is not changed", after(g_popf, ring, 0, 1 << 17) >> 17 & 1, 0);
        CHECK_EQ("RF is cleared", after(g_popf, ring, 0, FLAG_RF) & FLAG_RF, 0);
        CHECK_EQ("upper half kept", after(g_popf16, ring, FLAG_AC, FLAG_CF), FLAG_AC | FLAG_CF | FLAG_ONE);
        CHECK_EQ("NT", after(g_popf, ring, 0, FLAG_NT) & FLAG_NT, FLAG_NT);
    }
}

TEST(popf_system) { // IF needs CPL <= IOPL, IOPL needs CPL 0; silently kept otherwise
    for (u32 iopl = 0; iopl < 4; iopl++) {
        u32 now = iopl << 12;
        CHECK_EQ("ring 0", after(g_popf, 0, now, SYSTEM) & SYSTEM, SYSTEM);
        CHECK_EQ("ring 0 clears", after(g_popf, 0, now | FLAG_IF, 0) & SYSTEM, 0);
        CHECK_EQ("ring 0, 16 bits", after(g_popf16, 0, now, SYSTEM) & SYSTEM, SYSTEM);
        u32 user = iopl == 3 ? FLAG_IF : 0;
        CHECK_EQ("ring 3", after(g_popf, 3, now, SYSTEM) & SYSTEM, now | user);
        CHECK_EQ("ring 3, 16 bits", after(g_popf16, 3, now, SYSTEM) & SYSTEM, now | user);
        CHECK_EQ("ring 3 clears", after(g_popf, 3, now | FLAG_IF, 0) & SYSTEM, now | (user ? 0 : FLAG_IF));
    }
}

TEST(cli_sti) {
    for (u32 iopl = 0; iopl < 4; iopl++) {
        struct regs r = regs_for(3);
        struct trap t;
        r.eflags |= iopl << 12;
        exec(g_cli, &r, &t);
        CHECK_EQ("cli", t.vector, iopl == 3 ? EXEC_DONE : VEC_GP);
        exec(g_sti, &r, &t);
        CHECK_EQ("sti", t.vector, iopl == 3 ? EXEC_DONE : VEC_GP);
    }
    CHECK_EQ("off", after(g_after_cli, 0, FLAG_IF, 0) & FLAG_IF, 0);
    CHECK_EQ("on", after(g_after_sti, 0, 0, 0) & FLAG_IF, FLAG_IF);
    CHECK_EQ("off at ring 3", after(g_after_cli, 3, FLAG_IF | FLAG_IOPL, 0) & FLAG_IF, 0);
    CHECK_EQ("on at ring 3", after(g_after_sti, 3, FLAG_IOPL, 0) & FLAG_IF, FLAG_IF);
}

TEST(pushf_shows_the_guests_flags) {
    for (unsigned ring = 0; ring <= 3; ring += 3)
        for (u32 i = 0; i < 16; i++) {
            u32 flags = (i & 1 ? FLAG_IF : 0) | (i & 2 ? FLAG_IOPL : 0) | (i & 4 ? FLAG_AC : 0) |
                        (i & 8 ? FLAG_CF | FLAG_OF : 0);
            CHECK_EQ("pushf", after(g_pushf, ring, flags, 0), flags | FLAG_ONE);
        }
}
