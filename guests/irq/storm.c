// Interrupts at thousands a second into loops of every kind, with all registers and flags checked at each. A processor
// that loses an interrupt's request in some corner of such a loop hangs here.
#include "pc.h"

#include "paging.h"

enum { TICKS = 60, RATE = 3000 };

static struct {
    volatile u32 ticks;
    const u8 *begin, *end; // EIP must lie in [begin, end]
    struct regs expected;
    u32 ignore; // bit n: do not compare register n of struct regs
    u32 flags_mask;
    u32 bad;
} storm;

static bool check_tick(struct trap_frame *f) {
    storm.ticks++;
    pic_eoi(IRQ_TIMER);
    const u32 *got = &f->edi;
    const u32 *want = &storm.expected.edi;
    for (unsigned i = 0; i < 8; i++)
        if (i != 3 && !(storm.ignore >> i & 1) && got[i] != want[i] && storm.bad++ < 3)
            print("     register %u of edi esi ebp esp ebx edx ecx eax is %08x, not %08x, at %08x\n", i, got[i],
                  want[i], f->eip);
    if (((f->eflags ^ storm.expected.eflags) & storm.flags_mask) && storm.bad++ < 3)
        print("     eflags is %08x, not %08x, at %08x\n", f->eflags, storm.expected.eflags, f->eip);
    if ((f->eip < (u32)storm.begin || f->eip > (u32)storm.end) && storm.bad++ < 3)
        print("     eip is %08x, not in the loop\n", f->eip);
    return true;
}

#define PATTERN_FLAGS (FLAG_ONE | FLAG_IF | FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_OF)

static struct regs pattern(unsigned ring) {
    struct regs r = regs_for(ring);
    r.eax = 0xa1a2a3a4;
    r.ebx = 0xb1b2b3b4;
    r.ecx = 0xc1c2c3c4;
    r.edx = 0xd1d2d3d4;
    r.esi = 0xe1e2e3e4;
    r.edi = 0xf1f2f3f4;
    r.ebp = 0x91929394;
    r.eflags = PATTERN_FLAGS;
    return r;
}

static void timer_on(void) {
    cli();
    pic_init();
    storm.ticks = storm.bad = 0;
    hook_set(IRQ_VECTOR + IRQ_TIMER, check_tick);
    pit_start(0, PIT_RATE, PIT_HZ / RATE);
    pic_unmask(IRQ_TIMER);
}

// The loops must not disturb what is compared, so they end by an instruction that leaves flags alone: JECXZ on
// storm_go, which the handler clears after enough interrupts.
enum { R_EDI = 1, R_ESI = 2, R_EBP = 4, R_EBX = 16, R_EDX = 32, R_ECX = 64, R_EAX = 128, R_NONE = 0 };
#define ARITH (FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_OF | FLAG_DF | FLAG_IF)

static volatile u32 *const ticks_at = &storm.ticks;
__asm__(".pushsection .udata, \"aw\"\n.balign 4\n.globl storm_go\nstorm_go: .long 1\n.popsection");
extern volatile u32 storm_go;

static bool counted(struct trap_frame *f) {
    bool on = check_tick(f);
    if (*ticks_at >= TICKS)
        storm_go = 0;
    return on;
}

SNIPPET(k_memory, "1: mov storm_go, %ecx\n jecxz 2f\n jmp 1b\n 2:", "nop")
SNIPPET(k_links,
        "1: jmp 3f\n 4: jmp 5f\n 3: jmp 4b\n 5: jc 6f\n ud2\n 6: mov storm_go, %ecx\n jecxz 2f\n jmp 1b\n 2:", "nop")
SNIPPET(k_indirect, "1: mov $3f, %ecx\n jmp *%ecx\n ud2\n 3: mov storm_go, %ecx\n jecxz 2f\n jmp 1b\n 2:", "nop")
SNIPPET(k_calls,
        "1: call 3f\n call 4f\n mov storm_go, %ecx\n jecxz 2f\n jmp 1b\n 3: call 4f\n ret\n 4: ret\n 2:", "nop")
