// The interval timer: the six modes of a counter, its reading, IRQ 0 and the bounded catch-up (PITFALLS 15).
#include "fixture.h"

#include "devices/i8254.h"
#include "devices/i8254_counter.h"
#include "devices/i8259.h"
#include "devices/port61.h"

// One counter alone, in ticks.

static struct i8254_counter counter_with(uint8_t mode, uint16_t count, bool gate, uint64_t now) {
    struct i8254_counter c = {.gate = gate};
    counter_control(&c, (uint8_t)(0x30 | mode << 1));
    counter_write(&c, (uint8_t)count, now);
    counter_write(&c, (uint8_t)(count >> 8), now);
    return c;
}

static uint32_t read16(struct i8254_counter *c, uint64_t now) {
    uint32_t low = counter_read(c, now);
    return low | (uint32_t)counter_read(c, now) << 8;
}

static void test_mode0(void **state) {
    (void)state;
    struct i8254_counter c = counter_with(0, 10, true, 100);
    assert_false(counter_out(&c, 100));
    assert_int_equal(read16(&c, 101), 10); // loaded with the next clock
    assert_int_equal(read16(&c, 105), 6);
    assert_false(counter_out(&c, 110));
    assert_true(counter_out(&c, 111));
    assert_int_equal(read16(&c, 112), 0xffff); // goes on counting
    assert_true(counter_out(&c, 100000000));
    assert_int_equal(counter_next_edge(&c, 100), 111);
    assert_int_equal(counter_next_edge(&c, 111), I8254_NO_TICK);
    assert_int_equal(counter_edges(&c, 110, 111), 1);
    assert_int_equal(counter_edges(&c, 111, 1000000), 0);
    // The gate only inhibits counting.
    c = counter_with(0, 10, true, 0);
    counter_set_gate(&c, false, 5);
    assert_int_equal(read16(&c, 1000), 6);
    counter_set_gate(&c, true, 1000);
    assert_false(counter_out(&c, 1005));
    assert_true(counter_out(&c, 1006));
    // The first byte of a new count stops it.
    counter_write(&c, 5, 2000);
    assert_false(counter_out(&c, 3000));
    counter_write(&c, 0, 3000);
    assert_false(counter_out(&c, 3005));
    assert_true(counter_out(&c, 3006));
}

static void test_mode1(void **state) {
    (void)state;
    struct i8254_counter c = counter_with(1, 20, false, 0);
    assert_true(counter_out(&c, 100));
    counter_set_gate(&c, true, 100);
    assert_false(counter_out(&c, 101));
    assert_false(counter_out(&c, 120));
    assert_true(counter_out(&c, 121));
    counter_set_gate(&c, false, 130);
    counter_set_gate(&c, true, 140);
    counter_set_gate(&c, false, 145);
    counter_set_gate(&c, true, 150); // retriggered
    assert_false(counter_out(&c, 170));
    assert_true(counter_out(&c, 171));
}

static void test_mode2(void **state) {
    (void)state;
    struct i8254_counter c = counter_with(2, 4, true, 0); // loaded at 1
    static const uint8_t counts[] = {4, 3, 2, 1, 4, 3, 2, 1};
    for (unsigned i = 0; i < sizeof counts; i++) {
        assert_int_equal(read16(&c, 1 + i), counts[i]);
        assert_int_equal(counter_out(&c, 1 + i), counts[i] != 1);
    }
    assert_int_equal(counter_next_edge(&c, 1), 5);
    assert_int_equal(counter_next_edge(&c, 5), 9);
    assert_int_equal(counter_edges(&c, 1, 41), 10);
    counter_set_gate(&c, false, 43);
    assert_true(counter_out(&c, 44)); // high at once, wherever it was
    assert_int_equal(counter_next_edge(&c, 44), I8254_NO_TICK);
    counter_set_gate(&c, true, 50); // starts anew
    assert_int_equal(read16(&c, 51), 4);
    assert_int_equal(counter_next_edge(&c, 51), 55);
}

static void test_mode2_new_count_waits(void **state) {
    (void)state;
    struct i8254_counter c = counter_with(2, 100, true, 0);
    counter_write(&c, 10, 50);
    counter_write(&c, 0, 50);
    counter_latch_status(&c, 60);
    assert_int_equal(counter_read(&c, 60) & 0x40, 0x40); // null count
    assert_int_equal(read16(&c, 61), 40);
    assert_int_equal(counter_edges(&c, 60, 121), 3); // at 101, 111, 121
    assert_int_equal(read16(&c, 101 + 13), 7);
    counter_latch_status(&c, 120);
    assert_int_equal(counter_read(&c, 120) & 0x40, 0);
    assert_int_equal(counter_next_edge(&c, 121), 131);
}

