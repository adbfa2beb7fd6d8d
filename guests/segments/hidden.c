// The hidden part of a segment register: it keeps what was loaded when the descriptor changes in memory, until the next
// load; a load of the same selector sees the new descriptor, whatever was remembered of the old one.
#include "exec.h"

SNIPPET(h_read, "mov %gs:0, %eax", "nop")
SNIPPET(h_edit,
        "mov %ecx, %gs\n mov %gs:0, %eax\n mov %edi, (%esi)\n mov %ebp, 4(%esi)\n mov %gs:0, %ebx\n mov %ecx, %gs\n "
        "mov %gs:0, %edx",
        "nop")
SNIPPET(h_gone, "mov %ecx, %gs\n movl $0, (%esi)\n movl $0, 4(%esi)\n mov %gs:0, %eax\n mov %gs, %ebx", "mov %ecx, %gs")
SNIPPET(h_back, "mov %ecx, %gs\n xor %eax, %eax\n mov %eax, %gs\n mov %ecx, %gs\n mov %gs:0, %ebx", "nop")

TEST(descriptor_changes_after_the_load) {
    *(u32 *)user_buffer = 0x1111;
    *(u32 *)(user_buffer + 64) = 0x2222;
    for (unsigned again = 0; again < 4; again++) {
        gdt_set(SEL_FREE, (u32)user_buffer, 0xfffff, SEG_DATA | SEG_ACCESSED, SEG_G | SEG_D);
        u64 other = descriptor((u32)user_buffer + 64, 0xfffff, SEG_DATA | SEG_ACCESSED, SEG_G | SEG_D);
        struct regs r = regs_for(0);
        struct trap t;
        r.ecx = SEL_FREE;
        r.esi = (u32)&gdt[SEL_FREE >> 3];
        r.edi = (u32)other;
        r.ebp = (u32)(other >> 32);
        exec(h_edit, &r, &t);
        CHECK_DONE("edited", t);
        CHECK_EQ("first load", t.r.eax, 0x1111);
        CHECK_EQ("still the old base", t.r.ebx, 0x1111);
        CHECK_EQ("second load", t.r.edx, 0x2222);
    }
}

TEST(descriptor_removed) {
    gdt_set(SEL_FREE, (u32)user_buffer, 0xfffff, SEG_DATA, SEG_G | SEG_D);
    *(u32 *)user_buffer = 0x3333;
    struct regs r = regs_for(0);
    struct trap t;
    r.ecx = SEL_FREE;
    r.esi = (u32)&gdt[SEL_FREE >> 3];
    exec(h_gone, &r, &t);
    CHECK_TRAP(t, VEC_GP, SEL_FREE, h_gone_at);
    CHECK_EQ("works without it", t.r.eax, 0x3333);
    CHECK_EQ("selector", t.r.ebx & 0xffff, SEL_FREE);
}

TEST(null_and_back) {
    gdt_set(SEL_FREE, (u32)user_buffer, 0xfffff, SEG_DATA, SEG_G | SEG_D);
    *(u32 *)user_buffer = 0x4444;
    struct regs r = regs_for(0);
    struct trap t;
    r.ecx = SEL_FREE;
    exec(h_back, &r, &t);
    CHECK_DONE("back", t);
    CHECK_EQ("ebx", t.r.ebx, 0x4444);
}

// Loads that have been made before, for which the checks are not made again, change the mode like the first ones, and
// are refused at another privilege. The two selectors differ in bit 3. LES never takes the short way, so behind it the
// mode is right, whatever the loads before did to it.
u32 h_flat_pointer[2];

SNIPPET(
    h_turns,
    "mov $4, %esi\n 1: mov %ecx, %es\n mov %es:0, %eax\n mov %edx, %es\n mov %es:0x2000, %ebx\n dec %esi\n jnz 1b\n "
    "mov %ecx, %es",
    "mov %es:0x2000, %eax")
SNIPPET(h_turns_les,
        "mov $4, %esi\n 1: mov %ecx, %es\n mov %es:0, %eax\n les h_flat_pointer, %ebx\n dec %esi\n jnz 1b\n "
        "mov %ecx, %es",
        "mov %es:0x2000, %eax")
SNIPPET(h_again, "", "mov %ecx, %es")

TEST(limit_in_turns) {
    gdt_set(SEL_FREE + 8, 0, 0, SEG_DATA, SEG_G | SEG_D);
    struct regs r = regs_for(0);
    struct trap t;
    r.ecx = SEL_FREE + 8;
    r.edx = SEL_KDATA;
    exec(h_turns, &r, &t);
    CHECK_TRAP(t, VEC_GP, 0, h_turns_at);
    h_flat_pointer[1] = SEL_KDATA;
    exec(h_turns_les, &r, &t);
    CHECK_TRAP(t, VEC_GP, 0, h_turns_les_at);
}

TEST(again_at_another_privilege) {
    gdt_set(SEL_FREE + 8, 0, 0xfffff, SEG_DATA, SEG_G | SEG_D);
    for (unsigned again = 0; again < 3; again++) {
        struct regs r = regs_for(0);
        struct trap t;
        r.ecx = SEL_FREE + 8;
        exec(h_again, &r, &t);
        CHECK_DONE("ring 0", t);
    }
    struct regs r = regs_for(3);
    struct trap t;
    r.ecx = SEL_FREE + 8;
    exec(h_again, &r, &t);
    CHECK_TRAP(t, VEC_GP, SEL_FREE + 8, h_again_at);
}

TEST(table_moves) { // LGDT to a copy with other contents: registers keep, loads see the new table
    static u64 other[GDT_ENTRIES] __attribute__((aligned(16)));
    gdt_set(SEL_FREE, (u32)user_buffer, 0xfffff, SEG_DATA | SEG_DPL3, SEG_G | SEG_D);
    *(u32 *)user_buffer = 5;
    *(u32 *)(user_buffer + 128) = 6;
    struct regs r = regs_for(3);
    struct trap t;
    r.gs = SEL_FREE | 3;
    for (unsigned i = 0; i < 6; i++) {
        exec(h_read, &r, &t);
        CHECK_EQ("through the table", t.r.eax, i & 1 ? 6 : 5);
        memcpy(other, gdt, sizeof other);
        other[SEL_FREE >> 3] = descriptor((u32)user_buffer + 128, 0xfffff, SEG_DATA | SEG_DPL3, SEG_G | SEG_D);
        gdt_load(i & 1 ? (u32)gdt : (u32)other, sizeof other - 1);
    }
    gdt_load((u32)gdt, sizeof gdt - 1);
}

SNIPPET(
    h_code,
    "movl $0, (%esi)\n movl $0, 4(%esi)\n mov $1, %eax\n call 1f\n 1: pop %ebx\n mov %edi, (%esi)\n mov %ebp, 4(%esi)",
    "nop")

TEST(code_segment_keeps) { // CS's descriptor changes under running code
    gdt_set(SEL_FREE, 0, 0xfffff, SEG_CODE, SEG_G | SEG_D);
    struct regs r = regs_for(0);
    struct trap t;
    r.cs = SEL_FREE;
    r.esi = (u32)&gdt[SEL_FREE >> 3];
    r.edi = (u32)gdt[SEL_FREE >> 3];
    r.ebp = (u32)(gdt[SEL_FREE >> 3] >> 32);
    exec(h_code, &r, &t);
    CHECK_DONE("ran", t);
    CHECK_EQ("eax", t.r.eax, 1);
}
