// Control registers, LMSW, debug registers as state, LLDT and LTR, descriptor-table loads.
#include "exec.h"

SNIPPET(z_cr0, "", "mov %eax, %cr0")
SNIPPET(z_cr4, "", "mov %eax, %cr4")
SNIPPET(z_lmsw, "lmsw %ax", "smsw %ebx")
SNIPPET(z_cr1, "", ".byte 0x0f, 0x20, 0xc8")
SNIPPET(z_cr5, "", ".byte 0x0f, 0x20, 0xe8")
SNIPPET(z_lldt, "", "lldt %ax")
SNIPPET(z_ltr, "", "ltr %ax")
SNIPPET(z_lgdt16, "", "lgdtw (%esi)")
SNIPPET(z_fs_ldt, "mov $4, %eax", "mov %eax, %fs")
SNIPPET(z_fs, "", "mov %eax, %fs")

static struct trap with_eax(const u8 *code, u32 eax) {
    struct regs r = regs_for(0);
    struct trap t;
    r.eax = eax;
    r.esi = (u32)user_buffer;
    exec(code, &r, &t);
    return t;
}

TEST(cr0) {
    u32 cr0 = read_cr0();
    struct trap t;
    if (!under_qemu()) {
        t = with_eax(z_cr0, (cr0 & ~CR0_PE) | CR0_PG); // paging without protection
        CHECK_TRAP(t, VEC_GP, 0, z_cr0);
        t = with_eax(z_cr0, cr0 | 1u << 29); // NW without CD
        CHECK_TRAP(t, VEC_GP, 0, z_cr0);
    }
    CHECK_EQ("unchanged", read_cr0(), cr0);
    t = with_eax(z_cr0, cr0 | CR0_WP | CR0_AM | CR0_NE | CR0_MP);
    CHECK_DONE("WP AM NE MP", t);
    CHECK_EQ("kept", read_cr0(), cr0 | CR0_WP | CR0_AM | CR0_NE | CR0_MP);
    CHECK(read_cr0() & 1 << 4); // ET is always set
    write_cr0(cr0);
}

TEST(lmsw) { // sets PE, MP, EM, TS; cannot clear PE
    u32 cr0 = read_cr0();
    struct trap t = with_eax(z_lmsw, 0x000e);
    CHECK_DONE("lmsw", t);
    CHECK_EQ("MP EM TS", t.r.ebx & 0xf, 0xf);
    t = with_eax(z_lmsw, 0x0000);
    CHECK_EQ("PE stays", t.r.ebx & 0xf, 1);
    t = with_eax(z_lmsw, 0xfff1);
    CHECK_EQ("only four bits", read_cr0() & 0xffdf, (cr0 & 0xffd0) | 1);
    write_cr0(cr0);
}

TEST(cr4) {
    u32 cr4 = read_cr4();
    struct trap t;
    if (!under_qemu()) {
        t = with_eax(z_cr4, cr4 | 1u << 31); // reserved
        CHECK_TRAP(t, VEC_GP, 0, z_cr4);
        CHECK_EQ("unchanged", read_cr4(), cr4);
    }
    t = with_eax(z_cr4, cr4 | CR4_TSD);
    CHECK_DONE("TSD", t);
    CHECK_EQ("kept", read_cr4(), cr4 | CR4_TSD);
    write_cr4(cr4);
}

TEST(no_such_register) {
    EXPECT_FAULT(z_cr1, VEC_UD, 0);
    EXPECT_FAULT(z_cr5, VEC_UD, 0);
}

TEST(cr2_is_writable) {
    write_cr2(0x12345678);
    CHECK_EQ("CR2", read_cr2(), 0x12345678);
}

