// Code that changes itself: the next instruction, its own loop, its caller, code that it jumps to. A processor sees the
// change at the next instruction when writer and code use the same linear address (SDM vol. 3A, 11.6).
#include "exec.h"

// The instruction right behind the write.
SNIPPET(next_byte, "movb %al, 1f + 1\n 1: mov $0, %cl\n movzbl %cl, %ebx", "nop")
SNIPPET(next_dword, "mov %eax, 1f + 1\n 1: mov $0, %ebx", "nop")
SNIPPET(next_opcode, "movb %al, 1f\n 1: nop\n nop", "nop") // becomes INC or DEC EBX
SNIPPET(next_by_stos, "mov $1f + 1, %edi\n stosl\n 1: mov $0, %ebx", "nop")
SNIPPET(next_by_push, "mov %esp, %edx\n mov $1f + 5, %esp\n push %eax\n 1: mov $0, %ebx\n mov %edx, %esp", "nop")
SNIPPET(next_by_xchg, "mov %eax, %ecx\n xchg %ecx, 1f + 1\n 1: mov $0, %ebx", "nop")
SNIPPET(next_by_add, "movl $0, 1f + 1\n add %eax, 1f + 1\n 1: mov $0, %ebx", "nop")
SNIPPET(next_by_pop, "push %eax\n popl 1f + 1\n 1: mov $0, %ebx", "nop")
SNIPPET(next_by_movs, "push %eax\n mov %esp, %esi\n mov $1f + 1, %edi\n movsl\n 1: mov $0, %ebx\n pop %ecx", "nop")
SNIPPET(next_by_rep,
        "push %eax\n mov %esp, %esi\n mov $1f + 1, %edi\n mov $4, %ecx\n rep movsb\n 1: mov $0, %ebx\n pop %ecx", "nop")
SNIPPET(next_by_cmpxchg, "mov %eax, %ecx\n mov 1f + 1, %eax\n lock cmpxchg %ecx, 1f + 1\n 1: mov $0, %ebx", "nop")
SNIPPET(next_by_bts, "mov %eax, 1f + 1\n btsl $0, 1f + 1\n 1: mov $0, %ebx\n", "nop")
SNIPPET(next_by_call,
        "mov %esp, %edx\n mov $1f + 5, %esp\n call 2f\n 1: mov $0, %ebx\n jmp 3f\n 2: ret\n 3: mov %edx, %esp", "nop")

static void next(const char *name, const u8 *code) {
    check_context(name);
    for (u32 i = 0; i < 12; i++)
        for (unsigned ring = 0; ring <= 3; ring += 3) {
            struct regs r = regs_for(ring);
            struct trap t;
            r.eax = 0x1000001 + i * 0x10402;
            exec(code, &r, &t);
            CHECK_DONE(name, t);
            if (!CHECK_EQ("ebx", t.r.ebx, code == next_byte ? r.eax & 0xff : code == next_by_bts ? r.eax | 1 : r.eax))
                return;
        }
}
#define NEXT(s) next(#s, s)

TEST(next_instruction) {
    NEXT(next_byte);
    NEXT(next_dword);
    NEXT(next_by_stos);
    NEXT(next_by_push);
    NEXT(next_by_xchg);
    NEXT(next_by_add);
    NEXT(next_by_pop);
    NEXT(next_by_movs);
    NEXT(next_by_rep);
    NEXT(next_by_cmpxchg);
    NEXT(next_by_bts);
}

TEST(next_opcode) {
    for (u32 i = 0; i < 10; i++) {
        struct regs r = regs_for(i & 2 ? 3 : 0);
        struct trap t;
        r.eax = i & 1 ? 0x43 : 0x4b;
        r.ebx = 100;
        exec(next_opcode, &r, &t);
        CHECK_DONE("opcode", t);
        CHECK_EQ("ebx", t.r.ebx, i & 1 ? 101 : 99);
    }
}

TEST(call_pushes_into_code) { // the return address overwrites an immediate, and is returned to
    for (u32 i = 0; i < 4; i++) {
        struct trap t = exec_ring(next_by_call, 0);
        CHECK_DONE("call", t);
        CHECK(t.r.ebx > 0x100000);
    }
}

// A loop that counts up an immediate of its own, and one that rewrites its own conditional jump at the end.
SNIPPET(own_loop, "movl $0, 2f + 1\n 1: incl 2f + 1\n 2: mov $0, %ebx\n add %ebx, %eax\n", "loop 1b")
SNIPPET(own_branch,
        "movb $0xeb, 3f\n 1: inc %eax\n cmp $50, %eax\n jne 2f\n movb $0x3c, 3f\n 2: nop\n 3: jmp 1b\n movb $0xeb, 3b",
        "nop")

TEST(own_loop) {
    for (unsigned ring = 0; ring <= 3; ring += 3) {
        struct regs r = regs_for(ring);
        struct trap t;
        r.ecx = 300;
        exec(own_loop, &r, &t);
        CHECK_DONE("loop", t);
        CHECK_EQ("sum", t.r.eax, 300 * 301 / 2);
        t = exec_ring(own_branch, ring); // the JMP becomes CMP AL, imm8 and falls through
        CHECK_DONE("branch", t);
        CHECK_EQ("eax", t.r.eax, 50);
    }
}

