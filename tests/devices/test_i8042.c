// The keyboard controller: commands, A20, reset, Linux's probing with and without a keyboard.
#include "fixture.h"

#include "devices/i8042.h"

struct kbc_test {
    struct fixture f;
    struct a20_gate a20;
    struct i8042 *kbc;
    unsigned resets;
};

static void count_reset(void *opaque) {
    ((struct kbc_test *)opaque)->resets++;
}

static int setup_with(void **state, bool keyboard) {
    struct kbc_test *t = test_calloc(1, sizeof *t);
    fixture_create(&t->f);
    const struct i8042_config config = {
        .irq = fake_line(&t->f), .a20 = &t->a20, .reset = count_reset, .opaque = t, .keyboard = keyboard};
    t->kbc = i8042_create(t->f.io, &config, NULL);
    assert_non_null(t->kbc);
    *state = t;
    return 0;
}

static int setup(void **state) {
    return setup_with(state, true);
}

static int setup_without_keyboard(void **state) {
    return setup_with(state, false);
}

static int teardown(void **state) {
    struct kbc_test *t = *state;
    i8042_destroy(t->kbc);
    fixture_destroy(&t->f);
    test_free(t);
    return 0;
}

static bool has_data(struct kbc_test *t) {
    return in8(&t->f, 0x64) & 1;
}

// The answer of a controller command, without keyboard interrupt.
static uint8_t ask(struct kbc_test *t, uint8_t command) {
    out8(&t->f, 0x64, command);
    assert_true(has_data(t));
    return in8(&t->f, 0x60);
}

static void send(struct kbc_test *t, uint8_t byte) {
    out8(&t->f, 0x60, byte);
}

static void expect(struct kbc_test *t, uint8_t byte) {
    assert_true(has_data(t));
    assert_int_equal(in8(&t->f, 0x60), byte);
}

static void test_controller_commands(void **state) {
    struct kbc_test *t = *state;
    struct fixture *f = &t->f;
    assert_int_equal(in8(f, 0x64), 0x14);
    assert_int_equal(ask(t, 0xaa), 0x55);
    assert_int_equal(ask(t, 0xab), 0x00);
    out8(f, 0x64, 0x60);
    assert_int_equal(in8(f, 0x64) & 0x08, 0x08);
    send(t, 0x65);
    assert_int_equal(in8(f, 0x64) & 0x08, 0x00);
    assert_int_equal(ask(t, 0x20), 0x65);
    out8(f, 0x64, 0xad);
    assert_int_equal(ask(t, 0x20), 0x75);
    out8(f, 0x64, 0xae);
    assert_int_equal(ask(t, 0x20), 0x65);
    out8(f, 0x64, 0x7f);
    send(t, 0xa5);
    assert_int_equal(ask(t, 0x3f), 0xa5);
    assert_int_equal(ask(t, 0xc0), 0xb0);
    assert_int_equal(ask(t, 0xe0), 0x00);
    out8(f, 0x64, 0xd2);
    send(t, 0x1e);
    assert_true(f->line.level);
    expect(t, 0x1e);
    assert_false(f->line.level);
}

static void test_no_auxiliary_channel(void **state) {
    struct kbc_test *t = *state;
    out8(&t->f, 0x64, 0xd3); // Linux's loop test wants the answer marked as auxiliary (bit 5)
    send(t, 0x5a);
    assert_int_equal(in8(&t->f, 0x64) & 0x21, 0x01);
    expect(t, 0x5a);
    assert_int_equal(ask(t, 0xa9), 0x01);
    out8(&t->f, 0x64, 0xd4);
    send(t, 0xf4);
    assert_false(has_data(t));
}

static void test_a20(void **state) {
    struct kbc_test *t = *state;
    out8(&t->f, 0x64, 0xd1);
    send(t, 0xdf);
    assert_true(t->a20.enabled);
    assert_int_equal(ask(t, 0xd0) & 0x03, 0x03);
    out8(&t->f, 0x64, 0xd1);
    send(t, 0xdd);
    assert_false(t->a20.enabled);
    assert_int_equal(ask(t, 0xd0) & 0x03, 0x01);
    out8(&t->f, 0x64, 0xdf);
    assert_true(t->a20.enabled);
    out8(&t->f, 0x64, 0xdd);
    assert_false(t->a20.enabled);
    assert_int_equal(t->resets, 0);
}

static void test_reset_line(void **state) {
    struct kbc_test *t = *state;
    out8(&t->f, 0x64, 0xff);
    assert_int_equal(t->resets, 0);
    out8(&t->f, 0x64, 0xfe);
    assert_int_equal(t->resets, 1);
    out8(&t->f, 0x64, 0xd1);
    send(t, 0xde);
    assert_int_equal(t->resets, 2);
}

