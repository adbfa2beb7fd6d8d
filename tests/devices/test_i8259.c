// The interrupt controllers: initialisation, priority, end of interrupt, masks, modes, cascade, spurious requests.
#include "fixture.h"

#include "devices/i8259.h"

struct pic_test {
    struct fixture f;
    struct i8259_pair *pic;
    struct irq_line irq[I8259_IRQ_COUNT];
    unsigned wanted_calls;
    bool wanted;
};

static void init_pair(struct pic_test *t, uint8_t master_icw4, uint8_t slave_icw4) {
    struct fixture *f = &t->f;
    out8(f, 0x20, 0x11);
    out8(f, 0x21, 0x20);
    out8(f, 0x21, 0x04);
    out8(f, 0x21, master_icw4);
    out8(f, 0xa0, 0x11);
    out8(f, 0xa1, 0x28);
    out8(f, 0xa1, 0x02);
    out8(f, 0xa1, slave_icw4);
}

static int setup(void **state) {
    struct pic_test *t = test_calloc(1, sizeof *t);
    fixture_create(&t->f);
    t->pic = i8259_create(t->f.io, fake_line(&t->f), NULL, NULL);
    assert_non_null(t->pic);
    for (unsigned i = 0; i < I8259_IRQ_COUNT; i++)
        t->irq[i] = i8259_line(t->pic, i);
    init_pair(t, 0x01, 0x01);
    *state = t;
    return 0;
}

static int teardown(void **state) {
    struct pic_test *t = *state;
    i8259_destroy(t->pic);
    fixture_destroy(&t->f);
    test_free(t);
    return 0;
}

static bool intr(const struct pic_test *t) {
    return t->f.line.level;
}

static uint8_t read_isr(struct pic_test *t, uint16_t port) {
    out8(&t->f, port, 0x0b);
    return in8(&t->f, port);
}

static uint8_t read_irr(struct pic_test *t, uint16_t port) {
    out8(&t->f, port, 0x0a);
    return in8(&t->f, port);
}

static void test_uninitialised_is_silent(void **state) {
    struct pic_test *t = *state;
    i8259_reset(t->pic);
    irq_set(&t->irq[0], true);
    assert_false(intr(t));
    assert_false(i8259_any_unmasked(t->pic));
    init_pair(t, 0x01, 0x01); // ICW1 forgets the edge; the line must fall first
    assert_false(intr(t));
    irq_edge(&t->irq[0]);
    assert_true(intr(t));
    assert_true(i8259_any_unmasked(t->pic));
}

static void test_edge_and_eoi(void **state) {
    struct pic_test *t = *state;
    irq_set(&t->irq[4], true);
    assert_true(intr(t));
    assert_int_equal(read_irr(t, 0x20), 0x10);
    assert_int_equal(i8259_acknowledge(t->pic), 0x24);
    assert_false(intr(t));
    assert_int_equal(read_irr(t, 0x20), 0x00); // still high, but edge-triggered
    assert_int_equal(read_isr(t, 0x20), 0x10);
    out8(&t->f, 0x20, 0x20);
    assert_int_equal(read_isr(t, 0x20), 0x00);
    assert_false(intr(t));
    irq_edge(&t->irq[4]);
    assert_int_equal(i8259_acknowledge(t->pic), 0x24);
}

static void test_priority_nesting(void **state) {
    struct pic_test *t = *state;
    irq_set(&t->irq[5], true);
    assert_int_equal(i8259_acknowledge(t->pic), 0x25);
    irq_set(&t->irq[6], true);
    assert_false(intr(t)); // lower priority waits
    irq_set(&t->irq[1], true);
    assert_true(intr(t)); // higher one nests
    assert_int_equal(i8259_acknowledge(t->pic), 0x21);
    assert_int_equal(read_isr(t, 0x20), 0x22);
    out8(&t->f, 0x20, 0x20); // ends 1
    assert_int_equal(read_isr(t, 0x20), 0x20);
    assert_false(intr(t));
    out8(&t->f, 0x20, 0x65); // specific: ends 5
    assert_true(intr(t));
    assert_int_equal(i8259_acknowledge(t->pic), 0x26);
}

static void test_mask(void **state) {
    struct pic_test *t = *state;
    out8(&t->f, 0x21, 0x10);
    irq_set(&t->irq[4], true);
    assert_false(intr(t));
    assert_int_equal(in8(&t->f, 0x21), 0x10);
    assert_int_equal(read_irr(t, 0x20), 0x10); // latched all the same
    out8(&t->f, 0x21, 0x00);
    assert_true(intr(t));
    out8(&t->f, 0x21, 0xff);
    assert_false(intr(t));
    assert_false(i8259_any_unmasked(t->pic));
    out8(&t->f, 0x21, 0xfb); // the cascade alone: the slave's lines count
    assert_true(i8259_any_unmasked(t->pic));
    out8(&t->f, 0xa1, 0xff);
    assert_false(i8259_any_unmasked(t->pic));
}

