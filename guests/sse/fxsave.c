// FXSAVE and FXRSTOR: alignment, faults at either page with nothing changed, reserved MXCSR bits and reserved fields
// (SDM vol. 1, 10.5; vol. 2A).
#include "paging.h"
#include "sse.h"

SNIPPET(v_save, "", "fxsave (%esi)")
SNIPPET(v_restore, "", "fxrstor (%esi)")

static void pattern(u8 seed) {
    static u8 image[512] __attribute__((aligned(16)));
    __asm__ volatile("fninit\n fxsave %0" : "=m"(image));
    for (unsigned i = 160; i < 288; i++)
        image[i] = (u8)(seed + i);
    __asm__ volatile("fxrstor %0" ::"m"(image));
}

TEST(alignment) {
    sse_on();
    for (unsigned ring = 0; ring <= 3; ring += 3)
        for (u32 offset = 0; offset <= 16; offset++) {
            memset(user_buffer, 0, 1024);
            struct trap t = sse_exec(v_save, ring, offset);
            if (offset & 15)
                CHECK_TRAP(t, VEC_GP, 0, v_save_at);
            else
                CHECK_DONE("saved", t);
            *(u32 *)(user_buffer + 24 + (offset & ~15u)) = MX_DEFAULT;
            t = sse_exec(v_restore, ring, offset);
            if (offset & 15)
                CHECK_TRAP(t, VEC_GP, 0, v_restore_at);
            else
                CHECK_DONE("restored", t);
        }
    __asm__ volatile("fninit");
}

TEST(reserved) { // MXCSR's reserved bits fault and change nothing; reserved bytes are neither looked at nor written
    sse_on();
    pattern(1);
    memset(user_buffer, 0xdd, 512);
    struct trap t = sse_exec(v_save, 3, 0);
    CHECK_DONE("saved", t);
    CHECK_EQ("xmm0", user_buffer[160], (u8)(1 + 160));
    CHECK_EQ("xmm7", user_buffer[287], (u8)(1 + 287));
    CHECK_EQ("byte 5", user_buffer[5], 0);
    for (unsigned i = 288; i < 512; i++)
        if (!CHECK_EQ("behind the registers", user_buffer[i], 0xdd))
            break;
    for (unsigned bit = 16; bit < 32; bit++) {
        *(u32 *)(user_buffer + 24) = MX_DEFAULT | 1u << bit;
        user_buffer[160] = 0;
        user_buffer[0] = 0x40;
        t = sse_exec(v_restore, 3, 0);
        if (!under_qemu())
            CHECK_TRAP(t, VEC_GP, 0, v_restore_at);
    }
    if (!under_qemu()) {
        u8 xmm0[16];
        u16 control;
        __asm__ volatile("movups %%xmm0, %0\n fnstcw %1" : "=m"(xmm0), "=m"(control));
        CHECK_EQ("xmm0 kept", xmm0[0], (u8)(1 + 160));
        CHECK_EQ("control kept", control, 0x37f);
    }
    *(u32 *)(user_buffer + 24) = MX_DEFAULT;
    user_buffer[5] = 0xff;                    // reserved
    *(u32 *)(user_buffer + 28) = ~0u;         // MXCSR_MASK is not loaded
    user_buffer[42] = user_buffer[47] = 0xff; // above ST0
    t = sse_exec(v_restore, 3, 0);
    CHECK_DONE("reserved fields", t);
    __asm__ volatile("fninit");
}

TEST(page_faults) {
    sse_on();
    struct space s = space_new(PAGING_32);
    space_identity(&s);
    pte_set(&s, (u32)user_buffer + 0x2000, 0);
    space_enter(&s);
    pattern(7);
    struct trap t = sse_exec(v_save, 3, 0x2000 - 512);
    CHECK_DONE("up to the end", t);
    memset(user_buffer + 0x2000 - 256, 0xcc, 256);
    t = sse_exec(v_save, 3, 0x2000 - 256);
    CHECK_PF(t, PF_U | PF_W, (u32)user_buffer + 0x2000, v_save_at);
    t = sse_exec(v_restore, 3, 0x2000 - 256);
    CHECK_PF(t, PF_U, (u32)user_buffer + 0x2000, v_restore_at);
    t = sse_exec(v_save, 3, 0x2000 - 256 + 8); // alignment is looked at first
    CHECK_TRAP(t, VEC_GP, 0, v_save_at);
    u8 xmm7[16];
    __asm__ volatile("movups %%xmm7, %0" : "=m"(xmm7));
    CHECK_EQ("xmm7", xmm7[15], (u8)(7 + 287));
    __asm__ volatile("fninit");
}
