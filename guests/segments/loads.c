// Loading segment registers: every check of MOV, POP and LDS and relatives, with its vector and error code (SDM vol. 2,
// MOV), at ring 0 and ring 3; what a failed load leaves behind.
#include "exec.h"

SNIPPET(w_ds, "", "mov %eax, %ds")
SNIPPET(w_es, "", "mov %eax, %es")
SNIPPET(w_fs, "", "mov %eax, %fs")
SNIPPET(w_gs, "", "mov %eax, %gs")
SNIPPET(w_ss, "", "mov %eax, %ss")
SNIPPET(w_pop_es, "push %eax", "pop %es")
SNIPPET(w_pop_ds, "push %eax", "pop %ds")
SNIPPET(w_pop_fs, "push %eax", "pop %fs")
SNIPPET(w_pop_gs, "push %eax", "pop %gs")
SNIPPET(w_pop_ss, "push %eax", "pop %ss")
SNIPPET(w_mem, "mov %eax, (%esi)", "mov (%esi), %fs")
SNIPPET(w_les, "mov %eax, 4(%esi)\n movl $0x1234567, (%esi)", "les (%esi), %edi")
SNIPPET(w_lds, "mov %eax, 4(%esi)\n movl $0x1234567, (%esi)", "lds (%esi), %edi")
SNIPPET(w_lfs, "mov %eax, 4(%esi)\n movl $0x1234567, (%esi)", "lfs (%esi), %edi")
SNIPPET(w_lgs, "mov %eax, 4(%esi)\n movl $0x1234567, (%esi)", "lgs (%esi), %edi")
SNIPPET(w_lss, "mov %eax, 4(%esi)\n mov %esp, (%esi)", "lss (%esi), %esp")
SNIPPET(w_les16, "mov %eax, 2(%esi)\n movw $0x4567, (%esi)", "lesw (%esi), %di")

static const u8 *const data_loads[][2] = {{w_ds, w_ds_at},         {w_es, w_es_at},         {w_fs, w_fs_at},
                                          {w_gs, w_gs_at},         {w_pop_es, w_pop_es_at}, {w_pop_ds, w_pop_ds_at},
                                          {w_pop_fs, w_pop_fs_at}, {w_pop_gs, w_pop_gs_at}, {w_mem, w_mem_at},
                                          {w_les, w_les_at},       {w_lds, w_lds_at},       {w_lfs, w_lfs_at},
                                          {w_lgs, w_lgs_at}};
enum { DATA_LOADS = sizeof data_loads / sizeof *data_loads };
static const u8 *const stack_loads[][2] = {{w_ss, w_ss_at}, {w_pop_ss, w_pop_ss_at}, {w_lss, w_lss_at}};

static struct trap load(const u8 *code, unsigned ring, u16 selector) {
    struct regs r = regs_for(ring);
    struct trap t;
    r.eax = selector;
    r.esi = (u32)user_buffer;
    r.edi = 0x89;
    exec(code, &r, &t);
    return t;
}

static void data(unsigned ring, u16 selector, u32 vector, u32 error) { // vector EXEC_DONE: the load succeeds
    for (unsigned i = 0; i < DATA_LOADS; i++) {
        struct trap t = load(data_loads[i][0], ring, selector);
        bool ok = vector == EXEC_DONE ? CHECK_DONE("load", t) : CHECK_TRAP(t, vector, error, data_loads[i][1]);
        if (vector != EXEC_DONE)
            CHECK_EQ("edi", t.r.edi, 0x89);
        if (!ok)
            print("     form %u, ring %u, selector %04x\n", i, ring, selector);
    }
}

static void stack(unsigned ring, u16 selector, u32 vector, u32 error) {
    for (unsigned i = 0; i < 3; i++) {
        struct trap t = load(stack_loads[i][0], ring, selector);
        bool ok = vector == EXEC_DONE ? CHECK_DONE("load", t) : CHECK_TRAP(t, vector, error, stack_loads[i][1]);
        if (!ok)
            print("     form %u, ring %u, selector %04x\n", i, ring, selector);
    }
}