SNIPPET(k_stack,
        "1: push %eax\n push %ebx\n pusha\n popa\n pop %ecx\n pop %ecx\n mov storm_go, %ecx\n jecxz 2f\n jmp 1b\n 2:",
        "nop")
SNIPPET(k_moves,
        "1: mov %eax, user_buffer\n mov user_buffer, %ecx\n xchg %ecx, user_buffer + 4\n lea 5(%ecx), %ecx\n not %ecx\n"
        "mov storm_go, %ecx\n jecxz 2f\n jmp 1b\n 2:",
        "nop")
SNIPPET(k_long,
        "1: .rept 300\n mov %ecx, user_buffer + 64\n mov user_buffer + 68, %ecx\n .endr\n mov storm_go, %ecx\n jecxz "
        "2f\n jmp 1b\n 2:",
        "nop")
SNIPPET(k_flags_pushed, "1: pushf\n popf\n lahf\n mov $0xa3, %ah\n mov storm_go, %ecx\n jecxz 2f\n jmp 1b\n 2:", "nop")
SNIPPET(k_segment,
        "1: mov %ds, %ecx\n mov %ecx, %es\n push %ds\n pop %fs\n mov storm_go, %ecx\n jecxz 2f\n jmp 1b\n 2:", "nop")
SNIPPET(k_port, "1: mov %al, %cl\n in $0x80, %al\n mov %cl, %al\n mov storm_go, %ecx\n jecxz 2f\n jmp 1b\n 2:", "nop")
SNIPPET(k_software, "1: int $0x82\n mov storm_go, %ecx\n jecxz 2f\n jmp 1b\n 2:", "nop")

static bool nothing(struct trap_frame *f) {
    (void)f;
    return true;
}

static void kind(const char *name, const u8 *begin, const u8 *end, unsigned ring, u32 ignore, u32 mask) {
    check_context(ring ? "ring 3" : "ring 0");
    storm_go = 1;
    timer_on();
    struct regs r = pattern(ring);
    r.ecx = 0;
    storm.begin = begin;
    storm.end = end;
    storm.expected = r;
    storm.ignore = ignore | R_ECX;
    storm.flags_mask = mask;
    hook_set(IRQ_VECTOR + IRQ_TIMER, counted);
    struct trap t;
    exec(begin, &r, &t);
    cli();
    pic_mask(IRQ_TIMER);
    CHECK_DONE(name, t);
    check_equal(name, storm.bad, 0, __FILE__, __LINE__);
    CHECK_EQ("esp", t.r.esp, r.esp);
    CHECK_EQ("flags at the end", (t.r.eflags ^ r.eflags) & mask & ~FLAG_IF, 0);
}
#define KIND(s, ring, ignore) kind(#s, s, s##_end, ring, ignore, ARITH)

TEST(tight_loop) {
    KIND(k_memory, 0, 0);
    KIND(k_memory, 3, 0);
}
TEST(linked_blocks) {
    KIND(k_links, 0, 0);
    KIND(k_links, 3, 0);
}
TEST(indirect_jumps) {
    KIND(k_indirect, 0, 0);
    KIND(k_indirect, 3, 0);
}
TEST(calls_and_returns) {
    KIND(k_calls, 0, 0);
    KIND(k_calls, 3, 0);
}
TEST(stack_traffic) {
    KIND(k_stack, 0, 0);
    KIND(k_stack, 3, 0);
}
TEST(memory_traffic) {
    KIND(k_moves, 0, 0);
    KIND(k_moves, 3, 0);
    KIND(k_long, 3, 0);
}
TEST(flags_instructions) {
    KIND(k_flags_pushed, 0, R_EAX);
    KIND(k_flags_pushed, 3, R_EAX);
}
TEST(segment_loads) {
    KIND(k_segment, 0, 0);
}
TEST(port_accesses) {
    KIND(k_port, 0, R_EAX);
}
TEST(software_interrupts) {
    hook_set(0x82, nothing);
    idt_set_dpl(0x82, 3);
    storm.ticks = 0;
    KIND(k_software, 0, 0);
    KIND(k_software, 3, 0);
}

