// Control and debug registers, MSRs, CPUID, descriptor-table registers, I/O permission.
#include "fixture.h"
#include "ringshade_hypercalls.h"

static enum callout_result mov_to_cr(struct fixture *f, unsigned cr, uint32_t value) {
    f->v->abi.gpr[CPU_EBX] = value;
    return run(f, CALLOUT_MOV_TO_CR, 0, cr | CPU_EBX << 8, 4);
}

static void cr0_rules(void **state) {
    struct fixture *f = *state;
    uint32_t cr0 = f->v->abi.cr0;
    assert_fault(f, mov_to_cr(f, 0, CR0_PG), VECTOR_GP, 0);
    assert_fault(f, mov_to_cr(f, 0, cr0 | CR0_NW), VECTOR_GP, 0);
    assert_int_equal(f->v->abi.cr0, cr0);
    unsigned flushes = f->root_flushes;
    assert_int_equal(mov_to_cr(f, 0, cr0 | CR0_TS | CR0_MP | 0x7000), CALLOUT_JUMP);
    assert_int_equal(f->v->abi.cr0, cr0 | CR0_TS | CR0_MP);
    assert_int_equal(f->root_flushes, flushes); // TS flushes nothing
    assert_true(f->v->mode & MODE_X87_NM && f->v->mode & MODE_WAIT_NM && f->v->mode & MODE_SIMD_NM);
    f->v->abi.eip = CODE;
    assert_int_equal(run(f, CALLOUT_CLTS, 0, 0, 0), CALLOUT_CONTINUE);
    assert_false(f->v->mode & (MODE_X87_NM | MODE_WAIT_NM | MODE_SIMD_NM));
    assert_int_equal(mov_to_cr(f, 0, f->v->abi.cr0 | CR0_WP), CALLOUT_JUMP);
    assert_int_equal(f->root_flushes, flushes + 1);
}

static void lmsw_cannot_clear_pe(void **state) {
    struct fixture *f = *state;
    f->v->abi.gpr[CPU_EAX] = CR0_TS;
    assert_int_equal(run(f, CALLOUT_LMSW, 0, RM_WORD(1, CPU_EAX, 0), 2), CALLOUT_JUMP);
    assert_true(f->v->abi.cr0 & CR0_PE && f->v->abi.cr0 & CR0_TS && f->v->abi.cr0 & CR0_NE);
}

static void cr4_rules(void **state) {
    struct fixture *f = *state;
    assert_fault(f, mov_to_cr(f, 4, CR4_MCE), VECTOR_GP, 0);
    assert_fault(f, mov_to_cr(f, 4, 1u << 20), VECTOR_GP, 0);
    assert_true(!(f->v->mode & MODE_SSE_UD));
    assert_int_equal(mov_to_cr(f, 4, CR4_PSE | CR4_PGE), CALLOUT_JUMP);
    assert_true(f->v->mode & MODE_SSE_UD);
    f->v->abi.eip = CODE;
    assert_fault(f, mov_to_cr(f, 1, 0), VECTOR_UD, 0);
}

static void bad_pdpte_changes_nothing(void **state) {
    struct fixture *f = *state;
    fixture_paging(f);
    uint32_t cr4 = f->v->abi.cr4;
    put32(f, PAGE_TABLES, 0x7 | 1u << 8); // reserved bits of a PDPTE
    assert_fault(f, mov_to_cr(f, 4, cr4 | CR4_PAE), VECTOR_GP, 0);
    assert_int_equal(f->v->abi.cr4, cr4);
    put32(f, PAGE_TABLES, (PAGE_TABLES + 0x1000) | 7);
    uint32_t value;
    assert_int_equal(cpu_read(f->v, CPU_SEG_DS, DATA, &value, 4), 0);
}

static void cr3_load(void **state) {
    struct fixture *f = *state;
    fixture_paging(f);
    assert_int_equal(mov_to_cr(f, 3, PAGE_TABLES), CALLOUT_JUMP);
    assert_int_equal(f->stats.cr3_loads, 1);
    assert_int_equal(f->v->abi.cr3, PAGE_TABLES);
    f->v->abi.eip = CODE;
    assert_int_equal(run(f, CALLOUT_INVLPG, DATA, RM_WORD(0, CPU_SEG_DS, 0), 4), CALLOUT_JUMP);
    assert_int_equal(f->page_flushes, 1);
}

