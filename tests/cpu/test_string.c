// String instructions in C against the host's own: random operands, both directions, all sizes and repeats, overlaps,
// page crossings; then restarts at faults and interrupts, 16-bit addressing, limits, devices.
#include "fixture.h"

#include <string.h>

#define AREA      0x200000u // guest linear and physical
#define AREA_SIZE 0x8000u

struct registers {
    uint64_t rax, rcx, rsi, rdi, flags;
};

#define HOST_INSN(name, text)                                                                                          \
    static void name(struct registers *r) {                                                                            \
        uint64_t flags = r->flags;                                                                                     \
        __asm__ volatile("pushq %[f]\n popfq\n" text "\n pushfq\n popq %[f]\n cld"                                     \
                         : [f] "+r"(flags), "+a"(r->rax), "+c"(r->rcx), "+S"(r->rsi), "+D"(r->rdi)::"memory", "cc");   \
        r->flags = flags;                                                                                              \
    }
#define HOST_OP(op, b, w, d)                                                                                           \
    HOST_INSN(op##_b, b)                                                                                               \
    HOST_INSN(op##_w, w)                                                                                               \
    HOST_INSN(op##_d, d)                                                                                               \
    HOST_INSN(rep_##op##_b, "rep " b) HOST_INSN(rep_##op##_w, "rep " w) HOST_INSN(rep_##op##_d, "rep " d)
HOST_OP(movs, "movsb", "movsw", "movsl")
HOST_OP(stos, "stosb", "stosw", "stosl")
HOST_OP(lods, "lodsb", "lodsw", "lodsl")
HOST_OP(cmps, "cmpsb", "cmpsw", "cmpsl")
HOST_OP(scas, "scasb", "scasw", "scasl")
HOST_INSN(repne_cmps_b, "repne cmpsb")
HOST_INSN(repne_cmps_w, "repne cmpsw")
HOST_INSN(repne_cmps_d, "repne cmpsl")
HOST_INSN(repne_scas_b, "repne scasb")
HOST_INSN(repne_scas_w, "repne scasw")
HOST_INSN(repne_scas_d, "repne scasl")

static void (*const host[5][3][3])(struct registers *) = {
    [STRING_MOVS] = {{movs_b, movs_w, movs_d}, {rep_movs_b, rep_movs_w, rep_movs_d}},
    [STRING_CMPS] = {{cmps_b, cmps_w, cmps_d},
                     {rep_cmps_b, rep_cmps_w, rep_cmps_d},
                     {repne_cmps_b, repne_cmps_w, repne_cmps_d}},
    [STRING_STOS] = {{stos_b, stos_w, stos_d}, {rep_stos_b, rep_stos_w, rep_stos_d}},
    [STRING_LODS] = {{lods_b, lods_w, lods_d}, {rep_lods_b, rep_lods_w, rep_lods_d}},
    [STRING_SCAS] = {{scas_b, scas_w, scas_d},
                     {rep_scas_b, rep_scas_w, rep_scas_d},
                     {repne_scas_b, repne_scas_w, repne_scas_d}},
};

static uint32_t next_random(uint64_t *seed) {
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 33);
}

static void against_the_host(void **state) {
    struct fixture *f = *state;
    static uint8_t copy[AREA_SIZE];
    uint64_t seed = 1;
    fixture_paging(f);
    for (unsigned round = 0; round < 30000; round++) {
        unsigned op = next_random(&seed) % 5, log_size = next_random(&seed) % 3, size = 1u << log_size;
        unsigned rep = next_random(&seed) % (op == STRING_CMPS || op == STRING_SCAS ? 3 : 2);
        // Few different bytes, so that comparisons run for a while.
        for (unsigned i = 0; i < 64; i++)
            copy[next_random(&seed) % AREA_SIZE] = (uint8_t)(next_random(&seed) % 64 == 0);
        memcpy(f->ram.host + AREA, copy, AREA_SIZE);
        uint32_t count = next_random(&seed) % 8 ? next_random(&seed) % 40 : next_random(&seed) % 1500;
        uint32_t middle = AREA_SIZE / 2;
        uint32_t from = middle - 64 + next_random(&seed) % 128, to = from + next_random(&seed) % 64 - 32;
        uint32_t eax = next_random(&seed) % 4 ? 0 : next_random(&seed);
        uint32_t flags =
            (next_random(&seed) & (EFLAGS_LIVE & ~EFLAGS_DF)) | (next_random(&seed) & 1 ? EFLAGS_DF : 0) | 2;

        struct registers r = {eax, count, (uint64_t)(uintptr_t)copy + from, (uint64_t)(uintptr_t)copy + to, flags};
        host[op][rep][log_size](&r);

        uint32_t *gpr = f->v->abi.gpr;
        gpr[CPU_EAX] = eax;
        gpr[CPU_ECX] = count;
        gpr[CPU_ESI] = AREA + from;
        gpr[CPU_EDI] = AREA + to;
        f->v->abi.flags = flags;
        assert_int_equal(run(f, CALLOUT_STRING, 0, STRING_WORD(op, size, rep, 0, CPU_SEG_DS), 0), CALLOUT_CONTINUE);
        assert_int_equal(gpr[CPU_EAX], (uint32_t)r.rax);
        assert_int_equal(gpr[CPU_ECX], (uint32_t)r.rcx);
        assert_int_equal(gpr[CPU_ESI] - AREA, (uint32_t)(r.rsi - (uint64_t)(uintptr_t)copy));
        assert_int_equal(gpr[CPU_EDI] - AREA, (uint32_t)(r.rdi - (uint64_t)(uintptr_t)copy));
        assert_int_equal(f->v->abi.flags & EFLAGS_LIVE, r.flags & EFLAGS_LIVE);
        assert_memory_equal(f->ram.host + AREA, copy, AREA_SIZE);
    }
}

// A fault in the middle leaves the registers of the iterations done, and the instruction finishes when run again.
static void restarts_at_a_fault(void **state) {
    struct fixture *f = *state;
    uint32_t *gpr = f->v->abi.gpr;
    fixture_paging(f);
    for (unsigned down = 0; down < 2; down++) {
        f->v->abi.flags = down ? EFLAGS_DF : 0;
        gpr[CPU_ESI] = AREA;
        gpr[CPU_EDI] = down ? UNMAPPED + 4096 + 36 : UNMAPPED - 40;
        gpr[CPU_ECX] = 20;
        if (down)
            gpr[CPU_ESI] += 1000;
        uint32_t esi = gpr[CPU_ESI], step = down ? 0u - 4 : 4;
        assert_fault(f, run(f, CALLOUT_STRING, 0, STRING_WORD(STRING_MOVS, 4, STRING_REP, 0, CPU_SEG_DS), 0), VECTOR_PF,
                     2);
        assert_int_equal(f->v->fault.cr2, down ? UNMAPPED + 4092 : UNMAPPED);
        assert_int_equal(gpr[CPU_ECX], 10);
        assert_int_equal(gpr[CPU_EDI], f->v->fault.cr2);
        assert_int_equal(gpr[CPU_ESI], esi + 10 * step);
    }
}

// All comparisons before the fault were of equal bytes: their flags are what the handler sees.
static void comparison_flags_at_a_fault(void **state) {
    struct fixture *f = *state;
    fixture_paging(f);
    f->v->abi.flags = EFLAGS_CF | EFLAGS_OF;
    f->v->abi.gpr[CPU_EAX] = 0;
    f->v->abi.gpr[CPU_EDI] = UNMAPPED - 8;
    f->v->abi.gpr[CPU_ECX] = 20;
    assert_fault(f, run(f, CALLOUT_STRING, 0, STRING_WORD(STRING_SCAS, 1, STRING_REP, 0, CPU_SEG_DS), 0), VECTOR_PF, 0);
    assert_int_equal(f->v->abi.flags, EFLAGS_ZF | EFLAGS_PF);
    assert_int_equal(f->v->abi.gpr[CPU_ECX], 12);
    assert_int_equal(f->v->abi.gpr[CPU_EDI], UNMAPPED);
}

static void a_request_interrupts(void **state) {
    struct fixture *f = *state;
    f->v->abi.gpr[CPU_EDI] = AREA;
    f->v->abi.gpr[CPU_ECX] = 0x10000;
    f->v->abi.request = ABI_REQUEST_NEW;
    uint32_t word = STRING_WORD(STRING_STOS, 4, STRING_REP, 0, CPU_SEG_DS);
    assert_int_equal(run(f, CALLOUT_STRING, 0, word, 0), CALLOUT_JUMP);
    assert_int_equal(f->v->abi.eip, CODE);
    assert_int_equal(f->v->abi.gpr[CPU_ECX], 0x10000 - 0x400);
    assert_int_equal(f->v->abi.gpr[CPU_EDI], AREA + 0x1000);
    f->v->abi.request = 0;
    f->v->abi.sys_flags |= EFLAGS_TF; // one iteration a step
    assert_int_equal(run(f, CALLOUT_STRING, 0, word, 0), CALLOUT_JUMP);
    assert_int_equal(f->v->abi.gpr[CPU_ECX], 0x10000 - 0x401);
}

static void address16_wraps(void **state) {
    struct fixture *f = *state;
    uint32_t *gpr = f->v->abi.gpr;
    const struct cpu_segment es = {.selector = SEL_FREE, .attr = 0xc93, .base = AREA, .limit = 0xffffffff};
    cpu_commit_segment(f->v, CPU_SEG_ES, &es);
    gpr[CPU_EAX] = 0x5a;
    gpr[CPU_EDI] = 0x1111fffe;
    gpr[CPU_ECX] = 0x22220004;
    uint32_t word = STRING_WORD(STRING_STOS, 1, STRING_REP, 1, CPU_SEG_DS);
    assert_int_equal(run(f, CALLOUT_STRING, 0, word, 0), CALLOUT_CONTINUE);
    assert_int_equal(gpr[CPU_EDI], 0x11110002);
    assert_int_equal(gpr[CPU_ECX], 0x22220000);
    assert_int_equal(f->ram.host[AREA + 0xffff], 0x5a);
    assert_int_equal(f->ram.host[AREA + 1], 0x5a);
    assert_int_equal(f->ram.host[AREA + 2], 0);
}

static void stops_at_the_limit(void **state) {
    struct fixture *f = *state;
    const struct cpu_segment es = {.selector = SEL_FREE, .attr = 0x493, .base = AREA, .limit = 9};
    cpu_commit_segment(f->v, CPU_SEG_ES, &es);
    f->v->abi.gpr[CPU_EDI] = 0;
    f->v->abi.gpr[CPU_ECX] = 8;
    assert_fault(f, run(f, CALLOUT_STRING, 0, STRING_WORD(STRING_STOS, 4, STRING_REP, 0, CPU_SEG_DS), 0), VECTOR_GP, 0);
    assert_int_equal(f->v->abi.gpr[CPU_ECX], 6);
    assert_int_equal(f->v->abi.gpr[CPU_EDI], 8);
}

// A write to a frame with code goes through the kill path, then on in place.
static void writes_code(void **state) {
    struct fixture *f = *state;
    mmu_protect_frame(f->v->mmu, AREA >> 12);
    f->v->abi.gpr[CPU_EAX] = 0x77;
    f->v->abi.gpr[CPU_EDI] = AREA;
    f->v->abi.gpr[CPU_ECX] = 100;
    uint32_t word = STRING_WORD(STRING_STOS, 1, STRING_REP, 0, CPU_SEG_DS);
    assert_int_equal(run(f, CALLOUT_STRING, 0, word, 0), CALLOUT_CONTINUE);
    assert_int_equal(f->kills, 1);
    assert_int_equal(f->ram.host[AREA + 99], 0x77);
}

static void port_strings(void **state) {
    struct fixture *f = *state;
    fixture_paging(f);
    f->v->abi.gpr[CPU_EDX] = 0x110;
    f->v->abi.gpr[CPU_EDI] = UNMAPPED - 8;
    f->v->abi.gpr[CPU_ECX] = 5;
    f->port_value = 0x11223344;
    uint32_t word = STRING_WORD(STRING_INS, 4, STRING_REP, 0, CPU_SEG_DS);
    assert_fault(f, run(f, CALLOUT_STRING, 0, word, 0), VECTOR_PF, 2);
    assert_int_equal(f->port_reads, 2); // the port is not read for the element that faults
    assert_int_equal(f->v->abi.gpr[CPU_ECX], 3);
    assert_int_equal(get32(f, UNMAPPED - 4), 0x11223344);
    f->v->abi.gpr[CPU_ESI] = UNMAPPED - 4;
    f->v->abi.gpr[CPU_ECX] = 2;
    word = STRING_WORD(STRING_OUTS, 2, STRING_REP, 0, CPU_SEG_DS);
    assert_int_equal(run(f, CALLOUT_STRING, 0, word, 0), CALLOUT_CONTINUE);
    assert_int_equal(f->port_writes, 2);
    assert_int_equal(f->port_value, 0x1122);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(against_the_host),     TEST(restarts_at_a_fault), TEST(comparison_flags_at_a_fault),
        TEST(a_request_interrupts), TEST(address16_wraps),     TEST(stops_at_the_limit),
        TEST(writes_code),          TEST(port_strings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
