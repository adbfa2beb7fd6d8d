// PUSHF and POPF at rings 0 and 3 with every IOPL: which bits they show and change, and what a fault leaves.
#include "kit.h"

SNIPPET(f_pushf, "", "pushf")
SNIPPET(f_pushfw, "", "pushfw")
SNIPPET(f_popf, "", "popf")
SNIPPET(f_popfw, "", "popfw")

enum { VM = 1 << 17, VIF = 1 << 19, VIP = 1 << 20, ID = 1 << 21, LIVE = FLAGS_ARITH | FLAG_DF };

static void mask_interrupts(void) {
    outb(0x21, 0xff);
    outb(0xa1, 0xff);
}

TEST(pushf_shows) {
    mask_interrupts();
    for (unsigned ring = 0; ring <= 3; ring += 3)
        for (u32 iopl = 0; iopl < 4; iopl++)
            for (u32 set = 0; set < 2; set++) {
                struct regs r = pattern(ring);
                r.eflags = FLAG_ONE | iopl << 12 | (set ? LIVE | FLAG_IF | FLAG_NT | FLAG_AC | ID : 0);
                u32 *top = (u32 *)r.esp - 1;
                *top = 0xeeeeeeee;
                // NT does not come in by exec's IRET, which would switch tasks.
                r.eflags &= ~FLAG_NT;
                struct trap t = runs("pushf", f_pushf, &r, STACK);
                CHECK_EQ("esp", t.r.esp, r.esp - 4);
                if (ring)
                    CHECK_EQ("value", *top, r.eflags);
                t = runs("pushfw", f_pushfw, &r, STACK);
                CHECK_EQ("esp", t.r.esp, r.esp - 2);
                if (ring) {
                    *top = 0xeeeeeeee;
                    runs("pushfw", f_pushfw, &r, STACK);
                    CHECK_EQ("value", *top, r.eflags << 16 | 0xeeee);
                }
            }
}

static u32 popped(unsigned ring, u32 before, u32 value, bool word) {
    struct regs r = pattern(ring);
    u32 bytes = word ? 2 : 4;
    r.eflags = before | FLAG_ONE;
    r.esp -= 64;
    *(u32 *)r.esp = value;
    struct trap t = runs("popf", word ? f_popfw : f_popf, &r, STACK | ALL_FLAGS);
    CHECK_EQ("esp", t.r.esp, r.esp + bytes);
    return t.r.eflags;
}

TEST(popf_changes) { // SDM vol. 2, POPF, table 4-16
    mask_interrupts();
    const u32 all = 0xffffffff & ~(u32)(FLAG_TF | FLAG_NT), upper = FLAG_AC | ID;
    for (unsigned ring = 0; ring <= 3; ring += 3)
        for (u32 iopl = 0; iopl < 4; iopl++) {
            u32 mask = LIVE | (ring == 0 ? FLAG_IOPL : 0) | (ring <= iopl ? FLAG_IF : 0);
            u32 now = iopl << 12;
            CHECK_EQ("sets", popped(ring, now, all, false), FLAG_ONE | now | mask | upper);
            CHECK_EQ("sets a word", popped(ring, now, all, true), FLAG_ONE | now | mask);
            now |= LIVE | FLAG_IF | upper;
            CHECK_EQ("clears", popped(ring, now, 0, false), FLAG_ONE | (now & ~(mask | upper)));
            CHECK_EQ("clears a word", popped(ring, now, 0, true), FLAG_ONE | (now & ~mask));
        }
}

TEST(faults_of_pushf_and_popf) {
    paged();
    for (unsigned ring = 0; ring <= 3; ring += 3) {
        struct regs r = pattern(ring);
        u32 user = ring ? PF_U : 0;
        if (!ring)
            continue; // at ring 0 the handler would need that stack: guest exceptions, double.c
        r.esp = MISSING + 4096;
        page_faults("pushf", f_pushf, &r, PF_W | user, MISSING + 4092);
        r.esp = MISSING;
        page_faults("popf", f_popf, &r, user, MISSING);
        r.esp = MISSING - 2;
        page_faults("popf across", f_popf, &r, user | (under_qemu() ? 0 : 0), MISSING);
    }
    if (under_qemu())
        return;
    gdt_set(SEL_FREE, (u32)user_buffer, 255, SEG_DATA | SEG_DPL3, SEG_D);
    struct regs r = pattern(3);
    r.ss = SEL_FREE | 3;
    r.esp = 2;
    faults("no room", f_pushf, &r, VEC_SS, 0);
    r.esp = 254;
    faults("nothing there", f_popf, &r, VEC_SS, 0);
    struct trap t = runs("a word", f_popfw, &r, STACK | ALL_FLAGS);
    CHECK_EQ("esp", t.r.esp, 256);
}
