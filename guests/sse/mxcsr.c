// LDMXCSR's reserved bits, and the hints and fences that have no operand of their own (SDM vol. 1, 10.2.3, 11.6.6).
#include "paging.h"
#include "sse.h"

SNIPPET(c_ldmxcsr, "", "ldmxcsr (%esi)")
SNIPPET(c_stmxcsr, "", "stmxcsr (%esi)")
SNIPPET(c_lfence, "", "lfence")
SNIPPET(c_mfence, "", "mfence")
SNIPPET(c_sfence, "", "sfence")
SNIPPET(c_prefetch, "", "prefetcht0 (%esi)")
SNIPPET(c_prefetchnta, "", "prefetchnta (%esi)")
SNIPPET(c_pause, "", "pause")

TEST(reserved_bits) {
    sse_on();
    for (unsigned ring = 0; ring <= 3; ring += 3)
        for (unsigned bit = 0; bit < 32; bit++) {
            if (bit == 6) // DAZ: where MXCSR_MASK says so
                continue;
            mxcsr_set(MX_DEFAULT);
            *(u32 *)user_buffer = MX_DEFAULT ^ 1u << bit;
            struct trap t = sse_exec(c_ldmxcsr, ring, 0);
            if (bit < 16) {
                CHECK_DONE("defined", t);
                CHECK_EQ("loaded", mxcsr_get(), MX_DEFAULT ^ 1u << bit);
            } else if (!under_qemu()) { // TCG takes any value
                CHECK_TRAP(t, VEC_GP, 0, c_ldmxcsr_at);
                CHECK_EQ("unchanged", mxcsr_get(), MX_DEFAULT);
            }
            mxcsr_set(MX_DEFAULT);
        }
}

TEST(faults) {
    sse_on();
    struct space s = space_new(PAGING_32);
    space_identity(&s);
    pte_set(&s, (u32)user_buffer + 0x1000, 0);
    space_enter(&s);
    *(u32 *)(user_buffer + 0xffc) = MX_DEFAULT;
    struct trap t = sse_exec(c_ldmxcsr, 3, 0xffc);
    CHECK_DONE("at the end of a page", t);
    t = sse_exec(c_ldmxcsr, 3, 0xffe);
    CHECK_PF(t, PF_U, (u32)user_buffer + 0x1000, c_ldmxcsr_at);
    t = sse_exec(c_stmxcsr, 3, 0x1000);
    CHECK_PF(t, PF_U | PF_W, (u32)user_buffer + 0x1000, c_stmxcsr_at);
    t = sse_exec(c_prefetch, 3, 0x1000); // hints never fault
    CHECK_DONE("prefetch", t);
    t = sse_exec(c_prefetchnta, 3, 0x1000);
    CHECK_DONE("prefetch", t);
}

// Fences, hints and PAUSE look at none of CR0.EM, CR0.TS, CR4.OSFXSR.
TEST(always_there) {
    const u8 *const code[] = {c_lfence, c_mfence, c_sfence, c_prefetch, c_pause};
    write_cr4(read_cr4() & ~(u32)CR4_OSFXSR);
    for (u32 cr0 = 0; cr0 <= CR0_TS; cr0 += CR0_EM)
        for (unsigned i = 0; i < sizeof code / sizeof *code; i++) {
            write_cr0((read_cr0() & ~(CR0_EM | CR0_TS)) | (cr0 & (CR0_EM | CR0_TS)));
            struct trap t = sse_exec(code[i], 3, 0);
            CHECK_DONE("ran", t);
        }
    write_cr0(read_cr0() & ~(CR0_EM | CR0_TS));
}
