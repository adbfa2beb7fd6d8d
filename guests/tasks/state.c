// Every register goes into the old TSS and comes from the new one; address space, LDT and hidden parts of segments; the
// T bit; what is left alone.
#include "kit.h"
#include "paging.h"

SNIPPET(r_all, "", "ljmp $0x40, $0")
SNIPPET(r_stop, "", "nop")

static const struct regs pattern = {.edi = 0xd1d1d1d1,
                                    .esi = 0x51515151,
                                    .ebp = 0xb9b9b9b9,
                                    .ebx = 0xb3b3b3b3,
                                    .edx = 0xd2d2d2d2,
                                    .ecx = 0xc1c1c1c1,
                                    .eax = 0xa0a0a0a0};

TEST(all_registers) {
    enum { FLAGS = FLAG_CF | FLAG_ZF | FLAG_DF | FLAG_OF | FLAG_IOPL | FLAG_AC | 1 << 21 };
    gdt_set(SPARE, 0x1000, 0xfffff, SEG_DATA | SEG_DPL3, SEG_G | SEG_D);
    task_make(&task_b, B, 0, r_stop);
    task_b.eax = ~pattern.eax;
    task_b.ecx = ~pattern.ecx;
    task_b.edx = ~pattern.edx;
    task_b.ebx = ~pattern.ebx;
    task_b.ebp = ~pattern.ebp;
    task_b.esi = ~pattern.esi;
    task_b.edi = ~pattern.edi;
    task_b.eflags = FLAG_ONE | FLAG_SF | FLAG_AF | FLAG_PF | 0x8028; // reserved bits do not matter
    task_b.fs = SPARE | 3;
    task_b.gs = 2;
    struct regs r = regs_for(0);
    struct trap t;
    u32 esp = r.esp;
    r = pattern;
    r.cs = SEL_KCODE;
    r.ss = r.ds = r.es = SEL_KDATA;
    r.fs = SEL_UDATA;
    r.gs = 1;
    r.esp = esp;
    r.eflags = FLAG_ONE | FLAGS;
    memset((u8 *)&tss + offsetof(struct tss, eip), 0xee, offsetof(struct tss, trap) - offsetof(struct tss, eip));
    tss.cr3 = 0x11111111;
    exec(r_all, &r, &t);
    CHECK_DONE("in B", t);
    CHECK_EQ("saved EIP", tss.eip, (u32)r_all_end);
    CHECK_EQ("saved EFLAGS", tss.eflags, FLAG_ONE | FLAGS);
    CHECK_EQ("saved EAX", tss.eax, pattern.eax);
    CHECK_EQ("saved ECX", tss.ecx, pattern.ecx);
    CHECK_EQ("saved EDX", tss.edx, pattern.edx);
    CHECK_EQ("saved EBX", tss.ebx, pattern.ebx);
    CHECK_EQ("saved ESP", tss.esp, esp);
    CHECK_EQ("saved EBP", tss.ebp, pattern.ebp);
    CHECK_EQ("saved ESI", tss.esi, pattern.esi);
    CHECK_EQ("saved EDI", tss.edi, pattern.edi);
    CHECK_EQ("saved ES", tss.es & 0xffff, SEL_KDATA);
    CHECK_EQ("saved CS", tss.cs & 0xffff, SEL_KCODE);
    CHECK_EQ("saved SS", tss.ss & 0xffff, SEL_KDATA);
    CHECK_EQ("saved DS", tss.ds & 0xffff, SEL_KDATA);
    CHECK_EQ("saved FS", tss.fs & 0xffff, SEL_UDATA);
    CHECK_EQ("saved GS", tss.gs & 0xffff, 1);
    CHECK_EQ("LDT is not saved", tss.ldt, 0xeeeeeeee);
    CHECK_EQ("CR3 is not saved", tss.cr3, 0x11111111);
    CHECK_EQ("eax", t.r.eax, ~pattern.eax);
    CHECK_EQ("ecx", t.r.ecx, ~pattern.ecx);
    CHECK_EQ("edx", t.r.edx, ~pattern.edx);
    CHECK_EQ("ebx", t.r.ebx, ~pattern.ebx);
    CHECK_EQ("ebp", t.r.ebp, ~pattern.ebp);
    CHECK_EQ("esi", t.r.esi, ~pattern.esi);
    CHECK_EQ("edi", t.r.edi, ~pattern.edi);
    CHECK_EQ("esp", t.r.esp, task_b.esp);
    CHECK_EQ("eflags", t.r.eflags, FLAG_ONE | FLAG_SF | FLAG_AF | FLAG_PF);
    CHECK_EQ("fs", t.r.fs, SPARE | 3);
    CHECK_EQ("gs", t.r.gs, 2);
    if (!under_qemu())
        CHECK_EQ("accessed", (u32)(gdt[SPARE >> 3] >> 40) & 1, 1);
}

