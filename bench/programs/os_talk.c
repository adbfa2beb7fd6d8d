// System rows: processes that wait for each other.
#include "os.h"
#include "timing.h"

#include <sched.h>
#include <unistd.h>

enum { RING_MOST = 16 };

// A child that answers each byte until its input ends.
void run_pipe(uint32_t times) {
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
    if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1)
        fail("pipe");
    timing_begin();
    for (uint32_t i = 0; i < times; i++)
        if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1)
            fail("pipe");
    timing_end();
    close(there[1]);
    wait_for(pid);
    close(there[0]);
    close(back[0]);
    close(back[1]);
}

// Two processes that hand the processor to each other: each yield is one switch.
void run_switch(uint32_t times) {
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

// Hands on what comes from `in` until it ends; the ends of all other pipes are closed.
__attribute__((noreturn)) static void hand_on(int (*pipes)[2], unsigned count, unsigned in, unsigned out) {
    char byte;
    for (unsigned i = 0; i < count; i++) {
        if (i != in)
            close(pipes[i][0]);
        if (i != out)
            close(pipes[i][1]);
    }
    while (read(pipes[in][0], &byte, 1) == 1 && write(pipes[out][1], &byte, 1) == 1)
        ;
    _exit(0);
}

static void pass_round(int (*pipes)[2], unsigned count, uint32_t times) {
    char byte = 0;
    for (uint32_t i = 0; i < times; i++)
        if (write(pipes[0][1], &byte, 1) != 1 || read(pipes[count - 1][0], &byte, 1) != 1)
            fail("ring");
}

// This process is one of the ring: it reads from the last pipe and writes to the first. Member n reads pipe n - 1.
static void run_ring(unsigned count, uint32_t times) {
    int pipes[RING_MOST][2];
    pid_t pids[RING_MOST];
    for (unsigned i = 0; i < count; i++)
        if (pipe(pipes[i]))
            fail("pipe");
    for (unsigned i = 1; i < count; i++) {
        pids[i] = fork();
        if (pids[i] == 0)
            hand_on(pipes, count, i - 1, i);
    }
    pass_round(pipes, count, 1); // all are there
    timing_begin();
    pass_round(pipes, count, times);
    timing_end();
    for (unsigned i = 0; i < count; i++)
        close(pipes[i][1]);
    for (unsigned i = 1; i < count; i++)
        wait_for(pids[i]);
    for (unsigned i = 0; i < count; i++)
        close(pipes[i][0]);
}

void run_ring_2(uint32_t times) {
    run_ring(2, times);
}
void run_ring_4(uint32_t times) {
    run_ring(4, times);
}
void run_ring_8(uint32_t times) {
    run_ring(8, times);
}
void run_ring_16(uint32_t times) {
    run_ring(16, times);
}
