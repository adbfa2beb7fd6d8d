// The I/O thread: timers, descriptors, jobs, the lock, and that it sleeps when there is nothing to do.
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

struct trace {
    struct event_loop *loop;
    struct event_timer timer[4];
    struct event_job job;
    struct event_watch watch;
    char text[64];
    size_t length;
    unsigned runs;
    uint64_t fired_at;
    int fd;
    clockid_t cpu_clock;
};

static void note(struct trace *t, char what) {
    if (t->length + 1 < sizeof t->text)
        t->text[t->length++] = what;
}

static void fire_a(void *opaque) {
    note(opaque, 'a');
}

static void fire_b(void *opaque) {
    note(opaque, 'b');
}

static void fire_c(void *opaque) {
    note(opaque, 'c');
}

static void test_timers_fire_in_order(void **state) {
    (void)state;
    struct fixture f;
    fixture_create(&f);
    struct trace t = {.loop = f.loop};
    event_timer_init(&t.timer[0], f.loop, fire_a, &t);
    event_timer_init(&t.timer[1], f.loop, fire_b, &t);
    event_timer_init(&t.timer[2], f.loop, fire_c, &t);
    event_timer_arm(&t.timer[0], f.now + 300);
    event_timer_arm(&t.timer[1], f.now + 100);
    event_timer_arm(&t.timer[2], f.now + 200);
    assert_int_equal(event_loop_next_deadline(f.loop), f.now + 100);
    fixture_advance(&f, 250);
    assert_string_equal(t.text, "bc");
    event_timer_arm(&t.timer[1], f.now + 10);
    event_timer_arm(&t.timer[2], f.now + 20);
    event_timer_arm(&t.timer[1], f.now + 30); // moved
    event_timer_cancel(&t.timer[0]);
    event_timer_cancel(&t.timer[0]);
    fixture_advance(&f, 1000);
    assert_string_equal(t.text, "bccb");
    assert_false(t.timer[0].armed);
    assert_int_equal(event_loop_next_deadline(f.loop), UINT64_MAX);
    event_timer_arm(&t.timer[0], 5); // long past
    fixture_advance(&f, 0);
    assert_string_equal(t.text, "bccba");
    fixture_destroy(&f);
}

// A processor that halts keeps the timers: it is told how long it may sleep, and fires what is due.
static uint64_t stepped_now(void *opaque) {
    return *(uint64_t *)opaque;
}

// Nobody but event_loop_fire looks at the timers of a stepped loop, and a turn of it does nothing.
static void test_stepped(void **state) {
    (void)state;
    struct error err;
    struct trace t = {0};
    uint64_t now = 1000;
    struct event_loop *loop = event_loop_create_stepped((struct device_clock){stepped_now, &now}, &err);
    struct event_timer a, b;
    assert_non_null(loop);
    event_timer_init(&a, loop, fire_a, &t);
    event_timer_init(&b, loop, fire_b, &t);
    event_timer_arm(&b, 2000);
    event_timer_arm(&a, 1500);
    assert_true(event_loop_next_deadline(loop) == 1500);
    event_loop_fire(loop);
    assert_int_equal(t.length, 0);
    now = 1500;
    event_loop_fire(loop);
    assert_int_equal(t.length, 1);
    now = 5000;
    event_loop_fire(loop);
    assert_int_equal(t.length, 2);
    assert_true(event_loop_next_deadline(loop) == UINT64_MAX);
    event_loop_destroy(loop);
}

static void test_lent_timers(void **state) {
    (void)state;
    struct fixture f;
    fixture_create(&f);
    struct trace t = {.loop = f.loop};
    event_timer_init(&t.timer[0], f.loop, fire_a, &t);
    event_timer_init(&t.timer[1], f.loop, fire_b, &t);
    assert_true(event_loop_idle_begin(f.loop) == UINT64_MAX);
    event_loop_idle_end(f.loop);
    event_timer_arm(&t.timer[0], f.now + 300);
    assert_int_equal(event_loop_idle_begin(f.loop), 300);
    f.now += 300;
    event_loop_idle_end(f.loop);
    assert_string_equal(t.text, "a");
    event_timer_arm(&t.timer[0], f.now + 300);
    assert_int_equal(event_loop_idle_begin(f.loop), 300);
    event_timer_arm(&t.timer[1], f.now + 100); // sooner than the sleeper knows: the loop's own
    fixture_advance(&f, 100);
    assert_string_equal(t.text, "ab");
    f.now += 50;
    event_loop_idle_end(f.loop); // woken for another reason: nothing is due
    assert_string_equal(t.text, "ab");
    f.now += 400;
    assert_int_equal(event_loop_idle_begin(f.loop), 0);
    event_loop_idle_end(f.loop);
    assert_string_equal(t.text, "aba");
    fixture_destroy(&f);
}