TEST(null_selectors) {
    for (u16 rpl = 0; rpl < 4; rpl++) {
        data(0, rpl, EXEC_DONE, 0);
        data(3, rpl, EXEC_DONE, 0);
        stack(0, rpl, VEC_GP, 0);
        stack(3, rpl, VEC_GP, 0);
    }
}

TEST(table_limit) {
    data(3, 0x7f8 | 3, VEC_GP, 0x7f8);
    stack(3, 0x7f8 | 3, VEC_GP, 0x7f8);
    data(0, 0xfff8, VEC_GP, 0xfff8);
    data(0, 0x40 | 4, VEC_GP, 0x44); // no LDT
    gdt_set(SEL_FREE, 0, 0xfffff, SEG_DATA, SEG_G | SEG_D);
    gdt_load((u32)gdt, SEL_FREE + 6); // the descriptor's last byte is outside
    data(0, SEL_FREE, VEC_GP, SEL_FREE);
    gdt_load((u32)gdt, SEL_FREE + 7);
    data(0, SEL_FREE, EXEC_DONE, 0);
}

TEST(types) {
    for (u32 type = 0; type < 32; type++)
        for (unsigned ring = 0; ring <= 3; ring += 3) {
            u8 access = (u8)(SEG_P | (ring ? SEG_DPL3 : 0) | type);
            u16 selector = (u16)(SEL_FREE | ring);
            gdt_set(SEL_FREE, 0, 0xfffff, access, SEG_G | SEG_D);
            bool segment = type & 16, code = type & 8, readable = !code || type & 2;
            bool writable = segment && !code && type & 2;
            if (segment && readable)
                data(ring, selector, EXEC_DONE, 0);
            else
                data(ring, selector, VEC_GP, SEL_FREE);
            if (writable && !(type & 4)) // an expand-down stack needs other limits to be usable
                stack(ring, selector, EXEC_DONE, 0);
            else if (!writable)
                stack(ring, selector, VEC_GP, SEL_FREE);
        }
}

TEST(not_present) {
    gdt_set(SEL_FREE, 0, 0xfffff, (SEG_DATA | SEG_DPL3) & ~SEG_P, SEG_G | SEG_D);
    data(0, SEL_FREE, VEC_NP, SEL_FREE);
    data(3, SEL_FREE | 3, VEC_NP, SEL_FREE);
    stack(3, SEL_FREE | 3, VEC_SS, SEL_FREE);
    gdt_set(SEL_FREE, 0, 0xfffff, SEG_DATA & ~SEG_P, SEG_G | SEG_D);
    data(3, SEL_FREE | 3, VEC_GP, SEL_FREE); // privilege comes before presence
    stack(0, SEL_FREE, VEC_SS, SEL_FREE);
}

TEST(privilege) {
    for (unsigned dpl_ = 0; dpl_ < 4; dpl_++)
        for (unsigned rpl = 0; rpl < 4; rpl++)
            for (unsigned ring = 0; ring <= 3; ring += 3) {
                u16 selector = (u16)(SEL_FREE | rpl);
                bool allowed = dpl_ >= rpl && dpl_ >= ring;
                gdt_set(SEL_FREE, 0, 0xfffff, SEG_DATA | dpl(dpl_), SEG_G | SEG_D);
                data(ring, selector, allowed ? EXEC_DONE : VEC_GP, SEL_FREE);
                bool same = dpl_ == ring && rpl == ring;
                stack(ring, selector, same ? EXEC_DONE : VEC_GP, SEL_FREE);
                gdt_set(SEL_FREE, 0, 0xfffff, SEG_CODE | dpl(dpl_), SEG_G | SEG_D); // readable code: the same rule
                data(ring, selector, allowed ? EXEC_DONE : VEC_GP, SEL_FREE);
                gdt_set(SEL_FREE, 0, 0xfffff, SEG_CODE_CONFORM | dpl(dpl_), SEG_G | SEG_D); // conforming: always
                data(ring, selector, EXEC_DONE, 0);
            }
}

