// Software TLBs and bounced operands: what is filled, what is dropped when, and what is read and written.
#include "reference.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct fixture *start(void) {
    struct fixture *f = fixture_create(MMU_FORM_SOFT);
    fixture_paging(f, CR0_BASE, CONTROL_CR4_PSE | CONTROL_CR4_PGE, false);
    fixture_map(f, 0x400000, 0x300000 | P_RW_US_A);
    fixture_map(f, 0x401000, 0x500000 | P_RW_US_A);
    fixture_map(f, 0x402000, 0xb8000 | P_RW_US_A);
    fixture_map(f, 0x403000, 0x600000 | P_RW_US_A | PTE_G);
    return f;
}

static enum soft_result miss(struct fixture *f, uint32_t linear, unsigned size, enum operand_intent intent, bool locked,
                             uint8_t **operand) {
    uint64_t addend = 0;
    struct mmu_fault fault;
    enum soft_result result = soft_miss(f->mmu, linear, size, intent, true, locked, &addend, &fault);
    *operand = (uint8_t *)(uintptr_t)(addend + linear);
    return result;
}

static void fill(void **state) {
    (void)state;
    struct fixture *f = start();
    uint8_t *p;
    assert_null(fixture_lookup(f, true, 0x400010, 4, false));
    assert_int_equal(miss(f, 0x400010, 4, INTENT_READ, false, &p), SOFT_IN_PLACE);
    assert_ptr_equal(p, f->ram.host + 0x300010);
    assert_ptr_equal(fixture_lookup(f, true, 0x400010, 4, false), p);
    assert_null(fixture_lookup(f, true, 0x400010, 4, true));   // D was clear
    assert_null(fixture_lookup(f, false, 0x400010, 4, false)); // the other privilege has its own
    assert_int_equal(miss(f, 0x400010, 4, INTENT_RMW, false, &p), SOFT_IN_PLACE);
    assert_ptr_equal(fixture_lookup(f, true, 0x400010, 4, true), p);
    assert_non_null(fixture_lookup(f, true, 0x400ffc, 4, true));
    assert_null(fixture_lookup(f, true, 0x400ffd, 4, true));
    assert_null(fixture_lookup(f, true, 0x400e01, 512, true));
    fixture_destroy(f);
}

// No empty entry may hit, whatever the operand: the tag of an empty slot lies half a table away.
static void empty_entries(void **state) {
    (void)state;
    struct fixture *f = start();
    for (uint32_t page = 0; page < 4096; page++) {
        for (uint32_t at = 0; at < 4096; at += page % 7 ? 511 : 1) {
            uint32_t linear = page * 0x100100u * 4096u + page * 4096u + at;
            assert_null(fixture_lookup(f, page & 1, linear, 1, false));
            assert_null(fixture_lookup(f, page & 1, linear, 512, page & 2));
        }
    }
    fixture_destroy(f);
}

static void flushes(void **state) {
    (void)state;
    struct fixture *f = start();
    uint8_t *p;
    miss(f, 0x400000, 4, INTENT_WRITE, false, &p);
    miss(f, 0x403000, 4, INTENT_WRITE, false, &p);
    mmu_load_cr3(f->mmu, FIXTURE_CR3);
    assert_null(fixture_lookup(f, true, 0x400000, 4, false));
    assert_non_null(fixture_lookup(f, true, 0x403000, 4, true)); // global
    mmu_invlpg(f->mmu, 0x403123);
    assert_null(fixture_lookup(f, true, 0x403000, 4, false));
    miss(f, 0x403000, 4, INTENT_WRITE, false, &p);
    mmu_set_control(f->mmu, &f->control);
    assert_null(fixture_lookup(f, true, 0x403000, 4, false));
    fixture_set(f, fixture_pde(f, FIXTURE_CR3, 0x800000), 0x800000 | P_RW_US_A | PTE_PS);
    miss(f, 0x812000, 4, INTENT_READ, false, &p);
    miss(f, 0xbff000, 4, INTENT_READ, false, &p);
    miss(f, 0x400000, 4, INTENT_READ, false, &p);
    mmu_invlpg(f->mmu, 0x900000); // any address in a large page drops all of it
    assert_null(fixture_lookup(f, true, 0x812000, 4, false));
    assert_null(fixture_lookup(f, true, 0xbff000, 4, false));
    assert_non_null(fixture_lookup(f, true, 0x400000, 4, false));
    fixture_destroy(f);
}

