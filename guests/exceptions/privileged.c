// Instructions that only ring 0 may execute: #GP(0) at ring 3, with nothing changed; and the sensitive ones that do not
// trap there, which must show the virtual machine's state.
#include "exec.h"

SNIPPET(p_hlt, "", "hlt")
SNIPPET(p_lgdt, "", "lgdt (%esi)")
SNIPPET(p_lidt, "", "lidt (%esi)")
SNIPPET(p_lldt, "", "lldt %ax")
SNIPPET(p_ltr, "", "ltr %ax")
SNIPPET(p_lmsw, "", "lmsw %ax")
SNIPPET(p_clts, "", "clts")
SNIPPET(p_invd, "", "invd")
SNIPPET(p_wbinvd, "", "wbinvd")
SNIPPET(p_invlpg, "", "invlpg (%esi)")
SNIPPET(p_rdmsr, "", "rdmsr")
SNIPPET(p_wrmsr, "", "wrmsr")
SNIPPET(p_from_cr0, "", "mov %cr0, %eax")
SNIPPET(p_from_cr2, "", "mov %cr2, %ebx")
SNIPPET(p_from_cr3, "", "mov %cr3, %eax")
SNIPPET(p_from_cr4, "", "mov %cr4, %eax")
SNIPPET(p_to_cr0, "", "mov %eax, %cr0")
SNIPPET(p_to_cr3, "", "mov %eax, %cr3")
SNIPPET(p_to_cr4, "", "mov %eax, %cr4")
SNIPPET(p_from_dr, "", "mov %dr7, %eax")
SNIPPET(p_to_dr, "", "mov %eax, %dr0")
SNIPPET(p_cli, "", "cli")
SNIPPET(p_sti, "", "sti")
SNIPPET(p_in, "", "inb $0x80, %al")
SNIPPET(p_out, "", "outb %al, $0x80")
SNIPPET(p_in_dx, "", "inl %dx, %eax")
SNIPPET(p_out_dx, "", "outw %ax, %dx")

TEST(refused_at_ring_3) {
    static const u8 *const all[] = {p_hlt,      p_lgdt,     p_lidt,   p_lldt,   p_ltr,    p_lmsw,     p_clts,
                                    p_invd,     p_wbinvd,   p_invlpg, p_rdmsr,  p_wrmsr,  p_from_cr0, p_from_cr2,
                                    p_from_cr3, p_from_cr4, p_to_cr0, p_to_cr3, p_to_cr4, p_from_dr,  p_to_dr,
                                    p_cli,      p_sti,      p_in,     p_out,    p_in_dx,  p_out_dx};
    for (unsigned i = 0; i < sizeof all / sizeof *all; i++)
        for (unsigned ring = 1; ring <= 3; ring += 2) {
            if (ring == 1 && (all[i] == p_cli || all[i] == p_sti))
                continue;
            struct regs r = regs_for(3);
            struct trap t;
            if (ring == 1) { // ring 1 is not ring 0 either
                gdt_set(SEL_FREE, 0, 0xfffff, SEG_CODE | dpl(1), SEG_G | SEG_D);
                gdt_set(SEL_FREE + 8, 0, 0xfffff, SEG_DATA | dpl(1), SEG_G | SEG_D);
                r.cs = SEL_FREE | 1;
                r.ss = r.ds = r.es = r.fs = r.gs = (SEL_FREE + 8) | 1;
            }
            r.esi = (u32)user_buffer;
            r.eax = 0x12345678;
            r.edx = 0x80;
            exec(all[i], &r, &t);
            if (!CHECK_TRAP(t, VEC_GP, 0, all[i]))
                print("     instruction %u at ring %u\n", i, ring);
            CHECK_EQ("eax", t.r.eax, r.eax);
        }
}

// SGDT SIDT SLDT STR SMSW do not trap at ring 3 (without UMIP) and tell the guest's own tables.
SNIPPET(s_sgdt, "", "sgdt (%esi)")
SNIPPET(s_sidt, "", "sidt (%esi)")
SNIPPET(s_sldt, "", "sldt %eax")
SNIPPET(s_sldt16, "", "sldt %ax")
SNIPPET(s_sldt_mem, "", "sldt (%esi)")
SNIPPET(s_str, "", "str %eax")
SNIPPET(s_smsw, "", "smsw %eax")
SNIPPET(s_smsw16, "", "smsw %ax")
SNIPPET(s_smsw_mem, "", "smsw (%esi)")

