// #AC: at ring 3 with CR0.AM and EFLAGS.AC, for operands that are not aligned to their size (SDM vol. 3A, 6.15).
// QEMU 7.2 does not implement it under TCG, so all of it is for hardware only.
#include "exec.h"

SNIPPET(u_read16, "", "movw (%esi), %ax")
SNIPPET(u_read32, "", "movl (%esi), %eax")
SNIPPET(u_write32, "", "movl %eax, (%esi)")
SNIPPET(u_rmw, "", "addl %eax, (%esi)")
SNIPPET(u_lock, "", "lock addl %eax, (%esi)")
SNIPPET(u_xchg, "", "xchg %eax, (%esi)")
SNIPPET(u_push, "mov %esi, %esp", "push %eax")
SNIPPET(u_pop, "mov %esi, %esp", "pop %eax")
SNIPPET(u_movs, "mov %esi, %edi\n sub $64, %edi\n and $~3, %edi", "movsl")
SNIPPET(u_byte, "", "movb (%esi), %al")

struct form {
    const u8 *code, *at;
    u32 size;
};
static const struct form forms[] = {
    {u_read16, u_read16_at, 2}, {u_read32, u_read32_at, 4}, {u_write32, u_write32_at, 4}, {u_rmw, u_rmw_at, 4},
    {u_lock, u_lock_at, 4},     {u_xchg, u_xchg_at, 4},     {u_push, u_push_at, 4},       {u_pop, u_pop_at, 4},
    {u_movs, u_movs_at, 4},     {u_byte, u_byte_at, 1}};
enum { FORMS = sizeof forms / sizeof *forms };

static struct trap run(const u8 *code, unsigned ring, u32 flags, u32 address) {
    struct regs r = regs_for(ring);
    struct trap t;
    r.eflags |= flags;
    r.esi = address;
    r.eax = 1;
    exec(code, &r, &t);
    return t;
}

TEST(alignment_check) {
    if (under_qemu())
        return;
    write_cr0(read_cr0() | CR0_AM);
    u32 base = (u32)user_buffer + 256;
    for (unsigned i = 0; i < FORMS; i++)
        for (u32 offset = 0; offset < 8; offset++) {
            struct trap t = run(forms[i].code, 3, FLAG_AC, base + offset);
            bool ok = offset % forms[i].size == 0 ? CHECK_DONE("aligned", t) : CHECK_TRAP(t, VEC_AC, 0, forms[i].at);
            if (!ok)
                print("     form %u, offset %u\n", i, offset);
        }
}

TEST(only_with_all_three) { // AM, AC and ring 3
    write_cr0(read_cr0() | CR0_AM);
    u32 address = (u32)user_buffer + 257;
    struct trap t = run(u_read32, 3, 0, address);
    CHECK_DONE("AC clear", t);
    t = run(u_rmw, 0, FLAG_AC, address);
    CHECK_DONE("ring 0", t);
    write_cr0(read_cr0() & ~CR0_AM);
    t = run(u_rmw, 3, FLAG_AC, address);
    CHECK_DONE("AM clear", t);
}

SNIPPET(u_switch, "mov 1(%esi), %ebx\n pushf\n orl $0x40000, (%esp)\n popf\n mov (%esi), %ecx", "mov 1(%esi), %edx")

TEST(flag_changes_inside) { // POPF turns the check on between two instructions
    if (under_qemu())
        return;
    write_cr0(read_cr0() | CR0_AM);
    for (unsigned again = 0; again < 3; again++) {
        struct trap t = run(u_switch, 3, 0, (u32)user_buffer);
        CHECK_TRAP(t, VEC_AC, 0, u_switch_at);
    }
}
