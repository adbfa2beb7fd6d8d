// The serial port, driven as Linux's 8250 driver and simple polling guests drive it.
#include "fixture.h"

#include "devices/ns16550.h"

#include <string.h>

#define BASE 0x3f8
enum { DATA = BASE, IER, IIR, LCR, MCR, LSR, MSR, SCR };
#define FCR IIR

struct uart_test {
    struct fixture f;
    struct chardev *backend;
    struct ns16550 *uart;
    char output[1 << 17];
    size_t output_size;
};

static void sink(void *opaque, const uint8_t *bytes, size_t count) {
    struct uart_test *t = opaque;
    assert_true(t->output_size + count <= sizeof t->output);
    memcpy(t->output + t->output_size, bytes, count);
    t->output_size += count;
}

static int setup(void **state) {
    struct uart_test *t = test_calloc(1, sizeof *t);
    fixture_create(&t->f);
    t->backend = chardev_open_sink(t->f.loop, sink, t, NULL, NULL);
    assert_non_null(t->backend);
    t->uart = ns16550_create(t->f.io, BASE, fake_line(&t->f), t->backend, NULL);
    assert_non_null(t->uart);
    *state = t;
    return 0;
}

static int teardown(void **state) {
    struct uart_test *t = *state;
    ns16550_destroy(t->uart);
    chardev_close(t->backend);
    fixture_destroy(&t->f);
    test_free(t);
    return 0;
}

static void push(struct uart_test *t, const char *text) {
    assert_int_equal(chardev_push(t->backend, (const uint8_t *)text, strlen(text)), strlen(text));
}

// The accesses of Linux 6.1 when it opens a port, in their order. The I/O thread may run between any two.
static void open_port(struct uart_test *t) {
    static const struct {
        uint16_t port;
        uint8_t value;
        bool write;
    } accesses[] = {
        {FCR, 0x01, true}, {FCR, 0x07, true}, {FCR, 0x00, true},  {LSR, 0, false},   {DATA, 0, false},
        {IIR, 0, false},   {MSR, 0, false},   {LSR, 0, false},    {LSR, 0, false},   {IER, 0x02, true},
        {IIR, 0, false},   {IER, 0x00, true}, {IER, 0x02, true},  {IIR, 0, false},   {IER, 0x00, true},
        {LCR, 0x03, true}, {MCR, 0x09, true}, {IER, 0x02, true},  {LSR, 0, false},   {IIR, 0, false},
        {IER, 0x00, true}, {LSR, 0, false},   {DATA, 0, false},   {IIR, 0, false},   {MSR, 0, false},
        {IER, 0x05, true}, {LCR, 0x93, true}, {DATA, 0x0c, true}, {IER, 0x00, true}, {LCR, 0x13, true},
        {FCR, 0x01, true}, {FCR, 0x81, true}, {MCR, 0x09, true},
    };
    for (size_t i = 0; i < sizeof accesses / sizeof *accesses; i++) {
        event_loop_turn(t->f.loop, 0);
        if (accesses[i].write)
            out8(&t->f, accesses[i].port, accesses[i].value);
        else
            in8(&t->f, accesses[i].port);
    }
    event_loop_turn(t->f.loop, 0);
}

// As Linux's startup leaves it: FIFOs on, trigger 8, receive interrupt, OUT2.
static void start_driver(struct uart_test *t) {
    struct fixture *f = &t->f;
    out8(f, FCR, 0x01);
    out8(f, FCR, 0x07);
    out8(f, FCR, 0x00);
    in8(f, LSR);
    in8(f, DATA);
    in8(f, IIR);
    in8(f, MSR);
    out8(f, LCR, 0x03);
    out8(f, FCR, 0x81);
    out8(f, MCR, 0x0b);
    out8(f, IER, 0x05);
}

