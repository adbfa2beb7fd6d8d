// See native.h. The child: memory at the guest's addresses, a signal handler that logs what the processor says and goes
// on behind the instruction, a loop over the cases of a batch.
#include "native.h"

#include "native_context.h"

#include <asm/prctl.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#define SIGNAL_STACK  65536
#define ERROR_PRESENT 1u
#define ANSWER_DONE   1
#define ANSWER_DIED   2

static struct native_context *context; // of the child; its signal handler needs it

// ---- Exceptions -----------------------------------------------------------------------------------------------------

// The guest's page tables map the supervisor's pages, which the child does not have.
static uint32_t page_error(uint32_t error, uint32_t cr2) {
    bool supervisor = cr2 < FUZZ_RAM || cr2 >> 12 == (FUZZ_DATA >> 12) + FUZZ_DATA_PAGES - 1;
    return supervisor ? error | ERROR_PRESENT : error;
}

static void on_signal(int number, siginfo_t *info, void *opaque) {
    static const int order[8] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI};
    struct native_context *c = context;
    ucontext_t *u = opaque;
    greg_t *g = u->uc_mcontext.gregs;
    uint64_t rip = (uint64_t)g[REG_RIP], code = (uint64_t)(uintptr_t)c->code;
    uint32_t vector = (uint32_t)g[REG_TRAPNO], cr2 = vector == 14 ? (uint32_t)g[REG_CR2] : 0;
    uint32_t error = vector == 14 ? page_error((uint32_t)g[REG_ERR], cr2) : vector == 13 ? (uint32_t)g[REG_ERR] : 0;
    (void)info;
    bool trap = vector == 3 || vector == 4;
    unsigned index = c->model_index;
    if (c->in_model) {
        c->in_model = 0;
    } else if (rip - code < NATIVE_CODE_MAX) {
        index = c->index[rip - code - trap];
        for (unsigned i = 0; i < 8; i++)
            c->gpr[i] = (uint32_t)g[order[i]];
        c->eflags = (uint32_t)g[REG_EFL];
    } else {
        signal(number, SIG_DFL);
        return;
    }
    c->result->beyond |= vector == 14 && (uint64_t)g[REG_CR2] >> 32;
    native_fault(c, index, vector, error, cr2);
    for (unsigned i = 0; i < 8; i++)
        g[order[i]] = c->gpr[i];
    g[REG_EFL] = (g[REG_EFL] & ~(greg_t)EFLAGS_COMPARED) | (greg_t)(c->eflags & EFLAGS_COMPARED);
    g[REG_R15] = (greg_t)(uintptr_t)c; // the model may have used it
    g[REG_RIP] = (greg_t)c->resume;
}

// ---- The child ------------------------------------------------------------------------------------------------------

static void *map(uint32_t address, size_t size, int protection, int flags, int fd) {
    void *got = mmap((void *)(uintptr_t)address, size, protection, flags | MAP_POPULATE | MAP_FIXED_NOREPLACE, fd, 0);
    if (got == MAP_FAILED)
        _exit(3);
    return got;
}

static uint8_t *data_page(unsigned page) {
    return (uint8_t *)(uintptr_t)(FUZZ_DATA + 0x1000u * page);
}

static uint8_t pristine[FUZZ_MEMORY];

static void child_memory(int code) {
    const int fresh = MAP_PRIVATE | MAP_ANONYMOUS;
    fuzz_pristine(pristine);
    map(FUZZ_CODE, FUZZ_BATCH * FUZZ_CODE_STRIDE, PROT_READ, MAP_SHARED, code);
    map(FUZZ_DATA, 0x3000, PROT_READ | PROT_WRITE, fresh, -1);
    memcpy(data_page(2), pristine, 0x1000);
    mprotect(data_page(2), 0x1000, PROT_READ);
    map(FUZZ_DATA + 0x4000, 0x1000, PROT_READ | PROT_WRITE, fresh, -1);
    mlockall(MCL_CURRENT);
    syscall(SYS_arch_prctl, ARCH_SET_GS, FUZZ_DATA);
}

