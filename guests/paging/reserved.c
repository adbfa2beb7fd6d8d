// NX and reserved bits: page faults with the RSVD and I/D bits of the error code, #GP for PDPTEs.
#include "kit.h"

enum { MSR_EFER = 0xc0000080, EFER_NXE = 1 << 11 };

SNIPPET(load_cr3, "", "mov %eax, %cr3")

// With RSVD comes P; QEMU 7.2 leaves it out.
static u32 rsvd(u32 rest) {
    return (under_qemu() ? 0 : PF_P) | PF_RSVD | rest;
}

static bool nx_on(void) {
    if (!has_nx()) {
        print("     no NX\n");
        return false;
    }
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_NXE);
    return true;
}

static void nx_off(void) {
    if (has_nx())
        wrmsr(MSR_EFER, rdmsr(MSR_EFER) & ~(u64)EFER_NXE);
}

TEST(nx) {
    struct space s;
    if (!nx_on())
        return;
    u32 frame = kit_enter(&s, PAGING_PAE, PTE_WU | PTE_NX);
    memcpy((void *)frame, "\x40\xcd\x81", 3);
    for (unsigned ring = 0; ring <= 3; ring += 3) {
        struct trap t = kit_access(a_read, ring, PAGE_AT);
        CHECK_DONE("read", t);
        t = kit_access(a_write, ring, PAGE_AT + 8);
        CHECK_DONE("write", t);
        t = kit_access(a_exec, ring, PAGE_AT);
        CHECK_PF(t, PF_P | PF_I | (ring ? PF_U : 0), PAGE_AT, (void *)PAGE_AT);
        // Not present: the I bit tells a fetch here as well.
        t = kit_access(a_exec, ring, PAGE_AT + 0x10000);
        CHECK_PF(t, PF_I | (ring ? PF_U : 0), PAGE_AT + 0x10000, (void *)(PAGE_AT + 0x10000));
        pte_set(&s, PAGE_AT, frame | PTE_WU);
        invlpg(PAGE_AT);
        t = kit_access(a_exec, ring, PAGE_AT);
        CHECK_DONE("executable again", t);
        pde_set(&s, PAGE_AT, pde_get(&s, PAGE_AT) | PTE_NX); // in the directory entry
        write_cr3(s.root);
        t = kit_access(a_exec, ring, PAGE_AT);
        CHECK_PF(t, PF_P | PF_I | (ring ? PF_U : 0), PAGE_AT, (void *)PAGE_AT);
        pde_set(&s, PAGE_AT, pde_get(&s, PAGE_AT) & ~PTE_NX);
        pte_set(&s, PAGE_AT, frame | PTE_WU | PTE_NX);
        write_cr3(s.root);
    }
    nx_off();
}

TEST(nx_crossing_instruction) { // the tail of an instruction lies in an NX page
    struct space s;
    if (!nx_on())
        return;
    u32 frame = kit_enter(&s, PAGING_PAE, PTE_WU);
    u32 second = page_alloc(1);
    memcpy((void *)(frame + PAGE - 2), "\xb8\x78", 2);
    memcpy((void *)second, "\x56\x34\x12\xcd\x81", 5);
    pte_set(&s, PAGE_AT + PAGE, second | PTE_WU);
    write_cr3(s.root);
    struct trap t = kit_access(a_exec, 3, PAGE_AT + PAGE - 2);
    CHECK_DONE("both executable", t);
    pte_set(&s, PAGE_AT + PAGE, second | PTE_WU | PTE_NX);
    invlpg(PAGE_AT + PAGE);
    t = kit_access(a_exec, 3, PAGE_AT + PAGE - 2);
    CHECK_PF(t, PF_P | PF_I | PF_U, PAGE_AT + PAGE, (void *)(PAGE_AT + PAGE - 2));
    nx_off();
}

