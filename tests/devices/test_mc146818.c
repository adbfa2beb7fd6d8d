// The real-time clock: encodings, the update cycle, the three interrupts, CMOS cells.
#include "fixture.h"

#include "devices/mc146818.h"
#include "devices/mc146818_time.h"

#include <string.h>
#include <time.h>

// 2023-12-31 23:59:50 UTC, a Sunday.
#define START 1704067190

struct rtc_test {
    struct fixture f;
    struct mc146818 *rtc;
};

static int setup(void **state) {
    struct rtc_test *t = test_calloc(1, sizeof *t);
    fixture_create(&t->f);
    t->rtc = mc146818_create(t->f.io, t->f.loop, fake_line_maskable(&t->f), START, NULL);
    assert_non_null(t->rtc);
    *state = t;
    return 0;
}

static int teardown(void **state) {
    struct rtc_test *t = *state;
    mc146818_destroy(t->rtc);
    fixture_destroy(&t->f);
    test_free(t);
    return 0;
}

static uint8_t cmos_read(struct fixture *f, uint8_t index) {
    out8(f, 0x70, index);
    return in8(f, 0x71);
}

static void cmos_write(struct fixture *f, uint8_t index, uint8_t value) {
    out8(f, 0x70, index);
    out8(f, 0x71, value);
}

static void assert_time(struct fixture *f, const char *expected) {
    char text[64];
    snprintf(text, sizeof text, "%02x%02x-%02x-%02x %02x:%02x:%02x %x", cmos_read(f, 0x32), cmos_read(f, 9),
             cmos_read(f, 8), cmos_read(f, 7), cmos_read(f, 4), cmos_read(f, 2), cmos_read(f, 0), cmos_read(f, 6));
    assert_string_equal(text, expected);
}

static void test_time_passes(void **state) {
    struct rtc_test *t = *state;
    assert_time(&t->f, "2023-12-31 23:59:50 1");
    fixture_advance(&t->f, 9999 * MS);
    assert_time(&t->f, "2023-12-31 23:59:59 1");
    fixture_advance(&t->f, 1 * MS);
    assert_time(&t->f, "2024-01-01 00:00:00 2");
    fixture_advance(&t->f, 59ull * 86400 * 1000 * MS); // over the leap day
    assert_time(&t->f, "2024-02-29 00:00:00 5");
    assert_int_equal(event_loop_next_deadline(t->f.loop), UINT64_MAX); // reading needs no timer
}

static void test_encodings(void **state) {
    struct rtc_test *t = *state;
    struct fixture *f = &t->f;
    cmos_write(f, 0x0b, 0x80 | 0x04); // SET, binary, 12 hours
    cmos_write(f, 0x04, 0x80 | 11);   // 11 pm
    cmos_write(f, 0x02, 59);
    cmos_write(f, 0x00, 59);
    cmos_write(f, 0x07, 28);
    cmos_write(f, 0x08, 2);
    cmos_write(f, 0x09, 99);
    cmos_write(f, 0x32, 19);
    cmos_write(f, 0x0b, 0x04);
    fixture_advance(f, 1000 * MS);
    assert_int_equal(cmos_read(f, 0x04), 12); // midnight
    assert_int_equal(cmos_read(f, 0x07), 1);
    assert_int_equal(cmos_read(f, 0x08), 3);
    assert_int_equal(cmos_read(f, 0x09), 99);
    assert_int_equal(cmos_read(f, 0x06), 2); // Monday
    fixture_advance(f, 12ull * 3600 * 1000 * MS);
    assert_int_equal(cmos_read(f, 0x04), 0x80 | 12); // noon
}

