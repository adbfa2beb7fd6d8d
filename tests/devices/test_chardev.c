// Character back ends without a terminal: file, null, pty, sink; console commands; slow, closed and absent readers.
#include "fixture.h"

#include "devices/chardev.h"
#include "devices/chardev_private.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define BIG (1u << 20)

// A device that takes up to `limit` bytes at all.
struct device {
    size_t limit;
    size_t count;
    unsigned writable;
    uint8_t bytes[8192];
};

static size_t device_room(void *opaque) {
    const struct device *d = opaque;
    size_t room = d->limit - d->count;
    return room < 16 ? room : 16;
}

static void device_receive(void *opaque, const uint8_t *bytes, size_t count) {
    struct device *d = opaque;
    assert_in_range(count, 1, device_room(opaque));
    memcpy(d->bytes + d->count, bytes, count);
    d->count += count;
}

static void device_writable(void *opaque) {
    ((struct device *)opaque)->writable++;
}

static void attach(struct chardev *dev, struct device *d) {
    const struct chardev_receiver receiver = {device_room, device_receive, device_writable, d};
    chardev_attach(dev, &receiver);
}

static void put(struct chardev *dev, const char *text) {
    chardev_write(dev, (const uint8_t *)text, strlen(text));
}

static void test_unknown_kind(void **state) {
    (void)state;
    struct fixture f;
    fixture_create(&f);
    struct error err;
    static const char *const bad[] = {"", "files", "file:", "Stdio", "tcp:1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_null(chardev_open(bad[i], f.loop, NULL, NULL, &err));
        assert_non_null(strstr(err.text, "unknown serial back end"));
    }
    assert_null(chardev_open("file:/nonexistent/x", f.loop, NULL, NULL, &err));
    assert_string_equal(err.text, "cannot open /nonexistent/x: No such file or directory");
    fixture_destroy(&f);
}

static void test_null(void **state) {
    (void)state;
    struct fixture f;
    fixture_create(&f);
    struct chardev *dev = chardev_open("null", f.loop, NULL, NULL, NULL);
    uint8_t *big = test_calloc(1, BIG);
    for (unsigned i = 0; i < 32; i++)
        chardev_write(dev, big, BIG);
    assert_false(chardev_congested(dev));
    assert_int_equal(event_loop_next_deadline(f.loop), UINT64_MAX);
    test_free(big);
    assert_null(chardev_path(dev));
    chardev_restore_terminal(dev);
    chardev_restore_terminal(NULL);
    chardev_close(dev);
    chardev_close(NULL);
    fixture_destroy(&f);
}

static void test_file(void **state) {
    (void)state;
    struct fixture f;
    fixture_create(&f);
    char path[] = "/tmp/ringshade-chardev-XXXXXX";
    int fd = mkstemp(path);
    assert_int_equal(write(fd, "old contents", 12), 12);
    char spec[64];
    snprintf(spec, sizeof spec, "file:%s", path);
    struct chardev *dev = chardev_open(spec, f.loop, NULL, NULL, NULL);
    assert_non_null(dev);
    put(dev, "one\n");
    fixture_advance(&f, 1 * MS);
    char text[64] = {0};
    assert_int_equal(pread(fd, text, sizeof text, 0), 4);
    put(dev, "two\n"); // closing writes it out
    chardev_close(dev);
    assert_int_equal(pread(fd, text, sizeof text, 0), 8);
    assert_string_equal(text, "one\ntwo\n");
    close(fd);
    unlink(path);
    fixture_destroy(&f);
}

struct quit_count {
    unsigned quits;
};

static void quit(void *opaque) {
    ((struct quit_count *)opaque)->quits++;
}

static char sunk[256];

static void sink(void *opaque, const uint8_t *bytes, size_t count) {
    (void)opaque;
    strncat(sunk, (const char *)bytes, count);
}

static size_t push(struct chardev *dev, const char *text) {
    return chardev_push(dev, (const uint8_t *)text, strlen(text));
}

