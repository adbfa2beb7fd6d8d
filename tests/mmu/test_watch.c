// Pages with data breakpoints: in no software TLB and no window, told of at each access, ordinary again afterwards.
#include "direct.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define CHECK_TOLD(f, n, at, bytes)                                                                                    \
    do {                                                                                                               \
        assert_int_equal((f)->watched, n);                                                                             \
        assert_int_equal((f)->watched_linear, at);                                                                     \
        assert_int_equal((f)->watched_size, bytes);                                                                    \
    } while (0)

static const uint32_t watched_page = 0x401000;

static struct fixture *start(enum mmu_form_policy policy) {
    struct fixture *f = fixture_create(policy);
    fixture_paging(f, CR0_BASE, CONTROL_CR4_PSE, false);
    for (uint32_t page = 0; page < 32; page++)
        fixture_map(f, 0x400000 + page * 4096, (0x500000 + page * 4096) | P_RW_US_A | PTE_D);
    return f;
}

static enum soft_result touch(struct fixture *f, uint32_t linear, unsigned size, enum operand_intent intent) {
    uint64_t addend = 0;
    struct mmu_fault fault;
    return soft_miss(f->mmu, linear, size, intent, true, 0, &addend, &fault);
}

static void soft(void **state) {
    (void)state;
    struct fixture *f = start(MMU_FORM_SOFT);
    touch(f, watched_page, 4, INTENT_WRITE);
    assert_non_null(fixture_lookup(f, true, watched_page, 4, true));
    mmu_watch(f->mmu, &watched_page, 1);
    for (unsigned n = 1; n < 4; n++) {
        assert_null(fixture_lookup(f, true, watched_page, 4, false));
        assert_int_equal(touch(f, watched_page + 8, 4, INTENT_READ), SOFT_IN_PLACE);
        CHECK_TOLD(f, n, watched_page + 8, 4);
    }
    touch(f, watched_page - 4096, 4, INTENT_WRITE); // the neighbour
    assert_non_null(fixture_lookup(f, true, watched_page - 4096, 4, true));
    assert_int_equal(f->watched, 3);
    assert_int_equal(touch(f, watched_page - 2, 4, INTENT_WRITE), SOFT_BOUNCED); // across
    CHECK_TOLD(f, 4, watched_page - 2, 4);
    soft_commit(f->mmu);
    assert_int_equal(touch(f, 0x900000, 4, INTENT_READ), SOFT_FAULT); // no access
    assert_int_equal(f->watched, 4);
    struct mmu_fault fault;
    bool faulted;
    assert_null(mmu_host(f->mmu, watched_page, MMU_READ, true, &faulted, &fault));
    assert_false(faulted);
    mmu_watch(f->mmu, NULL, 0);
    touch(f, watched_page, 4, INTENT_READ);
    assert_non_null(fixture_lookup(f, true, watched_page, 4, false));
    assert_int_equal(f->watched, 4);
    fixture_destroy(f);
}

static void windows(void **state) {
    (void)state;
    struct fixture *f = start(MMU_FORM_DIRECT);
    struct mmu_fault fault;
    uint32_t value = 7;
    // One fault shows the whole run, the page among it.
    assert_int_equal(direct_access(f, true, watched_page + 4096, true, &value, &fault), DIRECT_DONE);
    assert_int_equal(direct_access(f, true, watched_page, true, &value, &fault), DIRECT_DONE);
    assert_int_equal(direct_signals(), 0);
    mmu_watch(f->mmu, &watched_page, 1);
    assert_int_equal(direct_access(f, true, watched_page + 4, false, &value, &fault), DIRECT_SOFT);
    assert_int_equal(direct_access(f, true, watched_page + 4096, false, &value, &fault), DIRECT_DONE);
    assert_int_equal(direct_signals(), 0); // its neighbours stayed
    // Neighbours that come anew do not bring it in.
    mmu_invlpg(f->mmu, watched_page - 4096);
    assert_int_equal(direct_access(f, true, watched_page - 4096, true, &value, &fault), DIRECT_DONE);
    assert_int_equal(direct_access(f, true, watched_page, true, &value, &fault), DIRECT_SOFT);
    mmu_watch(f->mmu, NULL, 0);
    assert_int_equal(direct_access(f, true, watched_page, true, &value, &fault), DIRECT_DONE);
    fixture_destroy(f);
}

static void large_pages(void **state) {
    (void)state;
    struct fixture *f = fixture_create(MMU_FORM_DIRECT);
    struct mmu_fault fault;
    uint32_t value = 1;
    fixture_paging(f, CR0_BASE, CONTROL_CR4_PSE, false);
    fixture_set(f, fixture_pde(f, FIXTURE_CR3, 0x800000), 0x800000 | P_RW_US_A | PTE_D | PTE_PS);
    const uint32_t page = 0x805000;
    mmu_watch(f->mmu, &page, 1);
    for (uint32_t at = 0x800000; at < 0x80a000; at += 4096)
        assert_int_equal(direct_access(f, true, at, true, &value, &fault), at == page ? DIRECT_SOFT : DIRECT_DONE);
    assert_int_equal(direct_access(f, true, page, false, &value, &fault), DIRECT_SOFT);
    fixture_destroy(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(soft),
        cmocka_unit_test(windows),
        cmocka_unit_test(large_pages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