static void test_mode3(void **state) {
    (void)state;
    struct i8254_counter c = counter_with(3, 6, true, 0);
    static const uint8_t even[] = {6, 4, 2, 6, 4, 2, 6};
    for (unsigned i = 0; i < sizeof even; i++) {
        assert_int_equal(read16(&c, 1 + i), even[i]);
        assert_int_equal(counter_out(&c, 1 + i), i % 6 < 3);
    }
    c = counter_with(3, 5, true, 0);
    static const uint8_t odd[] = {4, 2, 0, 4, 2, 4};
    for (unsigned i = 0; i < sizeof odd; i++) {
        assert_int_equal(read16(&c, 1 + i), odd[i]);
        assert_int_equal(counter_out(&c, 1 + i), i % 5 < 3);
    }
    c = counter_with(3, 0, true, 0); // 65536
    assert_int_equal(counter_next_edge(&c, 1), 65537);
    assert_int_equal(read16(&c, 1), 0);
    assert_true(counter_out(&c, 32768));
    assert_false(counter_out(&c, 32769));
}

static void test_mode4(void **state) {
    (void)state;
    struct i8254_counter c = counter_with(4, 10, true, 100);
    assert_true(counter_out(&c, 110));
    assert_false(counter_out(&c, 111)); // the strobe: one clock
    assert_true(counter_out(&c, 112));
    assert_int_equal(counter_next_edge(&c, 100), 112);
    counter_write(&c, 20, 105); // rewritten before the end: starts anew
    counter_write(&c, 0, 105);
    assert_int_equal(counter_next_edge(&c, 106), 127);
}

static void test_mode5(void **state) {
    (void)state;
    struct i8254_counter c = counter_with(5, 10, false, 0);
    assert_int_equal(counter_next_edge(&c, 50), I8254_NO_TICK);
    counter_set_gate(&c, true, 100);
    assert_true(counter_out(&c, 110));
    assert_false(counter_out(&c, 111));
    assert_true(counter_out(&c, 112));
}

static void test_latches(void **state) {
    (void)state;
    struct i8254_counter c = counter_with(2, 0x1234, true, 0);
    counter_latch_count(&c, 1);
    counter_latch_count(&c, 500); // ignored until the first is read
    assert_int_equal(read16(&c, 1000), 0x1234);
    assert_int_equal(read16(&c, 2), 0x1233); // live again
    counter_latch_count(&c, 1);
    counter_latch_status(&c, 1);
    assert_int_equal(counter_read(&c, 1), 0xb4); // OUT high, both bytes, mode 2; status comes first
    assert_int_equal(read16(&c, 1000), 0x1234);
}

static void test_bcd_and_access_modes(void **state) {
    (void)state;
    struct i8254_counter c = {.gate = true};
    counter_control(&c, 0x35); // both bytes, mode 2, BCD
    counter_write(&c, 0x00, 0);
    counter_write(&c, 0x10, 0); // 1000
    assert_int_equal(read16(&c, 1), 0x1000);
    assert_int_equal(read16(&c, 2), 0x0999);
    assert_int_equal(counter_next_edge(&c, 1), 1001);
    counter_control(&c, 0x31); // mode 0, BCD, count 0 is 10000
    counter_write(&c, 0, 0);
    counter_write(&c, 0, 0);
    assert_int_equal(counter_next_edge(&c, 0), 10001);
    assert_int_equal(read16(&c, 2), 0x9999);
    counter_control(&c, 0x14); // low byte only, mode 2
    counter_write(&c, 0x40, 0);
    assert_int_equal(counter_next_edge(&c, 0), 0x41);
    assert_int_equal(counter_read(&c, 2), 0x3f);
    assert_int_equal(counter_read(&c, 3), 0x3e);
    counter_control(&c, 0x24); // high byte only
    counter_write(&c, 0x40, 0);
    assert_int_equal(counter_next_edge(&c, 0), 0x4001);
    assert_int_equal(counter_read(&c, 2), 0x3f);
    counter_control(&c, 0x3e); // mode 7 is mode 3
    assert_int_equal(c.mode, 3);
}

// The device.

struct pit_test {
    struct fixture f;
    struct i8254 *pit;
};

static int setup(void **state) {
    struct pit_test *t = test_calloc(1, sizeof *t);
    fixture_create(&t->f);
    t->pit = i8254_create(t->f.io, t->f.loop, fake_line_maskable(&t->f), NULL);
    assert_non_null(t->pit);
    *state = t;
    return 0;
}

static int teardown(void **state) {
    struct pit_test *t = *state;
    i8254_destroy(t->pit);
    fixture_destroy(&t->f);
    test_free(t);
    return 0;
}

static void program(struct fixture *f, uint8_t control, uint16_t count) {
    out8(f, 0x43, control);
    out8(f, (uint16_t)(0x40 + (control >> 6)), (uint8_t)count);
    out8(f, (uint16_t)(0x40 + (control >> 6)), (uint8_t)(count >> 8));
}

