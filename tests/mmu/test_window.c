// Windows: what is shown, how, and until when; each rule by itself. The random test is test_revalidate.c.
#include "direct.h"
#include "mmu/window.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#define USER 0x08048000u

static struct fixture *start(enum mmu_form_policy policy, uint32_t cr4) {
    struct fixture *f = fixture_create(policy);
    fixture_paging(f, CR0_BASE, cr4, false);
    return f;
}

static uint32_t expect_read(struct fixture *f, bool user, uint32_t linear) {
    uint32_t value = 0;
    struct mmu_fault fault;
    assert_int_equal(direct_access(f, user, linear, false, &value, &fault), DIRECT_DONE);
    return value;
}

static void expect_write(struct fixture *f, bool user, uint32_t linear, uint32_t value) {
    struct mmu_fault fault;
    assert_int_equal(direct_access(f, user, linear, true, &value, &fault), DIRECT_DONE);
}

static void expect_soft(struct fixture *f, bool user, uint32_t linear, bool write) {
    uint32_t value = 0;
    struct mmu_fault fault;
    assert_int_equal(direct_access(f, user, linear, write, &value, &fault), DIRECT_SOFT);
}

static uint32_t *ram(struct fixture *f, uint32_t gpa) {
    return (uint32_t *)(void *)(f->ram.host + gpa);
}

static void clean_page_is_read_only_first(void **state) {
    (void)state;
    struct fixture *f = start(MMU_FORM_DIRECT, 0);
    uint64_t pte = fixture_pte(f, FIXTURE_CR3, USER);
    fixture_set(f, pte, 0x300000 | PTE_P | PTE_RW | PTE_US);
    *ram(f, 0x300010) = 77;
    assert_int_equal(expect_read(f, true, USER + 16), 77);
    assert_int_equal(fixture_get(f, pte) & (PTE_A | PTE_D), PTE_A);
    assert_int_equal(direct_signals(), 1);
    expect_write(f, true, USER + 16, 78);
    assert_int_equal(direct_signals(), 1);
    assert_int_equal(fixture_get(f, pte) & (PTE_A | PTE_D), PTE_A | PTE_D);
    assert_int_equal(*ram(f, 0x300010), 78);
    expect_write(f, true, USER + 20, 79);
    assert_int_equal(direct_signals(), 0);
    assert_int_equal(f->stats.host_maps, 1);
    assert_int_equal(f->stats.host_protects, 1);
    fixture_destroy(f);
}

static void fault_around(void **state) {
    (void)state;
    struct fixture *f = start(MMU_FORM_DIRECT, 0);
    for (uint32_t i = 0; i < 16; i++) {
        fixture_map(f, 0x40000000 + i * 4096, (0x300000 + i * 4096) | P_RW_US_A | PTE_D);
    }
    fixture_map(f, 0x40003000, 0x303000 | PTE_P | PTE_RW | PTE_US); // not accessed: ends the run
    fixture_map(f, 0x4000c000, 0x400000 | P_RW_US_A | PTE_D);       // another frame
    *ram(f, 0x30b000) = 11;
    assert_int_equal(expect_read(f, true, 0x40006000), 0);
    assert_int_equal(f->stats.host_maps, 1);
    assert_int_equal(f->stats.pages_filled, 8); // 4 to 11
    assert_int_equal(expect_read(f, true, 0x4000b000), 11);
    expect_write(f, true, 0x40004000, 1);
    assert_int_equal(direct_signals(), 0);
    expect_read(f, true, 0x40003000);
    assert_int_equal(direct_signals(), 1);
    expect_read(f, true, 0x4000c000);
    assert_int_equal(direct_signals(), 1);
    fixture_destroy(f);
}

