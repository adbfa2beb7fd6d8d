// Out of virtual-8086 mode through 16-bit gates: what the handler finds on its stack and in its registers, with code
// and stacks of either width, for INT n, faults with an error code and interrupts. No 16-bit IRET leads back: its image
// has no VM. Intel SDM vol. 3A, 6.12.1 and vol. 3B, 20.3.1.
#include "paging.h"
#include "pc.h"
#include "rm.h"

enum { SEL_HANDLER = SEL_FREE + 0x20, SEL_STACK16 = SEL_FREE + 0x28, STACK16 = 0x60000, STACK16_TOP = 0x8000 };
enum { GATE_TRAP16 = 0x87, VECTOR = 0x45, ITEMS = 9 };
enum { IP, CS, FLAGS, SP, SS, ES, DS, FS, GS };

u16 gate_frame[ITEMS + 1];
extern u8 rt_trap_stack_top[];

// EBX: ESP at the entry, SI: SS, EDX: EFLAGS, CX: the data segment registers or'ed together; the frame in gate_frame.
#define HANDLER(name, width)                                                                                           \
    __asm__(".pushsection .rodata\n.globl " #name "\n" #name ":\n.code" width                                          \
            "\n movl %esp, %ebx\n pushfl\n popl %edx\n mov %ds, %cx\n mov %es, %ax\n orw %ax, %cx\n mov %fs, %ax\n "   \
            "orw %ax, %cx\n mov %gs, %ax\n orw %ax, %cx\n mov %ss, %si\n movw $0x10, %ax\n mov %ax, %ds\n "            \
            "movl $gate_frame, %edi\n .rept 10\n popw (%edi)\n addl $2, %edi\n .endr\n mov %ax, %ss\n "                \
            "movl $rt_trap_stack_top - 512, %esp\n int $0x81\n.code32\n.popsection");                                  \
    extern const u8 name[]
HANDLER(handler16, "16");
HANDLER(handler32, "32");

RM_SNIPPET(g_int, "mov $0x7b, %al\n int $0x45\n inc %bx");
RM_SNIPPET(g_hlt, "nop\n hlt");
RM_SNIPPET(g_wait, "1: jmp 1b");

static void begin(void) {
    struct space s = space_new(PAGING_32);
    space_identity(&s);
    for (u32 at = 0; at < 0x100000; at += 4096)
        space_map(&s, at, at, PTE_WU);
    space_enter(&s);
    memset(gate_frame, 0, sizeof gate_frame);
}

static struct regs v86_regs(unsigned iopl) {
    return (struct regs){.eflags = FLAG_ONE | FLAG_VM | FLAG_CF | iopl << 12,
                         .cs = RM_CODE_SEG,
                         .ss = RM_STACK_SEG,
                         .ds = 0xd0d1,
                         .es = 0xe0e1,
                         .fs = 0xf0f1,
                         .gs = 0x9091,
                         .esp = 0x12340000 | RM_STACK_TOP};
}

static struct trap run(const u8 *code, const u8 *end, const struct regs *r) {
    struct trap t;
    rm_code(code, end, 0);
    exec((void *)0, r, &t);
    return t;
}

// The gate's offset has no upper half, whatever stands there. (QEMU takes 32 bits.)
static void set_gate(unsigned vector, u8 type, const u8 *handler, bool wide_code) {
    gdt_set(SEL_HANDLER, (u32)handler, 0xffff, SEG_CODE, wide_code ? SEG_D : 0);
    idt[vector] = gate(SEL_HANDLER, under_qemu() ? 0 : 0xdead0000, (u8)(type | SEG_DPL3), 0);
}

