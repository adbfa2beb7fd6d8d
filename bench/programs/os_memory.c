// System rows: mappings, first touches, and faults that become signals.
#include "os.h"
#include "timing.h"

#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>

enum { PAGE = 4096, MAP_PAGES = 16 };

void run_touch(uint32_t times) {
    for (uint32_t i = 0; i < times; i++) {
        volatile char *pages = map_anonymous(TOUCH_PAGES * PAGE, PROT_READ | PROT_WRITE);
        for (uint32_t page = 0; page < TOUCH_PAGES; page++)
            pages[page * PAGE] = 1;
        munmap((void *)(uintptr_t)pages, TOUCH_PAGES * PAGE);
    }
}

void run_map(uint32_t times) {
    for (uint32_t i = 0; i < times; i++)
        if (munmap(map_anonymous(MAP_PAGES * PAGE, PROT_READ | PROT_WRITE), MAP_PAGES * PAGE))
            fail("munmap");
}

static sigjmp_buf behind;

static void on_fault(int number) {
    siglongjmp(behind, number);
}

void run_fault(uint32_t times) {
    struct sigaction action = {.sa_handler = on_fault, .sa_flags = SA_NODEFER}, before;
    volatile char *page = map_anonymous(PAGE, PROT_READ);
    volatile uint32_t left = times;
    sigaction(SIGSEGV, &action, &before);
    (void)sigsetjmp(behind, 0);
    while (left) {
        left--;
        *page = 1;
    }
    sigaction(SIGSEGV, &before, NULL);
    munmap((void *)(uintptr_t)page, PAGE);
}
