// Parsing of the options of `ringshade run` and of their values.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "app/options.h"
#include "app/output_file.h"
#include "app/parse.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ARGS_MAX 64

// Splits at '|' into a copy, since parsing may write into its arguments.
static int parse(struct run_options *options, const char *line, struct ringshade_error *err) {
    static char copy[4096];
    char *argv[ARGS_MAX] = {"run"};
    int argc = 1;
    strcpy(copy, line);
    for (char *at = strtok(copy, "|"); at && argc < ARGS_MAX - 1; at = strtok(NULL, "|"))
        argv[argc++] = at;
    return options_parse(options, argc, argv, err);
}

static void assert_refused(const char *line, const char *text) {
    struct run_options options;
    struct ringshade_error err = {""};
    assert_int_equal(parse(&options, line, &err), -1);
    if (!strstr(err.text, text))
        fail_msg("'%s' gives: %s", line, err.text);
}

static void test_clock(void **state) {
    (void)state;
    struct run_options o;
    struct ringshade_error err;
    assert_int_equal(parse(&o, "--kernel|k", &err), 0);
    assert_int_equal(o.config.clock, RINGSHADE_CLOCK_HOST);
    assert_true(o.config.rtc == RINGSHADE_RTC_DEFAULT);
    assert_int_equal(parse(&o, "--kernel|k|--clock|virtual|--hash-every|1M:h|--hash-memory|1G|--stop-after|42", &err),
                     0);
    assert_int_equal(o.config.clock, RINGSHADE_CLOCK_VIRTUAL);
    assert_true(o.config.hash_every == 1000000 && o.config.hash_memory == 1000000000 && o.config.stop_after == 42);
    assert_string_equal(o.hash_path, "h");
    static const struct {
        const char *text;
        int64_t seconds;
    } times[] = {{"0", 0},
                 {"@1735689600", 1735689600},
                 {"2025-01-01", 1735689600},
                 {"2024-02-29T23:59:59Z", 1709251199},
                 {"1970-01-01 00:01", 60},
                 {"2100-03-01", 4107542400}};
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        int64_t seconds = -1;
        assert_int_equal(parse_time(times[i].text, &seconds, &err), 0);
        assert_true(seconds == times[i].seconds);
    }
    static const char *const bad[] = {"",           "now",        "2025-02-29",       "2025-13-01", "1969-12-31",
                                      "2025-1-1",   "-1",         "2025-01-01T24:00", "@",          "2025-01-01T10:00x",
                                      "2025-01-00", "0000-01-01", "12345678901234"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int64_t seconds;
        assert_int_equal(parse_time(bad[i], &seconds, &err), -1);
    }
    assert_refused("--kernel|k|--clock|fast", "not a clock");
    assert_refused("--kernel|k|--stop-after|5", "need --clock virtual");
    assert_refused("--kernel|k|--clock|virtual|--hash-every|5", "file name behind a colon");
    assert_refused("--kernel|k|--clock|virtual|--stop-after|0", "not a count");
    assert_refused("--kernel|k|--clock|virtual|--stop-after|1T", "not a count");
}

