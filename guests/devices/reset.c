// Resets the machine by the keyboard controller, then by port 92h, and passes when it comes up the third time. A byte
// of CMOS memory, which a reset leaves alone, counts.
#include "pc.h"

enum { STAGE = 0x44, MAGIC = 0x50 };

void main(void) {
    u8 stage = rtc_read(STAGE);
    stage = (stage & 0xf0) == MAGIC ? stage & 0x0f : 0;
    print("stage %u\n", stage);
    if (stage < 2) {
        rtc_write(STAGE, (u8)(MAGIC | (stage + 1)));
        if (stage == 0)
            outb(0x64, 0xfe);
        else
            outb(0x92, (u8)(inb(0x92) | 1));
        for (u32 i = 0; i < 100000000; i++)
            barrier();
        FAIL("still running after the reset");
    }
    rtc_write(STAGE, 0);
    u32 r[4];
    cpuid(0, r);
    CHECK(r[0] > 0);
    CHECK_EQ("paging is off", read_cr0() & CR0_PG, 0);
}
