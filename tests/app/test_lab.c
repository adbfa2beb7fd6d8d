// The laboratory's judgement, on runs that are made up here: verdicts, and UMIP as seen.
#include "app/lab_bare.h"
#include "app/lab_verdict.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct lab_program *program(const char *name) {
    for (size_t i = 0; i < lab_program_count; i++)
        if (!strcmp(lab_programs[i].name, name))
            return &lab_programs[i];
    fail_msg("no program %s", name);
    return NULL;
}

static struct lab_run store(bool wide, uint16_t limit, uint64_t base) {
    struct lab_run run = {.end = LAB_ENDED, .state = {.wide = wide}};
    memcpy(run.state.data, &limit, 2);
    memcpy(run.state.data + 2, &base, 8);
    return run;
}

static void umip_is_seen_by_what_sgdt_gives(void **state) {
    (void)state;
    struct lab_run run = store(true, 0x7f, 0xffff800004005000);
    assert_int_equal(lab_umip_seen(&run), LAB_UMIP_UNSEEN);
    run = store(true, 0, 0xfffffffffffe0000);
    assert_int_equal(lab_umip_seen(&run), LAB_UMIP_FAKED);
    run = store(false, 0, 0xfffe0000);
    assert_int_equal(lab_umip_seen(&run), LAB_UMIP_FAKED);
    run = store(false, 0x7f, 0xfffe0000); // a table of that address, with a limit
    assert_int_equal(lab_umip_seen(&run), LAB_UMIP_UNSEEN);
    run.end = LAB_TRAPPED;
    assert_int_equal(lab_umip_seen(&run), LAB_UMIP_TRAPS);
    run.end = LAB_NOT_RUN;
    assert_int_equal(lab_umip_seen(&run), LAB_UMIP_UNSEEN);
}

static void a_faked_answer_is_wrong_and_a_hosts_one_leaks(void **state) {
    (void)state;
    const struct lab_program *sgdt = program("sgdt");
    struct lab_run bare, host = store(true, 0x7f, 0xffff800004005000), fake = store(true, 0, 0xfffffffffffe0000);
    lab_bare_run(sgdt, &bare);
    assert_int_equal(lab_verdict_of_child(sgdt, &bare, &host, LAB_UMIP_UNSEEN), LAB_LEAKS);
    assert_int_equal(lab_verdict_of_child(sgdt, &bare, &fake, LAB_UMIP_FAKED), LAB_WRONG);
    fake.end = LAB_TRAPPED;
    assert_int_equal(lab_verdict_of_child(sgdt, &bare, &fake, LAB_UMIP_TRAPS), LAB_TRAPS);
    fake.end = LAB_STRAYED;
    assert_int_equal(lab_verdict_of_child(sgdt, &bare, &fake, LAB_UMIP_UNSEEN), LAB_WRONG);
    fake.end = LAB_NOT_RUN;
    assert_int_equal(lab_verdict_of_child(sgdt, &bare, &fake, LAB_UMIP_UNSEEN), LAB_NO_VERDICT);
    assert_int_equal(lab_verdict_of_child(sgdt, &bare, &bare, LAB_UMIP_UNSEEN), LAB_RIGHT);
}

// A base that agrees in its lower half is not the guest's base.
static void all_of_a_wide_base_counts(void **state) {
    (void)state;
    const struct lab_program *sgdt = program("sgdt");
    struct lab_run bare, host = store(true, LAB_GDT_SIZE - 1, 0xffff800000000000 | LAB_GDT);
    lab_bare_run(sgdt, &bare);
    assert_int_equal(lab_verdict_of_child(sgdt, &bare, &host, LAB_UMIP_UNSEEN), LAB_LEAKS);
}

static void one_other_byte_is_not_right(void **state) {
    (void)state;
    struct lab_run bare, guest;
    lab_bare_run(program("iret"), &bare);
    guest = bare;
    assert_int_equal(lab_verdict_of_guest(&bare, &guest), LAB_RIGHT);
    guest.output[LAB_OUTPUT_SIZE - 1] ^= 1;
    assert_int_equal(lab_verdict_of_guest(&bare, &guest), LAB_WRONG);
    guest.end = LAB_NOT_RUN;
    assert_int_equal(lab_verdict_of_guest(&bare, &guest), LAB_NO_VERDICT);
}

static void where_a_program_stopped(void **state) {
    (void)state;
    const struct lab_program *iret = program("iret");
    uint64_t at = lab_image_address(iret->at), end = lab_image_address(iret->end);
    assert_int_equal(lab_end_of(iret, end + 1, false), LAB_ENDED);
    assert_int_equal(lab_end_of(iret, at, true), LAB_TRAPPED);
    assert_int_equal(lab_end_of(iret, at + 1, true), LAB_STRAYED);
    assert_int_equal(lab_end_of(iret, at, false), LAB_STRAYED);
    assert_int_equal(lab_end_of(iret, end + 1 + (1ull << 32), false), LAB_STRAYED);
}

// Each program has a record, which is what the manual says; each with bytes of 32-bit code alone has a twin without.
static void records_and_twins(void **state) {
    (void)state;
    for (size_t i = 0; i < lab_program_count; i++) {
        struct lab_run bare;
        lab_bare_run(&lab_programs[i], &bare);
        assert_int_equal(bare.end, LAB_ENDED);
        assert_true(lab_program_by_manual(&lab_programs[i], &bare.state));
        assert_int_equal(lab_programs[i].only_32, lab_programs[i].twin != NULL);
        if (lab_programs[i].twin)
            assert_false(program(lab_programs[i].twin)->only_32);
    }
}

static void values_as_text(void **state) {
    (void)state;
    struct lab_state flags = {.eax = 0x3202, .eflags = 0x40};
    char text[64];
    lab_value_text(&program("popf")->values[0], &flags, text, sizeof text);
    assert_string_equal(text, "if=1 iopl=3");
    lab_value_text(&program("verr")->values[0], &flags, text, sizeof text);
    assert_string_equal(text, "zf=1");
    lab_value_text(&program("pushf")->values[0], &flags, text, sizeof text);
    assert_string_equal(text, "eflags=3202");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(umip_is_seen_by_what_sgdt_gives),
        cmocka_unit_test(a_faked_answer_is_wrong_and_a_hosts_one_leaks),
        cmocka_unit_test(all_of_a_wide_base_counts),
        cmocka_unit_test(one_other_byte_is_not_right),
        cmocka_unit_test(where_a_program_stopped),
        cmocka_unit_test(records_and_twins),
        cmocka_unit_test(values_as_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
