// SGDT SIDT SLDT STR SMSW: they show the guest's own registers at every privilege, change no flag, and write nothing
// when they fault.
#include "kit.h"

SNIPPET(s_sgdt, "", "sgdt (%esi)")
SNIPPET(s_sidt, "", "sidt (%esi)")
SNIPPET(s_sgdt16, "", "data16 sgdt (%esi)")
SNIPPET(s_sidt16, "", "data16 sidt (%esi)")
SNIPPET(s_sldt, "", "sldt %eax")
SNIPPET(s_sldt16, "", "sldt %ax")
SNIPPET(s_sldt_mem, "", "sldt (%esi)")
SNIPPET(s_sldt_mem32, "", ".byte 0x0f, 0x00, 0x06")
SNIPPET(s_str, "", "str %eax")
SNIPPET(s_str16, "", "str %ax")
SNIPPET(s_str_mem, "", "str (%esi)")
SNIPPET(s_smsw, "", "smsw %eax")
SNIPPET(s_smsw16, "", "smsw %ax")
SNIPPET(s_smsw_mem, "", "smsw (%esi)")
SNIPPET(s_sgdt_reg, "", ".byte 0x0f, 0x01, 0xc7") // no form with a register
SNIPPET(s_sidt_reg, "", ".byte 0x0f, 0x01, 0xcf")
SNIPPET(s_sgdt_fs, "", "sgdt %fs:(%ebx)")
SNIPPET(s_str_fs, "", "str %fs:(%ebx)")

struct image {
    u16 limit;
    u32 base;
    u16 beyond;
} __attribute__((packed));

static void table(const char *name, const u8 *code, u32 base, u32 limit) {
    for (unsigned ring = 0; ring <= 3; ring += 3) {
        struct regs r = pattern(ring);
        memset(user_buffer, 0xee, 256);
        runs(name, code, &r, NOTHING);
        const struct image *image = (const struct image *)(user_buffer + 64);
        CHECK_EQ("limit", image->limit, limit);
        CHECK_EQ("base", image->base, base);
        CHECK_EQ("six bytes", image->beyond, 0xeeee);
        CHECK_EQ("nothing before", user_buffer[63], 0xee);
    }
}

TEST(sgdt_sidt) {
    table("sgdt", s_sgdt, (u32)gdt, GDT_ENTRIES * 8 - 1);
    table("sidt", s_sidt, (u32)idt, 256 * 8 - 1);
    if (under_qemu()) // it stores 24 bits
        return;
    u32 high = 0xfe000000; // a base above 16 MiB, which nothing uses while it is loaded
    table("sgdt, 16-bit operand", s_sgdt16, (u32)gdt, GDT_ENTRIES * 8 - 1);
    table("sidt, 16-bit operand", s_sidt16, (u32)idt, 256 * 8 - 1);
    struct image in = {0x7fff, high, 0}, out;
    __asm__ volatile("lgdt %1\n data16 sgdt %0\n lgdt %2"
                     : "=m"(out)
                     : "m"(in), "m"(*(struct image *)(user_buffer + 64)));
    gdt_load((u32)gdt, GDT_ENTRIES * 8 - 1);
    CHECK_EQ("all 32 bits", out.base, high);
}

TEST(sgdt_sidt_faults) {
    for (unsigned ring = 0; ring <= 3; ring += 3) {
        struct regs r = pattern(ring);
        faults("sgdt register", s_sgdt_reg, &r, VEC_UD, 0);
        faults("sidt register", s_sidt_reg, &r, VEC_UD, 0);
    }
    paged();
    for (unsigned ring = 0; ring <= 3; ring += 3) {
        struct regs r = pattern(ring);
        u32 user = ring ? PF_U : 0;
        r.esi = MISSING;
        page_faults("sgdt", s_sgdt, &r, PF_W | user, MISSING);
        page_faults("sidt", s_sidt, &r, PF_W | user, MISSING);
        r.esi = READ_ONLY;
        page_faults("sgdt", s_sgdt, &r, PF_P | PF_W | user, READ_ONLY);
        if (under_qemu()) // it writes the limit first
            continue;
        for (u32 inside = 1; inside < 6; inside++) {
            r.esi = MISSING - inside;
            memset((void *)(MISSING - 16), 0xee, 16);
            page_faults("across", s_sgdt, &r, PF_W | user, MISSING);
            CHECK_EQ("nothing written", *(u8 *)(MISSING - inside), 0xee);
        }
    }
}

