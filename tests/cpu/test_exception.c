// Delivery of exceptions and interrupts: gates, rings, frames, error codes, double and triple faults (SDM vol. 3A ch.
// 6).
#include "fixture.h"

static void frame_same_ring(void **state) {
    struct fixture *f = *state;
    struct vcpu *v = f->v;
    v->abi.sys_flags |= EFLAGS_IF | EFLAGS_TF | EFLAGS_NT;
    cpu_raise_error(v, VECTOR_GP, 0x1234);
    assert_int_equal(cpu_deliver_fault(v), 0);
    assert_int_equal(v->abi.eip, HANDLER + 16 * VECTOR_GP);
    assert_int_equal(v->abi.gpr[CPU_ESP], STACK0 - 16);
    assert_int_equal(get32(f, STACK0 - 16), 0x1234);
    assert_int_equal(get32(f, STACK0 - 12), CODE);
    assert_int_equal(get32(f, STACK0 - 8), SEL_CODE0);
    assert_int_equal(get32(f, STACK0 - 4), EFLAGS_IF | EFLAGS_TF | EFLAGS_NT | EFLAGS_RF | 2);
    assert_int_equal(v->abi.sys_flags & (EFLAGS_IF | EFLAGS_TF | EFLAGS_NT | EFLAGS_RF), 0);
}

static void frame_from_user(void **state) {
    struct fixture *f = *state;
    struct vcpu *v = f->v;
    fixture_ring(f, 3);
    v->abi.sys_flags |= EFLAGS_IF;
    cpu_raise(v, VECTOR_UD);
    assert_int_equal(cpu_deliver_fault(v), 0);
    assert_int_equal(v->cpl, 0);
    assert_int_equal(v->seg[CPU_SEG_CS].selector, SEL_CODE0);
    assert_int_equal(v->seg[CPU_SEG_SS].selector, SEL_DATA0);
    assert_int_equal(v->abi.gpr[CPU_ESP], STACK0 - 20);
    assert_int_equal(get32(f, STACK0 - 20), CODE);
    assert_int_equal(get32(f, STACK0 - 16), SEL_CODE3);
    assert_int_equal(get32(f, STACK0 - 12), EFLAGS_IF | EFLAGS_RF | 2);
    assert_int_equal(get32(f, STACK0 - 8), STACK3);
    assert_int_equal(get32(f, STACK0 - 4), SEL_DATA3);
    assert_int_equal(mode_cpl(v->mode), 0);
}

static void external_interrupt_pushes_no_rf(void **state) {
    struct fixture *f = *state;
    f->v->abi.sys_flags |= EFLAGS_IF;
    assert_int_equal(cpu_deliver_interrupt(f->v, 0x30), 0);
    assert_int_equal(f->v->abi.eip, HANDLER + 16 * 0x30);
    assert_int_equal(get32(f, STACK0 - 4), EFLAGS_IF | 2);
}

static void trap_gate_keeps_if(void **state) {
    struct fixture *f = *state;
    fixture_gate(f, 0x80, make_gate(SEL_CODE0, HANDLER, 0xef, 0));
    fixture_ring(f, 3);
    f->v->abi.sys_flags |= EFLAGS_IF;
    assert_int_equal(run(f, CALLOUT_INT, 0, 0x80, 0), CALLOUT_JUMP);
    assert_int_equal(f->v->abi.eip, HANDLER);
    assert_true(f->v->abi.sys_flags & EFLAGS_IF);
    assert_int_equal(get32(f, STACK0 - 20), CODE + INSN_LENGTH);
    assert_int_equal(get32(f, STACK0 - 12), EFLAGS_IF | 2);
}

static void software_interrupt_needs_dpl(void **state) {
    struct fixture *f = *state;
    fixture_ring(f, 3);
    assert_fault(f, run(f, CALLOUT_INT, 0, 0x40, 0), VECTOR_GP, 0x40 * 8 + 2);
    assert_fault(f, run(f, CALLOUT_INT, 0, VECTOR_BP | 1 << 8, 0), VECTOR_GP, 3 * 8 + 2);
    // INT1 is not subject to the check.
    assert_int_equal(run(f, CALLOUT_INT, 0, VECTOR_DB | 3 << 8, 0), CALLOUT_JUMP);
}

