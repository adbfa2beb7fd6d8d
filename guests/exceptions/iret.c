// IRET in protected mode: to the same and an outer ring, the flags it may change, its checks, its 16-bit form, data
// segments that do not survive, and IRET between two address sizes of stack words.
#include "exec.h"

SNIPPET(n_same, "push %eax\n push %cs\n push $1f\n iret\n ud2\n 1: pushf\n pop %ebx", "nop")
SNIPPET(n_same16, "mov %esp, %edx\n pushw %ax\n pushw %cs\n pushw $0x7700\n iretw", "ud2")
SNIPPET(n_outer, "push %ecx\n push %edx\n push %edi\n push %ebx\n push %eax", "iret")
SNIPPET(n_there, "mov %ds, %esi\n mov %es, %edi\n mov %fs, %ecx\n mov %gs, %edx\n pushf\n pop %ebx", "nop")
SNIPPET(n_user, "push %eax\n push %ebx\n push %ecx", "iret")
SNIPPET(n_plain, "", "iret")

static struct regs set_up(void) {
    struct regs r = regs_for(0);
    r.ecx = SEL_UDATA;
    r.edx = (u32)user_stack_top - 128;
    r.edi = FLAG_ONE;
    r.ebx = SEL_UCODE;
    r.eax = (u32)n_there;
    return r;
}

static void mask_interrupts(void) {
    outb(0x21, 0xff);
    outb(0xa1, 0xff);
}

TEST(same_ring) {
    mask_interrupts();
    for (unsigned ring = 0; ring <= 3; ring += 3) {
        struct regs r = regs_for(ring);
        struct trap t;
        r.eax = FLAG_CF | FLAG_OF | FLAG_DF | FLAG_AC | FLAG_IF | FLAG_IOPL | FLAG_NT;
        exec(n_same, &r, &t);
        CHECK_DONE("iret", t);
        u32 expected = ring ? r.eax & ~(FLAG_IF | FLAG_IOPL) : r.eax;
        CHECK_EQ("flags", t.r.ebx, expected | FLAG_ONE);
        CHECK_EQ("esp", t.r.esp, r.esp);
    }
}

TEST(word_size) {
    memcpy((void *)0x7700, "\xb8\x07\x00\x00\x00\x29\xe2\x9c\x5b\xcd\x81", 11); // mov $7, %eax; sub; pushf; pop %ebx
    struct regs r = regs_for(0);
    struct trap t;
    r.eflags |= FLAG_AC;
    r.eax = FLAG_CF;
    exec(n_same16, &r, &t);
    CHECK_DONE("iretw", t);
    CHECK_EQ("eip", t.r.eip, 0x770b);
    CHECK_EQ("esp", t.r.edx, 0);
    CHECK_EQ("upper half of the flags kept", t.r.ebx & FLAG_AC, FLAG_AC);
}

TEST(outer_ring) {
    mask_interrupts();
    for (unsigned again = 0; again < 3; again++) {
        struct regs r = set_up();
        struct trap t;
        r.edi = FLAG_ONE | FLAG_CF | FLAG_IF | FLAG_AC | FLAG_SF;
        exec(n_outer, &r, &t);
        CHECK_DONE("ring 3", t);
        CHECK_EQ("cs", t.r.cs, SEL_UCODE);
        CHECK_EQ("ss", t.r.ss, SEL_UDATA);
        CHECK_EQ("esp", t.r.esp, r.edx);
        CHECK_EQ("flags", t.r.ebx, r.edi);
    }
}

TEST(data_segments) {
    gdt_set(SEL_FREE, 0, 0xfffff, SEG_CODE_CONFORM, SEG_G | SEG_D);
    struct regs r = set_up();
    struct trap t;
    r.ds = SEL_KDATA;
    r.es = SEL_UDATA;
    r.fs = SEL_FREE;
    r.gs = SEL_KDATA;
    exec(n_outer, &r, &t);
    CHECK_DONE("ring 3", t);
    CHECK_EQ("ds", t.r.esi & 0xffff, 0);
    CHECK_EQ("es", t.r.edi & 0xffff, SEL_UDATA);
    CHECK_EQ("fs", t.r.ecx & 0xffff, SEL_FREE);
    CHECK_EQ("gs", t.r.edx & 0xffff, 0);
}

SNIPPET(n_outer16, "pushw %cx\n pushw %dx\n pushw %di\n pushw %bx\n pushw %ax", "iretw")

TEST(outer_ring_words) {                           // IP, FLAGS, SP are words: ring 3 code and stack below 64 KiB
    memcpy((void *)0x7700, "\x9c\x5b\xcd\x81", 4); // pushf; pop %ebx
    struct regs r = set_up();
    struct trap t;
    r.eax = 0x7700;
    r.edx = 0x7f00;
    r.edi = FLAG_ONE | FLAG_CF | FLAG_DF;
    r.eflags |= FLAG_AC;
    exec(n_outer16, &r, &t);
    CHECK_DONE("ring 3", t);
    CHECK_EQ("eip", t.r.eip, 0x7704);
    CHECK_EQ("cs", t.r.cs, SEL_UCODE);
    CHECK_EQ("esp", t.r.esp, 0x7f00);
    CHECK_EQ("flags", t.r.ebx, r.edi | FLAG_AC);
}