static void test_everything(void **state) {
    (void)state;
    struct run_options o;
    struct ringshade_error err;
    assert_int_equal(parse(&o,
                           "--kernel|k|--initrd|i|--append|a b|--memory|512|--serial|file:out:1|--mmu|soft|--verify|"
                           "--stats|s.json|--log|blocks,mmu:log.txt|--no-link|--no-reboot|--timeout|1.5|--dma-test|--"
                           "nmi-test|--hypercalls|"
                           "--cpu|smap,avx,smep|--ablate|retain,code-map|--module|m1 x y|--module=m2",
                           &err),
                     0);
    assert_string_equal(o.guest.kernel, "k");
    assert_string_equal(o.guest.initrd, "i");
    assert_string_equal(o.guest.append, "a b");
    assert_true(o.config.memory == 512u << 20);
    assert_int_equal(o.config.serial, RINGSHADE_SERIAL_FILE);
    assert_string_equal(o.config.serial_path, "out:1");
    assert_int_equal(o.config.mmu, RINGSHADE_MMU_SOFT);
    assert_true(o.config.verify && o.config.no_link && o.config.no_reboot && o.config.dma_test && o.config.nmi_test);
    assert_true(o.config.smep && o.config.smap && o.config.avx && o.config.hypercalls);
    assert_int_equal(o.config.ablate, RINGSHADE_ABLATE_RETAIN | RINGSHADE_ABLATE_CODE_MAP);
    assert_string_equal(o.stats_path, "s.json");
    assert_string_equal(o.config.log_topics, "blocks,mmu");
    assert_string_equal(o.log_path, "log.txt");
    assert_true(o.config.timeout == 1.5);
    assert_int_equal(o.guest.module_count, 2);
    assert_string_equal(o.guest.modules[0].path, "m1");
    assert_string_equal(o.guest.modules[0].args, "x y");
    assert_string_equal(o.guest.modules[1].path, "m2");
    assert_null(o.guest.modules[1].args);
}

static void test_defaults(void **state) {
    (void)state;
    struct run_options o;
    struct ringshade_error err;
    assert_int_equal(parse(&o, "--kernel|k", &err), 0);
    assert_true(o.config.memory == 256u << 20);
    assert_int_equal(o.config.serial, RINGSHADE_SERIAL_STDIO);
    assert_int_equal(o.config.mmu, RINGSHADE_MMU_ADAPTIVE);
    assert_true(o.config.timeout == 0);
    assert_null(o.config.log_topics);
    assert_false(o.config.verify || o.config.no_link || o.config.no_reboot || o.config.dma_test || o.config.nmi_test);
    assert_false(o.config.smep || o.config.smap || o.config.avx || o.config.hypercalls);
    assert_int_equal(o.config.ablate, 0);
    assert_int_equal(parse(&o, "--kernel|k|--ablate|all", &err), 0);
    assert_int_equal(o.config.ablate, RINGSHADE_ABLATE_ALL);
    assert_refused("--kernel|k|--ablate|retain,", "not a list of techniques");
    assert_refused("--kernel|k|--ablate|code", "not a list of techniques");
    assert_int_equal(parse(&o, "--kernel|k|--cpu|smep", &err), 0);
    assert_true(o.config.smep && !o.config.smap && !o.config.avx);
    assert_int_equal(parse(&o, "--kernel|k|--cpu|smep,", &err), -1);
    assert_int_equal(parse(&o, "--kernel|k|--cpu|avx2", &err), -1);
}

static void test_last_one_counts(void **state) {
    (void)state;
    struct run_options o;
    struct ringshade_error err;
    assert_int_equal(parse(&o, "--kernel|a|--kernel|b|--serial|file:x|--serial|null|--log|mmu:f|--log|all", &err), 0);
    assert_string_equal(o.guest.kernel, "b");
    assert_null(o.config.serial_path);
    assert_null(o.log_path);
}

static void test_help_needs_no_kernel(void **state) {
    (void)state;
    struct run_options o;
    struct ringshade_error err;
    assert_int_equal(parse(&o, "--help", &err), 0);
    assert_true(o.help);
}

static void test_refused(void **state) {
    (void)state;
    assert_refused("--memory|64M", "no kernel given");
    assert_refused("--kernel", "option '--kernel' needs a value");
    assert_refused("--kernel|k|--nonsense", "unknown option '--nonsense'");
    assert_refused("--kernel|k|--nonsense=3", "unknown option '--nonsense=3'");
    assert_refused("--kernel|k|-x", "unknown option '-x'");
    assert_refused("--kernel|k|--verify=1", "option '--verify=1' takes no value");
    assert_refused("--kernel|k|--no-", "unknown option '--no-'"); // ambiguous
    assert_refused("--kernel|k|stray", "unexpected argument 'stray'");
    assert_refused("--kernel|k|--memory|lots", "'lots' is not a size");
    assert_refused("--kernel|k|--memory|3M", "--memory 3M is not between 4M and 3584M");
    assert_refused("--kernel|k|--memory|4G", "--memory 4G is not between");
    assert_refused("--kernel|k|--serial|com1", "'com1' is not a serial port");
    assert_refused("--kernel|k|--serial|file:", "'file:' is not a serial port");
    assert_refused("--kernel|k|--mmu|hard", "'hard' is not a form of the MMU");
    assert_refused("--kernel|k|--gdb-no-wait", "--gdb-no-wait needs --gdb");
    assert_refused("--kernel|k|--timeout|soon", "'soon' is not a number of seconds");
    assert_refused("--kernel|k|--timeout|0", "0 seconds are not between");
    assert_refused("--kernel|k|--log|mmu:", "--log needs a file name");
    assert_refused("--kernel|k|--module| args", "--module needs a file name");
}

