// See runtime.h. The numbers of system calls are Linux's (arch/x86/entry/syscalls/syscall_32.tbl, syscall_64.tbl).
#include "runtime.h"

#ifdef __x86_64__
enum { SYS_EXIT = 60, SYS_WRITE = 1, SYS_CLOCK_GETTIME64 = 228 };
#else
enum { SYS_EXIT = 1, SYS_WRITE = 4, SYS_CLOCK_GETTIME64 = 403 };
#endif
enum { CLOCK_MONOTONIC_ID = 1 };

struct time64 {
    int64_t seconds, nanoseconds;
};

static intptr_t system_call(intptr_t number, uintptr_t a, uintptr_t b, uintptr_t c) {
    intptr_t result;
#ifdef __x86_64__
    __asm__ volatile("push %%r11\n syscall\n pop %%r11"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c)
                     : "rcx", "memory");
#else
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c) : "memory");
#endif
    return result;
}

uint64_t now_ns(void) {
    struct time64 t = {0, 0};
    system_call(SYS_CLOCK_GETTIME64, CLOCK_MONOTONIC_ID, (uintptr_t)&t, 0);
    return (uint64_t)t.seconds * 1000000000u + (uint64_t)t.nanoseconds;
}

static void put(const char *text, size_t size) {
    system_call(SYS_WRITE, 1, (uintptr_t)text, size);
}

void put_text(const char *text) {
    size_t size = 0;
    while (text[size])
        size++;
    put(text, size);
}

void put_number(uint64_t value) {
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    put(digits + at, sizeof digits - at);
}

void *memcpy(void *to, const void *from, size_t size) {
    void *d = to;
    __asm__ volatile("rep movsb" : "+D"(d), "+S"(from), "+c"(size) : : "memory");
    return to;
}

void *memset(void *to, int value, size_t size) {
    void *d = to;
    __asm__ volatile("rep stosb" : "+D"(d), "+c"(size) : "a"(value) : "memory");
    return to;
}

int strcmp(const char *a, const char *b) {
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return (unsigned char)*a - (unsigned char)*b;
}

int is_wanted(const char *name, int argc, char **argv, int first) {
    for (int i = first; i < argc; i++)
        if (!strcmp(name, argv[i]))
            return 1;
    return first == argc;
}

__attribute__((used, noreturn)) static void start(const uintptr_t *stack) {
    int status = main((int)stack[0], (char **)(uintptr_t)(stack + 1));
    for (;;)
        system_call(SYS_EXIT, (uintptr_t)status, 0, 0);
}

#ifdef __x86_64__
__asm__(".globl _start\n"
        "_start:\n"
        "    mov %rsp, %rdi\n"
        "    and $-16, %rsp\n"
        "    call start\n");
#else
__asm__(".globl _start\n"
        "_start:\n"
        "    mov %esp, %eax\n"
        "    and $-16, %esp\n"
        "    sub $12, %esp\n"
        "    push %eax\n"
        "    call start\n");
#endif