static void into_looks_at_of(void **state) {
    struct fixture *f = *state;
    assert_int_equal(run(f, CALLOUT_INT, 0, VECTOR_OF | 2 << 8, 0), CALLOUT_CONTINUE);
    f->v->abi.flags |= EFLAGS_OF;
    assert_int_equal(run(f, CALLOUT_INT, 0, VECTOR_OF | 2 << 8, 0), CALLOUT_JUMP);
    assert_int_equal(f->v->abi.eip, HANDLER + 16 * VECTOR_OF);
}

// Error codes of INT n's own faults have EXT clear; those of other events have it set.
static void gate_errors(void **state) {
    struct fixture *f = *state;
    fixture_gate(f, 0x40, make_gate(SEL_CODE0, HANDLER, 0x0e, 0));
    assert_fault(f, run(f, CALLOUT_INT, 0, 0x40, 0), VECTOR_NP, 0x40 * 8 + 2);
    fixture_gate(f, 0x40, make_gate(SEL_CODE0, HANDLER, 0x8c, 0));
    assert_fault(f, run(f, CALLOUT_INT, 0, 0x40, 0), VECTOR_GP, 0x40 * 8 + 2);
    fixture_gate(f, 0x40, make_gate(0, HANDLER, 0x8e, 0));
    assert_fault(f, run(f, CALLOUT_INT, 0, 0x40, 0), VECTOR_GP, 0);
    fixture_gate(f, 0x40, make_gate(0x1000, HANDLER, 0x8e, 0));
    assert_fault(f, run(f, CALLOUT_INT, 0, 0x40, 0), VECTOR_GP, 0x1000);
    fixture_gate(f, 0x40, make_gate(SEL_DATA0, HANDLER, 0x8e, 0));
    assert_fault(f, run(f, CALLOUT_INT, 0, 0x40, 0), VECTOR_GP, SEL_DATA0);
    fixture_gate(f, 0x40, make_gate(SEL_FREE, HANDLER, 0x8e, 0));
    fixture_descriptor(f, SEL_FREE, make_descriptor(0, 0xfffff, 0x1b, FLAGS_32));
    assert_fault(f, run(f, CALLOUT_INT, 0, 0x40, 0), VECTOR_NP, SEL_FREE);
    fixture_descriptor(f, SEL_FREE, make_descriptor(0, 0xfff, ACC_CODE0, FLAGS_32_BYTES));
    assert_fault(f, run(f, CALLOUT_INT, 0, 0x40, 0), VECTOR_GP, 0);
    f->v->idt_limit = 0x40 * 8 + 6;
    assert_fault(f, run(f, CALLOUT_INT, 0, 0x40, 0), VECTOR_GP, 0x40 * 8 + 2);
}

// The fault of an interrupt's delivery is delivered in its turn, with EXT in its error code.
static void interrupt_with_bad_gate(void **state) {
    struct fixture *f = *state;
    fixture_gate(f, 0x40, make_gate(SEL_CODE0, HANDLER, 0x0e, 0));
    assert_int_equal(cpu_deliver_interrupt(f->v, 0x40), 0);
    assert_int_equal(f->v->abi.eip, HANDLER + 16 * VECTOR_NP);
    assert_int_equal(get32(f, STACK0 - 16), 0x40 * 8 + 3);
    assert_int_equal(get32(f, STACK0 - 12), CODE);
}

