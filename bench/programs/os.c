// Times what a program asks of its operating system, in the form of compute.c: "@begin NAME", "@row NAME NANOSECONDS
// 0",
// "@end NAME NANOSECONDS". It uses the C library, whose system calls go through the kernel's own entry (SYSENTER on
// i386). All processes stay on one processor.
//
//     os [--batch MILLISECONDS] [ROW]...
//     os --list
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { BATCHES = 5, BATCH_MS = 60, TOUCH_PAGES = 2048, PAGE = 4096, MAP_PAGES = 16 };

struct os_row {
    const char *name;
    void (*run)(uint32_t times);
    uint32_t unit; // how many operations one "time" is
};

__attribute__((noreturn)) static void fail(const char *what) {
    perror(what);
    exit(1);
}

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void run_getppid(uint32_t times) {
    for (uint32_t i = 0; i < times; i++)
        syscall(SYS_getppid);
}

static void run_clock(uint32_t times) {
    for (uint32_t i = 0; i < times; i++)
        now_ns();
}

static void wait_for(pid_t pid) {
    int status;
    if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status))
        fail("child");
}

static void run_fork(uint32_t times) {
    for (uint32_t i = 0; i < times; i++) {
        pid_t pid = fork();
        if (pid == 0)
            _exit(0);
        wait_for(pid);
    }
}

static void run_exec(uint32_t times) {
    for (uint32_t i = 0; i < times; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            execl("/proc/self/exe", "os", "--nothing", (char *)NULL);
            _exit(1);
        }
        wait_for(pid);
    }
}

static void run_touch(uint32_t times) {
    for (uint32_t i = 0; i < times; i++) {
        volatile char *pages =
            mmap(NULL, TOUCH_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (pages == MAP_FAILED)
            fail("mmap");
        for (uint32_t page = 0; page < TOUCH_PAGES; page++)
            pages[page * PAGE] = 1;
        munmap((void *)(uintptr_t)pages, TOUCH_PAGES * PAGE);
    }
}

static void run_map(uint32_t times) {
    for (uint32_t i = 0; i < times; i++) {
        void *pages = mmap(NULL, MAP_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (pages == MAP_FAILED || munmap(pages, MAP_PAGES * PAGE))
            fail("mmap");
    }
}

// A child that answers each byte until its input ends.
static void run_pipe(uint32_t times) {
    int there[2], back[2];
    char byte = 0;
    if (pipe(there) || pipe(back))
        fail("pipe");
    pid_t pid = fork();
    if (pid == 0) {
        close(there[1]);
        while (read(there[0], &byte, 1) == 1 && write(back[1], &byte, 1) == 1)
            ;
        _exit(0);
    }
    for (uint32_t i = 0; i < times; i++)
        if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1)
            fail("pipe");
    close(there[1]);
    wait_for(pid);
    close(there[0]);
    close(back[0]);
    close(back[1]);
}

// Two processes that hand the processor to each other: each yield is one switch.
static void run_switch(uint32_t times) {
    pid_t pid = fork();
    if (pid == 0) {
        for (uint32_t i = 0; i < times; i++)
            sched_yield();
        _exit(0);
    }
    for (uint32_t i = 0; i < times; i++)
        sched_yield();
    wait_for(pid);
}

static volatile sig_atomic_t signals_taken;

static void on_signal(int number) {
    signals_taken += number != 0;
}

static void run_signal(uint32_t times) {
    signal(SIGUSR1, on_signal);
    for (uint32_t i = 0; i < times; i++)
        raise(SIGUSR1);
}

static const struct os_row rows[] = {
    {"getppid", run_getppid, 1},
    {"clock", run_clock, 1},
    {"fork-wait", run_fork, 1},
    {"exec", run_exec, 1},
    {"page-touch", run_touch, TOUCH_PAGES},
    {"map-unmap", run_map, 1},
    {"pipe", run_pipe, 1},
    {"switch", run_switch, 2},
    {"signal", run_signal, 1},
};

static uint64_t time_batch(const struct os_row *row, uint32_t times, uint64_t *total) {
    uint64_t from = now_ns();
    row->run(times);
    uint64_t took = now_ns() - from;
    *total += took;
    return took;
}

static void print_row(const struct os_row *row, uint64_t batch_ns) {
    uint64_t total = 0;
    double best = 0;
    uint32_t times = 1;
    printf("@begin %s\n", row->name);
    fflush(stdout);
    while (time_batch(row, times, &total) < batch_ns / 2 && times < 1u << 24)
        times *= 2;
    for (int i = 0; i < BATCHES; i++) {
        double each = (double)time_batch(row, times, &total) / times / row->unit;
        if (i == 0 || each < best)
            best = each;
    }
    printf("@row %s %.1f 0\n@end %s %llu\n", row->name, best, row->name, (unsigned long long)total);
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
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
            puts(rows[i].name);
        return 0;
    }
    if (argc > 2 && !strcmp(argv[1], "--batch")) {
        batch_ns = (uint64_t)atoi(argv[2]) * 1000000;
        first = 3;
    }
    stay_on_one_processor();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (is_wanted(rows[i].name, argc, argv, first))
            print_row(&rows[i], batch_ns);
    return 0;
}