TEST(nx_reserved_when_off) {
    struct space s;
    nx_off();
    kit_enter(&s, PAGING_PAE, PTE_WU | PTE_NX);
    struct trap t = kit_access(a_read, 3, PAGE_AT);
    CHECK_PF(t, rsvd(PF_U), PAGE_AT, a_read);
    t = kit_access(a_write, 0, PAGE_AT);
    CHECK_PF(t, rsvd(PF_W), PAGE_AT, a_write);
}

TEST(reserved_high_bits) { // bits 52 to 62 are reserved in PAE entries
    struct space s;
    u32 frame = kit_enter(&s, PAGING_PAE, PTE_WU);
    for (unsigned bit = 52; bit < 63; bit += 5) {
        pte_set(&s, PAGE_AT, frame | PTE_WU | 1ull << bit);
        invlpg(PAGE_AT);
        struct trap t = kit_access(a_read, 3, PAGE_AT);
        CHECK_PF(t, rsvd(PF_U), PAGE_AT, a_read);
        pte_set(&s, PAGE_AT, frame | PTE_U | 1ull << bit); // not present: all other bits are free
        invlpg(PAGE_AT);
        t = kit_access(a_read, 3, PAGE_AT);
        CHECK_PF(t, PF_U, PAGE_AT, a_read);
    }
}

TEST(reserved_in_large_pages) {
    struct space s;
    kit_enter(&s, PAGING_PAE, PTE_WU);
    pde_set(&s, 0x60000000, (8 << 20) | PTE_WU | PTE_PS | 1 << 13);
    write_cr3(s.root);
    struct trap t = kit_access(a_read, 3, 0x60000000);
    CHECK_PF(t, rsvd(PF_U), 0x60000000, a_read);
    exec_reset();
    kit_enter(&s, PAGING_32, PTE_WU);
    pde_set(&s, 0x60000000, (8 << 20) | PTE_WU | PTE_PS | 1 << 21);
    write_cr3(s.root);
    t = kit_access(a_read, 3, 0x60000000);
    CHECK_PF(t, rsvd(PF_U), 0x60000000, a_read);
}

TEST(pdpte_reserved) { // MOV CR3 with a reserved bit in a PDPTE: #GP(0), CR3 unchanged
    struct space s;
    kit_enter(&s, PAGING_PAE, PTE_WU);
    u64 *other = (u64 *)page_alloc(1);
    if (under_qemu())
        return;
    memcpy(other, (void *)s.root, 32);
    other[3] |= PTE_W; // bit 1 is reserved
    struct regs r = regs_for(0);
    struct trap t;
    r.eax = (u32)other;
    exec(load_cr3, &r, &t);
    CHECK_TRAP(t, VEC_GP, 0, load_cr3);
    CHECK_EQ("CR3", read_cr3(), s.root);
    other[3] = 1 << 5; // not present: nothing is reserved
    exec(load_cr3, &r, &t);
    CHECK_DONE("not present", t);
}

TEST(pdptes_are_loaded_by_mov_cr3) { // a change in memory counts only after MOV CR3
    struct space s;
    kit_enter(&s, PAGING_PAE, PTE_WU);
    struct trap t = kit_access(a_read, 3, PAGE_AT);
    CHECK_DONE("before", t);
    volatile u64 *pdpt = (volatile u64 *)s.root;
    u64 entry = pdpt[PAGE_AT >> 30];
    pdpt[PAGE_AT >> 30] = 0;
    invlpg(PAGE_AT);
    t = kit_access(a_read, 3, PAGE_AT + 4);
    if (!under_qemu())
        CHECK_DONE("still mapped", t);
    write_cr3(s.root);
    t = kit_access(a_read, 3, PAGE_AT);
    CHECK_PF(t, PF_U, PAGE_AT, a_read);
    pdpt[PAGE_AT >> 30] = entry;
    write_cr3(s.root);
    t = kit_access(a_read, 3, PAGE_AT);
    CHECK_DONE("after", t);
}