static void large_page(void **state) {
    (void)state;
    for (unsigned mode = 0; mode < 2; mode++) {
        struct fixture *f = start(MMU_FORM_DIRECT, (mode ? CONTROL_CR4_PAE : CONTROL_CR4_PSE) | CONTROL_CR4_PGE);
        fixture_set(f, fixture_pde(f, FIXTURE_CR3, 0xc0800000),
                    0x800000 | PTE_P | PTE_RW | PTE_PS | PTE_A | PTE_D | PTE_G);
        mmu_protect_frame(f->mmu, 0x820);
        expect_write(f, false, 0xc0801000, 5);
        assert_int_equal(*ram(f, 0x801000), 5);
        assert_int_equal(f->stats.host_protects, 1); // the frame with code
        expect_write(f, false, 0xc08ff000, 6);
        assert_int_equal(direct_signals(), 0);
        expect_read(f, false, 0xc0820000);
        assert_int_equal(direct_signals(), 0);
        expect_soft(f, false, 0xc0820004, true);
        mmu_protect_frame(f->mmu, 0x810);
        expect_soft(f, false, 0xc0810000, true);
        f->ram.frame_flags[0x810] = 0;
        mmu_unprotect_frame(f->mmu, 0x810);
        expect_write(f, false, 0xc0810000, 7);
        assert_int_equal(*ram(f, 0x810000), 7);
        assert_int_equal(f->stats.host_map_errors, 0);
        fixture_destroy(f);
    }
}

// Code that lies together is protected by one call a block; a block that is written as well gets it page by page.
static void code_blocks(void **state) {
    (void)state;
    struct fixture *f = start(MMU_FORM_DIRECT, CONTROL_CR4_PSE);
    fixture_set(f, fixture_pde(f, FIXTURE_CR3, 0xc0800000), 0x800000 | PTE_P | PTE_RW | PTE_PS | PTE_A | PTE_D);
    expect_write(f, false, 0xc0800000, 1);
    for (uint32_t i = 0; i < 32; i++) {
        mmu_protect_frame(f->mmu, 0x820 + i);
    }
    assert_int_equal(f->stats.host_protects, 2);
    expect_soft(f, false, 0xc0825000, true);
    mmu_protect_frame(f->mmu, 0x840);
    mmu_protect_frame(f->mmu, 0x850);
    expect_write(f, false, 0xc0842000, 2); // data in the third block; the other blocks stay as they are
    assert_int_equal(direct_signals(), 1);
    assert_int_equal(f->stats.host_protects, 5);
    expect_write(f, false, 0xc084f000, 3);
    assert_int_equal(direct_signals(), 0);
    mmu_protect_frame(f->mmu, 0x845);
    expect_write(f, false, 0xc0846000, 4);
    assert_int_equal(direct_signals(), 0);
    expect_soft(f, false, 0xc0845000, true);
    expect_soft(f, false, 0xc0840000, true);
    fixture_destroy(f);
}

static void hole_and_devices(void **state) {
    (void)state;
    struct fixture *f = start(MMU_FORM_DIRECT, CONTROL_CR4_PSE);
    fixture_set(f, fixture_pde(f, FIXTURE_CR3, 0xc0000000), 0 | PTE_P | PTE_RW | PTE_PS | PTE_A | PTE_D);
    fixture_set(f, fixture_pde(f, FIXTURE_CR3, 0xd0000000), 0xfec00000 | PTE_P | PTE_RW | PTE_PS | PTE_A | PTE_D);
    expect_read(f, false, 0xc0001000);
    expect_soft(f, false, 0xc00b8000, true);
    expect_soft(f, false, 0xc00fffff & ~3u, false);
    expect_write(f, false, 0xc0100000, 1);
    expect_soft(f, false, 0xd0000000, false);
    // A large page that ends beyond RAM.
    fixture_set(f, fixture_pde(f, FIXTURE_CR3, 0xe0000000), FIXTURE_RAM | PTE_P | PTE_RW | PTE_PS | PTE_A | PTE_D);
    expect_soft(f, false, 0xe0000000, false);
    fixture_destroy(f);
}

static void physical(void **state) {
    (void)state;
    struct fixture *f = fixture_create(MMU_FORM_DIRECT);
    expect_write(f, false, 0x200000, 9);
    assert_int_equal(*ram(f, 0x200000), 9);
    expect_write(f, false, 0xa00000, 9);
    expect_soft(f, false, FIXTURE_RAM, false);
    expect_soft(f, false, 0xb8000, true);
    f->control.a20 = false;
    mmu_set_control(f->mmu, &f->control);
    assert_true(window_view_soft(f->mmu, false));
    fixture_destroy(f);
}

