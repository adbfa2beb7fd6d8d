// What the paging tests share: one page under test at PAGE_AT, and snippets that access it. ESI = address, EAX = value.
#ifndef PAGING_KIT_H
#define PAGING_KIT_H

#include "exec.h"
#include "paging.h"

enum { PAGE_AT = 0x50000000, PAGE = 4096 };

struct access {
    const char *name;
    const u8 *code;
    bool writes;
    bool reads_too; // a read-modify-write, for which QEMU reports a missing page as if it were read
};
// The error code's W bit as the engine under test should report it; qemu may leave it out.
static inline u32 kit_error(const struct access *a, u32 got, u32 expected) {
    return under_qemu() && a->reads_too ? expected & (got | ~(u32)PF_W) : expected;
}
extern const struct access accesses[];
extern const unsigned access_count;
extern u8 a_read[], a_write[], a_rmw[], a_exec[];

// Builds a space in `mode` with one page of fresh memory at PAGE_AT (flags), enters it; returns the frame.
u32 kit_enter(struct space *s, enum paging_mode mode, u64 flags);
struct trap kit_access(const u8 *code, unsigned ring, u32 address);

#endif
