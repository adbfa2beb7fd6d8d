// Every legacy encoding, by four prefixes, in direct and in soft code: it translates, within the bounds that block.c
// grants an instruction, and an independent decoder can read all of what comes out.
#include "translator/translator.h"

#include <capstone/capstone.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define OFFSET   0x10u
#define CODE_RX  0x10000000u
#define STUBS    0x0ff00000u
#define ONE_INSN 2048u // host bytes of one instruction and its tails, far from reached

static uint8_t page[4096], code[TRANSLATE_MAX_HOST];
static struct translate_output out;

static void print_bytes(const char *what) {
    char text[64] = "";
    for (unsigned i = 0; i < 8; i++)
        sprintf(text + 3 * i, "%02x ", page[OFFSET + i]);
    fail_msg("%s: %s", what, text);
}

static void check_readable(csh capstone, cs_insn *insn) {
    const uint8_t *at = code;
    size_t left = out.host_size;
    uint64_t address = CODE_RX;
    while (left != 0)
        if (!cs_disasm_iter(capstone, &at, &left, &address, insn))
            print_bytes("unreadable");
}

static void put(uint8_t prefix, unsigned map, unsigned opcode, unsigned modrm) {
    uint8_t *p = page + OFFSET;
    memset(p, 0x11, 24);
    if (prefix)
        *p++ = prefix;
    if (map)
        *p++ = 0x0f;
    if (map > 1)
        *p++ = map == 2 ? 0x38 : 0x3a;
    *p++ = (uint8_t)opcode;
    *p = (uint8_t)modrm;
}

static void check_all(uint32_t mode) {
    static const uint8_t prefixes[] = {0, 0x66, 0xf2, 0xf3};
    struct error err;
    csh capstone;
    struct translate_input in = {
        .page = page, .offset = OFFSET, .mode = mode, .code_rw = code, .code_rx = CODE_RX, .capacity = sizeof code};
    for (unsigned i = 0; i < STUB_COUNT; i++)
        in.stub[i] = STUBS + 16 * i;
    assert_int_equal(cs_open(CS_ARCH_X86, CS_MODE_64, &capstone), CS_ERR_OK);
    cs_insn *insn = cs_malloc(capstone);
    for (unsigned p = 0; p < sizeof prefixes; p++)
        for (unsigned at = 0; at < 4 * 65536; at++) {
            put(prefixes[p], at >> 16, at >> 8 & 0xff, at & 0xff);
            if (translate_block(&in, &out, &err) != TRANSLATE_OK)
                print_bytes(err.text);
            assert_true(out.host_size < ONE_INSN);
            check_readable(capstone, insn);
        }
    cs_free(insn, 1);
    cs_close(&capstone);
}

#define MODE (MODE_CODE32 | MODE_STACK32 | MODE_IOPL_OK | MODE_ONE)

static void test_direct(void **state) {
    (void)state;
    check_all(MODE);
}

static void test_soft(void **state) {
    (void)state;
    check_all(MODE | MODE_SOFT | 3u << MODE_CPL_SHIFT);
}

static void test_checked_16_bit(void **state) {
    (void)state;
    uint32_t checked = 0;
    for (unsigned seg = 0; seg < 6; seg++)
        checked |= (uint32_t)MODE_SEG_CHECKED << (MODE_SEG_SHIFT + 2 * seg);
    check_all(MODE_ONE | MODE_CS_CHECKED | checked);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_direct),
        cmocka_unit_test(test_soft),
        cmocka_unit_test(test_checked_16_bit),
    };
    return cmocka_run_group_tests_name("translator_encodings", tests, NULL, NULL);
}