static void test_keyboard_probe(void **state) {
    struct kbc_test *t = *state;
    struct fixture *f = &t->f;
    send(t, 0xf2); // identify, translated
    assert_true(f->line.level);
    expect(t, 0xfa);
    assert_true(f->line.level); // the next byte is a new edge
    expect(t, 0xab);
    expect(t, 0x41);
    assert_false(has_data(t));
    assert_false(f->line.level);
    send(t, 0xed);
    expect(t, 0xfa);
    send(t, 0x07);
    expect(t, 0xfa);
    send(t, 0xee);
    expect(t, 0xee);
    send(t, 0xff);
    expect(t, 0xfa);
    expect(t, 0xaa);
    send(t, 0xf3);
    expect(t, 0xfa);
    send(t, 0x00);
    expect(t, 0xfa);
    send(t, 0xfe); // resend
    expect(t, 0xfa);
    send(t, 0x12); // not a command
    expect(t, 0xfe);
}

static void test_scancode_sets(void **state) {
    struct kbc_test *t = *state;
    out8(&t->f, 0x64, 0x60);
    send(t, 0x05); // no translation
    send(t, 0xf0);
    expect(t, 0xfa);
    send(t, 0x00);
    expect(t, 0xfa);
    expect(t, 0x02);
    send(t, 0xf0);
    expect(t, 0xfa);
    send(t, 0x03);
    expect(t, 0xfa);
    send(t, 0xf0);
    expect(t, 0xfa);
    send(t, 0x00);
    expect(t, 0xfa);
    expect(t, 0x03);
    send(t, 0xf2);
    expect(t, 0xfa);
    expect(t, 0xab);
    expect(t, 0x83);
}

static void test_keys(void **state) {
    struct kbc_test *t = *state;
    static const uint8_t enter[] = {0x5a, 0xf0, 0x5a};
    static const uint8_t right[] = {0xe0, 0x74, 0xe0, 0xf0, 0x74};
    assert_int_equal(i8042_type(t->kbc, enter, sizeof enter), 3);
    expect(t, 0x1c);
    expect(t, 0x9c);
    assert_int_equal(i8042_type(t->kbc, right, sizeof right), 5);
    expect(t, 0xe0);
    expect(t, 0x4d);
    expect(t, 0xe0);
    expect(t, 0xcd);
    assert_false(has_data(t));
    out8(&t->f, 0x64, 0x60);
    send(t, 0x05);
    i8042_type(t->kbc, enter, sizeof enter);
    expect(t, 0x5a);
    expect(t, 0xf0);
    expect(t, 0x5a);
    out8(&t->f, 0x64, 0xad); // clock held: it waits
    i8042_type(t->kbc, enter, 1);
    assert_false(has_data(t));
    out8(&t->f, 0x64, 0xae);
    expect(t, 0x5a);
    send(t, 0xf5); // scanning off
    expect(t, 0xfa);
    assert_int_equal(i8042_type(t->kbc, enter, 1), 0);
    send(t, 0xf4);
    expect(t, 0xfa);
    uint8_t many[200] = {0};
    assert_in_range(i8042_type(t->kbc, many, sizeof many), 16, 64);
}

static void test_without_keyboard(void **state) {
    struct kbc_test *t = *state;
    assert_int_equal(ask(t, 0xaa), 0x55);
    out8(&t->f, 0x64, 0x60);
    send(t, 0x47);
    send(t, 0xf2);
    assert_int_equal(in8(&t->f, 0x64) & 0x41, 0x41); // a time-out, at once
    assert_true(t->f.line.level);
    expect(t, 0xfe);
    assert_int_equal(in8(&t->f, 0x64) & 0x41, 0x00);
    assert_int_equal(i8042_type(t->kbc, (const uint8_t[]){0x5a}, 1), 0);
}

static void test_reset(void **state) {
    struct kbc_test *t = *state;
    send(t, 0xf2);
    out8(&t->f, 0x64, 0xd1);
    i8042_reset(t->kbc);
    assert_int_equal(in8(&t->f, 0x64), 0x14);
    assert_false(t->f.line.level);
    assert_int_equal(ask(t, 0x20), 0x45);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_controller_commands),
        TEST(test_no_auxiliary_channel),
        TEST(test_a20),
        TEST(test_reset_line),
        TEST(test_keyboard_probe),
        TEST(test_scancode_sets),
        TEST(test_keys),
        cmocka_unit_test_setup_teardown(test_without_keyboard, setup_without_keyboard, teardown),
        TEST(test_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