static void test_detection(void **state) {
    struct uart_test *t = *state;
    struct fixture *f = &t->f;
    out8(f, IER, 0xff);
    assert_int_equal(in8(f, IER), 0x0f); // no sleep mode, no other extension
    out8(f, IER, 0x00);
    out8(f, MCR, 0x1a); // the loopback test
    assert_int_equal(in8(f, MSR) & 0xf0, 0x90);
    out8(f, MCR, 0x00);
    assert_int_equal(in8(f, MSR) & 0xf0, 0xb0);
    out8(f, FCR, 0x01);
    assert_int_equal(in8(f, IIR) >> 6, 3); // 16550A
    out8(f, LCR, 0xbf);
    assert_int_not_equal(in8(f, FCR), 0); // no EFR
    out8(f, LCR, 0x80);
    out8(f, DATA, 0x0c);
    out8(f, IER, 0x01);
    assert_int_equal(in8(f, DATA), 0x0c);
    assert_int_equal(in8(f, IER), 0x01);
    out8(f, LCR, 0x03);
    assert_int_equal(in8(f, IER), 0x00);
    out8(f, SCR, 0x5a);
    assert_int_equal(in8(f, SCR), 0x5a);
    assert_int_equal(in8(f, LSR), 0x60);
    out8(f, FCR, 0x21); // the 16750's 64-byte bit is not there
    assert_int_equal(in8(f, IIR), 0xc1);
    out8(f, FCR, 0x00);
    assert_int_equal(in8(f, IIR), 0x01);
}

static void test_output_is_collected(void **state) {
    struct uart_test *t = *state;
    for (const char *c = "Hello\n"; *c; c++) {
        assert_int_equal(in8(&t->f, LSR) & 0x60, 0x60);
        out8(&t->f, DATA, (uint8_t)*c);
    }
    assert_int_equal(t->output_size, 0);
    fixture_advance(&t->f, 1 * MS);
    assert_int_equal(t->output_size, 6);
    assert_memory_equal(t->output, "Hello\n", 6);
    for (unsigned i = 0; i < 5000; i++)
        out8(&t->f, DATA, 'x');
    event_loop_turn(t->f.loop, 0); // many bytes go without waiting for the clock
    assert_in_range(t->output_size, 4096, 6 + 5000);
    fixture_advance(&t->f, 2 * MS);
    assert_int_equal(t->output_size, 5006);
}

static void test_thre_interrupt(void **state) {
    struct uart_test *t = *state;
    struct fixture *f = &t->f;
    start_driver(t);
    assert_false(f->line.level);
    out8(f, IER, 0x07); // enabling it while empty raises it
    assert_true(f->line.level);
    assert_int_equal(in8(f, IIR), 0xc2);
    assert_false(f->line.level); // reading IIR clears it
    assert_int_equal(in8(f, IIR), 0xc1);
    out8(f, DATA, 'a'); // empty again at once
    assert_true(f->line.level);
    out8(f, DATA, 'b');
    assert_int_equal(in8(f, IIR), 0xc2);
    out8(f, IER, 0x05); // the driver has nothing more to send
    assert_false(f->line.level);
    // Linux's test for broken THRE: disabled and enabled again, it must come back.
    out8(f, IER, 0x07);
    assert_true(f->line.level);
    in8(f, IIR);
    out8(f, IER, 0x05);
    out8(f, IER, 0x07);
    assert_true(f->line.level);
    assert_int_equal(in8(f, IIR), 0xc2);
    // Each write after the interrupt was taken is a new edge.
    unsigned before = f->line.edges;
    out8(f, DATA, 'c');
    assert_int_equal(f->line.edges, before + 1);
}

static void test_receive_interrupt(void **state) {
    struct uart_test *t = *state;
    struct fixture *f = &t->f;
    start_driver(t);
    push(t, "ab");
    assert_true(f->line.level);
    assert_int_equal(in8(f, IIR), 0xcc); // below the trigger level: time-out
    assert_int_equal(in8(f, LSR), 0x61);
    assert_int_equal(in8(f, DATA), 'a');
    assert_true(f->line.level);
    assert_int_equal(in8(f, DATA), 'b');
    assert_false(f->line.level);
    assert_int_equal(in8(f, IIR), 0xc1);
    assert_int_equal(in8(f, LSR), 0x60);
    push(t, "12345678");
    assert_int_equal(in8(f, IIR), 0xc4);
    out8(f, IER, 0x07); // data comes before THRE
    assert_int_equal(in8(f, IIR), 0xc4);
    for (unsigned i = 0; i < 8; i++)
        in8(f, DATA);
    assert_int_equal(in8(f, IIR), 0xc2);
}