static void privilege(void **state) {
    struct fixture *f = *state;
    static const enum callout_id ids[] = {CALLOUT_MOV_TO_CR, CALLOUT_CLTS,        CALLOUT_INVLPG, CALLOUT_INVD,
                                          CALLOUT_RDMSR,     CALLOUT_WRMSR,       CALLOUT_LGDT,   CALLOUT_LIDT,
                                          CALLOUT_LLDT,      CALLOUT_LTR,         CALLOUT_LMSW,   CALLOUT_HLT,
                                          CALLOUT_MOV_TO_DR, CALLOUT_MOV_FROM_DR, CALLOUT_RDPMC};
    fixture_ring(f, 3);
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        assert_fault(f, run(f, ids[i], DATA, 0, 4), VECTOR_GP, 0);
}

// VMCALL by the option and at CPL 0 alone, whatever the mode.
static void hypercalls(void **state) {
    struct fixture *f = *state;
    struct vcpu *v = f->v;
    v->abi.gpr[CPU_EAX] = RINGSHADE_CALL_QUERY;
    assert_fault(f, run(f, CALLOUT_HYPERCALL, 0, 0, 4), VECTOR_UD, 0);
    v->config.hypercalls = true;
    assert_int_equal(run(f, CALLOUT_HYPERCALL, 0, 0, 4), CALLOUT_CONTINUE);
    assert_int_equal(v->abi.gpr[CPU_ECX], RINGSHADE_CALLS_VERSION);
    for (unsigned ring = 1; ring <= 3; ring += 2) {
        fixture_ring(f, ring);
        v->abi.gpr[CPU_EAX] = RINGSHADE_CALL_QUERY;
        assert_fault(f, run(f, CALLOUT_HYPERCALL, 0, 0, 4), VECTOR_UD, 0);
        assert_int_equal(v->abi.gpr[CPU_EAX], RINGSHADE_CALL_QUERY);
    }
}

static void hypercall_yield(void **state) {
    struct fixture *f = *state;
    struct vcpu *v = f->v;
    v->config.hypercalls = true;
    v->abi.gpr[CPU_EAX] = RINGSHADE_CALL_YIELD;
    v->abi.gpr[CPU_EBX] = 1234;
    assert_int_equal(run(f, CALLOUT_HYPERCALL, 0, 0, 4), CALLOUT_LEAVE);
    assert_true(f->engine.yielding);
    assert_int_equal(f->engine.yield_end, 1234);
    assert_int_equal(v->abi.gpr[CPU_EAX], 0);
}

static void debug_registers(void **state) {
    struct fixture *f = *state;
    f->v->abi.gpr[CPU_EAX] = 0xffffffff;
    assert_int_equal(run(f, CALLOUT_MOV_TO_DR, 0, 7, 4), CALLOUT_JUMP);
    assert_int_equal(f->v->dr[7], 0xffff27ff);
    // General detect: a fault that says so and switches itself off, once.
    assert_int_equal(run(f, CALLOUT_MOV_FROM_DR, 0, 5 | CPU_ECX << 8, 4), CALLOUT_FAULT);
    assert_int_equal(f->v->fault.vector, VECTOR_DB);
    assert_int_equal(f->v->dr[6] & 0xf00f, 0x2000);
    assert_int_equal(run(f, CALLOUT_MOV_FROM_DR, 0, 5 | CPU_ECX << 8, 4), CALLOUT_CONTINUE);
    assert_int_equal(f->v->abi.gpr[CPU_ECX], 0xffff07ff);
    f->v->abi.eip = CODE;
    f->v->abi.cr4 |= CR4_DE;
    assert_fault(f, run(f, CALLOUT_MOV_FROM_DR, 0, 5, 4), VECTOR_UD, 0);
    f->v->abi.gpr[CPU_EAX] = 0;
    run(f, CALLOUT_MOV_TO_DR, 0, 6, 4);
    assert_int_equal(f->v->dr[6], 0xffff0ff0);
}

static enum callout_result msr(struct fixture *f, bool write, uint32_t number, uint64_t value) {
    f->v->abi.gpr[CPU_ECX] = number;
    f->v->abi.gpr[CPU_EAX] = (uint32_t)value;
    f->v->abi.gpr[CPU_EDX] = (uint32_t)(value >> 32);
    return run(f, write ? CALLOUT_WRMSR : CALLOUT_RDMSR, 0, 0, 0);
}

