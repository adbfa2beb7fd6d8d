// Every block that the translator makes is accepted, by the verifier and by the second opinion: random guest bytes and
// real code in every mode. Arguments: files with guest code; those that cannot be read are left out.
#include "tests/verifier/confine.h"
#include "tests/verifier/corpus.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define RANDOM_BLOCKS 40000
#define FILE_BLOCKS   40000
#define SECONDS_MAX   20.0

static struct corpus_block block;
static int file_count;
static char **files;
static double verify_seconds;
static unsigned verified;

static void show(const char *who, const char *what, uint32_t at) {
    print_error("%s, +%#x: %s\nmode %#x, guest bytes:", who, at, what, block.check.mode);
    for (uint32_t i = 0; i < 24 && block.offset + i < 4096; i++)
        print_error(" %02x", block.page[block.offset + i]);
    print_error("\n");
}

static void check(struct corpus_random *r) {
    struct error err = {0};
    uint32_t at = 0;
    if (!corpus_translate(&block, r, &err)) {
        show("the translator", err.text, 0);
        fail();
    }
    double before = corpus_seconds();
    int accepted = verify_block(&block.check, &err);
    verify_seconds += corpus_seconds() - before;
    verified++;
    if (accepted < 0) {
        show("the verifier", err.text, 0);
        fail();
    }
    const char *wrong = confine_check(&block.check, &at);
    if (wrong) {
        show("the second opinion", wrong, at);
        fail();
    }
}

static void test_random_bytes(void **state) {
    (void)state;
    struct corpus_random r = {0x9e3779b97f4a7c15u};
    double end = corpus_seconds() + SECONDS_MAX;
    for (unsigned i = 0; i < RANDOM_BLOCKS && corpus_seconds() < end; i++) {
        corpus_fill_random(&block, &r);
        check(&r);
    }
}

static void test_real_code(void **state) {
    (void)state;
    struct corpus_random r = {0xd1b54a32d192ed03u};
    double end = corpus_seconds() + SECONDS_MAX;
    unsigned blocks = 0;
    for (unsigned i = 0; i < FILE_BLOCKS && file_count != 0 && corpus_seconds() < end; i++) {
        if (!corpus_fill_file(&block, &r, files[(int)i % file_count]))
            continue;
        check(&r);
        blocks++;
    }
    assert_true(blocks != 0);
    print_message("%u blocks, %.1f us each in the verifier\n", verified, verify_seconds / verified * 1e6);
}

int main(int argc, char **argv) {
    file_count = argc - 1;
    files = argv + 1;
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random_bytes), cmocka_unit_test(test_real_code)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
