// IRET, far transfers, call gates, SYSENTER and SYSEXIT, near transfers of checked code.
#include "fixture.h"

#include <string.h>

static void push_words(struct fixture *f, unsigned count, const uint32_t *words) {
    f->v->abi.gpr[CPU_ESP] -= 4 * count;
    put(f, f->v->abi.gpr[CPU_ESP], words, 4 * count);
}
#define PUSH(f, ...) push_words(f, sizeof((uint32_t[]){__VA_ARGS__}) / 4, (uint32_t[]){__VA_ARGS__})

// ---- IRET ----------------------------------------------------------------------------------------------------------

static void iret_same_ring(void **state) {
    struct fixture *f = *state;
    PUSH(f, 0x12345, SEL_CODE0, EFLAGS_IF | EFLAGS_CF | EFLAGS_ID | (1 << 12) | 2);
    f->v->abi.pending = 1;
    assert_int_equal(run(f, CALLOUT_IRET, 0, 0, 4), CALLOUT_JUMP);
    assert_int_equal(f->v->abi.eip, 0x12345);
    assert_int_equal(f->v->abi.gpr[CPU_ESP], STACK0);
    assert_int_equal(cpu_eflags(f->v), EFLAGS_IF | EFLAGS_CF | EFLAGS_ID | (1 << 12) | 2);
    assert_int_equal(f->windows_opened, 1);
}

static void iret_to_user(void **state) {
    struct fixture *f = *state;
    PUSH(f, 0x12345, SEL_CODE3, EFLAGS_IF | EFLAGS_TF | 2, 0x5000, SEL_DATA3);
    assert_int_equal(run(f, CALLOUT_IRET, 0, 0, 4), CALLOUT_JUMP);
    assert_int_equal(f->v->cpl, 3);
    assert_int_equal(f->v->abi.gpr[CPU_ESP], 0x5000);
    assert_int_equal(f->v->seg[CPU_SEG_SS].selector, SEL_DATA3);
    // Ring-0 data segments cannot stay.
    assert_int_equal(f->v->seg[CPU_SEG_DS].selector, 0);
    assert_int_equal(f->v->seg[CPU_SEG_DS].attr, 0);
    assert_int_equal(mode_seg_kind(f->v->mode, CPU_SEG_DS), MODE_SEG_CHECKED);
    assert_int_equal(mode_seg_kind(f->v->mode, CPU_SEG_FS), MODE_SEG_BASED);
    assert_true(f->v->mode & MODE_ONE);
    assert_int_equal(mode_cpl(f->v->mode), 3);
}

static void iret_keeps_user_data_segments(void **state) {
    struct fixture *f = *state;
    assert_int_equal(cpu_load_segment(f->v, CPU_SEG_DS, SEL_DATA3), 0);
    PUSH(f, 0x12345, SEL_CODE3, 2, 0x5000, SEL_DATA3);
    assert_int_equal(run(f, CALLOUT_IRET, 0, 0, 4), CALLOUT_JUMP);
    assert_int_equal(f->v->seg[CPU_SEG_DS].selector, SEL_DATA3);
    assert_int_equal(f->v->seg[CPU_SEG_ES].selector, 0);
}

static void iret_in_ring3_cannot_raise_iopl_or_if(void **state) {
    struct fixture *f = *state;
    fixture_ring(f, 3);
    PUSH(f, 0x12345, SEL_CODE3, EFLAGS_IF | EFLAGS_IOPL | EFLAGS_NT | EFLAGS_AC | EFLAGS_VIF | 2);
    assert_int_equal(run(f, CALLOUT_IRET, 0, 0, 4), CALLOUT_JUMP);
    assert_int_equal(cpu_eflags(f->v), EFLAGS_NT | EFLAGS_AC | 2);
}

