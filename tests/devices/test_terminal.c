// The stdio back end on a real terminal: a child process has a pseudo terminal as its controlling one, echoes what it
// receives in upper case, and ends at Ctrl-A x, by a fatal signal, or in the background.
#include "fixture.h"

#include "devices/chardev.h"

#include <ctype.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define WAIT_MS 5000

// The child: its signal handler needs a way to the back end.
static struct chardev *child_device;

struct child {
    struct chardev *dev;
    bool quit; // written by the I/O thread
};

static size_t child_room(void *opaque) {
    (void)opaque;
    return 16;
}

static void child_receive(void *opaque, const uint8_t *bytes, size_t count) {
    struct child *child = opaque;
    for (size_t i = 0; i < count; i++) {
        uint8_t byte = bytes[i] < 0x20 ? (uint8_t)(bytes[i] + '@') : (uint8_t)toupper(bytes[i]);
        chardev_write(child->dev, &byte, 1);
    }
}

static void child_quit(void *opaque) {
    __atomic_store_n(&((struct child *)opaque)->quit, true, __ATOMIC_RELEASE);
}

static void child_abort(int signal_number) {
    chardev_restore_terminal(child_device);
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

static int child_main(void) {
    struct error err;
    struct event_loop *loop = event_loop_create(device_clock_host(), &err);
    struct child child = {0};
    const struct chardev_console console = {child_quit, &child};
    child.dev = child_device = chardev_open("stdio", loop, &console, NULL, &err);
    if (!child.dev)
        return 9;
    signal(SIGABRT, child_abort);
    const struct chardev_receiver receiver = {child_room, child_receive, NULL, &child};
    chardev_attach(child.dev, &receiver);
    chardev_write(child.dev, (const uint8_t *)"ready\n", 6);
    if (event_loop_start(loop, &err))
        return 9;
    for (int i = 0; i < WAIT_MS && !__atomic_load_n(&child.quit, __ATOMIC_ACQUIRE); i++)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    event_loop_stop(loop);
    chardev_close(child.dev);
    event_loop_destroy(loop);
    return child.quit ? 0 : 8;
}

struct terminal {
    int master;
    pid_t pid;
    struct termios found;
    char text[4096];
    size_t length;
};

static void start(struct terminal *t) {
    memset(t, 0, sizeof *t);
    t->pid = forkpty(&t->master, NULL, NULL, NULL);
    assert_true(t->pid >= 0);
    if (!t->pid)
        _exit(child_main());
}

// Reads from the terminal until the text appears.
static void expect(struct terminal *t, const char *text) {
    for (int i = 0; i < WAIT_MS / 20; i++) {
        if (strstr(t->text, text))
            return;
        struct pollfd ready = {.fd = t->master, .events = POLLIN};
        if (poll(&ready, 1, 20) <= 0)
            continue;
        ssize_t part = read(t->master, t->text + t->length, sizeof t->text - 1 - t->length);
        if (part > 0)
            t->length += (size_t)part;
    }
    fail_msg("'%s' did not appear, but '%s'", text, t->text);
}

static void type(struct terminal *t, const char *keys) {
    assert_int_equal(write(t->master, keys, strlen(keys)), strlen(keys));
}

static bool is_raw(struct terminal *t) {
    struct termios modes;
    assert_int_equal(tcgetattr(t->master, &modes), 0);
    return !(modes.c_lflag & (ICANON | ECHO | ISIG)) && modes.c_oflag & OPOST;
}

// The child's end; the slave is kept open so that the modes it leaves can be seen.
static int finish(struct terminal *t) {
    int status = -1;
    for (int i = 0; i < WAIT_MS; i++) {
        if (waitpid(t->pid, &status, WNOHANG) == t->pid)
            return status;
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    kill(t->pid, SIGKILL);
    waitpid(t->pid, &status, 0);
    fail_msg("the child did not end");
    return -1;
}

static int hold_slave(struct terminal *t) {
    int slave = open(ptsname(t->master), O_RDWR | O_NOCTTY);
    assert_true(slave >= 0);
    return slave;
}

static void test_session(void **state) {
    (void)state;
    struct terminal t;
    start(&t);
    int slave = hold_slave(&t);
    expect(&t, "ready\r\n"); // output processing stays on
    assert_true(is_raw(&t));
    type(&t, "hello\r");
    expect(&t, "HELLOM");
    type(&t, "\003\032"); // Ctrl-C and Ctrl-Z are the guest's
    expect(&t, "CZ");
    type(&t, "\001a");
    expect(&t, "CZA");
    type(&t, "\001h");
    expect(&t, "Ctrl-A x");
    type(&t, "\001x");
    int status = finish(&t);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_false(is_raw(&t));
    close(slave);
    close(t.master);
}

static void test_fatal_signal(void **state) {
    (void)state;
    struct terminal t;
    start(&t);
    int slave = hold_slave(&t);
    expect(&t, "ready");
    assert_true(is_raw(&t));
    kill(t.pid, SIGABRT);
    assert_true(WIFSIGNALED(finish(&t)));
    assert_false(is_raw(&t));
    close(slave);
    close(t.master);
}

// In the background the terminal belongs to somebody else: no change, no input, no stop.
static void test_background(void **state) {
    (void)state;
    struct terminal t = {0};
    t.pid = forkpty(&t.master, NULL, NULL, NULL);
    assert_true(t.pid >= 0);
    if (!t.pid) {
        pid_t background = fork();
        if (!background) {
            setpgid(0, 0);
            child_main(); // ends after its time, for lack of input
            _exit(7);
        }
        nanosleep(&(struct timespec){.tv_nsec = 500000000}, NULL);
        int status;
        pid_t changed = waitpid(background, &status, WNOHANG | WUNTRACED);
        kill(background, SIGKILL);
        waitpid(background, &status, 0);
        _exit(changed == 0 ? 0 : 1);
    }
    int slave = hold_slave(&t);
    expect(&t, "ready");
    assert_false(is_raw(&t));
    assert_int_equal(finish(&t), 0);
    close(slave);
    close(t.master);
}

// Standard input that is a pipe, at its end, or nothing.
static void run_with_input(int in, const char *expected) {
    int out[2];
    assert_int_equal(pipe(out), 0);
    pid_t pid = fork();
    if (!pid) {
        dup2(in, STDIN_FILENO);
        dup2(out[1], STDOUT_FILENO);
        _exit(child_main());
    }
    close(out[1]);
    char text[64] = {0};
    size_t length = 0;
    while (length < strlen(expected)) {
        struct pollfd ready = {.fd = out[0], .events = POLLIN};
        assert_true(poll(&ready, 1, WAIT_MS) > 0);
        ssize_t part = read(out[0], text + length, sizeof text - 1 - length);
        assert_true(part > 0);
        length += (size_t)part;
    }
    assert_string_equal(text, expected);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    close(out[0]);
}

static void test_other_inputs(void **state) {
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "typed", 5), 5);
    close(ends[1]);
    run_with_input(ends[0], "ready\nTYPED");
    run_with_input(ends[0], "ready\n"); // at its end
    close(ends[0]);
    int null = open("/dev/null", O_RDONLY);
    run_with_input(null, "ready\n");
    close(null);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_session),
        cmocka_unit_test(test_fatal_signal),
        cmocka_unit_test(test_background),
        cmocka_unit_test(test_other_inputs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
