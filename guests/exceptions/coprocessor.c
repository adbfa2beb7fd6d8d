// #NM and #UD by CR0.TS, EM, MP and CR4.OSFXSR for x87, WAIT, MMX and SSE (SDM vol. 3A, 2.5 and 13.1); a smoke test
// that floating point computes at all.
#include "exec.h"

enum { CR4_OSFXSR = 1 << 9 };

SNIPPET(q_x87, "", "fld1")
SNIPPET(q_x87_mem, "", "fildl (%esi)")
SNIPPET(q_wait, "", "fwait")
SNIPPET(q_mmx, "", "pxor %mm0, %mm0")
SNIPPET(q_emms, "", "emms")
SNIPPET(q_sse, "", "xorps %xmm0, %xmm0")
SNIPPET(q_sse_mem, "", "movups (%esi), %xmm0")
SNIPPET(q_fxsave, "", "fxsave (%esi)")
SNIPPET(q_clts, "clts", "mov %cr0, %eax")
SNIPPET(q_clean, "fninit\n emms", "nop")

static u32 vector_of(const u8 *code, u32 cr0, u32 cr4) {
    struct regs r = regs_for(3);
    struct trap t;
    u32 before0 = read_cr0(), before4 = read_cr4();
    r.esi = (u32)user_buffer;
    write_cr0((before0 & ~(CR0_TS | CR0_EM | CR0_MP)) | cr0);
    write_cr4((before4 & ~(u32)CR4_OSFXSR) | cr4);
    exec(code, &r, &t);
    write_cr0(before0);
    write_cr4(before4);
    if (t.vector != EXEC_DONE)
        CHECK_EQ("eip", t.r.eip, (u32)code);
    return t.vector;
}

TEST(x87) {
    const u8 *const code[] = {q_x87, q_x87_mem};
    for (unsigned i = 0; i < 2; i++) {
        CHECK_EQ("free", vector_of(code[i], 0, 0), EXEC_DONE);
        CHECK_EQ("TS", vector_of(code[i], CR0_TS, 0), VEC_NM);
        CHECK_EQ("EM", vector_of(code[i], CR0_EM, 0), VEC_NM);
        CHECK_EQ("TS MP", vector_of(code[i], CR0_TS | CR0_MP, 0), VEC_NM);
        CHECK_EQ("MP", vector_of(code[i], CR0_MP, 0), EXEC_DONE);
        exec_ring(q_clean, 0);
    }
}

TEST(wait) { // only TS and MP together
    CHECK_EQ("free", vector_of(q_wait, 0, 0), EXEC_DONE);
    CHECK_EQ("TS", vector_of(q_wait, CR0_TS, 0), EXEC_DONE);
    CHECK_EQ("MP", vector_of(q_wait, CR0_MP, 0), EXEC_DONE);
    CHECK_EQ("EM", vector_of(q_wait, CR0_EM, 0), EXEC_DONE);
    CHECK_EQ("TS MP", vector_of(q_wait, CR0_TS | CR0_MP, 0), VEC_NM);
}

TEST(mmx) {
    CHECK_EQ("free", vector_of(q_mmx, 0, 0), EXEC_DONE);
    CHECK_EQ("TS", vector_of(q_mmx, CR0_TS, 0), VEC_NM);
    CHECK_EQ("EM", vector_of(q_mmx, CR0_EM, 0), VEC_UD);
    if (!under_qemu()) {
        CHECK_EQ("EM TS", vector_of(q_mmx, CR0_EM | CR0_TS, 0), VEC_UD);
        CHECK_EQ("emms EM", vector_of(q_emms, CR0_EM, 0), VEC_UD);
    }
    exec_ring(q_clean, 0);
}

TEST(sse) {
    const u8 *const code[] = {q_sse, q_sse_mem};
    for (unsigned i = 0; i < 2; i++) {
        CHECK_EQ("free", vector_of(code[i], 0, CR4_OSFXSR), EXEC_DONE);
        CHECK_EQ("TS", vector_of(code[i], CR0_TS, CR4_OSFXSR), VEC_NM);
        CHECK_EQ("EM", vector_of(code[i], CR0_EM, CR4_OSFXSR), VEC_UD);
        CHECK_EQ("OSFXSR clear", vector_of(code[i], 0, 0), VEC_UD);
        CHECK_EQ("OSFXSR clear, TS", vector_of(code[i], CR0_TS, 0), VEC_UD);
    }
}

TEST(fxsave) {
    CHECK_EQ("free", vector_of(q_fxsave, 0, CR4_OSFXSR), EXEC_DONE);
    CHECK_EQ("TS", vector_of(q_fxsave, CR0_TS, CR4_OSFXSR), VEC_NM);
    CHECK_EQ("EM", vector_of(q_fxsave, CR0_EM, CR4_OSFXSR), VEC_NM);
}

TEST(clts) {
    write_cr0(read_cr0() | CR0_TS);
    struct trap t = exec_ring(q_clts, 0);
    CHECK_DONE("clts", t);
    CHECK_EQ("TS", t.r.eax & CR0_TS, 0);
}

// Lazy switching as kernels do it: TS set, the first use traps, the handler does CLTS and the instruction runs.
SNIPPET(q_lazy, "1: fildl (%esi)\n faddp\n dec %ecx\n jnz 1b\n fistpl 4(%esi)\n fistpl 8(%esi)", "nop")
static u32 traps_taken;
static bool lazy(struct trap_frame *f) {
    (void)f;
    traps_taken++;
    __asm__ volatile("clts");
    return true;
}

TEST(lazy_switch) {
    hook_set(VEC_NM, lazy);
    for (unsigned i = 0; i < 5; i++) {
        __asm__ volatile("fninit; fldz; fldz");
        traps_taken = 0;
        write_cr0(read_cr0() | CR0_TS);
        struct regs r = regs_for(3);
        struct trap t;
        r.esi = (u32)user_buffer;
        r.ecx = 10;
        *(u32 *)user_buffer = 7;
        exec(q_lazy, &r, &t);
        CHECK_DONE("ran", t);
        CHECK_EQ("traps", traps_taken, 1);
        CHECK_EQ("sum", *(u32 *)(user_buffer + 4) + *(u32 *)(user_buffer + 8), 70);
    }
    exec_ring(q_clean, 0);
}
