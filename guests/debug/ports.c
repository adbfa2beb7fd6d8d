// I/O breakpoints, which exist under CR4.DE: a trap behind IN, OUT, INS and OUTS. Intel SDM vol. 3B 17.2.4, 17.3.1.2.
#include "debug.h"

enum { PORT = 0x80 }; // POST codes: harmless

SNIPPET(t_ports,
        "outb %al, $0x80\n t_ports_1: inb $0x80, %al\n t_ports_2: outb %al, $0x81\n t_ports_3: outw %ax, $0x7f\n "
        "t_ports_4: nop",
        "nop")
extern u8 t_ports_1[], t_ports_2[], t_ports_3[], t_ports_4[];

TEST(io) {
    struct regs r = regs_for(0);
    struct trap t;
    write_cr4(read_cr4() | CR4_DE);
    write_dr0(PORT);
    t = debug_run(t_ports, &r, dr7_bits(0, RW_IO, LEN1));
    CHECK_DONE("end", t);
    CHECK_EVENTS(3);
    CHECK_EVENT(0, t_ports_1, 1);
    CHECK_EVENT(1, t_ports_2, 1);
    CHECK_EVENT(2, t_ports_4, 1);
    t = debug_run(t_ports, &r, dr7_bits(0, RW_IO, LEN2));
    CHECK_EVENTS(4);
    CHECK_EVENT(2, t_ports_3, 1);
}

TEST(io_needs_de) {
    struct regs r = regs_for(0);
    if (under_qemu()) // does not ask for CR4.DE
        return;
    write_dr0(PORT);
    struct trap t = debug_run(t_ports, &r, dr7_bits(0, RW_IO, LEN1));
    CHECK_DONE("end", t);
    CHECK_EVENTS(0);
}

SNIPPET(t_outs, "", "rep outsb")

TEST(string_io) {
    struct regs r = regs_for(0);
    if (under_qemu()) // traps behind the last iteration only
        return;
    r.esi = (u32)user_buffer;
    r.edx = PORT;
    r.ecx = 5;
    write_cr4(read_cr4() | CR4_DE);
    write_dr2(PORT);
    struct trap t = debug_run(t_outs, &r, dr7_bits(2, RW_IO, LEN1));
    CHECK_DONE("end", t);
    CHECK_EVENTS(5);
    CHECK_EVENT(0, t_outs_at, 4);
    CHECK_EVENT(4, t_outs_end, 4);
}
