// One sensitive unprivileged instruction at a time, at ring 0 and ring 3, with a pattern in all registers and flags:
// what it changes is named, everything else must be as before. docs/sensitive.md is the table that these tests fill.
#ifndef SENSITIVE_KIT_H
#define SENSITIVE_KIT_H

#include "exec.h"
#include "paging.h"

enum { HERE = 0x50000000, MISSING = 0x50001000, READ_ONLY = 0x50003000 };

// Registers of the ring: a pattern in all but ESP, ESI at user_buffer + 64, arithmetic flags alternating.
struct regs pattern(unsigned ring);

enum changed {
    NOTHING = 0,
    EAX = 1,
    EBX = 2,
    ECX = 4,
    STACK = 8, // ESP
    ZERO_FLAG = 16,
    ALL_FLAGS = 32,
    SEGMENTS = 64, // DS, ES, FS, GS
};
// Runs the snippet, which must come to its end; everything but `changes` must be as it was.
struct trap runs(const char *name, const u8 *code, const struct regs *in, unsigned changes);
// The snippet faults at `at`, and nothing at all has changed.
struct trap faults(const char *name, const u8 *code, const struct regs *in, u32 vector, u32 error);
// The same with #PF at `address`.
void page_faults(const char *name, const u8 *code, const struct regs *in, u32 error, u32 address);

// Paging on: HERE is a page for all with a missing one behind, READ_ONLY one that ring 3 may not write to (nor ring 0,
// CR0.WP).
void paged(void);

#endif
