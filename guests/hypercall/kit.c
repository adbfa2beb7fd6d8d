#include "kit.h"

SNIPPET(kit_vmcall, "", "vmcall")

struct answer call(u32 number, u32 ebx, u32 ecx, u32 edx) {
    struct answer a;
    __asm__ volatile("vmcall"
                     : "=a"(a.status), "=b"(a.ebx), "=c"(a.ecx)
                     : "0"(number), "1"(ebx), "2"(ecx), "d"(edx)
                     : "memory");
    return a;
}

s32 call_alone(u32 number, u32 ebx, u32 ecx, u32 edx) {
    struct regs r = regs_for(0);
    struct trap t;
    r.eax = number;
    r.ebx = ebx;
    r.ecx = ecx;
    r.edx = edx;
    r.esi = 0x12345678;
    r.edi = 0x9abcdef0;
    r.ebp = 0x0badcafe;
    r.eflags |= FLAGS_ARITH;
    exec(kit_vmcall, &r, &t);
    CHECK_DONE("vmcall", t);
    CHECK_EQ("ebx", t.r.ebx, ebx);
    CHECK_EQ("ecx", t.r.ecx, ecx);
    CHECK_EQ("edx", t.r.edx, edx);
    CHECK_EQ("esi", t.r.esi, r.esi);
    CHECK_EQ("edi", t.r.edi, r.edi);
    CHECK_EQ("ebp", t.r.ebp, r.ebp);
    CHECK_EQ("esp", t.r.esp, r.esp);
    CHECK_EQ("flags", t.r.eflags, r.eflags);
    return (s32)t.r.eax;
}

u64 clock_now(void) {
    struct answer a = call(RINGSHADE_CALL_CLOCK, 0, 0, 0);
    CHECK_EQ("clock", a.status, 0);
    return (u64)a.ecx << 32 | a.ebx;
}
