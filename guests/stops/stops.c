// Ends in the way that the command line names, for the exit status of the monitor: halt, reset, triple, loop, exit=N,
// or triple=WAY (triple.c).
#include "pc.h"

SNIPPET(bad_idt, "lidt (%esi)", "int3")

void triple(void);

void main(void) {
    if (option("halt")) {
        print("halting\n");
        __asm__ volatile("cli; hlt");
    }
    if (option("reset"))
        outb(0x64, 0xfe);
    if (option("triple")) {
        struct regs r = regs_for(0);
        struct trap t;
        r.esi = (u32)user_buffer; // six zero bytes: an IDT of one byte
        exec(bad_idt, &r, &t);
    }
    triple();
    if (option("loop"))
        for (;;)
            barrier();
    if (option("exit=5"))
        guest_exit(5);
    if (option("exit=127"))
        guest_exit(127);
    for (volatile u32 i = 0; i < 50000000 && option("reset"); i++)
        ;
    guest_exit(0);
}
