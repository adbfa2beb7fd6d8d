// String instructions with 16-bit addresses, with segment overrides, and around the ends of the address space.
#include "exec.h"
#include "paging.h"

SNIPPET(a16_movsb, "", "addr16 rep movsb")
SNIPPET(a16_stosl, "", "addr16 rep stosl")
SNIPPET(a16_lodsw, "", "addr16 lodsw")
SNIPPET(a16_scasb, "", "addr16 repne scasb")
SNIPPET(a16_cmpsl, "", "addr16 repe cmpsl")
SNIPPET(fs_lodsl, "", "lodsl %fs:(%esi)")
SNIPPET(fs_movsl, "", "rep movsl %fs:(%esi), %es:(%edi)")
SNIPPET(gs_cmpsb, "", "repe cmpsb %es:(%edi), %gs:(%esi)")
SNIPPET(ss_outsb, "", "lodsb %ss:(%esi)")
SNIPPET(plain_stosb, "", "stosb")
SNIPPET(plain_movsb, "", "rep movsb")
SNIPPET(plain_movsw, "", "rep movsw")
SNIPPET(plain_movsl, "", "rep movsl")
SNIPPET(plain_stosl, "", "rep stosl")
SNIPPET(plain_lodsl, "", "lodsl")

enum { LOW = 0x6000 };

TEST(address_size_16) {
    u8 *low = (u8 *)LOW;
    for (unsigned i = 0; i < 512; i++)
        low[i] = (u8)(i ^ 0x5a);
    struct regs r = regs_for(0);
    struct trap t;
    r.esi = 0xabcd0000 | LOW;
    r.edi = 0x12340000 | (LOW + 256);
    r.ecx = 0x77770000 | 20;
    exec(a16_movsb, &r, &t);
    CHECK_DONE("movs", t);
    CHECK_EQ("esi", t.r.esi, r.esi + 20);
    CHECK_EQ("edi", t.r.edi, r.edi + 20);
    CHECK_EQ("ecx", t.r.ecx, 0x77770000);
    CHECK(!memcmp(low, low + 256, 20));

    r.ecx = 0xffff0000;
    exec(a16_movsb, &r, &t);
    CHECK_DONE("CX 0", t);
    CHECK_EQ("esi", t.r.esi, r.esi);

    r.eax = 0xcafe0123;
    r.ecx = 4;
    exec(a16_stosl, &r, &t);
    CHECK_DONE("stos", t);
    CHECK_EQ("stored", *(u32 *)(low + 256 + 12), 0xcafe0123);
    CHECK_EQ("edi", t.r.edi, r.edi + 16);

    exec(a16_lodsw, &r, &t);
    CHECK_DONE("lods", t);
    CHECK_EQ("eax", t.r.eax, 0xcafe0000 | *(u16 *)low);
    CHECK_EQ("esi", t.r.esi, r.esi + 2);

    r.eax = low[100];
    r.edi = 0x55550000 | LOW;
    r.ecx = 0x10000 | 300;
    exec(a16_scasb, &r, &t);
    CHECK_DONE("scas", t);
    CHECK_EQ("found", t.r.edi, r.edi + 101);
    CHECK_EQ("ecx", t.r.ecx, r.ecx - 101);

    memcpy(low + 256, low, 64);
    low[256 + 33] ^= 1;
    r.edi = LOW + 256;
    r.ecx = 16;
    exec(a16_cmpsl, &r, &t);
    CHECK_DONE("cmps", t);
    CHECK_EQ("esi", t.r.esi, r.esi + 36);
    CHECK_EQ("edi", t.r.edi, r.edi + 36);
    CHECK_EQ("ecx", t.r.ecx, 7);
}

