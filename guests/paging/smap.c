// SMEP and SMAP (SDM vol. 3A, 4.6 and 4.7): every combination of U/S and R/W in directory and table, NX, CR0.WP, SMEP,
// SMAP, EFLAGS.AC, privilege and kind of access; STAC and CLAC; what the processor reads by itself. Code at ring 0 runs
// from a second, supervisor, mapping of the snippets, which lie in user pages.
#include "kit.h"

enum { MSR_EFER = 0xc0000080, EFER_NXE = 1 << 11, CODE_AT = 0x60000000, CODE_OFFSET = 0x100 };
#define CR4_SMEP (1u << 20)
#define CR4_SMAP (1u << 21)

extern u8 rt_user_start[], rt_user_end[];

static const u8 *code_for(const u8 *code, unsigned ring) {
    return ring == 3 ? code : code - rt_user_start + (u8 *)CODE_AT;
}

static u32 enter(struct space *s, enum paging_mode mode, u64 flags) {
    u32 frame = kit_enter(s, mode, flags);
    memcpy((void *)(frame + CODE_OFFSET), "\x40\xcd\x81", 3); // inc %eax; int $0x81
    for (u32 page = (u32)rt_user_start; page < (u32)rt_user_end; page += PAGE)
        pte_set(s, CODE_AT + page - (u32)rt_user_start, page | PTE_WS);
    write_cr3(s->root);
    return frame;
}

static struct trap run(const u8 *code, unsigned ring, bool ac, u32 address) {
    struct regs r = regs_for(ring);
    struct trap t;
    r.esi = address;
    r.eax = 0x11223344;
    r.eflags |= ac ? FLAG_AC : 0;
    exec(code_for(code, ring), &r, &t);
    return t;
}

// ---- Rights ---------------------------------------------------------------------------------------------------------

struct rights {
    bool smep, smap, wp, nxe; // of the control registers
    unsigned pde, pte;        // W 1, U 2
    bool nx;                  // in the table's entry
};

static void one(const struct rights *c, unsigned ring, bool ac, const struct access *a) {
    bool fetch = a->code == a_exec, user = c->pde & c->pte & 2, writable = c->pde & c->pte & 1, allowed;
    if (fetch)
        allowed = !c->nx && (ring == 3 ? user : !(user && c->smep));
    else if (ring == 3)
        allowed = user && (!a->writes || writable);
    else
        allowed = (!a->writes || writable || !c->wp) && !(user && c->smap && !ac);
    u32 address = PAGE_AT + (fetch ? CODE_OFFSET : 0x10);
    struct trap t = run(a->code, ring, ac, address);
    u32 error = PF_P | (a->writes ? PF_W : 0) | (ring == 3 ? PF_U : 0) | (fetch && (c->nxe || c->smep) ? PF_I : 0);
    bool ok = allowed ? CHECK_DONE(a->name, t)
                      : CHECK_EQ("vector", t.vector, VEC_PF) &&
                            CHECK_EQ("error", t.error, kit_error(a, t.error, error)) && CHECK_EQ("CR2", t.cr2, address);
    if (!ok)
        print("     %s: pde %u pte %u NX %u WP %u SMEP %u SMAP %u AC %u ring %u\n", a->name, c->pde, c->pte, c->nx,
              c->wp, c->smep, c->smap, ac, ring);
}

static void put(struct space *s, const struct rights *c) {
    u64 frame = pte_get(s, PAGE_AT) & 0xfffff000u;
    pde_set(s, PAGE_AT, (pde_get(s, PAGE_AT) & 0xfffff000u) | PTE_P | c->pde * PTE_W);
    pte_set(s, PAGE_AT, frame | PTE_P | c->pte * PTE_W | (c->nx ? PTE_NX : 0));
    write_cr0(c->wp ? read_cr0() | CR0_WP : read_cr0() & ~CR0_WP);
    write_cr3(s->root);
}

static void every_access(const struct rights *c) {
    static const struct access some[] = {{"read", a_read, false, false},
                                         {"write", a_write, true, false},
                                         {"rmw", a_rmw, true, true},
                                         {"fetch", a_exec, false, false}};
    bool plain = c->wp && !c->nx && c->pde == 3 && (c->pte & 1);
    for (unsigned ring = 0; ring <= 3; ring += 3)
        for (unsigned ac = 0; ac < 2 && check_failures() < 20; ac++) {
            for (unsigned a = 0; a < sizeof some / sizeof *some; a++)
                one(c, ring, ac, &some[a]);
            for (unsigned a = 0; plain && a < access_count; a++)
                one(c, ring, ac, &accesses[a]);
        }
}

