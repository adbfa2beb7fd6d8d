// CLI, STI, PUSHF, POPF, and the stack instructions done in C.
#include "fixture.h"

static void cli_sti_privilege(void **state) {
    struct fixture *f = *state;
    fixture_ring(f, 3);
    assert_fault(f, run(f, CALLOUT_CLI, 0, 0, 0), VECTOR_GP, 0);
    assert_fault(f, run(f, CALLOUT_STI, 0, 0, 0), VECTOR_GP, 0);
    cpu_set_eflags(f->v, EFLAGS_IOPL, EFLAGS_IOPL);
    assert_true(f->v->mode & MODE_IOPL_OK);
    assert_int_equal(run(f, CALLOUT_CLI, 0, 0, 0), CALLOUT_CONTINUE);
}

static void sti_opens_the_shadow_once(void **state) {
    struct fixture *f = *state;
    f->v->abi.pending = 1;
    assert_int_equal(run(f, CALLOUT_STI, 0, 0, 0), CALLOUT_LEAVE);
    assert_int_equal(f->v->abi.eip, CODE + INSN_LENGTH);
    assert_true(f->v->abi.shadow && (f->v->abi.sys_flags & EFLAGS_IF) && (f->v->mode & MODE_ONE));
    assert_int_equal(f->windows_opened, 1);
    f->v->abi.shadow = 0;
    assert_int_equal(run(f, CALLOUT_STI, 0, 0, 0), CALLOUT_CONTINUE);
    assert_false(f->v->abi.shadow);
}

static void popf_masks(void **state) {
    struct fixture *f = *state;
    const uint32_t all = 0xffffffff;
    const uint32_t live = EFLAGS_LIVE | EFLAGS_TF | EFLAGS_NT, wide = live | EFLAGS_AC | EFLAGS_ID;
    struct {
        unsigned ring, iopl, size;
        uint32_t expect;
    } cases[] = {
        {0, 0, 4, wide | EFLAGS_IF | EFLAGS_IOPL},
        {0, 0, 2, live | EFLAGS_IF | EFLAGS_IOPL},
        {3, 0, 4, wide},
        {3, 3, 4, wide | EFLAGS_IF | EFLAGS_IOPL},
        {3, 2, 2, live | 2u << 12},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fixture_ring(f, cases[i].ring);
        cpu_set_eflags(f->v, cases[i].iopl << 12, all);
        assert_int_equal(run(f, CALLOUT_POPF, 0, all, cases[i].size), CALLOUT_CONTINUE);
        assert_int_equal(cpu_eflags(f->v), cases[i].expect | 2);
        assert_true(f->v->mode & MODE_ONE); // TF
    }
}

static void popf_notices_a_waiting_interrupt(void **state) {
    struct fixture *f = *state;
    f->v->abi.pending = 1;
    run(f, CALLOUT_POPF, 0, EFLAGS_IF, 4);
    assert_int_equal(f->windows_opened, 1);
}

static void pusha_popa(void **state) {
    struct fixture *f = *state;
    for (unsigned i = 0; i < 8; i++)
        if (i != CPU_ESP)
            f->v->abi.gpr[i] = 0x11111111 * (i + 1);
    assert_int_equal(run(f, CALLOUT_PUSHA, 0, 0, 4), CALLOUT_CONTINUE);
    assert_int_equal(f->v->abi.gpr[CPU_ESP], STACK0 - 32);
    assert_int_equal(get32(f, STACK0 - 4), 0x11111111);
    assert_int_equal(get32(f, STACK0 - 20), STACK0);
    assert_int_equal(get32(f, STACK0 - 32), 0x88888888);
    for (unsigned i = 0; i < 8; i++)
        if (i != CPU_ESP)
            f->v->abi.gpr[i] = 0;
    assert_int_equal(run(f, CALLOUT_POPA, 0, 0, 4), CALLOUT_CONTINUE);
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(f->v->abi.gpr[i], i == CPU_ESP ? STACK0 : 0x11111111 * (i + 1));
}

