// The console on a terminal: raw mode while a guest runs, the keys of our own, and the terminal's settings given back
// whatever ends the run. Usage: test_console RINGSHADE MAKE_KERNEL
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include <utmp.h>

#define PATIENCE_MS 20000

static const char *ringshade_path, *make_kernel_path;

struct console {
    char directory[64];
    char kernel[128];
    int master, slave;
    struct termios before;
    pid_t pid;
    char output[8192];
    size_t size;
};

static int setup(void **state) {
    struct console *c = calloc(1, sizeof *c);
    if (!c)
        return -1;
    strcpy(c->directory, "/tmp/ringshade-console-XXXXXX");
    if (!mkdtemp(c->directory) || openpty(&c->master, &c->slave, NULL, NULL, NULL) || tcgetattr(c->slave, &c->before))
        return -1;
    strcpy(c->kernel, c->directory);
    strcat(c->kernel, "/kernel");
    *state = c;
    return 0;
}

static int teardown(void **state) {
    struct console *c = *state;
    if (c->pid > 0) {
        kill(c->pid, SIGKILL);
        waitpid(c->pid, NULL, 0);
    }
    close(c->master);
    close(c->slave);
    unlink(c->kernel);
    rmdir(c->directory);
    free(c);
    return 0;
}

static void start(struct console *c, const char *kind) {
    char command[512];
    snprintf(command, sizeof command, "%s %s %s", make_kernel_path, kind, c->kernel);
    assert_int_equal(system(command), 0);
    c->pid = fork();
    if (!c->pid) {
        close(c->master);
        login_tty(c->slave);
        execl(ringshade_path, "ringshade", "run", "--kernel", c->kernel, "--memory", "8M", "--timeout", "30", NULL);
        _exit(127);
    }
}

static void pause_ms(long ms) {
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

static bool raw(struct console *c) {
    struct termios now;
    assert_int_equal(tcgetattr(c->slave, &now), 0);
    return !(now.c_lflag & (ICANON | ECHO | ISIG));
}

static void wait_for_raw_mode(struct console *c) {
    for (int waited = 0; !raw(c); waited += 10) {
        assert_true(waited < PATIENCE_MS);
        pause_ms(10);
    }
}

static void type(struct console *c, const char *keys, size_t count) {
    assert_int_equal(write(c->master, keys, count), count);
}

static void wait_for_output(struct console *c, const char *text) {
    while (!strstr(c->output, text)) {
        struct pollfd ready = {.fd = c->master, .events = POLLIN};
        if (poll(&ready, 1, PATIENCE_MS) <= 0)
            fail_msg("'%s' does not come; there is: %s", text, c->output);
        ssize_t got = read(c->master, c->output + c->size, sizeof c->output - 1 - c->size);
        assert_true(got > 0);
        c->size += (size_t)got;
    }
}

// Waits for the end and checks that the terminal is as before.
static void assert_ends(struct console *c, int exit_status) {
    int status = 0;
    pid_t ended = 0;
    for (int waited = 0; !(ended = waitpid(c->pid, &status, WNOHANG)) && waited < PATIENCE_MS; waited += 10) {
        struct pollfd ready = {.fd = c->master, .events = POLLIN};
        char rest[256]; // a full terminal must not hold it up
        if (poll(&ready, 1, 10) > 0 && read(c->master, rest, sizeof rest) < 0)
            pause_ms(10);
    }
    assert_int_equal(ended, c->pid);
    c->pid = 0;
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), exit_status);
    struct termios after;
    assert_int_equal(tcgetattr(c->slave, &after), 0);
    assert_int_equal(after.c_iflag, c->before.c_iflag);
    assert_int_equal(after.c_oflag, c->before.c_oflag);
    assert_int_equal(after.c_lflag, c->before.c_lflag);
    assert_int_equal(after.c_cflag, c->before.c_cflag);
}

static void test_ctrl_a_x_leaves(void **state) {
    struct console *c = *state;
    start(c, "echo");
    wait_for_raw_mode(c);
    type(c, "\x01x", 2);
    assert_ends(c, 0);
}

static void test_keys_reach_the_guest(void **state) {
    struct console *c = *state;
    start(c, "echo");
    wait_for_raw_mode(c);
    type(c, "ab\x03z\x1a", 5); // Ctrl-C and Ctrl-Z too
    wait_for_output(c, "ab\x03z\x1a");
    type(c,
         "[\x01"
         "a]",
         4);
    wait_for_output(c, "[\x01]");
    type(c, "\x01h", 2);
    wait_for_output(c, "Ctrl-A x");
    type(c, "\x01x", 2);
    assert_ends(c, 0);
}

static void test_signal_restores_the_terminal(void **state) {
    struct console *c = *state;
    start(c, "spin");
    wait_for_raw_mode(c);
    kill(c->pid, SIGTERM);
    assert_ends(c, 143);
}

static void test_hangup_of_an_idle_guest(void **state) {
    struct console *c = *state;
    start(c, "idle");
    wait_for_raw_mode(c);
    kill(c->pid, SIGHUP);
    assert_ends(c, 129);
}

static void test_triple_fault_restores_the_terminal(void **state) {
    struct console *c = *state;
    start(c, "triple");
    assert_ends(c, 4);
}

static void test_halt_restores_the_terminal(void **state) {
    struct console *c = *state;
    start(c, "print");
    assert_ends(c, 0);
}

static void test_leaving_an_idle_guest(void **state) {
    struct console *c = *state;
    start(c, "idle");
    wait_for_raw_mode(c);
    type(c, "\x01x", 2);
    assert_ends(c, 0);
}

int main(int argc, char **argv) {
    if (argc < 3)
        return 2;
    ringshade_path = argv[1];
    make_kernel_path = argv[2];
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_ctrl_a_x_leaves),
        TEST(test_keys_reach_the_guest),
        TEST(test_signal_restores_the_terminal),
        TEST(test_hangup_of_an_idle_guest),
        TEST(test_triple_fault_restores_the_terminal),
        TEST(test_halt_restores_the_terminal),
        TEST(test_leaving_an_idle_guest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