static void test_out2_gates_the_line(void **state) {
    struct uart_test *t = *state;
    struct fixture *f = &t->f;
    start_driver(t);
    push(t, "x");
    assert_true(f->line.level);
    out8(f, MCR, 0x03);
    assert_false(f->line.level);
    out8(f, MCR, 0x0b);
    assert_true(f->line.level);
}

// Much more input than the FIFO holds arrives whole and in order, through interrupts.
static void test_long_input(void **state) {
    struct uart_test *t = *state;
    struct fixture *f = &t->f;
    start_driver(t);
    char text[4001];
    for (unsigned i = 0; i < 4000; i++)
        text[i] = (char)('!' + i % 90);
    text[4000] = 0;
    push(t, text);
    char got[4001] = {0};
    unsigned count = 0;
    for (unsigned turns = 0; turns < 1000 && count < 4000; turns++) {
        event_loop_turn(f->loop, 0);
        unsigned burst = 0;
        while (in8(f, LSR) & 1) {
            got[count++] = (char)in8(f, DATA);
            burst++;
        }
        assert_in_range(burst, 1, 16); // a handler is done after one FIFO
    }
    assert_string_equal(got, text);
    assert_false(f->line.level);
}

// Input that is there before the guest's driver starts waits for it.
static void test_early_input_is_kept(void **state) {
    struct uart_test *t = *state;
    struct fixture *f = &t->f;
    push(t, "ls\n");
    assert_int_equal(in8(f, LSR), 0x60);
    for (const char *c = "early console"; *c; c++) { // transmits without listening
        in8(f, LSR);
        out8(f, DATA, (uint8_t)*c);
    }
    in8(f, LSR);
    open_port(t);
    assert_true(f->line.level);
    assert_int_equal(in8(f, DATA), 'l');
    assert_int_equal(in8(f, DATA), 's');
    assert_int_equal(in8(f, DATA), '\n');
}

static void test_polling_guest(void **state) {
    struct uart_test *t = *state;
    struct fixture *f = &t->f;
    push(t, "hello");
    char got[6] = {0};
    for (unsigned i = 0; i < 5; i++) {
        unsigned polls = 0;
        while (!(in8(f, LSR) & 1))
            assert_true(++polls < 20);
        got[i] = (char)in8(f, DATA);
    }
    assert_string_equal(got, "hello");
    // One that prints all the time between its looks is heard too.
    push(t, "x");
    unsigned looks = 0;
    while (!(in8(f, LSR) & 1)) {
        assert_true(++looks < 20);
        in8(f, LSR);
        out8(f, DATA, '.');
    }
    assert_int_equal(in8(f, DATA), 'x');
}

static void test_rts_holds_input(void **state) {
    struct uart_test *t = *state;
    struct fixture *f = &t->f;
    start_driver(t); // RTS is up
    out8(f, MCR, 0x09);
    push(t, "x");
    assert_false(f->line.level);
    out8(f, MCR, 0x0b);
    event_loop_turn(f->loop, 0);
    assert_true(f->line.level);
    assert_int_equal(in8(f, DATA), 'x');
}

static void test_loopback(void **state) {
    struct uart_test *t = *state;
    struct fixture *f = &t->f;
    out8(f, FCR, 0x01);
    out8(f, MCR, 0x1f);
    assert_int_equal(in8(f, MSR) & 0xf0, 0xf0);
    push(t, "z"); // from outside: waits
    for (unsigned i = 0; i < 17; i++)
        out8(f, DATA, (uint8_t)i);
    assert_int_equal(in8(f, LSR), 0x63); // data and overrun
    assert_int_equal(in8(f, LSR), 0x61); // reading clears OE
    for (unsigned i = 0; i < 16; i++)
        assert_int_equal(in8(f, DATA), i);
    assert_int_equal(in8(f, LSR), 0x60);
    assert_int_equal(in8(f, DATA), 0);
    fixture_advance(f, 10 * MS);
    assert_int_equal(t->output_size, 0);
    out8(f, MCR, 0x10); // RI falls: TERI; the others changed
    assert_int_equal(in8(f, MSR), 0x0f);
    assert_int_equal(in8(f, MSR), 0x00);
}

