// Page-table walks: each rule by itself, then random tables against the independent reference.
#include "reference.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void expect_fault(struct fixture *f, uint32_t linear, enum mmu_access access, bool user, uint32_t error) {
    struct mmu_page page;
    struct mmu_fault fault;
    assert_int_equal(mmu_walk(f->mmu, linear, access, user, &page, &fault), -1);
    assert_int_equal(fault.linear, linear);
    assert_int_equal(fault.error, error);
}

static struct mmu_page expect_page(struct fixture *f, uint32_t linear, enum mmu_access access, bool user,
                                   uint64_t gpa) {
    struct mmu_page page;
    struct mmu_fault fault;
    assert_int_equal(mmu_walk(f->mmu, linear, access, user, &page, &fault), 0);
    assert_int_equal(page.gpa, gpa);
    return page;
}

static void paging_off(void **state) {
    (void)state;
    struct fixture *f = fixture_create(MMU_FORM_SOFT);
    struct mmu_page page = expect_page(f, 0x123456, MMU_WRITE, false, 0x123000);
    assert_true(page.host == f->ram.host + 0x123000 && page.writable && page.dirty && page.execute);
    assert_null(expect_page(f, 0xb8000, MMU_READ, false, 0xb8000).host);
    assert_null(expect_page(f, 0xfee00000, MMU_READ, false, 0xfee00000).host);
    f->control.a20 = false;
    assert_int_equal(mmu_set_control(f->mmu, &f->control), 0);
    expect_page(f, 0x123456, MMU_READ, false, 0x23000);
    fixture_destroy(f);
}

static void rights(void **state) {
    (void)state;
    struct fixture *f = fixture_create(MMU_FORM_SOFT);
    fixture_paging(f, CR0_BASE, 0, false);
    expect_fault(f, 0x400000, MMU_READ, false, 0);
    expect_fault(f, 0x400000, MMU_WRITE, true, PF_WR | PF_US);
    fixture_map(f, 0x400000, 0x300000 | PTE_P);
    expect_page(f, 0x400123, MMU_READ, false, 0x300000);
    expect_fault(f, 0x400123, MMU_READ, true, PF_P | PF_US);
    expect_fault(f, 0x400123, MMU_WRITE, false, PF_P | PF_WR);
    f->control.cr0 &= ~CONTROL_CR0_WP;
    mmu_set_control(f->mmu, &f->control);
    expect_page(f, 0x400123, MMU_WRITE, false, 0x300000); // supervisor writes ignore R/W without WP
    fixture_map(f, 0x401000, 0x301000 | PTE_P | PTE_US);
    expect_fault(f, 0x401000, MMU_WRITE, true, PF_P | PF_WR | PF_US);
    expect_fault(f, 0x402000, MMU_EXEC, true, PF_US); // no I/D bit without NX
    fixture_destroy(f);
}

static void accessed_and_dirty(void **state) {
    (void)state;
    struct fixture *f = fixture_create(MMU_FORM_SOFT);
    fixture_paging(f, CR0_BASE, CONTROL_CR4_PSE, false);
    uint64_t pte = fixture_pte(f, FIXTURE_CR3, 0x400000);
    uint64_t pde = fixture_pde(f, FIXTURE_CR3, 0x400000);
    fixture_set(f, pde, fixture_get(f, pde) & ~PTE_A);
    fixture_set(f, pte, 0x300000 | PTE_P | PTE_RW);
    struct mmu_page page;
    assert_int_equal(mmu_peek(f->mmu, 0x400000, &page), 0);
    assert_int_equal(fixture_get(f, pte), 0x300000 | PTE_P | PTE_RW); // a peek leaves no trace
    expect_fault(f, 0x400000, MMU_WRITE, true, PF_P | PF_WR | PF_US);
    assert_int_equal(fixture_get(f, pte), 0x300000 | PTE_P | PTE_RW); // nor does a fault
    page = expect_page(f, 0x400000, MMU_READ, false, 0x300000);
    assert_true(page.writable && !page.dirty);
    assert_int_equal(fixture_get(f, pte), 0x300000 | PTE_P | PTE_RW | PTE_A);
    assert_true(fixture_get(f, pde) & PTE_A);
    assert_true(expect_page(f, 0x400000, MMU_WRITE, false, 0x300000).dirty);
    assert_int_equal(fixture_get(f, pte), 0x300000 | PTE_P | PTE_RW | PTE_A | PTE_D);
    assert_false(fixture_get(f, pde) & PTE_D); // bit 6 of a PDE that points to a table is not a D bit
    fixture_set(f, fixture_pde(f, FIXTURE_CR3, 0x800000), 0x400000 | PTE_P | PTE_RW | PTE_PS | PTE_G);
    page = expect_page(f, 0x923456, MMU_WRITE, false, 0x523000);
    assert_true(page.large && !page.global && page.dirty);
    assert_int_equal(fixture_get(f, fixture_pde(f, FIXTURE_CR3, 0x800000)),
                     0x400000 | PTE_P | PTE_RW | PTE_PS | PTE_G | PTE_A | PTE_D);
    fixture_destroy(f);
}