static void fire_again(void *opaque) {
    struct trace *t = opaque;
    t->runs++;
    event_timer_arm(&t->timer[0], 0);
}

// A timer that is always due must not keep the loop from its descriptors.
static void test_turn_is_bounded(void **state) {
    (void)state;
    struct fixture f;
    fixture_create(&f);
    struct trace t = {.loop = f.loop};
    event_timer_init(&t.timer[0], f.loop, fire_again, &t);
    event_timer_arm(&t.timer[0], 0);
    event_loop_turn(f.loop, 0);
    assert_in_range(t.runs, 1, 1000);
    event_timer_cancel(&t.timer[0]);
    fixture_destroy(&f);
}

static void read_byte(void *opaque, uint32_t events) {
    struct trace *t = opaque;
    char byte = '-';
    if (events & EPOLLIN && read(t->fd, &byte, 1) != 1)
        byte = '?';
    note(t, byte);
}

static void test_descriptors(void **state) {
    (void)state;
    struct fixture f;
    fixture_create(&f);
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    struct trace t = {.loop = f.loop, .fd = ends[0]};
    assert_int_equal(event_watch_start(&t.watch, f.loop, ends[0], EPOLLIN, read_byte, &t, NULL), 0);
    event_loop_turn(f.loop, 0);
    assert_int_equal(write(ends[1], "xyz", 3), 3);
    event_loop_turn(f.loop, 1000);
    event_loop_turn(f.loop, 1000);
    assert_string_equal(t.text, "xy");
    event_watch_set(&t.watch, 0);
    event_loop_turn(f.loop, 0);
    assert_string_equal(t.text, "xy");
    close(ends[1]);
    event_loop_turn(f.loop, 0); // not even a hang-up
    assert_string_equal(t.text, "xy");
    event_watch_set(&t.watch, EPOLLIN);
    event_loop_turn(f.loop, 1000);
    event_loop_turn(f.loop, 1000);
    assert_int_equal(t.text[2], 'z');
    event_watch_stop(&t.watch);
    size_t before = t.length;
    event_loop_turn(f.loop, 0);
    assert_int_equal(t.length, before);
    close(ends[0]);
    // A regular file cannot be waited for, and the caller is told so.
    FILE *file = tmpfile();
    struct error err = {{0}};
    assert_int_equal(event_watch_start(&t.watch, f.loop, fileno(file), EPOLLIN, read_byte, &t, &err), -1);
    assert_int_equal(errno, EPERM);
    assert_true(strlen(err.text) > 0);
    fclose(file);
    fixture_destroy(&f);
}

static void job_runs(void *opaque) {
    struct trace *t = opaque;
    event_loop_lock(t->loop); // jobs run without it
    t->runs++;
    event_loop_unlock(t->loop);
}

static void test_jobs(void **state) {
    (void)state;
    struct fixture f;
    fixture_create(&f);
    struct trace t = {.loop = f.loop};
    t.job = (struct event_job){.run = job_runs, .opaque = &t};
    event_loop_post(f.loop, &t.job);
    event_loop_post(f.loop, &t.job); // still the same one
    event_loop_turn(f.loop, -1);     // does not sleep
    assert_int_equal(t.runs, 1);
    event_loop_post(f.loop, &t.job);
    event_loop_unpost(f.loop, &t.job);
    event_loop_unpost(f.loop, &t.job);
    event_loop_turn(f.loop, 0);
    assert_int_equal(t.runs, 1);
    struct event_job other = {.run = job_runs, .opaque = &t};
    event_loop_post(f.loop, &t.job);
    event_loop_post(f.loop, &other);
    event_loop_unpost(f.loop, &other); // the last of the queue
    event_loop_post(f.loop, &other);
    event_loop_turn(f.loop, 0);
    assert_int_equal(t.runs, 3);
    fixture_destroy(&f);
}