static void test_line_and_modem_status_interrupts(void **state) {
    struct uart_test *t = *state;
    struct fixture *f = &t->f;
    out8(f, MCR, 0x1f);
    in8(f, MSR);
    out8(f, IER, 0x0d);
    out8(f, DATA, 1);
    out8(f, DATA, 2); // no FIFO: overrun
    assert_int_equal(in8(f, IIR), 0x06);
    in8(f, LSR);
    assert_int_equal(in8(f, IIR), 0x04);
    in8(f, DATA);
    assert_int_equal(in8(f, IIR), 0x01);
    out8(f, MCR, 0x1d);
    assert_int_equal(in8(f, IIR), 0x00);
    in8(f, MSR);
    assert_int_equal(in8(f, IIR), 0x01);
}

static void test_fifo_reset(void **state) {
    struct uart_test *t = *state;
    struct fixture *f = &t->f;
    start_driver(t);
    push(t, "abcdefghijklmnopqrstuvwxyz");
    assert_int_equal(in8(f, DATA), 'a');
    out8(f, FCR, 0x83);
    assert_int_equal(in8(f, LSR), 0x60);
    assert_false(f->line.level);
    // What the guest had not read arrives again, in order.
    for (char c = 'b'; c <= 'z'; c++) {
        event_loop_turn(f->loop, 0);
        assert_int_equal(in8(f, DATA), c);
    }
    out8(f, MCR, 0x1b); // but not what came through loopback
    out8(f, DATA, 'L');
    assert_int_equal(in8(f, LSR), 0x61);
    out8(f, FCR, 0x83);
    out8(f, MCR, 0x0b);
    event_loop_turn(f->loop, 0);
    assert_int_equal(in8(f, LSR), 0x60);
}

static void test_congestion(void **state) {
    struct uart_test *t = *state;
    struct fixture *f = &t->f;
    start_driver(t);
    out8(f, IER, 0x07);
    for (unsigned i = 0; i < CHARDEV_CONGESTED_BYTES; i++)
        out8(f, DATA, 'x'); // nobody turns the loop: the buffer fills
    assert_int_equal(in8(f, LSR) & 0x60, 0);
    in8(f, IIR);
    assert_false(f->line.level);
    out8(f, DATA, 'y'); // a guest that does not look loses nothing
    assert_false(f->line.level);
    fixture_advance(f, 2 * MS);
    assert_int_equal(in8(f, LSR) & 0x60, 0x60);
    assert_true(f->line.level); // THRE, because it is empty now
    assert_int_equal(in8(f, IIR), 0xc2);
    assert_int_equal(t->output_size, CHARDEV_CONGESTED_BYTES + 1);
    assert_int_equal(t->output[CHARDEV_CONGESTED_BYTES], 'y');
}

static void test_reset(void **state) {
    struct uart_test *t = *state;
    struct fixture *f = &t->f;
    start_driver(t);
    push(t, "abc");
    ns16550_reset(t->uart);
    assert_false(f->line.level);
    assert_int_equal(in8(f, IER), 0);
    assert_int_equal(in8(f, IIR), 0x01);
    assert_int_equal(in8(f, LSR), 0x60);
}

static void test_nothing_connected(void **state) {
    (void)state;
    struct fixture f;
    fixture_create(&f);
    struct ns16550 *uart = ns16550_create(f.io, BASE, fake_line(&f), NULL, NULL);
    out8(&f, DATA, 'x');
    assert_int_equal(in8(&f, LSR), 0x60);
    assert_int_equal(in8(&f, MSR), 0x00);
    for (unsigned i = 0; i < 20; i++)
        in8(&f, LSR);
    out8(&f, IER, 0x01);
    ns16550_destroy(uart);
    fixture_destroy(&f);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_detection),
        TEST(test_output_is_collected),
        TEST(test_thre_interrupt),
        TEST(test_receive_interrupt),
        TEST(test_out2_gates_the_line),
        TEST(test_long_input),
        TEST(test_early_input_is_kept),
        TEST(test_polling_guest),
        TEST(test_rts_holds_input),
        TEST(test_loopback),
        TEST(test_line_and_modem_status_interrupts),
        TEST(test_fifo_reset),
        TEST(test_congestion),
        TEST(test_reset),
        cmocka_unit_test(test_nothing_connected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