// Advances in small steps and takes each interrupt as it comes.
static unsigned take_for(struct fixture *f, uint64_t ns) {
    unsigned taken = 0;
    for (uint64_t done = 0; done < ns; done += 100 * US) {
        fixture_advance(f, 100 * US);
        taken += f->line.pending;
        fake_line_take(f);
    }
    return taken;
}

static void test_periodic_irq(void **state) {
    struct pit_test *t = *state;
    program(&t->f, 0x34, 1193); // 1000.15 Hz
    fake_line_want(&t->f, true);
    assert_in_range(take_for(&t->f, 1000 * MS), 999, 1001);
}

static void test_masked_line_does_not_wake(void **state) {
    struct pit_test *t = *state;
    program(&t->f, 0x34, 1193);
    assert_int_equal(event_loop_next_deadline(t->f.loop), UINT64_MAX);
    fixture_advance(&t->f, 100 * MS);
    fake_line_take(&t->f);
    unsigned before = t->f.line.edges;
    fake_line_want(&t->f, true);
    assert_int_equal(t->f.line.edges, before + 1); // one edge was latched, not a hundred
    assert_true(t->f.line.pending);
    assert_in_range(event_loop_next_deadline(t->f.loop), t->f.now, t->f.now + 1 * MS);
    fake_line_want(&t->f, false);
    assert_int_equal(event_loop_next_deadline(t->f.loop), UINT64_MAX);
}

static void test_one_shot(void **state) {
    struct pit_test *t = *state;
    fake_line_want(&t->f, true);
    out8(&t->f, 0x43, 0x38); // mode 4: what Linux uses, count after count
    fake_line_take(&t->f);
    for (unsigned i = 0; i < 3; i++) {
        out8(&t->f, 0x40, 0xa9);
        out8(&t->f, 0x40, 0x04); // 1193 ticks
        assert_false(t->f.line.pending);
        fixture_advance(&t->f, 990 * US);
        assert_false(t->f.line.pending);
        fixture_advance(&t->f, 20 * US);
        assert_true(t->f.line.pending);
        fake_line_take(&t->f);
        assert_int_equal(event_loop_next_deadline(t->f.loop), UINT64_MAX);
    }
    program(&t->f, 0x30, 1193); // mode 0
    assert_false(t->f.line.level);
    fixture_advance(&t->f, 2 * MS);
    assert_true(t->f.line.level);
    assert_true(t->f.line.pending);
}

static void test_catch_up_is_bounded(void **state) {
    struct pit_test *t = *state;
    program(&t->f, 0x34, 1193);
    fake_line_want(&t->f, true);
    take_for(&t->f, 10 * MS);
    // The host stops the process for 50 ms: the 50 ticks come, but at no more than twice the rate.
    fixture_jump(&t->f, 50 * MS);
    assert_in_range(take_for(&t->f, 10 * MS), 15, 21);
    assert_in_range(take_for(&t->f, 90 * MS), 120, 140);
    assert_in_range(take_for(&t->f, 100 * MS), 99, 101);
    // For ten seconds: at most a quarter of a second's worth comes back.
    fixture_jump(&t->f, 10000 * MS);
    assert_in_range(take_for(&t->f, 1000 * MS), 1200, 1255);
}

static void test_untaken_ticks_come_later(void **state) {
    struct pit_test *t = *state;
    program(&t->f, 0x34, 1193);
    fake_line_want(&t->f, true);
    take_for(&t->f, 10 * MS);
    fixture_advance(&t->f, 20 * MS); // interrupts are off: one is pending, the others are owed
    assert_in_range(take_for(&t->f, 100 * MS), 118, 122);
    // A handler that masks its line for a moment does not make the debt forgotten.
    fixture_advance(&t->f, 20 * MS);
    fake_line_want(&t->f, false);
    fixture_advance(&t->f, 10 * US);
    fake_line_want(&t->f, true);
    assert_in_range(take_for(&t->f, 100 * MS), 118, 122);
}

static void test_short_period_does_not_spin(void **state) {
    struct pit_test *t = *state;
    program(&t->f, 0x34, 2); // 600 kHz
    fake_line_want(&t->f, true);
    assert_in_range(event_loop_next_deadline(t->f.loop) - t->f.now, 20000, 100000);
    unsigned before = t->f.line.edges;
    for (unsigned i = 0; i < 1000; i++) {
        fixture_advance(&t->f, 10 * US);
        fake_line_take(&t->f);
    }
    assert_in_range(t->f.line.edges - before, 100, 1001);
}

