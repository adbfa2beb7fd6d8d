// Exceptions while an exception is being delivered (SDM vol. 3A, table 6-5): benign, contributory, page fault.
#include "exec.h"
#include "paging.h"

SNIPPET(d_ud2, "", "ud2")
SNIPPET(d_hlt, "", "hlt")
SNIPPET(d_div, "xor %ecx, %ecx", "div %ecx")
SNIPPET(d_load, "", "mov (%esi), %eax")
SNIPPET(d_segment, "mov $0x43, %eax", "mov %eax, %fs")

static void absent(u8 vector) {
    idt[vector] &= ~(1ull << 47);
}

static void df(const char *name, const u8 *code, u32 esi) {
    struct regs r = regs_for(3);
    struct trap t;
    check_context(name);
    r.esi = esi;
    exec(code, &r, &t);
    CHECK_EQ("vector", t.vector, VEC_DF);
    CHECK_EQ("error code", t.error, 0);
}

TEST(contributory_twice) {
    absent(VEC_GP); // #GP, whose gate gives #NP
    df("#GP then #NP", d_hlt, 0);
    absent(VEC_DE);
    df("#DE then #NP", d_div, 0);
    segments_reset();
    idt[VEC_GP] = gate(SEL_KDATA, 0, GATE_INT, 0);
    df("#GP then #GP", d_hlt, 0);
    segments_reset();
    gdt_set(SEL_FREE, 0, 0xfffff, (SEG_DATA | SEG_DPL3) & ~SEG_P, SEG_G | SEG_D);
    absent(VEC_NP);
    df("#NP then #NP", d_segment, 0);
}

TEST(benign_then_contributory) { // is the second one alone
    absent(VEC_UD);
    struct trap t = exec_ring(d_ud2, 3);
    CHECK_TRAP(t, VEC_NP, VEC_UD << 3 | (under_qemu() ? 2 : 3), d_ud2);
}

TEST(page_fault_then_contributory) {
    struct space s = space_new(PAGING_32);
    space_identity(&s);
    space_enter(&s);
    absent(VEC_PF);
    df("#PF then #NP", d_load, 0x70000000);
    exec_reset();
    segments_reset();
}

// An IDT of which one vector's gate lies in a page that is not there.
static struct space idt_in_two_pages(u32 split_vector) {
    struct space s = space_new(PAGING_32);
    space_identity(&s);
    u32 frame = page_alloc(2);
    u32 base = 0x50001000 - split_vector * 8;
    space_map(&s, 0x50000000, frame, PTE_WS);
    space_map(&s, 0x50001000, frame + 4096, PTE_WS);
    space_enter(&s);
    memcpy((void *)base, idt, 256 * 8);
    idt_load(base, 256 * 8 - 1);
    return s;
}

SNIPPET(d_int, "", "int $0x80")

TEST(page_fault_while_delivering) { // benign or contributory, then #PF: the page fault comes, as a supervisor's read
    struct space s = idt_in_two_pages(0x80); // vectors from 80h on are missing
    for (unsigned ring = 0; ring <= 3; ring += 3) {
        space_map(&s, 0x50001000, 0, 0);
        invlpg(0x50001000);
        struct trap t = exec_ring(d_int, ring);
        CHECK_PF(t, 0, 0x50001000, d_int);
    }
    idt_load((u32)idt, sizeof idt - 1);
}

// Ring 3 to ring 0 with an inner stack whose next page is missing: #UD becomes the page fault of a supervisor's write.
// That one needs no inner stack here, because its gate leads to conforming code; it repairs the TSS through memory.
SNIPPET(d_repair, "pop %eax\n mov (%esp), %ebx\n mov %edi, (%esi)", "nop")

TEST(stack_fault_while_delivering) {
    struct space s = space_new(PAGING_32);
    space_identity(&s);
    space_map(&s, 0x50001000, page_alloc(1), PTE_WS);
    space_map(&s, (u32)&tss & ~0xfffu, (u32)&tss & ~0xfffu, PTE_WU); // so that ring 3 can write to it
    space_enter(&s);
    gdt_set(SEL_FREE, 0, 0xfffff, SEG_CODE_CONFORM, SEG_G | SEG_D);
    idt[VEC_PF] = gate(SEL_FREE, (u32)d_repair, GATE_INT, 0);
    struct regs r = regs_for(3);
    struct trap t;
    r.esi = (u32)&tss.esp0;
    r.edi = tss.esp0;
    // Benign and contributory first exceptions alike: a page fault behind them is just the next one.
    const u8 *const code[] = {d_ud2, d_hlt};
    for (unsigned i = 0; i < 2; i++) {
        tss.esp0 = 0x50001008; // two of the five or six pushes fit
        exec(code[i], &r, &t);
        CHECK_DONE("repaired", t);
        CHECK_EQ("error code", t.r.eax, PF_W);
        CHECK_EQ("CR2", t.cr2, 0x50000ffc);
        CHECK_EQ("EIP", t.r.ebx, (u32)code[i]);
        CHECK_EQ("cs", t.r.cs, SEL_FREE | 3);
        CHECK_EQ("esp: nothing of the first delivery is left", t.r.esp, r.esp - 12);
    }
}

TEST(idt_limit) { // #GP whose gate is beyond the limit: double fault, whose gate is inside
    idt_load((u32)idt, VEC_GP * 8 - 1);
    df("#GP outside the IDT", d_hlt, 0);
    idt_load((u32)idt, sizeof idt - 1);
    idt_load((u32)idt, VEC_DF * 8 + 7);
    struct trap t = exec_ring(d_ud2, 0);
    CHECK_EQ("vectors below the limit work", t.vector, VEC_UD);
    idt_load((u32)idt, sizeof idt - 1);
}
