// Images of the x87 and SSE state against those that the host's own instructions write, and round trips.
#include "fixture.h"

#include <string.h>

// An x87 state with valid, zero, special and empty registers, and XMM registers with a pattern.
static void load_host_state(void) {
    static const float infinity = __builtin_inff();
    static const double denormal = 1e-320;
    static const unsigned long long pattern[2] = {0x1122334455667788u, 0x99aabbccddeeff00u};
    __asm__ volatile(
        "fninit\n fld1\n fldz\n flds %0\n fldpi\n fldl %1\n fchs\n movups %2, %%xmm0\n movups %2, %%xmm7" ::"m"(
            infinity),
        "m"(denormal), "m"(pattern)
        : "xmm0", "xmm7");
}

static uint32_t get32_at(const uint8_t *at) {
    uint32_t value;
    memcpy(&value, at, 4);
    return value;
}

static void park(struct fixture *f) {
    __asm__ volatile("fxsave64 %0" : "=m"(f->v->abi.fx));
    f->v->abi.fpu_parked = PARKED_ALL;
    f->v->abi.fip = 0x11223344;
    f->v->abi.fdp = 0x55667788;
    f->v->abi.fop = 0x123;
}

static enum callout_result env(struct fixture *f, enum fpu_env kind, uint32_t at, unsigned size) {
    return run(f, CALLOUT_FPU_ENV, at, RM_WORD(0, CPU_SEG_DS, kind), size);
}

static void fnstenv_32(void **state) {
    struct fixture *f = *state;
    uint32_t host[7], guest[7];
    load_host_state();
    park(f);
    __asm__ volatile("fnstenv %0" : "=m"(host));
    assert_int_equal(env(f, FPU_FNSTENV, DATA, 4), CALLOUT_CONTINUE);
    memcpy(guest, f->ram.host + DATA, sizeof guest);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(guest[i], host[i]); // control, status, tags, with the ones of their reserved halves
    assert_int_equal(guest[3], 0x11223344);
    assert_int_equal(guest[4], 0x01230000);
    assert_int_equal(guest[5], 0x55667788);
    assert_int_equal(guest[6], 0xffff0000);
    assert_int_equal(f->v->abi.fx[0] & 0x3f, 0x3f);
}

static void fnstenv_16(void **state) {
    struct fixture *f = *state;
    uint16_t host[7], guest[7];
    load_host_state();
    park(f);
    __asm__ volatile(".byte 0x66; fnstenv %0" : "=m"(host));
    assert_int_equal(env(f, FPU_FNSTENV, DATA, 2), CALLOUT_CONTINUE);
    memcpy(guest, f->ram.host + DATA, sizeof guest);
    assert_memory_equal(guest, host, 6);
    assert_int_equal(guest[3], 0x3344);
    assert_int_equal(guest[4], 0);
    assert_int_equal(guest[5], 0x7788);
    assert_int_equal(guest[6], 0);
}

