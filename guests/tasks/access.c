// Page faults of a task switch: at the old TSS, the new one, the descriptors; before the commit point nothing has
// changed, and the same instruction succeeds once the page is there. Behind it, the fault is the new task's.
#include "kit.h"
#include "paging.h"

SNIPPET(p_jmp, "", "ljmp $0x40, $0")
SNIPPET(p_call, "", "lcall $0x40, $0")
SNIPPET(p_stop, "", "nop")

enum { OLD = 0x50000000, NEW = 0x60000000, TABLE = 0x70000000 };

static struct space space;
static u32 frames;

static struct task32 *at(u32 linear) {
    return (struct task32 *)linear;
}

// The old TSS at the end of one page, the new one at the end of another, both with a second page behind.
static u32 old_base(void) {
    return OLD + 4096 - 48; // the saved part is cut in two
}
static u32 new_base(void) {
    return NEW + 4096 - 48;
}

static void set_up(void) {
    segments_reset();
    exec_reset();
    space = space_new(PAGING_32);
    space_identity(&space);
    frames = page_alloc(4);
    for (u32 i = 0; i < 2; i++) {
        space_map(&space, OLD + i * 4096, frames + i * 4096, PTE_WS);
        space_map(&space, NEW + i * 4096, frames + (2 + i) * 4096, PTE_WS);
    }
    space_enter(&space);
    write_cr0(read_cr0() | CR0_WP);
    gdt_set(SPARE, old_base(), TSS32_LIMIT, SYS_TSS, 0);
    __asm__ volatile("ltr %w0" ::"r"(SPARE));
    at(old_base())->ss0 = SEL_KDATA;
    task_make(&task_b, B, 0, p_stop);
    memcpy(at(new_base()), &task_b, sizeof task_b);
    gdt_set(B, new_base(), TSS32_LIMIT, SYS_TSS, 0);
    at(old_base())->eip = 0x99999999;
}

static void change(u32 linear, u64 flags) {
    u64 pte = pte_get(&space, linear);
    pte_set(&space, linear, flags ? (pte & ~(PTE_W | PTE_P)) | flags : 0);
    invlpg(linear);
}

static void fails(const char *name, const u8 *code, u32 page, u64 flags, u32 error, u32 address) {
    set_up();
    u64 pte = pte_get(&space, page);
    change(page, flags);
    struct trap t = exec_ring(code, 0);
    check_context(name);
    CHECK_PF(t, error, address, code);
    CHECK_EQ("TR", current_task(), SPARE);
    CHECK_EQ("old busy", is_busy(SPARE), true);
    CHECK_EQ("new busy", is_busy(B), false);
    pte_set(&space, page, pte);
    invlpg(page);
    CHECK_EQ("nothing saved", at(old_base())->eip, 0x99999999);
    CHECK_EQ("no link", at(new_base())->link & 0xffff, 0);
    t = exec_ring(code, 0);
    CHECK_DONE("done when the page is there", t);
    CHECK_EQ("TR", current_task(), B);
    CHECK_EQ("saved", at(old_base())->eip, (u32)code + 7);
}

TEST(pages_of_the_tss) {
    if (under_qemu()) // it writes and reads field by field, with no probe before
        return;
    for (unsigned i = 0; i < 2; i++) {
        const u8 *code = i ? p_call : p_jmp;
        fails("old TSS, first page", code, OLD, 0, PF_W, old_base() + 32);
        fails("old TSS, second page", code, OLD + 4096, 0, PF_W, OLD + 4096);
        fails("old TSS read-only", code, OLD + 4096, PTE_P, PF_P | PF_W, OLD + 4096);
        fails("new TSS, first page", code, NEW, 0, 0, new_base());
        fails("new TSS, second page", code, NEW + 4096, 0, 0, NEW + 4096);
    }
    fails("back link", p_call, NEW, PTE_P, PF_P | PF_W, new_base());
    set_up(); // a jump writes nothing to the new TSS
    change(NEW, PTE_P);
    change(NEW + 4096, PTE_P);
    struct trap t = exec_ring(p_jmp, 0);
    CHECK_DONE("jump", t);
}

TEST(descriptors_read_only) { // busy bits are written, also to a table without write permission for the rest
    if (under_qemu())
        return;
    set_up();
    u32 copy = page_alloc(1);
    space_map(&space, TABLE, copy, PTE_WS);
    memcpy((void *)TABLE, gdt, sizeof gdt);
    gdt_load(TABLE, sizeof gdt - 1);
    change(TABLE, PTE_P);
    struct trap t = exec_ring(p_jmp, 0);
    // Delivering #PF loads no descriptor that is not accessed yet.
    CHECK_PF(t, PF_P | PF_W, TABLE + (SPARE & ~7) + 5, p_jmp);
    CHECK_EQ("TR", current_task(), SPARE);
    gdt_load((u32)gdt, sizeof gdt - 1);
    CHECK_EQ("nothing saved", at(old_base())->eip, 0x99999999);
}

TEST(descriptor_of_a_segment_missing) { // behind the commit point: #PF of the new task
    if (under_qemu())
        return;
    set_up();
    u64 *ldt = (u64 *)TABLE;
    space_map(&space, TABLE, page_alloc(1), PTE_WS);
    ldt[0] = descriptor(0, 0xfffff, SEG_DATA | SEG_DPL3, SEG_G | SEG_D);
    gdt_set(OWN_LDT, TABLE, 15, SYS_LDT, 0);
    at(new_base())->ldt = OWN_LDT;
    at(new_base())->gs = 4;
    change(TABLE, 0);
    struct trap t = exec_ring(p_jmp, 0);
    CHECK_PF(t, 0, TABLE, p_stop);
    CHECK_EQ("TR", current_task(), B);
    CHECK_EQ("gs", t.r.gs, 4);
    CHECK_EQ("saved", at(old_base())->eip, (u32)p_jmp_end);
}

TEST(bad_pdpte) { // a reserved bit of the new space's PDPTEs: #GP(0), and the old task goes on
    if (under_qemu())
        return;
    struct space one = space_new(PAGING_PAE), two = space_new(PAGING_PAE);
    space_identity(&one);
    space_identity(&two);
    ((u64 *)two.root)[3] = 0x1e1;
    space_enter(&one);
    task_make(&task_b, B, 0, p_stop);
    task_b.cr3 = two.root;
    EXPECT_FAULT(p_jmp, VEC_GP, 0);
    CHECK_EQ("CR3", read_cr3(), one.root);
    CHECK_TASKS(SEL_TSS, true, false);
    ((u64 *)two.root)[3] = 0;
    struct trap t = exec_ring(p_jmp, 0);
    CHECK_DONE("then", t);
}