static void user_pages_at_cpl_0(void **state) {
    (void)state;
    struct fixture *f = start(MMU_FORM_DIRECT, 0);
    fixture_map(f, USER, 0x300000 | P_RW_US_A | PTE_D);
    fixture_map(f, 0xc0000000, 0x301000 | PTE_P | PTE_RW);
    expect_soft(f, false, USER, false);
    struct mmu_page page;
    struct mmu_fault fault;
    assert_int_equal(mmu_walk(f->mmu, 0xc0000000, MMU_EXEC, false, &page, &fault), 0);
    expect_soft(f, false, USER, false);
    assert_int_equal(mmu_walk(f->mmu, USER, MMU_EXEC, false, &page, &fault), 0); // the supervisor runs from user pages
    expect_write(f, false, USER, 3);
    fixture_destroy(f);
}

static void invlpg_and_cr3(void **state) {
    (void)state;
    struct fixture *f = start(MMU_FORM_DIRECT, CONTROL_CR4_PGE);
    *ram(f, 0x300000) = 1;
    *ram(f, 0x301000) = 2;
    fixture_map(f, 0xc0000000, 0x300000 | PTE_P | PTE_RW | PTE_A | PTE_G);
    fixture_map(f, 0xc0800000, 0x300000 | PTE_P | PTE_RW | PTE_A);
    fixture_map(f, USER, 0x300000 | P_RW_US_A);
    assert_int_equal(expect_read(f, false, 0xc0000000), 1);
    assert_int_equal(expect_read(f, false, 0xc0800000), 1);
    assert_int_equal(expect_read(f, true, USER), 1);
    fixture_map(f, 0xc0000000, 0x301000 | PTE_P | PTE_RW | PTE_A | PTE_G);
    fixture_map(f, 0xc0800000, 0x301000 | PTE_P | PTE_RW | PTE_A);
    fixture_map(f, USER, 0x301000 | P_RW_US_A);
    mmu_load_cr3(f->mmu, FIXTURE_CR3);
    uint64_t unmaps = f->stats.host_unmaps;
    assert_int_equal(unmaps, 1);                            // the local supervisor page; the user's waits
    assert_int_equal(expect_read(f, false, 0xc0000000), 1); // global: survives
    assert_int_equal(expect_read(f, false, 0xc0800000), 2);
    assert_int_equal(expect_read(f, true, USER), 2);
    mmu_invlpg(f->mmu, 0xc0000ffc);
    assert_int_equal(expect_read(f, false, 0xc0000000), 2);
    fixture_map(f, USER, 0);
    mmu_invlpg(f->mmu, USER);
    uint32_t value;
    struct mmu_fault fault;
    assert_int_equal(direct_access(f, true, USER, false, &value, &fault), DIRECT_FAULT);
    assert_int_equal(fault.error, PF_US);
    // CR4.PGE off and on flushes global pages too, and does not drop what is unchanged.
    uint64_t maps = f->stats.host_maps;
    fixture_map(f, 0xc0000000, 0x300000 | PTE_P | PTE_RW | PTE_A | PTE_G);
    f->control.cr4 = 0;
    mmu_set_control(f->mmu, &f->control);
    f->control.cr4 = CONTROL_CR4_PGE;
    mmu_set_control(f->mmu, &f->control);
    assert_int_equal(expect_read(f, false, 0xc0000000), 1);
    assert_int_equal(f->stats.host_maps, maps + 1);
    assert_int_equal(expect_read(f, false, 0xc0800000), 2);
    assert_int_equal(f->stats.host_maps, maps + 1);
    fixture_destroy(f);
}

// A fork: every page of the parent becomes read-only. One call, and reads go on without a signal.
static void downgrade_in_one_call(void **state) {
    (void)state;
    struct fixture *f = start(MMU_FORM_DIRECT, 0);
    for (uint32_t i = 0; i < 16; i++) {
        fixture_map(f, 0x40000000 + i * 4096, (0x300000 + i * 4096) | P_RW_US_A | PTE_D);
    }
    expect_write(f, true, 0x40000000, 1);
    for (uint32_t i = 0; i < 16; i++) {
        fixture_map(f, 0x40000000 + i * 4096, (0x300000 + i * 4096) | PTE_P | PTE_US | PTE_A | PTE_D);
    }
    mmu_load_cr3(f->mmu, FIXTURE_CR3);
    assert_int_equal(expect_read(f, true, 0x40000000), 1);
    assert_int_equal(direct_signals(), 0);
    assert_int_equal(f->stats.host_protects, 1);
    assert_int_equal(f->stats.host_unmaps, 0);
    uint32_t value = 2;
    struct mmu_fault fault;
    assert_int_equal(direct_access(f, true, 0x40005000, true, &value, &fault), DIRECT_FAULT);
    assert_int_equal(fault.error, PF_P | PF_WR | PF_US);
    fixture_destroy(f);
}