TEST(outer_16_bit_stack) { // of ESP only SP is loaded
    gdt_set(SEL_FREE, (u32)user_buffer, 0xfff, SEG_DATA | SEG_DPL3, 0);
    struct regs r = set_up();
    struct trap t;
    r.ecx = SEL_FREE | 3;
    r.edx = 0x56780400;
    exec(n_outer, &r, &t);
    CHECK_DONE("ring 3", t);
    CHECK_EQ("ss", t.r.ss, SEL_FREE | 3);
    CHECK_EQ("sp", t.r.esp & 0xffff, 0x400);
}

TEST(conforming) { // of a lower DPL, in the ring of the RPL; a higher DPL is refused
    for (unsigned d = 0; d < 4; d++) {
        gdt_set(SEL_FREE, 0, 0xfffff, SEG_CODE_CONFORM | dpl(d), SEG_G | SEG_D);
        struct regs r = set_up();
        struct trap t;
        r.ebx = SEL_FREE | 3;
        exec(n_outer, &r, &t);
        CHECK_DONE("ring 3", t);
        CHECK_EQ("cs", t.r.cs, SEL_FREE | 3);
        r = regs_for(0);
        r.eax = FLAG_ONE;
        r.ebx = SEL_FREE;
        r.ecx = (u32)n_there;
        exec(n_user, &r, &t);
        if (d == 0)
            CHECK_DONE("same ring", t);
        else
            CHECK_TRAP(t, VEC_GP, SEL_FREE, n_user_at);
    }
}

static void refuse(const char *name, struct regs r, u32 vector, u32 error) {
    struct trap t;
    check_context(name);
    exec(n_outer, &r, &t);
    CHECK_TRAP(t, vector, error, n_outer_at);
    CHECK_EQ("esp", t.r.esp, r.esp - 20);
    CHECK_EQ("cs", t.r.cs, SEL_KCODE);
}

TEST(refused) {
    struct regs r = set_up();
    r.ebx = 3;
    refuse("null CS", r, VEC_GP, 0);
    r = set_up();
    r.ebx = 0x7f8 | 3;
    refuse("CS beyond the table", r, VEC_GP, 0x7f8);
    r = set_up();
    r.ebx = SEL_UDATA;
    refuse("CS is data", r, VEC_GP, SEL_UDATA & ~3);
    r = set_up();
    r.ebx = SEL_KCODE | 3;
    refuse("DPL of CS", r, VEC_GP, SEL_KCODE);
    r = set_up();
    r.ecx = 0;
    refuse("null SS", r, VEC_GP, 0);
    r = set_up();
    r.ecx = SEL_UCODE;
    refuse("SS is code", r, VEC_GP, SEL_UCODE & ~3);
    r = set_up();
    r.ecx = SEL_UDATA & ~3;
    refuse("RPL of SS", r, VEC_GP, SEL_UDATA & ~3);
    gdt_set(SEL_FREE, 0, 0xfffff, (SEG_CODE | SEG_DPL3) & ~SEG_P, SEG_G | SEG_D);
    r = set_up();
    r.ebx = SEL_FREE | 3;
    refuse("CS not present", r, VEC_NP, SEL_FREE);
    gdt_set(SEL_FREE, 0, 0xfffff, (SEG_DATA | SEG_DPL3) & ~SEG_P, SEG_G | SEG_D);
    r = set_up();
    r.ecx = SEL_FREE | 3;
    refuse("SS not present", r, under_qemu() ? VEC_NP : VEC_SS, SEL_FREE);
    if (!under_qemu()) {
        gdt_set(SEL_FREE, 0, 0x100, SEG_CODE | SEG_DPL3, SEG_D);
        r = set_up();
        r.ebx = SEL_FREE | 3;
        refuse("EIP beyond the limit", r, VEC_GP, 0);
    }
}

TEST(inwards) {
    struct regs r = regs_for(3);
    struct trap t;
    r.ebx = SEL_KCODE;
    r.eax = FLAG_ONE;
    r.ecx = (u32)n_there;
    exec(n_user, &r, &t);
    CHECK_TRAP(t, VEC_GP, SEL_KCODE, n_user_at);
}

SNIPPET(n_loop, "1: int $0x80\n add $1, %eax\n dec %ecx\n jnz 1b", "nop")
static u32 visits;
static bool visit(struct trap_frame *f) {
    visits++;
    return f->vector == 0x80;
}

TEST(many_round_trips) {
    idt_set_dpl(0x80, 3);
    hook_set(0x80, visit);
    for (unsigned ring = 0; ring <= 3; ring += 3) {
        struct regs r = regs_for(ring);
        struct trap t;
        visits = 0;
        r.ecx = 5000;
        exec(n_loop, &r, &t);
        CHECK_DONE("loop", t);
        CHECK_EQ("visits", visits, 5000);
        CHECK_EQ("eax", t.r.eax, 5000);
    }
}
