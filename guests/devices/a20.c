// The A20 gate: with it closed, address bit 20 reads as 0, for port 92h and for the keyboard controller. The code that
// runs meanwhile, its stack and data lie below 1 MiB.
#include "pc.h"

// ESI = an address with bit 20 set; EAX = what is read there with the gate closed; ECX is written to 4(%esi) then.
SNIPPET(a20_port92,
        "in $0x92, %al\n mov %al, %bl\n and $0xfd, %al\n out %al, $0x92\n mov (%esi), %edi\n mov %ecx, 4(%esi)\n mov "
        "%bl, %al\n or $2, %al\n out %al, $0x92\n mov %edi, %eax",
        "nop")

enum { HIGH = 0x01f00500, ALIAS = 0x01e00500, LOW_CODE = 0x7000, LOW_STACK = 0x8000 };

TEST(port_92) {
    for (unsigned again = 0; again < 3; again++) {
        *(volatile u32 *)HIGH = 0x1111;
        *(volatile u32 *)ALIAS = 0x2222;
        *(volatile u32 *)(HIGH + 4) = 0;
        *(volatile u32 *)(ALIAS + 4) = 0;
        memcpy((void *)LOW_CODE, a20_port92, (u32)(a20_port92_end - a20_port92) + 2);
        struct regs r = regs_for(0);
        struct trap t;
        r.esp = LOW_STACK;
        r.esi = HIGH;
        r.ecx = 0x3333 + again;
        exec((void *)LOW_CODE, &r, &t);
        CHECK_DONE("ran", t);
        CHECK_EQ("closed: bit 20 is 0", t.r.eax, 0x2222);
        CHECK_EQ("written to the alias", *(volatile u32 *)(ALIAS + 4), 0x3333 + again);
        CHECK_EQ("not here", *(volatile u32 *)(HIGH + 4), 0);
        CHECK_EQ("open again", *(volatile u32 *)HIGH, 0x1111);
    }
}
