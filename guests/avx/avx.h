// What the AVX tests share: CR4, XCR0 and whole YMM registers.
#ifndef AVX_H
#define AVX_H

#include "exec.h"

enum { CR4_OSFXSR = 1 << 9, CR4_OSXMMEXCPT = 1 << 10, CR4_OSXSAVE = 1 << 18 };
enum { XCR0_X87 = 1, XCR0_SSE = 2, XCR0_AVX = 4, XCR0_ALL = 7 };
enum { MXCSR_DEFAULT = 0x1f80 };

static inline void xsetbv(u32 value) {
    __asm__ volatile("xsetbv" ::"a"(value), "d"(0), "c"(0) : "memory");
}

static inline u32 xgetbv(void) {
    u32 low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

static inline void avx_on(void) {
    write_cr4(read_cr4() | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_OSXSAVE);
    xsetbv(XCR0_ALL);
}

struct ymm {
    u8 bytes[32];
} __attribute__((aligned(32)));

static inline struct ymm ymm_pattern(u32 seed) {
    struct ymm value;
    for (unsigned i = 0; i < 32; i++)
        value.bytes[i] = (u8)(seed * 37 + i * 11 + 1);
    return value;
}

// All eight registers: register n holds ymm_pattern(seed + n).
static inline void ymm_fill(u32 seed) {
    struct ymm v[8];
    for (u32 i = 0; i < 8; i++)
        v[i] = ymm_pattern(seed + i);
    __asm__ volatile(
        "vmovdqu 0(%0), %%ymm0\n vmovdqu 32(%0), %%ymm1\n vmovdqu 64(%0), %%ymm2\n vmovdqu 96(%0), %%ymm3\n"
        "vmovdqu 128(%0), %%ymm4\n vmovdqu 160(%0), %%ymm5\n vmovdqu 192(%0), %%ymm6\n"
        "vmovdqu 224(%0), %%ymm7" ::"r"(v)
        : "memory");
}

static inline void ymm_read(struct ymm v[8]) {
    __asm__ volatile(
        "vmovdqu %%ymm0, 0(%0)\n vmovdqu %%ymm1, 32(%0)\n vmovdqu %%ymm2, 64(%0)\n vmovdqu %%ymm3, 96(%0)\n"
        "vmovdqu %%ymm4, 128(%0)\n vmovdqu %%ymm5, 160(%0)\n vmovdqu %%ymm6, 192(%0)\n"
        "vmovdqu %%ymm7, 224(%0)" ::"r"(v)
        : "memory");
}

static inline bool ymm_equal(const void *a, const void *b, unsigned size) {
    for (unsigned i = 0; i < size; i++)
        if (((const u8 *)a)[i] != ((const u8 *)b)[i])
            return false;
    return true;
}

// Are all registers as ymm_fill(seed) made them?
static inline bool ymm_filled(u32 seed) {
    struct ymm v[8];
    ymm_read(v);
    for (u32 i = 0; i < 8; i++) {
        struct ymm expected = ymm_pattern(seed + i);
        if (!ymm_equal(&v[i], &expected, 32))
            return false;
    }
    return true;
}

// ESI and EDI `offset` bytes into the user's buffer, EAX as given, EDX zero.
static inline struct trap avx_exec(const u8 *code, unsigned ring, u32 offset, u32 eax) {
    struct regs r = regs_for(ring);
    struct trap t;
    r.esi = r.edi = (u32)user_buffer + offset;
    r.eax = eax;
    exec(code, &r, &t);
    return t;
}

#endif
