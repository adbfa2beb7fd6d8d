// LAR LSL VERR VERW ARPL over all types, privileges and selectors: ZF and the result, and never a fault.
#include "exec.h"

SNIPPET(q_lar, "", "lar %eax, %ecx")
SNIPPET(q_lar16, "", "lar %ax, %cx")
SNIPPET(q_lar_mem, "mov %eax, (%esi)", "larl (%esi), %ecx")
SNIPPET(q_lsl, "", "lsl %eax, %ecx")
SNIPPET(q_lsl16, "", "lsl %ax, %cx")
SNIPPET(q_lsl_mem, "mov %eax, (%esi)", "lsll (%esi), %ecx")
SNIPPET(q_verr, "", "verr %ax")
SNIPPET(q_verw, "", "verw %ax")
SNIPPET(q_verr_mem, "mov %eax, (%esi)", "verr (%esi)")
SNIPPET(q_arpl, "", "arpl %cx, %ax")
SNIPPET(q_arpl_mem, "mov %eax, (%esi)", "arpl %cx, (%esi)")

static struct trap ask(const u8 *code, unsigned ring, u32 eax, u32 ecx) {
    struct regs r = regs_for(ring);
    struct trap t;
    r.eax = eax;
    r.ecx = ecx;
    r.esi = (u32)user_buffer;
    r.eflags |= FLAG_CF | FLAG_OF | FLAG_SF;
    exec(code, &r, &t);
    CHECK_DONE("no fault", t);
    CHECK_EQ("other flags", t.r.eflags & ~FLAG_ZF, r.eflags);
    return t;
}

enum { ASK_LAR, ASK_LSL, ASK_VERR, ASK_VERW };
enum { KNOWN = 0x89abcdef };

// What the manual says (SDM vol. 2, tables with the valid types of LAR and LSL).
static bool valid(unsigned what, u32 type, unsigned dpl_, unsigned rpl, unsigned ring) {
    bool segment = type & 16, code = segment && type & 8, conforming = code && type & 4;
    u32 system = type & 15;
    bool privileged = conforming || (dpl_ >= ring && dpl_ >= rpl);
    if (!privileged)
        return false;
    switch (what) {
    case ASK_LAR:
        return segment || system == 1 || system == 2 || system == 3 || system == 4 || system == 5 || system == 9 ||
               system == 11 || system == 12;
    case ASK_LSL: return segment || system == 1 || system == 2 || system == 3 || system == 9 || system == 11;
    case ASK_VERR: return segment && (!code || type & 2);
    default: return segment && !code && type & 2;
    }
}

TEST(all_types) {
    for (u32 type = 0; type < 32; type++)
        for (unsigned dpl_ = 0; dpl_ < 4; dpl_ += 3)
            for (unsigned rpl = 0; rpl < 4; rpl += 3)
                for (unsigned ring = 0; ring <= 3; ring += 3) {
                    u8 access = (u8)(SEG_P | dpl(dpl_) | type);
                    gdt_set(SEL_FREE, 0x12345678, 0x54321, access, SEG_G | SEG_D | SEG_AVL);
                    u16 selector = (u16)(SEL_FREE | rpl);
                    u32 lar = (u32)(gdt[SEL_FREE >> 3] >> 32) & 0x00ffff00;
                    struct trap t = ask(q_lar, ring, selector, KNOWN);
                    bool ok = valid(ASK_LAR, type, dpl_, rpl, ring);
                    // The limit's four bits are undefined in LAR's result.
                    CHECK_EQ("lar zf", (t.r.eflags & FLAG_ZF) != 0, ok);
                    CHECK_EQ("lar", t.r.ecx & ~0xf0000u, ok ? lar & ~0xf0000u : KNOWN & ~0xf0000u);
                    t = ask(q_lar16, ring, selector, KNOWN);
                    CHECK_EQ("lar 16", t.r.ecx, ok ? (KNOWN & 0xffff0000) | (lar & 0xff00) : KNOWN);
                    t = ask(q_lsl, ring, selector, KNOWN);
                    ok = valid(ASK_LSL, type, dpl_, rpl, ring);
                    CHECK_EQ("lsl zf", (t.r.eflags & FLAG_ZF) != 0, ok);
                    CHECK_EQ("lsl", t.r.ecx, ok ? 0x54321fff : KNOWN);
                    t = ask(q_verr, ring, selector, 0);
                    CHECK_EQ("verr", (t.r.eflags & FLAG_ZF) != 0, valid(ASK_VERR, type, dpl_, rpl, ring));
                    t = ask(q_verw, ring, selector, 0);
                    if (!CHECK_EQ("verw", (t.r.eflags & FLAG_ZF) != 0, valid(ASK_VERW, type, dpl_, rpl, ring)) ||
                        check_failures() > 20) {
                        print("     type %02x dpl %u rpl %u ring %u\n", type, dpl_, rpl, ring);
                        return;
                    }
                }
}

