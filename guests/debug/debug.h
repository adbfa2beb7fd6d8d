// What the tests of debug registers share: the registers, and a record of every #DB that comes while a snippet runs.
// Intel SDM vol. 3B, 17.2 and 17.3.
#ifndef DEBUG_DEBUG_H
#define DEBUG_DEBUG_H

#include "exec.h"

enum { DR6_CLEAR = 0xffff0ff0, DR6_BD = 1 << 13, DR6_BS = 1 << 14, DR6_BT = 1 << 15 };
enum { DR7_CLEAR = 0x400, DR7_GD = 1 << 13 };
enum { RW_EXEC, RW_WRITE, RW_IO, RW_ACCESS };
enum { LEN1, LEN2, LEN8, LEN4 };
enum { CR4_DE = 8 };

#define DR_ACCESS(n)                                                                                                   \
    static inline u32 read_dr##n(void) {                                                                               \
        u32 v;                                                                                                         \
        __asm__ volatile("mov %%dr" #n ", %0" : "=r"(v));                                                              \
        return v;                                                                                                      \
    }                                                                                                                  \
    static inline void write_dr##n(u32 v) {                                                                            \
        __asm__ volatile("mov %0, %%dr" #n ::"r"(v) : "memory");                                                       \
    }
DR_ACCESS(0)
DR_ACCESS(1)
DR_ACCESS(2)
DR_ACCESS(3)
DR_ACCESS(6)
DR_ACCESS(7)

// The bits of DR7 that enable breakpoint n locally.
static inline u32 dr7_bits(unsigned n, u32 rw, u32 len) {
    return 1u << (2 * n) | rw << (16 + 4 * n) | len << (18 + 4 * n);
}

enum { EVENTS = 64 };
struct event {
    u32 eip, dr6, eflags, cs;
};
struct events {
    u32 count;
    struct event at[EVENTS];
};
extern struct events events;
extern bool set_rf; // the handler sets RF in the frame, so that an instruction breakpoint is passed

// Runs the snippet with DR7 set; #DBs are recorded, DR6 cleared after each. DR7 is clear afterwards.
struct trap debug_run(const void *code, const struct regs *in, u32 dr7);
void check_event(unsigned n, const void *eip, u32 dr6, const char *file, int line);
#define CHECK_EVENT(n, eip, dr6) check_event(n, eip, dr6, __FILE__, __LINE__)
#define CHECK_EVENTS(n)          CHECK_EQ("number of #DB", events.count, n)

#endif