static void test_console_commands(void **state) {
    (void)state;
    struct fixture f;
    fixture_create(&f);
    struct chardev *dev = chardev_open_sink(f.loop, sink, NULL, NULL, NULL);
    struct device d = {.limit = 8192};
    struct quit_count count = {0};
    attach(dev, &d);
    push(dev, "\001x"); // a sink passes everything
    assert_int_equal(d.count, 2);
    d.count = 0;
    dev->escapes = true;
    dev->console = (struct chardev_console){quit, &count};
    push(dev, "a\001");
    push(dev, "ab\001\001c\003\001qd"); // split between the two bytes, doubled, Ctrl-C, unknown
    assert_int_equal(d.count, 7);
    assert_memory_equal(d.bytes, "a\001b\001c\003d", 7);
    assert_int_equal(count.quits, 0);
    push(dev, "\001x");
    assert_int_equal(count.quits, 1);
    sunk[0] = 0;
    push(dev, "\001h");
    fixture_advance(&f, 2 * MS);
    assert_non_null(strstr(sunk, "Ctrl-A x"));
    chardev_close(dev);
    fixture_destroy(&f);
}

static void test_input_waits_for_room(void **state) {
    (void)state;
    struct fixture f;
    fixture_create(&f);
    struct chardev *dev = chardev_open_sink(f.loop, sink, NULL, NULL, NULL);
    assert_int_equal(push(dev, "before anybody is there "), 24);
    struct device d = {.limit = 10};
    attach(dev, &d);
    push(dev, "0123456789");
    assert_memory_equal(d.bytes, "before any", 10);
    d.limit = 100;
    chardev_accept_later(dev);
    assert_int_equal(d.count, 10);
    event_loop_turn(f.loop, 0);
    assert_int_equal(d.count, 34);
    assert_memory_equal(d.bytes, "before anybody is there 0123456789", 34);
    d.limit = d.count;
    uint8_t many[5000];
    memset(many, 'm', sizeof many);
    assert_int_equal(chardev_push(dev, many, sizeof many), CHARDEV_INPUT_MAX); // bounded, and says so
    assert_int_equal(chardev_push(dev, many, 1), 0);
    d.limit = 8192;
    chardev_accept(dev);
    assert_int_equal(d.count, 34 + CHARDEV_INPUT_MAX);
    // A device may give back what it has not used, even when the buffer is full again.
    d.limit = d.count;
    assert_int_equal(chardev_push(dev, many, sizeof many), CHARDEV_INPUT_MAX);
    chardev_unread(dev, (const uint8_t *)"0123456789abcdef", CHARDEV_UNREAD_MAX);
    assert_int_equal(chardev_push(dev, many, 1), 0);
    d.count = 0;
    d.limit = 8192;
    chardev_accept(dev);
    assert_int_equal(d.count, CHARDEV_INPUT_MAX + CHARDEV_UNREAD_MAX);
    assert_memory_equal(d.bytes, "0123456789abcdefmm", 18);
    chardev_close(dev);
    fixture_destroy(&f);
}

// Gives a back end a pair of descriptors, as stdio has them.
static struct chardev *open_on(struct fixture *f, int in, int out) {
    struct chardev *dev = chardev_new(f->loop, NULL, NULL);
    assert_non_null(dev);
    if (out >= 0)
        chardev_output_setup(dev, out);
    dev->in_fd = in;
    if (in >= 0)
        assert_int_equal(chardev_start_input(dev, NULL), 0);
    return dev;
}

static void test_slow_pipe(void **state) {
    (void)state;
    struct fixture f;
    fixture_create(&f);
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    struct chardev *dev = open_on(&f, -1, ends[1]);
    assert_int_equal(fcntl(ends[1], F_GETFL) & O_NONBLOCK, 0); // other users of the pipe are not disturbed
    struct device d = {.limit = 0};
    attach(dev, &d);
    uint8_t *big = test_malloc(BIG);
    for (unsigned i = 0; i < BIG; i++)
        big[i] = (uint8_t)(i * 13 + (i >> 8));
    chardev_write(dev, big, BIG); // far more than the pipe holds
    assert_true(chardev_congested(dev));
    event_loop_turn(f.loop, 0);
    event_loop_turn(f.loop, 0);
    assert_true(chardev_congested(dev));
    assert_int_equal(d.writable, 0);
    uint8_t *got = test_malloc(BIG);
    size_t count = 0;
    while (count < BIG) {
        ssize_t part = read(ends[0], got + count, BIG - count);
        assert_true(part > 0);
        count += (size_t)part;
        event_loop_turn(f.loop, 0);
    }
    assert_memory_equal(got, big, BIG);
    assert_false(chardev_congested(dev));
    assert_int_equal(d.writable, 1);
    test_free(big);
    test_free(got);
    chardev_close(dev);
    close(ends[0]);
    close(ends[1]);
    fixture_destroy(&f);
}

