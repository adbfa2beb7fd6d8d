// The kernel: all tasks enter it from ring 3, so a task's whole state is the trap frame at the top of the trap stack;
// switching is copying frames and loading CR3.
#include "multitask.h"

struct task {
    struct trap_frame frame;
    struct space space;
    u32 heap[HEAP_PAGES]; // frames, 0 where nothing is mapped yet
    u32 stack[STACK_PAGES];
    u32 result;
    bool done;
};

static struct {
    struct settings settings;
    struct task task[TASKS_MAX];
    unsigned current, running;
    u32 shared; // the frame all heaps start with under copy_on_write
    u32 pool, pool_next;
    volatile u32 ticks;
    u32 switches, faults, calls;
} kernel;

static u32 fresh_page(void) {
    u32 page = kernel.pool + kernel.pool_next++ * 4096;
    return page;
}

static void switch_to(unsigned next, struct trap_frame *frame) {
    if (next == kernel.current)
        return;
    kernel.task[kernel.current].frame = *frame;
    *frame = kernel.task[next].frame;
    kernel.current = next;
    kernel.switches++;
    write_cr3(kernel.task[next].space.root);
}

static void schedule(struct trap_frame *frame) {
    for (unsigned i = 1; i <= kernel.settings.tasks; i++) {
        unsigned next = (kernel.current + i) % kernel.settings.tasks;
        if (!kernel.task[next].done) {
            switch_to(next, frame);
            return;
        }
    }
}

static bool on_timer(struct trap_frame *frame) {
    kernel.ticks++;
    pic_eoi(IRQ_TIMER);
    if (frame->cs & 3)
        schedule(frame);
    return true;
}

static bool on_syscall(struct trap_frame *frame) {
    kernel.calls++;
    switch (frame->eax) {
    case SYS_PID: frame->eax = kernel.current; break;
    case SYS_TIME: frame->eax = kernel.ticks; break;
    case SYS_EXIT:
        kernel.task[kernel.current].result = frame->ebx;
        kernel.task[kernel.current].done = true;
        if (--kernel.running == 0)
            return false; // ends exec
        schedule(frame);
        break;
    case SYS_YIELD: schedule(frame); break;
    default: return false;
    }
    return true;
}

static bool on_fault(struct trap_frame *frame) {
    struct task *task = &kernel.task[kernel.current];
    u32 page = read_cr2() & ~0xfffu;
    u32 *slot;
    if (page >= HEAP_AT && page < HEAP_AT + HEAP_PAGES * 4096)
        slot = &task->heap[(page - HEAP_AT) >> 12];
    else if (page >= STACK_TOP - STACK_PAGES * 4096 && page < STACK_TOP)
        slot = &task->stack[(page - STACK_TOP + STACK_PAGES * 4096) >> 12];
    else
        return false;
    kernel.faults++;
    if (!*slot && kernel.settings.copy_on_write && page < STACK_TOP - STACK_PAGES * 4096 && !(frame->error & PF_W)) {
        space_map(&task->space, page, kernel.shared, PTE_P | PTE_U); // to read: the shared frame
        return true;
    }
    if (*slot)
        return false; // it is ours and writable already
    *slot = fresh_page();
    memcpy((void *)*slot, (void *)kernel.shared, 4096);
    space_map(&task->space, page, *slot, PTE_WU);
    invlpg(page);
    return true;
}

static void task_new(unsigned i) {
    struct task *t = &kernel.task[i];
    memset(t, 0, sizeof *t);
    t->space = space_new(kernel.settings.mode);
    if (i == 0 || kernel.settings.mode == PAGING_PAE)
        space_identity(&t->space);
    else
        memcpy((void *)t->space.root, (void *)kernel.task[0].space.root, 8 * 4); // the kernel's tables are shared
    u32 code = kernel.settings.random_code ? 0x08000000 + i * 0x00345000 : (u32)task_start;
    if (kernel.settings.random_code)
        for (u32 at = 0; at < (u32)(task_end - task_start); at += 4096)
            space_map(&t->space, code + at, (u32)task_start + at, PTE_P | PTE_U);
    struct trap_frame *f = &t->frame;
    f->cs = SEL_UCODE;
    f->ss = f->ds = f->es = f->fs = f->gs = SEL_UDATA;
    f->eip = code + (u32)(task_entry - task_start);
    f->esp = STACK_TOP;
    f->eflags = FLAG_ONE | FLAG_IF;
    f->ebx = HEAP_AT;
    f->esi = HEAP_PAGES * 1024;
}

static u32 model(unsigned i) {
    static u32 heap[HEAP_PAGES * 1024];
    memset(heap, 0, sizeof heap);
    struct work *work = (struct work *)heap;
    work->seed = i * 7919 + 13;
    work->rounds = kernel.settings.rounds;
    return task_program(work, heap, HEAP_PAGES * 1024, false);
}

void multitask(const struct settings *settings) {
    memset(&kernel, 0, sizeof kernel);
    kernel.settings = *settings;
    kernel.running = settings->tasks;
    kernel.shared = page_alloc(1);
    for (unsigned i = 0; i < settings->tasks; i++)
        task_new(i);
    kernel.pool = page_alloc(settings->tasks * (HEAP_PAGES + STACK_PAGES));
    for (unsigned i = 0; i < settings->tasks; i++) { // the first heap page carries the work
        struct work *work = (struct work *)(kernel.task[i].heap[0] = fresh_page());
        work->seed = i * 7919 + 13;
        work->rounds = settings->rounds;
        space_map(&kernel.task[i].space, HEAP_AT, kernel.task[i].heap[0], PTE_WU);
    }
    cli();
    pic_init();
    hook_set(IRQ_VECTOR + IRQ_TIMER, on_timer);
    hook_set(0x80, on_syscall);
    hook_set(VEC_PF, on_fault);
    idt_set_dpl(0x80, 3);
    space_enter(&kernel.task[0].space);
    pit_start(0, PIT_RATE, (u16)(PIT_HZ / settings->hz));
    pic_unmask(IRQ_TIMER);
    struct regs r = regs_for(3);
    struct trap t;
    const struct trap_frame *f = &kernel.task[0].frame;
    r.esp = f->esp;
    r.ebx = f->ebx;
    r.esi = f->esi;
    r.eflags = f->eflags;
    exec((void *)f->eip, &r, &t);
    cli();
    pic_mask(IRQ_TIMER);
    CHECK_EQ("ended by the last task's exit", t.vector, 0x80);
    for (unsigned i = 0; i < settings->tasks; i++) {
        CHECK(kernel.task[i].done);
        CHECK_EQ("result", kernel.task[i].result, model(i));
    }
    print("     %u ticks, %u switches, %u page faults, %u calls\n", kernel.ticks, kernel.switches, kernel.faults,
          kernel.calls);
}
