// The host's mapping calls, made directly: they are used in light code and in signal handlers, where libc must not be
// entered and errno must not change. Each returns the kernel's value, negative for an error.
#ifndef MMU_HOSTCALL_H
#define MMU_HOSTCALL_H

#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>

static inline long hostcall(long number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f) {
    register uint64_t r10 __asm__("r10") = d;
    register uint64_t r8 __asm__("r8") = e;
    register uint64_t r9 __asm__("r9") = f;
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

static inline long hostcall_mmap(uint64_t at, uint64_t size, int prot, int flags, int fd, uint64_t offset) {
    return hostcall(SYS_mmap, at, size, (uint64_t)prot, (uint64_t)flags, (uint64_t)fd, offset);
}

static inline long hostcall_munmap(uint64_t at, uint64_t size) {
    return hostcall(SYS_munmap, at, size, 0, 0, 0, 0);
}

static inline long hostcall_mprotect(uint64_t at, uint64_t size, int prot) {
    return hostcall(SYS_mprotect, at, size, (uint64_t)prot, 0, 0, 0);
}

static inline long hostcall_madvise(uint64_t at, uint64_t size, int advice) {
    return hostcall(SYS_madvise, at, size, (uint64_t)advice, 0, 0, 0);
}

#endif
