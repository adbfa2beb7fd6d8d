// The same computations without interrupts and in an interrupt storm must give the same results: arithmetic that keeps
// carries alive over branches, string instructions, calls, in ring 0 and ring 3, in several address spaces.
#include "pc.h"

#include "paging.h"

static volatile u32 ticks;
static struct space spaces[3];
static u32 turn;

static bool tick(struct trap_frame *f) {
    (void)f;
    ticks++;
    pic_eoi(IRQ_TIMER);
    return true;
}

static bool tick_and_switch(struct trap_frame *f) { // also moves to another address space with the same contents
    tick(f);
    turn = (turn + 1) % 3;
    write_cr3(spaces[turn].root);
    return true;
}

// A 96-bit add-with-carry chain, then a shift register; ECX rounds. Buffer of 64 bytes at ESI.
SNIPPET(c_carry,
        "1: add $0x9e3779b9, %eax\n adc $0x7f4a7c15, %ebx\n adc $0xdeadbeef, %edx\n rcl $1, %ebp\n adc %ebp, (%esi)\n"
        "adc %eax, 4(%esi)\n sbb $0, %edi\n",
        "dec %ecx\n jnz 1b")
SNIPPET(c_string,
        "1: push %ecx\n mov %esi, %edi\n add $20, %edi\n mov $11, %ecx\n rep movsl\n sub $44, %esi\n add %eax, "
        "(%esi)\n mov %esi, %edi\n mov $40, %ecx\n"
        "mov %bl, %al\n repne scasb\n add %ecx, %eax\n rol $5, %eax\n xor %eax, 12(%esi)\n inc %ebx\n pop %ecx",
        "dec %ecx\n jnz 1b")
SNIPPET(c_calls,
        "1: push %ecx\n call 2f\n pop %ecx\n loop 1b\n jmp 9f\n 2: test $1, %cl\n jz 3f\n call 4f\n 3: add %ecx, "
        "%eax\n rol $3, %eax\n push $4f\n ret\n"
        "4: xor %eax, %edx\n jns 5f\n not %edx\n 5: mov $6f, %edi\n jmp *%edi\n 6: mov %eax, %edi\n and $0x3ff, %edi\n "
        "bts %edi, (%esi)\n adc $0, %ebp\n xor %edi, %edi\n ret\n 9:",
        "nop")

static struct trap run(const u8 *code, unsigned ring, u32 rounds, u32 flags, u32 *sum) {
    struct regs r = regs_for(ring);
    struct trap t;
    for (unsigned i = 0; i < 256; i++)
        user_buffer[4096 + i] = (u8)(i * 41);
    r.esi = (u32)user_buffer + 4096;
    r.ecx = rounds;
    r.eax = 0x1234567;
    r.ebx = 0x13;
    r.eflags |= flags;
    exec(code, &r, &t);
    *sum = 0;
    for (unsigned i = 0; i < 256; i += 4)
        *sum = (*sum << 3 | *sum >> 29) ^ *(u32 *)(user_buffer + 4096 + i);
    return t;
}

static void compare(const char *name, const u8 *code, u32 rounds, trap_hook hook) {
    check_context(name);
    for (unsigned ring = 0; ring <= 3; ring += 3) {
        u32 sum, quiet_sum;
        cli();
        struct trap quiet = run(code, ring, rounds, 0, &quiet_sum);
        CHECK_DONE("quiet", quiet);
        pic_init();
        ticks = 0;
        hook_set(IRQ_VECTOR + IRQ_TIMER, hook);
        pit_start(0, PIT_RATE, PIT_HZ / 4000);
        pic_unmask(IRQ_TIMER);
        for (unsigned i = 0; i < 200 && ticks < 60; i++) {
            struct trap t = run(code, ring, rounds, FLAG_IF, &sum);
            cli();
            bool ok = CHECK_DONE("in the storm", t) && CHECK_EQ("eax", t.r.eax, quiet.r.eax) &&
                      CHECK_EQ("ebx", t.r.ebx, quiet.r.ebx) && CHECK_EQ("ecx", t.r.ecx, quiet.r.ecx) &&
                      CHECK_EQ("edx", t.r.edx, quiet.r.edx) && CHECK_EQ("ebp", t.r.ebp, quiet.r.ebp) &&
                      CHECK_EQ("edi", t.r.edi, quiet.r.edi) && CHECK_EQ("esi", t.r.esi, quiet.r.esi) &&
                      CHECK_EQ("eflags", t.r.eflags & ~FLAG_IF, quiet.r.eflags) && CHECK_EQ("memory", sum, quiet_sum);
            if (!ok)
                break;
        }
        pic_mask(IRQ_TIMER);
        CHECK(ticks > 0);
    }
}

TEST(carry_chain) {
    compare("carry", c_carry, 100000, tick);
}
TEST(strings) {
    compare("string", c_string, 5000, tick);
}
TEST(calls) {
    compare("calls", c_calls, 30000, tick);
}

static void paging(void) {
    for (unsigned i = 0; i < 3; i++) {
        spaces[i] = space_new(PAGING_32);
        space_identity(&spaces[i]);
    }
    turn = 0;
    space_enter(&spaces[0]);
}

TEST(carry_chain_with_cr3_loads) {
    paging();
    compare("carry", c_carry, 100000, tick_and_switch);
}
TEST(strings_with_cr3_loads) {
    paging();
    compare("string", c_string, 5000, tick_and_switch);
}
TEST(calls_with_cr3_loads) {
    paging();
    compare("calls", c_calls, 30000, tick_and_switch);
}
