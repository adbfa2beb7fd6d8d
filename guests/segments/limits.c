// Limit and type checks of data and stack accesses: byte and page granularity, expand-down, sizes that straddle the
// limit, read-only and execute-only. QEMU's TCG checks none of this, so all but the plain accesses are for hardware
// only.
#include "exec.h"

SNIPPET(l_read8, "", "movb %fs:(%esi), %al")
SNIPPET(l_read16, "", "movw %fs:(%esi), %ax")
SNIPPET(l_read32, "", "movl %fs:(%esi), %eax")
SNIPPET(l_write8, "", "movb %al, %fs:(%esi)")
SNIPPET(l_write32, "", "movl %eax, %fs:(%esi)")
SNIPPET(l_rmw32, "", "addl $1, %fs:(%esi)")
SNIPPET(l_cmpxchg8b, "", "cmpxchg8b %fs:(%esi)")
SNIPPET(l_lods, "", "lodsl %fs:(%esi)")
SNIPPET(l_push, "", "pushl %fs:(%esi)")
SNIPPET(l_call, "", "call *%fs:(%esi)")
SNIPPET(l_bts, "mov $64, %ecx", "btsl %ecx, %fs:(%esi)")
SNIPPET(l_ss_read, "", "movl (%ebp), %eax")
SNIPPET(l_ss_esp, "", "movl 4(%esp), %eax")
SNIPPET(l_ss_push, "", "push %eax")
SNIPPET(l_ss_pop, "", "pop %eax")
SNIPPET(l_ss_pusha, "", "pusha")
SNIPPET(l_ss_call, "", "call .")
SNIPPET(l_ss_ret, "", "ret")
SNIPPET(l_ss_enter, "", "enter $16, $0")
SNIPPET(l_es_stos, "", "rep stosb")
SNIPPET(l_cs_read, "", "movl %cs:(%esi), %eax")
SNIPPET(l_cs_write, "", "movl %eax, %cs:(%esi)")

static struct trap access(const u8 *code, u32 offset) {
    struct regs r = regs_for(3);
    struct trap t;
    r.fs = SEL_FREE | 3;
    r.esi = offset;
    exec(code, &r, &t);
    return t;
}

struct sized {
    const u8 *code, *at;
    u32 size;
    bool writes;
};
static const struct sized forms[] = {
    {l_read8, l_read8_at, 1, false},        {l_read16, l_read16_at, 2, false},  {l_read32, l_read32_at, 4, false},
    {l_write8, l_write8_at, 1, true},       {l_write32, l_write32_at, 4, true}, {l_rmw32, l_rmw32_at, 4, true},
    {l_cmpxchg8b, l_cmpxchg8b_at, 8, true}, {l_lods, l_lods_at, 4, false},      {l_push, l_push_at, 4, false}};
enum { FORMS = sizeof forms / sizeof *forms };

static void limit_at(const char *name, u32 first, u32 last) { // offsets first..last are valid
    check_context(name);
    for (unsigned i = 0; i < FORMS; i++) {
        for (u32 back = 0; back < 10; back++) {
            u32 offset = last - back;
            struct trap t = access(forms[i].code, offset);
            if (offset >= first && forms[i].size <= back + 1)
                CHECK_DONE("inside", t);
            else
                CHECK_TRAP(t, VEC_GP, 0, forms[i].at);
        }
        struct trap t = access(forms[i].code, last + 1);
        CHECK_TRAP(t, VEC_GP, 0, forms[i].at);
        if (first) {
            t = access(forms[i].code, first - 1);
            CHECK_TRAP(t, VEC_GP, 0, forms[i].at);
            t = access(forms[i].code, first);
            CHECK_DONE("first", t);
        }
    }
}

TEST(expand_up) {
    if (under_qemu())
        return;
    gdt_set(SEL_FREE, (u32)user_buffer, 99, SEG_DATA | SEG_DPL3, SEG_D);
    limit_at("byte granularity", 0, 99);
    gdt_set(SEL_FREE, (u32)user_buffer, 1, SEG_DATA | SEG_DPL3, SEG_D | SEG_G);
    limit_at("page granularity", 0, 8191);
    gdt_set(SEL_FREE, (u32)user_buffer, 0, SEG_DATA | SEG_DPL3, SEG_D | SEG_G);
    limit_at("one page", 0, 4095);
}