static void child_signals(void) {
    static uint8_t stack[SIGNAL_STACK];
    const stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    static const int numbers[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
    sigaltstack(&alternate, NULL);
    for (unsigned i = 0; i < sizeof numbers / sizeof *numbers; i++)
        sigaction(numbers[i], &action, NULL);
}

static void run_case(struct native_context *c, struct fuzz_batch *batch, unsigned slot) {
    const struct fuzz_case *fuzz_case = &batch->cases[slot];
    struct fuzz_result *r = &batch->results[slot];
    c->fuzz_case = fuzz_case;
    c->result = r;
    c->code_address = fuzz_code_address(fuzz_case, slot);
    r->faults = 0;
    r->beyond = 0;
    if (!native_form(c))
        _exit(4);
    memcpy(c->gpr, fuzz_case->gpr, sizeof c->gpr);
    c->eflags = fuzz_case->eflags & (EFLAGS_COMPARED | 2);
    memcpy(c->fx, fuzz_case->fx, 512);
    memcpy(c->ymm, fuzz_case->ymm, sizeof c->ymm);
    memset(c->visited, 0, sizeof c->visited);
    memcpy(data_page(0), pristine, 0x2000);
    memcpy(data_page(4), pristine + 0x2000, 0x1000);
    c->resume = native_host_address(c, 0);
    native_enter(c);
    memcpy(r->gpr, c->gpr, sizeof r->gpr);
    r->eflags = c->eflags & EFLAGS_COMPARED;
    r->eip = c->code_address + fuzz_case->size + 1u;
    memcpy(r->fx, c->fx, 512);
    memcpy(r->ymm, c->ymm, sizeof r->ymm);
    memcpy(r->memory, data_page(0), 0x2000);
    memcpy(r->memory + 0x2000, data_page(4), 0x1000);
    memcpy(batch->visited[slot], c->visited, sizeof c->visited);
}

static void child(struct fuzz_batch *batch, int code, int request, int answer) {
    static struct native_context c = {
        .selectors = {FUZZ_SEL_DATA3, FUZZ_SEL_CODE3, FUZZ_SEL_DATA3, FUZZ_SEL_DATA3, FUZZ_SEL_BASED, FUZZ_SEL_BASED}};
    char byte;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    context = &c;
    c.model_entry = (uint64_t)(uintptr_t)native_model_entry;
    c.avx = fuzz_has_avx();
    c.end = (uint64_t)(uintptr_t)native_end;
    c.code = mmap(NULL, NATIVE_CODE_MAX, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (c.code == MAP_FAILED)
        _exit(3);
    child_memory(code);
    child_signals();
    while (read(request, &byte, 1) == 1) {
        for (batch->current = 0; batch->current < batch->count; batch->current++)
            run_case(&c, batch, batch->current);
        byte = ANSWER_DONE;
        if (write(answer, &byte, 1) != 1)
            break;
    }
    _exit(0);
}

// Starts children one after the other, as each dies, from a process that keeps the low 4 GiB free.
static void nurse(struct fuzz_batch *batch, int code, int request, int answer) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) {
        int status = 0;
        pid_t pid = fork();
        if (pid == 0)
            child(batch, code, request, answer);
        if (pid < 0 || waitpid(pid, &status, 0) < 0 || status == 0)
            _exit(0);
        char byte = ANSWER_DIED;
        batch->status = (unsigned)status;
        if (write(answer, &byte, 1) != 1)
            _exit(0);
    }
}

// ---- The parent -----------------------------------------------------------------------------------------------------

