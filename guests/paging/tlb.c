// What invalidates cached translations: INVLPG, MOV CR3 (not global pages), CR4.PGE, CR0.PG, CR0.WP; and what must work
// without any invalidation (SDM vol. 3A, 4.10).
#include "kit.h"

static u32 two_frames(struct space *s, u64 flags) {
    kit_enter(s, PAGING_32, PTE_WU);
    u32 frames = page_alloc(2);
    *(u32 *)frames = 0x1111;
    *(u32 *)(frames + PAGE) = 0x2222;
    pte_set(s, PAGE_AT, frames | flags);
    write_cr3(s->root);
    return frames;
}

static u32 value(unsigned ring) {
    struct trap t = kit_access(a_read, ring, PAGE_AT);
    CHECK_DONE("read", t);
    return t.r.eax;
}

static void invlpg_one(struct space *s) {
    (void)s, invlpg(PAGE_AT);
}
static void invlpg_inside(struct space *s) {
    (void)s, invlpg(PAGE_AT + 0xfff);
}
static void load_cr3(struct space *s) {
    write_cr3(s->root);
}
static void toggle_pge(struct space *s) {
    (void)s;
    write_cr4(read_cr4() ^ CR4_PGE);
    write_cr4(read_cr4() ^ CR4_PGE);
}
static void toggle_pg(struct space *s) {
    (void)s;
    write_cr0(read_cr0() & ~CR0_PG);
    write_cr0(read_cr0() | CR0_PG);
}
static void toggle_pae_mode(struct space *s) { // PSE changed: everything goes
    (void)s;
    write_cr4(read_cr4() ^ CR4_PSE);
    write_cr4(read_cr4() ^ CR4_PSE);
}

static void flushes(const char *name, void (*flush)(struct space *), u64 flags) {
    struct space s;
    check_context(name);
    u32 frames = two_frames(&s, flags);
    if (flags & PTE_G)
        write_cr4(read_cr4() | CR4_PGE);
    for (unsigned i = 0; i < 8; i++) {
        CHECK_EQ("value", value(i & 2 ? 0 : 3), i & 1 ? 0x2222 : 0x1111);
        pte_set(&s, PAGE_AT, (i & 1 ? frames : frames + PAGE) | flags);
        flush(&s);
    }
    exec_reset();
}

TEST(flushes) {
    flushes("INVLPG", invlpg_one, PTE_WU);
    flushes("INVLPG inside", invlpg_inside, PTE_WU);
    flushes("MOV CR3", load_cr3, PTE_WU);
    flushes("CR0.PG", toggle_pg, PTE_WU);
    flushes("CR4.PSE", toggle_pae_mode, PTE_WU);
    if (!has_pge())
        return;
    flushes("CR4.PGE", toggle_pge, PTE_WU);
    flushes("INVLPG of a global page", invlpg_one, PTE_WU | PTE_G);
    flushes("CR4.PGE of a global page", toggle_pge, PTE_WU | PTE_G);
    flushes("CR0.PG of a global page", toggle_pg, PTE_WU | PTE_G);
}

TEST(global_without_pge) { // CR4.PGE clear: G means nothing
    flushes("MOV CR3, G set, PGE clear", load_cr3, PTE_WU);
    struct space s;
    u32 frames = two_frames(&s, PTE_WU | PTE_G);
    CHECK_EQ("first", value(3), 0x1111);
    pte_set(&s, PAGE_AT, (frames + PAGE) | PTE_WU | PTE_G);
    write_cr3(s.root);
    CHECK_EQ("second", value(3), 0x2222);
}

TEST(global_pages_stay_mapped) { // two spaces share a global page; one has it under the same address
    if (!has_pge())
        return;
    struct space a, b;
    u32 frames = two_frames(&a, PTE_WU | PTE_G);
    b = space_new(PAGING_32);
    space_identity(&b);
    pte_set(&b, PAGE_AT, frames | PTE_WU | PTE_G);
    write_cr4(read_cr4() | CR4_PGE);
    for (unsigned i = 0; i < 20; i++) {
        write_cr3(i & 1 ? b.root : a.root);
        CHECK_EQ("value", value(i & 2 ? 0 : 3), 0x1111);
    }
}

