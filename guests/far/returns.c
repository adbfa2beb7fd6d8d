// Far returns to an outer ring: checks, the outer stack, data segments that the outer ring may not keep.
#include "exec.h"

SNIPPET(r_return, "pushl %ecx\n pushl %edx\n pushl %ebx\n pushl %eax", "lret")
SNIPPET(r_return_n, "pushl %ecx\n pushl %edx\n push $1\n push $2\n pushl %ebx\n pushl %eax", "lret $8")
SNIPPET(r_there, "mov %ds, %esi\n mov %es, %edi\n mov %fs, %ecx\n mov %gs, %edx\n mov %cs, %ebp", "nop")

static struct regs set_up(void) {
    struct regs r = regs_for(0);
    r.ecx = SEL_UDATA;
    r.edx = (u32)user_stack_top - 64;
    r.ebx = SEL_UCODE;
    r.eax = (u32)r_there;
    return r;
}

TEST(to_ring_3) {
    const u8 *const code[] = {r_return, r_return_n};
    for (unsigned i = 0; i < 2; i++)
        for (unsigned again = 0; again < 3; again++) {
            struct regs r = set_up();
            struct trap t;
            exec(code[i], &r, &t);
            CHECK_DONE("arrived", t);
            CHECK_EQ("cs", t.r.cs, SEL_UCODE);
            CHECK_EQ("ss", t.r.ss, SEL_UDATA);
            CHECK_EQ("esp", t.r.esp, r.edx + (i ? 8 : 0));
        }
}

TEST(data_segments_of_the_inner_ring) { // become null; those of ring 3 and conforming code stay
    gdt_set(SEL_FREE, 0, 0xfffff, SEG_CODE_CONFORM, SEG_G | SEG_D);
    struct regs r = set_up();
    struct trap t;
    r.ds = SEL_KDATA;
    r.es = SEL_UDATA;
    r.fs = SEL_FREE;
    r.gs = SEL_UDATA & ~3;
    exec(r_return, &r, &t);
    CHECK_DONE("arrived", t);
    CHECK_EQ("ds", t.r.esi & 0xffff, 0);
    CHECK_EQ("es", t.r.edi & 0xffff, SEL_UDATA);
    CHECK_EQ("fs", t.r.ecx & 0xffff, SEL_FREE);
    CHECK_EQ("gs", t.r.edx & 0xffff, SEL_UDATA & ~3);
}

static void refuse(const char *name, struct regs r, u32 vector, u32 error) {
    struct trap t;
    check_context(name);
    exec(r_return, &r, &t);
    CHECK_TRAP(t, vector, error, r_return_at);
    CHECK_EQ("esp", t.r.esp, r.esp - 16);
}

TEST(refused) {
    struct regs r = set_up();
    r.ebx = 0;
    refuse("null CS", r, VEC_GP, 0);
    r = set_up();
    r.ebx = 0x7f8 | 3;
    refuse("CS beyond the limit", r, VEC_GP, 0x7f8);
    r = set_up();
    r.ebx = SEL_UDATA;
    refuse("CS is data", r, VEC_GP, SEL_UDATA & ~3);
    r = set_up();
    r.ebx = SEL_KCODE | 3;
    refuse("DPL of CS is not RPL", r, VEC_GP, SEL_KCODE);
    r = set_up();
    r.ecx = 0;
    refuse("null SS", r, VEC_GP, 0);
    r = set_up();
    r.ecx = SEL_KDATA | 3;
    refuse("SS of another ring", r, VEC_GP, SEL_KDATA);
    r = set_up();
    r.ecx = SEL_UDATA & ~3;
    refuse("RPL of SS", r, VEC_GP, SEL_UDATA & ~3);
    gdt_set(SEL_FREE, 0, 0xfffff, (SEG_DATA | SEG_DPL3) & ~SEG_P, SEG_G | SEG_D);
    r = set_up();
    r.ecx = SEL_FREE | 3;
    refuse("SS not present", r, under_qemu() ? VEC_NP : VEC_SS, SEL_FREE);
    gdt_set(SEL_FREE, 0, 0xfffff, (SEG_CODE | SEG_DPL3) & ~SEG_P, SEG_G | SEG_D);
    r = set_up();
    r.ebx = SEL_FREE | 3;
    refuse("CS not present", r, VEC_NP, SEL_FREE);
    gdt_set(SEL_FREE, 0, 0xfffff, SEG_DATA_RO | SEG_DPL3, SEG_G | SEG_D);
    r = set_up();
    r.ecx = SEL_FREE | 3;
    refuse("SS read-only", r, VEC_GP, SEL_FREE);
    if (!under_qemu()) {
        gdt_set(SEL_FREE, 0, 0x100, SEG_CODE | SEG_DPL3, SEG_D);
        r = set_up();
        r.ebx = SEL_FREE | 3;
        refuse("EIP beyond the limit", r, VEC_GP, 0);
    }
}

SNIPPET(r_inward, "push $8\n push $0x100000", "lret")

TEST(inwards) { // a far return never goes to an inner ring
    EXPECT_FAULT_RING(3, r_inward, VEC_GP, SEL_KCODE);
}
