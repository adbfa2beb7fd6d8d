// Page faults in string instructions: at the first element, in the middle of a repetition, and the way on after the
// page has come. A repetition that faults leaves ECX, ESI and EDI at the element that faulted (SDM vol. 2, REP).
#include "exec.h"
#include "paging.h"

SNIPPET(f_movsb, "", "rep movsb")
SNIPPET(f_movsl, "", "rep movsl")
SNIPPET(f_movsl_one, "", "movsl")
SNIPPET(f_stosl, "", "rep stosl")
SNIPPET(f_stosb, "", "rep stosb")
SNIPPET(f_lodsw, "", "rep lodsw")
SNIPPET(f_cmpsb, "", "repe cmpsb")
SNIPPET(f_cmpsl_one, "", "cmpsl")
SNIPPET(f_scasl, "", "repne scasl")

enum { FROM = 0x50000000, TO = 0x60000000, PAGE = 4096 };
static struct space space;
static u32 from_frame, to_frame;

// Two pages at FROM and two at TO, of which the second ones may be absent.
static void set_up(bool from_second, bool to_second) {
    space = space_new(PAGING_32);
    space_identity(&space);
    from_frame = page_alloc(2);
    to_frame = page_alloc(2);
    for (unsigned i = 0; i < 2 * PAGE; i++) {
        ((u8 *)from_frame)[i] = (u8)(i * 3 + 1);
        ((u8 *)to_frame)[i] = 0xcc;
    }
    space_map(&space, FROM, from_frame, PTE_WU);
    space_map(&space, TO, to_frame, PTE_WU);
    if (from_second)
        space_map(&space, FROM + PAGE, from_frame + PAGE, PTE_WU);
    if (to_second)
        space_map(&space, TO + PAGE, to_frame + PAGE, PTE_WU);
    space_enter(&space);
}

static struct regs start(unsigned ring, u32 from, u32 to, u32 count) {
    struct regs r = regs_for(ring);
    r.esi = from;
    r.edi = to;
    r.ecx = count;
    r.eax = 0x12345678;
    r.eflags |= FLAG_CF | FLAG_OF;
    return r;
}

TEST(movs_destination_missing) {
    for (unsigned ring = 0; ring <= 3; ring += 3) {
        set_up(true, false);
        struct regs r = start(ring, FROM + 8, TO + PAGE - 10, 30);
        struct trap t;
        exec(f_movsb, &r, &t);
        u32 user = ring ? PF_U : 0;
        CHECK_PF(t, PF_W | user, TO + PAGE, f_movsb_at);
        CHECK_EQ("ecx", t.r.ecx, 20);
        CHECK_EQ("esi", t.r.esi, FROM + 18);
        CHECK_EQ("edi", t.r.edi, TO + PAGE);
        CHECK_EQ("arithmetic flags", t.r.eflags & ~FLAG_RF, r.eflags);
        CHECK(!memcmp((u8 *)to_frame + PAGE - 10, (u8 *)from_frame + 8, 10));
        space_map(&space, TO + PAGE, to_frame + PAGE, PTE_WU);
        exec((void *)t.r.eip, &t.r, &t);
        CHECK_DONE("resumed", t);
        CHECK_EQ("ecx", t.r.ecx, 0);
        CHECK_EQ("esi", t.r.esi, FROM + 38);
        CHECK_EQ("edi", t.r.edi, TO + PAGE + 20);
        CHECK(!memcmp((u8 *)to_frame + PAGE - 10, (u8 *)from_frame + 8, 30));
        CHECK_EQ("beyond", ((u8 *)to_frame)[PAGE + 20], 0xcc);
        exec_reset();
    }
}

TEST(movs_source_missing) {
    set_up(false, true);
    struct regs r = start(3, FROM + PAGE - 8, TO, 5);
    struct trap t;
    exec(f_movsl, &r, &t);
    CHECK_PF(t, PF_U, FROM + PAGE, f_movsl_at);
    CHECK_EQ("ecx", t.r.ecx, 3);
    CHECK_EQ("esi", t.r.esi, FROM + PAGE);
    CHECK_EQ("edi", t.r.edi, TO + 8);
}

TEST(movs_downwards) {
    set_up(true, true);
    pte_set(&space, TO, 0);
    invlpg(TO);
    struct regs r = start(3, FROM + 100, TO + PAGE + 12, 6);
    r.eflags |= FLAG_DF;
    struct trap t;
    exec(f_movsl, &r, &t);
    CHECK_PF(t, PF_U | PF_W, TO + PAGE - 4, f_movsl_at);
    CHECK_EQ("ecx", t.r.ecx, 2);
    CHECK_EQ("esi", t.r.esi, FROM + 100 - 16);
    CHECK_EQ("edi", t.r.edi, TO + PAGE - 4);
    CHECK(t.r.eflags & FLAG_DF);
    space_map(&space, TO, to_frame, PTE_WU);
    exec((void *)t.r.eip, &t.r, &t);
    CHECK_DONE("resumed", t);
    CHECK_EQ("edi", t.r.edi, TO + PAGE - 12);
    CHECK(!memcmp((u8 *)to_frame + PAGE - 8, (u8 *)from_frame + 80, 24));
}

