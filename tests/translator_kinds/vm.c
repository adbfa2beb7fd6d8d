// See vm.h.
#include "tests/translator_kinds/vm.h"

#include "cpu/stubs.h"

#include <asm/prctl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define ARENA      0x12000000u
#define ARENA_SIZE 0x20000u
#define CODE_AT    0x10000u
#define WINDOW     0x310000000000ull

static struct vcpu_abi abi;
static struct translate_output out;
static struct vm_run result;

static uint32_t stub_at(const uint8_t *label) {
    return ARENA + (uint32_t)(label - stubs_begin);
}
struct vcpu_abi *vm_abi(void) {
    return &abi;
}
uint8_t *vm_memory(uint32_t linear) {
    return (uint8_t *)(uintptr_t)(WINDOW + linear);
}

uint32_t vm_read32(uint32_t linear) {
    uint32_t value;
    memcpy(&value, vm_memory(linear), 4);
    return value;
}

void vm_write32(uint32_t linear, uint32_t value) {
    memcpy(vm_memory(linear), &value, 4);
}

static uint64_t on_exit_stub(struct vcpu_abi *v) {
    if (result.end != VM_FAULT)
        result.next = v->r8;
    return 1;
}

static uint64_t on_callout(struct vcpu_abi *v) {
    result = (struct vm_run){
        .end = VM_CALLOUT, .id = CALLOUT_ID(v->r10), .r8 = v->r8, .r9 = v->r9, .extra = CALLOUT_EXTRA(v->r10)};
    return 1;
}

static const struct block_mark *mark_at(uint32_t host) {
    const struct block_mark *found = &out.marks[0];
    for (unsigned i = 0; i < out.mark_count && out.marks[i].host <= host; i++)
        found = &out.marks[i];
    return found;
}

// As the product does: string pointers back to 32 bits, then out through the stub.
static void on_fault(int signal, siginfo_t *info, void *context) {
    greg_t *g = ((ucontext_t *)context)->uc_mcontext.gregs;
    uint64_t pc = (uint64_t)g[REG_RIP];
    if (pc < ARENA + CODE_AT || pc >= ARENA + ARENA_SIZE) {
        struct sigaction sa = {.sa_handler = SIG_DFL};
        sigaction(signal, &sa, NULL);
        return;
    }
    result.end = VM_FAULT;
    result.fault = (uint32_t)(uintptr_t)info->si_addr;
    result.string = mark_at((uint32_t)(pc - ARENA - CODE_AT))->string;
    g[REG_RSI] = (uint32_t)g[REG_RSI];
    g[REG_RDI] = (uint32_t)g[REG_RDI];
    g[REG_RIP] = (greg_t)stub_at(stub_exit);
    g[REG_RSP] = (greg_t)abi.host_rsp;
}

// Around each run: the test framework has handlers of its own.
static void enter_catching_faults(void) {
    static uint8_t stack[1 << 16];
    stack_t ss = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction sa = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK}, segv, fpe;
    sigaltstack(&ss, NULL);
    sigaction(SIGSEGV, &sa, &segv);
    sigaction(SIGFPE, &sa, &fpe);
    ((void (*)(struct vcpu_abi *))(uintptr_t)stub_at(stub_enter))(&abi);
    sigaction(SIGSEGV, &segv, NULL);
    sigaction(SIGFPE, &fpe, NULL);
}

int vm_open(void) {
    int rights = PROT_READ | PROT_WRITE, flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
    void *arena = mmap((void *)(uintptr_t)ARENA, ARENA_SIZE, rights | PROT_EXEC, flags, -1, 0);
    void *memory = mmap(vm_memory(VM_GOOD), VM_GOOD_END - VM_GOOD, rights, flags, -1, 0);
    if (arena == MAP_FAILED || memory == MAP_FAILED || syscall(SYS_arch_prctl, ARCH_SET_GS, WINDOW) != 0)
        return -1;
    memcpy(arena, stubs_begin, (size_t)(stubs_end - stubs_begin));
    abi.exit_entry = (uint64_t)(uintptr_t)on_exit_stub;
    abi.callout_entry = (uint64_t)(uintptr_t)on_callout;
    abi.window = WINDOW;
    abi.fx[0] = 0x7f; // FCW 037Fh, MXCSR 1F80h
    abi.fx[1] = 0x03;
    abi.fx[24] = 0x80;
    abi.fx[25] = 0x1f;
    return 0;
}

struct vm_run vm_run(uint32_t mode, const uint8_t *bytes, unsigned size) {
    static uint8_t page[4096];
    static struct error err;
    struct translate_input in = {.page = page,
                                 .offset = VM_OFFSET,
                                 .mode = mode,
                                 .code_rw = (uint8_t *)(uintptr_t)(ARENA + CODE_AT),
                                 .code_rx = ARENA + CODE_AT,
                                 .capacity = TRANSLATE_MAX_HOST};
    in.stub[STUB_EXIT] = stub_at(stub_exit);
    in.stub[STUB_CALLOUT] = in.stub[STUB_SYSENTER] = in.stub[STUB_SYSEXIT] = in.stub[STUB_CPUID] =
        in.stub[STUB_LOAD_SEG] = stub_at(stub_callout);
    memset(page, 0xf4, sizeof page);
    memcpy(page + VM_OFFSET, bytes, size);
    result = (struct vm_run){.end = VM_EXIT};
    if (translate_block(&in, &out, &err) != TRANSLATE_OK)
        return result;
    abi.fpu_parked = PARKED_ALL;
    abi.flags |= 2;
    abi.r8 = VM_CODE + VM_OFFSET;
    abi.exit_site = ARENA + CODE_AT;
    enter_catching_faults();
    abi.flags &= VM_FLAGS;
    return result;
}