TEST(sgdt_limits) {
    if (under_qemu())
        return;
    struct regs r = pattern(3);
    gdt_set(SEL_FREE, (u32)user_buffer, 15, SEG_DATA | SEG_DPL3, SEG_D);
    r.fs = SEL_FREE | 3;
    r.ebx = 10;
    runs("inside", s_sgdt_fs, &r, NOTHING);
    r.ebx = 11;
    faults("one byte out", s_sgdt_fs, &r, VEC_GP, 0);
    r.ebx = 15;
    faults("str", s_str_fs, &r, VEC_GP, 0);
    gdt_set(SEL_FREE, (u32)user_buffer, 15, SEG_DATA_RO | SEG_DPL3, SEG_D);
    r.ebx = 0;
    faults("read-only", s_sgdt_fs, &r, VEC_GP, 0);
    faults("read-only", s_str_fs, &r, VEC_GP, 0);
    r.fs = 0;
    faults("null", s_sgdt_fs, &r, VEC_GP, 0);
}

static void word(const char *name, const u8 *wide, const u8 *narrow, const u8 *memory, u32 value, u32 value32) {
    for (unsigned ring = 0; ring <= 3; ring += 3) {
        struct regs r = pattern(ring);
        struct trap t = runs(name, wide, &r, EAX);
        CHECK_EQ("32-bit register", t.r.eax, value32);
        t = runs(name, narrow, &r, EAX);
        CHECK_EQ("16-bit register", t.r.eax, (r.eax & 0xffff0000) | value);
        memset(user_buffer, 0xee, 256);
        runs(name, memory, &r, NOTHING);
        CHECK_EQ("memory", *(u32 *)(user_buffer + 64), 0xeeee0000 | value);
    }
}

TEST(sldt_str_smsw) {
    word("sldt, null", s_sldt, s_sldt16, s_sldt_mem, 0, 0);
    gdt_set(SEL_LDT, (u32)user_buffer, 63, SYS_LDT, 0);
    __asm__ volatile("lldt %w0" ::"r"(SEL_LDT));
    word("sldt", s_sldt, s_sldt16, s_sldt_mem, SEL_LDT, SEL_LDT);
    word("sldt, no prefix", s_sldt, s_sldt16, s_sldt_mem32, SEL_LDT, SEL_LDT);
    word("str", s_str, s_str16, s_str_mem, SEL_TSS, SEL_TSS);
    word("smsw", s_smsw, s_smsw16, s_smsw_mem, read_cr0() & 0xffff, read_cr0());
    paged();
    word("smsw under paging", s_smsw, s_smsw16, s_smsw_mem, read_cr0() & 0xffff, read_cr0());
    for (unsigned ring = 0; ring <= 3; ring += 3) {
        struct regs r = pattern(ring);
        u32 user = ring ? PF_U : 0;
        r.esi = READ_ONLY;
        page_faults("sldt", s_sldt_mem, &r, PF_P | PF_W | user, READ_ONLY);
        page_faults("str", s_str_mem, &r, PF_P | PF_W | user, READ_ONLY);
        page_faults("smsw", s_smsw_mem, &r, PF_P | PF_W | user, READ_ONLY);
        r.esi = MISSING - 1;
        *(u8 *)r.esi = 0xee;
        page_faults("across", s_str_mem, &r, PF_W | user, MISSING);
        CHECK_EQ("nothing written", *(u8 *)r.esi, 0xee);
    }
}
