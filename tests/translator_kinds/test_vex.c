// Every VEX encoding with registers and two kinds of memory operand, in direct, soft and checked code: it translates,
// the verifier accepts what comes out, and it raises #UD exactly where it is not of AVX or AVX2, or where these are
// off.
#include "translator/translator.h"

#include <Zydis/Zydis.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define OFFSET  0x10u
#define CODE_RX 0x10000000u
#define STUBS   0x0ff00000u
#define MODE    (MODE_CODE32 | MODE_STACK32 | MODE_IOPL_OK | MODE_ONE)

static uint8_t page[4096], code[TRANSLATE_MAX_HOST];
static struct translate_output out;
static unsigned executed, undefined;

static void complain(const char *what) {
    char text[64] = "";
    for (unsigned i = 0; i < 8; i++)
        sprintf(text + 3 * i, "%02x ", page[OFFSET + i]);
    fail_msg("%s: %s", what, text);
}

// mov r9d, 6 (#UD)
static bool raises_ud(void) {
    static const uint8_t load[] = {0x41, 0xb9, 6, 0, 0, 0};
    for (uint32_t at = 0; at + sizeof load <= out.host_size; at++)
        if (!memcmp(code + at, load, sizeof load))
            return true;
    return false;
}

static bool is_announced(uint32_t mode) {
    const ZydisDecoder decoder = {.machine_mode =
                                      mode & MODE_CODE32 ? ZYDIS_MACHINE_MODE_LEGACY_32 : ZYDIS_MACHINE_MODE_LEGACY_16,
                                  .stack_width = mode & MODE_CODE32 ? ZYDIS_STACK_WIDTH_32 : ZYDIS_STACK_WIDTH_16};
    ZydisDecodedInstruction z;
    if (!ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&decoder, NULL, page + OFFSET, 15, &z)))
        return false;
    return (z.meta.isa_ext == ZYDIS_ISA_EXT_AVX || z.meta.isa_ext == ZYDIS_ISA_EXT_AVX2 ||
            z.meta.isa_ext == ZYDIS_ISA_EXT_AVX2GATHER) &&
           z.mnemonic != ZYDIS_MNEMONIC_VPCLMULQDQ;
}

static void check(uint32_t mode) {
    struct error err;
    struct translate_input in = {
        .page = page, .offset = OFFSET, .mode = mode, .code_rw = code, .code_rx = CODE_RX, .capacity = sizeof code};
    for (unsigned i = 0; i < STUB_COUNT; i++)
        in.stub[i] = STUBS + 16 * i;
    if (translate_block(&in, &out, &err) != TRANSLATE_OK)
        complain(err.text);
    const struct verify_input verify = {
        .code = code, .code_rx = CODE_RX, .size = out.host_size, .out = &out, .stub = in.stub, .mode = mode};
    if (verify_block(&verify, &err) < 0)
        complain(err.text);
    bool expected = (mode & MODE_AVX) && is_announced(mode);
    if (raises_ud() == expected)
        complain(expected ? "undefined" : "executed");
    executed += expected;
    undefined += !expected;
}

static void check_all(uint32_t mode) {
    static const uint8_t modrm[][2] = {{0xd1, 0x11}, {0x54, 0x24}, {0x0e, 0x11}}; // registers, [ESP+x], [ESI]
    for (unsigned at = 0; at < 3 * 256 * 256 * 3; at++) {
        unsigned last = at & 0xff, opcode = at >> 8 & 0xff, map = (at >> 16) % 3 + 1, form = (at >> 16) / 3;
        if ((last >> 3 & 15) != 13 && (last >> 3 & 15) != 15) // VEX.vvvv: XMM2, or none
            continue;
        for (unsigned reg = 0; reg < 8; reg++) {
            const uint8_t bytes[] = {0xc4,
                                     (uint8_t)(0xe0 | map),
                                     (uint8_t)last,
                                     (uint8_t)opcode,
                                     (uint8_t)((modrm[form][0] & 0xc7) | reg << 3),
                                     modrm[form][1],
                                     0x40,
                                     0xe3};
            memcpy(page + OFFSET, bytes, sizeof bytes);
            check(mode);
        }
    }
}

static void test_direct(void **state) {
    (void)state;
    executed = 0;
    check_all(MODE | MODE_AVX);
    assert_true(executed > 10000);
}

static void test_soft(void **state) {
    (void)state;
    check_all(MODE | MODE_AVX | MODE_SOFT | 3u << MODE_CPL_SHIFT);
}

static void test_checked_16_bit(void **state) {
    (void)state;
    uint32_t checked = 0;
    for (unsigned seg = 0; seg < 6; seg++)
        checked |= (uint32_t)MODE_SEG_CHECKED << (MODE_SEG_SHIFT + 2 * seg);
    check_all((MODE & ~(uint32_t)MODE_CODE32) | MODE_AVX | MODE_CS_CHECKED | checked);
}

static void test_off(void **state) {
    (void)state;
    executed = 0;
    check_all(MODE);
    assert_int_equal(executed, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_direct),
        cmocka_unit_test(test_soft),
        cmocka_unit_test(test_checked_16_bit),
        cmocka_unit_test(test_off),
    };
    return cmocka_run_group_tests_name("translator_vex", tests, NULL, NULL);
}
