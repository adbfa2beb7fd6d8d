// The frame of the tests of sensitive instructions.
#include "kit.h"

struct regs pattern(unsigned ring) {
    struct regs r = regs_for(ring);
    r.eax = 0xa0a1a2a3;
    r.ecx = 0xc0c1c2c3;
    r.edx = 0xd0d1d2d3;
    r.ebx = 0xb0b1b2b3;
    r.ebp = 0xe0e1e2e3;
    r.esi = (u32)user_buffer + 64;
    r.edi = 0xf0f1f2f3;
    r.eflags |= FLAG_CF | FLAG_AF | FLAG_SF | FLAG_AC;
    return r;
}

static void same(const char *what, u32 got, u32 expected, bool may_change) {
    if (!may_change)
        CHECK_EQ(what, got, expected);
}

static void compare(const struct regs *in, const struct regs *out, unsigned changes) {
    same("eax", out->eax, in->eax, changes & EAX);
    same("ebx", out->ebx, in->ebx, changes & EBX);
    same("ecx", out->ecx, in->ecx, changes & ECX);
    same("edx", out->edx, in->edx, false);
    same("esi", out->esi, in->esi, false);
    same("edi", out->edi, in->edi, false);
    same("ebp", out->ebp, in->ebp, false);
    same("esp", out->esp, in->esp, changes & STACK);
    same("cs", out->cs, in->cs, false);
    same("ss", out->ss, in->ss, changes & SEGMENTS);
    same("ds", out->ds, in->ds, changes & SEGMENTS);
    same("es", out->es, in->es, changes & SEGMENTS);
    same("fs", out->fs, in->fs, changes & SEGMENTS);
    same("gs", out->gs, in->gs, changes & SEGMENTS);
    u32 flags = changes & ALL_FLAGS ? 0 : ~(u32)(changes & ZERO_FLAG ? FLAG_ZF : 0);
    same("eflags", out->eflags & flags, in->eflags & flags, false);
}

struct trap runs(const char *name, const u8 *code, const struct regs *in, unsigned changes) {
    struct trap t;
    check_context(name);
    exec(code, in, &t);
    CHECK_DONE("ran", t);
    compare(in, &t.r, changes);
    return t;
}

struct trap faults(const char *name, const u8 *code, const struct regs *in, u32 vector, u32 error) {
    struct trap t;
    check_context(name);
    exec(code, in, &t);
    CHECK_TRAP(t, vector, error, code);
    t.r.eflags &= ~FLAG_RF;
    compare(in, &t.r, NOTHING);
    return t;
}

void page_faults(const char *name, const u8 *code, const struct regs *in, u32 error, u32 address) {
    struct trap t = faults(name, code, in, VEC_PF, error);
    CHECK_EQ("CR2", t.cr2, address);
}

void paged(void) {
    struct space s = space_new(PAGING_32);
    space_identity(&s);
    u32 frames = page_alloc(2);
    space_map(&s, HERE, frames, PTE_WU);
    space_map(&s, READ_ONLY, frames + 4096, PTE_P | PTE_U);
    space_enter(&s);
    write_cr0(read_cr0() | CR0_WP);
}
