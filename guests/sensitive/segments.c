// PUSH, POP and MOV of segment registers: width, what stays of the destination, faults. The checks of loads are in the
// guest `segments` (loads.c).
#include "kit.h"

SNIPPET(g_push_cs, "", "push %cs")
SNIPPET(g_push_ss, "", "push %ss")
SNIPPET(g_push_ds, "", "push %ds")
SNIPPET(g_push_es, "", "push %es")
SNIPPET(g_push_fs, "", "push %fs")
SNIPPET(g_push_gs, "", "push %gs")
SNIPPET(g_pushw_cs, "", "pushw %cs")
SNIPPET(g_pushw_ss, "", "pushw %ss")
SNIPPET(g_pushw_ds, "", "pushw %ds")
SNIPPET(g_pushw_es, "", "pushw %es")
SNIPPET(g_pushw_fs, "", "pushw %fs")
SNIPPET(g_pushw_gs, "", "pushw %gs")
SNIPPET(g_pop_ss, "", "pop %ss")
SNIPPET(g_pop_ds, "", "pop %ds")
SNIPPET(g_pop_es, "", "pop %es")
SNIPPET(g_pop_fs, "", "pop %fs")
SNIPPET(g_pop_gs, "", "pop %gs")
SNIPPET(g_popw_ss, "", "popw %ss")
SNIPPET(g_popw_ds, "", "popw %ds")
SNIPPET(g_popw_es, "", "popw %es")
SNIPPET(g_popw_fs, "", "popw %fs")
SNIPPET(g_popw_gs, "", "popw %gs")
SNIPPET(g_from, "", "mov %fs, %eax")
SNIPPET(g_from16, "", ".byte 0x66, 0x8c, 0xe0")
SNIPPET(g_from_cs, "", "mov %cs, %eax")
SNIPPET(g_from_mem, "", "mov %fs, (%esi)")
SNIPPET(g_from_mem16, "", ".byte 0x66, 0x8c, 0x26")
SNIPPET(g_from_6, "", ".byte 0x8c, 0xf0") // there is no segment register 6
SNIPPET(g_from_7, "", ".byte 0x8c, 0xf8")
SNIPPET(g_to, "", "mov %eax, %fs")
SNIPPET(g_to_mem, "", "mov (%esi), %fs")
SNIPPET(g_to_cs, "", ".byte 0x8e, 0xc8")
SNIPPET(g_to_6, "", ".byte 0x8e, 0xf0")
SNIPPET(g_to_7, "", ".byte 0x8e, 0xf8")

static const u8 *const pushes[2][6] = {{g_push_cs, g_push_ss, g_push_ds, g_push_es, g_push_fs, g_push_gs},
                                       {g_pushw_cs, g_pushw_ss, g_pushw_ds, g_pushw_es, g_pushw_fs, g_pushw_gs}};
static const u8 *const pops[2][5] = {{g_pop_ss, g_pop_ds, g_pop_es, g_pop_fs, g_pop_gs},
                                     {g_popw_ss, g_popw_ds, g_popw_es, g_popw_fs, g_popw_gs}};

static struct regs distinct(void) { // every segment register another selector
    struct regs r = pattern(3);
    for (u16 i = 0; i < 4; i++)
        gdt_set((u16)(SEL_FREE + i * 8), 0, 0xfffff, SEG_DATA | SEG_DPL3 | SEG_ACCESSED, SEG_G | SEG_D);
    r.ds = SEL_FREE | 3;
    r.es = (SEL_FREE + 8) | 2;
    r.fs = (SEL_FREE + 16) | 3;
    r.gs = 1; // null
    return r;
}

TEST(push_segment) {
    for (unsigned word = 0; word < 2; word++)
        for (unsigned i = 0; i < 6; i++) {
            struct regs r = distinct();
            const u32 selectors[6] = {r.cs, r.ss, r.ds, r.es, r.fs, r.gs};
            u32 *top = (u32 *)r.esp - 1;
            *top = 0xeeeeeeee;
            struct trap t = runs("push", pushes[word][i], &r, STACK);
            CHECK_EQ("esp", t.r.esp, r.esp - (word ? 2 : 4));
            if (word)
                CHECK_EQ("word", *top, selectors[i] << 16 | 0xeeee);
            else
                CHECK_EQ("selector", *top & 0xffff, selectors[i]); // the upper half: docs/sensitive.md
        }
}

TEST(push_segment_faults) {
    paged();
    for (unsigned i = 0; i < 6; i++) {
        struct regs r = pattern(3);
        r.esp = MISSING + 4096;
        page_faults("push", pushes[0][i], &r, PF_U | PF_W, MISSING + 4092);
        r.esp = READ_ONLY + 8;
        page_faults("read-only", pushes[0][i], &r, PF_U | PF_W | PF_P, READ_ONLY + 4);
        if (under_qemu())
            continue;
        gdt_set(SEL_FREE, (u32)user_buffer, 255, SEG_DATA | SEG_DPL3, SEG_D);
        r.ss = SEL_FREE | 3;
        r.esp = 2;
        faults("no room", pushes[0][i], &r, VEC_SS, 0);
        struct trap t = runs("room for a word", pushes[1][i], &r, STACK);
        CHECK_EQ("esp", t.r.esp, 0);
    }
}

static u32 got(const struct trap *t, unsigned i) {
    const u32 all[5] = {t->r.ss, t->r.ds, t->r.es, t->r.fs, t->r.gs};
    return all[i];
}