// The registers and the host's calendar agree over four centuries.
static void test_calendar_against_host(void **state) {
    (void)state;
    uint8_t cells[RTC_CELLS] = {[RTC_B] = RTC_B_24H | RTC_B_DM};
    for (int64_t time = -2208988800; time < 13000000000; time += 86400 * 11 + 12345) {
        rtc_time_to_registers(cells, time);
        time_t host = (time_t)time;
        struct tm tm;
        gmtime_r(&host, &tm);
        assert_int_equal(cells[RTC_SECONDS], tm.tm_sec);
        assert_int_equal(cells[RTC_MINUTES], tm.tm_min);
        assert_int_equal(cells[RTC_HOURS], tm.tm_hour);
        assert_int_equal(cells[RTC_DAY_OF_MONTH], tm.tm_mday);
        assert_int_equal(cells[RTC_MONTH], tm.tm_mon + 1);
        assert_int_equal(cells[RTC_CENTURY] * 100 + cells[RTC_YEAR], tm.tm_year + 1900);
        assert_int_equal(cells[RTC_DAY_OF_WEEK], tm.tm_wday + 1);
        assert_int_equal(rtc_time_from_registers(cells), time);
    }
    memset(cells, 0xff, sizeof cells); // nonsense gives some time
    rtc_time_from_registers(cells);
    memset(cells, 0, sizeof cells);
    rtc_time_from_registers(cells);
}

static void test_set_and_divider_hold_the_clock(void **state) {
    struct rtc_test *t = *state;
    struct fixture *f = &t->f;
    fixture_advance(f, 300 * MS);
    cmos_write(f, 0x0b, 0x82);
    cmos_write(f, 0x00, 0x10);
    fixture_advance(f, 5000 * MS);
    assert_int_equal(cmos_read(f, 0x00), 0x10);
    cmos_write(f, 0x0b, 0x02);
    fixture_advance(f, 699 * MS); // the phase of the divider was kept
    assert_int_equal(cmos_read(f, 0x00), 0x10);
    fixture_advance(f, 1 * MS);
    assert_int_equal(cmos_read(f, 0x00), 0x11);
    cmos_write(f, 0x0a, 0x70); // divider reset
    fixture_advance(f, 5000 * MS);
    assert_int_equal(cmos_read(f, 0x00), 0x11);
    cmos_write(f, 0x0a, 0x26); // the first update comes half a second later
    fixture_advance(f, 499 * MS);
    assert_int_equal(cmos_read(f, 0x00), 0x11);
    fixture_advance(f, 1 * MS);
    assert_int_equal(cmos_read(f, 0x00), 0x12);
}

static void test_update_in_progress(void **state) {
    struct rtc_test *t = *state;
    struct fixture *f = &t->f;
    assert_int_equal(cmos_read(f, 0x0a), 0x26);
    fixture_advance(f, 999 * MS + 750 * US);
    assert_int_equal(cmos_read(f, 0x0a), 0x26);
    fixture_advance(f, 10 * US);
    assert_int_equal(cmos_read(f, 0x0a), 0xa6);
    cmos_write(f, 0x0b, 0x82);
    assert_int_equal(cmos_read(f, 0x0a), 0x26); // not while SET
    cmos_write(f, 0x0b, 0x02);
    fixture_advance(f, 240 * US);
    assert_int_equal(cmos_read(f, 0x0a), 0x26);
    assert_int_equal(cmos_read(f, 0x0d), 0x80);
    cmos_write(f, 0x0d, 0);
    cmos_write(f, 0x0c, 0xff);
    assert_int_equal(cmos_read(f, 0x0d), 0x80);
}

static void test_flags_without_interrupts(void **state) {
    struct rtc_test *t = *state;
    struct fixture *f = &t->f;
    fake_line_want(f, true);
    cmos_read(f, 0x0c);
    assert_int_equal(cmos_read(f, 0x0c), 0);
    fixture_advance(f, 1000 * MS);
    assert_int_equal(cmos_read(f, 0x0c), 0x50); // PF and UF, no IRQF
    assert_int_equal(cmos_read(f, 0x0c), 0);
    assert_int_equal(f->line.edges, 0);
    assert_int_equal(event_loop_next_deadline(f->loop), UINT64_MAX);
}