static void crossing(void **state) {
    (void)state;
    struct fixture *f = start();
    uint8_t *p;
    memset(f->ram.host + 0x300ffe, 0x11, 2);
    memset(f->ram.host + 0x500000, 0x22, 2);
    assert_int_equal(miss(f, 0x400ffe, 4, INTENT_RMW, true, &p), SOFT_BOUNCED);
    assert_int_equal((uintptr_t)p % 64, 0x400ffe % 64);
    assert_memory_equal(p, "\x11\x11\x22\x22", 4);
    memcpy(p, "\xaa\xbb\xcc\xdd", 4);
    assert_false(soft_commit(f->mmu));
    assert_int_equal(f->ram.host[0x300ffe], 0xaa);
    assert_int_equal(f->ram.host[0x500001], 0xdd);
    // The second page faults: nothing is bounced, CR2 is that page's first byte.
    fixture_map(f, 0x401000, 0);
    mmu_load_cr3(f->mmu, FIXTURE_CR3);
    uint64_t addend;
    struct mmu_fault fault;
    assert_int_equal(soft_miss(f->mmu, 0x400ffe, 4, INTENT_WRITE, true, false, &addend, &fault), SOFT_FAULT);
    assert_int_equal(fault.linear, 0x401000);
    assert_int_equal(fault.error, PF_WR | PF_US);
    fixture_destroy(f);
}

static void sizes(void **state) {
    (void)state;
    struct fixture *f = start();
    static const unsigned list[] = {1, 2, 4, 8, 10, 16, 28, 94, 108, 512};
    for (unsigned i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
        unsigned size = list[i];
        for (unsigned before = 1; before < size; before += before < 16 ? 1 : 61) {
            uint8_t *p;
            for (unsigned k = 0; k < size; k++) {
                *(k < before ? f->ram.host + 0x301000 - before + k : f->ram.host + 0x500000 + k - before) =
                    (uint8_t)(k * 7);
            }
            assert_int_equal(miss(f, 0x401000 - before, size, INTENT_RMW, false, &p), SOFT_BOUNCED);
            for (unsigned k = 0; k < size; k++) {
                assert_int_equal(p[k], (uint8_t)(k * 7));
                p[k] = (uint8_t)(k + 3);
            }
            soft_commit(f->mmu);
            for (unsigned k = 0; k < size; k++) {
                assert_int_equal(
                    *(k < before ? f->ram.host + 0x301000 - before + k : f->ram.host + 0x500000 + k - before),
                    (uint8_t)(k + 3));
            }
        }
    }
    fixture_destroy(f);
}

static void devices(void **state) {
    (void)state;
    struct fixture *f = start();
    uint8_t *p;
    f->device_value = 0x8877665544332211;
    assert_int_equal(miss(f, 0x402004, 4, INTENT_READ, false, &p), SOFT_BOUNCED);
    assert_int_equal(*(uint32_t *)(void *)p, 0x44332211);
    assert_int_equal(f->devices, 1);
    assert_int_equal(f->device[0].gpa, 0xb8004);
    assert_int_equal(f->device[0].size, 4);
    assert_false(soft_commit(f->mmu)); // a read has nothing to commit
    assert_int_equal(f->devices, 1);
    assert_null(fixture_lookup(f, true, 0x402004, 4, false));
    f->devices = 0;
    assert_int_equal(miss(f, 0x402008, 2, INTENT_WRITE, false, &p), SOFT_BOUNCED);
    assert_int_equal(f->devices, 0); // a write never reads
    *(uint16_t *)(void *)p = 0xbeef;
    soft_commit(f->mmu);
    assert_int_equal(f->devices, 1);
    assert_true(f->device[0].write && f->device[0].size == 2 && f->device[0].value == 0xbeef);
    f->devices = 0;
    assert_int_equal(miss(f, 0x401ffe, 4, INTENT_RMW, true, &p), SOFT_BOUNCED); // RAM into device
    assert_int_equal(f->devices, 1);
    soft_commit(f->mmu);
    assert_int_equal(f->devices, 2);
    f->devices = 0;
    assert_int_equal(miss(f, 0x402000, 10, INTENT_WRITE, false, &p), SOFT_BOUNCED);
    soft_commit(f->mmu);
    assert_int_equal(f->devices, 3); // 4, 4 and 2 bytes
    fixture_destroy(f);
}

static void code_frames(void **state) {
    (void)state;
    struct fixture *f = start();
    uint8_t *p;
    miss(f, 0x400000, 4, INTENT_WRITE, false, &p);
    mmu_protect_frame(f->mmu, 0x300);
    assert_null(fixture_lookup(f, true, 0x400000, 4, true));
    assert_non_null(fixture_lookup(f, true, 0x400000, 4, false));
    f->ram.host[0x300000] = 5;
    assert_int_equal(miss(f, 0x400000, 1, INTENT_RMW, true, &p), SOFT_BOUNCED);
    assert_int_equal(*p, 5);
    assert_null(fixture_lookup(f, true, 0x400000, 4, true));
    *p = 6;
    assert_int_equal(f->kills, 0);
    assert_true(soft_commit(f->mmu));
    assert_int_equal(f->kills, 1);
    assert_int_equal(f->ram.host[0x300000], 6);
    assert_int_equal(miss(f, 0x400000, 1, INTENT_RMW, false, &p), SOFT_IN_PLACE);
    // A locked operand that a device changes between load and commit keeps the device's bytes.
    mmu_protect_frame(f->mmu, 0x300);
    memcpy(f->ram.host + 0x300010, "\1\2\3\4", 4);
    assert_int_equal(miss(f, 0x400010, 4, INTENT_RMW, true, &p), SOFT_BOUNCED);
    memcpy(p, "\x11\x12\x13\x14", 4);
    f->race_armed = true;
    f->race_gpa = 0x300012;
    f->race_byte = 0x99;
    assert_true(soft_commit(f->mmu));
    assert_memory_equal(f->ram.host + 0x300010, "\x11\x12\x99\x14", 4);
    fixture_destroy(f);
}

