// The frame of a test guest: start-up, tests, checks, memory functions and the way out.
#include "rt.h"

#include "exec.h"
#include "segments.h"

enum {
    DEBUG_EXIT_PORT = 0xf4,
    MULTIBOOT_LOADED = 0x2badb002,
    MULTIBOOT_INFO_MEMORY = 1 << 0,
    MULTIBOOT_INFO_CMDLINE = 1 << 2,
    COMMAND_LINE_MAX = 1024,
    REPORTS_MAX = 100, // failed checks that are printed
};

struct multiboot_info {
    u32 flags, mem_lower, mem_upper, boot_device, cmdline;
};

extern const struct rt_test rt_tests_start[], rt_tests_end[];
extern u8 rt_end[];

static struct {
    char command_line[COMMAND_LINE_MAX];
    const char *test;    // the one that runs
    const char *context; // check_context
    unsigned failures;   // of all tests
    u32 pages;           // next free physical page
    u32 memory_kib;
    void *jump[5]; // __builtin_setjmp of the test loop
} rt;

void guest_exit(u32 value) {
    outb(DEBUG_EXIT_PORT, (u8)value);
    print("debug-exit port ignored the write\n");
    for (;;)
        __asm__ volatile("cli; hlt");
}

static bool report(const char *what, const char *file, int line) {
    if (++rt.failures > REPORTS_MAX)
        return false;
    print("FAIL %s: %s", rt.test ? rt.test : "?", what);
    if (rt.context)
        print(" [%s]", rt.context);
    print(" (%s:%d)", file, line);
    return true;
}

bool check_true(const char *what, bool ok, const char *file, int line) {
    if (!ok && report(what, file, line))
        print("\n");
    return ok;
}

bool check_equal(const char *what, u32 got, u32 expected, const char *file, int line) {
    if (got != expected && report(what, file, line))
        print(": got %08x expected %08x\n", got, expected);
    return got == expected;
}

void check_context(const char *context) {
    rt.context = context;
}
unsigned check_failures(void) {
    return rt.failures;
}
const char *command_line(void) {
    return rt.command_line;
}

bool option(const char *word) {
    size_t length = strlen(word);
    for (const char *p = rt.command_line; *p;) {
        while (*p == ' ')
            p++;
        const char *end = p;
        while (*end && *end != ' ')
            end++;
        if ((size_t)(end - p) == length && !strncmp(p, word, length))
            return true;
        p = end;
    }
    return false;
}

bool under_qemu(void) {
    return option("qemu");
}

static const char *only(void) {
    for (const char *p = rt.command_line; *p; p++)
        if (!strncmp(p, "only=", 5))
            return p + 5;
    return NULL;
}

static bool wanted(const char *name) {
    const char *word = only();
    if (!word)
        return true;
    size_t length = strlen(name);
    return !strncmp(word, name, length) && (word[length] == 0 || word[length] == ' ');
}

void abort_test(void) {
    __builtin_longjmp(rt.jump, 1);
}

void run_tests(void) {
    u32 first_page = rt.pages;
    for (const struct rt_test *volatile t = rt_tests_start; t < rt_tests_end; t++) {
        if (!wanted(t->name))
            continue;
        volatile unsigned before = rt.failures;
        rt.test = t->name;
        rt.context = NULL;
        rt.pages = first_page;
        if (__builtin_setjmp(rt.jump) == 0)
            t->run();
        exec_reset();
        segments_reset();
        print("%s %s\n", rt.failures == before ? "ok  " : "BAD ", rt.test);
    }
    rt.test = NULL;
}

__attribute__((weak)) void main(void) {
    run_tests();
}

u32 memory_kib(void) {
    return rt.memory_kib;
}

u32 page_alloc(unsigned pages) {
    u32 address = rt.pages;
    rt.pages += pages * 4096;
    memset((void *)address, 0, pages * 4096);
    return address;
}

void rt_main(u32 magic, const struct multiboot_info *info);
void rt_main(u32 magic, const struct multiboot_info *info) {
    rt.pages = (u32)rt_end;
    if (magic == MULTIBOOT_LOADED && (info->flags & MULTIBOOT_INFO_CMDLINE)) {
        const char *from = (const char *)info->cmdline;
        for (size_t i = 0; i < COMMAND_LINE_MAX - 1 && from[i]; i++)
            rt.command_line[i] = from[i];
    }
    if (magic == MULTIBOOT_LOADED && (info->flags & MULTIBOOT_INFO_MEMORY))
        rt.memory_kib = info->mem_upper;
    serial_init();
    segments_init();
    exec_init();
    if (magic != MULTIBOOT_LOADED)
        print("loader's magic is %08x\n", magic);
    main();
    print(rt.failures ? "FAILED, %u checks\n" : "PASSED\n", rt.failures);
    guest_exit(rt.failures != 0);
}

void *memcpy(void *to, const void *from, size_t size) {
    void *d = to;
    __asm__ volatile("rep movsb" : "+D"(d), "+S"(from), "+c"(size)::"memory");
    return to;
}

void *memset(void *to, int value, size_t size) {
    void *d = to;
    __asm__ volatile("rep stosb" : "+D"(d), "+c"(size) : "a"(value) : "memory");
    return to;
}

int memcmp(const void *a, const void *b, size_t size) {
    const u8 *p = a, *q = b;
    for (size_t i = 0; i < size; i++)
        if (p[i] != q[i])
            return p[i] - q[i];
    return 0;
}

size_t strlen(const char *s) {
    size_t n = 0;
    while (s[n])
        n++;
    return n;
}

int strncmp(const char *a, const char *b, size_t size) {
    for (size_t i = 0; i < size; i++) {
        if (a[i] != b[i])
            return (u8)a[i] - (u8)b[i];
        if (!a[i])
            return 0;
    }
    return 0;
}

int strcmp(const char *a, const char *b) {
    return strncmp(a, b, 0xffffffffu);
}