// In real mode the pointers are 20 and 32 bits, in pieces (SDM vol. 1 figures 8-10 and 8-12), and come back.
static void real_mode(void **state) {
    struct fixture *f = *state;
    load_host_state();
    park(f);
    f->v->abi.cr0 &= ~CR0_PE;
    f->v->abi.fip = 0x000a3344;
    f->v->abi.fdp = 0x00057788;
    assert_int_equal(env(f, FPU_FNSTENV, DATA, 2), CALLOUT_CONTINUE);
    uint16_t words[7];
    memcpy(words, f->ram.host + DATA, sizeof words);
    assert_int_equal(words[3], 0x3344);
    assert_int_equal(words[4], 0xa123);
    assert_int_equal(words[5], 0x7788);
    assert_int_equal(words[6], 0x5000);
    f->v->abi.fip = f->v->abi.fdp = f->v->abi.fop = 0;
    assert_int_equal(env(f, FPU_FLDENV, DATA, 2), CALLOUT_CONTINUE);
    assert_int_equal(f->v->abi.fip, 0xa3344);
    assert_int_equal(f->v->abi.fdp, 0x57788);
    assert_int_equal(f->v->abi.fop, 0x123);
    f->v->abi.fip = 0x11223344;
    f->v->abi.fdp = 0x55667788;
    assert_int_equal(env(f, FPU_FNSTENV, DATA, 4), CALLOUT_CONTINUE);
    assert_int_equal(get32(f, DATA + 12), 0xffff3344);
    assert_int_equal(get32(f, DATA + 16), 0x01122123);
    assert_int_equal(get32(f, DATA + 20), 0xffff7788);
    assert_int_equal(get32(f, DATA + 24), 0x05566000);
    f->v->abi.fip = f->v->abi.fdp = f->v->abi.fop = 0;
    assert_int_equal(env(f, FPU_FLDENV, DATA, 4), CALLOUT_CONTINUE);
    assert_int_equal(f->v->abi.fip, 0x11223344);
    assert_int_equal(f->v->abi.fdp, 0x55667788);
    assert_int_equal(f->v->abi.fop, 0x123);
    f->v->abi.cr0 |= CR0_PE;
    __asm__ volatile("fninit");
}

// Bit 17 of MXCSR is AMD's; the announced processor has not got it.
static void ldmxcsr(void **state) {
    struct fixture *f = *state;
    park(f);
    put32(f, DATA, 0xffbf);
    assert_int_equal(env(f, FPU_LDMXCSR, DATA, 4), CALLOUT_CONTINUE);
    assert_int_equal(f->v->abi.fx[24] | f->v->abi.fx[25] << 8, 0xffbf);
    for (unsigned bit = 16; bit < 32; bit++) {
        put32(f, DATA, 0x1f80 | 1u << bit);
        assert_fault(f, env(f, FPU_LDMXCSR, DATA, 4), VECTOR_GP, 0);
    }
    assert_int_equal(f->v->abi.fx[24] | f->v->abi.fx[25] << 8, 0xffbf);
    put32(f, DATA, 0x1f80);
    assert_int_equal(env(f, FPU_LDMXCSR, DATA, 4), CALLOUT_CONTINUE);
}

static void fnsave_and_frstor(void **state) {
    struct fixture *f = *state;
    uint8_t host[108], before[512];
    load_host_state();
    park(f);
    memcpy(before, f->v->abi.fx, sizeof before);
    __asm__ volatile("fnsave %0\n frstor %0" : "=m"(host));
    assert_int_equal(env(f, FPU_FNSAVE, DATA, 4), CALLOUT_CONTINUE);
    assert_memory_equal(f->ram.host + DATA, host, 12);
    assert_memory_equal(f->ram.host + DATA + 28, host + 28, 80);
    assert_int_equal(f->v->abi.fx[0] | f->v->abi.fx[1] << 8, 0x37f);
    assert_int_equal(f->v->abi.fx[4], 0);
    assert_int_equal(f->v->abi.fip, 0);
    assert_int_equal(env(f, FPU_FRSTOR, DATA, 4), CALLOUT_CONTINUE);
    assert_memory_equal(f->v->abi.fx, before, 5);
    for (unsigned i = 0; i < 8; i++)
        assert_memory_equal(f->v->abi.fx + 32 + 16 * i, before + 32 + 16 * i, 10);
    assert_int_equal(f->v->abi.fip, 0x11223344);
    assert_int_equal(f->v->abi.fdp, 0x55667788);
    assert_int_equal(f->v->abi.fop, 0x123);
    __asm__ volatile("fxrstor64 %0" ::"m"(f->v->abi.fx)); // the host takes it
    __asm__ volatile("fninit");
}

