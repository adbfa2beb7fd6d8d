// LAR LSL VERR VERW: all types and privileges are in the guest `segments` (queries.c); here what they leave alone,
// their operands' faults, LDT selectors and descriptors in pages that are missing.
#include "kit.h"

SNIPPET(q_lar, "", "lar %ecx, %eax")
SNIPPET(q_lsl, "", "lsl %ecx, %eax")
SNIPPET(q_lar16, "", "lar %cx, %ax")
SNIPPET(q_lsl16, "", "lsl %cx, %ax")
SNIPPET(q_verr, "", "verr %cx")
SNIPPET(q_verw, "", "verw %cx")
SNIPPET(q_lar_mem, "", "lar (%esi), %eax")
SNIPPET(q_lsl_mem, "", "lsl (%esi), %eax")
SNIPPET(q_verr_mem, "", "verr (%esi)")
SNIPPET(q_verw_mem, "", "verw (%esi)")

TEST(lar_lsl_verr_verw) { // only ZF and the destination, and that only on success
    static const struct {
        const u8 *code;
        bool has_result;
        u32 result, mask;
    } forms[] = {
        {q_lar, true, 0x00cff300 & ~0xf0000u, ~0xf0000u},
        {q_lsl, true, 0xffffffff, 0xffffffff},
        {q_lar16, true, 0xa0a1f300, 0xffffffff},
        {q_lsl16, true, 0xa0a1ffff, 0xffffffff},
        {q_verr, false, 0, 0},
        {q_verw, false, 0, 0},
    };
    gdt_set(SEL_FREE, 0, 0xfffff, SEG_DATA | SEG_DPL3 | SEG_ACCESSED, SEG_G | SEG_D);
    gdt_set(SEL_FREE + 8, 0, 0xfffff, SEG_DATA_RO, SEG_G | SEG_D); // not writable, and ring 0's
    for (unsigned i = 0; i < sizeof forms / sizeof *forms; i++)
        for (unsigned ring = 0; ring <= 3; ring += 3)
            for (unsigned zf = 0; zf < 2; zf++) {
                struct regs r = pattern(ring);
                r.eflags |= zf ? FLAG_ZF : 0;
                r.ecx = 0xdead0000 | SEL_FREE | ring;
                struct trap t = runs("good", forms[i].code, &r, ZERO_FLAG | (forms[i].has_result ? EAX : 0));
                CHECK_EQ("ZF", t.r.eflags & FLAG_ZF, FLAG_ZF);
                if (forms[i].has_result)
                    CHECK_EQ("result", t.r.eax & forms[i].mask, forms[i].result);
                r.ecx = 0x7f8; // outside
                t = runs("outside", forms[i].code, &r, ZERO_FLAG);
                CHECK_EQ("ZF", t.r.eflags & FLAG_ZF, 0);
                r.ecx = 0;
                t = runs("null", forms[i].code, &r, ZERO_FLAG);
                CHECK_EQ("ZF", t.r.eflags & FLAG_ZF, 0);
                r.ecx = SEL_FREE + 8;
                bool refused = ring || forms[i].code == q_verw;
                t = runs("ring 0's", forms[i].code, &r, ZERO_FLAG | (refused ? 0 : EAX));
                CHECK_EQ("ZF", t.r.eflags & FLAG_ZF, refused ? 0 : FLAG_ZF);
            }
    CHECK_EQ("no accessed bit is set", (u32)(gdt[(SEL_FREE + 8) >> 3] >> 40) & 1, 0);
}

TEST(query_operands) {
    static const u8 *const forms[] = {q_lar_mem, q_lsl_mem, q_verr_mem, q_verw_mem};
    paged();
    for (unsigned i = 0; i < 4; i++)
        for (unsigned ring = 0; ring <= 3; ring += 3) {
            struct regs r = pattern(ring);
            r.esi = MISSING;
            page_faults("missing", forms[i], &r, ring ? PF_U : 0, MISSING);
            r.esi = MISSING - 1;
            page_faults("across", forms[i], &r, ring ? PF_U : 0, MISSING);
            r.esi = MISSING - 2; // a word is read whatever the operand size
            *(u16 *)r.esi = SEL_UDATA;
            struct trap t = runs("a word", forms[i], &r, ZERO_FLAG | EAX);
            CHECK_EQ("ZF", t.r.eflags & FLAG_ZF, FLAG_ZF);
        }
}

TEST(query_descriptors) { // in a page that is not there: #PF as a supervisor's read, whoever asks
    paged();
    memcpy((void *)HERE, gdt, sizeof gdt);
    gdt_load(MISSING - 64, 0xff);
    memcpy((void *)(MISSING - 64), gdt, 64);
    struct regs r = pattern(3);
    r.ecx = 0x43;
    page_faults("lar", q_lar, &r, 0, MISSING);
    page_faults("lsl", q_lsl, &r, 0, MISSING);
    page_faults("verr", q_verr, &r, 0, MISSING);
    page_faults("verw", q_verw, &r, 0, MISSING);
    gdt_load((u32)gdt, sizeof gdt - 1);
    u64 *ldt = (u64 *)user_buffer;
    ldt[0] = descriptor(0, 0x123, SEG_DATA | SEG_DPL3, SEG_D);
    gdt_set(SEL_LDT, (u32)ldt, 7, SYS_LDT, 0);
    r.ecx = 7;
    struct trap t = runs("no LDT", q_lsl, &r, ZERO_FLAG);
    CHECK_EQ("ZF", t.r.eflags & FLAG_ZF, 0);
    __asm__ volatile("lldt %w0" ::"r"(SEL_LDT));
    t = runs("in the LDT", q_lsl, &r, ZERO_FLAG | EAX);
    CHECK_EQ("limit", t.r.eax, 0x123);
    r.ecx = 15;
    t = runs("beyond the LDT", q_lsl, &r, ZERO_FLAG);
    CHECK_EQ("ZF", t.r.eflags & FLAG_ZF, 0);
}
