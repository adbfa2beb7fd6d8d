// The C side of traps: hooks, snippets, and what to do about traps that nobody expected.
#include "exec.h"

#include "paging.h"

void exec_enter(const struct regs *in);
void exec_leave(void) __attribute__((noreturn));
void trap_dispatch(struct trap_frame *frame);

enum { RING0_STACK = 16384 };

static struct {
    struct trap *out; // where the running snippet's trap goes, NULL outside exec
    trap_hook hook[256];
    u32 cr0, cr4;
} traps;
static u8 ring0_stack[RING0_STACK] __attribute__((aligned(4096)));

struct regs regs_for(unsigned ring) {
    struct regs r = {.eflags = FLAG_ONE};
    bool user = ring == 3;
    r.cs = user ? SEL_UCODE : SEL_KCODE;
    r.ss = r.ds = r.es = r.fs = r.gs = user ? SEL_UDATA : SEL_KDATA;
    r.esp = user ? (u32)user_stack_top : (u32)ring0_stack + RING0_STACK;
    return r;
}

void exec(const void *code, const struct regs *in, struct trap *out) {
    struct regs r = *in;
    r.eip = (u32)code;
    traps.out = out;
    exec_enter(&r);
    traps.out = NULL;
    barrier();
}

struct trap exec_ring(const void *code, unsigned ring) {
    struct trap t;
    struct regs r = regs_for(ring);
    exec(code, &r, &t);
    return t;
}

void hook_set(u8 vector, trap_hook hook) {
    traps.hook[vector] = hook;
}

static void capture(const struct trap_frame *f, struct trap *t) {
    bool v86 = f->eflags & FLAG_VM, inner = v86 || (f->cs & 3) != 0;
    const u32 *data = &f->ss + 1; // ES DS FS GS of virtual-8086 mode
    t->r = (struct regs){.edi = f->edi,
                         .esi = f->esi,
                         .ebp = f->ebp,
                         .ebx = f->ebx,
                         .edx = f->edx,
                         .ecx = f->ecx,
                         .eax = f->eax,
                         .eip = f->eip,
                         .eflags = f->eflags,
                         .cs = f->cs & 0xffff,
                         .ds = (v86 ? data[1] : f->ds) & 0xffff,
                         .es = (v86 ? data[0] : f->es) & 0xffff,
                         .fs = (v86 ? data[2] : f->fs) & 0xffff,
                         .gs = (v86 ? data[3] : f->gs) & 0xffff,
                         .esp = inner ? f->esp : (u32)&f->esp,
                         .ss = inner ? f->ss & 0xffff : SEL_KDATA};
    t->vector = f->vector;
    t->error = f->error;
    t->cr2 = read_cr2();
    t->inner = inner;
}

static void print_frame(const struct trap_frame *f) {
    print("vector %u error %08x eip %04x:%08x eflags %08x cr2 %08x\n", f->vector, f->error, f->cs & 0xffff, f->eip,
          f->eflags, read_cr2());
    print("eax %08x ecx %08x edx %08x ebx %08x ebp %08x esi %08x edi %08x\n", f->eax, f->ecx, f->edx, f->ebx, f->ebp,
          f->esi, f->edi);
}

void trap_dispatch(struct trap_frame *frame) {
    trap_hook hook = traps.hook[frame->vector];
    if (hook && hook(frame))
        return;
    if (traps.out) {
        capture(frame, traps.out);
        exec_leave();
    }
    print("unexpected trap: ");
    print_frame(frame);
    FAIL("unexpected trap");
    abort_test();
}

void exec_init(void) {
    traps.cr0 = read_cr0() & ~(CR0_PG | CR0_TS | CR0_EM | CR0_WP | CR0_AM);
    traps.cr4 = read_cr4() & ~(CR4_VME | CR4_PVI | CR4_PSE | CR4_PAE | CR4_PGE | CR4_TSD);
    exec_reset();
}

void exec_reset(void) {
    __asm__ volatile("push $2; popf" ::: "memory", "cc");
    traps.out = NULL;
    memset(traps.hook, 0, sizeof traps.hook);
    write_cr0(traps.cr0);
    write_cr4(traps.cr4);
}

bool check_trap(const char *what, const struct trap *t, u32 vector, u32 error, const void *eip, const char *file,
                int line) {
    if (t->vector == vector && t->error == error && t->r.eip == (u32)eip)
        return true;
    check_true(what, false, file, line);
    print("     got vector %u error %x eip %08x cr2 %08x, expected vector %u error %x eip %08x\n", t->vector, t->error,
          t->r.eip, t->cr2, vector, error, (u32)eip);
    return false;
}

bool check_done(const char *what, const struct trap *t, const char *file, int line) {
    if (t->vector == EXEC_DONE)
        return true;
    check_true(what, false, file, line);
    print("     did not run to its end: vector %u error %x eip %08x cr2 %08x\n", t->vector, t->error, t->r.eip, t->cr2);
    return false;
}