static void test_empty_names(void **state) {
    (void)state;
    static char kernel[] = "--kernel", empty[] = "", run[] = "run";
    char *argv[] = {run, kernel, empty, NULL};
    struct run_options o;
    struct ringshade_error err;
    assert_int_equal(options_parse(&o, 3, argv, &err), -1);
    assert_string_equal(err.text, "--kernel needs a file name");
}

static void test_too_many_modules(void **state) {
    (void)state;
    char line[1024] = "--kernel|k";
    for (int i = 0; i < RINGSHADE_MODULES_MAX; i++)
        strcat(line, "|--module=m");
    struct run_options o;
    struct ringshade_error err;
    assert_int_equal(parse(&o, line, &err), 0);
    strcat(line, "|--module=m");
    assert_refused(line, "more than 32 modules");
}

static void test_sizes(void **state) {
    (void)state;
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {{"64", 64u << 20}, {"64M", 64u << 20}, {"64m", 64u << 20}, {"4096K", 4u << 20},
                {"1G", 1u << 30},  {"1g", 1u << 30},   {"0", 0},           {"4194304k", 4ull << 30}};
    static const char *const bad[] = {"", "M", "-1", "+1", " 1", "1 ", "1MB", "1T", "0x10", "1.5G", "99999999999"};
    struct ringshade_error err;
    uint64_t bytes;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(parse_size(good[i].text, &bytes, &err), 0);
        assert_true(bytes == good[i].bytes);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(parse_size(bad[i], &bytes, &err), -1);
}

static void test_seconds(void **state) {
    (void)state;
    static const char *const bad[] = {"", ".", "1.2.3", "1e3", "inf", "nan", "-1", "0.0", "99999999999", "5s", "0x5"};
    struct ringshade_error err;
    double seconds;
    assert_int_equal(parse_seconds(".25", &seconds, &err), 0);
    assert_true(seconds == 0.25);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(parse_seconds(bad[i], &seconds, &err), -1);
}

static void test_output_files(void **state) {
    (void)state;
    struct ringshade_error err;
    struct output_file file;
    struct stat st;
    char path[] = "/tmp/ringshade-output-XXXXXX";
    int fd = mkstemp(path);
    assert_int_equal(write(fd, "old", 3), 3);
    close(fd);
    // An existing file keeps its bytes until the run begins, and stays when nothing is run.
    assert_int_equal(output_file_open(&file, "log file", path, &err), 0);
    output_file_discard(&file);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, 3);
    assert_int_equal(output_file_open(&file, "log file", path, &err), 0);
    output_file_begin(&file);
    assert_int_equal(output_file_close(&file, &err), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, 0);
    unlink(path);
    // A new one goes when nothing is run.
    assert_int_equal(output_file_open(&file, "log file", path, &err), 0);
    output_file_discard(&file);
    assert_int_equal(stat(path, &st), -1);
    assert_int_equal(output_file_open(&file, "log file", "/nonexistent/log", &err), -1);
    assert_string_equal(err.text, "log file /nonexistent/log: cannot open for writing: No such file or directory");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clock),
        cmocka_unit_test(test_everything),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_last_one_counts),
        cmocka_unit_test(test_help_needs_no_kernel),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_empty_names),
        cmocka_unit_test(test_too_many_modules),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_seconds),
        cmocka_unit_test(test_output_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