static void test_update_interrupt(void **state) {
    struct rtc_test *t = *state;
    struct fixture *f = &t->f;
    fake_line_want(f, true);
    cmos_read(f, 0x0c);
    cmos_write(f, 0x0b, 0x12);
    fixture_advance(f, 999 * MS);
    assert_false(f->line.level);
    fixture_advance(f, 1 * MS);
    assert_true(f->line.level);
    assert_int_equal(event_loop_next_deadline(f->loop), UINT64_MAX); // nothing until C is read
    assert_int_equal(cmos_read(f, 0x0c) & 0x90, 0x90);
    assert_false(f->line.level);
    fixture_advance(f, 1000 * MS);
    assert_true(f->line.level);
    cmos_write(f, 0x0b, 0x82); // SET clears UIE
    assert_int_equal(cmos_read(f, 0x0b), 0x82);
    assert_false(f->line.level);
}

static void test_alarm(void **state) {
    struct rtc_test *t = *state;
    struct fixture *f = &t->f;
    fake_line_want(f, true);
    cmos_read(f, 0x0c);
    cmos_write(f, 0x05, 0x00);
    cmos_write(f, 0x03, 0x00);
    cmos_write(f, 0x01, 0x05);
    cmos_write(f, 0x0b, 0x22);
    fixture_advance(f, 14999 * MS);
    assert_false(f->line.level);
    fixture_advance(f, 1 * MS);
    assert_true(f->line.level);
    assert_int_equal(cmos_read(f, 0x0c) & 0xa0, 0xa0);
    cmos_write(f, 0x05, 0xff); // every hour, every minute
    cmos_write(f, 0x03, 0xc0);
    for (unsigned i = 0; i < 3; i++) {
        fixture_advance(f, 59999 * MS);
        assert_false(f->line.level);
        fixture_advance(f, 1 * MS);
        assert_true(f->line.level);
        cmos_read(f, 0x0c);
    }
    cmos_write(f, 0x01, 0x77); // never: no timer for it
    assert_int_equal(event_loop_next_deadline(f->loop), UINT64_MAX);
}

static void test_periodic_interrupt(void **state) {
    struct rtc_test *t = *state;
    struct fixture *f = &t->f;
    fake_line_want(f, true);
    cmos_write(f, 0x0a, 0x26); // 1024 Hz
    cmos_write(f, 0x0b, 0x42);
    cmos_read(f, 0x0c);
    unsigned taken = 0;
    for (unsigned i = 0; i < 10000; i++) {
        fixture_advance(f, 100 * US);
        if (f->line.level) {
            taken++;
            assert_int_equal(cmos_read(f, 0x0c) & 0xc0, 0xc0);
        }
    }
    assert_in_range(taken, 1023, 1025);
    // After a pause of the host the ticks owed come at no more than twice the rate, and not for ever.
    fixture_jump(f, 60000 * MS);
    taken = 0;
    for (unsigned i = 0; i < 1000; i++) {
        fixture_advance(f, 100 * US);
        taken += f->line.level;
        if (f->line.level)
            cmos_read(f, 0x0c);
    }
    assert_in_range(taken, 150, 207);
    taken = 0;
    for (unsigned i = 0; i < 10000; i++) {
        fixture_advance(f, 100 * US);
        taken += f->line.level;
        if (f->line.level)
            cmos_read(f, 0x0c);
    }
    assert_in_range(taken, 1024, 1024 + 256);
}

static void test_rates(void **state) {
    struct rtc_test *t = *state;
    struct fixture *f = &t->f;
    static const struct {
        uint8_t rate;
        unsigned hz;
    } rates[] = {{1, 256}, {2, 128}, {3, 8192}, {6, 1024}, {13, 8}, {15, 2}};
    for (unsigned i = 0; i < sizeof rates / sizeof *rates; i++) {
        cmos_write(f, 0x0a, (uint8_t)(0x20 | rates[i].rate));
        fixture_advance(f, 1000 * MS);
        cmos_read(f, 0x0c);
        // The flag comes once a period.
        uint64_t period = 1000 * MS / rates[i].hz;
        unsigned seen = 0;
        for (unsigned step = 0; step < 16; step++) {
            fixture_advance(f, period / 4);
            seen += (cmos_read(f, 0x0c) & 0x40) != 0;
        }
        assert_in_range(seen, 3, 5);
    }
    cmos_write(f, 0x0a, 0x20); // none
    cmos_read(f, 0x0c);
    fixture_advance(f, 2000 * MS);
    assert_int_equal(cmos_read(f, 0x0c) & 0x40, 0);
}