static void inner_stack_errors(void **state) {
    struct fixture *f = *state;
    struct {
        uint32_t ss;
        uint64_t descriptor;
        unsigned vector;
        uint32_t error;
    } cases[] = {
        {0, 0, VECTOR_TS, 1},
        {0x1000, 0, VECTOR_TS, 0x1001},
        {SEL_DATA3, 0, VECTOR_TS, (SEL_DATA3 & ~3u) | 1},
        {SEL_CODE0, 0, VECTOR_TS, SEL_CODE0 | 1},
        {SEL_FREE, make_descriptor(0, 0xfffff, 0x13, FLAGS_32), VECTOR_SS, SEL_FREE | 1},
        {SEL_FREE, make_descriptor(0, 0xfffff, 0x91, FLAGS_32), VECTOR_TS, SEL_FREE | 1},
        {SEL_FREE, make_descriptor(0, 0x100, ACC_DATA0, FLAGS_32_BYTES), VECTOR_SS, SEL_FREE | 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fixture_ring(f, 3);
        if (cases[i].descriptor)
            fixture_descriptor(f, SEL_FREE, cases[i].descriptor);
        put32(f, TSS + 8, cases[i].ss);
        // A contributory fault during #UD is delivered; its own delivery fails the same way and makes #DF, then
        // shutdown.
        cpu_raise(f->v, VECTOR_UD);
        assert_int_equal(cpu_deliver_fault(f->v), -1);
        assert_int_equal(f->v->fault.vector, cases[i].vector);
        assert_int_equal(f->v->fault.error, cases[i].error);
        assert_int_equal(f->v->abi.eip, CODE);
        assert_int_equal(f->v->cpl, 3);
    }
}

static void short_tss(void **state) {
    struct fixture *f = *state;
    fixture_ring(f, 3);
    f->v->tr.limit = 8;
    cpu_raise(f->v, VECTOR_UD);
    assert_int_equal(cpu_deliver_fault(f->v), -1);
    assert_int_equal(f->v->fault.vector, VECTOR_TS);
    assert_int_equal(f->v->fault.error, SEL_TSS | 1);
}

static void conforming_handler_stays_in_its_ring(void **state) {
    struct fixture *f = *state;
    fixture_gate(f, 0x40, make_gate(SEL_CONFORMING, HANDLER, 0xee, 0));
    fixture_ring(f, 3);
    assert_int_equal(run(f, CALLOUT_INT, 0, 0x40, 0), CALLOUT_JUMP);
    assert_int_equal(f->v->cpl, 3);
    assert_int_equal(f->v->seg[CPU_SEG_CS].selector, SEL_CONFORMING | 3);
    assert_int_equal(f->v->abi.gpr[CPU_ESP], STACK3 - 12);
}

static void gate16(void **state) {
    struct fixture *f = *state;
    fixture_gate(f, 0x40, make_gate(SEL_CODE0, 0x55551234, 0x86, 0));
    f->v->abi.flags = EFLAGS_CF;
    assert_int_equal(run(f, CALLOUT_INT, 0, 0x40, 0), CALLOUT_JUMP);
    assert_int_equal(f->v->abi.eip, 0x1234);
    assert_int_equal(f->v->abi.gpr[CPU_ESP], STACK0 - 6);
    assert_int_equal(get32(f, STACK0 - 6), ((CODE + INSN_LENGTH) & 0xffff) | SEL_CODE0 << 16);
    assert_int_equal(get32(f, STACK0 - 4) >> 16, EFLAGS_CF | 2);
}

static void page_fault_sets_cr2(void **state) {
    struct fixture *f = *state;
    fixture_paging(f);
    fixture_ring(f, 3);
    uint32_t value = 0;
    assert_int_equal(cpu_write(f->v, CPU_SEG_DS, UNMAPPED + 0x123, &value, 4), -1);
    assert_int_equal(f->v->fault.vector, VECTOR_PF);
    assert_int_equal(f->v->fault.error, 6);
    assert_int_equal(cpu_deliver_fault(f->v), 0);
    assert_int_equal(f->v->abi.cr2, UNMAPPED + 0x123);
    assert_int_equal(get32(f, STACK0 - 24), 6);
    assert_int_equal(get32(f, STACK0 - 12), EFLAGS_RF | 2);
}

// #PF during the delivery of #PF is a double fault; during that of #UD it is just the next one.
static void double_fault(void **state) {
    struct fixture *f = *state;
    fixture_paging(f);
    fixture_descriptor(f, SEL_FREE, make_descriptor(0, 0xfffff, ACC_CODE0, FLAGS_32));
    fixture_ring(f, 3);
    put32(f, TSS + 4, UNMAPPED + 0x100);
    cpu_raise(f->v, VECTOR_UD);
    assert_int_equal(cpu_deliver_fault(f->v), -1); // #UD, #PF, #DF: all need that stack
    assert_int_equal(f->v->abi.cr2, UNMAPPED + 0x100 - 4);

    put32(f, TSS + 4, STACK0);
    fixture_gate(f, VECTOR_PF, make_gate(SEL_CODE0, HANDLER, 0x0e, 0)); // not present: contributory
    const struct mmu_fault fault = {.linear = 0x1234, .error = 4};
    cpu_raise_page(f->v, &fault);
    assert_int_equal(cpu_deliver_fault(f->v), 0);
    assert_int_equal(f->v->abi.eip, HANDLER + 16 * VECTOR_DF);
    assert_int_equal(get32(f, STACK0 - 24), 0);
    assert_int_equal(f->v->abi.cr2, 0x1234);
}

static void benign_then_contributory_is_no_double_fault(void **state) {
    struct fixture *f = *state;
    fixture_gate(f, VECTOR_UD, make_gate(SEL_CODE0, HANDLER, 0x0e, 0));
    cpu_raise(f->v, VECTOR_UD);
    assert_int_equal(cpu_deliver_fault(f->v), 0);
    assert_int_equal(f->v->abi.eip, HANDLER + 16 * VECTOR_NP);
    assert_int_equal(get32(f, STACK0 - 16), VECTOR_UD * 8 + 3);
    // Contributory then contributory is.
    fixture_ring(f, 0);
    fixture_gate(f, VECTOR_GP, make_gate(SEL_CODE0, HANDLER, 0x0e, 0));
    cpu_raise_error(f->v, VECTOR_GP, 0);
    assert_int_equal(cpu_deliver_fault(f->v), 0);
    assert_int_equal(f->v->abi.eip, HANDLER + 16 * VECTOR_DF);
}

static void task_gate_to_a_busy_task(void **state) {
    struct fixture *f = *state;
    fixture_descriptor(f, SEL_FREE, make_descriptor(TSS, 0x67, 0x8b, 0));
    fixture_gate(f, 0x40, make_gate(SEL_FREE, 0, 0x85, 0));
    assert_fault(f, run(f, CALLOUT_INT, 0, 0x40, 0), VECTOR_GP, SEL_FREE);
    assert_int_equal(f->v->abi.eip, CODE);
}

static void accessed_bits_are_set(void **state) {
    struct fixture *f = *state;
    fixture_descriptor(f, SEL_CODE0, make_descriptor(0, 0xfffff, 0x9a, FLAGS_32));
    fixture_descriptor(f, SEL_DATA0, make_descriptor(0, 0xfffff, 0x92, FLAGS_32));
    fixture_ring(f, 3);
    cpu_raise(f->v, VECTOR_UD);
    assert_int_equal(cpu_deliver_fault(f->v), 0);
    assert_int_equal(fixture_get_descriptor(f, SEL_CODE0) >> 40 & 0xff, 0x9b);
    assert_int_equal(fixture_get_descriptor(f, SEL_DATA0) >> 40 & 0xff, 0x93);
    assert_int_equal(f->v->seg[CPU_SEG_CS].attr, 0xc9b);
    assert_int_equal(f->v->seg[CPU_SEG_SS].attr, 0xc93);
}

static void single_step(void **state) {
    struct fixture *f = *state;
    f->v->abi.sys_flags |= EFLAGS_TF;
    cpu_raise(f->v, VECTOR_DB);
    assert_int_equal(cpu_deliver_fault(f->v), 0);
    assert_int_equal(get32(f, STACK0 - 4), EFLAGS_TF | 2);
    assert_false(f->v->mode & MODE_ONE);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(frame_same_ring),
        TEST(frame_from_user),
        TEST(external_interrupt_pushes_no_rf),
        TEST(trap_gate_keeps_if),
        TEST(software_interrupt_needs_dpl),
        TEST(into_looks_at_of),
        TEST(gate_errors),
        TEST(interrupt_with_bad_gate),
        TEST(inner_stack_errors),
        TEST(short_tss),
        TEST(conforming_handler_stays_in_its_ring),
        TEST(gate16),
        TEST(page_fault_sets_cr2),
        TEST(double_fault),
        TEST(benign_then_contributory_is_no_double_fault),
        TEST(task_gate_to_a_busy_task),
        TEST(accessed_bits_are_set),
        TEST(single_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