static void iret16(void **state) {
    struct fixture *f = *state;
    f->v->abi.sys_flags |= EFLAGS_ID;
    const uint16_t frame[3] = {0x4321, SEL_CODE0, EFLAGS_ZF | 2};
    f->v->abi.gpr[CPU_ESP] -= 6;
    put(f, f->v->abi.gpr[CPU_ESP], frame, 6);
    assert_int_equal(run(f, CALLOUT_IRET, 0, 0, 2), CALLOUT_JUMP);
    assert_int_equal(f->v->abi.eip, 0x4321);
    assert_int_equal(cpu_eflags(f->v), EFLAGS_ID | EFLAGS_ZF | 2);
    assert_int_equal(f->v->abi.gpr[CPU_ESP], STACK0);
}

static void iret_errors(void **state) {
    struct fixture *f = *state;
    fixture_descriptor(f, SEL_FREE, make_descriptor(0, 0xfffff, 0x7b, FLAGS_32));     // code 3, not present
    fixture_descriptor(f, SEL_FREE + 8, make_descriptor(0, 0xfffff, 0x73, FLAGS_32)); // data 3, not present
    fixture_descriptor(f, SEL_FREE + 16, make_descriptor(0, 0xfff, ACC_CODE0, FLAGS_32_BYTES));
    fixture_descriptor(f, SEL_FREE + 24, make_descriptor(0, 0xfffff, 0xff, FLAGS_32)); // conforming 3
    struct {
        uint32_t cs, ss;
        unsigned vector;
        uint32_t error;
    } cases[] = {
        {0, 0, VECTOR_GP, 0},
        {3, 0, VECTOR_GP, 0},
        {0x1008, 0, VECTOR_GP, 0x1008},
        {SEL_DATA0, 0, VECTOR_GP, SEL_DATA0},
        {SEL_CODE3 & ~3u, 0, VECTOR_GP, SEL_CODE3 & ~3u},
        {SEL_CODE0 | 3, SEL_DATA3, VECTOR_GP, SEL_CODE0},
        {SEL_FREE | 3, SEL_DATA3, VECTOR_NP, SEL_FREE},
        {SEL_CODE3, 0, VECTOR_GP, 0},
        {SEL_CODE3, SEL_DATA0, VECTOR_GP, SEL_DATA0},
        {SEL_CODE3, SEL_DATA3 & ~3u, VECTOR_GP, SEL_DATA3 & ~3u},
        {SEL_CODE3, SEL_CODE3, VECTOR_GP, SEL_CODE3 & ~3u},
        {SEL_CODE3, (SEL_FREE + 8) | 3, VECTOR_SS, SEL_FREE + 8},
        {SEL_FREE + 16, 0, VECTOR_GP, 0},
        {SEL_FREE + 24, 0, VECTOR_GP, SEL_FREE + 24},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fixture_ring(f, 0);
        PUSH(f, 0x12345, cases[i].cs, 2, 0x5000, cases[i].ss);
        assert_fault(f, run(f, CALLOUT_IRET, 0, 0, 4), cases[i].vector, cases[i].error);
        assert_int_equal(f->v->abi.gpr[CPU_ESP], STACK0 - 20);
        assert_int_equal(f->v->cpl, 0);
    }
}

static void iret_cannot_go_inward(void **state) {
    struct fixture *f = *state;
    fixture_ring(f, 3);
    PUSH(f, 0x12345, SEL_CODE0, 2);
    assert_fault(f, run(f, CALLOUT_IRET, 0, 0, 4), VECTOR_GP, SEL_CODE0);
}

// Each access of the frame faults in turn, and nothing changes.
static void iret_page_faults(void **state) {
    struct fixture *f = *state;
    fixture_paging(f);
    for (uint32_t bytes = 4; bytes < 20; bytes += 4) {
        fixture_ring(f, 0);
        f->v->abi.gpr[CPU_ESP] = UNMAPPED - bytes;
        const uint32_t frame[5] = {0x12345, SEL_CODE3, 2, 0x5000, SEL_DATA3};
        put(f, UNMAPPED - bytes, frame, bytes);
        assert_fault(f, run(f, CALLOUT_IRET, 0, 0, 4), VECTOR_PF, 0);
        assert_int_equal(f->v->fault.cr2, UNMAPPED);
        assert_int_equal(f->v->abi.gpr[CPU_ESP], UNMAPPED - bytes);
        assert_int_equal(f->v->cpl, 0);
    }
}