static void test_closed_reader(void **state) {
    (void)state;
    for (int kind = 0; kind < 3; kind++) {
        struct fixture f;
        fixture_create(&f);
        int ends[2];
        assert_int_equal(kind == 2 ? socketpair(AF_UNIX, SOCK_STREAM, 0, ends) : pipe(ends), 0);
        struct chardev *dev = open_on(&f, -1, ends[1]);
        if (kind == 1) { // as where the descriptor could not be opened again
            close(dev->out_fd);
            dev->out_fd = ends[1];
            dev->out_owned = dev->out_nonblock = false;
        }
        close(ends[0]);
        put(dev, "nobody reads this");
        fixture_advance(&f, 2 * MS); // no SIGPIPE
        assert_true(dev->out_closed);
        uint8_t *big = test_calloc(1, BIG);
        chardev_write(dev, big, BIG);
        assert_false(chardev_congested(dev)); // and the guest never waits
        test_free(big);
        chardev_close(dev);
        close(ends[1]);
        fixture_destroy(&f);
    }
}

// Where the descriptor stays blocking, little is written at a time and only when there is space.
static void test_blocking_descriptor(void **state) {
    (void)state;
    struct fixture f;
    fixture_create(&f);
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    struct chardev *dev = open_on(&f, -1, ends[1]);
    close(dev->out_fd);
    dev->out_fd = ends[1];
    dev->out_owned = dev->out_nonblock = false;
    uint8_t *big = test_calloc(1, BIG);
    chardev_write(dev, big, BIG / 4);
    for (unsigned i = 0; i < 100; i++)
        event_loop_turn(f.loop, 0); // the pipe is full; this must come back
    size_t count = 0;
    while (count < BIG / 4) {
        ssize_t part = read(ends[0], big, BIG);
        assert_true(part > 0);
        count += (size_t)part;
        for (unsigned i = 0; i < 10; i++)
            event_loop_turn(f.loop, 0);
    }
    test_free(big);
    chardev_close(dev);
    close(ends[0]);
    close(ends[1]);
    fixture_destroy(&f);
}

static void test_output_bound(void **state) {
    (void)state;
    struct fixture f;
    fixture_create(&f);
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    struct chardev *dev = open_on(&f, -1, ends[1]);
    uint8_t *big = test_calloc(1, BIG);
    for (unsigned i = 0; i < 20; i++)
        chardev_write(dev, big, BIG); // a guest that never looks at congestion
    assert_true(dev->dropped > 0);
    assert_true(dev->filling.capacity <= CHARDEV_BUFFER_MAX);
    test_free(big);
    close(ends[0]);
    chardev_close(dev);
    close(ends[1]);
    fixture_destroy(&f);
}

static void test_close_gives_up_on_a_stuck_reader(void **state) {
    (void)state;
    struct fixture f;
    fixture_create(&f);
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    struct chardev *dev = open_on(&f, -1, ends[1]);
    uint8_t *big = test_calloc(1, BIG);
    chardev_write(dev, big, BIG);
    test_free(big);
    chardev_close(dev); // ends, after its patience
    close(ends[0]);
    close(ends[1]);
    fixture_destroy(&f);
}

static void test_pipe_input(void **state) {
    (void)state;
    struct fixture f;
    fixture_create(&f);
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    struct chardev *dev = open_on(&f, ends[0], -1);
    struct device d = {.limit = 0};
    attach(dev, &d);
    char text[6001];
    for (unsigned i = 0; i < 6000; i++)
        text[i] = (char)('a' + i % 26);
    assert_int_equal(write(ends[1], text, 6000), 6000);
    for (unsigned i = 0; i < 10; i++)
        event_loop_turn(f.loop, 0);
    assert_int_equal(dev->in_count, CHARDEV_INPUT_MAX); // the rest stays in the pipe
    close(ends[1]);
    d.limit = 8192;
    event_loop_lock(f.loop);
    chardev_accept(dev);
    event_loop_unlock(f.loop);
    for (unsigned i = 0; i < 10; i++)
        event_loop_turn(f.loop, 0);
    assert_int_equal(d.count, 6000);
    assert_memory_equal(d.bytes, text, 6000);
    assert_false(dev->in_watched); // the end of input is no busy loop
    put(dev, "still fine");
    chardev_close(dev);
    close(ends[0]);
    fixture_destroy(&f);
}