TEST(stores_of_system_registers) {
    gdt_set(SEL_LDT, (u32)user_buffer, 63, SYS_LDT, 0);
    __asm__ volatile("lldt %w0" ::"r"(SEL_LDT));
    for (unsigned ring = 0; ring <= 3; ring += 3) {
        struct regs r = regs_for(ring);
        struct trap t;
        r.esi = (u32)user_buffer + 100;
        r.eax = 0xaaaaaaaa;
        memset(user_buffer, 0xee, 200);
        exec(s_sgdt, &r, &t);
        CHECK_DONE("sgdt", t);
        CHECK_EQ("limit", *(u16 *)(user_buffer + 100), GDT_ENTRIES * 8 - 1);
        CHECK_EQ("base", *(u32 *)(user_buffer + 102), (u32)gdt);
        CHECK_EQ("beyond", user_buffer[106], 0xee);
        exec(s_sidt, &r, &t);
        CHECK_DONE("sidt", t);
        CHECK_EQ("limit", *(u16 *)(user_buffer + 100), 256 * 8 - 1);
        CHECK_EQ("base", *(u32 *)(user_buffer + 102), (u32)idt);
        exec(s_sldt, &r, &t);
        CHECK_EQ("sldt", t.r.eax & 0xffff, SEL_LDT);
        exec(s_sldt16, &r, &t);
        CHECK_EQ("sldt 16", t.r.eax, 0xaaaa0000 | SEL_LDT);
        memset(user_buffer, 0xee, 200);
        exec(s_sldt_mem, &r, &t);
        CHECK_EQ("sldt memory: a word", *(u32 *)(user_buffer + 100), 0xeeee0000 | SEL_LDT);
        exec(s_str, &r, &t);
        CHECK_EQ("str", t.r.eax & 0xffff, SEL_TSS);
        exec(s_smsw, &r, &t);
        CHECK_EQ("smsw", t.r.eax & 0xffff, read_cr0() & 0xffff);
        exec(s_smsw16, &r, &t);
        CHECK_EQ("smsw 16", t.r.eax, 0xaaaa0000 | (read_cr0() & 0xffff));
        memset(user_buffer, 0xee, 200);
        exec(s_smsw_mem, &r, &t);
        CHECK_EQ("smsw memory: a word", *(u32 *)(user_buffer + 100), 0xeeee0000 | (read_cr0() & 0xffff));
    }
}

SNIPPET(k_rdtsc, "", "rdtsc")
SNIPPET(k_cpuid, "", "cpuid")

TEST(time_stamp_counter) {
    struct trap t = exec_ring(k_rdtsc, 3);
    CHECK_DONE("TSD clear", t);
    write_cr4(read_cr4() | CR4_TSD);
    EXPECT_FAULT_RING(3, k_rdtsc, VEC_GP, 0);
    EXPECT_DONE_RING(0, k_rdtsc);
    write_cr4(read_cr4() & ~CR4_TSD);
    EXPECT_DONE_RING(3, k_rdtsc);
    u64 before = rdtsc();
    for (u32 i = 0; i < 1000; i++) {
        u64 now = rdtsc();
        if (now < before) {
            FAIL("time goes backwards");
            return;
        }
        before = now;
    }
}

TEST(cpuid) { // the same at both rings, and consistent
    u32 r[4];
    cpuid(0, r);
    CHECK(r[0] >= 1);
    cpuid(1, r);
    CHECK(r[3] & 1);       // FPU
    CHECK(r[3] >> 4 & 1);  // TSC
    CHECK(r[3] >> 8 & 1);  // CMPXCHG8B
    CHECK(r[3] >> 15 & 1); // CMOV
    struct regs in = regs_for(3);
    struct trap t;
    in.eax = 1;
    exec(k_cpuid, &in, &t);
    CHECK_DONE("ring 3", t);
    CHECK_EQ("edx", t.r.edx, r[3]);
    CHECK_EQ("eax", t.r.eax, r[0]);
}