// Nine doublewords, and into virtual-8086 mode; a short stack is #SS with nothing changed.
static void iret_to_v86(void **state) {
    struct fixture *f = *state;
    PUSH(f, 0x12345, 0x1000, EFLAGS_VM | EFLAGS_IOPL | 2, 0x11112222, 0x2000, 0x3000, 0x4000, 0x5000, 0x6000);
    assert_int_equal(run(f, CALLOUT_IRET, 0, 0, 4), CALLOUT_JUMP);
    assert_int_equal(f->v->cpl, 3);
    assert_true(f->v->mode & MODE_V86);
    assert_int_equal(f->v->abi.eip, 0x2345);
    assert_int_equal(f->v->abi.gpr[CPU_ESP], 0x11112222);
    static const uint16_t selectors[CPU_SEG_COUNT] = {0x3000, 0x1000, 0x2000, 0x4000, 0x5000, 0x6000};
    for (unsigned seg = 0; seg < CPU_SEG_COUNT; seg++) {
        assert_int_equal(f->v->seg[seg].selector, selectors[seg]);
        assert_int_equal(f->v->seg[seg].base, selectors[seg] << 4);
        assert_int_equal(f->v->seg[seg].limit, 0xffff);
    }
}

static void iret_with_a_null_link(void **state) {
    struct fixture *f = *state;
    PUSH(f, 0x12345, SEL_CODE0, 2);
    f->v->abi.sys_flags |= EFLAGS_NT;
    assert_fault(f, run(f, CALLOUT_IRET, 0, 0, 4), VECTOR_TS, 0);
}

// ---- Far transfers -------------------------------------------------------------------------------------------------

static void far_jmp_and_call(void **state) {
    struct fixture *f = *state;
    fixture_descriptor(f, SEL_FREE, make_descriptor(0, 0xfffff, 0x9a, FLAGS_32));
    assert_int_equal(run(f, CALLOUT_FAR_JMP, 0x777, SEL_FREE, 4), CALLOUT_JUMP);
    assert_int_equal(f->v->abi.eip, 0x777);
    assert_int_equal(f->v->seg[CPU_SEG_CS].selector, SEL_FREE);
    assert_int_equal(fixture_get_descriptor(f, SEL_FREE) >> 40 & 0xff, 0x9b);
    assert_int_equal(run(f, CALLOUT_FAR_CALL, 0x888, SEL_CODE0, 4), CALLOUT_JUMP);
    assert_int_equal(f->v->abi.eip, 0x888);
    assert_int_equal(get32(f, STACK0 - 4), SEL_FREE);
    assert_int_equal(get32(f, STACK0 - 8), 0x777 + INSN_LENGTH);
    assert_int_equal(f->v->abi.gpr[CPU_ESP], STACK0 - 8);
    assert_int_equal(run(f, CALLOUT_FAR_RET, 0, 0, 4), CALLOUT_JUMP);
    assert_int_equal(f->v->abi.eip, 0x777 + INSN_LENGTH);
    assert_int_equal(f->v->abi.gpr[CPU_ESP], STACK0);
}

static void far_jmp_conforming_keeps_cpl(void **state) {
    struct fixture *f = *state;
    fixture_ring(f, 3);
    assert_int_equal(run(f, CALLOUT_FAR_JMP, 0x777, SEL_CONFORMING, 4), CALLOUT_JUMP);
    assert_int_equal(f->v->cpl, 3);
    assert_int_equal(f->v->seg[CPU_SEG_CS].selector, SEL_CONFORMING | 3);
}

