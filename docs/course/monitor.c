/* monitor.c: a trap-and-emulate monitor of one page. Its "guest" is a piece of code in the same Linux process, so it
   runs in ring 3. Privileged instructions trap; the handler, which is the monitor, does on the guest's virtual
   interrupt flag what they would have done. PUSHF and POPF do not trap, and nobody does it for them. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <ucontext.h>

#define IF    0x200u
#define PAIRS 2000

static volatile sig_atomic_t virtual_if = 1, traps, quiet;

static void emulate(const char *name, ucontext_t *guest, int new_if) {
    virtual_if = new_if;
    guest->uc_mcontext.gregs[REG_RIP] += 1;
    if (!quiet)
        printf("%-6s traps; emulated: virtual IF=%d\n", name, new_if);
}

static void on_trap(int number, siginfo_t *info, void *context) {
    ucontext_t *guest = context;
    const unsigned char *code = (const unsigned char *)guest->uc_mcontext.gregs[REG_RIP];
    (void)number;
    (void)info;
    traps++;
    switch (*code) {
    case 0xfa: emulate("cli", guest, 0); break;
    case 0xfb: emulate("sti", guest, 1); break;
    case 0xf4: emulate("hlt", guest, virtual_if); break;
    default: abort(); /* a fault of the guest's own, which a real monitor would hand to the guest's kernel */
    }
}

static unsigned pushf(void) {
    unsigned long value;
    __asm__ volatile("pushf; pop %0" : "=r"(value));
    return (unsigned)value;
}

static void popf(unsigned long value) {
    __asm__ volatile("push %0; popf" : : "r"(value) : "cc", "memory");
}

int main(void) {
    struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};
    struct timespec start, end;
    setvbuf(stdout, NULL, _IONBF, 0);
    sigaction(SIGSEGV, &action, NULL);

    __asm__ volatile("cli");
    unsigned shown = pushf();
    printf("pushf  shows IF=%d, the guest's is %d\n", (shown & IF) != 0, (int)virtual_if);
    __asm__ volatile("sti");
    popf(shown & ~IF);
    printf("popf   asked for IF=0, the guest's is %d\n", (int)virtual_if);
    __asm__ volatile("hlt");
    printf("%d traps\n", (int)traps);

    quiet = 1;
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (int i = 0; i < PAIRS; i++)
        __asm__ volatile("cli; sti");
    clock_gettime(CLOCK_MONOTONIC, &end);
    double ns = (double)(end.tv_sec - start.tv_sec) * 1e9 + (double)(end.tv_nsec - start.tv_nsec);
    printf("cli and sti: %.0f ns\n", ns / PAIRS);
    return 0;
}