static void test_masked_line(void **state) {
    struct rtc_test *t = *state;
    struct fixture *f = &t->f;
    cmos_read(f, 0x0c);
    cmos_write(f, 0x0b, 0x42);
    assert_int_equal(event_loop_next_deadline(f->loop), UINT64_MAX);
    fixture_advance(f, 1000 * MS);
    assert_int_equal(f->line.edges, 0);
    fake_line_want(f, true);
    assert_int_equal(f->line.edges, 1);
    assert_true(f->line.level);
}

static void test_cmos_cells(void **state) {
    struct rtc_test *t = *state;
    struct fixture *f = &t->f;
    cmos_write(f, 0x80 | 0x40, 0x5a); // bit 7 masks NMI and is no part of the index
    assert_true(mc146818_nmi_masked(t->rtc));
    assert_int_equal(cmos_read(f, 0x40), 0x5a);
    assert_false(mc146818_nmi_masked(t->rtc));
    mc146818_set_cmos(t->rtc, 0x14, 0x02);
    mc146818_set_cmos(t->rtc, 0x00, 0x99); // not a memory cell
    assert_int_equal(cmos_read(f, 0x00), 0x50);
    mc146818_set_memory_size(t->rtc, 512ull << 20);
    assert_int_equal(cmos_read(f, 0x15) | cmos_read(f, 0x16) << 8, 640);
    assert_int_equal(cmos_read(f, 0x17) | cmos_read(f, 0x18) << 8, 0xffff);
    assert_int_equal(cmos_read(f, 0x30) | cmos_read(f, 0x31) << 8, 0xffff);
    assert_int_equal(cmos_read(f, 0x34) | cmos_read(f, 0x35) << 8, (512 - 16) * 16);
    unsigned sum = 0;
    for (uint8_t i = 0x10; i <= 0x2d; i++)
        sum += cmos_read(f, i);
    assert_int_equal(cmos_read(f, 0x2e) << 8 | cmos_read(f, 0x2f), sum);
    mc146818_set_memory_size(t->rtc, 8ull << 20);
    assert_int_equal(mc146818_cmos(t->rtc, 0x17) | mc146818_cmos(t->rtc, 0x18) << 8, 7 << 10);
    assert_int_equal(mc146818_cmos(t->rtc, 0x34), 0);
    mc146818_reset(t->rtc); // memory survives
    assert_int_equal(cmos_read(f, 0x40), 0x5a);
}

static void test_host_time(void **state) {
    (void)state;
    struct fixture f;
    fixture_create(&f);
    time_t before = time(NULL);
    struct mc146818 *rtc = mc146818_create(f.io, f.loop, (struct irq_line){0}, MC146818_HOST_TIME, NULL);
    uint8_t cells[RTC_CELLS];
    for (uint8_t i = 0; i < RTC_CELLS; i++)
        cells[i] = mc146818_cmos(rtc, i);
    assert_in_range(rtc_time_from_registers(cells), before, time(NULL));
    mc146818_destroy(rtc);
    fixture_destroy(&f);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_time_passes),
        TEST(test_encodings),
        cmocka_unit_test(test_calendar_against_host),
        TEST(test_set_and_divider_hold_the_clock),
        TEST(test_update_in_progress),
        TEST(test_flags_without_interrupts),
        TEST(test_update_interrupt),
        TEST(test_alarm),
        TEST(test_periodic_interrupt),
        TEST(test_rates),
        TEST(test_masked_line),
        TEST(test_cmos_cells),
        cmocka_unit_test(test_host_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