static void far_errors(void **state) {
    struct fixture *f = *state;
    fixture_descriptor(f, SEL_FREE, make_descriptor(0, 0xfffff, 0x1b, FLAGS_32));
    fixture_descriptor(f, SEL_FREE + 8, make_descriptor(0, 0xfff, ACC_CODE0, FLAGS_32_BYTES));
    struct {
        unsigned ring;
        uint32_t selector;
        unsigned vector;
        uint32_t error;
    } cases[] = {
        {0, 0, VECTOR_GP, 0},
        {0, 0x2000, VECTOR_GP, 0x2000},
        {0, SEL_DATA0, VECTOR_GP, SEL_DATA0},
        {0, SEL_CODE3, VECTOR_GP, SEL_CODE3 & ~3u},
        {3, SEL_CODE0, VECTOR_GP, SEL_CODE0},
        {0, SEL_CODE0 | 3, VECTOR_GP, SEL_CODE0},
        {0, SEL_FREE, VECTOR_NP, SEL_FREE},
        {0, SEL_FREE + 8, VECTOR_GP, 0},
        {0, SEL_LDT, VECTOR_GP, SEL_LDT},
        {3, SEL_TSS, VECTOR_GP, SEL_TSS},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (unsigned call = 0; call < 2; call++) {
            fixture_ring(f, cases[i].ring);
            uint32_t esp = f->v->abi.gpr[CPU_ESP];
            assert_fault(f, run(f, call ? CALLOUT_FAR_CALL : CALLOUT_FAR_JMP, 0x5000, cases[i].selector, 4),
                         cases[i].vector, cases[i].error);
            assert_int_equal(f->v->abi.gpr[CPU_ESP], esp);
        }
    }
}

static void far_mem(void **state) {
    struct fixture *f = *state;
    put32(f, DATA, 0x4444);
    put32(f, DATA + 4, SEL_CODE0);
    assert_int_equal(run(f, CALLOUT_FAR_MEM, DATA, RM_WORD(0, CPU_SEG_DS, 1), 4), CALLOUT_JUMP);
    assert_int_equal(f->v->abi.eip, 0x4444);
    assert_int_equal(f->v->abi.gpr[CPU_ESP], STACK0 - 8);
}

static void far_ret_to_user_releases_on_both_stacks(void **state) {
    struct fixture *f = *state;
    PUSH(f, 0x12345, SEL_CODE3, 0xaaaa, 0xbbbb, 0x5000, SEL_DATA3);
    assert_int_equal(run(f, CALLOUT_FAR_RET, 0, 8, 4), CALLOUT_JUMP);
    assert_int_equal(f->v->cpl, 3);
    assert_int_equal(f->v->abi.gpr[CPU_ESP], 0x5008);
    assert_int_equal(f->v->abi.eip, 0x12345);
}

// ---- Call gates ----------------------------------------------------------------------------------------------------

static void call_gate_inner(void **state) {
    struct fixture *f = *state;
    fixture_descriptor(f, SEL_FREE, make_gate(SEL_CODE0, 0x123456, 0xec, 3));
    fixture_ring(f, 3);
    PUSH(f, 0x11, 0x22, 0x33);
    assert_int_equal(run(f, CALLOUT_FAR_CALL, 0xdead, SEL_FREE, 4), CALLOUT_JUMP);
    assert_int_equal(f->v->cpl, 0);
    assert_int_equal(f->v->abi.eip, 0x123456);
    assert_int_equal(f->v->abi.gpr[CPU_ESP], STACK0 - 28);
    const uint32_t frame[7] = {CODE + INSN_LENGTH, SEL_CODE3, 0x11, 0x22, 0x33, STACK3 - 12, SEL_DATA3};
    for (unsigned i = 0; i < 7; i++)
        assert_int_equal(get32(f, STACK0 - 28 + 4 * i), frame[i]);
    // And back, with the parameters released.
    assert_int_equal(run(f, CALLOUT_FAR_RET, 0, 12, 4), CALLOUT_JUMP);
    assert_int_equal(f->v->cpl, 3);
    assert_int_equal(f->v->abi.gpr[CPU_ESP], STACK3);
}

