// Segment registers: loads with their checks, limits and types of accesses, block mode, descriptor questions.
#include "fixture.h"

static void load_errors(void **state) {
    struct fixture *f = *state;
    fixture_descriptor(f, SEL_FREE, make_descriptor(0, 0xfffff, 0x13, FLAGS_32));      // data 0, absent
    fixture_descriptor(f, SEL_FREE + 8, make_descriptor(0, 0xfffff, 0x91, FLAGS_32));  // read-only
    fixture_descriptor(f, SEL_FREE + 16, make_descriptor(0, 0xfffff, 0x99, FLAGS_32)); // execute-only
    struct {
        unsigned ring, seg;
        uint16_t selector;
        int vector; // -1: loads
        uint32_t error;
    } cases[] = {
        {0, CPU_SEG_DS, 0, -1, 0},
        {0, CPU_SEG_SS, 0, VECTOR_GP, 0},
        {0, CPU_SEG_DS, 0x1000, VECTOR_GP, 0x1000},
        {0, CPU_SEG_DS, SEL_FREE, VECTOR_NP, SEL_FREE},
        {0, CPU_SEG_SS, SEL_FREE, VECTOR_SS, SEL_FREE},
        {0, CPU_SEG_DS, SEL_FREE + 8, -1, 0},
        {0, CPU_SEG_SS, SEL_FREE + 8, VECTOR_GP, SEL_FREE + 8},
        {0, CPU_SEG_DS, SEL_FREE + 16, VECTOR_GP, SEL_FREE + 16},
        {0, CPU_SEG_DS, SEL_CODE0, -1, 0},
        {0, CPU_SEG_DS, SEL_TSS, VECTOR_GP, SEL_TSS},
        {3, CPU_SEG_DS, SEL_DATA0, VECTOR_GP, SEL_DATA0},
        {3, CPU_SEG_ES, SEL_CONFORMING, -1, 0},
        {0, CPU_SEG_DS, SEL_DATA0 | 3, VECTOR_GP, SEL_DATA0},
        {0, CPU_SEG_SS, SEL_DATA3, VECTOR_GP, SEL_DATA3 & ~3u},
        {3, CPU_SEG_SS, SEL_DATA3, -1, 0},
        {3, CPU_SEG_GS, 0x14 | 3, VECTOR_GP, 0x14},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fixture_ring(f, cases[i].ring);
        const uint16_t before = f->v->seg[cases[i].seg].selector;
        enum callout_result result = run(f, CALLOUT_LOAD_SEG, 0, cases[i].selector, cases[i].seg);
        if (cases[i].vector >= 0) {
            assert_fault(f, result, (unsigned)cases[i].vector, cases[i].error);
            assert_int_equal(f->v->seg[cases[i].seg].selector, before);
        } else {
            assert_int_equal(f->v->seg[cases[i].seg].selector, cases[i].selector);
            assert_int_equal(f->v->abi.seg_selector[cases[i].seg], cases[i].selector);
        }
    }
}