TEST(byte_limits_and_memory) {
    gdt_set(SEL_FREE, 0, 0x54321, SEG_DATA | SEG_DPL3, SEG_D);
    struct trap t = ask(q_lsl, 3, SEL_FREE, 0);
    CHECK_EQ("bytes", t.r.ecx, 0x54321);
    t = ask(q_lsl16, 3, SEL_FREE, KNOWN);
    CHECK_EQ("16 bits", t.r.ecx, (KNOWN & 0xffff0000) | 0x4321);
    t = ask(q_lsl_mem, 3, SEL_FREE | 3, 0);
    CHECK_EQ("memory", t.r.ecx, 0x54321);
    t = ask(q_lar_mem, 3, SEL_FREE | 3, 0);
    CHECK(t.r.eflags & FLAG_ZF);
    t = ask(q_verr_mem, 3, SEL_FREE | 3, 0);
    CHECK(t.r.eflags & FLAG_ZF);
    t = ask(q_lsl, 3, 0xdead0000 | SEL_FREE, 0); // the upper half of the source register does not count
    CHECK_EQ("upper half", t.r.ecx, 0x54321);
}

TEST(bad_selectors) {
    static const u16 selectors[] = {0, 3, 0x7f8, 0xfff8, 0x44, 0x1f8};
    for (unsigned i = 0; i < sizeof selectors / sizeof *selectors; i++)
        for (unsigned ring = 0; ring <= 3; ring += 3) {
            struct trap t = ask(q_lar, ring, selectors[i], KNOWN);
            CHECK_EQ("lar", t.r.eflags & FLAG_ZF, 0);
            CHECK_EQ("kept", t.r.ecx, KNOWN);
            t = ask(q_lsl, ring, selectors[i], KNOWN);
            CHECK_EQ("lsl", t.r.eflags & FLAG_ZF, 0);
            t = ask(q_verr, ring, selectors[i], 0);
            CHECK_EQ("verr", t.r.eflags & FLAG_ZF, 0);
            t = ask(q_verw, ring, selectors[i], 0);
            CHECK_EQ("verw", t.r.eflags & FLAG_ZF, 0);
        }
}

TEST(not_present_counts_for_nothing) { // these look at type and privilege only
    gdt_set(SEL_FREE, 0, 0x54321, (SEG_DATA | SEG_DPL3) & ~SEG_P, SEG_D);
    struct trap t = ask(q_lar, 3, SEL_FREE, 0);
    CHECK(t.r.eflags & FLAG_ZF);
    t = ask(q_lsl, 3, SEL_FREE, 0);
    CHECK_EQ("lsl", t.r.ecx, 0x54321);
}

TEST(arpl) {
    for (u32 destination = 0; destination < 4; destination++)
        for (u32 source = 0; source < 4; source++)
            for (unsigned ring = 0; ring <= 3; ring += 3) {
                struct trap t = ask(q_arpl, ring, 0x1234 << 16 | 0x40 | destination, 0x9990 | source);
                bool raised = destination < source;
                CHECK_EQ("zf", (t.r.eflags & FLAG_ZF) != 0, raised);
                CHECK_EQ("selector", t.r.eax, 0x1234 << 16 | 0x40 | (raised ? source : destination));
                t = ask(q_arpl_mem, ring, 0x40 | destination, source);
                CHECK_EQ("memory", *(u32 *)user_buffer, 0x40 | (raised ? source : destination));
            }
}
