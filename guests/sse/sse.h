// What the SSE tests share: CR4, MXCSR, a place in the user's buffer.
#ifndef SSE_H
#define SSE_H

#include "exec.h"

enum { CR4_OSFXSR = 1 << 9, CR4_OSXMMEXCPT = 1 << 10, VEC_XM = 19 };
enum { MX_IE = 1, MX_DE = 2, MX_ZE = 4, MX_OE = 8, MX_UE = 16, MX_PE = 32, MX_DAZ = 64, MX_DEFAULT = 0x1f80 };

static inline void sse_on(void) {
    write_cr4(read_cr4() | CR4_OSFXSR | CR4_OSXMMEXCPT);
}
static inline void mxcsr_set(u32 v) {
    __asm__ volatile("ldmxcsr %0" ::"m"(v));
}
static inline u32 mxcsr_get(void) {
    u32 v;
    __asm__ volatile("stmxcsr %0" : "=m"(v));
    return v;
}
// ESI and EDI `offset` bytes into the user's buffer.
static inline struct trap sse_exec(const u8 *code, unsigned ring, u32 offset) {
    struct regs r = regs_for(ring);
    struct trap t;
    r.esi = r.edi = (u32)user_buffer + offset;
    exec(code, &r, &t);
    return t;
}

#endif
