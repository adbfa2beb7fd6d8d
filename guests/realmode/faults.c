// Exceptions of real-address mode: limits, what is no instruction there, errors of the delivery itself. No error code
// is pushed. Intel SDM vol. 3B 20.1.4; vol. 2, the instructions' real-address mode exceptions.
#include "rm.h"

struct expected {
    const char *name;
    const u8 *code, *end;
    u16 vector, ip;
};
#define FAULT(name, text) RM_SNIPPET(f_##name, text)

FAULT(de, "mov $1, %ax\n div %ah");
FAULT(bound, "bound %ax, (0x10)");
FAULT(into, "mov $0x7f, %al\n inc %al\n into");
FAULT(int3, "int3");
FAULT(ud2, "ud2");
FAULT(lar, "lar %ax, %bx");
FAULT(lsl, "lsl %ax, %bx");
FAULT(lldt, "lldt %ax");
FAULT(ltr, "ltr %ax");
FAULT(sldt, "sldt %ax");
FAULT(str, "str %ax");
FAULT(verr, "verr %ax");
FAULT(verw, "verw %ax");
FAULT(arpl, "arpl %ax, %bx");
FAULT(rsm, "rsm");
FAULT(mov_cs, ".byte 0x8e, 0xc8");
FAULT(lock, ".byte 0xf0\n mov %al, (0)");
FAULT(sysenter, "sysenter");
FAULT(sysexit, "sysexit");
FAULT(write, "mov $0xffff, %bx\n mov %ax, (%bx)");
FAULT(read32, "movl (0xfffd), %eax");
FAULT(stack, "mov $0xffff, %bp\n mov (%bp), %ax");
FAULT(pop, "mov $0xffff, %sp\n pop %ax");
FAULT(big_offset, "movl $0x10000, %ebx\n movb (%ebx), %al");
FAULT(string, "mov $0xffff, %di\n mov $1, %cx\n rep stosw");
FAULT(jump_far, ".byte 0x66, 0xea\n .long 0x10000\n .word 0x3000");
FAULT(jump_near, ".byte 0x66, 0xe9\n .long 0x10000");
FAULT(nm, "movl %cr0, %eax\n or $4, %al\n movl %eax, %cr0\n fnop");
FAULT(cr0_pg, "movl $0x80000000, %eax\n movl %eax, %cr0"); // paging without protection
FAULT(long_insn, ".fill 15, 1, 0x2e\n nop");