// Empty, the registers are still where they were.
static void fnsave_and_fldenv(void **state) {
    struct fixture *f = *state;
    uint8_t before[512];
    load_host_state();
    park(f);
    memcpy(before, f->v->abi.fx, sizeof before);
    assert_int_equal(env(f, FPU_FNSAVE, DATA, 4), CALLOUT_CONTINUE);
    assert_int_equal(env(f, FPU_FLDENV, DATA, 4), CALLOUT_CONTINUE);
    assert_memory_equal(f->v->abi.fx, before, 5);
    for (unsigned i = 0; i < 8; i++)
        assert_memory_equal(f->v->abi.fx + 32 + 16 * i, before + 32 + 16 * i, 10);
    __asm__ volatile("fninit");
}

static void fxsave_and_fxrstor(void **state) {
    struct fixture *f = *state;
    uint8_t before[512];
    load_host_state();
    park(f);
    memcpy(before, f->v->abi.fx, sizeof before);
    assert_fault(f, env(f, FPU_FXSAVE, DATA + 8, 4), VECTOR_GP, 0);
    memset(f->ram.host + DATA, 0xee, 512);
    assert_int_equal(env(f, FPU_FXSAVE, DATA, 4), CALLOUT_CONTINUE);
    assert_memory_equal(f->ram.host + DATA, before, 5);
    assert_int_equal(get32(f, DATA + 8), 0x11223344);
    assert_int_equal(get32(f, DATA + 12), 0);
    assert_memory_equal(f->ram.host + DATA + 24, before + 24, 4);
    assert_int_equal(get32(f, DATA + 28), get32_at(before + 28) & 0xffff); // no bit that only AMD's processors have
    assert_memory_equal(f->ram.host + DATA + 32, before + 32, 288 - 32);
    assert_int_equal(f->ram.host[DATA + 288], 0xee);
    memset(f->v->abi.fx, 0, 24);
    memset(f->v->abi.fx + 32, 0, 256);
    f->v->abi.fip = 0;
    assert_int_equal(env(f, FPU_FXRSTOR, DATA, 4), CALLOUT_CONTINUE);
    assert_memory_equal(f->v->abi.fx, before, 5);
    assert_memory_equal(f->v->abi.fx + 24, before + 24, 288 - 24);
    assert_int_equal(f->v->abi.fip, 0x11223344);
    put32(f, DATA + 24, 0xffffffff);
    assert_fault(f, env(f, FPU_FXRSTOR, DATA, 4), VECTOR_GP, 0);
    __asm__ volatile("fninit");
}

static void not_available(void **state) {
    struct fixture *f = *state;
    f->v->abi.cr0 |= CR0_TS;
    assert_fault(f, env(f, FPU_FXSAVE, DATA, 4), VECTOR_NM, 0);
    assert_fault(f, env(f, FPU_FNSAVE, DATA, 4), VECTOR_NM, 0);
    f->v->abi.cr0 ^= CR0_TS | CR0_EM;
    assert_fault(f, env(f, FPU_FXSAVE, DATA, 4), VECTOR_UD, 0);
    assert_fault(f, env(f, FPU_FLDENV, DATA, 4), VECTOR_NM, 0);
}

static void pending_exception(void **state) {
    struct fixture *f = *state;
    load_host_state();
    park(f);
    f->v->abi.fx[2] |= 0x84; // ES, ZE
    f->v->abi.fx[0] &= 0xfb;
    assert_fault(f, env(f, FPU_FLDENV, DATA, 4), VECTOR_MF, 0);
    assert_int_equal(env(f, FPU_FNSTENV, DATA, 4), CALLOUT_CONTINUE);
    assert_int_equal(f->v->abi.fx[2] & 0x80, 0); // masked now
    assert_fault(f, run(f, CALLOUT_FPU_MF, 0, 0, 0), VECTOR_MF, 0);
    __asm__ volatile("fninit");
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(fnstenv_32), TEST(fnstenv_16),         TEST(fnsave_and_frstor), TEST(fnsave_and_fldenv), TEST(real_mode),
        TEST(ldmxcsr),    TEST(fxsave_and_fxrstor), TEST(not_available),     TEST(pending_exception),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
