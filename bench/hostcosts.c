// Measures what the host charges for the operations that the engine's design weighs against each other: signals,
// changes of mappings, faults, system calls. Prints one markdown row an operation: minimum, median and 90th percentile
// in nanoseconds. Every operation prepares its own memory and leaves none behind. Needs no root.
//
//     cc -O2 -pthread -o hostcosts bench/hostcosts.c && ./hostcosts
#include <asm/prctl.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif
#ifndef UFFD_FEATURE_WP_HUGETLBFS_SHMEM
#define UFFD_FEATURE_WP_HUGETLBFS_SHMEM (1 << 12)
#endif

enum { PAGE = 4096, PAGES = 4096, RUN = 16, HUGE_PAGES = 512, FIRST = 2, SAMPLES = 2000, STACK_BYTES = 65536 };

#define AREA ((char *)0x300000000000) // bare address range for mappings that the kernel did not choose

struct area {
    int memfd;
    char *base;
    size_t at; // page of the next operation
};

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

__attribute__((noreturn)) static void fail(const char *what) {
    perror(what);
    exit(1);
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print_samples(const char *name, double *samples, int count) {
    qsort(samples, (size_t)count, sizeof *samples, compare);
    printf("| %s | %.0f | %.0f | %.0f |\n", name, samples[0], samples[count / 2], samples[count * 9 / 10]);
    fflush(stdout);
}

// Times `op` alone or, where one is too short for the clock, `times` of them at once; `before` is not timed.
static void measure(const char *name, void (*before)(void *), void (*op)(void *), void *opaque, int times) {
    static double samples[SAMPLES];
    uint64_t clock_cost = UINT64_MAX;
    for (int i = 0; i < 100; i++) {
        uint64_t from = now_ns(), cost = now_ns() - from;
        clock_cost = cost < clock_cost ? cost : clock_cost;
    }
    for (int i = 0; i < SAMPLES; i++) {
        if (before)
            before(opaque);
        uint64_t from = now_ns();
        for (int j = 0; j < times; j++)
            op(opaque);
        uint64_t took = now_ns() - from;
        samples[i] = (double)(took > clock_cost ? took - clock_cost : 0) / times;
    }
    print_samples(name, samples, SAMPLES);
}

// --- mappings of a memfd

static char *page_at(const struct area *a) {
    return a->base + a->at * PAGE;
}

static void next_page(void *opaque) {
    struct area *a = opaque;
    a->at = (a->at + 2 * RUN) % PAGES;
}

static void map_pages(struct area *a, size_t pages, int flags) {
    if (mmap(page_at(a), pages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED | flags, a->memfd,
             (off_t)(a->at * PAGE)) == MAP_FAILED)
        fail("mmap");
}

static void op_map_populated(void *opaque) {
    map_pages(opaque, 1, MAP_POPULATE);
}
static void op_map_run_populated(void *opaque) {
    map_pages(opaque, RUN, MAP_POPULATE);
}
static void op_map_plain(void *opaque) {
    map_pages(opaque, 1, 0);
}

static void op_unmap(void *opaque) {
    struct area *a = opaque;
    if (munmap(page_at(a), PAGE))
        fail("munmap");
}

static void unmap_then_next(void *opaque) {
    struct area *a = opaque;
    munmap(page_at(a), RUN * PAGE);
    next_page(a);
}

static void reserve_then_next(void *opaque) {
    struct area *a = opaque;
    if (mmap(page_at(a), RUN * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) ==
        MAP_FAILED)
        fail("mmap");
    next_page(a);
}

static void map_next(void *opaque) {
    next_page(opaque);
    map_pages(opaque, 1, MAP_POPULATE);
}

static void map_next_plain(void *opaque) {
    next_page(opaque);
    map_pages(opaque, RUN, 0);
}

static void op_protect(void *opaque) {
    struct area *a = opaque;
    if (mprotect(page_at(a), PAGE, PROT_READ))
        fail("mprotect");
}

static void op_unprotect(void *opaque) {
    struct area *a = opaque;
    if (mprotect(page_at(a), PAGE, PROT_READ | PROT_WRITE))
        fail("mprotect");
}

static void protect_next(void *opaque) {
    map_next(opaque);
    op_protect(opaque);
}

static void op_populate(void *opaque) {
    struct area *a = opaque;
    if (madvise(page_at(a), PAGE, MADV_POPULATE_WRITE))
        fail("madvise populate");
}

static void op_populate_run(void *opaque) {
    struct area *a = opaque;
    if (madvise(page_at(a), RUN * PAGE, MADV_POPULATE_WRITE))
        fail("madvise populate");
}

static void op_touch(void *opaque) {
    struct area *a = opaque;
    *(volatile char *)page_at(a) = 1;
}

static char *map_all(int memfd, void *where, int flags) {
    char *all = mmap(where, (size_t)PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | flags, memfd, 0);
    if (all == MAP_FAILED)
        fail("mmap");
    return all;
}

static void clear_area(struct area *a) {
    munmap(AREA, (size_t)PAGES * PAGE);
    a->at = FIRST;
}

// Alone in its 2 MiB, a page brings and takes a page of the host's page tables with it.
static void measure_lonely_pages(struct area *a) {
    measure("mmap of one memfd page, alone in its 2 MiB, populated", unmap_then_next, op_map_populated, a, 1);
    measure("munmap of one page, alone in its 2 MiB", map_next, op_unmap, a, 1);
    clear_area(a);
}

// One page that stays in every 2 MiB, so that the host's page tables stay.
static void map_anchors(struct area *a) {
    for (a->at = 0; a->at < PAGES; a->at += HUGE_PAGES)
        map_pages(a, 1, MAP_POPULATE);
    a->at = FIRST;
}

static void measure_single_pages(struct area *a) {
    map_anchors(a);
    measure("mmap of one memfd page into a hole, populated", unmap_then_next, op_map_populated, a, 1);
    measure("mmap of one memfd page into a hole, not populated", unmap_then_next, op_map_plain, a, 1);
    measure("mmap of a run of 16 memfd pages into a hole, populated", unmap_then_next, op_map_run_populated, a, 1);
    measure("mmap of one memfd page over one that is mapped, populated", map_next, op_map_populated, a, 1);
    measure("munmap of one page", map_next, op_unmap, a, 1);
    measure("mprotect of one mapped page, to read-only", map_next, op_protect, a, 1);
    measure("mprotect of one mapped page, to writable", protect_next, op_unprotect, a, 1);
    measure("minor fault on a memfd page (write)", map_next_plain, op_touch, a, 1);
    measure("madvise populate of one page", map_next_plain, op_populate, a, 1);
    measure("madvise populate of 16 pages", map_next_plain, op_populate_run, a, 1);
    clear_area(a);
}

static void measure_splits(struct area *a) {
    if (mmap(AREA, (size_t)PAGES * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) ==
        MAP_FAILED)
        fail("mmap");
    measure("mmap of one memfd page into a PROT_NONE reservation, populated", reserve_then_next, op_map_populated, a,
            1);
    clear_area(a);
    map_all(a->memfd, AREA, MAP_FIXED | MAP_POPULATE);
    measure("mprotect of one page inside a run of 4,096, to read-only (splits it)", next_page, op_protect, a, 1);
    clear_area(a);
}

static void measure_mappings(void) {
    struct area a = {.memfd = memfd_create("hostcosts", MFD_CLOEXEC), .base = AREA, .at = FIRST};
    if (a.memfd < 0 || ftruncate(a.memfd, (off_t)PAGES * PAGE))
        fail("memfd");
    char *all = map_all(a.memfd, NULL, 0);
    memset(all, 1, (size_t)PAGES * PAGE); // all frames exist, as those of guest RAM that is in use do
    measure_lonely_pages(&a);
    measure_single_pages(&a);
    measure_splits(&a);
    munmap(all, (size_t)PAGES * PAGE);
    close(a.memfd);
}

// --- signals

static char *good_byte; // where a faulting access is sent

static void on_fault(int number, siginfo_t *info, void *opaque) {
    ucontext_t *context = opaque;
    (void)number;
    (void)info;
    context->uc_mcontext.gregs[REG_RAX] = (greg_t)(uintptr_t)good_byte;
}

static void op_fault(void *opaque) {
    char *bad = opaque;
    __asm__ volatile("movb $1, (%0)" : "+a"(bad) : : "memory");
}

static void handle(int number, void (*handler)(int, siginfo_t *, void *)) {
    static char stack_bytes[STACK_BYTES];
    stack_t stack = {.ss_sp = stack_bytes, .ss_size = sizeof stack_bytes};
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    if (sigaltstack(&stack, NULL) || sigaction(number, &action, NULL))
        fail("sigaction");
}

static void measure_faults(void) {
    static char byte;
    good_byte = &byte;
    char *page = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    handle(SIGSEGV, on_fault);
    measure("SIGSEGV round trip: fault, handler, sigreturn", NULL, op_fault, page, 1);
    munmap(page, PAGE);
    measure("the same for an address without any mapping", NULL, op_fault, AREA, 1);
}

static void on_kick(int number, siginfo_t *info, void *opaque) {
    (void)number;
    (void)info;
    (void)opaque;
}

static void op_kick_self(void *opaque) {
    (void)opaque;
    syscall(SYS_tgkill, getpid(), gettid(), SIGUSR1);
}

struct kick {
    pid_t thread;
    volatile uint64_t arrived;
    volatile bool stop;
};

static struct kick *kicked; // the one pointer that the handler needs

static void on_timed_kick(int number, siginfo_t *info, void *opaque) {
    (void)number;
    (void)info;
    (void)opaque;
    kicked->arrived = now_ns();
}

static void *spin(void *opaque) {
    struct kick *kick = opaque;
    kick->thread = gettid();
    while (!kick->stop)
        ;
    return NULL;
}

static void measure_kicks(void) {
    static double sent[SAMPLES], taken[SAMPLES];
    struct kick kick = {.thread = 0};
    pthread_t thread;
    handle(SIGUSR1, on_kick);
    measure("tgkill of the own thread, handler and sigreturn included", NULL, op_kick_self, NULL, 1);
    kicked = &kick;
    handle(SIGUSR1, on_timed_kick);
    if (pthread_create(&thread, NULL, spin, &kick))
        fail("thread");
    while (!*(volatile pid_t *)&kick.thread)
        ;
    for (int i = 0; i < SAMPLES; i++) {
        kick.arrived = 0;
        uint64_t from = now_ns();
        syscall(SYS_tgkill, getpid(), kick.thread, SIGUSR1);
        sent[i] = (double)(now_ns() - from);
        while (!kick.arrived)
            ;
        taken[i] = (double)(kick.arrived - from);
    }
    kick.stop = true;
    pthread_join(thread, NULL);
    print_samples("tgkill of a thread that computes on another core, for the sender", sent, SAMPLES);
    print_samples("the same, until its handler runs", taken, SAMPLES);
}

// --- small things

static void op_syscall(void *opaque) {
    (void)opaque;
    syscall(SYS_getppid);
}

static sigjmp_buf illegal;

// Some kernels do not announce an instruction that the processor has: trying is the only way to know.
static void on_illegal(int number) {
    (void)number;
    siglongjmp(illegal, 1);
}

static void op_set_gs(void *opaque) {
    syscall(SYS_arch_prctl, ARCH_SET_GS, opaque);
}

static void op_wrgsbase(void *opaque) {
    __asm__ volatile(".byte 0xf3, 0x48, 0x0f, 0xae, 0xd8" : : "a"(opaque));
}

static void op_memcmp(void *opaque) {
    char *pages = opaque;
    int (*volatile call)(const void *, const void *, size_t) = memcmp;
    if (call(pages, pages + PAGE, PAGE))
        exit(1);
}

static void measure_small(void) {
    static char pages[2 * PAGE];
    measure("system call (getppid)", NULL, op_syscall, NULL, 100);
    measure("arch_prctl(ARCH_SET_GS)", NULL, op_set_gs, pages, 10);
    signal(SIGILL, on_illegal);
    if (sigsetjmp(illegal, 1) == 0)
        measure("wrgsbase", NULL, op_wrgsbase, pages, 1000);
    else
        printf("| wrgsbase | not there | | |\n");
    measure("memcmp of two equal pages of 4 KiB", NULL, op_memcmp, pages, 100);
}

// --- userfaultfd in write-protect mode

struct protector {
    int fd;
    char *base;
    size_t at;
};

static void write_protect(struct protector *p, bool on) {
    struct uffdio_writeprotect request = {.range = {(uintptr_t)(p->base + p->at * PAGE), PAGE},
                                          .mode = on ? UFFDIO_WRITEPROTECT_MODE_WP : 0};
    if (ioctl(p->fd, UFFDIO_WRITEPROTECT, &request))
        fail("write-protect");
}

static void op_uffd_protect(void *opaque) {
    write_protect(opaque, true);
}
static void op_uffd_release(void *opaque) {
    write_protect(opaque, false);
}

static void next_released(void *opaque) {
    struct protector *p = opaque;
    p->at = (p->at + 1) % RUN;
    write_protect(p, false);
}

static void next_protected(void *opaque) {
    struct protector *p = opaque;
    p->at = (p->at + 1) % RUN;
    write_protect(p, true);
}

static void op_uffd_fault(void *opaque) {
    struct protector *p = opaque;
    op_fault(p->base + p->at * PAGE);
}

static const char *open_protector(struct protector *p, int memfd) {
    p->fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
    if (p->fd < 0)
        return "no userfaultfd";
    struct uffdio_api api = {.api = UFFD_API,
                             .features = UFFD_FEATURE_PAGEFAULT_FLAG_WP | UFFD_FEATURE_SIGBUS |
                                         UFFD_FEATURE_WP_HUGETLBFS_SHMEM};
    if (ioctl(p->fd, UFFDIO_API, &api))
        return "no write-protect mode on shared memory with SIGBUS delivery";
    p->base = mmap(NULL, RUN * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, memfd, 0);
    struct uffdio_register range = {.range = {(uintptr_t)p->base, RUN * PAGE}, .mode = UFFDIO_REGISTER_MODE_WP};
    return ioctl(p->fd, UFFDIO_REGISTER, &range) ? "cannot register a range" : NULL;
}

static void measure_userfaultfd(void) {
    struct protector p = {.fd = -1};
    int memfd = memfd_create("hostcosts", MFD_CLOEXEC);
    if (memfd < 0 || ftruncate(memfd, RUN * PAGE))
        fail("memfd");
    const char *missing = open_protector(&p, memfd);
    if (missing) {
        printf("| userfaultfd write-protection | %s (%s) | | |\n", missing, strerror(errno));
        return;
    }
    handle(SIGBUS, on_fault);
    measure("userfaultfd: write-protect one page", next_released, op_uffd_protect, &p, 1);
    measure("userfaultfd: release one page", next_protected, op_uffd_release, &p, 1);
    measure("userfaultfd: write to a protected page, SIGBUS round trip", next_protected, op_uffd_fault, &p, 1);
    close(p.fd);
    munmap(p.base, RUN * PAGE);
    close(memfd);
}

// --- what a second thread costs: a change of mappings must reach every core that may hold the old one

static void *tick(void *opaque) {
    volatile bool *stop = opaque;
    while (!*stop)
        usleep(1000);
    return NULL;
}

static void measure_with_second_thread(void) {
    volatile bool stop = false;
    pthread_t thread;
    if (pthread_create(&thread, NULL, tick, (void *)(uintptr_t)&stop))
        fail("thread");
    printf("| *with a second thread that wakes every millisecond:* | | | |\n");
    measure_mappings();
    stop = true;
    pthread_join(thread, NULL);
}

int main(void) {
    printf("| operation (ns) | minimum | median | 90 %% below |\n| --- | ---: | ---: | ---: |\n");
    measure_small();
    measure_faults();
    measure_mappings();
    measure_userfaultfd();
    measure_kicks();
    measure_with_second_thread();
    return 0;
}
