// What single events cost in a guest, in ticks of its time-stamp counter: calls of the monitor, faults, transfers
// between rings, segment loads, ports, control registers. Runs on the runtime of guests/rt; built and run by
// bench/events. Each line is "NAME.RING<tab>TICKS", the least of many runs of a short loop, so that a busy host does
// not show.
#include "exec.h"
#include "paging.h"
#include "segments.h"

#define LOOPS   200 // in LOOP too
#define RUNS    600
#define ABSENT  0x1f00000u
#define VEC_OWN 0x90

#define LOOP(body)                                                                                                     \
    "rdtsc\n mov %eax, %ebp\n mov $200, %esi\n 7:\n" body                                                              \
    "\n dec %esi\n jnz 7b\n rdtsc\n sub %ebp, %eax\n mov %eax, %edi"

SNIPPET(b_sysenter, "", LOOP("mov %esp, %ecx\n mov $1f, %edx\n sysenter\n 1:"))
SNIPPET(b_int, "", LOOP("int $0x90"))
SNIPPET(b_ud, "", LOOP("ud2"))
SNIPPET(b_page_fault, "", LOOP("mov 0x1f00000, %eax"))
SNIPPET(b_iret, "", LOOP("pushf\n push %cs\n push $1f\n iret\n 1:"))
SNIPPET(b_load_ds, "mov %ds, %ecx", LOOP("mov %ecx, %ds"))
SNIPPET(b_load_null, "mov %ds, %ecx\n xor %ebx, %ebx", LOOP("mov %ecx, %fs\n mov %ebx, %fs"))
SNIPPET(b_load_other, "mov $0x40, %ecx\n mov $0x48, %ebx", LOOP("mov %ecx, %fs\n mov %ebx, %fs"))
SNIPPET(b_pop_ds, "", LOOP("push %ds\n pop %ds"))
SNIPPET(b_rep_movs, "mov $user_buffer, %ebx",
        LOOP("lea 64(%ebx), %edi\n mov %esi, %edx\n mov %ebx, %esi\n mov $8, %ecx\n rep movsl\n mov %edx, %esi"))
SNIPPET(b_rep_stos, "mov $user_buffer, %ebx", LOOP("mov %ebx, %edi\n mov $8, %ecx\n rep stosl"))
SNIPPET(b_out, "xor %eax, %eax", LOOP("out %al, $0x80"))
SNIPPET(b_in, "", LOOP("in $0x61, %al"))
SNIPPET(b_cr2, "", LOOP("mov %cr2, %eax"))
SNIPPET(b_cpuid, "", LOOP("xor %eax, %eax\n cpuid"))
SNIPPET(b_cr3, "mov %cr3, %ecx", LOOP("mov %ecx, %cr3"))
SNIPPET(b_cr3_pages, "mov %cr3, %ecx", LOOP("mov %ecx, %cr3\n call far_a\n call far_b\n call far_c\n call far_d"))
SNIPPET(b_invlpg, "", LOOP("invlpg 0x1f00000"))
SNIPPET(b_call, "", LOOP("call far_a"))
__asm__(".pushsection .snippets\n .p2align 12\n far_a: ret\n .p2align 12\n far_b: ret\n .p2align 12\n far_c: ret\n"
        ".p2align 12\n far_d: ret\n .p2align 12\n .popsection");

// Handlers that do nothing but go on: at once, or behind a two-byte or five-byte instruction.
void on_sysenter(void);
void on_int(void);
void on_ud(void);
void on_page_fault(void);
__asm__(".text\n on_sysenter: sysexit\n on_int: iret\n on_ud: addl $2, (%esp)\n iret\n"
        "on_page_fault: add $4, %esp\n addl $5, (%esp)\n iret");

static u8 sysenter_stack[4096];

static void row(const char *name, const void *code, unsigned ring, unsigned events) {
    const struct regs in = regs_for(ring);
    u32 best = ~0u;
    for (unsigned i = 0; i < RUNS; i++) {
        struct trap t;
        exec(code, &in, &t);
        if (t.vector != EXEC_DONE)
            FAIL(name);
        else if (t.r.edi < best)
            best = t.r.edi;
    }
    print("%s.%u\t%u\n", name, ring, best / (LOOPS * events));
}

static void transfers(void) {
    const u64 page_fault = idt[VEC_PF], undefined = idt[VEC_UD];
    wrmsr(0x174, SEL_KCODE);
    wrmsr(0x175, (u32)sysenter_stack + sizeof sysenter_stack);
    wrmsr(0x176, (u32)on_sysenter);
    idt[VEC_OWN] = gate(SEL_KCODE, (u32)on_int, GATE_INT | SEG_DPL3, 0);
    idt[VEC_UD] = gate(SEL_KCODE, (u32)on_ud, GATE_INT, 0);
    idt[VEC_PF] = gate(SEL_KCODE, (u32)on_page_fault, GATE_INT, 0);
    row("sysenter-sysexit", b_sysenter, 3, 1);
    row("int-iret", b_int, 3, 1);
    row("int-iret", b_int, 0, 1);
    row("ud-iret", b_ud, 3, 1);
    row("page-fault-iret", b_page_fault, 3, 1);
    row("page-fault-iret", b_page_fault, 0, 1);
    row("iret", b_iret, 0, 1);
    idt[VEC_PF] = page_fault;
    idt[VEC_UD] = undefined;
}

static void segment_loads(void) {
    gdt_set(0x40, 0x1000, 0xfffff, SEG_DATA | SEG_DPL3, SEG_G | SEG_D);
    gdt_set(0x48, 0x2000, 0xfffff, SEG_DATA | SEG_DPL3, SEG_G | SEG_D);
    row("load-ds-same", b_load_ds, 0, 1);
    row("load-ds-same", b_load_ds, 3, 1);
    row("load-fs-null", b_load_null, 0, 2);
    row("load-fs-other", b_load_other, 0, 2);
    row("push-pop-ds", b_pop_ds, 0, 1);
}

void main(void) {
    struct space s = space_new(PAGING_32);
    space_identity(&s);
    pte_set(&s, ABSENT, 0);
    space_enter(&s);
    transfers();
    segment_loads();
    row("rep-movs-32", b_rep_movs, 3, 1);
    row("rep-stos-32", b_rep_stos, 3, 1);
    row("out-post", b_out, 0, 1);
    row("in-port61", b_in, 0, 1);
    row("mov-from-cr2", b_cr2, 0, 1);
    row("cpuid", b_cpuid, 0, 1);
    row("mov-to-cr3", b_cr3, 0, 1);
    row("mov-to-cr3-and-4-pages", b_cr3_pages, 0, 1);
    row("invlpg", b_invlpg, 0, 1);
    row("call-ret-other-page", b_call, 3, 1);
    row("call-ret-other-page", b_call, 0, 1);
    guest_exit(check_failures() ? 1 : 0);
}
