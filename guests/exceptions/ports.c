// IN and OUT at ring 3: IOPL and the I/O permission bitmap of the TSS, for each size, at the edges of the bitmap.
#include "exec.h"

SNIPPET(o_in8, "", "inb %dx, %al")
SNIPPET(o_in16, "", "inw %dx, %ax")
SNIPPET(o_in32, "", "inl %dx, %eax")
SNIPPET(o_out8, "", "outb %al, %dx")
SNIPPET(o_out16, "", "outw %ax, %dx")
SNIPPET(o_out32, "", "outl %eax, %dx")
SNIPPET(o_outs, "", "outsb")
SNIPPET(o_in_imm, "", "inb $0x80, %al")
static const u8 *const by_size[3][2] = {{o_in8, o_out8}, {o_in16, o_out16}, {o_in32, o_out32}};

enum { PORT = 0x2f0 }; // nothing there

static bool allowed(const u8 *code, u16 port, u32 flags) {
    struct regs r = regs_for(3);
    struct trap t;
    r.edx = port;
    r.esi = (u32)user_buffer;
    r.eflags |= flags;
    exec(code, &r, &t);
    if (t.vector == EXEC_DONE)
        return true;
    CHECK_TRAP(t, VEC_GP, 0, code);
    return false;
}

static void permit(u16 port, bool yes) {
    if (yes)
        tss.io_bitmap[port >> 3] &= (u8) ~(1u << (port & 7));
    else
        tss.io_bitmap[port >> 3] |= (u8)(1u << (port & 7));
}

TEST(iopl) {
    for (unsigned size = 0; size < 3; size++)
        for (unsigned way = 0; way < 2; way++)
            for (u32 iopl = 0; iopl < 4; iopl++)
                CHECK_EQ("only IOPL 3", allowed(by_size[size][way], PORT, iopl << 12), iopl == 3);
    CHECK(allowed(o_outs, PORT, FLAG_IOPL));
    CHECK(!allowed(o_outs, PORT, 0));
}

TEST(bitmap) { // every bit of the access must be clear
    for (unsigned size = 0; size < 3; size++)
        for (unsigned offset = 0; offset < 8; offset++) {
            unsigned bytes = 1u << size;
            for (unsigned i = 0; i < 16; i++)
                permit((u16)(PORT + i), i >= offset && i < offset + bytes);
            for (unsigned at = 0; at < 10; at++)
                CHECK_EQ("exactly these ports", allowed(by_size[size][at & 1], (u16)(PORT + at), 0), at == offset);
        }
    for (unsigned i = 0; i < 16; i++)
        permit((u16)(PORT + i), false);
    permit(0x80, true);
    CHECK(allowed(o_in_imm, 0, 0));
    permit(0x80, false);
    CHECK(!allowed(o_in_imm, 0, 0));
}

TEST(bitmap_across_bytes) { // an access whose bits lie in two bytes of the bitmap
    u16 port = PORT + 7;
    for (unsigned i = 0; i < 4; i++)
        permit((u16)(port + i), true);
    CHECK(allowed(o_in16, port, 0));
    CHECK(allowed(o_in32, port, 0));
    permit((u16)(port + 1), false);
    CHECK(!allowed(o_in16, port, 0));
    CHECK(allowed(o_in8, port, 0));
    permit((u16)(port + 1), true);
    permit((u16)(port + 3), false);
    CHECK(allowed(o_in16, port, 0));
    CHECK(!allowed(o_in32, port, 0));
}

TEST(limit_of_the_tss) { // two bytes of the bitmap are always read; both must be inside
    permit(PORT, true);
    u32 base = offsetof(struct tss, io_bitmap);
    u32 byte = base + PORT / 8;
    for (u32 limit = byte - 1; limit <= byte + 2; limit++) {
        gdt_set(SEL_TSS, (u32)&tss, limit, SYS_TSS, 0);
        __asm__ volatile("ltr %w0" ::"r"(SEL_TSS));
        CHECK_EQ("inside the limit", allowed(o_in8, PORT, 0), limit >= byte + 1);
    }
    gdt_set(SEL_TSS, (u32)&tss, sizeof tss - 1, SYS_TSS, 0);
    __asm__ volatile("ltr %w0" ::"r"(SEL_TSS));
    tss.iomap = 0xffff; // no bitmap
    CHECK(!allowed(o_in8, PORT, 0));
    tss.iomap = sizeof tss;
    CHECK(!allowed(o_in8, PORT, 0));
    tss.iomap = (u16)base;
    CHECK(allowed(o_in8, PORT, 0));
    permit(0xffff, true); // the last port
    CHECK(allowed(o_in8, 0xffff, 0));
}

TEST(ring_0_needs_no_bitmap) {
    EXPECT_DONE_RING(0, o_in_imm);
}
