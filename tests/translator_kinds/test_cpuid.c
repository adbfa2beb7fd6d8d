// What CPUID announces and what the table executes are the same list.
#include "cpu/cpu.h"
#include "translator/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

// VME DE PSE PAE PGE: features of the system registers and of paging, without an instruction.
#define WITHOUT_INSTRUCTION (1u << 1 | 1u << 2 | 1u << 3 | 1u << 6 | 1u << 13)

static void test_leaf_1(void **state) {
    uint32_t regs[4];
    (void)state;
    cpu_cpuid(1, 0, regs);
    assert_int_equal(regs[3] & ~WITHOUT_INSTRUCTION, table_cpuid_edx());
    assert_int_equal(regs[2] & ~table_cpuid_ecx(), 0); // a host may have less
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_leaf_1)};
    return cmocka_run_group_tests_name("translator_cpuid", tests, NULL, NULL);
}