static void kinds(void **state) {
    struct fixture *f = *state;
    struct {
        uint64_t descriptor;
        enum mode_seg ds, fs, ss;
    } cases[] = {
        {make_descriptor(0, 0xfffff, 0x93, FLAGS_32), MODE_SEG_FLAT, MODE_SEG_BASED, MODE_SEG_FLAT},
        {make_descriptor(0x1000, 0xfffff, 0x93, FLAGS_32), MODE_SEG_BASED, MODE_SEG_BASED, MODE_SEG_CHECKED},
        {make_descriptor(0, 0xffffe, 0x93, FLAGS_32), MODE_SEG_CHECKED, MODE_SEG_CHECKED, MODE_SEG_CHECKED},
        {make_descriptor(0, 0xfffff, 0x97, FLAGS_32), MODE_SEG_CHECKED, MODE_SEG_CHECKED, MODE_SEG_CHECKED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fixture_descriptor(f, SEL_FREE, cases[i].descriptor);
        run(f, CALLOUT_LOAD_SEG, 0, SEL_FREE, CPU_SEG_DS);
        run(f, CALLOUT_LOAD_SEG, 0, SEL_FREE, CPU_SEG_FS);
        run(f, CALLOUT_LOAD_SEG, 0, SEL_FREE, CPU_SEG_SS);
        assert_int_equal(mode_seg_kind(f->v->mode, CPU_SEG_DS), cases[i].ds);
        assert_int_equal(mode_seg_kind(f->v->mode, CPU_SEG_FS), cases[i].fs);
        assert_int_equal(mode_seg_kind(f->v->mode, CPU_SEG_SS), cases[i].ss);
    }
    fixture_descriptor(f, SEL_FREE, make_descriptor(0, 0xfffff, 0x91, FLAGS_32)); // read-only
    run(f, CALLOUT_LOAD_SEG, 0, SEL_FREE, CPU_SEG_DS);
    assert_int_equal(mode_seg_kind(f->v->mode, CPU_SEG_DS), MODE_SEG_CHECKED);
    run(f, CALLOUT_LOAD_SEG, 0, SEL_CODE0, CPU_SEG_DS);
    assert_int_equal(mode_seg_kind(f->v->mode, CPU_SEG_DS), MODE_SEG_CHECKED);
}

// Null and based FS share a mode: the load continues in the block, and the pointer tells them apart.
static void null_fs_has_the_same_mode(void **state) {
    struct fixture *f = *state;
    run(f, CALLOUT_LOAD_SEG, 0, SEL_DATA0, CPU_SEG_FS);
    uint32_t mode = f->v->mode;
    unsigned changes = f->mode_changes;
    assert_int_equal(run(f, CALLOUT_LOAD_SEG, 0, 0, CPU_SEG_FS), CALLOUT_CONTINUE);
    assert_int_equal(f->v->abi.seg_base_p[CPU_SEG_FS], engine_guard_page(f->v));
    fixture_descriptor(f, SEL_FREE, make_descriptor(0x1234, 0xfffff, 0x93, FLAGS_32));
    assert_int_equal(run(f, CALLOUT_LOAD_SEG, 0, SEL_FREE, CPU_SEG_FS), CALLOUT_CONTINUE);
    assert_int_equal(*(uint32_t *)(uintptr_t)f->v->abi.seg_base_p[CPU_SEG_FS], 0x1234);
    assert_int_equal(f->v->mode, mode);
    assert_int_equal(f->mode_changes, changes);
}

static void memo_notices_changes(void **state) {
    struct fixture *f = *state;
    fixture_descriptor(f, SEL_FREE, make_descriptor(0x1000, 0xfffff, 0xf2, FLAGS_32));
    assert_int_equal(cpu_load_segment(f->v, CPU_SEG_GS, SEL_FREE | 3), 0);
    assert_int_equal(fixture_get_descriptor(f, SEL_FREE) >> 40 & 0xff, 0xf3);
    assert_int_equal(cpu_load_segment(f->v, CPU_SEG_GS, SEL_FREE | 3), 0);
    assert_int_equal(f->v->seg[CPU_SEG_GS].base, 0x1000);
    fixture_descriptor(f, SEL_FREE, make_descriptor(0x2000, 0xfffff, 0xf3, FLAGS_32));
    assert_int_equal(cpu_load_segment(f->v, CPU_SEG_GS, SEL_FREE | 3), 0);
    assert_int_equal(f->v->seg[CPU_SEG_GS].base, 0x2000);
    assert_int_equal(cpu_load_segment(f->v, CPU_SEG_GS, 0), 0);
    assert_int_equal(f->v->seg[CPU_SEG_GS].attr, 0);
    assert_int_equal(cpu_load_segment(f->v, CPU_SEG_GS, SEL_FREE | 3), 0);
    assert_int_equal(f->v->seg[CPU_SEG_GS].base, 0x2000);
    fixture_descriptor(f, SEL_FREE, make_descriptor(0x2000, 0xfffff, 0x73, FLAGS_32));
    assert_int_equal(cpu_load_segment(f->v, CPU_SEG_GS, SEL_FREE | 3), -1);
    assert_int_equal(f->v->fault.vector, VECTOR_NP);
}

static void ldt_selectors(void **state) {
    struct fixture *f = *state;
    fixture_descriptor(f, 0x0c, make_descriptor(0x7000, 0xfffff, 0x93, FLAGS_32));
    assert_int_equal(cpu_load_segment(f->v, CPU_SEG_ES, 0x0c), 0);
    assert_int_equal(f->v->seg[CPU_SEG_ES].base, 0x7000);
    assert_int_equal(run(f, CALLOUT_LLDT, 0, RM_WORD(1, CPU_EAX, 0), 2), CALLOUT_CONTINUE); // null
    assert_int_equal(cpu_load_segment(f->v, CPU_SEG_ES, 0x0c), -1);
    assert_int_equal(f->v->fault.error, 0x0c);
}

static void load_ss_opens_the_shadow(void **state) {
    struct fixture *f = *state;
    assert_int_equal(run(f, CALLOUT_LOAD_SEG, 0, SEL_DATA0, CPU_SEG_SS), CALLOUT_LEAVE);
    assert_int_equal(f->v->abi.eip, CODE + INSN_LENGTH);
    assert_true(f->v->abi.shadow);
    assert_true(f->v->mode & MODE_ONE);
}

static void pop_seg(void **state) {
    struct fixture *f = *state;
    f->v->abi.gpr[CPU_ESP] -= 4;
    put32(f, STACK0 - 4, 0xffff0000u | SEL_DATA0);
    assert_int_equal(run(f, CALLOUT_POP_SEG, 0, 0, CPU_SEG_DS | 4 << 4), CALLOUT_CONTINUE);
    assert_int_equal(f->v->abi.gpr[CPU_ESP], STACK0);
    f->v->abi.gpr[CPU_ESP] -= 4;
    put32(f, STACK0 - 4, 0x2000);
    assert_fault(f, run(f, CALLOUT_POP_SEG, 0, 0, CPU_SEG_DS | 4 << 4), VECTOR_GP, 0x2000);
    assert_int_equal(f->v->abi.gpr[CPU_ESP], STACK0 - 4);
}

static void load_far(void **state) {
    struct fixture *f = *state;
    put32(f, DATA, 0xcafe1234);
    put32(f, DATA + 4, SEL_DATA0);
    uint32_t rm = RM_WORD(0, CPU_SEG_DS, CPU_EBX | CPU_SEG_GS << 3);
    assert_int_equal(run(f, CALLOUT_LOAD_FAR, DATA, rm, 4), CALLOUT_CONTINUE);
    assert_int_equal(f->v->abi.gpr[CPU_EBX], 0xcafe1234);
    put32(f, DATA + 4, SEL_CODE3 & ~3u);
    put32(f, DATA, 0);
    fixture_descriptor(f, SEL_CODE3 & ~3u, make_descriptor(0, 0xfffff, 0x79, FLAGS_32));
    assert_fault(f, run(f, CALLOUT_LOAD_FAR, DATA, rm, 4), VECTOR_GP, SEL_CODE3 & ~3u);
    assert_int_equal(f->v->abi.gpr[CPU_EBX], 0xcafe1234);
}

static void limits(void **state) {
    struct fixture *f = *state;
    struct {
        uint64_t descriptor;
        uint32_t offset;
        unsigned size;
        bool ok;
    } cases[] = {
        {make_descriptor(0, 0xfff, 0x93, FLAGS_32_BYTES), 0xffc, 4, true},
        {make_descriptor(0, 0xfff, 0x93, FLAGS_32_BYTES), 0xffd, 4, false},
        {make_descriptor(0, 0xfff, 0x93, FLAGS_32_BYTES), 0xfffffffe, 4, false},
        {make_descriptor(0, 0, 0x93, FLAGS_32), 0xffc, 4, true}, // one page
        {make_descriptor(0, 0, 0x93, FLAGS_32), 0x1000, 1, false},
        {make_descriptor(0, 0xfffff, 0x93, FLAGS_32), 0xfffffffe, 4, true},
        {make_descriptor(0, 0xfff, 0x97, FLAGS_32_BYTES), 0xfff, 1, false}, // expand-down
        {make_descriptor(0, 0xfff, 0x97, FLAGS_32_BYTES), 0x1000, 4, true},
        {make_descriptor(0, 0xfff, 0x97, FLAGS_32_BYTES), 0xfffffffe, 4, false},
        {make_descriptor(0, 0xfff, 0x97, FLAGS_16), 0xffff, 1, true},
        {make_descriptor(0, 0xfff, 0x97, FLAGS_16), 0xffff, 2, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t linear;
        fixture_descriptor(f, SEL_FREE, cases[i].descriptor);
        assert_int_equal(cpu_load_segment(f->v, CPU_SEG_ES, SEL_FREE), 0);
        int result = cpu_segment_linear(f->v, CPU_SEG_ES, cases[i].offset, cases[i].size, MMU_READ, &linear);
        assert_int_equal(result, cases[i].ok ? 0 : -1);
        if (!cases[i].ok)
            assert_int_equal(f->v->fault.vector, VECTOR_GP);
    }
}

static void types(void **state) {
    struct fixture *f = *state;
    uint32_t value = 0;
    cpu_load_segment(f->v, CPU_SEG_ES, 0);
    assert_int_equal(cpu_read(f->v, CPU_SEG_ES, DATA, &value, 4), -1);
    assert_int_equal(f->v->fault.vector, VECTOR_GP);
    cpu_load_segment(f->v, CPU_SEG_ES, SEL_CODE0);
    assert_int_equal(cpu_read(f->v, CPU_SEG_ES, DATA, &value, 4), 0);
    assert_int_equal(cpu_write(f->v, CPU_SEG_ES, DATA, &value, 4), -1);
    assert_int_equal(cpu_write(f->v, CPU_SEG_CS, DATA, &value, 4), -1);
    assert_int_equal(cpu_write(f->v, CPU_SEG_DS, DATA, &value, 4), 0);
}

static void alignment_checks(void **state) {
    struct fixture *f = *state;
    uint32_t value = 0;
    fixture_ring(f, 3);
    f->v->abi.cr0 |= CR0_AM;
    cpu_set_eflags(f->v, EFLAGS_AC, EFLAGS_AC);
    assert_true(f->v->mode & MODE_ALIGN);
    assert_int_equal(cpu_read(f->v, CPU_SEG_DS, DATA + 2, &value, 4), -1);
    assert_int_equal(f->v->fault.vector, VECTOR_AC);
    assert_int_equal(cpu_read(f->v, CPU_SEG_DS, DATA + 4, &value, 4), 0);
    f->v->abi.gpr[CPU_ESP] = STACK3 - 2;
    assert_fault(f, run(f, CALLOUT_PUSHA, 0, 0, 4), VECTOR_AC, 0);
    assert_fault(f, run(f, CALLOUT_POPA, 0, 0, 4), VECTOR_AC, 0);
    assert_int_equal(run(f, CALLOUT_PUSHA, 0, 0, 2), CALLOUT_CONTINUE);
}

static void questions(void **state) {
    struct fixture *f = *state;
    uint32_t rm = RM_WORD(1, CPU_EAX, CPU_EDX);
    struct {
        unsigned ring;
        uint32_t selector;
        bool lar, lsl, verr, verw;
    } cases[] = {
        {0, 0, false, false, false, false},
        {0, SEL_CODE0, true, true, true, false},
        {0, SEL_DATA0, true, true, true, true},
        {3, SEL_DATA0, false, false, false, false},
        {3, SEL_DATA3, true, true, true, true},
        {3, SEL_CONFORMING, true, true, true, false},
        {0, SEL_TSS, true, true, false, false},
        {0, SEL_DATA0 | 3, false, false, false, false},
        {0, 0x4000, false, false, false, false},
        {0, SEL_FREE, true, false, false, false},      // a call gate
        {0, SEL_FREE + 8, false, false, false, false}, // an interrupt gate
    };
    fixture_descriptor(f, SEL_FREE, make_gate(SEL_CODE0, 0, 0x8c, 0));
    fixture_descriptor(f, SEL_FREE + 8, make_gate(SEL_CODE0, 0, 0x8e, 0));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct {
            enum callout_id id;
            bool yes;
        } asked[] = {{CALLOUT_LAR, cases[i].lar},
                     {CALLOUT_LSL, cases[i].lsl},
                     {CALLOUT_VERR, cases[i].verr},
                     {CALLOUT_VERW, cases[i].verw}};
        for (unsigned q = 0; q < 4; q++) {
            fixture_ring(f, cases[i].ring);
            f->v->abi.gpr[CPU_EAX] = cases[i].selector;
            assert_int_equal(run(f, asked[q].id, 0, rm, 4), CALLOUT_CONTINUE);
            assert_int_equal(!!(f->v->abi.flags & EFLAGS_ZF), asked[q].yes);
        }
    }
    fixture_ring(f, 0);
    f->v->abi.gpr[CPU_EAX] = SEL_DATA0;
    run(f, CALLOUT_LAR, 0, rm, 4);
    assert_int_equal(f->v->abi.gpr[CPU_EDX] & 0xf0ff00, 0xc09300);
    run(f, CALLOUT_LSL, 0, rm, 4);
    assert_int_equal(f->v->abi.gpr[CPU_EDX], 0xffffffff);
}

static void arpl(void **state) {
    struct fixture *f = *state;
    put32(f, DATA, 0x55550010);
    f->v->abi.gpr[CPU_EAX] = 0x1b;
    assert_int_equal(run(f, CALLOUT_ARPL, DATA, RM_WORD(0, CPU_SEG_DS, CPU_EAX), 2), CALLOUT_CONTINUE);
    assert_int_equal(get32(f, DATA), 0x55550013);
    assert_true(f->v->abi.flags & EFLAGS_ZF);
    assert_int_equal(run(f, CALLOUT_ARPL, DATA, RM_WORD(0, CPU_SEG_DS, CPU_EAX), 2), CALLOUT_CONTINUE);
    assert_false(f->v->abi.flags & EFLAGS_ZF);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(load_errors),
        TEST(kinds),
        TEST(null_fs_has_the_same_mode),
        TEST(memo_notices_changes),
        TEST(ldt_selectors),
        TEST(load_ss_opens_the_shadow),
        TEST(pop_seg),
        TEST(load_far),
        TEST(limits),
        TEST(types),
        TEST(alignment_checks),
        TEST(questions),
        TEST(arpl),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