SNIPPET(l_stop, "sldt %eax\n mov %fs:4, %ebx\n mov %gs:4, %ecx", "nop")

TEST(ldt_and_hidden_parts) {
    u32 *data = (u32 *)user_buffer;
    u64 *ldt = (u64 *)(user_buffer + 2048);
    data[1] = 0x11112222;
    data[65] = 0x33334444;
    ldt[0] = descriptor((u32)data, 0xffff, SEG_DATA, SEG_D);
    ldt[1] = descriptor((u32)data + 256, 0xffff, SEG_DATA, SEG_D);
    gdt_set(OWN_LDT, (u32)ldt, 15, SYS_LDT, 0);
    task_make(&task_b, B, 0, l_stop);
    task_b.ldt = OWN_LDT;
    task_b.fs = 4;
    task_b.gs = 12;
    struct trap t = exec_ring(r_all, 0);
    CHECK_DONE("in B", t);
    CHECK_EQ("LDTR", t.r.eax & 0xffff, OWN_LDT);
    CHECK_EQ("through FS", t.r.ebx, 0x11112222);
    CHECK_EQ("through GS", t.r.ecx, 0x33334444);
}

SNIPPET(n_call, "mov $0x58, %eax\n lldt %ax\n mov $4, %eax\n mov %eax, %fs",
        "lcall $0x40, $0\n sldt %eax\n mov %fs:4, %ebx")
SNIPPET(n_back, "sldt %eax", "iret")

TEST(ldt_of_the_return) { // the LDT of a task is what its TSS names, not what it loaded
    u64 *ldt = (u64 *)(user_buffer + 2048);
    ldt[0] = descriptor((u32)user_buffer, 0xffff, SEG_DATA, SEG_D);
    *(u32 *)(user_buffer + 4) = 0x55667788;
    gdt_set(OWN_LDT, (u32)ldt, 15, SYS_LDT, 0);
    task_make(&task_b, B, 0, n_back);
    tss.ldt = OWN_LDT;
    struct trap t = exec_ring(n_call, 0);
    CHECK_DONE("back", t);
    CHECK_EQ("null LDT in B", task_b.eax & 0xffff, 0);
    CHECK_EQ("LDT again", t.r.eax & 0xffff, OWN_LDT);
    CHECK_EQ("FS again", t.r.ebx, 0x55667788);
}

SNIPPET(a_call, "mov (%esi), %eax", "lcall $0x40, $0\n mov (%esi), %ebx")
SNIPPET(a_there, "mov (%esi), %eax\n mov %cr3, %ebx", "iret")

