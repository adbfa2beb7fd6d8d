// Virtual-8086 mode: the way in and out, what needs IOPL, what is not there, I/O, paging, the extensions (VME, PVI).
// Intel SDM vol. 3B, chapter 20.
#include "paging.h"
#include "pc.h"
#include "rm.h"

enum { REDIRECTION = 32, MAP = offsetof(struct tss, io_bitmap) + REDIRECTION };

// A space in which virtual-8086 code may use the first megabyte; the TSS with an I/O map and a redirection bitmap that
// forbid everything.
static struct space begin(void) {
    struct space s = space_new(PAGING_32);
    space_identity(&s);
    for (u32 at = 0; at < 0x100000; at += 4096)
        space_map(&s, at, at, PTE_WU);
    space_enter(&s);
    tss.iomap = MAP;
    memset(tss.io_bitmap, 0xff, sizeof tss.io_bitmap);
    return s;
}

static struct regs v86_regs(unsigned iopl) {
    struct regs r = {.eflags = FLAG_ONE | FLAG_VM | iopl << 12,
                     .cs = RM_CODE_SEG,
                     .ss = RM_STACK_SEG,
                     .ds = RM_DATA_SEG,
                     .es = RM_DATA_SEG,
                     .fs = 0x1234,
                     .gs = 0x5678,
                     .esp = RM_STACK_TOP};
    return r;
}

static struct trap run_regs(const u8 *code, const u8 *end, struct regs r) {
    struct trap t;
    rm_code(code, end, 0);
    exec((void *)0, &r, &t);
    return t;
}

static struct trap run(const u8 *code, const u8 *end, unsigned iopl) {
    return run_regs(code, end, v86_regs(iopl));
}
#define RUN(name, iopl) run(name, name##_end, iopl)

RM_SNIPPET(v_state, "movl $0x12345678, %eax\n movw (0x10), %bx\n movw $0x77, %es:(0x12)\n pushw $0x99\n mov %fs, %cx\n "
                    "mov %gs, %dx");
TEST(in_and_out) {
    begin();
    *(volatile u16 *)(RM_DATA + 0x10) = 0xabcd;
    struct trap t = RUN(v_state, 3);
    CHECK_DONE("state", t);
    CHECK_EQ("eflags", t.r.eflags & ~FLAGS_ARITH, FLAG_ONE | FLAG_VM | FLAG_IOPL);
    CHECK_EQ("eax", t.r.eax, 0x12345678);
    CHECK_EQ("ebx", t.r.ebx, 0xabcd);
    CHECK_EQ("ecx", t.r.ecx, 0x1234);
    CHECK_EQ("edx", t.r.edx, 0x5678);
    CHECK_EQ("cs", t.r.cs, RM_CODE_SEG);
    CHECK_EQ("ss", t.r.ss, RM_STACK_SEG);
    CHECK_EQ("ds", t.r.ds, RM_DATA_SEG);
    CHECK_EQ("es", t.r.es, RM_DATA_SEG);
    CHECK_EQ("fs", t.r.fs, 0x1234);
    CHECK_EQ("gs", t.r.gs, 0x5678);
    CHECK_EQ("esp", t.r.esp, RM_STACK_TOP - 2);
    CHECK_EQ("stored", rm_word(RM_DATA + 0x12), 0x77);
    CHECK_EQ("pushed", rm_word(RM_STACK + RM_STACK_TOP - 2), 0x99);
}

static u16 seen_segments[4];
static bool see_segments(struct trap_frame *f) {
    seen_segments[0] = (u16)f->gs;
    seen_segments[1] = (u16)f->fs;
    seen_segments[2] = (u16)f->es;
    seen_segments[3] = (u16)f->ds;
    return false;
}
TEST(handler_finds_null_segments) {
    begin();
    hook_set(EXEC_DONE, see_segments);
    struct trap t = RUN(v_state, 3);
    CHECK_DONE("state", t);
    for (unsigned i = 0; i < 4; i++)
        CHECK_EQ("selector", seen_segments[i], 0);
}

