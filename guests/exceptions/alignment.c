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

SNIPPET(u_les, "", "les (%esi), %ebx")
SNIPPET(u_les16, "", "lesw (%esi), %bx")
SNIPPET(u_sgdt, "", "sgdt (%esi)")
SNIPPET(u_bound, "", "boundl %edx, (%esi)")
SNIPPET(u_bound16, "", "boundw %dx, (%esi)")
SNIPPET(u_far_call, "", "lcall *(%esi)")
static const struct form composites[] = {
    {u_les, u_les_at, 4},     {u_les16, u_les16_at, 2},     {u_sgdt, u_sgdt_at, 4},
    {u_bound, u_bound_at, 4}, {u_bound16, u_bound16_at, 2}, {u_far_call, u_far_call_at, 4},
};

TEST(composite_operands) { // pointers and tables: table 6-7; of a far CALL the operand, which then is a null pointer
    if (under_qemu())
        return;
    write_cr0(read_cr0() | CR0_AM);
    for (unsigned i = 0; i < sizeof composites / sizeof *composites; i++)
        for (u32 offset = 0; offset < 8; offset++) {
            memset(user_buffer, 0, 64);
            struct trap t = run(composites[i].code, 3, FLAG_AC, (u32)user_buffer + offset);
            if (offset % composites[i].size)
                CHECK_TRAP(t, VEC_AC, 0, composites[i].at);
            else if (composites[i].code == u_far_call)
                CHECK_TRAP(t, VEC_GP, 0, u_far_call);
            else
                CHECK_DONE("aligned", t);
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
