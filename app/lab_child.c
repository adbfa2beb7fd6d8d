// See lab_child.h. The child stops itself with an INT3 when it is confined; everything it does from then on, it does
// under ptrace with registers that the parent has set. It never comes back to C.
#include "app/lab_child.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TIMEOUT_MS  3000
#define I386_GETPID 20
#define CPU_SECONDS 1

enum child_status { CHILD_NO_MEMORY = 1, CHILD_NO_LIMITS, CHILD_NO_PTRACE, CHILD_NO_SECCOMP };

// ---- In the child ---------------------------------------------------------------------------------------------------

static bool confine(void) {
    static const struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_I386, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, I386_GETPID, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    };
    const struct sock_fprog filter = {.len = sizeof code / sizeof *code,
                                      .filter = (struct sock_filter *)(uintptr_t)code};
    return !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) && !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0);
}

static bool limit(__rlimit_resource_t resource, rlim_t most) {
    const struct rlimit value = {most, most};
    return !setrlimit(resource, &value);
}

static _Noreturn void be_the_child(const uint8_t image[LAB_SIZE]) {
    const uintptr_t base = LAB_BASE;
    void *pages = mmap((void *)base, LAB_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (pages != (void *)base)
        _exit(CHILD_NO_MEMORY);
    memcpy(pages, image, LAB_SIZE);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) || !limit(RLIMIT_CORE, 0) || !limit(RLIMIT_FSIZE, 0) ||
        !limit(RLIMIT_CPU, CPU_SECONDS))
        _exit(CHILD_NO_LIMITS);
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
        _exit(CHILD_NO_PTRACE);
    if (!confine())
        _exit(CHILD_NO_SECCOMP);
    for (;;)
        __asm__ volatile("int3");
}

// ---- In the parent --------------------------------------------------------------------------------------------------

static int cannot(char why[LAB_HOW_MAX], const char *what, const char *reason) {
    snprintf(why, LAB_HOW_MAX, "%s%s%s", what, *reason ? ": " : "", reason);
    return -1;
}

