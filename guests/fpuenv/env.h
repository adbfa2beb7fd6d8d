// The x87 environment as FNSTENV stores it, and what the tests of this folder share.
#ifndef FPUENV_H
#define FPUENV_H

#include "exec.h"

struct env { // 32-bit protected format, SDM vol. 1 figure 8-9
    u32 fcw, fsw, ftw, fip, fcs_fop, fdp, fds;
};

enum { FSW_IE = 1, FSW_DE = 2, FSW_ZE = 4, FSW_OE = 8, FSW_UE = 16, FSW_PE = 32, FSW_SF = 64, FSW_ES = 128 };

// FNSTENV, which masks everything; the control word is put back, and with it a pending exception.
static inline struct env env_get(void) {
    struct env e;
    __asm__ volatile("fnstenv %0\n fldenv %0" : "=m"(e));
    return e;
}
// Ring 3 with ESI at the user's buffer.
static inline struct regs env_regs(unsigned ring) {
    struct regs r = regs_for(ring);
    r.esi = (u32)user_buffer;
    return r;
}
static inline struct trap env_exec(const u8 *code, unsigned ring) {
    struct regs r = env_regs(ring);
    struct trap t;
    exec(code, &r, &t);
    return t;
}
static inline void fpu_init(void) {
    __asm__ volatile("fninit");
}
static inline u16 fpu_status(void) {
    u16 v;
    __asm__ volatile("fnstsw %0" : "=a"(v));
    return v;
}
static inline void fpu_control(u16 v) {
    __asm__ volatile("fldcw %0" ::"m"(v));
}

#endif
