// The rows of the nanobenchmarks: the events, and the handlers that do nothing but count and go on. See nano.h.
#include "nano.h"

#define VEC_OWN 0x90

// ESI counts the turns, EBP holds the time at the start. RDTSC takes EDX, so what EDX is to hold is prepared behind it.
#define LOOP_WITH(prepare, body)                                                                                       \
    "rdtsc\n mov %eax, %ebp\n" prepare "\n mov $200, %esi\n 7:\n" body                                                 \
    "\n dec %esi\n jnz 7b\n rdtsc\n sub %ebp, %eax\n mov %eax, %edi"
#define LOOP(body) LOOP_WITH("", body)

SNIPPET(b_sysenter, "", LOOP("mov %esp, %ecx\n mov $1f, %edx\n sysenter\n 1:"))
SNIPPET(b_int, "", LOOP("int $0x90"))
SNIPPET(b_ud, "", LOOP("ud2"))
SNIPPET(b_divide, "xor %ecx, %ecx", LOOP("xor %edx, %edx\n div %ecx"))
SNIPPET(b_page_fault, "", LOOP("mov 0x1f00000, %eax"))
SNIPPET(b_iret, "", LOOP("pushf\n push %cs\n push $1f\n iret\n 1: inc %ebx"))
SNIPPET(b_load_ds, "mov %ds, %ecx", LOOP("mov %ecx, %ds\n inc %ebx"))
SNIPPET(b_load_null, "", LOOP_WITH("mov %ds, %ecx\n xor %edx, %edx", "mov %ecx, %fs\n mov %edx, %fs\n inc %ebx"))
SNIPPET(b_load_other, "", LOOP_WITH("mov $0x40, %ecx\n mov $0x48, %edx", "mov %ecx, %fs\n mov %edx, %fs\n inc %ebx"))
SNIPPET(b_pop_ds, "", LOOP("push %ds\n pop %ds\n inc %ebx"))
SNIPPET(b_popf, "", LOOP("pushf\n popf\n inc %ebx"))
SNIPPET(b_sti, "", LOOP("sti\n cli\n inc %ebx"))
SNIPPET(b_rep_movs, "",
        LOOP_WITH("mov $user_buffer, %edx",
                  "lea 64(%edx), %edi\n push %esi\n mov %edx, %esi\n mov $8, %ecx\n rep movsl\n pop %esi\n inc %ebx"))
SNIPPET(b_rep_stos, "", LOOP_WITH("mov $user_buffer, %edx", "mov %edx, %edi\n mov $8, %ecx\n rep stosl\n inc %ebx"))
SNIPPET(b_out, "xor %eax, %eax", LOOP("out %al, $0x80\n inc %ebx"))
SNIPPET(b_in, "", LOOP("in $0x61, %al\n inc %ebx"))
SNIPPET(b_cr_read, "", LOOP("mov %cr0, %eax\n add %eax, %ebx\n sub %eax, %ebx\n inc %ebx"))
SNIPPET(b_cr2, "", LOOP("mov %cr2, %eax\n inc %ebx"))
SNIPPET(b_cr_write, "mov %cr0, %ecx", LOOP("mov %ecx, %cr0\n inc %ebx"))
SNIPPET(b_cpuid, "", LOOP("push %ebx\n xor %eax, %eax\n cpuid\n pop %ebx\n inc %ebx"))
SNIPPET(b_cr3, "mov %cr3, %ecx", LOOP("mov %ecx, %cr3\n inc %ebx"))
SNIPPET(b_cr3_pages, "mov %cr3, %ecx",
        LOOP("mov %ecx, %cr3\n call far_a\n call far_b\n call far_c\n call far_d\n inc %ebx"))
// To another address space and back: two events.
SNIPPET(b_cr3_other, "",
        LOOP_WITH("mov %cr3, %ecx\n mov nano_other_root, %edx", "mov %edx, %cr3\n mov %ecx, %cr3\n inc %ebx"))
SNIPPET(b_invlpg, "", LOOP("invlpg 0x1f00000\n inc %ebx"))
// An entry that maps one page and then another, with the access that shows which.
SNIPPET(b_pte, "",
        LOOP_WITH("mov nano_entry, %ecx\n mov (%ecx), %edx",
                  "xor $0x1000, %edx\n mov %edx, (%ecx)\n invlpg 0x1e00000\n add 0x1e00000, %ebx"))
SNIPPET(b_call_near, "", LOOP("call 8f\n jmp 9f\n 8: inc %ebx\n ret\n 9:"))
SNIPPET(b_call, "", LOOP("call far_a\n inc %ebx"))
SNIPPET(b_call_indirect, "",
        LOOP_WITH("mov $far_a, %ecx\n mov $far_b, %edx", "call *%ecx\n xchg %ecx, %edx\n inc %ebx"))
// A store into the instruction behind it: what is added is what was just written there.
SNIPPET(b_smc, "mov $1f + 2, %ecx", LOOP("movb $1, (%ecx)\n 1: add $0, %ebx"))
__asm__(".pushsection .snippets\n .p2align 12\n far_a: ret\n .p2align 12\n far_b: ret\n .p2align 12\n far_c: ret\n"
        ".p2align 12\n far_d: ret\n .p2align 12\n .popsection");