RM_SNIPPET(v_transfers,
           "lcall $0x3000, $0x40\n mov $300, %cx\n 1: call 2f\n loop 1b\n jmp 3f\n 2: inc %bx\n ret\n .org "
           "v_transfers + 0x40\n inc %ax\n lret\n 3: mov $0x4001, %dx\n mov %dx, %ds\n movw (0), %dx\n "
           "ljmp $0x2ff8, $4f - v_transfers + 0x80\n 4:");
TEST(transfers_and_segments) {
    begin();
    *(volatile u16 *)(RM_DATA + 0x10) = 0x1357;
    struct trap t = RUN(v_transfers, 3);
    CHECK_DONE("transfers", t);
    CHECK_EQ("ax", t.r.eax, 1);
    CHECK_EQ("bx", t.r.ebx, 300);
    CHECK_EQ("dx", t.r.edx, 0x1357);
    CHECK_EQ("cs", t.r.cs, 0x2ff8);
    CHECK_EQ("ds", t.r.ds, 0x4001);
    CHECK_EQ("esp", t.r.esp, RM_STACK_TOP);
}

// ---- Faults --------------------------------------------------------------------------------------------------------

struct expected {
    const char *name;
    const u8 *code, *end;
    u32 vector, error, ip;
    unsigned iopls; // a bit for each IOPL at which it faults
    bool qemu_differs;
};
#define CODE(name, text) RM_SNIPPET(c_##name, text)
CODE(cli, "cli");
CODE(sti, "sti");
CODE(pushf, "pushf");
CODE(pushfd, "pushfl");
CODE(popf, "pushw $2\n popf");
CODE(popfd, "pushl $2\n popfl");
CODE(int_n, "int $0x40");
CODE(iret, "pushw $0x3002\n pushw $0x3000\n pushw $0x40\n iret\n .org c_iret + 0x40");
CODE(iretd, "pushl $0x2\n pushl $0x3000\n pushl $0x60\n iretl\n .org c_iretd + 0x60");
CODE(hlt, "hlt");
CODE(mov_cr0, "movl %cr0, %eax");
CODE(mov_dr, "movl %dr7, %eax");
CODE(lgdt, "lgdt (0)");
CODE(lmsw, "lmsw %ax");
CODE(clts, "clts");
CODE(invlpg, "invlpg (0)");
CODE(wbinvd, "wbinvd");
CODE(rdmsr, "rdmsr");
CODE(sysexit, "sysexit");
CODE(lldt, "lldt %ax");
CODE(ltr, "ltr %ax");
CODE(sldt, "sldt %ax");
CODE(str, "str %ax");
CODE(lar, "lar %ax, %bx");
CODE(lsl, "lsl %ax, %bx");
CODE(verr, "verr %ax");
CODE(arpl, "arpl %ax, %bx");
CODE(write, "mov $0xffff, %bx\n mov %ax, (%bx)");
CODE(stack, "mov $0xffff, %bp\n mov (%bp), %ax");
CODE(in, "inb $0x60, %al");
CODE(de, "div %cl");
CODE(smsw, "smsw %ax");

// The code ran to its INT 81h, which itself needs IOPL.
static void check_end(const struct trap *t, const u8 *code, const u8 *end, unsigned iopl) {
    if (iopl == 3)
        CHECK_DONE("runs", *t);
    else
        CHECK_TRAP(*t, VEC_GP, 0, (void *)(end - code - 2));
}