static void c_accessors(void **state) {
    (void)state;
    struct fixture *f = start();
    struct mmu_fault fault;
    uint8_t data[32];
    memset(data, 0x5a, sizeof(data));
    assert_int_equal(mmu_write(f->mmu, 0x400ff8, true, data, 16, &fault), 0);
    assert_int_equal(f->ram.host[0x300fff], 0x5a);
    assert_int_equal(f->ram.host[0x500007], 0x5a);
    assert_int_equal(mmu_read(f->mmu, 0x400ff8, true, data, 16, &fault), 0);
    fixture_map(f, 0x401000, 0x500000 | PTE_P | PTE_US);
    f->ram.host[0x300fff] = 1;
    assert_int_equal(mmu_write(f->mmu, 0x400ff8, true, data, 16, &fault), -1);
    assert_int_equal(f->ram.host[0x300fff], 1); // nothing was written
    assert_int_equal(mmu_probe_write(f->mmu, 0x400ff8, true, 16, &fault), -1);
    assert_int_equal(fault.linear, 0x401000);
    bool faulted;
    assert_ptr_equal(mmu_host(f->mmu, 0x400123, MMU_WRITE, true, &faulted, &fault), f->ram.host + 0x300123);
    mmu_protect_frame(f->mmu, 0x300);
    assert_null(mmu_host(f->mmu, 0x400123, MMU_WRITE, true, &faulted, &fault));
    assert_false(faulted);
    assert_non_null(mmu_host(f->mmu, 0x400123, MMU_READ, true, &faulted, &fault));
    assert_null(mmu_host(f->mmu, 0x404000, MMU_READ, true, &faulted, &fault));
    assert_true(faulted);
    mmu_write_phys(f->mmu, 0x300ffc, "abcdefgh", 8);
    assert_int_equal(f->kills, 1);
    assert_memory_equal(f->ram.host + 0x300ffc, "abcdefgh", 8);
    fixture_destroy(f);
}

// After random table edits an entry of a TLB may be stale only where no INVLPG or MOV CR3 has come since the edit.
static void staleness(void **state) {
    (void)state;
    uint64_t seed = 77;
    struct fixture *f = start();
    enum { PAGES = 24 };
    bool edited[PAGES] = {false};
    bool was_global[PAGES] = {false}; // some entry since the last INVLPG was global: MOV CR3 need not drop it
    for (unsigned round = 0; round < 200000; round++) {
        unsigned i = fixture_random(&seed) % PAGES;
        uint32_t linear = 0x400000 + i * 4096;
        unsigned action = fixture_random(&seed) % 16;
        if (action == 0) {
            uint64_t entry = (uint64_t)(256 + fixture_random(&seed) % 2048) << 12 | (fixture_random(&seed) & 0x167);
            fixture_map(f, linear, entry);
            edited[i] = true;
        } else if (action == 1) {
            mmu_invlpg(f->mmu, linear);
            edited[i] = was_global[i] = false;
        } else if (action == 2 && fixture_random(&seed) % 8 == 0) {
            mmu_load_cr3(f->mmu, FIXTURE_CR3);
            for (unsigned k = 0; k < PAGES; k++) {
                edited[k] = edited[k] && was_global[k];
            }
        } else {
            bool user = fixture_random(&seed) % 2;
            bool write = fixture_random(&seed) % 2;
            uint8_t *hit = fixture_lookup(f, user, linear + 8, 4, write);
            struct reference r;
            reference_walk(f, linear + 8, write ? MMU_WRITE : MMU_READ, user, &r);
            if (!hit) {
                uint64_t addend = 0;
                struct mmu_fault fault;
                enum soft_result result =
                    soft_miss(f->mmu, linear + 8, 4, write ? INTENT_WRITE : INTENT_READ, user, false, &addend, &fault);
                assert_int_equal(result == SOFT_FAULT, r.faults);
                if (result == SOFT_IN_PLACE) {
                    assert_ptr_equal((void *)(uintptr_t)(addend + linear + 8), f->ram.host + r.gpa);
                    was_global[i] |= (fixture_get(f, r.pte_at) & PTE_G) != 0;
                }
            } else if (!edited[i]) {
                assert_false(r.faults);
                assert_ptr_equal(hit, f->ram.host + r.gpa);
                assert_int_equal(fixture_get(f, r.pte_at), r.pte_after); // A, and D before a write tag
            }
        }
    }
    assert_true(f->stats.softtlb_misses > 1000);
    fixture_destroy(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fill),        cmocka_unit_test(empty_entries), cmocka_unit_test(flushes),
        cmocka_unit_test(crossing),    cmocka_unit_test(sizes),         cmocka_unit_test(devices),
        cmocka_unit_test(code_frames), cmocka_unit_test(c_accessors),   cmocka_unit_test(staleness),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
