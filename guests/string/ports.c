// INS and OUTS with the UART's scratch register, which keeps a byte, and with ports where nothing answers.
#include "exec.h"
#include "paging.h"

SNIPPET(p_outsb, "", "outsb")
SNIPPET(p_rep_outsb, "", "rep outsb")
SNIPPET(p_rep_outsw, "", "rep outsw")
SNIPPET(p_rep_outsl, "", "rep outsl")
SNIPPET(p_insb, "", "insb")
SNIPPET(p_rep_insb, "", "rep insb")
SNIPPET(p_rep_insw, "", "rep insw")
SNIPPET(p_rep_insl, "", "rep insl")
SNIPPET(p_fs_outsb, "", "outsb %fs:(%esi), %dx")

enum { SCRATCH = 0x3ff, POST = 0x80, NOTHING = 0x2f0 };

static struct regs port_regs(u16 port, u32 at, u32 count) {
    struct regs r = regs_for(0);
    r.edx = 0xabcd0000 | port;
    r.esi = r.edi = at;
    r.ecx = count;
    return r;
}

TEST(outs_and_ins) {
    struct regs r = port_regs(SCRATCH, (u32)user_buffer, 5);
    struct trap t;
    memcpy(user_buffer, "\x11\x22\x33\x44\x55\x66\x77", 8);
    exec(p_outsb, &r, &t);
    CHECK_DONE("outsb", t);
    CHECK_EQ("esi", t.r.esi, r.esi + 1);
    CHECK_EQ("ecx", t.r.ecx, 5);
    CHECK_EQ("port", inb(SCRATCH), 0x11);
    exec(p_rep_outsb, &r, &t);
    CHECK_DONE("rep outsb", t);
    CHECK_EQ("esi", t.r.esi, r.esi + 5);
    CHECK_EQ("ecx", t.r.ecx, 0);
    CHECK_EQ("port", inb(SCRATCH), 0x55);
    r.eflags |= FLAG_DF;
    r.esi += 6;
    exec(p_rep_outsb, &r, &t);
    CHECK_DONE("down", t);
    CHECK_EQ("esi", t.r.esi, r.esi - 5);
    CHECK_EQ("port", inb(SCRATCH), 0x33);

    r = port_regs(SCRATCH, (u32)user_buffer + 64, 7);
    memset(user_buffer + 64, 0, 16);
    exec(p_insb, &r, &t);
    CHECK_DONE("insb", t);
    CHECK_EQ("byte", user_buffer[64], 0x33);
    CHECK_EQ("edi", t.r.edi, r.edi + 1);
    exec(p_rep_insb, &r, &t);
    CHECK_DONE("rep insb", t);
    CHECK_EQ("edi", t.r.edi, r.edi + 7);
    CHECK_EQ("last", user_buffer[70], 0x33);
    CHECK_EQ("beyond", user_buffer[71], 0);
}

TEST(wide) {
    struct regs r = port_regs(NOTHING, (u32)user_buffer, 3);
    struct trap t;
    memset(user_buffer, 0, 64);
    exec(p_rep_insw, &r, &t);
    CHECK_DONE("insw", t);
    CHECK_EQ("edi", t.r.edi, r.edi + 6);
    CHECK_EQ("all ones", *(u32 *)(user_buffer + 2), 0xffffffff);
    CHECK_EQ("beyond", *(u16 *)(user_buffer + 6), 0);
    exec(p_rep_insl, &r, &t);
    CHECK_DONE("insl", t);
    CHECK_EQ("edi", t.r.edi, r.edi + 12);
    CHECK_EQ("all ones", *(u32 *)(user_buffer + 8), 0xffffffff);
    r = port_regs(POST, (u32)user_buffer, 3);
    exec(p_rep_outsw, &r, &t);
    CHECK_DONE("outsw", t);
    CHECK_EQ("esi", t.r.esi, r.esi + 6);
    exec(p_rep_outsl, &r, &t);
    CHECK_DONE("outsl", t);
    CHECK_EQ("esi", t.r.esi, r.esi + 12);
}

TEST(ins_faults) { // the page is missing for the third byte
    struct space s = space_new(PAGING_32);
    space_identity(&s);
    u32 frame = page_alloc(1);
    space_map(&s, 0x50000000, frame, PTE_WS);
    space_enter(&s);
    outb(SCRATCH, 0x7e);
    struct regs r = port_regs(SCRATCH, 0x50000ffe, 6);
    struct trap t;
    exec(p_rep_insb, &r, &t);
    CHECK_PF(t, PF_W, 0x50001000, p_rep_insb_at);
    CHECK_EQ("ecx", t.r.ecx, 4);
    CHECK_EQ("edi", t.r.edi, 0x50001000);
    CHECK_EQ("written", *(u16 *)(frame + 0xffe), 0x7e7e);
    exec(p_rep_outsb, &r, &t);
    CHECK_PF(t, 0, 0x50001000, p_rep_outsb_at);
    CHECK_EQ("ecx", t.r.ecx, 4);
    CHECK_EQ("esi", t.r.esi, 0x50001000);
}

TEST(outs_override) {
    gdt_set(SEL_FREE, (u32)user_buffer + 16, 0xfffff, SEG_DATA, SEG_G | SEG_D);
    struct regs r = port_regs(SCRATCH, 4, 1);
    struct trap t;
    r.fs = SEL_FREE;
    user_buffer[20] = 0x6d;
    exec(p_fs_outsb, &r, &t);
    CHECK_DONE("outsb fs", t);
    CHECK_EQ("port", inb(SCRATCH), 0x6d);
    CHECK_EQ("esi", t.r.esi, 5);
}

TEST(ring_3_ports) { // IOPL 0 and no bitmap: #GP(0) before anything moves
    struct regs r = regs_for(3);
    struct trap t;
    r.edx = SCRATCH;
    r.esi = r.edi = (u32)user_buffer;
    r.ecx = 2;
    exec(p_rep_outsb, &r, &t);
    CHECK_TRAP(t, VEC_GP, 0, p_rep_outsb_at);
    exec(p_rep_insb, &r, &t);
    CHECK_TRAP(t, VEC_GP, 0, p_rep_insb_at);
    CHECK_EQ("ecx", t.r.ecx, 2);
    r.eflags |= FLAG_IOPL;
    exec(p_rep_outsb, &r, &t);
    CHECK_DONE("IOPL 3", t);
    CHECK_EQ("esi", t.r.esi, r.esi + 2);
}