static void test_regular_file_input(void **state) {
    (void)state;
    struct fixture f;
    fixture_create(&f);
    FILE *file = tmpfile();
    for (unsigned i = 0; i < 5000; i++)
        fputc('a' + (int)(i % 26), file);
    fflush(file);
    rewind(file);
    lseek(fileno(file), 0, SEEK_SET);
    struct chardev *dev = open_on(&f, fileno(file), -1);
    struct device d = {.limit = 100};
    attach(dev, &d);
    for (unsigned i = 0; i < 10; i++)
        event_loop_turn(f.loop, 0);
    assert_int_equal(d.count, 100);
    d.limit = 8192;
    event_loop_lock(f.loop);
    chardev_accept(dev);
    event_loop_unlock(f.loop);
    for (unsigned i = 0; i < 10; i++)
        event_loop_turn(f.loop, 0);
    assert_int_equal(d.count, 5000);
    for (unsigned i = 0; i < 5000; i++)
        assert_int_equal(d.bytes[i], 'a' + i % 26);
    assert_false(dev->in_always_ready);
    chardev_close(dev);
    fclose(file);
    fixture_destroy(&f);
}

// Reads until `count` bytes came, turning the loop.
static size_t client_read(struct fixture *f, int fd, char *text, size_t count) {
    size_t got = 0;
    for (unsigned i = 0; i < 100 && got < count; i++) {
        event_loop_turn(f->loop, 0);
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        if (poll(&ready, 1, 20) <= 0)
            continue;
        ssize_t part = read(fd, text + got, count - got);
        if (part > 0)
            got += (size_t)part;
    }
    return got;
}

static void test_pty(void **state) {
    (void)state;
    struct fixture f;
    fixture_create(&f);
    struct chardev *dev = chardev_open("pty", f.loop, NULL, NULL, NULL);
    assert_non_null(dev);
    assert_non_null(chardev_path(dev));
    struct device d = {.limit = 8192};
    attach(dev, &d);
    // Nobody there: the end of the output is kept, the guest is never held up.
    for (unsigned i = 0; i < 10; i++) {
        uint8_t page[16384];
        memset(page, '0' + (int)i, sizeof page);
        chardev_write(dev, page, sizeof page);
        assert_false(chardev_congested(dev));
    }
    put(dev, "end\n");
    fixture_advance(&f, 600 * MS);
    assert_true(dev->out_held);
    int client = open(chardev_path(dev), O_RDWR | O_NOCTTY | O_NONBLOCK);
    assert_true(client >= 0);
    fixture_advance(&f, 600 * MS); // somebody is
    char *text = test_calloc(1, BIG);
    size_t got = client_read(&f, client, text, CHARDEV_CONGESTED_BYTES);
    assert_in_range(got, CHARDEV_CONGESTED_BYTES / 4, CHARDEV_CONGESTED_BYTES);
    assert_memory_equal(text + got - 5, "9end\n", 5); // raw: no CR was added
    assert_int_equal(write(client, "hi\r", 3), 3);
    for (unsigned i = 0; i < 5; i++)
        event_loop_turn(f.loop, 10);
    assert_int_equal(d.count, 3);
    assert_memory_equal(d.bytes, "hi\r", 3);
    // Gone, and back.
    close(client);
    for (unsigned i = 0; i < 5; i++)
        event_loop_turn(f.loop, 10);
    assert_true(dev->out_held);
    put(dev, "while away\n");
    client = open(chardev_path(dev), O_RDWR | O_NOCTTY | O_NONBLOCK);
    fixture_advance(&f, 600 * MS);
    assert_int_equal(client_read(&f, client, text, 11), 11);
    assert_memory_equal(text, "while away\n", 11);
    assert_int_equal(write(client, "!", 1), 1);
    for (unsigned i = 0; i < 5; i++)
        event_loop_turn(f.loop, 10);
    assert_int_equal(d.count, 4);
    close(client);
    test_free(text);
    chardev_close(dev);
    fixture_destroy(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unknown_kind),
        cmocka_unit_test(test_null),
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_console_commands),
        cmocka_unit_test(test_input_waits_for_room),
        cmocka_unit_test(test_slow_pipe),
        cmocka_unit_test(test_closed_reader),
        cmocka_unit_test(test_blocking_descriptor),
        cmocka_unit_test(test_output_bound),
        cmocka_unit_test(test_close_gives_up_on_a_stuck_reader),
        cmocka_unit_test(test_pipe_input),
        cmocka_unit_test(test_regular_file_input),
        cmocka_unit_test(test_pty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