static int start_nurse(struct fuzz_native *n, struct error *err) {
    int request[2], answer[2];
    if (pipe(request) < 0)
        return error_set(err, "pipe: %s", strerror(errno));
    if (pipe(answer) < 0) {
        close(request[0]);
        close(request[1]);
        return error_set(err, "pipe: %s", strerror(errno));
    }
    n->child = fork();
    if (n->child == 0) {
        close(request[1]);
        close(answer[0]);
        nurse(n->batch, n->code, request[0], answer[1]);
    }
    close(request[0]);
    close(answer[1]);
    n->request = request[1];
    n->answer = answer[0];
    return n->child < 0 ? error_set(err, "fork: %s", strerror(errno)) : 0;
}

int fuzz_native_open(struct fuzz_native *n, struct error *err) {
    const size_t code_size = FUZZ_BATCH * FUZZ_CODE_STRIDE;
    memset(n, 0, sizeof *n);
    n->code = memfd_create("fuzz-code", MFD_CLOEXEC);
    if (n->code < 0 || ftruncate(n->code, code_size) < 0)
        return error_set(err, "memfd: %s", strerror(errno));
    n->code_pages = mmap(NULL, code_size, PROT_READ | PROT_WRITE, MAP_SHARED, n->code, 0);
    n->batch = mmap(NULL, sizeof *n->batch, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (n->code_pages == MAP_FAILED || n->batch == MAP_FAILED)
        return error_set(err, "mmap: %s", strerror(errno));
    memset(n->code_pages, 0xf4, code_size);
    return start_nurse(n, err);
}

void fuzz_native_close(struct fuzz_native *n) {
    close(n->request); // the child ends at it, and the nurse after it
    close(n->answer);
    waitpid(n->child, NULL, 0);
    munmap(n->code_pages, FUZZ_BATCH * FUZZ_CODE_STRIDE);
    munmap(n->batch, sizeof *n->batch);
    close(n->code);
}

void fuzz_native_start(struct fuzz_native *n) {
    for (unsigned i = 0; i < n->batch->count; i++)
        fuzz_case_code(&n->batch->cases[i], n->code_pages + i * FUZZ_CODE_STRIDE);
    (void)!write(n->request, "", 1);
}

int fuzz_native_wait(struct fuzz_native *n, struct error *err) {
    char byte = ANSWER_DIED;
    if (read(n->answer, &byte, 1) == 1 && byte == ANSWER_DONE)
        return 0;
    return error_set(err, "the child that plays the processor ended with status %#x in case %u", n->batch->status,
                     n->batch->current);
}

// ---- 32-bit code ----------------------------------------------------------------------------------------------------

// Jumps to selector 23h, Linux's 32-bit user code, and from there, by an instruction that 64-bit mode lacks, back.
bool fuzz_native_has_32bit(void) {
    pid_t pid = fork();
    if (pid == 0) {
        static const uint8_t code[] = {0xea, 0, 0, 0, 0, 0x33, 0}; // jmp 33h:there
        uint8_t *at =
            mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
        if (at == MAP_FAILED)
            _exit(1);
        memcpy(at, code, sizeof code);
        uint32_t there = (uint32_t)(uintptr_t)at + sizeof code;
        memcpy(at + 1, &there, 4);
        at[sizeof code] = 0xc3;
        struct {
            uint32_t offset;
            uint16_t selector;
        } __attribute__((packed)) target = {(uint32_t)(uintptr_t)at, 0x23};
        uint32_t stack = (uint32_t)(uintptr_t)at + 4000;
        __asm__ volatile("lea 1f(%%rip), %%rcx\n\tmov %%rsp, %%rbx\n\tmov %[stack], %%esp\n\tpush %%rcx\n\t"
                         "ljmpl *(%[target])\n1:\tmov %%rbx, %%rsp"
                         :
                         : [stack] "r"(stack), [target] "r"(&target)
                         : "rax", "rbx", "rcx", "memory", "cc");
        _exit(0);
    }
    int status = 1;
    waitpid(pid, &status, 0);
    return pid > 0 && status == 0;
}