static void prefill(void **state) {
    (void)state;
    struct fixture *f = start(MMU_FORM_DIRECT, 0);
    uint32_t value = 5;
    struct mmu_fault fault;
    fixture_pte(f, FIXTURE_CR3, USER);
    assert_int_equal(direct_access(f, true, USER, true, &value, &fault), DIRECT_FAULT);
    fixture_map(f, USER, 0x300000 | P_RW_US_A | PTE_D);
    window_prefill(f->mmu, true);
    expect_write(f, true, USER, 5);
    assert_int_equal(direct_signals(), 0);
    uint64_t maps = f->stats.host_maps;
    window_prefill(f->mmu, true);
    assert_int_equal(f->stats.host_maps, maps);
    assert_int_equal(direct_access(f, true, USER + 4096, true, &value, &fault), DIRECT_FAULT);
    window_prefill(f->mmu, true); // still not allowed: nothing happens
    assert_int_equal(f->stats.host_maps, maps);
    // A page that is not dirty yet is filled read-only.
    assert_int_equal(direct_access(f, true, USER + 4096, true, &value, &fault), DIRECT_FAULT);
    uint64_t pte = fixture_pte(f, FIXTURE_CR3, USER + 4096);
    fixture_set(f, pte, 0x302000 | PTE_P | PTE_US | PTE_RW | PTE_A);
    window_prefill(f->mmu, true);
    assert_false(fixture_get(f, pte) & PTE_D);
    expect_read(f, true, USER + 4096);
    assert_int_equal(direct_signals(), 0);
    fixture_destroy(f);
}

static void churn_goes_soft(void **state) {
    (void)state;
    struct fixture *f = start(MMU_FORM_ADAPTIVE, CONTROL_CR4_PGE);
    unsigned done = 0;
    for (uint32_t i = 0; i < 50; i++) { // a kmap slot
        fixture_map(f, 0xff800000, (0x300000 + i * 4096) | PTE_P | PTE_RW | PTE_A | PTE_D | PTE_G);
        mmu_invlpg(f->mmu, 0xff800000);
        uint32_t value = i;
        struct mmu_fault fault;
        done += direct_access(f, false, 0xff800000, true, &value, &fault) == DIRECT_DONE;
    }
    assert_in_range(done, 1, 5);
    assert_true(f->stats.host_maps <= 5);
    fixture_destroy(f);
}

