// Segments with a base: data through FS and GS as thread-local storage, per-CPU data, a based DS and SS, based code,
// and bases that change while the same code runs.
#include "exec.h"
#include "paging.h"

SNIPPET(b_fs,
        "mov %fs:0, %eax\n mov %fs:8(%esi), %ebx\n addl $3, %fs:16\n incl %fs:-4(%esi)\n mov $24, %edi\n mov %eax, "
        "%fs:(%edi)\n lea %fs:8(%esi), %edx",
        "nop")
SNIPPET(b_gs,
        "mov %gs:0, %eax\n xchg %eax, %gs:4\n mov %gs:4, %ebx\n cmpb $0, %gs:1\n setne %cl\n pushl %gs:8\n popl "
        "%gs:12\n push %gs\n pop %edx",
        "nop")
SNIPPET(b_loop, "1: add %gs:(%esi,%ecx,4), %eax\n rol $1, %eax\n loop 1b", "nop")
SNIPPET(b_two,
        "mov %fs:4, %eax\n mov %eax, %gs:4\n mov %fs:(%esi), %ebx\n add %gs:(%esi), %ebx\n lock xadd %ebx, %gs:8",
        "nop")
SNIPPET(b_ds, "mov (%esi), %eax\n add %eax, 4(%esi)\n mov 4, %ebx\n movb $9, 8\n push (%esi)\n pop %ecx", "nop")
SNIPPET(b_ss,
        "push %eax\n mov (%esp), %ebx\n call 1f\n pop %ecx\n jmp 2f\n 1: mov %esp, %ebp\n mov 4(%ebp), %edx\n ret\n 2:",
        "nop")
SNIPPET(b_moves, "mov %eax, %gs\n mov %gs:0, %ebx\n mov %ecx, %gs\n add %gs:0, %ebx\n mov %eax, %gs\n add %gs:4, %ebx",
        "nop")

static u32 *words(u32 offset) {
    return (u32 *)(user_buffer + offset);
}

TEST(fs_and_gs) {
    for (unsigned ring = 0; ring <= 3; ring += 3)
        for (unsigned again = 0; again < 2; again++) {
            gdt_set(SEL_FREE, (u32)user_buffer + 0x100, 0xfffff, SEG_DATA | SEG_DPL3, SEG_G | SEG_D);
            memset(user_buffer, 0, 1024);
            words(0x100)[0] = 0x1111;
            words(0x100)[2] = 0x2222;
            struct regs r = regs_for(ring);
            struct trap t;
            r.fs = r.gs = SEL_FREE | 3;
            exec(b_fs, &r, &t);
            CHECK_DONE("fs", t);
            CHECK_EQ("eax", t.r.eax, 0x1111);
            CHECK_EQ("ebx", t.r.ebx, 0x2222);
            CHECK_EQ("added", words(0x100)[4], 3);
            CHECK_EQ("negative offset", words(0xfc)[0], 1);
            CHECK_EQ("stored", words(0x100)[6], 0x1111);
            CHECK_EQ("lea has no base", t.r.edx, 8);
            words(0x100)[1] = 0x3333;
            exec(b_gs, &r, &t);
            CHECK_DONE("gs", t);
            CHECK_EQ("xchg", t.r.eax, 0x3333);
            CHECK_EQ("ebx", t.r.ebx, 0x1111);
            CHECK_EQ("cmpb", t.r.ecx & 0xff, 1);
            CHECK_EQ("push and pop", words(0x100)[3], 0x2222);
        }
}

TEST(bases_change) { // one block of code, many bases, as a scheduler changes TLS descriptors
    struct regs r = regs_for(3);
    struct trap t;
    for (u32 i = 0; i < 1024; i++)
        words(0)[i] = i * 0x01010101u;
    for (u32 i = 0; i < 60; i++) {
        u32 base = (u32)user_buffer + (i * 52) % 2048 / 4 * 4;
        gdt_set(SEL_FREE + (i & 1) * 8, base, 0xfffff, SEG_DATA | SEG_DPL3, SEG_G | SEG_D);
        r.gs = (SEL_FREE + (i & 1) * 8) | 3;
        r.esi = 16;
        r.ecx = 20;
        u32 eax = 0;
        for (u32 ecx = 20; ecx; ecx--) {
            eax += *(u32 *)(base + 16 + ecx * 4);
            eax = eax << 1 | eax >> 31;
        }
        exec(b_loop, &r, &t);
        CHECK_DONE("loop", t);
        if (!CHECK_EQ("sum", t.r.eax, eax))
            return;
    }
}