TEST(element_across_pages) { // nothing of the element may be written, nothing moves
    set_up(true, false);
    struct regs r = start(0, FROM, TO + PAGE - 6, 2);
    struct trap t;
    exec(f_movsl, &r, &t);
    CHECK_PF(t, PF_W, TO + PAGE, f_movsl_at);
    CHECK_EQ("ecx", t.r.ecx, 1);
    CHECK_EQ("edi", t.r.edi, TO + PAGE - 2);
    if (!under_qemu())
        CHECK_EQ("first half", *(u16 *)(to_frame + PAGE - 2), 0xcccc);
}

TEST(source_before_destination) { // both missing: the load comes first
    set_up(false, false);
    struct regs r = start(3, FROM + PAGE + 5, TO + PAGE + 7, 1);
    struct trap t;
    exec(f_movsl_one, &r, &t);
    CHECK_PF(t, PF_U, FROM + PAGE + 5, f_movsl_one_at);
    CHECK_EQ("esi", t.r.esi, FROM + PAGE + 5);
    CHECK_EQ("edi", t.r.edi, TO + PAGE + 7);
    exec(f_movsl, &r, &t);
    CHECK_PF(t, PF_U, FROM + PAGE + 5, f_movsl_at);
    CHECK_EQ("ecx", t.r.ecx, 1);
}

TEST(count_zero_touches_nothing) {
    set_up(false, false);
    struct regs r = start(3, 0x7000000, 0x7100000, 0);
    struct trap t;
    const u8 *const all[] = {f_movsb, f_movsl, f_stosl, f_lodsw, f_cmpsb, f_scasl};
    for (unsigned i = 0; i < sizeof all / sizeof *all; i++) {
        exec(all[i], &r, &t);
        CHECK_DONE("count 0", t);
        CHECK_EQ("eflags", t.r.eflags, r.eflags);
        CHECK_EQ("esi", t.r.esi, r.esi);
        CHECK_EQ("edi", t.r.edi, r.edi);
    }
}

TEST(stos_read_only) {
    set_up(true, true);
    space_map(&space, TO + PAGE, to_frame + PAGE, PTE_P | PTE_U);
    struct regs r = start(3, 0, TO + PAGE - 16, 9);
    struct trap t;
    exec(f_stosl, &r, &t);
    CHECK_PF(t, PF_U | PF_W | PF_P, TO + PAGE, f_stosl_at);
    CHECK_EQ("ecx", t.r.ecx, 5);
    CHECK_EQ("stored", *(u32 *)(to_frame + PAGE - 4), 0x12345678);
    CHECK_EQ("not stored", *(u32 *)(to_frame + PAGE), 0xcccccccc);
}

TEST(lods_cmps_scas) {
    set_up(false, false);
    struct regs r = start(3, FROM + PAGE - 6, TO, 9);
    struct trap t;
    exec(f_lodsw, &r, &t);
    CHECK_PF(t, PF_U, FROM + PAGE, f_lodsw_at);
    CHECK_EQ("ecx", t.r.ecx, 6);
    CHECK_EQ("eax", t.r.eax, 0x12340000 | *(u16 *)(from_frame + PAGE - 2));

    memcpy((u8 *)to_frame, (u8 *)from_frame + PAGE - 6, 6);
    exec(f_cmpsb, &r, &t);
    CHECK_PF(t, PF_U, FROM + PAGE, f_cmpsb_at);
    CHECK_EQ("ecx", t.r.ecx, 3);
    CHECK(t.r.eflags & FLAG_ZF); // of the last comparison
    CHECK(!(t.r.eflags & FLAG_CF));

    r = start(0, 0, TO + PAGE - 8, 9);
    exec(f_scasl, &r, &t);
    CHECK_PF(t, 0, TO + PAGE, f_scasl_at);
    CHECK_EQ("ecx", t.r.ecx, 7);
    CHECK_EQ("edi", t.r.edi, TO + PAGE);
}

TEST(cmps_second_access) { // PITFALLS 8: the second load of one element faults; flags and pointers stay
    set_up(true, false);
    struct regs r = start(3, FROM, TO + PAGE + 4, 1);
    struct trap t;
    exec(f_cmpsl_one, &r, &t);
    CHECK_PF(t, PF_U, TO + PAGE + 4, f_cmpsl_one_at);
    CHECK_EQ("esi", t.r.esi, FROM);
    CHECK_EQ("edi", t.r.edi, TO + PAGE + 4);
    CHECK_EQ("flags", t.r.eflags & FLAGS_ARITH, r.eflags & FLAGS_ARITH);
}

static bool demand(struct trap_frame *frame) { // maps what is missing and goes on
    (void)frame;
    u32 page = read_cr2() & ~0xfffu;
    u32 frame_address = page >= TO ? to_frame + (page - TO) : from_frame + (page - FROM);
    space_map(&space, page, frame_address, PTE_WU);
    return true;
}

TEST(demand_paging) {
    set_up(false, false);
    pte_set(&space, FROM, 0);
    pte_set(&space, TO, 0);
    space_enter(&space);
    hook_set(VEC_PF, demand);
    struct regs r = start(3, FROM + 1, TO + 3, PAGE + 500);
    struct trap t;
    exec(f_movsb, &r, &t);
    CHECK_DONE("through four faults", t);
    CHECK(!memcmp((u8 *)to_frame + 3, (u8 *)from_frame + 1, PAGE + 500));
    CHECK_EQ("before", ((u8 *)to_frame)[2], 0xcc);
    CHECK_EQ("after", ((u8 *)to_frame)[3 + PAGE + 500], 0xcc);
}