TEST(present_needs_no_invalidation) {
    struct space s;
    u32 frame = kit_enter(&s, PAGING_32, 0);
    for (unsigned i = 0; i < 6; i++) {
        unsigned ring = i & 1 ? 0 : 3;
        struct trap t = kit_access(a_read, ring, PAGE_AT);
        CHECK_PF(t, ring ? PF_U : 0, PAGE_AT, a_read);
        pte_set(&s, PAGE_AT, frame | PTE_WU);
        t = kit_access(a_read, ring, PAGE_AT);
        CHECK_DONE("came", t);
        pte_set(&s, PAGE_AT, 0);
        invlpg(PAGE_AT);
    }
}

TEST(more_rights_after_a_fault) { // the fault itself drops what was cached
    struct space s;
    u32 frame = kit_enter(&s, PAGING_32, PTE_P | PTE_U);
    for (unsigned i = 0; i < 6; i++) {
        struct trap t = kit_access(a_read, 3, PAGE_AT);
        CHECK_DONE("read", t);
        t = kit_access(a_write, 3, PAGE_AT);
        CHECK_PF(t, PF_P | PF_W | PF_U, PAGE_AT, a_write);
        pte_set(&s, PAGE_AT, frame | PTE_WU);
        t = kit_access(a_write, 3, PAGE_AT);
        CHECK_DONE("write", t);
        pte_set(&s, PAGE_AT, frame | PTE_P | PTE_U);
        invlpg(PAGE_AT);
    }
}

TEST(fewer_rights) { // taken away with an invalidation: at once, also where a write went through before
    struct space s;
    u32 frame = kit_enter(&s, PAGING_32, PTE_WU);
    for (unsigned i = 0; i < 6; i++) {
        struct trap t = kit_access(a_write, 3, PAGE_AT);
        CHECK_DONE("write", t);
        pte_set(&s, PAGE_AT, frame | PTE_P | PTE_U | PTE_A | PTE_D);
        if (i & 1)
            invlpg(PAGE_AT);
        else
            write_cr3(s.root);
        t = kit_access(a_rmw, 3, PAGE_AT);
        CHECK_PF(t, PF_P | PF_W | PF_U, PAGE_AT, a_rmw);
        pte_set(&s, PAGE_AT, frame | PTE_WS);
        invlpg(PAGE_AT);
        t = kit_access(a_read, 3, PAGE_AT);
        CHECK_PF(t, PF_P | PF_U, PAGE_AT, a_read);
        pte_set(&s, PAGE_AT, frame | PTE_WU);
        invlpg(PAGE_AT);
    }
}

TEST(write_protect_bit) { // CR0.WP counts at once
    struct space s;
    u32 frame = kit_enter(&s, PAGING_32, PTE_P | PTE_U);
    (void)frame;
    for (unsigned i = 0; i < 6; i++) {
        write_cr0(read_cr0() & ~CR0_WP);
        struct trap t = kit_access(a_rmw, 0, PAGE_AT);
        CHECK_DONE("WP clear", t);
        t = kit_access(a_rmw, 3, PAGE_AT);
        CHECK_PF(t, PF_P | PF_W | PF_U, PAGE_AT, a_rmw);
        write_cr0(read_cr0() | CR0_WP);
        t = kit_access(a_rmw, 0, PAGE_AT);
        CHECK_PF(t, PF_P | PF_W, PAGE_AT, a_rmw);
    }
}

SNIPPET(user_invlpg, "", "invlpg (%esi)")
SNIPPET(user_cr3, "", "mov %cr3, %eax")

TEST(privileged) {
    EXPECT_FAULT_RING(3, user_invlpg, VEC_GP, 0);
    EXPECT_FAULT_RING(3, user_cr3, VEC_GP, 0);
}