// A directory that is its own page table (the recursive slot): one entry serves as PDE and PTE.
static void recursive_directory(void **state) {
    (void)state;
    struct fixture *f = fixture_create(MMU_FORM_SOFT);
    fixture_paging(f, CR0_BASE, 0, false);
    uint64_t slot = FIXTURE_CR3 + 1023 * 4;
    fixture_set(f, slot, FIXTURE_CR3 | PTE_P | PTE_RW);
    expect_page(f, 0xfffff000, MMU_WRITE, false, FIXTURE_CR3);
    assert_int_equal(fixture_get(f, slot), FIXTURE_CR3 | PTE_P | PTE_RW | PTE_A | PTE_D);
    fixture_destroy(f);
}

static void reserved_bits(void **state) {
    (void)state;
    struct fixture *f = fixture_create(MMU_FORM_SOFT);
    fixture_paging(f, CR0_BASE, CONTROL_CR4_PSE, false);
    fixture_set(f, fixture_pde(f, FIXTURE_CR3, 0x800000), 0x400000 | PTE_P | PTE_RW | PTE_PS | 1u << 13);
    expect_fault(f, 0x800000, MMU_READ, false, PF_P | PF_RSVD); // PSE-36 is not announced
    fixture_paging(f, CR0_BASE, CONTROL_CR4_PAE, false);
    fixture_map(f, 0x400000, 0x300000 | P_RW_US_A | PTE_XD);
    expect_fault(f, 0x400000, MMU_EXEC, true, PF_P | PF_RSVD | PF_US);
    fixture_map(f, 0x400000, 0x300000 | P_RW_US_A | 1ull << MMU_PHYSICAL_BITS);
    expect_fault(f, 0x400000, MMU_WRITE, false, PF_P | PF_RSVD | PF_WR);
    fixture_destroy(f);
}

static void no_execute(void **state) {
    (void)state;
    struct fixture *f = fixture_create(MMU_FORM_SOFT);
    fixture_paging(f, CR0_BASE, CONTROL_CR4_PAE, true);
    fixture_map(f, 0x400000, 0x300000 | P_RW_US_A | PTE_XD);
    assert_false(expect_page(f, 0x400000, MMU_READ, true, 0x300000).execute);
    expect_fault(f, 0x400000, MMU_EXEC, true, PF_P | PF_US | PF_ID);
    expect_fault(f, 0x401000, MMU_EXEC, false, PF_ID);
    fixture_destroy(f);
}

// The PDPTE registers change only when the architecture loads them, and not at all when a reserved bit is set.
static void pdpte_registers(void **state) {
    (void)state;
    struct fixture *f = fixture_create(MMU_FORM_SOFT);
    fixture_paging(f, CR0_BASE, CONTROL_CR4_PAE, false);
    fixture_map(f, 0x400000, 0x300000 | P_RW_US_A);
    uint64_t kept = fixture_get(f, FIXTURE_CR3);
    fixture_set(f, FIXTURE_CR3, 0);
    expect_page(f, 0x400000, MMU_READ, true, 0x300000);
    f->control.cr0 ^= CONTROL_CR0_WP;
    assert_int_equal(mmu_set_control(f->mmu, &f->control), 0);
    expect_page(f, 0x400000, MMU_READ, true, 0x300000); // WP is not among the bits that load them
    fixture_set(f, FIXTURE_CR3, kept | 1u << 1);
    assert_int_equal(mmu_load_cr3(f->mmu, FIXTURE_CR3), -1);
    expect_page(f, 0x400000, MMU_READ, true, 0x300000);
    fixture_set(f, FIXTURE_CR3, 0);
    assert_int_equal(mmu_load_cr3(f->mmu, FIXTURE_CR3), 0);
    expect_fault(f, 0x400000, MMU_READ, true, PF_US);
    fixture_set(f, FIXTURE_CR3, kept);
    f->control.cr4 |= CONTROL_CR4_PGE;
    assert_int_equal(mmu_set_control(f->mmu, &f->control), 0);
    expect_page(f, 0x400000, MMU_READ, true, 0x300000);
    fixture_destroy(f);
}