static void test_cascade(void **state) {
    struct pic_test *t = *state;
    irq_set(&t->irq[14], true);
    assert_int_equal(i8259_acknowledge(t->pic), 0x2e);
    assert_int_equal(read_isr(t, 0x20), 0x04);
    assert_int_equal(read_isr(t, 0xa0), 0x40);
    irq_set(&t->irq[8], true); // higher in the slave, but IR2 is in service in the master
    assert_false(intr(t));
    out8(&t->f, 0xa0, 0x20); // non-specific EOI to the slave ends 14
    assert_false(intr(t));
    out8(&t->f, 0x20, 0x62);
    assert_true(intr(t));
    assert_int_equal(i8259_acknowledge(t->pic), 0x28);
}

static void test_two_slave_requests(void **state) {
    struct pic_test *t = *state;
    irq_set(&t->irq[8], true);
    irq_set(&t->irq[12], true);
    assert_int_equal(i8259_acknowledge(t->pic), 0x28);
    out8(&t->f, 0xa0, 0x20);
    out8(&t->f, 0x20, 0x20);
    assert_int_equal(i8259_acknowledge(t->pic), 0x2c);
    out8(&t->f, 0xa0, 0x20);
    out8(&t->f, 0x20, 0x20);
    assert_false(intr(t));
}

static void test_special_fully_nested(void **state) {
    struct pic_test *t = *state;
    init_pair(t, 0x11, 0x01);
    irq_set(&t->irq[14], true);
    assert_int_equal(i8259_acknowledge(t->pic), 0x2e);
    irq_set(&t->irq[8], true);
    assert_true(intr(t));
    assert_int_equal(i8259_acknowledge(t->pic), 0x28);
}

static void test_spurious(void **state) {
    struct pic_test *t = *state;
    irq_set(&t->irq[3], true);
    assert_true(intr(t));
    irq_set(&t->irq[3], false);
    assert_false(intr(t)); // taken back before the INTA cycle
    assert_int_equal(i8259_acknowledge(t->pic), 0x27);
    assert_int_equal(read_isr(t, 0x20), 0x00); // not in service: no EOI is owed
    // The processor had begun with the slave's request: the master has IR2 in service, the slave gives its IR7. The
    // request goes away between the two, which shows as a pending cascade with an empty slave.
    irq_set(&t->irq[9], true);
    out8(&t->f, 0xa1, 0x02);
    assert_int_equal(i8259_acknowledge(t->pic), 0x27);
}

static void test_auto_eoi_and_rotation(void **state) {
    struct pic_test *t = *state;
    init_pair(t, 0x03, 0x01);
    out8(&t->f, 0x20, 0x80); // rotate on automatic EOI
    irq_set(&t->irq[3], true);
    irq_set(&t->irq[4], true);
    assert_int_equal(i8259_acknowledge(t->pic), 0x23);
    assert_int_equal(read_isr(t, 0x20), 0x00);
    irq_edge(&t->irq[3]); // has the lowest priority now
    assert_int_equal(i8259_acknowledge(t->pic), 0x24);
    irq_edge(&t->irq[4]);
    assert_int_equal(i8259_acknowledge(t->pic), 0x23);
    out8(&t->f, 0x20, 0x00); // no rotation any more
    assert_int_equal(i8259_acknowledge(t->pic), 0x24);
    irq_edge(&t->irq[3]);
    irq_edge(&t->irq[4]);
    assert_int_equal(i8259_acknowledge(t->pic), 0x24); // lowest is 3, as it stood
}

static void test_rotation_commands(void **state) {
    struct pic_test *t = *state;
    out8(&t->f, 0x20, 0xc4); // IR4 gets the lowest priority: 5 is the highest
    irq_set(&t->irq[0], true);
    irq_set(&t->irq[5], true);
    assert_int_equal(i8259_acknowledge(t->pic), 0x25);
    out8(&t->f, 0x20, 0xa0); // rotate on non-specific EOI: 5 is the lowest
    irq_edge(&t->irq[5]);
    assert_int_equal(i8259_acknowledge(t->pic), 0x20);
    out8(&t->f, 0x20, 0xe0); // rotate on specific EOI: 0 is the lowest
    irq_edge(&t->irq[0]);
    assert_int_equal(i8259_acknowledge(t->pic), 0x25);
    assert_int_equal(read_isr(t, 0x20), 0x20);
}

static void test_special_mask_mode(void **state) {
    struct pic_test *t = *state;
    irq_set(&t->irq[1], true);
    assert_int_equal(i8259_acknowledge(t->pic), 0x21);
    irq_set(&t->irq[6], true);
    assert_false(intr(t));
    out8(&t->f, 0x21, 0x02); // masks what is in service
    out8(&t->f, 0x20, 0x68); // special mask mode: it inhibits nobody any more
    assert_true(intr(t));
    assert_int_equal(i8259_acknowledge(t->pic), 0x26);
    out8(&t->f, 0x20, 0x20); // ends 6, never the masked one
    assert_int_equal(read_isr(t, 0x20), 0x02);
    out8(&t->f, 0x20, 0x20);
    assert_int_equal(read_isr(t, 0x20), 0x02);
    out8(&t->f, 0x20, 0x48);
    out8(&t->f, 0x20, 0x20);
    assert_int_equal(read_isr(t, 0x20), 0x00);
}