TEST(two_bases_at_once) {
    gdt_set(SEL_FREE, (u32)user_buffer, 0xfffff, SEG_DATA | SEG_DPL3, SEG_G | SEG_D);
    gdt_set(SEL_FREE + 8, (u32)user_buffer + 512, 0xfffff, SEG_DATA | SEG_DPL3, SEG_G | SEG_D);
    memset(user_buffer, 0, 1024);
    words(4)[0] = 77;
    words(12)[0] = 5;
    words(524)[0] = 6;
    struct regs r = regs_for(3);
    struct trap t;
    r.fs = SEL_FREE | 3;
    r.gs = (SEL_FREE + 8) | 3;
    r.esi = 12;
    exec(b_two, &r, &t);
    CHECK_DONE("two", t);
    CHECK_EQ("copied", words(516)[0], 77);
    CHECK_EQ("sum", words(520)[0], 11);
}

TEST(register_switches_inside) { // the segment register changes in the middle of a block
    gdt_set(SEL_FREE, (u32)user_buffer, 0xfffff, SEG_DATA | SEG_DPL3, SEG_G | SEG_D);
    gdt_set(SEL_FREE + 8, (u32)user_buffer + 512, 0xfffff, SEG_DATA | SEG_DPL3, SEG_G | SEG_D);
    words(0)[0] = 1;
    words(4)[0] = 100;
    words(512)[0] = 10;
    struct regs r = regs_for(3);
    struct trap t;
    r.eax = SEL_FREE | 3;
    r.ecx = (SEL_FREE + 8) | 3;
    exec(b_moves, &r, &t);
    CHECK_DONE("moves", t);
    CHECK_EQ("sum", t.r.ebx, 111);
}

TEST(based_ds_and_ss) {
    gdt_set(SEL_FREE, (u32)user_buffer + 64, 0xfffff, SEG_DATA | SEG_DPL3, SEG_G | SEG_D);
    memset(user_buffer, 0, 1024);
    words(64)[0] = 5;
    words(64)[1] = 6;
    struct regs r = regs_for(3);
    struct trap t;
    r.ds = SEL_FREE | 3;
    exec(b_ds, &r, &t);
    CHECK_DONE("ds", t);
    CHECK_EQ("eax", t.r.eax, 5);
    CHECK_EQ("ebx", t.r.ebx, 11);
    CHECK_EQ("byte", words(64)[2], 9);
    CHECK_EQ("ecx", t.r.ecx, 5);
    r = regs_for(3);
    r.ss = SEL_FREE | 3;
    r.esp = 512;
    r.eax = 0xabcdef;
    exec(b_ss, &r, &t);
    CHECK_DONE("ss", t);
    CHECK_EQ("pushed", words(64 + 508)[0], 0xabcdef);
    CHECK_EQ("by ESP", t.r.ebx, 0xabcdef);
    CHECK_EQ("by EBP", t.r.edx, 0xabcdef);
    CHECK_EQ("popped", t.r.ecx, 0xabcdef);
    CHECK_EQ("esp", t.r.esp, 512);
}

TEST(base_wraps) { // base plus offset is taken modulo 4 GiB
    gdt_set(SEL_FREE, (u32)user_buffer + 0x80000000, 0xfffff, SEG_DATA | SEG_DPL3, SEG_G | SEG_D);
    struct regs r = regs_for(3);
    struct trap t;
    for (u32 i = 0; i < 64; i++)
        words(0)[i] = i;
    r.gs = SEL_FREE | 3;
    r.esi = 0x80000000;
    r.ecx = 1;
    exec(b_loop, &r, &t);
    CHECK_DONE("wrapped", t);
    CHECK_EQ("eax", t.r.eax, 2);
}

TEST(based_and_paged) { // a fault through a based segment: CR2 is the linear address
    struct space s = space_new(PAGING_32);
    space_identity(&s);
    space_enter(&s);
    gdt_set(SEL_FREE, 0x50000000, 0xfffff, SEG_DATA | SEG_DPL3, SEG_G | SEG_D);
    struct regs r = regs_for(3);
    struct trap t;
    r.gs = SEL_FREE | 3;
    r.esi = 0x123000;
    r.ecx = 2;
    exec(b_loop, &r, &t);
    CHECK_PF(t, PF_U, 0x50123008, b_loop);
}

// Code with a base: EIP is an offset.
SNIPPET(b_code,
        "call 1f\n 1: pop %eax\n mov %cs:2f - b_code, %ebx\n jmp 3f\n 2: .long 0x13579bdf\n 3: mov $5f - b_code, "
        "%ecx\n jmp *%ecx\n 4: ud2\n 5: mov $3, %ecx\n 6: inc %edx\n loop 6b",
        "ud2")

TEST(based_code) {
    gdt_set(SEL_FREE, (u32)b_code, 0xfffff, SEG_CODE | SEG_DPL3, SEG_G | SEG_D);
    for (unsigned again = 0; again < 3; again++) {
        struct regs r = regs_for(3);
        struct trap t;
        r.cs = SEL_FREE | 3;
        exec((void *)0, &r, &t);
        CHECK_TRAP(t, VEC_UD, 0, (void *)(u32)(b_code_at - b_code));
        CHECK_EQ("pushed EIP", t.r.eax, 5);
        CHECK_EQ("cs data", t.r.ebx, 0x13579bdf);
        CHECK_EQ("loop", t.r.edx, 3);
    }
}