static void check_handler(const struct trap *t, u32 esp, u16 ss, u16 ip, bool error) {
    static const u16 segments[] = {
        [SP] = RM_STACK_TOP, [SS] = RM_STACK_SEG, [ES] = 0xe0e1, [DS] = 0xd0d1, [FS] = 0xf0f1, [GS] = 0x9091};
    const u16 *frame = gate_frame + error;
    CHECK_DONE("the handler ran", *t);
    CHECK_EQ("ESP", t->r.ebx, esp - 2 * (ITEMS + error));
    CHECK_EQ("SS", t->r.esi & 0xffff, ss);
    CHECK_EQ("data segments are null", t->r.ecx & 0xffff, 0);
    CHECK_EQ("CPL 0", t->r.cs, SEL_HANDLER);
    CHECK_EQ("VM, TF and NT are clear", t->r.edx & (FLAG_VM | FLAG_TF | FLAG_NT), 0);
    CHECK_EQ("IP", frame[IP], ip);
    CHECK_EQ("CS", frame[CS], RM_CODE_SEG);
    for (unsigned i = SP; i <= GS; i++)
        CHECK_EQ("frame", frame[i], segments[i]);
    if (error)
        CHECK_EQ("error code", gate_frame[0], 0);
}

TEST(int_n_through_16_bit_gates) {
    begin();
    for (unsigned i = 0; i < 4; i++) {
        bool wide = i & 1, trap_gate = i & 2;
        set_gate(VECTOR, trap_gate ? GATE_TRAP16 : GATE_INT16, wide ? handler32 : handler16, wide);
        struct regs r = v86_regs(3);
        r.eflags |= FLAG_IF | FLAG_NT | FLAG_AC;
        struct trap t = run(g_int, g_int_end, &r);
        check_handler(&t, tss.esp0, SEL_KDATA, 4, false);
        CHECK_EQ("flags pushed", gate_frame[FLAGS], FLAG_ONE | FLAG_CF | FLAG_IF | FLAG_IOPL | FLAG_NT);
        CHECK_EQ("IF inside", t.r.edx & FLAG_IF, trap_gate ? FLAG_IF : 0);
        CHECK_EQ("AC and IOPL stay", t.r.edx & (FLAG_AC | FLAG_IOPL), FLAG_AC | FLAG_IOPL);
    }
}

TEST(onto_a_16_bit_stack) { // SP alone counts; the upper half of ESP comes from the TSS
    begin();
    set_gate(VECTOR, GATE_INT16, handler16, false);
    gdt_set(SEL_STACK16, STACK16, 0xffff, SEG_DATA, 0);
    tss.ss0 = SEL_STACK16;
    tss.esp0 = 0x77770000 | STACK16_TOP;
    struct regs r = v86_regs(3);
    rm_code(g_int, g_int_end, 0);
    struct trap t;
    exec((void *)0, &r, &t);
    if (under_qemu())
        t.r.ebx = 0x77770000 | (t.r.ebx & 0xffff);
    check_handler(&t, 0x77770000 | STACK16_TOP, SEL_STACK16, 4, false);
    CHECK_EQ("IP lies below the top", rm_word(STACK16 + STACK16_TOP - 2 * ITEMS), 4);
    tss.esp0 = 6; // wraps
    t = run(g_int, g_int_end, &r);
    CHECK_DONE("the handler ran", t);
    CHECK_EQ("SP", t.r.ebx & 0xffff, 0x10000 + 6 - 2 * ITEMS);
    CHECK_EQ("IP", rm_word(STACK16 + 0x10000 + 6 - 2 * ITEMS), 4);
    CHECK_EQ("GS", rm_word(STACK16 + 4), 0x9091);
}

TEST(faults_through_16_bit_gates) { // with an error code of two bytes; IOPL and the gate's DPL do not count
    begin();
    for (unsigned iopl = 0; iopl < 4; iopl++) {
        set_gate(VEC_GP, GATE_INT16, iopl & 1 ? handler32 : handler16, iopl & 1);
        struct regs r = v86_regs(iopl);
        struct trap t = run(g_hlt, g_hlt_end, &r);
        check_handler(&t, tss.esp0, SEL_KDATA, 1, true);
        CHECK_EQ("flags pushed", gate_frame[1 + FLAGS], FLAG_ONE | FLAG_CF | iopl << 12);
    }
}