static void matrix(enum paging_mode mode, unsigned controls) {
    struct space s;
    struct rights c = {.smep = controls & 1, .smap = controls & 2, .nxe = mode == PAGING_PAE && has_nx()};
    if (c.nxe)
        wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_NXE);
    enter(&s, mode, PTE_WU);
    write_cr4(read_cr4() | (c.smep ? CR4_SMEP : 0) | (c.smap ? CR4_SMAP : 0));
    for (unsigned i = 0; i < (c.nxe ? 64u : 32u); i++) {
        c.pde = i & 3;
        c.pte = i >> 2 & 3;
        c.wp = i >> 4 & 1;
        c.nx = i >> 5 & 1;
        put(&s, &c);
        every_access(&c);
    }
    exec_reset();
    if (c.nxe)
        wrmsr(MSR_EFER, rdmsr(MSR_EFER) & ~(u64)EFER_NXE);
}

TEST(rights_32_off) {
    matrix(PAGING_32, 0);
}
TEST(rights_32_smep) {
    matrix(PAGING_32, 1);
}
TEST(rights_32_smap) {
    matrix(PAGING_32, 2);
}
TEST(rights_32_both) {
    matrix(PAGING_32, 3);
}
TEST(rights_pae_off) {
    matrix(PAGING_PAE, 0);
}
TEST(rights_pae_smep) {
    matrix(PAGING_PAE, 1);
}
TEST(rights_pae_smap) {
    matrix(PAGING_PAE, 2);
}
TEST(rights_pae_both) {
    matrix(PAGING_PAE, 3);
}

SNIPPET(turn_smep_on, "mov %cr4, %eax; bts $20, %eax", "mov %eax, %cr4")

TEST(smep_under_running_code) { // CR4 changes what the next fetch may do
    struct space s;
    struct regs r = regs_for(0);
    struct trap t;
    enter(&s, PAGING_32, PTE_WU);
    exec(turn_smep_on, &r, &t); // from the user page
    CHECK_PF(t, PF_P | PF_I, (u32)turn_smep_on_end, turn_smep_on_end);
}

TEST(smep_invlpg) {
    struct space s;
    u32 frame = enter(&s, PAGING_32, PTE_WS);
    write_cr4(read_cr4() | CR4_SMEP);
    for (unsigned i = 0; i < 4; i++) {
        struct trap t = run(a_exec, 0, false, PAGE_AT + CODE_OFFSET);
        if (i & 1)
            CHECK_PF(t, PF_P | PF_I, PAGE_AT + CODE_OFFSET, (void *)(PAGE_AT + CODE_OFFSET));
        else
            CHECK_DONE("a supervisor page", t);
        pte_set(&s, PAGE_AT, frame | (i & 1 ? PTE_WS : PTE_WU));
        invlpg(PAGE_AT);
    }
}

// ---- STAC, CLAC and other changes of AC -----------------------------------------------------------------------------

SNIPPET(bracket, "stac; mov (%esi), %eax; incl 4(%esi); clac", "mov (%esi), %eax")
SNIPPET(open_only, "stac", "mov (%esi), %eax")
SNIPPET(popf_close, "push $0x40002; popf; mov (%esi), %eax; push $2; popf", "addl $1, (%esi)")
SNIPPET(iret_close, "stac; mov (%esi), %eax; pushl $2; push %cs; call 1f; 1: addl $2f-1b, (%esp); iret; 2:", "movsb")
SNIPPET(after_handler, "stac; int $0x90", "mov (%esi), %eax")
SNIPPET(many_pages, "stac; mov $64, %ecx; 1: mov (%esi), %eax; add $4096, %esi; loop 1b; sub $4096, %esi; clac",
        "mov %eax, (%esi)")

static struct space smap_space(u32 *frame) {
    struct space s;
    *frame = enter(&s, PAGING_32, PTE_WU);
    write_cr4(read_cr4() | CR4_SMAP | CR4_SMEP);
    return s;
}

#define AT0(name) (name##_at - rt_user_start + (u8 *)CODE_AT)

TEST(brackets) {
    u32 frame;
    smap_space(&frame);
    for (unsigned i = 1; i < 4; i++) {
        struct trap t = run(bracket, 0, i & 1, PAGE_AT);
        CHECK_PF(t, PF_P, PAGE_AT, AT0(bracket));
        CHECK_EQ("AC", t.r.eflags & FLAG_AC, 0);
        CHECK_EQ("counted", *(volatile u32 *)(frame + 4), i);
    }
    struct trap t = run(open_only, 0, false, PAGE_AT);
    CHECK_DONE("open", t);
    CHECK_EQ("AC", t.r.eflags & FLAG_AC, FLAG_AC);
    t = run(popf_close, 0, false, PAGE_AT);
    CHECK_PF(t, PF_P | (under_qemu() ? t.error & PF_W : PF_W), PAGE_AT, AT0(popf_close));
    t = run(iret_close, 0, false, PAGE_AT);
    CHECK_PF(t, PF_P, PAGE_AT, AT0(iret_close));
}

TEST(many) {
    u32 frame;
    struct space s = smap_space(&frame);
    for (unsigned i = 1; i < 64; i++)
        pte_set(&s, PAGE_AT + i * PAGE, frame | PTE_WU);
    for (unsigned i = 0; i < 3; i++) {
        struct trap t = run(many_pages, 0, false, PAGE_AT);
        CHECK_PF(t, PF_P | PF_W, PAGE_AT + 63 * PAGE, AT0(many_pages));
    }
}

