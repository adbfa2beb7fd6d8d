// Tasks of the tests.
#include "kit.h"

enum { STACK = 4096, LOW_CODE = 0x7000, LOW_STACK = 0x7e00 };

struct task32 task_b __attribute__((aligned(256))), task_c __attribute__((aligned(256))),
    task_h __attribute__((aligned(256)));
struct task16 task_16 __attribute__((aligned(256)));
static u8 stacks[3][STACK] __attribute__((aligned(16)));

static u8 *stack_top(const struct task32 *t) {
    return stacks[t == &task_b ? 0 : t == &task_c ? 1 : 2] + STACK;
}

u32 stack_of(const struct task32 *t) {
    return (u32)stack_top(t);
}

void task_make(struct task32 *t, u16 selector, unsigned ring, const void *code) {
    struct regs r = regs_for(ring);
    memset(t, 0, sizeof *t);
    t->ss0 = SEL_KDATA;
    t->esp0 = (u32)stack_top(t);
    t->cr3 = read_cr3();
    t->eip = (u32)code;
    t->eflags = FLAG_ONE;
    t->esp = ring ? (u32)user_stack_top - 4096 : (u32)stack_top(t);
    t->cs = r.cs;
    t->ss = r.ss;
    t->ds = t->es = t->fs = t->gs = r.ds;
    t->iomap = sizeof *t;
    gdt_set(selector, (u32)t, TSS32_LIMIT, SYS_TSS, 0);
}

const u8 *task_make16(struct task16 *t, u16 selector, const u8 *code, const u8 *end) {
    memcpy((void *)LOW_CODE, code, (u32)(end - code) + 2); // and the INT that ends it
    memset(t, 0, sizeof *t);
    t->ss0 = SEL_KDATA;
    t->sp0 = LOW_STACK;
    t->ip = LOW_CODE;
    t->flags = FLAG_ONE;
    t->sp = LOW_STACK;
    t->cs = SEL_KCODE;
    t->ss = t->ds = t->es = SEL_KDATA;
    gdt_set(selector, (u32)t, TSS16_LIMIT, SYS_TSS16, 0);
    return (const u8 *)LOW_CODE;
}

bool is_busy(u16 selector) {
    return (u32)(gdt[selector >> 3] >> 41) & 1;
}

u16 current_task(void) {
    u32 selector;
    __asm__ volatile("str %0" : "=r"(selector));
    return (u16)selector;
}