// A jump to itself: nothing in the loop can notice anything. The handler ends it by moving EIP.
SNIPPET(self_jump, "", "1: jmp 1b")
static bool leave_self_jump(struct trap_frame *f) {
    if (storm.ticks >= TICKS) { // it has left already
        pic_eoi(IRQ_TIMER);
        return true;
    }
    check_tick(f);
    if (storm.ticks == TICKS)
        f->eip = (u32)self_jump_end;
    return true;
}

TEST(jump_to_itself) {
    for (unsigned ring = 0; ring <= 3; ring += 3) {
        timer_on();
        struct regs r = pattern(ring);
        storm.begin = self_jump;
        storm.end = self_jump;
        storm.expected = r;
        storm.ignore = 0;
        storm.flags_mask = ARITH;
        hook_set(IRQ_VECTOR + IRQ_TIMER, leave_self_jump);
        struct trap t;
        exec(self_jump, &r, &t);
        cli();
        pic_mask(IRQ_TIMER);
        CHECK_DONE("left", t);
        CHECK_EQ("bad", storm.bad, 0);
        CHECK_EQ("eax", t.r.eax, r.eax);
        CHECK_EQ("flags", (t.r.eflags ^ r.eflags) & ARITH, 0);
    }
}

// A long repetition: at each interrupt ECX, ESI and EDI agree, and EIP is the string instruction's.
SNIPPET(long_copy, "", "rep movsb")
static u32 string_bad, string_inside;
static struct regs string_start;
static bool check_string(struct trap_frame *f) {
    storm.ticks++;
    pic_eoi(IRQ_TIMER);
    u32 done = string_start.ecx - f->ecx;
    if (f->eip == (u32)long_copy)
        string_inside++;
    else if (f->eip != (u32)long_copy_end)
        string_bad++;
    if (f->esi - string_start.esi != done || f->edi - string_start.edi != done)
        string_bad++;
    return true;
}

TEST(long_repetition) {
    u32 from = page_alloc(512), to = page_alloc(512);
    for (u32 i = 0; i < 512 * 4096; i += 4)
        *(u32 *)(from + i) = i * 2654435761u;
    timer_on();
    string_bad = string_inside = 0;
    hook_set(IRQ_VECTOR + IRQ_TIMER, check_string);
    struct trap t;
    for (unsigned i = 0; i < 400 && storm.ticks < TICKS; i++) {
        struct regs r = regs_for(0);
        r.eflags |= FLAG_IF;
        r.esi = from + i % 4;
        r.edi = to + i % 7;
        r.ecx = 512 * 4096 - 8;
        string_start = r;
        exec(long_copy, &r, &t);
        CHECK_DONE("copied", t);
        CHECK_EQ("ecx", t.r.ecx, 0);
        CHECK_EQ("last", *(u32 *)(t.r.edi - 4), *(u32 *)(t.r.esi - 4));
    }
    cli();
    pic_mask(IRQ_TIMER);
    CHECK_EQ("inconsistent states", string_bad, 0);
    print("     %u interrupts, %u of them inside the repetition\n", storm.ticks, string_inside);
}

TEST(recursion) { // compiled code, interrupted everywhere
    timer_on();
    storm.ignore = 0xff;
    storm.flags_mask = 0;
    storm.begin = NULL;
    storm.end = (const u8 *)0xffffffff;
    sti();
    u32 rounds = 0;
    while (storm.ticks < TICKS) {
        u32 v[16], sum = 0;
        for (u32 i = 0; i < 16; i++)
            v[i] = (i * 7 + rounds) & 15;
        for (u32 i = 0; i < 16; i++)
            sum += v[i];
        if (sum != 120) {
            CHECK_EQ("sum", sum, 120);
            break;
        }
        rounds++;
    }
    cli();
    pic_mask(IRQ_TIMER);
}