static void test_readback(void **state) {
    struct pit_test *t = *state;
    struct fixture *f = &t->f;
    program(f, 0x34, 10000);
    program(f, 0xb0, 20000);
    i8254_set_gate(t->pit, 2, true);
    fixture_advance(f, 1 * MS); // 1193 ticks
    out8(f, 0x43, 0xca);        // count and status of counters 0 and 2... 0xca: counters 0 and 2, both latched
    assert_int_equal(in8(f, 0x40), 0xb4);
    unsigned count0 = in8(f, 0x40);
    count0 |= (unsigned)in8(f, 0x40) << 8;
    assert_in_range(count0, 10000 - 1194, 10000 - 1191);
    assert_int_equal(in8(f, 0x42), 0x30); // OUT low, mode 0
    unsigned count2 = in8(f, 0x42);
    count2 |= (unsigned)in8(f, 0x42) << 8;
    assert_in_range(count2, 20000 - 1194, 20000 - 1191);
    out8(f, 0x43, 0x00); // latch command for counter 0
    fixture_advance(f, 1 * MS);
    unsigned latched = in8(f, 0x40);
    latched |= (unsigned)in8(f, 0x40) << 8;
    assert_int_equal(latched, count0);
    assert_int_equal(in8(f, 0x43), 0xff);
}

static void test_port61_calibration(void **state) {
    struct pit_test *t = *state;
    struct fixture *f = &t->f;
    struct port61 *port61 = port61_create(f->io, f->loop, t->pit, (struct irq_line){0}, NULL);
    assert_non_null(port61);
    // The way Linux measures the TSC: gate on, speaker off, mode 0, wait for OUT.
    out8(f, 0x61, (uint8_t)((in8(f, 0x61) & ~0x02) | 0x01));
    program(f, 0xb0, 59659); // 50 ms
    assert_int_equal(in8(f, 0x61) & 0x21, 0x01);
    fixture_advance(f, 49 * MS);
    assert_int_equal(in8(f, 0x61) & 0x20, 0);
    fixture_advance(f, 2 * MS);
    assert_int_equal(in8(f, 0x61) & 0x20, 0x20);
    // The refresh bit toggles about every 15 us.
    unsigned toggles = 0;
    uint8_t last = in8(f, 0x61) & 0x10;
    for (unsigned i = 0; i < 1000; i++) {
        fixture_advance(f, 1 * US);
        uint8_t now = in8(f, 0x61) & 0x10;
        toggles += now != last;
        last = now;
    }
    assert_in_range(toggles, 65, 67);
    out8(f, 0x61, 0x0e);
    assert_int_equal(in8(f, 0x61) & 0x0f, 0x0e);
    assert_false(i8254_gate(t->pit, 2));
    port61_reset(port61);
    assert_int_equal(in8(f, 0x61) & 0x0f, 0);
    port61_destroy(port61);
}

// With the real controller: masked means no host timer, unmasking gives the latched tick.
static void test_with_pic(void **state) {
    (void)state;
    struct fixture f;
    fixture_create(&f);
    struct i8259_pair *pic = i8259_create(f.io, fake_line(&f), NULL, NULL);
    struct i8254 *pit = i8254_create(f.io, f.loop, i8259_line(pic, 0), NULL);
    static const uint8_t icw[] = {0x08, 0x04, 0x01};
    out8(&f, 0x20, 0x11);
    for (unsigned i = 0; i < sizeof icw; i++)
        out8(&f, 0x21, icw[i]);
    out8(&f, 0x21, 0xff);
    program(&f, 0x34, 11932);
    assert_int_equal(event_loop_next_deadline(f.loop), UINT64_MAX);
    fixture_advance(&f, 35 * MS);
    assert_false(f.line.level);
    out8(&f, 0x20, 0x0a);
    assert_int_equal(in8(&f, 0x20) & 1, 1); // IRR is right although nothing ticked
    out8(&f, 0x21, 0xfe);
    assert_true(f.line.level);
    assert_int_equal(i8259_acknowledge(pic), 0x08);
    out8(&f, 0x20, 0x20);
    assert_false(f.line.level);
    fixture_advance(&f, 6 * MS);
    assert_true(f.line.level);
    i8254_destroy(pit);
    i8259_destroy(pic);
    fixture_destroy(&f);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mode0),
        cmocka_unit_test(test_mode1),
        cmocka_unit_test(test_mode2),
        cmocka_unit_test(test_mode2_new_count_waits),
        cmocka_unit_test(test_mode3),
        cmocka_unit_test(test_mode4),
        cmocka_unit_test(test_mode5),
        cmocka_unit_test(test_latches),
        cmocka_unit_test(test_bcd_and_access_modes),
        TEST(test_periodic_irq),
        TEST(test_masked_line_does_not_wake),
        TEST(test_one_shot),
        TEST(test_catch_up_is_bounded),
        TEST(test_untaken_ticks_come_later),
        TEST(test_short_period_does_not_spin),
        TEST(test_readback),
        TEST(test_port61_calibration),
        cmocka_unit_test(test_with_pic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