static void call_gate16_same_ring(void **state) {
    struct fixture *f = *state;
    fixture_descriptor(f, SEL_FREE, make_gate(SEL_CODE0, 0x7777, 0x84, 5));
    assert_int_equal(run(f, CALLOUT_FAR_CALL, 0, SEL_FREE, 4), CALLOUT_JUMP);
    assert_int_equal(f->v->abi.gpr[CPU_ESP], STACK0 - 4);
    assert_int_equal(get32(f, STACK0 - 4), ((CODE + INSN_LENGTH) & 0xffff) | SEL_CODE0 << 16);
}

static void call_gate_errors(void **state) {
    struct fixture *f = *state;
    struct {
        uint64_t gate;
        bool call;
        unsigned vector;
        uint32_t error;
    } cases[] = {
        {make_gate(SEL_CODE0, 0, 0x8c, 0), true, VECTOR_GP, SEL_FREE}, // DPL 0 from ring 3
        {make_gate(SEL_CODE0, 0, 0x6c, 0), true, VECTOR_NP, SEL_FREE},
        {make_gate(0, 0, 0xec, 0), true, VECTOR_GP, 0},
        {make_gate(0x3000, 0, 0xec, 0), true, VECTOR_GP, 0x3000},
        {make_gate(SEL_DATA0, 0, 0xec, 0), true, VECTOR_GP, SEL_DATA0},
        {make_gate(SEL_CODE0, 0, 0xec, 0), false, VECTOR_GP, SEL_CODE0}, // JMP cannot go inward
        {make_gate(SEL_FREE + 8, 0, 0xec, 0), true, VECTOR_NP, SEL_FREE + 8},
    };
    fixture_descriptor(f, SEL_FREE + 8, make_descriptor(0, 0xfffff, 0x1b, FLAGS_32));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fixture_ring(f, 3);
        fixture_descriptor(f, SEL_FREE, cases[i].gate);
        assert_fault(f, run(f, cases[i].call ? CALLOUT_FAR_CALL : CALLOUT_FAR_JMP, 0, SEL_FREE | 3, 4), cases[i].vector,
                     cases[i].error);
        assert_int_equal(f->v->abi.gpr[CPU_ESP], STACK3);
    }
}

// ---- SYSENTER, SYSEXIT ---------------------------------------------------------------------------------------------

static void sysenter_and_back(void **state) {
    struct fixture *f = *state;
    fixture_ring(f, 3);
    assert_fault(f, run(f, CALLOUT_SYSENTER, 0, 0, 0), VECTOR_GP, 0);
    f->v->msr.sysenter_cs = SEL_CODE0;
    f->v->msr.sysenter_esp = 0x6000;
    f->v->msr.sysenter_eip = 0x7000;
    f->v->abi.sys_flags |= EFLAGS_IF;
    assert_int_equal(run(f, CALLOUT_SYSENTER, 0, 0, 0), CALLOUT_JUMP);
    assert_int_equal(f->v->cpl, 0);
    assert_int_equal(f->v->abi.eip, 0x7000);
    assert_int_equal(f->v->abi.gpr[CPU_ESP], 0x6000);
    assert_int_equal(f->v->seg[CPU_SEG_SS].selector, SEL_DATA0);
    assert_false(f->v->abi.sys_flags & EFLAGS_IF);
    f->v->abi.gpr[CPU_ECX] = 0x1110;
    f->v->abi.gpr[CPU_EDX] = 0x2220;
    assert_int_equal(run(f, CALLOUT_SYSEXIT, 0, 0, 0), CALLOUT_JUMP);
    assert_int_equal(f->v->cpl, 3);
    assert_int_equal(f->v->seg[CPU_SEG_CS].selector, SEL_CODE3);
    assert_int_equal(f->v->seg[CPU_SEG_SS].selector, SEL_DATA3);
    assert_int_equal(f->v->abi.gpr[CPU_ESP], 0x1110);
    assert_int_equal(f->v->abi.eip, 0x2220);
    fixture_ring(f, 3);
    assert_fault(f, run(f, CALLOUT_SYSEXIT, 0, 0, 0), VECTOR_GP, 0);
}