#define ALL     15u
#define UP_TO_2 7u
#define AT(name, ...)                                                                                                  \
    { #name, c_##name, c_##name##_end, __VA_ARGS__ }
static const struct expected all[] = {
    AT(cli, VEC_GP, 0, 0, UP_TO_2, false),    AT(sti, VEC_GP, 0, 0, UP_TO_2, false),
    AT(pushf, VEC_GP, 0, 0, UP_TO_2, false),  AT(pushfd, VEC_GP, 0, 0, UP_TO_2, false),
    AT(popf, VEC_GP, 0, 2, UP_TO_2, false),   AT(popfd, VEC_GP, 0, 3, UP_TO_2, false),
    AT(int_n, VEC_GP, 0, 0, UP_TO_2, false),  AT(iret, VEC_GP, 0, 8, UP_TO_2, false),
    AT(iretd, VEC_GP, 0, 12, UP_TO_2, false), AT(hlt, VEC_GP, 0, 0, ALL, false),
    AT(mov_cr0, VEC_GP, 0, 0, ALL, false),    AT(mov_dr, VEC_GP, 0, 0, ALL, false),
    AT(lgdt, VEC_GP, 0, 0, ALL, false),       AT(lmsw, VEC_GP, 0, 0, ALL, false),
    AT(clts, VEC_GP, 0, 0, ALL, false),       AT(invlpg, VEC_GP, 0, 0, ALL, false),
    AT(wbinvd, VEC_GP, 0, 0, ALL, false),     AT(rdmsr, VEC_GP, 0, 0, ALL, false),
    AT(sysexit, VEC_GP, 0, 0, ALL, false),    AT(lldt, VEC_UD, 0, 0, ALL, false),
    AT(ltr, VEC_UD, 0, 0, ALL, false),        AT(sldt, VEC_UD, 0, 0, ALL, false),
    AT(str, VEC_UD, 0, 0, ALL, false),        AT(lar, VEC_UD, 0, 0, ALL, false),
    AT(lsl, VEC_UD, 0, 0, ALL, false),        AT(verr, VEC_UD, 0, 0, ALL, false),
    AT(arpl, VEC_UD, 0, 0, ALL, false),       AT(write, VEC_GP, 0, 3, ALL, true),
    AT(stack, VEC_SS, 0, 3, ALL, true),       AT(in, VEC_GP, 0, 0, ALL, false),
    AT(de, VEC_DE, 0, 0, ALL, false),         AT(smsw, 0, 0, 0, 0, false),
};

TEST(what_faults) {
    begin();
    for (unsigned i = 0; i < sizeof all / sizeof all[0]; i++)
        for (unsigned iopl = 0; iopl < 4; iopl++) {
            const struct expected *e = &all[i];
            if (under_qemu() && e->qemu_differs)
                continue;
            struct trap t = run(e->code, e->end, iopl);
            check_context(e->name);
            if (e->iopls >> iopl & 1) {
                CHECK_TRAP(t, e->vector, e->error, (void *)e->ip);
                CHECK_EQ("VM and IOPL", t.r.eflags & (FLAG_VM | FLAG_IOPL), FLAG_VM | iopl << 12);
            } else if (e->code == c_int_n) {
                CHECK_TRAP(t, VEC_GP, 0x40 * 8 + 2, (void *)0); // the gate's DPL is 0
            } else {
                check_end(&t, e->code, e->end, iopl);
            }
        }
    check_context(NULL);
}

TEST(flags_with_iopl_3) {
    begin();
    pic_init(); // IF will be set: no interrupts of the firmware's
    struct regs r = v86_regs(3);
    r.eflags |= FLAG_VIF;
    hook_set(VEC_DB, NULL);
    static const u8 code[] = {0x68, 0x02, 0x42, 0x9d, 0x9c, 0x58, 0x66, 0x68, 0xd7, 0x0c,
                              0x27, 0x00, 0x66, 0x9d, 0x66, 0x9c, 0x66, 0x5b, 0xcd, 0x81};
    // PUSH 4202h; POPF; PUSHF; POP AX; PUSH 270CD7h; POPFD; PUSHFD; POP EBX
    struct trap t = run_regs(code, code + sizeof code, r);
    CHECK_DONE("flags", t);
    CHECK_EQ("NT and IF change, IOPL does not", t.r.eax, 0x7202);
    CHECK_EQ("AC and ID too; VM reads as 0, VIF stays", t.r.ebx, 0x2c3cd7);
}

// Every exception goes to ring 0; so do INT3 and INTO, at any IOPL, if the gate's DPL allows it.
CODE(int3, "int3");
CODE(into, "mov $0x7f, %al\n inc %al\n into");
TEST(breakpoint_and_overflow) {
    begin();
    struct trap t = RUN(c_int3, 0);
    CHECK_TRAP(t, VEC_GP, VEC_BP * 8 + 2, (void *)0);
    idt_set_dpl(VEC_BP, 3);
    idt_set_dpl(VEC_OF, 3);
    t = RUN(c_int3, 0);
    CHECK_TRAP(t, VEC_BP, 0, (void *)1);
    t = RUN(c_into, 0);
    CHECK_TRAP(t, VEC_OF, 0, (void *)5);
}

// The handler must run in ring 0.
TEST(handler_of_ring_3) {
    begin();
    idt[0x42] = gate(SEL_UCODE, 0x1000, GATE_INT | SEG_DPL3, 0);
    static const u8 code[] = {0xcd, 0x42};
    struct trap t = run(code, code + 2, 3);
    CHECK_TRAP(t, VEC_GP, SEL_UCODE & ~3u, (void *)0);
}

// ---- I/O and paging ------------------------------------------------------------------------------------------------

CODE(io, "inb $0x61, %al\n outb %al, $0xed\n mov $0x1f0, %dx\n in %dx, %ax");
TEST(io_map) {
    begin();
    tss.io_bitmap[REDIRECTION + 0x61 / 8] &= (u8) ~(1u << (0x61 & 7));
    tss.io_bitmap[REDIRECTION + 0xed / 8] &= (u8) ~(1u << (0xed & 7));
    struct trap t = RUN(c_io, 3); // IOPL does not count
    CHECK_TRAP(t, VEC_GP, 0, (void *)7);
    tss.io_bitmap[REDIRECTION + 0x1f0 / 8] &= (u8)~1u;
    t = RUN(c_io, 3);
    CHECK_TRAP(t, VEC_GP, 0, (void *)7); // a word takes two bits
    tss.io_bitmap[REDIRECTION + 0x1f0 / 8] &= (u8)~2u;
    t = RUN(c_io, 0);
    check_end(&t, c_io, c_io_end, 0);
}

CODE(page, "inc %bx\n movw %ax, (0x2000)");
TEST(page_faults) {
    struct space s = begin();
    pte_set(&s, RM_DATA + 0x2000, (RM_DATA + 0x2000) | PTE_WS);
    invlpg(RM_DATA + 0x2000);
    struct trap t = RUN(c_page, 3);
    CHECK_PF(t, PF_P | PF_W | PF_U, RM_DATA + 0x2000, (void *)1);
    pte_set(&s, RM_DATA + 0x2000, 0);
    invlpg(RM_DATA + 0x2000);
    t = RUN(c_page, 0);
    CHECK_PF(t, PF_W | PF_U, RM_DATA + 0x2000, (void *)1);
    pte_set(&s, RM_CODE, 0);
    invlpg(RM_CODE);
    struct regs r = v86_regs(0);
    exec((void *)0x10, &r, &t);
    CHECK_PF(t, PF_U, RM_CODE + 0x10, (void *)0x10);
}

// ---- A monitor, as operating systems write them --------------------------------------------------------------------

static u32 virtual_if, emulated;
static bool monitor(struct trap_frame *f) {
    u32 code = (f->cs << 4) + (f->eip & 0xffff);
    if (!(f->eflags & FLAG_VM) || f->error)
        return false;
    u16 *stack = (u16 *)((f->ss << 4) + (f->esp & 0xffff));
    switch (*(u8 *)code) {
    case 0xfa: virtual_if = 0; break;
    case 0xfb: virtual_if = FLAG_IF; break;
    case 0x9c:
        stack[-1] = (u16)((f->eflags & ~FLAG_IF) | virtual_if);
        f->esp -= 2;
        break;
    case 0x9d:
        virtual_if = stack[0] & FLAG_IF;
        f->eflags = (f->eflags & ~FLAGS_ARITH) | (stack[0] & FLAGS_ARITH);
        f->esp += 2;
        break;
    default: return false;
    }
    emulated++;
    f->eip++;
    return true;
}
CODE(monitored, "mov $200, %cx\n 1: sti\n pushf\n pop %ax\n cli\n pushf\n pop %bx\n stc\n pushf\n clc\n popf\n adc $0, "
                "%dx\n loop 1b");
TEST(monitor_emulates) {
    begin();
    virtual_if = emulated = 0;
    hook_set(VEC_GP, monitor);
    struct trap t = RUN(c_monitored, 0);
    check_end(&t, c_monitored, c_monitored_end, 0);
    CHECK_EQ("emulated", emulated, 200 * 6);
    CHECK_EQ("IF after STI", t.r.eax & FLAG_IF, FLAG_IF);
    CHECK_EQ("IF after CLI", t.r.ebx & FLAG_IF, 0);
    CHECK_EQ("carries", t.r.edx, 200);
}

static volatile u32 ticks;
static bool tick(struct trap_frame *f) {
    ticks++;
    pic_eoi(IRQ_TIMER);
    *(volatile u16 *)(RM_DATA + 0x40) = (u16)ticks;
    CHECK_EQ("from virtual-8086 mode", f->eflags & (FLAG_VM | FLAG_IF), FLAG_VM | FLAG_IF);
    return true;
}
CODE(wait, "1: inc %eax\n cmpw $5, (0x40)\n jb 1b");
TEST(interrupts) {
    begin();
    pic_init();
    ticks = 0;
    *(volatile u16 *)(RM_DATA + 0x40) = 0;
    hook_set(IRQ_VECTOR + IRQ_TIMER, tick);
    pit_start(0, PIT_RATE, PIT_HZ / 1000);
    pic_unmask(IRQ_TIMER);
    struct regs r = v86_regs(0);
    r.eflags |= FLAG_IF;
    struct trap t = run_regs(c_wait, c_wait_end, r);
    pic_mask(IRQ_TIMER);
    CHECK_TRAP(t, VEC_GP, 0, (void *)(c_wait_end - c_wait - 2)); // INT 81h needs IOPL
    CHECK("ticks" && ticks >= 5);
}

CODE(step, "inc %ax\n inc %ax");
TEST(single_step) {
    begin();
    struct regs r = v86_regs(3);
    r.eflags |= FLAG_TF;
    struct trap t = run_regs(c_step, c_step_end, r);
    CHECK_TRAP(t, VEC_DB, 0, (void *)1);
    CHECK_EQ("ax", t.r.eax, 1);
    CHECK_EQ("TF in the frame", t.r.eflags & (FLAG_TF | FLAG_VM), FLAG_TF | FLAG_VM);
}

// Ring 3 cannot enter it: VM in the image counts at CPL 0 only.
SNIPPET(iret_ring3, "push $0x20202\n push %cs\n push $iret_ring3_landed\n iret", "iret_ring3_landed: nop")
TEST(not_from_ring_3) {
    if (under_qemu()) // it takes VM from the image at any CPL, against SDM vol. 2A, IRET
        return;
    begin();
    struct trap t = exec_ring(iret_ring3, 3);
    CHECK_DONE("stays in protected mode", t);
    CHECK_EQ("VM", t.r.eflags & FLAG_VM, 0);
    CHECK_EQ("cs", t.r.cs, SEL_UCODE);
}

// ---- VME -----------------------------------------------------------------------------------------------------------

static bool vme(void) {
    u32 id[4];
    cpuid(1, id);
    if (under_qemu() || !(id[3] & 2))
        return false;
    begin();
    write_cr4(read_cr4() | CR4_VME);
    return true;
}

CODE(vif, "sti\n pushf\n pop %ax\n cli\n pushf\n pop %bx\n pushw $0x0ed7\n popf\n pushf\n pop %cx\n pushw $0x0202\n "
          "pushw $0x3000\n pushw $0x40\n cli\n iret\n .org c_vif + 0x40\n pushf\n pop %dx\n mov $0x1234, %si\n int "
          "$0x81");
TEST(virtual_interrupt_flag) {
    if (!vme())
        return;
    for (unsigned iopl = 0; iopl < 3; iopl++) {
        struct trap t = RUN(c_vif, iopl);
        CHECK_TRAP(t, VEC_GP, 0, (void *)(c_vif_end - c_vif - 4)); // the first INT 81h: its bit in the bitmap is set
        CHECK_EQ("after STI", t.r.eax, 0x3202 | (t.r.eax & FLAGS_ARITH));
        CHECK_EQ("after CLI", t.r.ebx, 0x3002 | (t.r.ebx & FLAGS_ARITH));
        CHECK_EQ("after POPF", t.r.ecx, 0x3ed7);
        CHECK_EQ("after IRET", t.r.edx, 0x3202);
        CHECK_EQ("eflags", t.r.eflags & ~FLAG_RF, FLAG_ONE | FLAG_VM | FLAG_VIF | iopl << 12);
        CHECK_EQ("si", t.r.esi, 0x1234);
    }
}

CODE(sti_vip, "cli\n sti");
CODE(popf_vip, "pushw $0x0202\n popf");
CODE(popf_tf, "pushw $0x0102\n popf");
CODE(iret_vip, "pushw $0x0202\n pushw $0x3000\n pushw $0x40\n iret");
CODE(cli_vip, "cli\n pushw $0x0002\n popf\n inc %ax\n hlt");
TEST(virtual_interrupt_pending) {
    if (!vme())
        return;
    struct regs r = v86_regs(0);
    r.eflags |= FLAG_VIP;
    struct trap t = run_regs(c_sti_vip, c_sti_vip_end, r);
    CHECK_TRAP(t, VEC_GP, 0, (void *)1);
    t = run_regs(c_popf_vip, c_popf_vip_end, r);
    CHECK_TRAP(t, VEC_GP, 0, (void *)3);
    CHECK_EQ("sp", t.r.esp, RM_STACK_TOP - 2);
    t = run_regs(c_iret_vip, c_iret_vip_end, r);
    CHECK_TRAP(t, VEC_GP, 0, (void *)8);
    CHECK_EQ("sp", t.r.esp, RM_STACK_TOP - 6);
    t = run_regs(c_cli_vip, c_cli_vip_end, r);
    CHECK_TRAP(t, VEC_GP, 0, (void *)5);
    CHECK_EQ("ax", t.r.eax, 1);
    t = RUN(c_popf_tf, 0);
    CHECK_TRAP(t, VEC_GP, 0, (void *)3);
    t = RUN(c_pushfd, 0);
    CHECK_TRAP(t, VEC_GP, 0, (void *)0);
    t = RUN(c_popfd, 0);
    CHECK_TRAP(t, VEC_GP, 0, (void *)3);
    t = RUN(c_iretd, 0);
    CHECK_TRAP(t, VEC_GP, 0, (void *)12);
}

CODE(redirected, "sti\n int $0x45\n pushf\n pop %dx\n mov %sp, %si\n int $0x81\n .org c_redirected + 0x80\n mov %sp, "
                 "%bp\n mov (%bp), %ax\n mov 2(%bp), %bx\n mov 4(%bp), %cx\n pushf\n pop %di\n iret");
TEST(redirected_interrupts) {
    if (!vme())
        return;
    rm_vector(0x45, RM_CODE_SEG, 0x80);
    for (unsigned iopl = 0; iopl < 4; iopl++) {
        tss.io_bitmap[0x45 / 8] = 0xff;
        struct trap t = RUN(c_redirected, iopl);
        CHECK_TRAP(t, VEC_GP, iopl == 3 ? 0x45 * 8 + 2 : 0, (void *)1);
        tss.io_bitmap[0x45 / 8] &= (u8) ~(1u << (0x45 & 7));
        t = RUN(c_redirected, iopl);
        if (iopl == 3)
            CHECK_DONE("redirected", t);
        else
            CHECK_TRAP(t, VEC_GP, 0, (void *)7);
        CHECK_EQ("pushed IP", t.r.eax, 3);
        CHECK_EQ("pushed CS", t.r.ebx, RM_CODE_SEG);
        CHECK_EQ("pushed flags", t.r.ecx, 0x3202);
        CHECK_EQ("flags inside", t.r.edi, 0x3002);
        CHECK_EQ("flags afterwards", t.r.edx, 0x3202);
        CHECK_EQ("sp", t.r.esi, RM_STACK_TOP);
        CHECK_EQ("IF or VIF", t.r.eflags & (FLAG_IF | FLAG_VIF), iopl == 3 ? FLAG_IF : FLAG_VIF);
    }
}

// The bitmap lies beyond the TSS, or the TSS has none.
TEST(redirection_map_beyond_the_tss) {
    if (!vme())
        return;
    rm_vector(0x45, RM_CODE_SEG, 0x80);
    tss.io_bitmap[0x45 / 8] = 0;
    tss.iomap = sizeof tss + REDIRECTION;
    struct trap t = RUN(c_redirected, 3);
    CHECK_TRAP(t, VEC_GP, 0, (void *)1);
}

// ---- PVI: CLI and STI of ring 3 in protected mode ------------------------------------------------------------------

SNIPPET(p_sti, "sti", "nop")
SNIPPET(p_cli, "cli\n nop", "nop")
SNIPPET(p_popf, "push $0x202\n popf\n pushf\n pop %eax", "nop")
SNIPPET(p_sti_alone, "", "sti")
SNIPPET(p_fault, "cli", "sti")
TEST(protected_mode_virtual_interrupts) {
    u32 id[4];
    cpuid(1, id);
    if (under_qemu() || !(id[3] & 2))
        return;
    write_cr4(read_cr4() | CR4_PVI);
    struct regs r = regs_for(3);
    struct trap t = exec_ring(p_sti, 3);
    CHECK_DONE("STI", t);
    CHECK_EQ("VIF", t.r.eflags & (FLAG_VIF | FLAG_IF), FLAG_VIF);
    r.eflags |= FLAG_VIF;
    exec(p_cli, &r, &t);
    CHECK_DONE("CLI", t);
    CHECK_EQ("VIF", t.r.eflags & (FLAG_VIF | FLAG_IF), 0);
    exec(p_popf, &r, &t); // POPF and PUSHF are as ever
    CHECK_DONE("POPF", t);
    CHECK_EQ("image", t.r.eax & FLAG_IF, 0);
    CHECK_EQ("VIF", t.r.eflags & FLAG_VIF, FLAG_VIF);
    r.eflags = FLAG_ONE | FLAG_VIP;
    exec(p_fault, &r, &t);
    CHECK_TRAP(t, VEC_GP, 0, p_fault_at);
    r.eflags = FLAG_ONE | FLAG_IOPL;
    exec(p_sti, &r, &t);
    CHECK_DONE("STI with IOPL", t);
    CHECK_EQ("IF", t.r.eflags & (FLAG_VIF | FLAG_IF), FLAG_IF);
    write_cr4(read_cr4() & ~CR4_PVI);
    EXPECT_FAULT_RING(3, p_sti_alone, VEC_GP, 0);
}
