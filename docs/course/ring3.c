/* ring3.c: one instruction of each class of Popek and Goldberg, run by the host's processor in ring 3, as in any other
   process. A trap arrives as SIGSEGV; the handler notes it and skips the instruction, which is one byte long. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <ucontext.h>

#define IF 0x200u

static volatile sig_atomic_t trapped;

static void on_trap(int number, siginfo_t *info, void *context) {
    (void)number;
    (void)info;
    trapped = 1;
    ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] += 1;
}

static unsigned long flags(void) {
    unsigned long value;
    __asm__ volatile("pushf; pop %0" : "=r"(value));
    return value;
}

static void report(const char *what) {
    printf("%-28s %-8s IF=%d\n", what, trapped ? "trap" : "no trap", (flags() & IF) != 0);
    trapped = 0;
}

int main(void) {
    struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};
    unsigned long without_if = flags() & ~(unsigned long)IF;
    int sum = 2;
    sigaction(SIGSEGV, &action, NULL);
    report("before");
    __asm__ volatile("add $3, %0" : "+r"(sum) : : "cc");
    report("add: 2 + 3 = 5, innocuous");
    __asm__ volatile("cli");
    report("cli: IF off, privileged");
    __asm__ volatile("push %0; popf" : : "r"(without_if) : "cc", "memory");
    report("popf: IF off, sensitive");
    return sum != 5;
}