TEST(address_size_16_wraps) {
    u8 save[8];
    memcpy(save, (void *)0, 4);
    memcpy(save + 4, (void *)0xfffc, 4);
    *(volatile u32 *)0xfffc = 0x44332211;
    __asm__ volatile("" ::: "memory");
    struct regs r = regs_for(0);
    struct trap t;
    r.edi = 0x1110fffe;
    r.ecx = 4;
    r.esi = 0xfffc;
    r.esi |= 0x22220000;
    exec(a16_movsb, &r, &t); // FFFCh..FFFFh to FFFEh, FFFFh, 0, 1
    CHECK_DONE("movs", t);
    CHECK_EQ("edi", t.r.edi, 0x11100002);
    CHECK_EQ("esi", t.r.esi, 0x22220000);
    volatile u8 *zero = (volatile u8 *)0;
    __asm__("" : "+r"(zero));
    CHECK_EQ("at FFFEh", *(volatile u16 *)0xfffe, 0x2211);
    CHECK_EQ("at 0", zero[0], 0x11);
    CHECK_EQ("at 1", zero[1], 0x22);
    for (unsigned i = 0; i < 4; i++)
        zero[i] = save[i];
    memcpy((void *)0xfffc, save + 4, 4);
}

TEST(segment_overrides) {
    gdt_set(SEL_FREE, (u32)user_buffer + 1000, 0xfffff, SEG_DATA | SEG_DPL3, SEG_G | SEG_D);
    for (unsigned i = 0; i < 4096; i++)
        user_buffer[i] = (u8)(i * 11);
    for (unsigned ring = 0; ring <= 3; ring += 3) {
        struct regs r = regs_for(ring);
        struct trap t;
        r.fs = r.gs = SEL_FREE | 3;
        r.esi = 24;
        exec(fs_lodsl, &r, &t);
        CHECK_DONE("lods", t);
        CHECK_EQ("eax", t.r.eax, *(u32 *)(user_buffer + 1024));
        r.edi = (u32)user_buffer + 3000;
        r.ecx = 25;
        exec(fs_movsl, &r, &t);
        CHECK_DONE("movs", t);
        CHECK(!memcmp(user_buffer + 1024, user_buffer + 3000, 100));
        r.ecx = 101;
        user_buffer[3000 + 100] = (u8)~user_buffer[1124];
        exec(gs_cmpsb, &r, &t);
        CHECK_DONE("cmps", t);
        CHECK_EQ("ecx", t.r.ecx, 0);
        CHECK(!(t.r.eflags & FLAG_ZF));
        CHECK_EQ("esi", t.r.esi, 24 + 101);
        r.es = SEL_FREE | 3; // the destination is always ES
        r.edi = 7;
        r.eax = 0x99;
        exec(plain_stosb, &r, &t);
        CHECK_DONE("stos", t);
        CHECK_EQ("stored", user_buffer[1007], 0x99);
        r.esi = (u32)user_buffer + 5;
        exec(ss_outsb, &r, &t);
        CHECK_DONE("lods ss", t);
        CHECK_EQ("al", t.r.eax & 0xff, user_buffer[5]);
    }
}

TEST(null_source_segment) { // the destination's segment works, the source's is null: #GP(0), nothing moves
    if (under_qemu())
        return;
    struct regs r = regs_for(3);
    struct trap t;
    r.fs = 0;
    r.edi = (u32)user_buffer;
    r.ecx = 3;
    exec(fs_movsl, &r, &t);
    CHECK_TRAP(t, VEC_GP, 0, fs_movsl_at);
    CHECK_EQ("ecx", t.r.ecx, 3);
    exec(fs_lodsl, &r, &t);
    CHECK_TRAP(t, VEC_GP, 0, fs_lodsl_at);
}

// The last page of the address space and the first are two ordinary frames here.
static u32 wrap_space(void) {
    struct space s = space_new(PAGING_32);
    space_identity(&s);
    u32 frames = page_alloc(2);
    space_map(&s, 0xfffff000, frames, PTE_WU);
    space_map(&s, 0, frames + 4096, PTE_WU);
    space_enter(&s);
    return frames;
}