static void msrs(void **state) {
    struct fixture *f = *state;
    assert_int_equal(msr(f, true, 0x174, 0x60), CALLOUT_CONTINUE);
    assert_int_equal(msr(f, false, 0x174, 0), CALLOUT_CONTINUE);
    assert_int_equal(f->v->abi.gpr[CPU_EAX], 0x60);
    assert_fault(f, msr(f, false, 0x1b, 0), VECTOR_GP, 0);      // no local APIC
    assert_fault(f, msr(f, true, 0xc0000080, 1), VECTOR_GP, 0); // SYSCALL is not announced
    assert_int_equal(msr(f, true, 0xc0000080, 1 << 11), CALLOUT_JUMP);
    assert_int_equal(f->v->msr.efer, 1 << 11);
    assert_int_equal(msr(f, true, 0x10, 1000), CALLOUT_CONTINUE);
    run(f, CALLOUT_RDTSC, 0, 0, 0);
    assert_int_equal(f->v->abi.gpr[CPU_EDX], 0);
    assert_in_range(f->v->abi.gpr[CPU_EAX], 1000, 4000000000u);
    assert_int_equal(msr(f, false, 0x8b, 0), CALLOUT_CONTINUE);
    assert_int_equal(msr(f, false, 0x1a0, 0), CALLOUT_CONTINUE);
}

static void rdtsc_and_tsd(void **state) {
    struct fixture *f = *state;
    fixture_ring(f, 3);
    f->v->abi.cr4 |= CR4_TSD;
    cpu_mode_update(f->v);
    assert_true(f->v->mode & MODE_TSC_GP);
    assert_fault(f, run(f, CALLOUT_RDTSC, 0, 0, 0), VECTOR_GP, 0);
}

static void cpuid(void **state) {
    (void)state;
    uint32_t r[4];
    cpu_cpuid(0, 0, r);
    assert_int_equal(r[0], 0x16);
    cpu_cpuid(1, 0, r);
    assert_int_equal(r[0] >> 8 & 0xf, 6);
    assert_int_equal((r[0] >> 12 & 0xf0) | (r[0] >> 4 & 0xf), 28);
    assert_false(r[3] & 1 << 9);   // no local APIC
    assert_false(r[2] & 1u << 27); // no OSXSAVE before CR4 has it
    cpu_cpuid(0x80000001, 0, r);
    assert_true(r[3] & 1 << 20);
    assert_false(r[3] & (1u << 29 | 1u << 11 | 1u << 26)); // no long mode, SYSCALL, 1 GiB pages
    uint32_t last[4];
    cpu_cpuid(0x16, 0, last);
    cpu_cpuid(0x40000000, 0, r);
    assert_memory_equal(r, last, sizeof r); // as the highest basic leaf
}

static void tsc_rate(void **state) {
    struct fixture *f = *state;
    uint32_t *gpr = f->v->abi.gpr;
    gpr[CPU_EAX] = 0x15;
    assert_int_equal(run(f, CALLOUT_CPUID, 0, 0, 0), CALLOUT_CONTINUE);
    uint32_t khz = gpr[CPU_EBX];
    assert_int_equal((uint64_t)khz * gpr[CPU_ECX] / 1000 / gpr[CPU_EAX], khz);
    assert_in_range(khz, 100000, 10000000);
    gpr[CPU_EAX] = 0x16;
    run(f, CALLOUT_CPUID, 0, 0, 0);
    assert_in_range(gpr[CPU_EAX], khz / 1000, khz / 1000 + 1);
}

static void tsc_adjust_follows(void **state) {
    struct fixture *f = *state;
    assert_int_equal(msr(f, true, 0x3b, 1000), CALLOUT_CONTINUE);
    assert_int_equal(f->v->abi.tsc_offset, 1000);
    assert_int_equal(msr(f, true, 0x10, 0), CALLOUT_CONTINUE);
    assert_int_equal(f->v->msr.tsc_adjust, (uint64_t)f->v->abi.tsc_offset);
    assert_int_equal(msr(f, true, 0x3b, 0), CALLOUT_CONTINUE);
    assert_int_equal(f->v->abi.tsc_offset, 0);
}

static void descriptor_tables(void **state) {
    struct fixture *f = *state;
    put32(f, DATA, 0x56781234);
    put32(f, DATA + 4, 0xabcd9abc);
    uint32_t rm = RM_WORD(0, CPU_SEG_DS, 0);
    assert_int_equal(run(f, CALLOUT_LIDT, DATA, rm, 4), CALLOUT_CONTINUE);
    assert_int_equal(f->v->idt_limit, 0x1234);
    assert_int_equal(f->v->idt_base, 0x9abc5678);
    assert_int_equal(run(f, CALLOUT_LIDT, DATA, rm, 2), CALLOUT_CONTINUE);
    assert_int_equal(f->v->idt_base, 0x00bc5678);
    assert_int_equal(run(f, CALLOUT_SIDT, DATA + 16, rm, 4), CALLOUT_CONTINUE);
    assert_int_equal(get32(f, DATA + 16), 0x56781234);
    assert_int_equal(get32(f, DATA + 20), 0x000000bc);
}