TEST(interrupts_through_16_bit_gates) {
    begin();
    pic_init();
    set_gate(IRQ_VECTOR + IRQ_TIMER, GATE_INT16, handler16, false);
    pit_start(0, PIT_RATE, PIT_HZ / 1000);
    pic_unmask(IRQ_TIMER);
    struct regs r = v86_regs(0);
    r.eflags |= FLAG_IF;
    struct trap t = run(g_wait, g_wait_end, &r);
    pic_mask(IRQ_TIMER);
    pic_eoi(IRQ_TIMER);
    check_handler(&t, tss.esp0, SEL_KDATA, 0, false);
    CHECK_EQ("flags pushed", gate_frame[FLAGS], FLAG_ONE | FLAG_CF | FLAG_IF);
    CHECK_EQ("IF inside", t.r.edx & FLAG_IF, 0);
}

TEST(what_16_bit_gates_refuse) {
    begin();
    struct regs r = v86_regs(3);
    set_gate(VECTOR, GATE_INT16, handler16, false);
    idt_set_dpl(VECTOR, 2);
    struct trap t = run(g_int, g_int_end, &r);
    CHECK_TRAP(t, VEC_GP, VECTOR * 8 + 2, (void *)2);
    r = v86_regs(2); // INT n needs IOPL first
    t = run(g_int, g_int_end, &r);
    CHECK_TRAP(t, VEC_GP, 0, (void *)2);
    r = v86_regs(3);
    set_gate(VECTOR, GATE_INT16, handler16, false);
    gdt_set(SEL_HANDLER, (u32)handler16, 0xffff, SEG_CODE | SEG_DPL3, 0);
    t = run(g_int, g_int_end, &r);
    CHECK_TRAP(t, VEC_GP, SEL_HANDLER, (void *)2);
    gdt_set(SEL_HANDLER, (u32)handler16, 0xffff, SEG_CODE_CONFORM, 0);
    t = run(g_int, g_int_end, &r);
    CHECK_TRAP(t, VEC_GP, SEL_HANDLER, (void *)2);
    gdt_set(SEL_HANDLER, (u32)handler16, 0xffff, SEG_CODE & ~SEG_P, 0);
    t = run(g_int, g_int_end, &r);
    CHECK_TRAP(t, VEC_NP, SEL_HANDLER, (void *)2);
    CHECK_EQ("still there", t.r.eflags & FLAG_VM, FLAG_VM);
    CHECK_EQ("gs", t.r.gs, 0x9091);
}

// ---- The way back --------------------------------------------------------------------------------------------------

SNIPPET(back16, "", "iretw")
TEST(no_way_back_by_a_16_bit_iret) { // CS of the image is a selector then, and there is none such
    begin();
    set_gate(VECTOR, GATE_INT16, back16, true);
    struct regs r = v86_regs(3);
    struct trap t = run(g_int, g_int_end, &r);
    CHECK_TRAP(t, VEC_GP, RM_CODE_SEG, (void *)0);
    CHECK_EQ("in the handler", t.r.cs, SEL_HANDLER);
}

SNIPPET(back32,
        "mov %esp, %ebp\n .irp at, 16, 14, 12, 10, 8, 6\n movzwl \\at(%ebp), %eax\n push %eax\n .endr\n "
        "movzwl 4(%ebp), %eax\n or $0x20000, %eax\n push %eax\n movzwl 2(%ebp), %eax\n push %eax\n "
        "movzwl (%ebp), %eax\n push %eax",
        "iret")
TEST(back_by_a_32_bit_iret) {
    begin();
    set_gate(VECTOR, GATE_INT16, back32, true);
    struct regs r = v86_regs(3);
    struct trap t = run(g_int, g_int_end, &r);
    CHECK_DONE("went on", t);
    CHECK_EQ("bx", t.r.ebx, 1);
    CHECK_EQ("cs", t.r.cs, RM_CODE_SEG);
    CHECK_EQ("esp", t.r.esp, RM_STACK_TOP);
    CHECK_EQ("ss", t.r.ss, RM_STACK_SEG);
    CHECK_EQ("ds", t.r.ds, 0xd0d1);
    CHECK_EQ("gs", t.r.gs, 0x9091);
    CHECK_EQ("VM and IOPL", t.r.eflags & (FLAG_VM | FLAG_IOPL), FLAG_VM | FLAG_IOPL);
}
