// Tasks of the tests: a TSS of either width, a descriptor and a stack for each. The runtime's own task (SEL_TSS) is the
// one that starts. Intel SDM vol. 3A, chapter 7.
#ifndef TASKS_KIT_H
#define TASKS_KIT_H

#include "exec.h"

enum { B = 0x40, C = 0x48, GATE_B = 0x50, OWN_LDT = 0x58, H = 0x60, SPARE = 0x68, SPARE2 = 0x70 };
enum { SYS_TSS16 = 0x81, TSS32_LIMIT = 103, TSS16_LIMIT = 43 };

struct task32 {
    u32 link, esp0, ss0, esp1, ss1, esp2, ss2, cr3, eip, eflags;
    u32 eax, ecx, edx, ebx, esp, ebp, esi, edi, es, cs, ss, ds, fs, gs, ldt;
    u16 trap, iomap;
};

struct task16 {
    u16 link, sp0, ss0, sp1, ss1, sp2, ss2, ip, flags;
    u16 ax, cx, dx, bx, sp, bp, si, di, es, cs, ss, ds, ldt;
};

extern struct task32 task_b, task_c, task_h;
extern struct task16 task_16;

// A task of the ring that starts at `code` with zero registers and flat segments; its TSS is `selector`, available.
void task_make(struct task32 *t, u16 selector, unsigned ring, const void *code);
// The same with a 16-bit TSS: `code` is copied below 64 KiB (returned), and so is the stack.
const u8 *task_make16(struct task16 *t, u16 selector, const u8 *code, const u8 *end);
u32 stack_of(const struct task32 *t); // ESP of ring 0 as task_make left it

bool is_busy(u16 selector);
u16 current_task(void);
// A gate in the IDT that leads to a task.
static inline u64 task_gate(u16 selector, u8 dpl_) {
    return gate(selector, 0, (u8)(GATE_TASK | dpl(dpl_)), 0);
}
// Exactly the selector given is the current task, and of the two others which are busy.
#define CHECK_TASKS(now, busy_main, busy_b)                                                                            \
    do {                                                                                                               \
        CHECK_EQ("TR", current_task(), now);                                                                           \
        CHECK_EQ("main task busy", is_busy(SEL_TSS), busy_main);                                                       \
        CHECK_EQ("task B busy", is_busy(B), busy_b);                                                                   \
    } while (0)

#endif