TEST(wrap_upwards) {
    u32 frames = wrap_space();
    for (unsigned ring = 0; ring <= 3; ring += 3)
        for (unsigned i = 0; i < 64; i++)
            user_buffer[i] = (u8)(i + 1 + ring);
    struct regs r = regs_for(3);
    struct trap t;
    r.esi = (u32)user_buffer;
    r.edi = 0xfffffff0;
    r.ecx = 40;
    exec(plain_movsb, &r, &t);
    CHECK_DONE("movsb", t);
    CHECK_EQ("edi", t.r.edi, 24);
    CHECK(!memcmp((void *)(frames + 0xff0), user_buffer, 40));
    r.ecx = 10;
    exec(plain_movsl, &r, &t);
    CHECK_DONE("movsl", t);
    CHECK_EQ("edi", t.r.edi, 24);
    r.esi = 0xfffffff0;
    r.edi = (u32)user_buffer + 100;
    exec(plain_movsl, &r, &t);
    CHECK_DONE("movsl back", t);
    CHECK_EQ("esi", t.r.esi, 24);
    CHECK(!memcmp(user_buffer + 100, user_buffer, 40));
    r.edi = 0xfffffff8;
    r.eax = 0x99aabbcc;
    r.ecx = 4;
    exec(plain_stosl, &r, &t);
    CHECK_DONE("stosl", t);
    CHECK_EQ("stored", *(u32 *)(frames + 4096 + 4), 0x99aabbcc);
    r.esi = 0xfffffffc;
    exec(plain_lodsl, &r, &t);
    CHECK_DONE("lodsl", t);
    CHECK_EQ("esi", t.r.esi, 0);
}

TEST(wrap_downwards) { // PITFALLS 11: a descending string through address 0
    u32 frames = wrap_space();
    for (unsigned i = 0; i < 64; i++)
        user_buffer[i] = (u8)(i * 5 + 1);
    struct regs r = regs_for(3);
    struct trap t;
    r.eflags |= FLAG_DF;
    r.esi = (u32)user_buffer + 39;
    r.edi = 19;
    r.ecx = 40;
    exec(plain_movsb, &r, &t);
    CHECK_DONE("movsb", t);
    CHECK_EQ("edi", t.r.edi, 0xffffffeb);
    CHECK(!memcmp((void *)(frames + 0xfec), user_buffer, 40));
    r.esi = (u32)user_buffer + 36;
    r.edi = 16;
    r.ecx = 10;
    exec(plain_movsl, &r, &t);
    CHECK_DONE("movsl", t);
    CHECK_EQ("edi", t.r.edi, 0xffffffe8);
    CHECK(!memcmp((void *)(frames + 0xfec), user_buffer, 40));
    r.esi = 16;
    r.edi = (u32)user_buffer + 236;
    exec(plain_movsl, &r, &t);
    CHECK_DONE("movsl back", t);
    CHECK(!memcmp(user_buffer + 200, user_buffer, 40));
    r.esi = (u32)user_buffer + 38;
    r.edi = 18;
    r.ecx = 20;
    exec(plain_movsw, &r, &t);
    CHECK_DONE("movsw", t);
}

TEST(wrap_to_missing_page) { // downwards through 0 into a page that is not there
    struct space s = space_new(PAGING_32);
    space_identity(&s);
    space_map(&s, 0, page_alloc(1), PTE_WU);
    space_enter(&s);
    struct regs r = regs_for(3);
    struct trap t;
    r.eflags |= FLAG_DF;
    r.edi = 8;
    r.ecx = 10;
    exec(plain_stosl, &r, &t);
    CHECK_PF(t, PF_U | PF_W, 0xfffffffc, plain_stosl_at);
    CHECK_EQ("ecx", t.r.ecx, 7);
    CHECK_EQ("edi", t.r.edi, 0xfffffffc);
}