static bool close_hook(struct trap_frame *frame) {
    frame->eflags &= ~FLAG_AC;
    return true;
}
static bool keep_hook(struct trap_frame *frame) {
    (void)frame;
    return true;
}

TEST(handlers) { // the handler's IRET brings AC back as the frame has it
    u32 frame;
    smap_space(&frame);
    hook_set(0x90, keep_hook);
    struct trap t = run(after_handler, 0, false, PAGE_AT);
    CHECK_DONE("AC kept", t);
    hook_set(0x90, close_hook);
    t = run(after_handler, 0, false, PAGE_AT);
    CHECK_PF(t, PF_P, PAGE_AT, AT0(after_handler));
}

SNIPPET(s_stac, "", "stac")
SNIPPET(s_clac, "", "clac")
SNIPPET(s_stac66, "", ".byte 0x66, 0x0f, 0x01, 0xcb")
SNIPPET(s_stacf3, "", ".byte 0xf3, 0x0f, 0x01, 0xcb")
SNIPPET(s_claclock, "", ".byte 0xf0, 0x0f, 0x01, 0xca")

TEST(stac_clac) {
    struct trap t = exec_ring(s_stac, 0); // without paging and without CR4.SMAP
    CHECK_DONE("stac", t);
    CHECK_EQ("AC", t.r.eflags & FLAG_AC, FLAG_AC);
    t = exec_ring(s_clac, 0);
    CHECK_DONE("clac", t);
    CHECK_EQ("AC", t.r.eflags & FLAG_AC, 0);
    EXPECT_FAULT_RING(3, s_stac, VEC_UD, 0);
    EXPECT_FAULT_RING(3, s_clac, VEC_UD, 0);
    if (!under_qemu()) { // which takes prefixes for nothing
        EXPECT_FAULT_RING(0, s_claclock, VEC_UD, 0);
        EXPECT_FAULT_RING(0, s_stac66, VEC_UD, 0);
        EXPECT_FAULT_RING(0, s_stacf3, VEC_UD, 0);
    }
}

// ---- Implicit accesses ----------------------------------------------------------------------------------------------

enum { SEL_USER_LDT = SEL_FREE, SEL_CODE1 = SEL_FREE + 8, SEL_DATA1 = SEL_FREE + 16, SEL_GATE1 = SEL_FREE + 24 };
SNIPPET(load_ldt, "", "mov %eax, %fs")
SNIPPET(call_ring1, "", "lcall $0x5b, $0")

static struct trap load_from_ldt(unsigned ring, bool ac) {
    struct regs r = regs_for(ring);
    struct trap t;
    r.eax = 4 | 8 | 3; // the second entry
    r.eflags |= ac ? FLAG_AC : 0;
    exec(code_for(load_ldt, ring), &r, &t);
    return t;
}

TEST(descriptor_in_user_page) { // AC opens nothing to what the processor reads by itself, whatever the ring
    u32 frame;
    smap_space(&frame);
    ((u64 *)frame)[1] = descriptor(0, 0xfffff, SEG_DATA | dpl(3), SEG_G | SEG_D);
    gdt_set(SEL_USER_LDT, PAGE_AT, 15, SYS_LDT, 0);
    __asm__ volatile("lldt %w0" ::"r"(SEL_USER_LDT));
    for (unsigned ring = 0; ring <= 3; ring += 3)
        for (unsigned ac = 0; ac < 2; ac++) {
            if (under_qemu() && ring == 0 && ac) // QEMU lets AC open it
                continue;
            struct trap t = load_from_ldt(ring, ac);
            CHECK_PF(t, PF_P, PAGE_AT + 8, code_for(load_ldt_at, ring));
        }
    write_cr4(read_cr4() & ~CR4_SMAP);
    for (unsigned ring = 0; ring <= 3; ring += 3) {
        struct trap t = load_from_ldt(ring, false);
        CHECK_DONE("without SMAP", t);
    }
    __asm__ volatile("lldt %w0" ::"r"(0));
}

TEST(inner_stack_in_user_page) { // the pushes of a change of privilege are a supervisor's
    u32 frame;
    smap_space(&frame);
    gdt_set(SEL_CODE1, 0, 0xfffff, SEG_CODE | dpl(1), SEG_G | SEG_D);
    gdt_set(SEL_DATA1, 0, 0xfffff, SEG_DATA | dpl(1), SEG_G | SEG_D);
    gdt[SEL_GATE1 >> 3] = gate(SEL_CODE1 | 1, CODE_AT, GATE_CALL | dpl(3), 0);
    tss.ss1 = SEL_DATA1 | 1;
    tss.esp1 = PAGE_AT + 0x800;
    for (unsigned ac = 0; ac < 2; ac++) {
        struct trap t = run(call_ring1, 3, ac, 0);
        CHECK_PF(t, PF_P | PF_W, PAGE_AT + 0x7fc, call_ring1_at);
    }
}