// Setting A in a table whose frame holds translated code goes through the kill path.
static void tables_with_code(void **state) {
    (void)state;
    struct fixture *f = fixture_create(MMU_FORM_SOFT);
    fixture_paging(f, CR0_BASE, 0, false);
    uint64_t pte = fixture_pte(f, FIXTURE_CR3, 0x400000);
    fixture_set(f, pte, 0x300000 | PTE_P | PTE_RW);
    mmu_protect_frame(f->mmu, (uint32_t)(pte >> 12));
    expect_page(f, 0x400000, MMU_READ, false, 0x300000);
    assert_int_equal(f->kills, 1);
    assert_int_equal(f->killed[0], pte >> 12);
    fixture_destroy(f);
}

static uint64_t random_entry(struct fixture *f, uint64_t *seed, bool pae) {
    uint64_t entry = (uint64_t)(fixture_random(seed) % (FIXTURE_RAM >> 12)) << 12;
    entry |= fixture_random(seed) & 0xfffu & ~PTE_P;
    entry |= fixture_random(seed) % 8 ? PTE_P : 0;
    if (fixture_random(seed) % 2) {
        entry |= PTE_US | PTE_RW;
    }
    if (pae) {
        entry |= fixture_random(seed) % 4 ? 0 : PTE_XD;
        entry |= fixture_random(seed) % 16 ? 0 : 1ull << (36 + fixture_random(seed) % 27);
    }
    (void)f;
    return entry;
}

static void random_tables(void **state) {
    (void)state;
    uint64_t seed = 20260107;
    for (unsigned mode = 0; mode < 8; mode++) {
        struct fixture *f = fixture_create(MMU_FORM_SOFT);
        bool pae = mode & 4;
        uint32_t cr4 = (pae ? CONTROL_CR4_PAE : 0) | (mode & 1 ? CONTROL_CR4_PSE : 0);
        fixture_paging(f, 1u | CONTROL_CR0_PG | (mode & 2 ? CONTROL_CR0_WP : 0), cr4, mode & 1);
        uint32_t cr3 = FIXTURE_CR3;
        uint32_t bases[4];
        for (unsigned i = 0; i < 4; i++) {
            bases[i] = (0x00c00000u + i * 0x40000000u);
            fixture_pte(f, cr3, bases[i]);
        }
        for (unsigned round = 0; round < 20000; round++) {
            uint32_t linear =
                bases[fixture_random(&seed) % 4] + (fixture_random(&seed) % 16 << 12) + fixture_random(&seed) % 4096;
            uint64_t pde_at = fixture_pde(f, cr3, linear);
            uint64_t table = fixture_get(f, pde_at);
            if (fixture_random(&seed) % 2) { // another PTE
                fixture_set(f, fixture_pte(f, cr3, linear) & (FIXTURE_RAM - 1), random_entry(f, &seed, pae));
            }
            bool odd_pde = fixture_random(&seed) % 4 == 0;
            if (odd_pde) {
                uint64_t low = random_entry(f, &seed, pae);
                uint64_t pde = fixture_random(&seed) % 2 ? low : (table & ~0x87ull) | (low & 0x87);
                fixture_set(f, pde_at, pde & (PTE_PS | PTE_P | ~0xffull) ? pde : table);
                pde = fixture_get(f, pde_at);
                if ((pde & PTE_PS) && fixture_random(&seed) % 4) {
                    fixture_set(f, pde_at, pde & ~0x3fe000ull);
                }
            }
            enum mmu_access access = (enum mmu_access)(fixture_random(&seed) % 3);
            bool user = fixture_random(&seed) % 2;
            struct reference r;
            reference_walk(f, linear, access, user, &r);
            struct mmu_page page;
            struct mmu_fault fault;
            int got = mmu_walk(f->mmu, linear, access, user, &page, &fault);
            assert_int_equal(got, r.faults ? -1 : 0);
            if (r.faults) {
                assert_int_equal(fault.error, r.error);
                assert_int_equal(fault.linear, linear);
            } else {
                assert_int_equal(page.gpa, r.gpa & ~0xfffull);
            }
            if (r.pde_at != r.pte_at) {
                assert_int_equal(fixture_get(f, r.pde_at), r.pde_after);
            }
            if (r.pte_at && r.pte_at != r.pde_at && r.pte_at < FIXTURE_RAM) {
                assert_int_equal(fixture_get(f, r.pte_at), r.pte_after);
            }
            if (odd_pde) {
                fixture_set(f, pde_at, table);
            }
        }
        fixture_destroy(f);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paging_off),          cmocka_unit_test(rights),           cmocka_unit_test(accessed_and_dirty),
        cmocka_unit_test(recursive_directory), cmocka_unit_test(reserved_bits),    cmocka_unit_test(no_execute),
        cmocka_unit_test(pdpte_registers),     cmocka_unit_test(tables_with_code), cmocka_unit_test(random_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
