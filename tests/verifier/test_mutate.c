// Single-byte changes: of every block of a corpus, each byte takes other values. The verifier refuses the changed
// block, or the second opinion (confine.c) finds it confined as well. First argument: seconds; the rest: files with
// guest code.
#include "tests/verifier/confine.h"
#include "tests/verifier/corpus.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define HOST_BYTES_MAX 400 // of a block in this corpus: the time goes with the square
#define ALL_VALUES_EVERY                                                                                               \
    8 // one block in so many gets all 255 values of every byte, the others the 8 bit flips and more
#define EXTRA_VALUES 4

static struct corpus_block block;
static double seconds = 20;
static int file_count;
static char **files;
static struct counts { unsigned long blocks, changes, accepted; } counts;

static void check_change(uint32_t at, uint8_t value) {
    struct error err;
    uint32_t where = 0;
    uint8_t old = block.code[at];
    if (value == old)
        return;
    block.code[at] = value;
    counts.changes++;
    if (verify_block(&block.check, &err) == 0) {
        counts.accepted++;
        const char *wrong = confine_check(&block.check, &where);
        if (wrong)
            fail_msg(
                "accepted, though at +%#x: %s (byte +%#x %02x instead of %02x, mode %#x, guest bytes %02x %02x %02x)",
                where, wrong, at, value, old, block.check.mode, block.page[block.offset],
                block.page[(block.offset + 1) & 4095], block.page[(block.offset + 2) & 4095]);
    }
    block.code[at] = old;
}

static void check_block(struct corpus_random *r, double end) {
    bool all = counts.blocks % ALL_VALUES_EVERY == 0;
    counts.blocks++;
    for (uint32_t at = 0; at < block.check.size && corpus_seconds() < end; at++) {
        uint8_t old = block.code[at];
        for (unsigned value = 0; all && value < 256; value++)
            check_change(at, (uint8_t)value);
        for (unsigned bit = 0; !all && bit < 8; bit++)
            check_change(at, (uint8_t)(old ^ 1u << bit));
        for (unsigned i = 0; !all && i < EXTRA_VALUES; i++)
            check_change(at, (uint8_t)corpus_next(r));
    }
}

static void test_single_byte_changes(void **state) {
    (void)state;
    struct corpus_random r = {0xbf58476d1ce4e5b9u};
    double end = corpus_seconds() + seconds;
    for (unsigned i = 0; corpus_seconds() < end; i++) {
        struct error err = {0};
        bool from_file = file_count != 0 && i % 2 == 0;
        if (!from_file || !corpus_fill_file(&block, &r, files[(int)(i / 2) % file_count]))
            corpus_fill_random(&block, &r);
        if (!corpus_translate(&block, &r, &err))
            fail_msg("%s", err.text);
        if (block.check.size > HOST_BYTES_MAX)
            continue;
        if (verify_block(&block.check, &err) < 0)
            fail_msg("the block itself: %s", err.text);
        check_block(&r, end);
    }
    print_message("%lu blocks, %lu changes, %lu of them accepted and confined\n", counts.blocks, counts.changes,
                  counts.accepted);
    assert_true(counts.changes > 1000);
}

int main(int argc, char **argv) {
    if (argc > 1)
        seconds = atof(argv[1]);
    file_count = argc > 2 ? argc - 2 : 0;
    files = argv + 2;
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_single_byte_changes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
