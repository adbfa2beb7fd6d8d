// Faults behind the commit point: the new task is the current one, the fault is at its first instruction, its segment
// registers hold the selectors of its TSS. Intel SDM vol. 3A, table 7-1.
#include "kit.h"

SNIPPET(x_jmp, "", "ljmp $0x40, $0")
SNIPPET(x_int, "", "int $0x80")
SNIPPET(x_first, "inc %eax", "nop")
SNIPPET(x_handler, "pop %edx", "nop")

static void reset(unsigned ring) {
    segments_reset();
    exec_reset();
    task_make(&task_b, B, ring, x_first);
    idt[0x80] = task_gate(B, 3);
}

// The new task's first instruction; QEMU reports the old task's instruction instead.
static const u8 *first(void) {
    return under_qemu() ? x_jmp : x_first;
}

// Runs a switch whose fault the new task's ring-3 context takes through an ordinary gate.
static void late(const char *name, u32 vector, u32 error) {
    struct trap t = exec_ring(x_jmp, 0);
    check_context(name);
    CHECK_TRAP(t, vector, error, first());
    CHECK_EQ("TR", current_task(), B);
    CHECK_EQ("main task busy", is_busy(SEL_TSS), false);
    CHECK_EQ("B busy", is_busy(B), true);
    CHECK_EQ("saved EIP", tss.eip, (u32)x_jmp_end);
    CHECK_EQ("eax", t.r.eax, 0);
    CHECK_EQ("CR0.TS", read_cr0() & CR0_TS, CR0_TS);
}

enum { DATA_COUNT = 4 };
static u32 *data_register(unsigned i) {
    u32 *const all[DATA_COUNT] = {&task_b.ds, &task_b.es, &task_b.fs, &task_b.gs};
    return all[i];
}

TEST(data_segments) {
    static const struct {
        const char *name;
        u16 selector;
        u8 access;
        u32 vector, error;
    } bad[] = {
        {"beyond the GDT", 0x7fb, 0, VEC_TS, 0x7f8},
        {"no LDT", 0x47, 0, VEC_TS, 0x44},
        {"system segment", SPARE | 3, SYS_LDT | SEG_DPL3, VEC_TS, SPARE},
        {"execute only", SPARE | 3, SEG_CODE_XO | SEG_DPL3, VEC_TS, SPARE},
        {"DPL below CPL", SPARE | 3, SEG_DATA, VEC_TS, SPARE},
        {"not present", SPARE | 3, (SEG_DATA | SEG_DPL3) & ~SEG_P, VEC_NP, SPARE},
        {"privilege first", SPARE | 3, SEG_DATA & ~SEG_P, VEC_TS, SPARE},
    };
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++)
        for (unsigned reg = 0; reg < DATA_COUNT; reg++) {
            reset(3);
            gdt_set(SPARE, 0, 0xfffff, bad[i].access, SEG_G | SEG_D);
            *data_register(reg) = bad[i].selector;
            late(bad[i].name, bad[i].vector, bad[i].error);
        }
    // Conforming code may be read from every ring; null is good; a null RPL stays.
    for (unsigned reg = 0; reg < DATA_COUNT; reg++) {
        reset(3);
        gdt_set(SPARE, 0, 0xfffff, SEG_CODE_CONFORM, SEG_G | SEG_D);
        *data_register(reg) = SPARE;
        struct trap t = exec_ring(x_jmp, 0);
        CHECK_DONE("conforming", t);
        reset(3);
        *data_register(reg) = 2;
        t = exec_ring(x_jmp, 0);
        CHECK_DONE("null", t);
    }
}

TEST(selectors_are_loaded) { // though the descriptors are not
    reset(3);
    task_b.ds = 0x7fb; // DS is checked before the others
    task_b.es = SEL_UDATA;
    task_b.fs = SEL_UDATA & ~3;
    task_b.gs = 1;
    struct trap t = exec_ring(x_jmp, 0);
    CHECK_TRAP(t, VEC_TS, 0x7f8, first());
    CHECK_EQ("cs", t.r.cs, SEL_UCODE);
    CHECK_EQ("ss", t.r.ss, SEL_UDATA);
    CHECK_EQ("ds", t.r.ds, 0x7fb);
    CHECK_EQ("es", t.r.es, SEL_UDATA);
    CHECK_EQ("fs", t.r.fs, SEL_UDATA & ~3);
    CHECK_EQ("gs", t.r.gs, 1);
}

