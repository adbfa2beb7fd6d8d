// See direct.h.
#include "direct.h"

#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#define SIGNALS_MAX 4 // more for one access means that a fill did not help

static struct {
    sigjmp_buf out;
    struct mmu *mmu;
    bool user;
    unsigned signals;
    enum window_result result;
    struct mmu_fault fault;
} now;

static void on_segv(int number, siginfo_t *info, void *context) {
    const ucontext_t *uc = context;
    uint32_t linear;
    bool wraps;
    (void)number;
    if (!now.mmu || !window_contains(now.mmu, (uint64_t)(uintptr_t)info->si_addr, &linear, &wraps) ||
        ++now.signals > SIGNALS_MAX) {
        abort();
    }
    bool write = uc->uc_mcontext.gregs[REG_ERR] & 2;
    now.result = wraps ? WINDOW_SOFT : window_fault(now.mmu, linear, write, now.user, &now.fault);
    if (now.result != WINDOW_MAPPED) {
        siglongjmp(now.out, 1);
    }
}

// For every access again: cmocka puts its own handler in place around each test.
static void install(void) {
    struct sigaction action;
    memset(&action, 0, sizeof(action));
    action.sa_sigaction = on_segv;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGSEGV, &action, NULL);
}

__attribute__((no_sanitize("address", "undefined"))) static void touch(uint64_t address, bool write, uint32_t *value) {
    volatile uint32_t *p = (volatile uint32_t *)(uintptr_t)address;
    if (write) {
        *p = *value;
    } else {
        *value = *p;
    }
}

enum direct_result direct_access(struct fixture *f, bool user, uint32_t linear, bool write, uint32_t *value,
                                 struct mmu_fault *fault) {
    if (window_view_soft(f->mmu, user)) {
        return DIRECT_SOFT;
    }
    uint64_t base = window_enter(f->mmu, user);
    install();
    now.mmu = f->mmu;
    now.user = user;
    now.signals = 0;
    now.result = WINDOW_MAPPED;
    if (sigsetjmp(now.out, 1) == 0) {
        touch(base + linear, write, value);
    }
    if (now.result == WINDOW_FAULT) {
        *fault = now.fault;
        return DIRECT_FAULT;
    }
    return now.result == WINDOW_SOFT ? DIRECT_SOFT : DIRECT_DONE;
}

unsigned direct_signals(void) {
    return now.signals;
}
