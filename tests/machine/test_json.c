// The JSON writer, read back by a strict reader.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "machine/json.h"
#include "tests/machine/json_check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct buffer {
    char *text;
    size_t size;
    struct json json;
};

static void begin(struct buffer *b) {
    *b = (struct buffer){0};
    b->json.out = open_memstream(&b->text, &b->size);
    json_begin(&b->json, NULL);
}

static void finish(struct buffer *b) {
    json_end(&b->json);
    fclose(b->json.out);
    if (!json_is_valid(b->text))
        fail_msg("not JSON: %s", b->text);
}

static void assert_contains(struct buffer *b, const char *part) {
    if (!strstr(b->text, part))
        fail_msg("%s is not in: %s", part, b->text);
}

static void test_members(void **state) {
    (void)state;
    struct buffer b;
    begin(&b);
    json_u64(&b.json, "big", UINT64_MAX);
    json_bool(&b.json, "yes", true);
    json_null(&b.json, "nothing");
    json_begin(&b.json, "empty");
    json_end(&b.json);
    json_begin(&b.json, "inner");
    json_real(&b.json, "half", 0.5);
    json_end(&b.json);
    json_text(&b.json, "last", "end");
    finish(&b);
    assert_contains(&b, "\"big\": 18446744073709551615");
    assert_contains(&b, "\"half\": 0.500000");
    assert_contains(&b, "\"empty\": {}");
    free(b.text);
}

static void test_empty(void **state) {
    (void)state;
    struct buffer b;
    begin(&b);
    finish(&b);
    assert_string_equal(b.text, "{}\n");
    free(b.text);
}

static void test_numbers_that_json_lacks(void **state) {
    (void)state;
    struct buffer b;
    begin(&b);
    json_real(&b.json, "nan", NAN);
    json_real(&b.json, "inf", INFINITY);
    json_real(&b.json, "negative", -1);
    finish(&b);
    assert_contains(&b, "\"nan\": null");
    assert_contains(&b, "\"inf\": null");
    free(b.text);
}

static void test_escapes(void **state) {
    (void)state;
    struct buffer b;
    begin(&b);
    json_text(&b.json, "quote \" and \\", "line\nbell\a del\x7f");
    json_text(&b.json, "good", "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80");
    json_text(&b.json, "bad", "\xff|\xc3|\xc0\xaf|\xed\xa0\x80|\xf4\x90\x80\x80|\x80");
    finish(&b);
    assert_contains(&b, "\"quote \\\" and \\\\\": \"line\\u000abell\\u0007 del\\u007f\"");
    assert_contains(&b, "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80");
    assert_contains(&b,
                    "\"\\ufffd|\\ufffd|\\ufffd\\ufffd|\\ufffd\\ufffd\\ufffd|\\ufffd\\ufffd\\ufffd\\ufffd|\\ufffd\"");
    free(b.text);
}

static void test_the_reader_is_strict(void **state) {
    (void)state;
    static const char *const bad[] = {"",   "{",  "{\"a\":1,}", "{\"a\" 1}", "{a:1}",
                                      "01", "1.", "\"\n\"",     "{} {}",     "nul"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(json_is_valid(bad[i]));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_numbers_that_json_lacks),
        cmocka_unit_test(test_escapes),
        cmocka_unit_test(test_the_reader_is_strict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