TEST(address_spaces) { // CR3 comes from the TSS; the same address shows two frames
    enum { HERE = 0x50000000 };
    static const enum paging_mode modes[] = {PAGING_32, PAGING_PAE};
    for (unsigned i = 0; i < 2; i++) {
        struct space one = space_new(modes[i]), two = space_new(modes[i]);
        u32 frames = page_alloc(2);
        *(u32 *)frames = 0x1111;
        *(u32 *)(frames + 4096) = 0x2222;
        space_identity(&one);
        space_identity(&two);
        space_map(&one, HERE, frames, PTE_WS);
        space_map(&two, HERE, frames + 4096, PTE_WS);
        space_enter(&one);
        task_make(&task_b, B, 0, a_there);
        task_b.cr3 = two.root;
        task_b.esi = HERE;
        tss.cr3 = one.root;
        struct regs r = regs_for(0);
        struct trap t;
        r.esi = HERE;
        exec(a_call, &r, &t);
        CHECK_DONE("back", t);
        CHECK_EQ("first space", t.r.eax, 0x1111);
        CHECK_EQ("other space", task_b.eax, 0x2222);
        CHECK_EQ("CR3", task_b.ebx, two.root);
        CHECK_EQ("first space again", t.r.ebx, 0x1111);
        CHECK_EQ("CR3 of the other is not saved", task_b.cr3, two.root);
        exec_reset();
    }
}

TEST(cr3_without_paging) { // is not looked at
    task_make(&task_b, B, 0, r_stop);
    u32 cr3 = read_cr3();
    task_b.cr3 = 0x12345000;
    struct trap t = exec_ring(r_all, 0);
    CHECK_DONE("in B", t);
    if (!under_qemu())
        CHECK_EQ("CR3", read_cr3(), cr3);
}

SNIPPET(t_first, "inc %eax", "nop")

TEST(trap_bit) { // #DB before the first instruction of the new task, DR6.BT
    static const u32 ones = 0xffff0ff0;
    u32 dr6;
    __asm__ volatile("mov %0, %%dr6" ::"r"(ones));
    for (unsigned ring = 0; ring <= 3; ring += 3) {
        segments_reset();
        exec_reset();
        task_make(&task_b, B, ring, t_first);
        task_b.trap = 1;
        struct trap t = exec_ring(r_all, 0);
        if (under_qemu()) // it ignores T
            return;
        CHECK_TRAP(t, VEC_DB, 0, t_first);
        CHECK_EQ("eax", t.r.eax, 0);
        CHECK_EQ("RF", t.r.eflags & FLAG_RF, 0);
        CHECK_EQ("cs", t.r.cs, ring ? SEL_UCODE : SEL_KCODE);
        CHECK_TASKS(B, false, true);
        __asm__ volatile("mov %%dr6, %0" : "=r"(dr6));
        CHECK_EQ("DR6", dr6, ones | 1 << 15);
        __asm__ volatile("mov %0, %%dr6" ::"r"(ones));
    }
}

TEST(local_breakpoints) { // L0 to L3 and LE are cleared, G0 to G3 and GE stay
    u32 dr7;
    task_make(&task_b, B, 0, r_stop);
    __asm__ volatile("mov %0, %%dr0; mov %0, %%dr1; mov %0, %%dr2; mov %0, %%dr3; mov %1, %%dr7" ::"r"(0xf0000000),
                     "r"(0x7ff));
    struct trap t = exec_ring(r_all, 0);
    __asm__ volatile("mov %%dr7, %0; mov %1, %%dr7" : "=r"(dr7) : "r"(0x400));
    CHECK_DONE("in B", t);
    if (!under_qemu())
        CHECK_EQ("DR7", dr7, 0x6aa);
}

SNIPPET(f_fpu, "", "fninit")

TEST(task_switched) { // CR0.TS: the first x87 instruction of the new task is #NM
    task_make(&task_b, B, 0, f_fpu);
    struct trap t = exec_ring(r_all, 0);
    CHECK_TRAP(t, VEC_NM, 0, f_fpu_at);
}

SNIPPET(i_open, "", "nop")

TEST(interrupt_flag) { // IF comes from the TSS, with nothing pending
    task_make(&task_b, B, 0, i_open);
    task_b.eflags |= FLAG_IF;
    outb(0x21, 0xff);
    outb(0xa1, 0xff);
    struct trap t = exec_ring(r_all, 0);
    CHECK_DONE("in B", t);
    CHECK_EQ("IF", t.r.eflags & FLAG_IF, FLAG_IF);
    CHECK_EQ("saved IF", tss.eflags & FLAG_IF, 0);
}