TEST(stack_segment) { // at ring 3 the handler has a stack of its own
    static const struct {
        const char *name;
        u16 selector;
        u8 access;
        u32 vector, error;
    } bad[] = {
        {"null", 0, 0, VEC_TS, 0},
        {"null of ring 3", 3, 0, VEC_TS, 0},
        {"beyond the GDT", 0x7fb, 0, VEC_TS, 0x7f8},
        {"code", SPARE | 3, SEG_CODE | SEG_DPL3, VEC_TS, SPARE},
        {"read only", SPARE | 3, SEG_DATA_RO | SEG_DPL3, VEC_TS, SPARE},
        {"DPL", SPARE | 3, SEG_DATA, VEC_TS, SPARE},
        {"RPL", SPARE, SEG_DATA | SEG_DPL3, VEC_TS, SPARE},
        {"not present", SPARE | 3, (SEG_DATA | SEG_DPL3) & ~SEG_P, VEC_SS, SPARE},
    };
    if (under_qemu()) // its CPL is still 0 then, and the frame goes to a stack that is not there
        return;
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        reset(3);
        gdt_set(SPARE, 0, 0xfffff, bad[i].access, SEG_G | SEG_D);
        task_b.ss = bad[i].selector;
        late(bad[i].name, bad[i].vector, bad[i].error);
    }
}

// CS and LDT: the handler is a task, as the manual asks for.
static void by_task(const char *name, u8 vector, u32 error) {
    task_make(&task_h, H, 0, x_handler);
    idt[vector] = task_gate(H, 0);
    struct trap t = exec_ring(x_jmp, 0);
    check_context(name);
    CHECK_DONE("in the handler's task", t);
    CHECK_EQ("error code", t.r.edx, error);
    CHECK_EQ("TR", current_task(), H);
    CHECK_EQ("link", task_h.link, B);
    CHECK_EQ("B busy", is_busy(B), true);
    CHECK_EQ("main task busy", is_busy(SEL_TSS), false);
    CHECK_EQ("B's EIP", task_b.eip, (u32)first());
}

TEST(code_segment) {
    static const struct {
        const char *name;
        u16 selector;
        u8 access, vector;
        u32 error;
    } bad[] = {
        {"null", 0, 0, VEC_TS, 0},
        {"beyond the GDT", 0x7f8, 0, VEC_TS, 0x7f8},
        {"data", SEL_KDATA, 0, VEC_TS, SEL_KDATA},
        {"DPL below RPL", SPARE | 3, SEG_CODE, VEC_TS, SPARE},
        {"DPL above RPL", SPARE, SEG_CODE | SEG_DPL3, VEC_TS, SPARE},
        {"conforming, DPL above RPL", SPARE, SEG_CODE_CONFORM | SEG_DPL3, VEC_TS, SPARE},
        {"not present", SPARE, SEG_CODE & ~SEG_P, VEC_NP, SPARE},
    };
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        reset(0);
        gdt_set(SPARE, 0, 0xfffff, bad[i].access, SEG_G | SEG_D);
        task_b.cs = bad[i].selector;
        by_task(bad[i].name, bad[i].vector, bad[i].error);
    }
    if (under_qemu()) // it takes the DPL for the CPL
        return;
    reset(3); // conforming of a lower DPL runs in the ring of its RPL
    gdt_set(SPARE, 0, 0xfffff, SEG_CODE_CONFORM, SEG_G | SEG_D);
    task_b.cs = SPARE | 3;
    struct trap t = exec_ring(x_jmp, 0);
    CHECK_DONE("conforming", t);
    CHECK_EQ("cs", t.r.cs, SPARE | 3);
}

TEST(stack_segment_of_ring_0) {
    if (under_qemu()) // #TS
        return;
    reset(0);
    gdt_set(SPARE, 0, 0xfffff, SEG_DATA & ~SEG_P, SEG_G | SEG_D);
    task_b.ss = SPARE;
    by_task("not present", VEC_SS, SPARE);
    reset(0);
    task_b.ss = 0;
    by_task("null", VEC_TS, 0);
}

TEST(local_descriptor_table) {
    static const struct {
        const char *name;
        u16 selector;
        u8 access;
        u32 error;
    } bad[] = {
        {"beyond the GDT", 0x7f8, 0, 0x7f8},
        {"in an LDT", SPARE | 4, SYS_LDT, SPARE | 4},
        {"data", SPARE, SEG_DATA, SPARE},
        {"TSS", SPARE, SYS_TSS, SPARE},
        {"not present", SPARE, SYS_LDT & ~SEG_P, SPARE},
    };
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        reset(0);
        gdt_set(SPARE, (u32)user_buffer, 15, bad[i].access, 0);
        task_b.ldt = bad[i].selector;
        by_task(bad[i].name, VEC_TS, bad[i].error);
    }
}

TEST(eip_beyond_the_limit) {
    reset(3);
    gdt_set(SPARE, 0, 0xfff, SEG_CODE | SEG_DPL3, SEG_D);
    task_b.cs = SPARE | 3;
    late("EIP", VEC_GP, 0);
}

TEST(through_int) { // INT n's faults have EXT clear, and the old task goes on behind it
    reset(3);
    task_b.es = 0x7fb;
    struct trap t = exec_ring(x_int, 0);
    CHECK_TRAP(t, VEC_TS, 0x7f8, x_first);
    CHECK_EQ("saved EIP", tss.eip, (u32)x_int_end);
    CHECK_TASKS(B, true, true);
    CHECK_EQ("NT is the new task's", t.r.eflags & FLAG_NT, FLAG_NT);
}
