// See timing.h. All processes stay on one processor: otherwise a pipe would measure the wake-up of another.
//
//     PROGRAM [--batch MILLISECONDS] [ROW]...
//     PROGRAM --list | --nothing
#include "timing.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { BATCHES = 5, BATCH_MS = 60, GOES = 3 };

__attribute__((noreturn)) void fail(const char *what) {
    perror(what);
    exit(1);
}

uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void wait_for(pid_t pid) {
    int status;
    if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status))
        fail("child");
}

void *map_anonymous(size_t size, int rights) {
    void *pages = mmap(NULL, size, rights, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED)
        fail("mmap");
    return pages;
}

const char *scratch_folder(void) {
    return access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm";
}

static uint64_t began, ended; // of the batch that runs

void timing_begin(void) {
    began = now_ns();
}

void timing_end(void) {
    ended = now_ns();
}

static uint64_t time_batch(const struct timed_row *row, uint32_t times, uint64_t *total) {
    ended = 0;
    uint64_t from = began = now_ns();
    row->run(times);
    uint64_t now = now_ns();
    *total += now - from;
    return (ended ? ended : now) - began;
}

// The best of several batches; how many times a batch is, is found out first.
static double best_of_batches(const struct timed_row *row, uint64_t batch_ns, uint64_t *total) {
    double best = 0;
    uint32_t times = 1;
    while (time_batch(row, times, total) < batch_ns / 2 && times < 1u << 24)
        times *= 2;
    for (int i = 0; i < BATCHES; i++) {
        double each = (double)time_batch(row, times, total) / times;
        if (i == 0 || each < best)
            best = each;
    }
    return best;
}

static double middle_of_goes(const struct timed_row *row, uint64_t *total) {
    double sorted[GOES];
    for (int i = 0; i < GOES; i++) {
        double each = (double)time_batch(row, row->fixed, total) / row->fixed;
        int at = i;
        for (; at && sorted[at - 1] > each; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = each;
    }
    return sorted[GOES / 2];
}

static void print_row(const struct timed_row *row, uint64_t batch_ns) {
    uint64_t total = 0;
    const char *reason = row->why_not ? row->why_not() : NULL;
    if (reason) {
        printf("@skip %s %s\n", row->name, reason);
        return;
    }
    printf("@begin %s\n", row->name);
    fflush(stdout);
    double each = row->fixed ? middle_of_goes(row, &total) : best_of_batches(row, batch_ns, &total);
    printf("@row %s %.1f 0\n@end %s %llu\n", row->name, each / row->unit, row->name, (unsigned long long)total);
    fflush(stdout);
}

static int is_wanted(const char *name, int argc, char **argv, int first) {
    for (int i = first; i < argc; i++)
        if (!strcmp(name, argv[i]))
            return 1;
    return first == argc;
}

static void stay_on_one_processor(void) {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET((size_t)sched_getcpu(), &one);
    sched_setaffinity(0, sizeof one, &one);
}

int main(int argc, char **argv) {
    uint64_t batch_ns = (uint64_t)BATCH_MS * 1000000;
    int first = 1;
    if (argc > 1 && !strcmp(argv[1], "--nothing"))
        return 0;
    if (argc == 2 && !strcmp(argv[1], "--list")) {
        for (unsigned i = 0; i < timed_row_count; i++)
            puts(timed_rows[i].name);
        return 0;
    }
    if (argc > 2 && !strcmp(argv[1], "--batch")) {
        batch_ns = (uint64_t)atoi(argv[2]) * 1000000;
        first = 3;
    }
    stay_on_one_processor();
    for (unsigned i = 0; i < timed_row_count; i++)
        if (is_wanted(timed_rows[i].name, argc, argv, first))
            print_row(&timed_rows[i], batch_ns);
    return 0;
}