TEST(values) { // what a load gives: selector with RPL, register of LES and relatives, the accessed bit
    gdt_set(SEL_FREE, 0, 0xfffff, SEG_DATA | SEG_DPL3, SEG_G | SEG_D);
    struct trap t = load(w_fs, 3, SEL_FREE | 2);
    CHECK_EQ("fs", t.r.fs, SEL_FREE | 2);
    CHECK_EQ("accessed", (u32)(gdt[SEL_FREE >> 3] >> 40) & 1, 1);
    t = load(w_les, 3, SEL_FREE | 3);
    CHECK_EQ("edi", t.r.edi, 0x1234567);
    CHECK_EQ("es", t.r.es, SEL_FREE | 3);
    t = load(w_les16, 3, SEL_FREE | 3);
    CHECK_DONE("lesw", t);
    CHECK_EQ("di", t.r.edi, 0x4567);
    CHECK_EQ("es", t.r.es, SEL_FREE | 3);
    t = load(w_ds, 3, 0x2);
    CHECK_EQ("null keeps its RPL", t.r.ds, 2);
}

SNIPPET(w_keep, "mov %ebx, %fs", "mov %eax, %fs")

TEST(failed_load_keeps_the_old) {
    gdt_set(SEL_FREE, (u32)user_buffer, 0xfffff, SEG_DATA | SEG_DPL3, SEG_G | SEG_D);
    struct regs r = regs_for(3);
    struct trap t;
    r.ebx = SEL_FREE | 3;
    r.eax = SEL_KDATA;
    exec(w_keep, &r, &t);
    CHECK_TRAP(t, VEC_GP, SEL_KDATA, w_keep_at);
    CHECK_EQ("fs", t.r.fs, SEL_FREE | 3);
}

SNIPPET(w_push,
        "push %cs\n pop %eax\n push %ss\n pop %ebx\n push %ds\n pop %ecx\n push %es\n pop %edx\n push %fs\n pop %esi\n "
        "push %gs",
        "pop %edi")
SNIPPET(w_push16, "mov %esp, %ecx\n pushw %ds\n sub %esp, %ecx\n popw %es\n pushw %fs\n pop %ax", "nop")
SNIPPET(w_from, "mov $-1, %eax\n mov %ds, %ax\n mov $-1, %ebx\n mov %es, (%esi)\n mov (%esi), %ebx\n mov %fs, %ecx",
        "nop")

TEST(push_and_store) {
    struct regs r = regs_for(3);
    struct trap t;
    r.fs = SEL_UDATA & ~3;
    r.gs = 0;
    exec(w_push, &r, &t);
    CHECK_DONE("push", t);
    CHECK_EQ("cs", t.r.eax & 0xffff, SEL_UCODE);
    CHECK_EQ("ss", t.r.ebx & 0xffff, SEL_UDATA);
    CHECK_EQ("ds", t.r.ecx & 0xffff, SEL_UDATA);
    CHECK_EQ("es", t.r.edx & 0xffff, SEL_UDATA);
    CHECK_EQ("fs", t.r.esi & 0xffff, SEL_UDATA & ~3);
    CHECK_EQ("gs", t.r.edi & 0xffff, 0);
    exec(w_push16, &r, &t);
    CHECK_DONE("push word", t);
    CHECK_EQ("bytes", t.r.ecx, 2);
    CHECK_EQ("fs", t.r.eax & 0xffff, SEL_UDATA & ~3);
    CHECK_EQ("esp", t.r.esp, r.esp);
    r.esi = (u32)user_buffer;
    *(u32 *)user_buffer = 0xeeeeeeee;
    exec(w_from, &r, &t);
    CHECK_EQ("16-bit register form", t.r.eax, 0xffff0000 | SEL_UDATA);
    CHECK_EQ("memory form writes a word", t.r.ebx, 0xeeee0000 | SEL_UDATA);
    CHECK_EQ("32-bit register form", t.r.ecx, SEL_UDATA & ~3);
}