static void test_poll(void **state) {
    struct pic_test *t = *state;
    out8(&t->f, 0x20, 0x0c);
    assert_int_equal(in8(&t->f, 0x20), 0x00);
    irq_set(&t->irq[3], true);
    out8(&t->f, 0x20, 0x0c);
    assert_int_equal(in8(&t->f, 0x20), 0x83);
    assert_int_equal(in8(&t->f, 0x20) & 0x08, 0); // one read only
    assert_int_equal(read_isr(t, 0x20), 0x08);
    assert_false(intr(t));
}

static void test_level_triggered(void **state) {
    struct pic_test *t = *state;
    out8(&t->f, 0x4d0, 0xff);
    assert_int_equal(in8(&t->f, 0x4d0), 0xf8); // 0 to 2 stay edge-triggered
    out8(&t->f, 0x4d1, 0xff);
    assert_int_equal(in8(&t->f, 0x4d1), 0xde);
    irq_set(&t->irq[5], true);
    assert_int_equal(i8259_acknowledge(t->pic), 0x25);
    out8(&t->f, 0x20, 0x20);
    assert_true(intr(t)); // nobody has served the device
    irq_set(&t->irq[5], false);
    assert_false(intr(t));
    irq_set(&t->irq[10], true);
    assert_int_equal(i8259_acknowledge(t->pic), 0x2a);
    out8(&t->f, 0xa0, 0x20);
    out8(&t->f, 0x20, 0x20);
    assert_true(intr(t));
    irq_set(&t->irq[10], false);
    assert_false(intr(t));
}

static void test_single_and_no_icw4(void **state) {
    struct pic_test *t = *state;
    out8(&t->f, 0x20, 0x12); // single, no ICW4
    out8(&t->f, 0x21, 0x77); // low three bits are not part of the vector
    out8(&t->f, 0x21, 0xee); // OCW1 already
    assert_int_equal(in8(&t->f, 0x21), 0xee);
    irq_set(&t->irq[0], true);
    assert_int_equal(i8259_acknowledge(t->pic), 0x70);
    struct i8259_state chip;
    i8259_get_state(t->pic, 0, &chip);
    assert_int_equal(chip.vector_base, 0x70);
    assert_int_equal(chip.isr, 0x01);
    assert_int_equal(chip.imr, 0xee);
}

static void record_wanted(void *device, bool wanted) {
    struct pic_test *t = device;
    t->wanted_calls++;
    t->wanted = wanted;
}

static void test_watch(void **state) {
    struct pic_test *t = *state;
    irq_watch(&t->irq[8], record_wanted, t);
    assert_int_equal(t->wanted_calls, 1);
    assert_true(t->wanted);
    out8(&t->f, 0x21, 0x01); // does not concern it
    assert_int_equal(t->wanted_calls, 1);
    out8(&t->f, 0x21, 0x04); // the cascade is masked
    assert_int_equal(t->wanted_calls, 2);
    assert_false(t->wanted);
    out8(&t->f, 0x21, 0x00);
    out8(&t->f, 0xa1, 0x01);
    assert_int_equal(t->wanted_calls, 4);
    assert_false(t->wanted);
    read_irr(t, 0xa0); // asks for an update
    assert_int_equal(t->wanted_calls, 5);
    irq_watch(&t->irq[8], NULL, NULL);
    out8(&t->f, 0xa1, 0x00);
    assert_int_equal(t->wanted_calls, 5);
}

static void test_intr_changes_only(void **state) {
    struct pic_test *t = *state;
    unsigned before = t->f.line.edges;
    irq_set(&t->irq[4], true);
    irq_set(&t->irq[5], true);
    irq_set(&t->irq[4], true);
    assert_int_equal(t->f.line.edges, before + 1);
    assert_true(irq_pending(&t->irq[4]));
    assert_false(irq_pending(&t->irq[6]));
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_uninitialised_is_silent),
        TEST(test_edge_and_eoi),
        TEST(test_priority_nesting),
        TEST(test_mask),
        TEST(test_cascade),
        TEST(test_two_slave_requests),
        TEST(test_special_fully_nested),
        TEST(test_spurious),
        TEST(test_auto_eoi_and_rotation),
        TEST(test_rotation_commands),
        TEST(test_special_mask_mode),
        TEST(test_poll),
        TEST(test_level_triggered),
        TEST(test_single_and_no_icw4),
        TEST(test_watch),
        TEST(test_intr_changes_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