// ---- Near transfers of a 16-bit segment ----------------------------------------------------------------------------

static void near16(void **state) {
    struct fixture *f = *state;
    struct vcpu *v = f->v;
    const struct cpu_segment code = {.selector = SEL_FREE, .attr = 0x9b, .base = 0x10000, .limit = 0xffff};
    cpu_commit_segment(v, CPU_SEG_CS, &code);
    cpu_mode_update(v);
    assert_int_equal(v->mode & (MODE_CODE32 | MODE_CS_CHECKED | MODE_ONE), MODE_CS_CHECKED);
    v->abi.eip = 0xfff0;
    assert_int_equal(run(f, CALLOUT_NEAR, 0x100, NEAR_WORD(NEAR_JMP, 0, 1, 0), 0), CALLOUT_JUMP);
    assert_int_equal(v->abi.eip, 0xf3); // IP wraps at 64 KiB
    v->abi.eip = 0x200;
    assert_int_equal(run(f, CALLOUT_NEAR, 0x10, NEAR_WORD(NEAR_CALL, 0, 1, 0), 0), CALLOUT_JUMP);
    assert_int_equal(v->abi.eip, 0x213);
    assert_int_equal(v->abi.gpr[CPU_ESP], STACK0 - 2);
    assert_int_equal(run(f, CALLOUT_NEAR, 4, NEAR_WORD(NEAR_RET, 0, 1, 0), 0), CALLOUT_JUMP);
    assert_int_equal(v->abi.eip, 0x203);
    assert_int_equal(v->abi.gpr[CPU_ESP], STACK0 + 4);
    v->abi.gpr[CPU_ECX] = 0x12340001;
    assert_int_equal(run(f, CALLOUT_NEAR, 0x10, NEAR_WORD(NEAR_LOOP, 0, 1, 1), 0), CALLOUT_JUMP);
    assert_int_equal(v->abi.eip, 0x206);
    assert_int_equal(v->abi.gpr[CPU_ECX], 0x12340000);
    v->abi.flags = EFLAGS_ZF;
    assert_int_equal(run(f, CALLOUT_NEAR, 0x10, NEAR_WORD(NEAR_JCC, 4, 1, 0), 0), CALLOUT_JUMP);
    assert_int_equal(v->abi.eip, 0x219);
}

static void near_beyond_limit(void **state) {
    struct fixture *f = *state;
    const struct cpu_segment code = {.selector = SEL_CODE0, .attr = 0x49b, .base = 0, .limit = CODE + 0xff};
    cpu_commit_segment(f->v, CPU_SEG_CS, &code);
    assert_fault(f, run(f, CALLOUT_NEAR, 0x100, NEAR_WORD(NEAR_CALL, 0, 0, 0), 0), VECTOR_GP, 0);
    assert_int_equal(f->v->abi.gpr[CPU_ESP], STACK0);
    assert_int_equal(run(f, CALLOUT_NEAR, 0xfc, NEAR_WORD(NEAR_JMP, 0, 0, 0), 0), CALLOUT_JUMP);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(iret_same_ring),
        TEST(iret_to_user),
        TEST(iret_keeps_user_data_segments),
        TEST(iret_in_ring3_cannot_raise_iopl_or_if),
        TEST(iret16),
        TEST(iret_errors),
        TEST(iret_cannot_go_inward),
        TEST(iret_page_faults),
        TEST(iret_to_v86),
        TEST(iret_with_a_null_link),
        TEST(far_jmp_and_call),
        TEST(far_jmp_conforming_keeps_cpl),
        TEST(far_errors),
        TEST(far_mem),
        TEST(far_ret_to_user_releases_on_both_stacks),
        TEST(call_gate_inner),
        TEST(call_gate16_same_ring),
        TEST(call_gate_errors),
        TEST(sysenter_and_back),
        TEST(near16),
        TEST(near_beyond_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
