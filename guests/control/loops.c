// LOOP LOOPE LOOPNE JECXZ JCXZ with 32-bit and 16-bit counters, and branches over every distance form.
#include "exec.h"

SNIPPET(l_loop, "1: inc %eax", "loop 1b")
SNIPPET(l_loop16, "1: inc %eax", "addr16 loop 1b")
SNIPPET(l_loope, "1: inc %eax\n cmp %ebx, %ebx\n cmp $4, %eax\n setne %dl\n cmp $1, %dl", "loope 1b")
SNIPPET(l_loopne, "1: inc %eax\n cmp $4, %eax", "loopne 1b")
SNIPPET(l_loopne16, "1: inc %eax\n cmp $4, %eax", "addr16 loopne 1b")
SNIPPET(l_jecxz, "jecxz 1f\n or $1, %eax\n 1: or $2, %eax", "nop")
SNIPPET(l_jcxz, "jcxz 1f\n or $1, %eax\n 1: or $2, %eax", "nop")
SNIPPET(l_flags, "stc\n 1: dec %edx\n adc $0, %eax\n stc", "loop 1b")
SNIPPET(l_nested, "2: push %ecx\n mov $7, %ecx\n 1: inc %eax\n loop 1b\n pop %ecx", "loop 2b")

static struct trap run(const u8 *code, u32 ecx) {
    struct regs r = regs_for(3);
    struct trap t;
    r.ecx = ecx;
    r.edx = ecx;
    exec(code, &r, &t);
    return t;
}

static void expect(const char *name, const u8 *code, u32 ecx, u32 eax, u32 ecx_after) {
    check_context(name);
    for (unsigned again = 0; again < 2; again++) {
        struct trap t = run(code, ecx);
        CHECK_DONE(name, t);
        CHECK_EQ("eax", t.r.eax, eax);
        CHECK_EQ("ecx", t.r.ecx, ecx_after);
    }
}

TEST(loops) {
    expect("loop", l_loop, 1000, 1000, 0);
    expect("loop 1", l_loop, 1, 1, 0);
    expect("loop16", l_loop16, 0x55550003, 3, 0x55550000);
    expect("loop16 from 0", l_loop16, 0x12340000, 0x10000, 0x12340000);
    expect("loope ends by count", l_loope, 2, 2, 0);
    expect("loope ends by flag", l_loope, 20, 4, 16);
    expect("loopne ends by flag", l_loopne, 20, 4, 16);
    expect("loopne ends by count", l_loopne, 3, 3, 0);
    expect("loopne16", l_loopne16, 0x77770014, 4, 0x77770010);
    expect("flags live over loop", l_flags, 50, 50, 0);
    expect("nested", l_nested, 9, 63, 0);
}

TEST(counter_jumps) {
    expect("jecxz taken", l_jecxz, 0, 2, 0);
    expect("jecxz not taken", l_jecxz, 0x10000, 3, 0x10000);
    expect("jcxz taken", l_jcxz, 0x10000, 2, 0x10000);
    expect("jcxz not taken", l_jcxz, 0x8000, 3, 0x8000);
}