#define AT(name, vector, ip)                                                                                           \
    { #name, f_##name, f_##name##_end, vector, ip }
static const struct expected all[] = {
    AT(de, VEC_DE, 3),       AT(bound, VEC_BR, 0),     AT(into, VEC_OF, 5),       AT(int3, VEC_BP, 1),
    AT(ud2, VEC_UD, 0),      AT(lar, VEC_UD, 0),       AT(lsl, VEC_UD, 0),        AT(lldt, VEC_UD, 0),
    AT(ltr, VEC_UD, 0),      AT(sldt, VEC_UD, 0),      AT(str, VEC_UD, 0),        AT(verr, VEC_UD, 0),
    AT(verw, VEC_UD, 0),     AT(arpl, VEC_UD, 0),      AT(rsm, VEC_UD, 0),        AT(mov_cs, VEC_UD, 0),
    AT(lock, VEC_UD, 0),     AT(sysenter, VEC_GP, 0),  AT(sysexit, VEC_GP, 0),    AT(nm, VEC_NM, 8),
    AT(cr0_pg, VEC_GP, 6),   AT(long_insn, VEC_GP, 0), AT(write, VEC_GP, 3),      AT(read32, VEC_GP, 0),
    AT(stack, VEC_SS, 3),    AT(pop, VEC_SS, 3),       AT(big_offset, VEC_GP, 6), AT(string, VEC_GP, 6),
    AT(jump_far, VEC_GP, 0), AT(jump_near, VEC_GP, 0),
};

// QEMU's TCG checks no limits in real-address mode, lets LOCK stand before a plain MOV, and takes paging without
// protection.
static bool qemu_differs(const struct expected *e) {
    return e->code == f_lock || e->code == f_cr0_pg || e->code == f_write || e->code == f_read32 ||
           e->code == f_stack || e->code == f_pop || e->code == f_big_offset || e->code == f_string ||
           e->code == f_jump_far || e->code == f_jump_near;
}

TEST(faults) {
    for (unsigned i = 0; i < sizeof all / sizeof all[0]; i++) {
        const struct expected *e = &all[i];
        struct rm rm;
        if (under_qemu() && qemu_differs(e))
            continue;
        rm_init(&rm);
        *(volatile u32 *)(RM_DATA + 0x10) = 0x00020001;
        rm = rm_run(e->code, e->end, rm);
        check_context(e->name);
        CHECK_EQ("vector", rm.vector, e->vector);
        CHECK_EQ("ip", rm.ip, e->ip);
        CHECK_EQ("cs", rm.cs, RM_CODE_SEG);
    }
    check_context(NULL);
}

// An instruction that runs over the limit, and a walk over it.
FAULT(over, "inc %ax\n .byte 0xb8"); // MOV AX, imm16 would end at 10001h
FAULT(walk, "inc %ax");
TEST(end_of_segment) {
    struct rm rm;
    if (under_qemu())
        return;
    rm_init(&rm);
    rm_code(f_over, f_over + 2, 0xfffe);
    rm.ip = 0xfffe;
    rm_go(&rm);
    CHECK_EQ("over: vector", rm.vector, VEC_GP);
    CHECK_EQ("over: ip", rm.ip, 0xffff);
    CHECK_EQ("over: ax", rm.eax, 1);
    rm_init(&rm);
    rm_code(f_walk, f_walk + 1, 0xffff);
    rm.ip = 0xffff;
    rm_go(&rm);
    CHECK_EQ("walk: vector", rm.vector, VEC_GP);
    CHECK_EQ("walk: ip is 10000h, of which 16 bits are pushed", rm.ip, 0);
    CHECK_EQ("walk: ax", rm.eax, 1);
}

// A vector beyond the table's limit is #GP.
FAULT(beyond, "inc %ax\n int $0x50");
TEST(table_limit) {
    struct rm rm;
    if (under_qemu())
        return;
    rm_init(&rm);
    rm.table_limit = 0x50 * 4 + 2;
    rm_vector(VEC_GP, RM_CODE_SEG, 0x100);
    rm_code(f_walk, f_walk_end, 0x100);
    // INT 81h is beyond as well: the handler ends the run by a jump to the stub instead.
    static const u8 jump[5] = {0xea, 0, 0, 0, 0};
    memcpy((void *)(RM_CODE + 0x101), jump, 5);
    *(volatile u16 *)(RM_CODE + 0x102) = rm_word(RM_DONE * 4);
    *(volatile u16 *)(RM_CODE + 0x104) = rm_word(RM_DONE * 4 + 2);
    rm = RM_RUN(f_beyond, rm);
    CHECK_EQ("vector", rm.vector, RM_DONE);
    CHECK_EQ("ip is that of INT", rm.ip, 1);
    CHECK_EQ("ax", rm.eax, 2);
}

// POP to memory and a repeated string leave the state of their last complete step.
FAULT(pop_mem, "mov $0xffff, %bx\n pushw $5\n popw (%bx)");
FAULT(rep, "mov $0xfffb, %di\n mov $0x1234, %ax\n mov $9, %cx\n rep stosw");
TEST(restartable) {
    struct rm rm;
    if (under_qemu())
        return;
    rm_init(&rm);
    rm = RM_RUN(f_pop_mem, rm);
    CHECK_EQ("pop: vector", rm.vector, VEC_GP);
    CHECK_EQ("pop: sp", rm.esp, RM_STACK_TOP - 2);
    rm_init(&rm);
    rm = RM_RUN(f_rep, rm);
    CHECK_EQ("rep: vector", rm.vector, VEC_GP);
    CHECK_EQ("rep: di", rm.edi, 0xffff);
    CHECK_EQ("rep: cx", rm.ecx, 7);
    CHECK_EQ("rep: stored", rm_word(RM_DATA + 0xfffd), 0x1234);
}