// Faults at every page boundary leave registers alone (PITFALLS 8).
static void pusha_popa_fault(void **state) {
    struct fixture *f = *state;
    fixture_paging(f);
    for (uint32_t part = 4; part < 32; part += 4) {
        f->v->abi.gpr[CPU_ESP] = UNMAPPED + 4096 + part;
        uint32_t esp = f->v->abi.gpr[CPU_ESP];
        assert_fault(f, run(f, CALLOUT_PUSHA, 0, 0, 4), VECTOR_PF, 2);
        assert_int_equal(f->v->fault.cr2, UNMAPPED + 4092);
        assert_int_equal(f->v->abi.gpr[CPU_ESP], esp);
        f->v->abi.gpr[CPU_ESP] = esp = UNMAPPED - part;
        f->v->abi.gpr[CPU_EDI] = 0x77;
        put32(f, esp, 0x99);
        assert_fault(f, run(f, CALLOUT_POPA, 0, 0, 4), VECTOR_PF, 0);
        assert_int_equal(f->v->abi.gpr[CPU_EDI], 0x77);
        assert_int_equal(f->v->abi.gpr[CPU_ESP], esp);
    }
}

static void enter_levels(void **state) {
    struct fixture *f = *state;
    f->v->abi.gpr[CPU_EBP] = 0x9100;
    put32(f, 0x90fc, 0xaaaa);
    put32(f, 0x90f8, 0xbbbb);
    assert_int_equal(run(f, CALLOUT_ENTER, 0, 0x20 | 3 << 16, 4), CALLOUT_CONTINUE);
    assert_int_equal(f->v->abi.gpr[CPU_EBP], STACK0 - 4);
    assert_int_equal(f->v->abi.gpr[CPU_ESP], STACK0 - 16 - 0x20);
    assert_int_equal(get32(f, STACK0 - 4), 0x9100);
    assert_int_equal(get32(f, STACK0 - 8), 0xaaaa);
    assert_int_equal(get32(f, STACK0 - 12), 0xbbbb);
    assert_int_equal(get32(f, STACK0 - 16), STACK0 - 4);
}

static void stack16_wraps(void **state) {
    struct fixture *f = *state;
    const struct cpu_segment stack = {.selector = SEL_DATA0, .attr = 0x93, .base = 0x40000, .limit = 0xffff};
    cpu_commit_segment(f->v, CPU_SEG_SS, &stack);
    f->v->abi.gpr[CPU_ESP] = 0x12340004;
    f->v->abi.gpr[CPU_EAX] = 0xa1a2a3a4;
    f->v->abi.gpr[CPU_ECX] = 0xc1c2c3c4;
    assert_int_equal(run(f, CALLOUT_PUSHA, 0, 0, 4), CALLOUT_CONTINUE);
    assert_int_equal(f->v->abi.gpr[CPU_ESP], 0x1234ffe4);
    assert_int_equal(get32(f, 0x40000), 0xa1a2a3a4);
    assert_int_equal(get32(f, 0x4fffc), 0xc1c2c3c4);
    assert_int_equal(run(f, CALLOUT_POPA, 0, 0, 4), CALLOUT_CONTINUE);
    assert_int_equal(f->v->abi.gpr[CPU_ESP], 0x12340004);
    assert_int_equal(f->v->abi.gpr[CPU_ECX], 0xc1c2c3c4);
}

static void bound(void **state) {
    struct fixture *f = *state;
    put32(f, DATA, (uint32_t)-5);
    put32(f, DATA + 4, 5);
    uint32_t rm = RM_WORD(0, CPU_SEG_DS, CPU_EAX);
    f->v->abi.gpr[CPU_EAX] = (uint32_t)-5;
    assert_int_equal(run(f, CALLOUT_BOUND, DATA, rm, 4), CALLOUT_CONTINUE);
    f->v->abi.gpr[CPU_EAX] = 6;
    assert_fault(f, run(f, CALLOUT_BOUND, DATA, rm, 4), VECTOR_BR, 0);
    assert_int_equal(run(f, CALLOUT_BOUND, DATA, rm, 2), CALLOUT_FAULT);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(cli_sti_privilege),
        TEST(sti_opens_the_shadow_once),
        TEST(popf_masks),
        TEST(popf_notices_a_waiting_interrupt),
        TEST(pusha_popa),
        TEST(pusha_popa_fault),
        TEST(enter_levels),
        TEST(stack16_wraps),
        TEST(bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