static void views(void **state) {
    (void)state;
    struct fixture *f = start(MMU_FORM_ADAPTIVE, 0);
    fixture_map(f, USER, 0x300000 | P_RW_US_A | PTE_D);
    assert_false(window_view_soft(f->mmu, false));
    assert_true(window_view_soft(f->mmu, true));
    assert_int_equal(window_enter(f->mmu, true), window_empty_base(f->mmu));
    struct mmu_view first = mmu_current_view(f->mmu, true);
    assert_true(first.id != 0 && mmu_current_view(f->mmu, false).id == 0);
    f->mmu->windows->cycles_per_us = 1000; // a clock of 1 GHz, and calls of 1 ms, beside which real time is nothing
    f->mmu->windows->call_cycles = 1000000;
    f->mmu->windows->view->hold_cycles = 600000000;
    window_account(f->mmu, 100000000);
    assert_true(window_view_soft(f->mmu, true));
    window_account(f->mmu, 600000000);
    assert_false(window_view_soft(f->mmu, true));
    assert_int_equal(f->stats.views_to_direct, 1);
    expect_write(f, true, USER, 1);
    uint32_t other = fixture_new_space(f);
    mmu_load_cr3(f->mmu, other);
    assert_true(mmu_current_view(f->mmu, true).id != first.id);
    assert_true(window_view_soft(f->mmu, true));
    mmu_load_cr3(f->mmu, FIXTURE_CR3);
    assert_int_equal(mmu_current_view(f->mmu, true).id, first.id);
    assert_int_equal(mmu_current_view(f->mmu, true).generation, first.generation);
    assert_false(window_view_soft(f->mmu, true));
    expect_write(f, true, USER, 1);
    assert_int_equal(direct_signals(), 0);
    // Too many calls for the time: soft again, and for longer.
    uint64_t hold = f->mmu->windows->view->hold_cycles;
    for (unsigned i = 0; i < 5000 && f->stats.views_to_soft == 0; i++) {
        uint32_t value = i;
        struct mmu_fault fault;
        fixture_map(f, USER, (0x300000 + i % 2 * 4096) | P_RW_US_A | PTE_D);
        mmu_invlpg(f->mmu, USER);
        assert_int_not_equal(direct_access(f, true, USER, true, &value, &fault), DIRECT_FAULT);
        window_account(f->mmu, 3000000);
    }
    assert_true(window_view_soft(f->mmu, true));
    assert_int_equal(f->stats.views_to_soft, 1);
    assert_int_equal(f->mmu->windows->view->hold_cycles, hold * 2);
    // Many address spaces recycle views; the generation tells.
    for (unsigned i = 0; i < VIEW_COUNT + 4; i++) {
        mmu_load_cr3(f->mmu, 0x100000 + i * 4096);
        mmu_current_view(f->mmu, true);
    }
    mmu_load_cr3(f->mmu, FIXTURE_CR3);
    assert_true(mmu_current_view(f->mmu, true).generation != first.generation);
    fixture_destroy(f);
}

static void windows_are_recycled(void **state) {
    (void)state;
    struct fixture *f = start(MMU_FORM_DIRECT, 0);
    enum { SPACES = 20 };
    uint32_t cr3[SPACES];
    for (unsigned i = 0; i < SPACES; i++) {
        cr3[i] = fixture_new_space(f);
        fixture_set(f, fixture_pte(f, cr3[i], USER), (0x300000 + i * 4096) | P_RW_US_A | PTE_D);
        *ram(f, 0x300000 + i * 4096) = i + 100;
    }
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < SPACES; i++) {
            mmu_load_cr3(f->mmu, cr3[i]);
            assert_int_equal(expect_read(f, true, USER), i + 100);
        }
    }
    assert_true(f->mmu->windows->vmas <= WINDOW_USERS);
    // A new process under an old CR3: all of the old window goes with one call.
    uint64_t unmaps = f->stats.host_unmaps;
    memset(f->ram.host + cr3[SPACES - 1], 0, 4096);
    mmu_load_cr3(f->mmu, cr3[SPACES - 1]);
    uint32_t value;
    struct mmu_fault fault;
    assert_int_equal(direct_access(f, true, USER, false, &value, &fault), DIRECT_FAULT);
    assert_int_equal(f->stats.host_unmaps, unmaps + 1);
    fixture_destroy(f);
}

static void budget(void **state) {
    (void)state;
    struct fixture *f = start(MMU_FORM_DIRECT, 0);
    f->mmu->windows->vma_budget = 100;
    for (uint32_t round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < 400; i++) { // every second frame: nothing can be joined
            uint32_t linear = 0x40000000 + i * 4096;
            fixture_map(f, linear, (0x300000 + i * 8192) | P_RW_US_A | PTE_D);
            expect_write(f, true, linear, i);
            assert_true(f->mmu->windows->vmas <= 100);
        }
    }
    assert_int_equal(f->stats.host_map_errors, 0);
    fixture_destroy(f);
}