TEST(limit_zero) {
    if (under_qemu())
        return;
    gdt_set(SEL_FREE, (u32)user_buffer, 0, SEG_DATA | SEG_DPL3, SEG_D);
    struct trap t = access(l_read8, 0);
    CHECK_DONE("one byte", t);
    t = access(l_read16, 0);
    CHECK_TRAP(t, VEC_GP, 0, l_read16);
    t = access(l_read8, 1);
    CHECK_TRAP(t, VEC_GP, 0, l_read8);
}

TEST(expand_down) {
    if (under_qemu())
        return;
    gdt_set(SEL_FREE, (u32)user_buffer - 100, 99, (SEG_DATA_DOWN | SEG_DPL3), SEG_D); // valid: 100 and up
    for (unsigned i = 0; i < FORMS; i++) {
        struct trap t = access(forms[i].code, 99);
        CHECK_TRAP(t, VEC_GP, 0, forms[i].at);
        t = access(forms[i].code, 100);
        CHECK_DONE("first", t);
        t = access(forms[i].code, 0);
        CHECK_TRAP(t, VEC_GP, 0, forms[i].at);
    }
    gdt_set(SEL_FREE, (u32)user_buffer - 0xf000, 0xefff, SEG_DATA_DOWN | SEG_DPL3, 0); // B clear: up to FFFFh
    struct trap t = access(l_read32, 0xf000);
    CHECK_DONE("first", t);
    t = access(l_read32, 0xfffc);
    CHECK_DONE("last", t);
    t = access(l_read32, 0xfffd);
    CHECK_TRAP(t, VEC_GP, 0, l_read32);
    t = access(l_read8, 0x10000);
    CHECK_TRAP(t, VEC_GP, 0, l_read8);
    t = access(l_read8, 0xefff);
    CHECK_TRAP(t, VEC_GP, 0, l_read8);
}

TEST(types) {
    if (under_qemu())
        return;
    gdt_set(SEL_FREE, (u32)user_buffer, 0xfffff, SEG_DATA_RO | SEG_DPL3, SEG_G | SEG_D);
    for (unsigned i = 0; i < FORMS; i++) {
        struct trap t = access(forms[i].code, 0);
        if (forms[i].writes)
            CHECK_TRAP(t, VEC_GP, 0, forms[i].at);
        else
            CHECK_DONE("read-only", t);
    }
    gdt_set(SEL_FREE, (u32)user_buffer, 0xfffff, SEG_CODE | SEG_DPL3, SEG_G | SEG_D); // readable code
    struct trap t = access(l_read32, 0);
    CHECK_DONE("readable code", t);
    t = access(l_write8, 0);
    CHECK_TRAP(t, VEC_GP, 0, l_write8);
    t = access(l_cs_read, (u32)user_buffer); // CS itself
    CHECK_DONE("cs", t);
    t = access(l_cs_write, (u32)user_buffer);
    CHECK_TRAP(t, VEC_GP, 0, l_cs_write);
}

TEST(null_segment) {
    if (under_qemu())
        return;
    for (unsigned i = 0; i < FORMS; i++) {
        struct regs r = regs_for(3);
        struct trap t;
        r.fs = 0;
        r.esi = (u32)user_buffer;
        exec(forms[i].code, &r, &t);
        CHECK_TRAP(t, VEC_GP, 0, forms[i].at);
    }
}

// A stack segment with a limit, at ring 3 (the handlers run on ring 0's).
static struct trap stack_access(const u8 *code, u32 esp, u32 ebp) {
    struct regs r = regs_for(3);
    struct trap t;
    r.ss = SEL_FREE | 3;
    r.esp = esp;
    r.ebp = ebp;
    exec(code, &r, &t);
    CHECK_EQ("ss", t.r.ss, SEL_FREE | 3);
    return t;
}