// Waits for the child's next stop. Returns the signal that stopped it, 0 if it ended (status says how), -1 on timeout.
static int wait_for_stop(pid_t child, int *status) {
    const struct timespec pause = {.tv_nsec = 200000};
    struct timespec now, start;
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (;;) {
        pid_t got = waitpid(child, status, WNOHANG);
        if (got == child)
            return WIFSTOPPED(*status) ? WSTOPSIG(*status) : 0;
        clock_gettime(CLOCK_MONOTONIC, &now);
        if ((now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000 > TIMEOUT_MS ||
            (got < 0 && errno != EINTR))
            return -1;
        nanosleep(&pause, NULL);
    }
}

static int say_why_none(int status, char why[LAB_HOW_MAX]) {
    static const char *const reasons[] = {
        [CHILD_NO_MEMORY] = "address 100000h is not to be had",
        [CHILD_NO_LIMITS] = "it cannot be limited",
        [CHILD_NO_PTRACE] = "it may not be traced",
        [CHILD_NO_SECCOMP] = "it cannot be confined by seccomp",
    };
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    bool known = code > 0 && code <= CHILD_NO_SECCOMP;
    return cannot(why, "no child process", known ? reasons[code] : "it ended early");
}

// The exception behind a signal, as far as Linux tells it by the signal's code.
static void name_signal(const siginfo_t *info, uint64_t eip, char how[LAB_HOW_MAX]) {
    const char *name = sigabbrev_np(info->si_signo), *exception = "";
    if (info->si_signo == SIGSEGV)
        exception = info->si_code == SI_KERNEL ? " (#GP)" : " (#PF)";
    else if (info->si_signo == SIGILL)
        exception = " (#UD)";
    else if (info->si_signo == SIGBUS)
        exception = info->si_code == BUS_ADRALN ? " (#AC)" : " (#SS or #NP)";
    snprintf(how, LAB_HOW_MAX, "SIG%s%s at %llx", name ? name : "?", exception, (unsigned long long)eip);
}

static int set_registers(pid_t child, const struct lab_start *start, uint16_t selector) {
    struct user_regs_struct r;
    if (ptrace(PTRACE_GETREGS, child, NULL, &r))
        return -1;
    r.rax = start->eax;
    r.rcx = start->ecx;
    r.rdx = start->edx;
    r.rbx = start->ebx;
    r.rsp = LAB_STACK;
    r.rbp = start->ebp;
    r.rsi = start->esi;
    r.rdi = start->edi;
    r.rip = start->eip;
    r.eflags = start->eflags;
    r.cs = selector;
    r.ss = r.ds = r.es = LAB_DATA_3;
    r.r8 = r.r9 = r.r10 = r.r11 = r.r12 = r.r13 = r.r14 = r.r15 = 0;
    r.orig_rax = ~0ull;
    return ptrace(PTRACE_SETREGS, child, NULL, &r) ? -1 : 0;
}

static int get_state(pid_t child, struct lab_child_end *end) {
    struct user_regs_struct r;
    siginfo_t info;
    if (ptrace(PTRACE_GETREGS, child, NULL, &r) || ptrace(PTRACE_GETSIGINFO, child, NULL, &info))
        return -1;
    end->eip = r.rip;
    end->state = (struct lab_state){
        .eax = (uint32_t)r.rax,
        .ecx = (uint32_t)r.rcx,
        .edx = (uint32_t)r.rdx,
        .ebx = (uint32_t)r.rbx,
        .esp = (uint32_t)r.rsp,
        .ebp = (uint32_t)r.rbp,
        .esi = (uint32_t)r.rsi,
        .edi = (uint32_t)r.rdi,
        .eip = (uint32_t)r.rip,
        .eflags = (uint32_t)r.eflags,
        .cs = (uint16_t)r.cs,
        .ss = (uint16_t)r.ss,
        .ds = (uint16_t)r.ds,
        .es = (uint16_t)r.es,
        .fs = (uint16_t)r.fs,
        .gs = (uint16_t)r.gs,
    };
    name_signal(&info, end->eip, end->how);
    for (uintptr_t at = 0; at < LAB_DATA_SIZE; at += sizeof(long)) {
        errno = 0;
        long word = ptrace(PTRACE_PEEKDATA, child, (void *)(LAB_DATA + at), NULL);
        if (errno)
            return -1;
        memcpy(end->state.data + at, &word, sizeof word);
    }
    return 0;
}

static int run_child(pid_t child, const struct lab_start *start, uint16_t selector, struct lab_child_end *end,
                     char why[LAB_HOW_MAX]) {
    int status, stopped = wait_for_stop(child, &status);
    if (stopped == 0)
        return say_why_none(status, why);
    if (stopped != SIGTRAP)
        return cannot(why, "no child process", "it does not start");
    if (ptrace(PTRACE_SETOPTIONS, child, NULL, PTRACE_O_EXITKILL) || set_registers(child, start, selector) ||
        ptrace(PTRACE_CONT, child, NULL, NULL))
        return cannot(why, "the child's registers cannot be set", strerror(errno));
    end->signal = wait_for_stop(child, &status);
    if (end->signal < 0)
        return cannot(why, "the child does not stop", "");
    if (end->signal == 0)
        return cannot(why, "the child was killed", WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "");
    return get_state(child, end) ? cannot(why, "the child's registers cannot be read", strerror(errno)) : 0;
}

int lab_child_run(const uint8_t image[LAB_SIZE], const struct lab_start *start, uint16_t selector,
                  struct lab_child_end *end, char why[LAB_HOW_MAX]) {
    int status;
    fflush(NULL);
    memset(end, 0, sizeof *end);
    pid_t child = fork();
    if (child < 0)
        return cannot(why, "no child process", strerror(errno));
    if (child == 0)
        be_the_child(image);
    int result = run_child(child, start, selector, end, why);
    kill(child, SIGKILL);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    return result;
}