// A routine patches the instruction behind the CALL that called it; a jump's target is patched by the jumping block.
SNIPPET(patch_caller,
        "mov $5, %ecx\n 1: call 2f\n mov $0, %ebx\n add %ebx, %edx\n loop 1b\n jmp 3f\n 2: mov (%esp), %eax\n mov "
        "%ecx, 1(%eax)\n ret\n 3:",
        "nop")
SNIPPET(patch_target, "mov $9, %ecx\n 1: mov %ecx, 3f + 1\n jmp 3f\n nop\n nop\n 3: mov $0, %ebx\n add %ebx, %edx",
        "loop 1b")
SNIPPET(patch_far_ahead,
        "mov $9, %ecx\n 1: mov %ecx, 3f + 1\n jmp 2f\n .skip 300, 0x90\n 2: nop\n jmp 3f\n .skip 100, 0x90\n 3: mov "
        "$0, %ebx\n add %ebx, %edx\n dec %ecx",
        "jnz 1b")

TEST(patched_elsewhere) {
    for (unsigned ring = 0; ring <= 3; ring += 3)
        for (unsigned again = 0; again < 3; again++) {
            struct trap t = exec_ring(patch_caller, ring);
            CHECK_DONE("caller", t);
            CHECK_EQ("edx", t.r.edx, 15);
            t = exec_ring(patch_target, ring);
            CHECK_DONE("target", t);
            CHECK_EQ("edx", t.r.edx, 45);
            t = exec_ring(patch_far_ahead, ring);
            CHECK_DONE("ahead", t);
            CHECK_EQ("edx", t.r.edx, 45);
        }
}

// Data in the page, even between the instructions, that changes all the time.
SNIPPET(data_between,
        "1: incl 2f\n add 2f, %eax\n jmp 3f\n 2: .long 0\n 3: dec %ecx\n jnz 1b\n mov 2b, %ebx\n movl $0, 2b", "nop")
SNIPPET(stack_in_page,
        "mov %esp, %edx\n mov $2f, %esp\n 1: push %ecx\n push %eax\n pop %ebx\n pop %ebp\n add %ebp, %eax\n loop 1b\n "
        "mov %edx, %esp\n jmp 3f\n .skip 64\n 2:\n 3:",
        "nop")

TEST(data_in_the_code_page) {
    for (unsigned ring = 0; ring <= 3; ring += 3) {
        struct regs r = regs_for(ring);
        struct trap t;
        r.ecx = 2000;
        exec(data_between, &r, &t);
        CHECK_DONE("data", t);
        CHECK_EQ("count", t.r.ebx, 2000);
        CHECK_EQ("sum", t.r.eax, 2000 * 2001 / 2);
        exec(stack_in_page, &r, &t);
        CHECK_DONE("stack", t);
        CHECK_EQ("sum", t.r.eax, 2000 * 2001 / 2);
    }
}

// A breakpoint set and removed as a debugger does it: the handler restores the byte and goes back.
SNIPPET(debugged, "mov $1, %eax\n debugged_1: mov $2, %ebx\n mov $3, %ecx", "nop")
extern u8 debugged_1[];
static u32 breakpoints;
static u8 saved;
static bool restore(struct trap_frame *f) {
    breakpoints++;
    if (f->eip != (u32)debugged_1 + 1)
        return false;
    *debugged_1 = saved;
    f->eip--;
    return true;
}

TEST(breakpoint) {
    idt_set_dpl(VEC_BP, 3);
    hook_set(VEC_BP, restore);
    breakpoints = 0;
    for (unsigned i = 0; i < 20; i++) {
        saved = *debugged_1;
        struct trap t;
        if (i & 1)
            *(volatile u8 *)debugged_1 = 0xcc;
        t = exec_ring(debugged, i & 2 ? 3 : 0);
        CHECK_DONE("ran", t);
        CHECK_EQ("ebx", t.r.ebx, 2);
        CHECK_EQ("hits", breakpoints, (i + 1) / 2);
    }
}

// A repeated string instruction that writes over itself and what follows goes on to its end, as if its bytes were read
// once; then what it has written runs.
SNIPPET(rep_over_itself,
        "cld\n mov $2f, %edi\n mov $5f - 2f, %ecx\n mov $0x43, %al\n jmp 2f\n .skip 8\n 2: .skip 6, 0x90\n rep stosb\n "
        ".skip 24, 0x4b\n 5:",
        "nop")
SNIPPET(
    movs_over_itself,
    "cld\n mov $6f, %esi\n mov $2f, %edi\n mov $8, %ecx\n jmp 2f\n 6: .skip 32, 0x43\n .skip 8\n 2: .skip 6, 0x90\n "
    "rep movsl\n .skip 24, 0x4b\n 5:",
    "nop")

static void over_itself(u8 *code, const u8 *end, u32 written, unsigned ring) {
    static u8 kept[256];
    u32 size = (u32)(end - code);
    memcpy(kept, code, size);
    struct trap t = exec_ring(code, ring);
    memcpy(code, kept, size);
    CHECK_DONE("ran", t);
    CHECK_EQ("ecx", t.r.ecx, 0);
    CHECK_EQ("INC EBX that follow", t.r.ebx, written);
}

TEST(string_over_itself) {
    if (under_qemu()) // reads the new bytes at the next iteration
        return;
    for (unsigned ring = 0; ring <= 3; ring += 3)
        for (unsigned again = 0; again < 20; again++) {
            over_itself(rep_over_itself, rep_over_itself_end, 24, ring);
            over_itself(movs_over_itself, movs_over_itself_end, 24, ring);
        }
}