TEST(pop_segment) { // only sixteen bits count; ESP moves by the operand size
    for (unsigned ring = 0; ring <= 3; ring += 3)
        for (unsigned word = 0; word < 2; word++)
            for (unsigned i = 0; i < 5; i++) {
                struct regs r = pattern(ring);
                if (!ring && i == 0)
                    continue; // SS at ring 0: guest segments, loads.c
                u16 selector = ring || i ? SEL_UDATA : SEL_KDATA;
                r.esp -= 64;
                *(u32 *)r.esp = 0xdead0000 | selector;
                if (ring == 0 && i == 1)
                    *(u32 *)r.esp = 0xdead0000 | SEL_KDATA, selector = SEL_KDATA;
                struct trap t = runs("pop", pops[word][i], &r, STACK | SEGMENTS);
                CHECK_EQ("esp", t.r.esp, r.esp + (word ? 2 : 4));
                CHECK_EQ("selector", got(&t, i), selector);
            }
}

TEST(pop_segment_faults) { // ESP and the register stay
    paged();
    for (unsigned word = 0; word < 2; word++)
        for (unsigned i = 0; i < 5; i++) {
            struct regs r = pattern(3);
            r.esp = MISSING;
            page_faults("missing", pops[word][i], &r, PF_U, MISSING);
            r.esp = MISSING - 1;
            page_faults("across", pops[word][i], &r, PF_U, MISSING);
            r.esp = HERE + 64;
            *(u32 *)r.esp = SEL_KDATA;
            faults("privilege", pops[word][i], &r, VEC_GP, SEL_KDATA);
            *(u32 *)r.esp = 0x7f8;
            faults("outside", pops[word][i], &r, VEC_GP, 0x7f8);
            gdt_set(SEL_FREE, 0, 0xfffff, (SEG_DATA | SEG_DPL3) & ~SEG_P, SEG_G | SEG_D);
            *(u32 *)r.esp = SEL_FREE | 3;
            faults("not present", pops[word][i], &r, i ? VEC_NP : VEC_SS, SEL_FREE);
            if (i == 0) {
                *(u32 *)r.esp = 0;
                faults("null SS", pops[word][i], &r, VEC_GP, 0);
            }
            if (under_qemu())
                continue;
            gdt_set(SEL_FREE, (u32)user_buffer, 255, SEG_DATA | SEG_DPL3, SEG_D);
            r.ss = SEL_FREE | 3;
            r.esp = word ? 255 : 253;
            faults("beyond the stack", pops[word][i], &r, VEC_SS, 0);
        }
}

TEST(mov_from_segment) {
    struct regs r = distinct();
    struct trap t = runs("32-bit register", g_from, &r, EAX);
    CHECK_EQ("zero-extended", t.r.eax, r.fs);
    t = runs("16-bit register", g_from16, &r, EAX);
    CHECK_EQ("upper half kept", t.r.eax, (r.eax & 0xffff0000) | r.fs);
    t = runs("CS", g_from_cs, &r, EAX);
    CHECK_EQ("CS shows the CPL", t.r.eax, r.cs);
    const u8 *const memory[] = {g_from_mem, g_from_mem16};
    for (unsigned i = 0; i < 2; i++) {
        memset(user_buffer, 0xee, 256);
        runs("memory", memory[i], &r, NOTHING);
        CHECK_EQ("a word", *(u32 *)(user_buffer + 64), 0xeeee0000 | r.fs);
    }
    faults("register 6", g_from_6, &r, VEC_UD, 0);
    faults("register 7", g_from_7, &r, VEC_UD, 0);
    paged();
    r = pattern(3);
    r.esi = MISSING - 2;
    runs("last word of a page", g_from_mem, &r, NOTHING);
    r.esi = MISSING - 1;
    *(u8 *)r.esi = 0xee;
    page_faults("across", g_from_mem, &r, PF_U | PF_W, MISSING);
    CHECK_EQ("nothing written", *(u8 *)r.esi, 0xee);
    r.esi = READ_ONLY;
    page_faults("read-only", g_from_mem, &r, PF_U | PF_W | PF_P, READ_ONLY);
}

TEST(mov_to_segment) {
    for (unsigned ring = 0; ring <= 3; ring += 3) {
        struct regs r = pattern(ring);
        faults("CS", g_to_cs, &r, VEC_UD, 0);
        faults("register 6", g_to_6, &r, VEC_UD, 0);
        faults("register 7", g_to_7, &r, VEC_UD, 0);
        r.eax = 0xdead0000 | SEL_UDATA;
        struct trap t = runs("register", g_to, &r, SEGMENTS);
        CHECK_EQ("sixteen bits count", t.r.fs, SEL_UDATA);
        CHECK_EQ("others stay", t.r.ds, r.ds);
    }
    paged();
    struct regs r = pattern(3);
    r.esi = MISSING - 2; // a word is read
    *(u16 *)r.esi = SEL_UDATA & ~3;
    struct trap t = runs("memory", g_to_mem, &r, SEGMENTS);
    CHECK_EQ("fs", t.r.fs, SEL_UDATA & ~3);
    r.esi = MISSING - 1;
    page_faults("across", g_to_mem, &r, PF_U, MISSING);
    r.eax = SEL_KDATA;
    faults("privilege", g_to, &r, VEC_GP, SEL_KDATA);
}
