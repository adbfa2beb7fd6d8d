// System rows: the smallest system calls, processes, signals.
#include "os.h"
#include "timing.h"

#include <signal.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

void run_getppid(uint32_t times) {
    for (uint32_t i = 0; i < times; i++)
        syscall(SYS_getppid);
}

void run_clock(uint32_t times) {
    for (uint32_t i = 0; i < times; i++)
        now_ns();
}

void run_fork(uint32_t times) {
    for (uint32_t i = 0; i < times; i++) {
        pid_t pid = fork();
        if (pid == 0)
            _exit(0);
        wait_for(pid);
    }
}

void run_exec(uint32_t times) {
    for (uint32_t i = 0; i < times; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            execl("/proc/self/exe", "os", "--nothing", (char *)NULL);
            _exit(1);
        }
        wait_for(pid);
    }
}

void run_shell(uint32_t times) {
    for (uint32_t i = 0; i < times; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            execl("/bin/sh", "sh", "-c", ":", (char *)NULL);
            _exit(1);
        }
        wait_for(pid);
    }
}

static volatile sig_atomic_t signals_taken;

static void on_signal(int number) {
    signals_taken += number != 0;
}

void run_signal(uint32_t times) {
    signal(SIGUSR1, on_signal);
    for (uint32_t i = 0; i < times; i++)
        raise(SIGUSR1);
}

void run_install(uint32_t times) {
    struct sigaction action = {.sa_handler = on_signal};
    for (uint32_t i = 0; i < times; i++)
        sigaction(SIGUSR1, &action, NULL);
}
