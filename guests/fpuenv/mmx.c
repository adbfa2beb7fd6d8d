// MMX registers are the x87 registers' mantissas: aliasing, tags, TOP, EMMS (SDM vol. 1, 9.2, 9.5.1; vol. 3A, 12.2).
#include "env.h"

TEST(aliasing) {
    if (under_qemu()) // TCG does not set the exponent, nor detects stack overflow
        return;
    struct env e;
    u8 st0[10];
    u64 value = 0x0123456789abcdefull;
    fpu_init();
    __asm__ volatile("fld1\n fld1\n fld1"); // TOP 5
    __asm__ volatile("movq %0, %%mm0" ::"m"(value));
    e = env_get();
    CHECK_EQ("TOP", e.fsw >> 11 & 7, 0);
    // MM0 is R0, with an exponent of all ones: special. R5 to R7 hold 1; all are valid for MMX.
    CHECK_EQ("R0", e.ftw & 3, 2);
    CHECK_EQ("R7 valid", e.ftw >> 14 & 3, 0);
    CHECK_EQ("no register empty", ((e.ftw & 0xffff) & (e.ftw >> 1) & 0x5555), 0);
    __asm__ volatile("fstpt %0" : "=m"(st0));
    CHECK_EQ("exponent", st0[8] | st0[9] << 8, 0xffff);
    CHECK_EQ("low", *(u32 *)st0, (u32)value);
    CHECK_EQ("high", *(u32 *)(st0 + 4), (u32)(value >> 32));
    fpu_init();
}

TEST(reads_too) {     // any MMX instruction clears TOP and tags everything valid, EMMS everything empty
    if (under_qemu()) // TCG does not set the exponent, nor detects stack overflow
        return;
    struct env e;
    u64 value;
    fpu_init();
    __asm__ volatile("fld1\n movq %%mm7, %0" : "=m"(value));
    CHECK_EQ("mantissa of R7", (u32)(value >> 32), 0x80000000);
    e = env_get();
    CHECK_EQ("TOP", e.fsw >> 11 & 7, 0);
    CHECK_EQ("R7", e.ftw >> 14 & 3, 0);
    CHECK_EQ("none empty", (e.ftw & 0xffff) & (e.ftw >> 1) & 0x5555, 0);
    __asm__ volatile("emms");
    e = env_get();
    CHECK_EQ("empty", e.ftw, 0xffffffff);
    CHECK_EQ("TOP", e.fsw >> 11 & 7, 0);
    // The registers' contents stay.
    __asm__ volatile("movq %%mm7, %0" : "=m"(value));
    CHECK_EQ("mantissa kept", (u32)(value >> 32), 0x80000000);
    __asm__ volatile("emms");
    fpu_init();
}

TEST(x87_behind_mmx) { // an x87 load after MMX without EMMS overflows the stack
    if (under_qemu())  // TCG does not set the exponent, nor detects stack overflow
        return;
    u16 status;
    fpu_init();
    __asm__ volatile("pxor %mm0, %mm0\n fld1");
    status = fpu_status();
    CHECK_EQ("overflow", status & (FSW_IE | FSW_SF | 0x200), FSW_IE | FSW_SF | 0x200);
    fpu_init();
}

TEST(pointers_stay) {
    struct env before, after;
    fpu_init();
    __asm__ volatile("fld1");
    before = env_get();
    __asm__ volatile("pxor %mm1, %mm1\n paddb %mm2, %mm1\n emms");
    after = env_get();
    CHECK_EQ("FIP", after.fip, before.fip);
    fpu_init();
}