static void fire_note_time(void *opaque) {
    struct trace *t = opaque;
    t->fired_at = event_loop_now(t->loop);
    t->runs++;
}

static void sleep_ms(long ms) {
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

// Waits for the thread to have done something `runs` times; a busy host may take its time.
static void wait_for_runs(struct trace *t, unsigned runs) {
    for (int i = 0; i < 5000; i++) {
        event_loop_lock(t->loop);
        unsigned now = t->runs;
        event_loop_unlock(t->loop);
        if (now >= runs) {
            assert_int_equal(now, runs);
            return;
        }
        sleep_ms(1);
    }
    fail_msg("the thread did not get to run %u", runs);
}

static void test_thread_on_host_clock(void **state) {
    (void)state;
    struct event_loop *loop = event_loop_create(device_clock_host(), NULL);
    struct trace t = {.loop = loop};
    event_timer_init(&t.timer[0], loop, fire_note_time, &t);
    uint64_t begin = event_loop_now(loop);
    event_timer_arm(&t.timer[0], begin + 20 * MS); // before the thread runs
    assert_int_equal(event_loop_start(loop, NULL), 0);
    wait_for_runs(&t, 1);
    event_loop_lock(loop);
    assert_true(t.fired_at >= begin + 20 * MS);
    event_timer_arm(&t.timer[0], event_loop_now(loop) + 60000 * MS);
    event_timer_arm(&t.timer[0], event_loop_now(loop) + 10 * MS); // earlier: the thread must hear of it
    event_loop_unlock(loop);
    wait_for_runs(&t, 2);
    event_loop_stop(loop);
    event_loop_stop(loop);
    assert_int_equal(event_loop_start(loop, NULL), 0); // again
    event_loop_stop(loop);
    event_loop_destroy(loop);
}

static void fetch_clock(void *opaque) {
    struct trace *t = opaque;
    event_loop_lock(t->loop);
    assert_int_equal(pthread_getcpuclockid(pthread_self(), &t->cpu_clock), 0);
    t->runs++;
    event_loop_unlock(t->loop);
}

static bool cpu_time_passes(struct trace *t, long ms) {
    struct timespec before;
    struct timespec after;
    clock_gettime(t->cpu_clock, &before);
    sleep_ms(ms);
    clock_gettime(t->cpu_clock, &after);
    return before.tv_sec != after.tv_sec || before.tv_nsec != after.tv_nsec;
}

static void test_idle_thread_sleeps(void **state) {
    (void)state;
    struct event_loop *loop = event_loop_create(device_clock_host(), NULL);
    struct trace t = {.loop = loop};
    t.job = (struct event_job){.run = fetch_clock, .opaque = &t};
    event_timer_init(&t.timer[0], loop, fire_note_time, &t);
    assert_int_equal(event_loop_start(loop, NULL), 0);
    event_loop_lock(loop);
    event_loop_post(loop, &t.job);
    event_timer_arm(&t.timer[0], event_loop_now(loop) + 1000000 * MS);
    event_loop_unlock(loop);
    wait_for_runs(&t, 1);
    bool slept = false;
    for (int i = 0; i < 50 && !slept; i++)
        slept = !cpu_time_passes(&t, 50); // it may still be on its way to sleep
    assert_true(slept);
    event_loop_stop(loop);
    event_loop_destroy(loop);
}

// While the timers are lent the thread sleeps through their deadlines, unless one is armed that is due sooner.
static void test_lent_timers_on_the_thread(void **state) {
    (void)state;
    struct event_loop *loop = event_loop_create(device_clock_host(), NULL);
    struct trace t = {.loop = loop};
    t.job = (struct event_job){.run = fetch_clock, .opaque = &t};
    event_timer_init(&t.timer[0], loop, fire_note_time, &t);
    event_timer_init(&t.timer[1], loop, fire_note_time, &t);
    assert_int_equal(event_loop_start(loop, NULL), 0);
    event_loop_lock(loop);
    event_loop_post(loop, &t.job);
    event_loop_unlock(loop);
    wait_for_runs(&t, 1);
    bool slept = false;
    for (int i = 0; i < 50 && !slept; i++) {
        event_loop_lock(loop);
        event_timer_arm(&t.timer[0], event_loop_now(loop) + 60 * MS);
        event_loop_unlock(loop);
        assert_true(event_loop_idle_begin(loop) <= 60 * MS);
        sleep_ms(20); // it may still be on its way to sleep
        slept = !cpu_time_passes(&t, 80);
        event_loop_idle_end(loop);
        wait_for_runs(&t, 2 + (unsigned)i); // fired here, once
    }
    assert_true(slept);
    unsigned runs = t.runs;
    event_loop_lock(loop);
    event_timer_arm(&t.timer[0], event_loop_now(loop) + 60000 * MS);
    event_loop_unlock(loop);
    event_loop_idle_begin(loop);
    event_loop_lock(loop);
    event_timer_arm(&t.timer[1], event_loop_now(loop) + 5 * MS);
    event_loop_unlock(loop);
    wait_for_runs(&t, runs + 1);
    event_loop_idle_end(loop);
    // Given back, the deadline is the thread's again.
    event_loop_lock(loop);
    event_timer_arm(&t.timer[0], event_loop_now(loop) + 20 * MS);
    event_loop_unlock(loop);
    event_loop_idle_begin(loop);
    event_loop_idle_end(loop);
    wait_for_runs(&t, runs + 2);
    event_loop_stop(loop);
    event_loop_destroy(loop);
}

static void job_looks_at_signals(void *opaque) {
    struct trace *t = opaque;
    sigset_t blocked;
    pthread_sigmask(SIG_BLOCK, NULL, &blocked);
    event_loop_lock(t->loop);
    t->runs = 1 + (unsigned)(sigismember(&blocked, SIGTERM) && sigismember(&blocked, SIGPIPE) &&
                             sigismember(&blocked, SIGUSR1) && !sigismember(&blocked, SIGSEGV));
    event_loop_unlock(t->loop);
}

static void test_thread_takes_no_signals(void **state) {
    (void)state;
    struct event_loop *loop = event_loop_create(device_clock_host(), NULL);
    struct trace t = {.loop = loop};
    t.job = (struct event_job){.run = job_looks_at_signals, .opaque = &t};
    assert_int_equal(event_loop_start(loop, NULL), 0);
    event_loop_lock(loop);
    event_loop_post(loop, &t.job);
    event_loop_unlock(loop);
    wait_for_runs(&t, 2); // 1: something was wrong
    event_loop_stop(loop);
    sigset_t mine;
    pthread_sigmask(SIG_BLOCK, NULL, &mine);
    assert_false(sigismember(&mine, SIGTERM)); // the caller's mask is as it was
    event_loop_destroy(loop);
}

// The quick clock follows the other: never ahead of it, hardly behind, never backwards. An interruption of this thread
// between the two questions looks like lateness, so most of them are looked at.
static void quick_clock(void **state) {
    (void)state;
    enum { ASKED = 400000, SLACK_NS = 1000 };
    const struct device_clock clock = device_clock_host();
    struct device_clock_steps steps = {0};
    uint64_t last = 0;
    unsigned late = 0;
    for (unsigned i = 0; i < ASKED; i++) {
        uint64_t before = device_clock_now(&clock), quick = device_clock_quick(&clock, &steps);
        uint64_t behind = device_clock_now(&clock);
        assert_true(quick >= last);
        assert_true(quick <= behind + SLACK_NS);
        late += quick + SLACK_NS < before;
        last = quick;
    }
    assert_true(steps.useless || steps.scale);
    assert_true(late < ASKED / 100);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_timers_fire_in_order),
        cmocka_unit_test(test_turn_is_bounded),
        cmocka_unit_test(test_stepped),
        cmocka_unit_test(test_lent_timers),
        cmocka_unit_test(test_lent_timers_on_the_thread),
        cmocka_unit_test(test_descriptors),
        cmocka_unit_test(test_jobs),
        cmocka_unit_test(test_thread_on_host_clock),
        cmocka_unit_test(test_idle_thread_sleeps),
        cmocka_unit_test(test_thread_takes_no_signals),
        cmocka_unit_test(quick_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