TEST(debug_registers) {
    for (u32 i = 0; i < 3; i++) {
        u32 v = 0x1000 * (i + 1);
        __asm__ volatile("mov %0, %%dr0; mov %1, %%dr1; mov %2, %%dr2; mov %3, %%dr3" ::"r"(v), "r"(v + 1), "r"(v + 2),
                         "r"(v + 3));
        u32 a, b, c, d;
        __asm__ volatile("mov %%dr0, %0; mov %%dr1, %1; mov %%dr2, %2; mov %%dr3, %3"
                         : "=r"(a), "=r"(b), "=r"(c), "=r"(d));
        CHECK_EQ("DR0", a, v);
        CHECK_EQ("DR1", b, v + 1);
        CHECK_EQ("DR2", c, v + 2);
        CHECK_EQ("DR3", d, v + 3);
    }
    u32 six, seven, four, five;
    __asm__ volatile("mov %2, %%dr6; mov %2, %%dr7; mov %%dr6, %0; mov %%dr7, %1" : "=r"(six), "=r"(seven) : "r"(0));
    CHECK_EQ("DR6", six, 0xffff0ff0);
    CHECK_EQ("DR7", seven, 0x400);
    __asm__ volatile("mov %%db4, %0; mov %%db5, %1"
                     : "=r"(four), "=r"(five)); // other names of 6 and 7 while CR4.DE is 0
    CHECK_EQ("DR4", four, six);
    CHECK_EQ("DR5", five, seven);
    __asm__ volatile("mov %0, %%dr0; mov %0, %%dr1; mov %0, %%dr2; mov %0, %%dr3" ::"r"(0));
}

TEST(lldt) {
    gdt_set(SEL_LDT, (u32)user_buffer, 15, SYS_LDT, 0);
    ((u64 *)user_buffer)[0] = descriptor(0x1000, 0xfff, SEG_DATA, SEG_D);
    struct trap t = with_eax(z_lldt, SEL_LDT);
    CHECK_DONE("lldt", t);
    t = exec_ring(z_fs_ldt, 0); // entry 0 of an LDT is an ordinary one
    CHECK_DONE("fs", t);
    t = with_eax(z_fs, 0x14); // beyond the limit
    CHECK_TRAP(t, VEC_GP, 0x14, z_fs);
    t = with_eax(z_lldt, 0);
    CHECK_DONE("null LDT", t);
    t = exec_ring(z_fs_ldt, 0);
    CHECK_TRAP(t, VEC_GP, 4, z_fs_ldt_at);
    t = with_eax(z_lldt, SEL_KDATA);
    CHECK_TRAP(t, VEC_GP, SEL_KDATA, z_lldt);
    t = with_eax(z_lldt, SEL_LDT | 4); // not in an LDT
    CHECK_TRAP(t, VEC_GP, SEL_LDT | 4, z_lldt);
    gdt_set(SEL_LDT, (u32)user_buffer, 15, SYS_LDT & ~SEG_P, 0);
    t = with_eax(z_lldt, SEL_LDT);
    CHECK_TRAP(t, VEC_NP, SEL_LDT, z_lldt);
    t = with_eax(z_lldt, 0x7f8);
    CHECK_TRAP(t, VEC_GP, 0x7f8, z_lldt);
}

TEST(ltr) {
    struct trap t = with_eax(z_ltr, SEL_TSS); // it is busy
    CHECK_TRAP(t, VEC_GP, SEL_TSS, z_ltr);
    gdt_set(SEL_TSS, (u32)&tss, sizeof tss - 1, SYS_TSS, 0);
    t = with_eax(z_ltr, SEL_TSS);
    CHECK_DONE("ltr", t);
    CHECK_EQ("busy now", (u32)(gdt[SEL_TSS >> 3] >> 40) & 0xff, SYS_TSS_BUSY);
    t = with_eax(z_ltr, 0);
    if (!under_qemu()) // it loads a null selector
        CHECK_TRAP(t, VEC_GP, 0, z_ltr);
    gdt_set(SEL_FREE, (u32)&tss, sizeof tss - 1, SYS_TSS & ~SEG_P, 0);
    t = with_eax(z_ltr, SEL_FREE);
    CHECK_TRAP(t, VEC_NP, SEL_FREE, z_ltr);
}

TEST(lgdt_16) { // a 16-bit operand size loads 24 bits of the base
    user_buffer[0] = 0xff;
    user_buffer[1] = 0x01;
    u32 base = (u32)gdt | 0x77000000;
    memcpy(user_buffer + 2, &base, 4);
    struct trap t = with_eax(z_lgdt16, 0);
    CHECK_DONE("lgdtw", t);
    struct {
        u16 limit;
        u32 base;
    } __attribute__((packed)) now;
    __asm__ volatile("sgdt %0" : "=m"(now));
    CHECK_EQ("base", now.base, (u32)gdt);
    CHECK_EQ("limit", now.limit, 0x1ff);
}