TEST(stack_limit) { // #SS(0)
    if (under_qemu())
        return;
    gdt_set(SEL_FREE, (u32)user_buffer, 255, SEG_DATA | SEG_DPL3, SEG_D);
    memset(user_buffer, 0, 512);
    struct trap t = stack_access(l_ss_push, 256, 0);
    CHECK_DONE("last push", t);
    t = stack_access(l_ss_push, 257, 0);
    CHECK_TRAP(t, VEC_SS, 0, l_ss_push);
    CHECK_EQ("esp", t.r.esp, 257);
    t = stack_access(l_ss_push, 4, 0);
    CHECK_DONE("first push", t);
    t = stack_access(l_ss_push, 3, 0); // wraps to FFFFFFFFh
    CHECK_TRAP(t, VEC_SS, 0, l_ss_push);
    t = stack_access(l_ss_pop, 252, 0);
    CHECK_DONE("pop", t);
    t = stack_access(l_ss_pop, 253, 0);
    CHECK_TRAP(t, VEC_SS, 0, l_ss_pop);
    t = stack_access(l_ss_read, 100, 252);
    CHECK_DONE("by EBP", t);
    t = stack_access(l_ss_read, 100, 253);
    CHECK_TRAP(t, VEC_SS, 0, l_ss_read);
    t = stack_access(l_ss_esp, 248, 0);
    CHECK_DONE("by ESP", t);
    t = stack_access(l_ss_esp, 249, 0);
    CHECK_TRAP(t, VEC_SS, 0, l_ss_esp);
    t = stack_access(l_ss_pusha, 28, 0); // the last of eight falls out
    CHECK_TRAP(t, VEC_SS, 0, l_ss_pusha);
    CHECK_EQ("esp", t.r.esp, 28);
    t = stack_access(l_ss_call, 2, 0);
    CHECK_TRAP(t, VEC_SS, 0, l_ss_call);
    t = stack_access(l_ss_ret, 254, 0);
    CHECK_TRAP(t, VEC_SS, 0, l_ss_ret);
    t = stack_access(l_ss_enter, 12, 0x77);
    CHECK_TRAP(t, VEC_SS, 0, l_ss_enter);
    CHECK_EQ("ebp", t.r.ebp, 0x77);
    CHECK_EQ("esp", t.r.esp, 12);
}

TEST(string_meets_limit) { // the iterations inside are done
    if (under_qemu())
        return;
    gdt_set(SEL_FREE, (u32)user_buffer, 9, SEG_DATA | SEG_DPL3, SEG_D);
    memset(user_buffer, 0, 64);
    struct regs r = regs_for(3);
    struct trap t;
    r.es = SEL_FREE | 3;
    r.edi = 4;
    r.eax = 0x5a;
    r.ecx = 20;
    exec(l_es_stos, &r, &t);
    CHECK_TRAP(t, VEC_GP, 0, l_es_stos);
    CHECK_EQ("edi", t.r.edi, 10);
    CHECK_EQ("ecx", t.r.ecx, 14);
    CHECK_EQ("last inside", user_buffer[9], 0x5a);
    CHECK_EQ("outside", user_buffer[10], 0);
}

TEST(bit_strings_and_calls) { // the operand that BTS reaches, and the pointer that CALL reads, are checked
    if (under_qemu())
        return;
    gdt_set(SEL_FREE, (u32)user_buffer, 99, SEG_DATA | SEG_DPL3, SEG_D);
    struct trap t = access(l_bts, 88); // 64 bits on: bytes 96 to 99
    CHECK_DONE("inside", t);
    t = access(l_bts, 92);
    CHECK_TRAP(t, VEC_GP, 0, l_bts_at);
    t = access(l_call, 97);
    CHECK_TRAP(t, VEC_GP, 0, l_call);
}

// Code segments: EIP beyond the limit.
SNIPPET(l_code, "nop\n nop\n mov $1, %eax", "mov $2, %eax")
SNIPPET(l_jump, "", "jmp *%esi")

TEST(code_limit) {
    if (under_qemu())
        return;
    u32 base = (u32)l_code, size = (u32)(l_code_end - l_code);
    struct regs r = regs_for(3);
    struct trap t;
    gdt_set(SEL_FREE, base, size + 1, SEG_CODE | SEG_DPL3, SEG_D); // INT 81h just fits
    r.cs = SEL_FREE | 3;
    exec((void *)0, &r, &t);
    CHECK_DONE("all inside", t);
    CHECK_EQ("eip is an offset", t.r.eip, size + 2);
    for (u32 cut = 0; cut < 5; cut++) { // the second MOV does not fit
        gdt_set(SEL_FREE, base, size - 2 - cut, SEG_CODE | SEG_DPL3, SEG_D);
        exec((void *)0, &r, &t);
        CHECK_TRAP(t, VEC_GP, 0, (void *)(u32)(l_code_at - l_code));
        CHECK_EQ("the first ran", t.r.eax, 1);
    }
    gdt_set(SEL_FREE, 0, 0x00200, SEG_CODE | SEG_DPL3, SEG_D | SEG_G);
    r.esi = 0x201000; // a jump out of the segment: the fault is the jump's
    exec(l_jump, &r, &t);
    CHECK_TRAP(t, VEC_GP, 0, l_jump);
}
