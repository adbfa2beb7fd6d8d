// Triple faults: what cannot be delivered, then the double fault that cannot be delivered either. Intel SDM vol.
// 3A 6.15, interrupt 8. Each way ends the machine, so each is a run of its own: triple=WAY on the command line.
#include "paging.h"
#include "pc.h"

enum { MISSING = 0x50000000, SEL_TASK = 0x48 };

SNIPPET(x_hlt, "", "hlt")
SNIPPET(x_div, "xor %ecx, %ecx", "div %ecx")
SNIPPET(x_load, "mov %esi, %esp", "mov (%esi), %eax")
SNIPPET(x_sti, "lidt (%esi)\n sti", "nop\n nop\n nop")
SNIPPET(x_push, "mov %ebx, %ss\n mov $8, %esp\n push %eax\n push %eax", "push %eax")

static void absent(u8 vector) {
    idt[vector] &= ~(1ull << 47);
}

static void run(const u8 *code, unsigned ring) {
    struct regs r = regs_for(ring);
    struct trap t;
    r.esi = MISSING;
    exec(code, &r, &t);
    print("not a triple fault: vector %u\n", t.vector);
}

static void paged(void) {
    struct space s = space_new(PAGING_32);
    space_identity(&s);
    space_enter(&s);
}

static u32 task[26];

void triple(void) {
    if (option("triple=gp")) { // #GP, #NP, #DF, #NP
        absent(VEC_GP);
        absent(VEC_DF);
        run(x_hlt, 3);
    }
    if (option("triple=de")) {
        absent(VEC_DE);
        absent(VEC_DF);
        run(x_div, 0);
    }
    if (option("triple=pf")) { // #PF, #NP, #DF, #NP
        paged();
        absent(VEC_PF);
        absent(VEC_DF);
        run(x_load, 3);
    }
    if (option("triple=stack")) { // #PF, #PF, #DF, #PF: the stack itself is not there
        paged();
        run(x_load, 0);
    }
    if (option("triple=limit")) { // #SS, #SS, #DF, #SS
        struct regs r = regs_for(0);
        struct trap t;
        gdt_set(SEL_FREE, (u32)user_buffer, 4095, SEG_DATA, SEG_D);
        r.ebx = SEL_FREE;
        exec(x_push, &r, &t);
    }
    if (option("triple=inner")) { // #GP, #TS, #DF, #TS: no stack for ring 0
        tss.ss0 = 0;
        run(x_hlt, 3);
    }
    if (option("triple=idt")) { // a table that is not there: #PF from the gate of each
        paged();
        idt_load(MISSING, 0x7ff);
        __asm__ volatile("int $0x80");
    }
    if (option("triple=task")) { // the double fault's task is busy
        absent(VEC_GP);
        gdt_set(SEL_TASK, (u32)task, 103, SYS_TSS_BUSY, 0);
        idt[VEC_DF] = gate(SEL_TASK, 0, GATE_TASK, 0);
        run(x_hlt, 3);
    }
    if (option("triple=late")) { // its code segment cannot be loaded: #TS behind the commit point
        absent(VEC_GP);
        gdt_set(SEL_TASK, (u32)task, 103, SYS_TSS, 0);
        idt[VEC_DF] = gate(SEL_TASK, 0, GATE_TASK, 0);
        run(x_hlt, 3);
    }
    if (option("triple=irq")) { // an interrupt without a gate
        cli();
        pic_init();
        pit_start(0, PIT_ONE_SHOT, 10);
        pic_unmask(IRQ_TIMER);
        wait_pending(IRQ_TIMER);
        struct regs r = regs_for(0);
        struct trap t;
        memset(user_buffer, 0, 8);
        r.esi = (u32)user_buffer;
        exec(x_sti, &r, &t);
    }
    if (option("triple=int")) { // INT n from ring 3, whose #GP finds no gate
        absent(VEC_GP);
        absent(VEC_DF);
        idt_set_dpl(0x80, 0);
        idt_load((u32)idt, 0x80 * 8 - 1);
        static const u8 code[] = {0xcd, 0x80};
        memcpy(user_buffer, code, sizeof code);
        run(user_buffer, 3);
    }
}
