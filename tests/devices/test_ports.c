// The small ports: 80h, 92h, F4h.
#include "fixture.h"

#include "devices/debug_exit.h"
#include "devices/i8254.h"
#include "devices/mc146818.h"
#include "devices/nmitest.h"
#include "devices/port61.h"
#include "devices/port92.h"
#include "devices/post.h"

static void count(void *opaque) {
    ++*(unsigned *)opaque;
}

static void a20_changed(void *opaque, bool enabled) {
    (void)enabled;
    ++*(unsigned *)opaque;
}

static void test_port92(void **state) {
    (void)state;
    struct fixture f;
    fixture_create(&f);
    unsigned resets = 0;
    unsigned changes = 0;
    struct a20_gate gate = {.enabled = true, .changed = a20_changed, .opaque = &changes};
    struct port92 *port = port92_create(f.io, &gate, count, &resets, NULL);
    assert_int_equal(in8(&f, 0x92), 0x02);
    out8(&f, 0x92, 0x00);
    assert_false(gate.enabled);
    out8(&f, 0x92, 0x02);
    out8(&f, 0x92, 0x02);
    assert_true(gate.enabled);
    assert_int_equal(changes, 2);
    a20_gate_set(&gate, false); // the keyboard controller's way shows here too
    assert_int_equal(in8(&f, 0x92), 0x00);
    out8(&f, 0x92, 0x03);
    assert_int_equal(resets, 1);
    out8(&f, 0x92, 0x03); // only a rising bit
    assert_int_equal(resets, 1);
    assert_int_equal(in8(&f, 0x92), 0x03);
    port92_reset(port);
    assert_int_equal(in8(&f, 0x92), 0x02);
    out8(&f, 0x92, 0x01);
    assert_int_equal(resets, 2);
    port92_destroy(port);
    fixture_destroy(&f);
}

static void test_post(void **state) {
    (void)state;
    struct fixture f;
    fixture_create(&f);
    struct post_port *post = post_create(f.io, NULL);
    assert_int_equal(post_code(post), 0);
    out8(&f, 0x80, 0x55);
    assert_int_equal(post_code(post), 0x55);
    assert_int_equal(in8(&f, 0x80), 0x55);
    post_destroy(post);
    fixture_destroy(&f);
}

static void store(void *opaque, uint32_t value) {
    *(uint32_t *)opaque = value;
}

static void test_debug_exit(void **state) {
    (void)state;
    struct fixture f;
    fixture_create(&f);
    uint32_t value = 0;
    struct debug_exit *port = debug_exit_create(f.io, store, &value, NULL);
    out8(&f, 0xf4, 0x10);
    assert_int_equal(value, 0x10);
    io_bus_write(f.io, 0xf4, 4, 0x12345678);
    assert_int_equal(value, 0x12345678);
    io_bus_write(f.io, 0xf4, 2, 0x1234);
    assert_int_equal(value, 0x1234);
    assert_int_equal(in8(&f, 0xf4), 0);
    debug_exit_destroy(port);
    fixture_destroy(&f);
}

static void mask(void *opaque, bool masked) {
    port61_mask_nmi(opaque, masked);
}

// Channel checks reach the NMI line unless port 61h disables them or port 70h masks it.
static void test_channel_check(void **state) {
    (void)state;
    struct fixture f;
    fixture_create(&f);
    struct i8254 *pit = i8254_create(f.io, f.loop, (struct irq_line){0}, NULL);
    struct port61 *port61 = port61_create(f.io, f.loop, pit, fake_line(&f), NULL);
    struct mc146818 *rtc = mc146818_create(f.io, f.loop, (struct irq_line){0}, 0, NULL);
    mc146818_watch_nmi_mask(rtc, mask, port61);
    struct nmitest *test = nmitest_create(f.io, f.loop, port61, NULL);
    io_bus_write(f.io, NMITEST_PORT, 4, 0);
    assert_true(f.line.level);
    assert_int_equal(in8(&f, 0x61) & 0xc0, 0x40);
    out8(&f, 0x61, 0x08);
    assert_false(f.line.level);
    io_bus_write(f.io, NMITEST_PORT, 4, 0);
    assert_int_equal(in8(&f, 0x61) & 0xc8, 0x08);
    out8(&f, 0x61, 0);
    assert_false(f.line.level);
    io_bus_write(f.io, NMITEST_PORT, 4, 500); // in half a millisecond
    fixture_advance(&f, 499 * US);
    assert_false(f.line.level);
    out8(&f, 0x70, 0x80);
    fixture_advance(&f, 1 * US);
    assert_false(f.line.level);
    assert_int_equal(in8(&f, 0x61) & 0xc0, 0x40);
    out8(&f, 0x70, 0x00);
    assert_true(f.line.level);
    assert_int_equal(f.line.edges, 2);
    port61_reset(port61);
    assert_false(f.line.level);
    io_bus_write(f.io, NMITEST_PORT, 4, 500);
    io_bus_write(f.io, NMITEST_PORT, 4, NMITEST_NEVER);
    io_bus_write(f.io, NMITEST_PORT, 4, 500);
    nmitest_reset(test);
    fixture_advance(&f, 1 * MS);
    assert_int_equal(f.line.edges, 2);
    nmitest_destroy(test);
    mc146818_destroy(rtc);
    port61_destroy(port61);
    i8254_destroy(pit);
    fixture_destroy(&f);
}

// Two devices at one place: the second gets a clear error and no half-made device.
static void test_conflict(void **state) {
    (void)state;
    struct fixture f;
    fixture_create(&f);
    struct error err = {{0}};
    struct post_port *post = post_create(f.io, &err);
    assert_null(post_create(f.io, &err));
    assert_string_equal(err.text, "I/O port 0x80 is already taken");
    post_destroy(post);
    fixture_destroy(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_port92),        cmocka_unit_test(test_post),     cmocka_unit_test(test_debug_exit),
        cmocka_unit_test(test_channel_check), cmocka_unit_test(test_conflict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
