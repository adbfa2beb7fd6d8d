// Small copies for light code: general registers only, never a call into libc (whose copies use SSE registers, which
// hold the guest's values while light code runs).
#ifndef MMU_COPY_H
#define MMU_COPY_H

#include <stdint.h>

typedef uint64_t copy_u64 __attribute__((may_alias, aligned(1)));
typedef uint32_t copy_u32 __attribute__((may_alias, aligned(1)));
typedef uint16_t copy_u16 __attribute__((may_alias, aligned(1)));

// Copies size bytes; sizes 1, 2, 4 and 8 are single accesses, so that a guest's aligned store is never torn.
static inline void copy_bytes(void *to, const void *from, unsigned size) {
    uint8_t *d = to;
    const uint8_t *s = from;
    while (size >= 8) {
        *(copy_u64 *)d = *(const copy_u64 *)s;
        d += 8;
        s += 8;
        size -= 8;
    }
    if (size & 4) {
        *(copy_u32 *)d = *(const copy_u32 *)s;
        d += 4;
        s += 4;
    }
    if (size & 2) {
        *(copy_u16 *)d = *(const copy_u16 *)s;
        d += 2;
        s += 2;
    }
    if (size & 1) {
        *d = *s;
    }
}

#endif