// The host refuses a mapping: the access becomes soft, and nothing that is shown is wrong afterwards.
static void refusal(void **state) {
    (void)state;
    struct fixture *f = start(MMU_FORM_DIRECT, 0);
    struct rlimit old;
    fixture_map(f, USER, 0x300000 | P_RW_US_A | PTE_D);
    fixture_map(f, USER + 0x10000, 0x304000 | P_RW_US_A | PTE_D);
    expect_write(f, true, USER, 1);
    getrlimit(RLIMIT_AS, &old);
    struct rlimit low = {.rlim_cur = 1 << 20, .rlim_max = old.rlim_max};
    setrlimit(RLIMIT_AS, &low);
    uint32_t value = 2;
    struct mmu_fault fault;
    enum direct_result result = direct_access(f, true, USER + 0x10000, true, &value, &fault);
    setrlimit(RLIMIT_AS, &old);
    assert_int_equal(result, DIRECT_SOFT);
    assert_int_equal(f->stats.host_map_errors, 1);
    expect_write(f, true, USER, 3);
    expect_write(f, true, USER + 0x10000, 4);
    assert_int_equal(*ram(f, 0x304000), 4);
    fixture_destroy(f);
}

static void addresses(void **state) {
    (void)state;
    struct fixture *f = start(MMU_FORM_DIRECT, 0);
    uint32_t linear;
    bool wraps;
    uint64_t base = window_enter(f->mmu, false);
    assert_true(window_contains(f->mmu, base, &linear, &wraps) && linear == 0 && !wraps);
    assert_true(window_contains(f->mmu, base + 0xffffffff, &linear, &wraps) && linear == 0xffffffff && !wraps);
    assert_true(window_contains(f->mmu, base - 4, &linear, &wraps) && linear == 0xfffffffc && wraps);
    assert_true(window_contains(f->mmu, base + 0x100000004, &linear, &wraps) && linear == 4 && wraps);
    assert_false(window_contains(f->mmu, base - 4096, &linear, &wraps));
    assert_false(window_contains(f->mmu, base + 0x100001000, &linear, &wraps));
    assert_false(window_contains(f->mmu, (uint64_t)(uintptr_t)f, &linear, &wraps));
    assert_true(window_contains(f->mmu, window_empty_base(f->mmu) + 5, &linear, &wraps) && linear == 5);
    assert_int_equal(base & 0xffffffff, 0);
    fixture_destroy(f);
}

// The host's own list of mappings says the same as the bits.
static void host_agrees(void **state) {
    (void)state;
    struct fixture *f = start(MMU_FORM_DIRECT, CONTROL_CR4_PSE);
    fixture_set(f, fixture_pde(f, FIXTURE_CR3, 0xc0000000), 0 | PTE_P | PTE_RW | PTE_PS | PTE_A | PTE_D);
    fixture_set(f, fixture_pde(f, FIXTURE_CR3, 0xc0400000), 0x400000 | PTE_P | PTE_RW | PTE_PS | PTE_A | PTE_D);
    fixture_map(f, USER, 0x300000 | P_RW_US_A);
    mmu_protect_frame(f->mmu, 0x200);
    expect_read(f, false, 0xc0000000);
    expect_read(f, false, 0xc0200000);
    expect_read(f, false, 0xc0400000);
    expect_read(f, true, USER);
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[512];
    unsigned count = 0;
    while (maps && fgets(line, sizeof(line), maps)) {
        unsigned long from;
        unsigned long to;
        if (sscanf(line, "%lx-%lx", &from, &to) == 2 && from >= f->mmu->windows->base &&
            from < f->mmu->windows->base + SPACE_SIZE) {
            assert_true(from >= f->mmu->windows->base + SPACE_STRIDE); // the empty window is empty
            count++;
        }
    }
    fclose(maps);
    // Below the hole; the frame with code, and the rest of its chunk; a chunk of the next region; the user page.
    assert_int_equal(count, 5);
    assert_in_range(f->mmu->windows->vmas, count, count + 1);
    fixture_destroy(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clean_page_is_read_only_first),
        cmocka_unit_test(fault_around),
        cmocka_unit_test(large_page),
        cmocka_unit_test(hole_and_devices),
        cmocka_unit_test(code_blocks),
        cmocka_unit_test(physical),
        cmocka_unit_test(user_pages_at_cpl_0),
        cmocka_unit_test(invlpg_and_cr3),
        cmocka_unit_test(downgrade_in_one_call),
        cmocka_unit_test(prefill),
        cmocka_unit_test(churn_goes_soft),
        cmocka_unit_test(views),
        cmocka_unit_test(windows_are_recycled),
        cmocka_unit_test(budget),
        cmocka_unit_test(refusal),
        cmocka_unit_test(addresses),
        cmocka_unit_test(host_agrees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