// Handlers: they count in EBX and go on, at once or behind an instruction of two or five bytes.
void on_sysenter(void);
void on_int(void);
void on_short(void);
void on_page_fault(void);
__asm__(".text\n on_sysenter: inc %ebx\n sysexit\n on_int: inc %ebx\n iret\n"
        "on_short: inc %ebx\n addl $2, (%esp)\n iret\n"
        "on_page_fault: inc %ebx\n add $4, %esp\n addl $5, (%esp)\n iret");

static u8 sysenter_stack[4096];
u32 nano_other_root; // CR3 of a second space with the same mappings
u32 nano_entry;      // where the entry of NANO_REMAPPED lies

enum { NANO_REMAPPED = 0x1e00000 };

static void prepare_transfers(void) {
    wrmsr(0x174, SEL_KCODE);
    wrmsr(0x175, (u32)sysenter_stack + sizeof sysenter_stack);
    wrmsr(0x176, (u32)on_sysenter);
    idt[VEC_OWN] = gate(SEL_KCODE, (u32)on_int, GATE_INT | SEG_DPL3, 0);
    idt[VEC_UD] = gate(SEL_KCODE, (u32)on_short, GATE_INT, 0);
    idt[VEC_DE] = gate(SEL_KCODE, (u32)on_short, GATE_INT, 0);
    idt[VEC_PF] = gate(SEL_KCODE, (u32)on_page_fault, GATE_INT, 0);
    gdt_set(0x40, 0x1000, 0xfffff, SEG_DATA | SEG_DPL3, SEG_G | SEG_D);
    gdt_set(0x48, 0x2000, 0xfffff, SEG_DATA | SEG_DPL3, SEG_G | SEG_D);
}

void nano_prepare(struct space *s) {
    // Two neighbouring frames, the first at an even page number, that hold 1 and 3.
    const u32 frames = (page_alloc(3) + 0x1fff) & ~0x1fffu;
    struct space other = space_new(PAGING_32);
    prepare_transfers();
    space_identity(&other);
    pte_set(&other, NANO_ABSENT, 0);
    nano_other_root = other.root;
    *(volatile u32 *)frames = 1;
    *(volatile u32 *)(frames + 0x1000) = 3;
    pte_set(s, NANO_REMAPPED, frames | PTE_WS);
    invlpg(NANO_REMAPPED);
    nano_entry = (u32)space_pte(s, NANO_REMAPPED);
}

#define ROW_EXPECTED(text, snippet, ring_, events_, sum)                                                               \
    &(const struct nano_row) {                                                                                         \
        .name = text, .code = snippet, .ring = ring_, .events = events_, .expected = sum                               \
    }
#define ROW(text, snippet, ring, events) ROW_EXPECTED(text, snippet, ring, events, LOOPS)

static const struct nano_row *const rows[] = {
    ROW("syscall-sysenter", b_sysenter, 3, 1),
    ROW("syscall-int", b_int, 3, 1),
    ROW("port-in", b_in, 0, 1),
    ROW("port-out", b_out, 0, 1),
    ROW("cr-read", b_cr_read, 0, 1),
    ROW("cr-write", b_cr_write, 0, 1),
    ROW("call-ret", b_call_near, 3, 1),
    ROW("call-indirect", b_call_indirect, 3, 1),
    ROW("page-fault", b_page_fault, 3, 1),
    ROW("divide-error", b_divide, 3, 1),
    ROW_EXPECTED("pte-invlpg", b_pte, 0, 1, LOOPS / 2 * (1 + 3)), // 3 in the odd turns and 1 in the even ones
    ROW("cr3-switch", b_cr3_other, 0, 2),
    ROW("pushf-popf", b_popf, 0, 1),
    ROW("sti-cli", b_sti, 0, 1),
    ROW("segment-load", b_load_ds, 0, 1),
    ROW("smc-store", b_smc, 3, 1),
    // Further events.
    ROW("int-ring0", b_int, 0, 1),
    ROW("undefined", b_ud, 3, 1),
    ROW("page-fault-ring0", b_page_fault, 0, 1),
    ROW("iret", b_iret, 0, 1),
    ROW("segment-load-ring3", b_load_ds, 3, 1),
    ROW("segment-load-null", b_load_null, 0, 2),
    ROW("segment-load-other", b_load_other, 0, 2),
    ROW("push-pop-ds", b_pop_ds, 0, 1),
    ROW("rep-movs-32", b_rep_movs, 3, 1),
    ROW("rep-stos-32", b_rep_stos, 3, 1),
    ROW("cr2-read", b_cr2, 0, 1),
    ROW("cpuid", b_cpuid, 0, 1),
    ROW("cr3-reload", b_cr3, 0, 1),
    ROW("cr3-reload-4-pages", b_cr3_pages, 0, 1),
    ROW("invlpg", b_invlpg, 0, 1),
    ROW("call-other-page", b_call, 3, 1),
    ROW("call-other-page-ring0", b_call, 0, 1),
};

const struct nano_row *const *nano_rows(unsigned *count) {
    *count = sizeof rows / sizeof rows[0];
    return rows;
}
