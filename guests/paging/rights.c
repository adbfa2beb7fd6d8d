// Every combination of R/W and U/S in directory and table entry, CR0.WP, privilege and kind of access (SDM vol.
// 3A, 4.6), with the error code (4.7) and the accessed and dirty bits (4.8).
#include "kit.h"

static void one(struct space *s, unsigned pde, unsigned pte, bool wp, unsigned ring, const struct access *a) {
    u32 frame = (u32)pte_get(s, PAGE_AT) & ~0xfffu;
    u64 pde_table = pde_get(s, PAGE_AT) & ~(u64)0xfff;
    pde_set(s, PAGE_AT, pde_table | PTE_P | pde * PTE_W);
    pte_set(s, PAGE_AT, frame | PTE_P | pte * PTE_W);
    write_cr3(s->root);
    bool writable = pde & pte & 1, user = pde & pte & 2;
    bool allowed = ring == 3 ? user && (!a->writes || writable) : !a->writes || writable || !wp;
    struct trap t = kit_access(a->code, ring, PAGE_AT + 0x10);
    bool ok;
    if (allowed) {
        u64 now = pte_get(s, PAGE_AT);
        ok = CHECK_DONE(a->name, t);
        ok &= CHECK_EQ("A of the page", (now & PTE_A) != 0, 1);
        ok &= CHECK_EQ("D of the page", (now & PTE_D) != 0, a->writes);
        ok &= CHECK_EQ("A of the table", (pde_get(s, PAGE_AT) & PTE_A) != 0, 1);
    } else {
        u32 error = PF_P | (a->writes ? PF_W : 0) | (ring == 3 ? PF_U : 0);
        ok = CHECK_EQ("vector", t.vector, VEC_PF) && CHECK_EQ("error", t.error, kit_error(a, t.error, error)) &&
             CHECK_EQ("CR2", t.cr2, PAGE_AT + 0x10);
        ok &= CHECK_EQ("D of the page", (pte_get(s, PAGE_AT) & PTE_D) != 0, 0);
    }
    if (!ok)
        print("     %s: pde %s%s pte %s%s WP %u ring %u\n", a->name, pde & 1 ? "W" : "-", pde & 2 ? "U" : "-",
              pte & 1 ? "W" : "-", pte & 2 ? "U" : "-", wp, ring);
}

static void matrix(enum paging_mode mode) {
    struct space s;
    kit_enter(&s, mode, PTE_WU);
    for (unsigned wp = 0; wp < 2; wp++) {
        write_cr0(wp ? read_cr0() | CR0_WP : read_cr0() & ~CR0_WP);
        for (unsigned pde = 0; pde < 4; pde++)
            for (unsigned pte = 0; pte < 4; pte++)
                for (unsigned ring = 0; ring <= 3; ring += 3)
                    for (unsigned a = 0; a < access_count && check_failures() < 20; a++)
                        one(&s, pde, pte, wp, ring, &accesses[a]);
    }
}

TEST(rights_32) {
    matrix(PAGING_32);
}
TEST(rights_pae) {
    matrix(PAGING_PAE);
}

TEST(not_present) {
    for (unsigned mode = 0; mode < 2; mode++)
        for (unsigned ring = 0; ring <= 3; ring += 3)
            for (unsigned missing = 0; missing < 2; missing++) { // the page, the whole table
                struct space s;
                kit_enter(&s, mode ? PAGING_PAE : PAGING_32, 0);
                u32 address = missing ? PAGE_AT + 0x10000004 : PAGE_AT + 0xabc;
                for (unsigned a = 0; a < access_count; a++) {
                    struct trap t = kit_access(accesses[a].code, ring, address);
                    u32 error = (accesses[a].writes ? PF_W : 0) | (ring ? PF_U : 0);
                    check_context(accesses[a].name);
                    if (CHECK_EQ("vector", t.vector, VEC_PF)) {
                        CHECK_EQ("error", t.error, kit_error(&accesses[a], t.error, error));
                        CHECK_EQ("CR2", t.cr2, address);
                    }
                }
                exec_reset();
            }
}

TEST(execute) { // no error code bit I without NX
    struct space s;
    u32 frame = kit_enter(&s, PAGING_32, PTE_WU);
    memcpy((void *)frame, "\x40\xcd\x81", 3);
    for (unsigned user = 0; user < 2; user++) {
        pte_set(&s, PAGE_AT, frame | PTE_P | (user ? PTE_U : 0));
        write_cr3(s.root);
        struct trap t = kit_access(a_exec, 0, PAGE_AT);
        CHECK_DONE("ring 0", t);
        CHECK(pte_get(&s, PAGE_AT) & PTE_A);
        CHECK(!(pte_get(&s, PAGE_AT) & PTE_D));
        t = kit_access(a_exec, 3, PAGE_AT);
        if (user)
            CHECK_DONE("ring 3", t);
        else
            CHECK_PF(t, PF_P | PF_U, PAGE_AT, (void *)PAGE_AT);
    }
}