static void ltr_marks_busy(void **state) {
    struct fixture *f = *state;
    uint32_t rm = RM_WORD(1, CPU_EAX, 0);
    f->v->abi.gpr[CPU_EAX] = SEL_FREE;
    fixture_descriptor(f, SEL_FREE, make_descriptor(TSS, 0x67, 0x89, 0));
    assert_int_equal(run(f, CALLOUT_LTR, 0, rm, 2), CALLOUT_CONTINUE);
    assert_int_equal(fixture_get_descriptor(f, SEL_FREE) >> 40 & 0xff, 0x8b);
    assert_fault(f, run(f, CALLOUT_LTR, 0, rm, 2), VECTOR_GP, SEL_FREE); // busy
    fixture_descriptor(f, SEL_FREE, make_descriptor(TSS, 0x67, 0x09, 0));
    assert_fault(f, run(f, CALLOUT_LTR, 0, rm, 2), VECTOR_NP, SEL_FREE);
    f->v->abi.gpr[CPU_EAX] = SEL_DATA0;
    assert_fault(f, run(f, CALLOUT_LTR, 0, rm, 2), VECTOR_GP, SEL_DATA0);
    assert_int_equal(run(f, CALLOUT_STR, 0, RM_WORD(1, CPU_ECX, 0), 4), CALLOUT_CONTINUE);
    assert_int_equal(f->v->abi.gpr[CPU_ECX], SEL_FREE);
}

static void io_permission(void **state) {
    struct fixture *f = *state;
    f->port_value = 0x12345678;
    assert_int_equal(run(f, CALLOUT_IN, 0x100, 0, 2), CALLOUT_CONTINUE);
    assert_int_equal(f->v->abi.gpr[CPU_EAX], 0x5678);
    fixture_ring(f, 3);
    f->v->tr.limit = 0x68 + 0x3f;
    assert_int_equal(run(f, CALLOUT_OUT, 0x100, 0, 1), CALLOUT_CONTINUE); // bits are clear
    f->ram.host[TSS + 0x68 + 0x20] = 0x80;                                // port 107h
    assert_int_equal(run(f, CALLOUT_OUT, 0x104, 0, 2), CALLOUT_CONTINUE);
    assert_fault(f, run(f, CALLOUT_OUT, 0x107, 0, 1), VECTOR_GP, 0);
    assert_fault(f, run(f, CALLOUT_OUT, 0x104, 0, 4), VECTOR_GP, 0);
    assert_fault(f, run(f, CALLOUT_OUT, 0x106, 0, 2), VECTOR_GP, 0);
    assert_fault(f, run(f, CALLOUT_OUT, 0x1ff, 0, 2), VECTOR_GP, 0);
    assert_fault(f, run(f, CALLOUT_OUT, 0x300, 0, 1), VECTOR_GP, 0); // beyond the limit
    cpu_set_eflags(f->v, EFLAGS_IOPL, EFLAGS_IOPL);
    assert_int_equal(run(f, CALLOUT_OUT, 0x107, 0, 1), CALLOUT_CONTINUE);
}

static void hlt_leaves(void **state) {
    struct fixture *f = *state;
    assert_int_equal(run(f, CALLOUT_HLT, 0, 0, 0), CALLOUT_LEAVE);
    assert_true(f->engine.halted);
    assert_int_equal(f->v->abi.eip, CODE + INSN_LENGTH);
}

static void state_round_trip(void **state) {
    struct fixture *f = *state;
    struct cpu_state a, b;
    vcpu_get_state(f->v, &a);
    a.gpr[CPU_EDX] = 0x1234;
    a.eflags = EFLAGS_CF | EFLAGS_IF | EFLAGS_DF | 2;
    vcpu_set_state(f->v, &a);
    vcpu_get_state(f->v, &b);
    assert_memory_equal(&a, &b, sizeof a);
}

static void every_callout_has_a_function(void **state) {
    (void)state;
    for (unsigned id = 0; id < CALLOUT_COUNT; id++) {
        assert_non_null(callout_table[id]);
        assert_non_null(cpu_callout_name(id));
    }
    assert_null(cpu_callout_name(CALLOUT_COUNT));
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(cr0_rules),         TEST(lmsw_cannot_clear_pe),
        TEST(cr4_rules),         TEST(bad_pdpte_changes_nothing),
        TEST(cr3_load),          TEST(privilege),
        TEST(hypercalls),        TEST(hypercall_yield),
        TEST(debug_registers),   TEST(msrs),
        TEST(rdtsc_and_tsd),     TEST(cpuid),
        TEST(tsc_rate),          TEST(tsc_adjust_follows),
        TEST(descriptor_tables), TEST(ltr_marks_busy),
        TEST(io_permission),     TEST(hlt_leaves),
        TEST(state_round_trip),  TEST(every_callout_has_a_function),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
