// DIV and IDIV in C against the host's own instructions, faults included.
#include "fixture.h"

#include <setjmp.h>
#include <signal.h>
#include <string.h>

static sigjmp_buf on_trap;

static void trap(int signal) {
    (void)signal;
    siglongjmp(on_trap, 1);
}

struct outcome {
    bool faults;
    uint32_t eax, edx;
};

#define HOST_DIVIDE(op, operand) __asm__ volatile(op " %2" : "+a"(eax), "+d"(edx) : "r"(operand) : "cc")

static struct outcome outcome; // static, since a trap jumps out of the division

static void host_divide(unsigned size, bool is_signed, uint32_t divisor) {
    uint32_t eax = outcome.eax, edx = outcome.edx;
    if (size == 1 && is_signed)
        HOST_DIVIDE("idivb", (uint8_t)divisor);
    else if (size == 1)
        HOST_DIVIDE("divb", (uint8_t)divisor);
    else if (size == 2 && is_signed)
        HOST_DIVIDE("idivw", (uint16_t)divisor);
    else if (size == 2)
        HOST_DIVIDE("divw", (uint16_t)divisor);
    else if (is_signed)
        HOST_DIVIDE("idivl", divisor);
    else
        HOST_DIVIDE("divl", divisor);
    outcome = (struct outcome){.faults = false, .eax = eax, .edx = edx};
}

static struct outcome host(unsigned size, bool is_signed, uint32_t a, uint32_t d, uint32_t divisor) {
    outcome = (struct outcome){.faults = true, .eax = a, .edx = d};
    if (!sigsetjmp(on_trap, 1))
        host_divide(size, is_signed, divisor);
    return outcome;
}

static void compare(struct fixture *f, unsigned size, bool is_signed, uint32_t a, uint32_t d, uint32_t divisor) {
    struct outcome wanted = host(size, is_signed, a, d, divisor);
    f->v->abi.gpr[CPU_EAX] = a;
    f->v->abi.gpr[CPU_EDX] = d;
    f->v->abi.gpr[CPU_EBX] = divisor;
    f->v->abi.eip = CODE;
    enum callout_result result =
        run(f, CALLOUT_DIVIDE, 0, RM_WORD(1, CPU_EBX, 0), size | (is_signed ? DIVIDE_SIGNED : 0u));
    assert_int_equal(result, wanted.faults ? CALLOUT_FAULT : CALLOUT_CONTINUE);
    if (wanted.faults)
        assert_int_equal(f->v->fault.vector, VECTOR_DE);
    assert_int_equal(f->v->abi.gpr[CPU_EAX], wanted.eax);
    assert_int_equal(f->v->abi.gpr[CPU_EDX], wanted.edx);
}

static void against_host(void **state) {
    struct fixture *f = *state;
    static const uint32_t corners[] = {0,      1,      2,      0x7f,       0x80,       0xff,       0x100,     0x7fff,
                                       0x8000, 0xffff, 0x8080, 0x7fffffff, 0x80000000, 0x80000001, 0xffffffff};
    enum { CORNERS = sizeof corners / sizeof *corners };
    struct sigaction action = {.sa_handler = trap, .sa_flags = SA_NODEFER}, before;
    sigaction(SIGFPE, &action, &before);
    for (unsigned form = 0; form < 6; form++) {
        unsigned size = 1u << form / 2;
        for (unsigned i = 0; i < CORNERS * CORNERS * CORNERS; i++)
            compare(f, size, form & 1, corners[i % CORNERS], corners[i / CORNERS % CORNERS],
                    corners[i / CORNERS / CORNERS]);
        uint64_t random = 88172645463325252u;
        for (unsigned i = 0; i < 20000; i++) {
            uint32_t values[3];
            for (unsigned k = 0; k < 3; k++) {
                random ^= random << 13, random ^= random >> 7, random ^= random << 17;
                values[k] = (uint32_t)random >> (random >> 40 & 31);
            }
            compare(f, size, form & 1, values[0], values[1], values[2]);
        }
    }
    sigaction(SIGFPE, &before, NULL);
}

static void from_memory(void **state) {
    struct fixture *f = *state;
    put32(f, DATA, 7);
    f->v->abi.gpr[CPU_EAX] = 100;
    f->v->abi.gpr[CPU_EDX] = 0;
    assert_int_equal(run(f, CALLOUT_DIVIDE, DATA, RM_WORD(0, CPU_SEG_DS, 0), 4), CALLOUT_CONTINUE);
    assert_int_equal(f->v->abi.gpr[CPU_EAX], 14);
    assert_int_equal(f->v->abi.gpr[CPU_EDX], 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(against_host, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(from_memory, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests_name("cpu_divide", tests, NULL, NULL);
}
