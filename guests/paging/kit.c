// Snippets for every way to touch memory: reads, writes, read-modify-writes, with the error code that each must give.
#include "kit.h"

SNIPPET(a_read, "", "mov (%esi), %eax")
SNIPPET(a_read8, "", "movzbl (%esi), %ecx")
SNIPPET(a_cmp, "", "cmp %eax, (%esi)")
SNIPPET(a_test, "", "testb $1, (%esi)")
SNIPPET(a_bt, "", "btl $3, (%esi)")
SNIPPET(a_push, "", "pushl (%esi)")
SNIPPET(a_lods, "", "lodsb")
SNIPPET(a_add_from, "", "add (%esi), %eax")
SNIPPET(a_imul, "", "imul (%esi), %eax")
SNIPPET(a_mul, "", "mull (%esi)")
SNIPPET(a_cmov, "", "cmovz (%esi), %eax") // not taken, and reads all the same
SNIPPET(a_write, "", "mov %eax, (%esi)")
SNIPPET(a_write8, "", "movb $7, (%esi)")
SNIPPET(a_pop, "push $5", "popl (%esi)")
SNIPPET(a_stos, "mov %esi, %edi", "stosl")
SNIPPET(a_set, "", "setz (%esi)")
SNIPPET(a_rmw, "", "addl $1, (%esi)")
SNIPPET(a_inc8, "", "incb (%esi)")
SNIPPET(a_not, "", "notl (%esi)")
SNIPPET(a_shl, "", "shll $1, (%esi)")
SNIPPET(a_bts, "", "btsl $3, (%esi)")
SNIPPET(a_bts_reg, "mov $5, %ecx", "btrl %ecx, (%esi)")
SNIPPET(a_lock_add, "", "lock addl $1, (%esi)")
SNIPPET(a_xchg, "", "xchg %eax, (%esi)")
SNIPPET(a_xchg8, "", "xchg %ah, (%esi)")
SNIPPET(a_xadd, "", "lock xadd %eax, (%esi)")
SNIPPET(a_cmpxchg, "mov $0x7654321, %eax", "lock cmpxchg %ecx, (%esi)") // does not match, and writes all the same
SNIPPET(a_cmpxchg_plain, "mov $0x7654321, %eax", "cmpxchg %ecx, (%esi)")
SNIPPET(a_cmpxchg8b, "mov $0x7654321, %eax", "cmpxchg8b (%esi)")
SNIPPET(a_shld, "", "shld $4, %eax, (%esi)")
SNIPPET(a_adc0, "", "adcl $0, (%esi)")
SNIPPET(a_exec, "", "jmp *%esi")

const struct access accesses[] = {
    {"read", a_read, false, false},
    {"read8", a_read8, false, false},
    {"cmp", a_cmp, false, false},
    {"test", a_test, false, false},
    {"bt", a_bt, false, false},
    {"push", a_push, false, false},
    {"lods", a_lods, false, false},
    {"add from", a_add_from, false, false},
    {"imul", a_imul, false, false},
    {"mul", a_mul, false, false},
    {"cmov", a_cmov, false, false},
    {"write", a_write, true, false},
    {"write8", a_write8, true, false},
    {"pop", a_pop, true, false},
    {"stos", a_stos, true, false},
    {"set", a_set, true, false},
    {"rmw", a_rmw, true, true},
    {"inc8", a_inc8, true, true},
    {"not", a_not, true, true},
    {"shl", a_shl, true, true},
    {"bts", a_bts, true, true},
    {"btr reg", a_bts_reg, true, true},
    {"lock add", a_lock_add, true, true},
    {"xchg", a_xchg, true, true},
    {"xchg8", a_xchg8, true, true},
    {"xadd", a_xadd, true, true},
    {"cmpxchg", a_cmpxchg, true, true},
    {"cmpxchg plain", a_cmpxchg_plain, true, true},
    {"cmpxchg8b", a_cmpxchg8b, true, true},
    {"shld", a_shld, true, true},
    {"adc 0", a_adc0, true, true},
};
const unsigned access_count = sizeof accesses / sizeof *accesses;

u32 kit_enter(struct space *s, enum paging_mode mode, u64 flags) {
    *s = space_new(mode);
    space_identity(s);
    u32 frame = page_alloc(1);
    pte_set(s, PAGE_AT, frame | flags);
    space_enter(s);
    return frame;
}

struct trap kit_access(const u8 *code, unsigned ring, u32 address) {
    struct regs r = regs_for(ring);
    struct trap t;
    r.esi = address;
    r.eax = 0x11223344;
    exec(code, &r, &t);
    return t;
}
