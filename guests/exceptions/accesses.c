// Instructions with several memory accesses, with a page fault at each access in turn (PITFALLS 8): no register, no
// flag and not ESP may have changed, and after the page has come the instruction runs as if nothing had been.
#include "exec.h"
#include "paging.h"

// The page at HERE is there; the one before and the one behind it are missing.
enum { HERE = 0x50000000, PAGE = 4096, MISSING = 0x70000000 };

SNIPPET(m_push_mem, "", "pushl (%esi)")
SNIPPET(m_push16_mem, "", "pushw (%esi)")
SNIPPET(m_pop_mem, "", "popl (%esi)")
SNIPPET(m_pop_esp_mem, "", "popl 8(%esp)")
SNIPPET(m_pusha, "", "pusha")
SNIPPET(m_pusha16, "", "pushaw")
SNIPPET(m_popa, "", "popa")
SNIPPET(m_popa16, "", "popaw")
SNIPPET(m_enter, "", "enter $32, $0")
SNIPPET(m_enter4, "", "enter $8, $4")
SNIPPET(m_leave, "", "leave")
SNIPPET(m_pushf, "", "pushf")
SNIPPET(m_popf, "", "popf")
SNIPPET(m_push_imm, "", "push $5")
SNIPPET(m_push_reg, "", "push %eax")
SNIPPET(m_push_seg, "", "push %ds")
SNIPPET(m_pop_reg, "", "pop %eax")
SNIPPET(m_pop_seg, "", "pop %fs")
SNIPPET(m_push_run, "", "push %eax\n push $7\n mov %eax, %edx\n push %ebx\n push %ecx")
SNIPPET(m_push_call, "", "push %eax\n push %ebx\n call 1f\n 1:")
SNIPPET(m_pop_run, "", "pop %ebx\n xor %ecx, %ecx\n pop %edx\n pop %eax\n pop %edi")
SNIPPET(m_pop_ret, "", "pop %ebx\n pop %edx\n ret")
SNIPPET(m_les, "", "les (%esi), %eax")
SNIPPET(m_bound, "", "bound %eax, (%esi)")
SNIPPET(m_xlat, "mov %esi, %ebx\n xor %eax, %eax", "xlat")
SNIPPET(m_cmpxchg8b, "", "cmpxchg8b (%esi)")
SNIPPET(m_xadd, "", "xadd %eax, (%esi)")
SNIPPET(m_movs, "", "movsl")
SNIPPET(m_iret_user, "", "iret")
SNIPPET(m_sgdt, "", "sgdt (%esi)")
SNIPPET(m_lgdt, "", "lgdt (%esi)")

static struct space space;
static u32 frames;

static struct regs set_up(unsigned ring) {
    space = space_new(PAGING_32);
    space_identity(&space);
    frames = page_alloc(3);
    space_map(&space, HERE, frames + PAGE, PTE_WU);
    space_enter(&space);
    memset((void *)frames, 0x5a, 3 * PAGE);
    struct regs r = regs_for(ring);
    r.eax = 0xa1a1a1a1;
    r.ebx = 0xb2b2b2b2;
    r.ecx = 0xc3c3c3c3;
    r.edx = 0xd4d4d4d4;
    r.esi = (u32)user_buffer;
    r.edi = (u32)user_buffer + 64;
    r.ebp = (u32)user_buffer + 256;
    r.eflags |= FLAG_CF | FLAG_SF | FLAG_OF;
    return r;
}

// Runs, expects #PF at `address` with everything as before; then maps the pages and expects the end.
static struct trap faults(const char *name, const u8 *code, struct regs r, u32 address, bool write) {
    struct trap t;
    check_context(name);
    u32 user = (r.cs & 3) == 3 ? PF_U : 0;
    for (unsigned again = 0; again < 2; again++) {
        exec(code, &r, &t);
        CHECK_EQ("vector", t.vector, VEC_PF);
        CHECK_EQ("error", t.error, user | (write ? PF_W : 0));
        // Which of their many accesses these report is not laid down, only the page.
        bool many = code == m_pusha || code == m_pusha16 || code == m_popa || code == m_popa16 || code == m_enter;
        CHECK_EQ("CR2", many ? t.cr2 & ~0xfffu : t.cr2, many ? address & ~0xfffu : address);
        CHECK_EQ("eip", t.r.eip, (u32)code);
        CHECK_EQ("esp", t.r.esp, r.esp);
        if (under_qemu() && (code == m_popa || code == m_popa16))
            continue; // has popped some registers
        CHECK_EQ("eax", t.r.eax, r.eax);
        CHECK_EQ("ebx", t.r.ebx, r.ebx);
        CHECK_EQ("ecx", t.r.ecx, r.ecx);
        CHECK_EQ("edx", t.r.edx, r.edx);
        CHECK_EQ("esi", t.r.esi, r.esi);
        CHECK_EQ("edi", t.r.edi, r.edi);
        CHECK_EQ("ebp", t.r.ebp, r.ebp);
        CHECK_EQ("esp", t.r.esp, r.esp);
        CHECK_EQ("eflags", t.r.eflags & ~FLAG_RF, r.eflags);
    }
    space_map(&space, HERE - PAGE, frames, PTE_WU);
    space_map(&space, HERE + PAGE, frames + 2 * PAGE, PTE_WU);
    space_map(&space, MISSING, frames, PTE_WU);
    exec(code, &r, &t);
    CHECK_DONE(name, t);
    pte_set(&space, HERE - PAGE, 0);
    pte_set(&space, HERE + PAGE, 0);
    pte_set(&space, MISSING, 0);
    write_cr3(space.root);
    return t;
}

TEST(push) {
    struct regs r = set_up(3);
    r.esi = MISSING + 8;
    faults("source", m_push_mem, r, MISSING + 8, false);
    r = set_up(3);
    r.esp = HERE;
    faults("stack", m_push_mem, r, HERE - 4, true);
    r.esi = MISSING + 8; // both: the source comes first
    faults("both", m_push_mem, r, MISSING + 8, false);
    r = set_up(3);
    r.esp = HERE + 1; // the word lies in two pages
    if (!under_qemu())
        faults("stack, two pages", m_push16_mem, r, HERE - 1, true);
    r.esp = HERE;
    faults("immediate", m_push_imm, r, HERE - 4, true);
    faults("register", m_push_reg, r, HERE - 4, true);
    faults("segment", m_push_seg, r, HERE - 4, true);
    faults("flags", m_pushf, r, HERE - 4, true);
}

TEST(pop) {
    struct regs r = set_up(3);
    r.esp = HERE + PAGE;
    faults("register", m_pop_reg, r, HERE + PAGE, false);
    *(u32 *)(frames + 2 * PAGE) = SEL_UDATA;
    faults("segment", m_pop_seg, r, HERE + PAGE, false);
    *(u32 *)(frames + 2 * PAGE) = FLAG_CF;
    faults("flags", m_popf, r, HERE + PAGE, false);
    r = set_up(3);
    r.esi = MISSING + 16;
    faults("destination", m_pop_mem, r, MISSING + 16, true);
    r.esp = HERE + PAGE; // both: the stack is read first
    faults("both", m_pop_mem, r, HERE + PAGE, false);
    r = set_up(3);
    r.esp = HERE + PAGE - 12; // the destination, computed with the ESP after the pop, is in the next page
    faults("destination by ESP", m_pop_esp_mem, r, HERE + PAGE, true);
}

// A fault in the middle of a run of PUSH and POP: what stands before it has been done, ESP included.
static struct trap stops(const char *name, const u8 *code, struct regs r, u32 done, u32 esp, u32 address) {
    struct trap t;
    check_context(name);
    for (unsigned again = 0; again < 2; again++) {
        exec(code, &r, &t);
        CHECK_EQ("vector", t.vector, VEC_PF);
        CHECK_EQ("CR2", t.cr2, address);
        CHECK_EQ("eip", t.r.eip, (u32)code + done);
        CHECK_EQ("esp", t.r.esp, esp);
    }
    return t;
}

TEST(stack_runs) {
    struct regs r = set_up(3);
    u32 *here = (u32 *)(frames + PAGE);
    r.esp = HERE + 8;
    struct trap t = stops("push", m_push_run, r, 5, HERE, HERE - 4);
    CHECK_EQ("first", here[1], r.eax);
    CHECK_EQ("second", here[0], 7);
    CHECK_EQ("between", t.r.edx, r.eax);
    stops("push, call", m_push_call, r, 2, HERE, HERE - 4);
    CHECK_EQ("before the call", here[0], r.ebx);
    r.esp = HERE + PAGE - 8;
    here[1022] = 0x11111111;
    here[1023] = 0x22222222;
    t = stops("pop", m_pop_run, r, 4, HERE + PAGE, HERE + PAGE);
    CHECK_EQ("first", t.r.ebx, 0x11111111);
    CHECK_EQ("second", t.r.edx, 0x22222222);
    CHECK_EQ("between", t.r.ecx, 0);
    CHECK_EQ("not yet", t.r.eax, r.eax);
    t = stops("pop, ret", m_pop_ret, r, 2, HERE + PAGE, HERE + PAGE);
    CHECK_EQ("before the return", t.r.edx, 0x22222222);
    r.esp = HERE + PAGE;
    exec(m_push_run, &r, &t);
    CHECK_DONE("all of it", t);
    CHECK_EQ("esp", t.r.esp, HERE + PAGE - 16);
    CHECK_EQ("last", here[1020], r.ecx);
}

TEST(pusha_popa) {
    for (unsigned n = 0; n < 8; n++) { // n registers still fit
        struct regs r = set_up(3);
        r.esp = HERE + 4 * n;
        struct trap t = faults("pusha", m_pusha, r, HERE - 4, true);
        CHECK_EQ("esp", t.r.esp, r.esp - 32);
        r.esp = HERE + 2 * n;
        faults("pushaw", m_pusha16, r, HERE - 2, true);
        r = set_up(3);
        r.esp = HERE + PAGE - 4 * n;
        t = faults("popa", m_popa, r, HERE + PAGE, false);
        CHECK_EQ("esp", t.r.esp, r.esp + 32);
        CHECK_EQ("eax", t.r.eax, 0x5a5a5a5a);
        r.esp = HERE + PAGE - 2 * n;
        faults("popaw", m_popa16, r, HERE + PAGE, false);
    }
}

TEST(enter_leave) {
    struct regs r = set_up(3);
    r.esp = HERE;
    faults("first push", m_enter, r, HERE - 4, true);
    r.esp = HERE + 8;
    if (!under_qemu()) // the end of the new frame is probed as a write (SDM vol. 2, ENTER)
        faults("end of the frame", m_enter, r, HERE + 4 - 32, true);
    r = set_up(3);
    r.ebp = MISSING + 64;
    if (!under_qemu())
        faults("outer frame pointers", m_enter4, r, MISSING + 60, false);
    r = set_up(3);
    r.ebp = HERE + PAGE;
    struct trap t = faults("leave", m_leave, r, HERE + PAGE, false);
    CHECK_EQ("esp", t.r.esp, HERE + PAGE + 4);
    CHECK_EQ("ebp", t.r.ebp, 0x5a5a5a5a);
}

TEST(two_part_operands) {
    struct regs r = set_up(3);
    r.esi = HERE + PAGE - 4; // offset here, selector there
    memset((void *)(frames + 2 * PAGE), 0, 64);
    faults("les", m_les, r, HERE + PAGE, false);
    *(u32 *)(frames + 2 * PAGE) = 0x7fffffff;
    *(u32 *)(frames + 2 * PAGE - 4) = 0x80000000;
    faults("bound", m_bound, r, HERE + PAGE, false);
    r.ebx = 0xb2b2b2b2;
    faults("cmpxchg8b", m_cmpxchg8b, r, HERE + PAGE, !under_qemu());
    r.esi = HERE + PAGE - 2;
    faults("xadd", m_xadd, r, HERE + PAGE, !under_qemu());
    r = set_up(3);
    r.esi = MISSING;
    faults("movs source", m_movs, r, MISSING, false);
    r = set_up(3);
    r.edi = MISSING;
    faults("movs destination", m_movs, r, MISSING, true);
}

TEST(system_operands) {
    struct regs r = set_up(0);
    r.esi = HERE + PAGE - 2; // limit here, base there
    if (!under_qemu())
        faults("sgdt", m_sgdt, r, HERE + PAGE, true);
    u32 base = (u32)gdt;
    *(u16 *)(frames + 2 * PAGE - 2) = sizeof gdt - 1;
    memcpy((void *)(frames + 2 * PAGE), &base, 4);
    faults("lgdt", m_lgdt, r, HERE + PAGE, false);
}

SNIPPET(m_target, "", "nop")

TEST(iret_frame) { // each of the three, and the five, words of the frame may be missing
    for (u32 n = 0; n < 5; n++) {
        struct regs r = set_up(0);
        u32 frame[5] = {(u32)m_target, SEL_UCODE, FLAG_ONE, (u32)user_stack_top, SEL_UDATA};
        r.esp = HERE + PAGE - 4 * n;
        memcpy((void *)(frames + 2 * PAGE - 4 * n), frame, sizeof frame);
        struct trap t;
        exec(m_iret_user, &r, &t);
        CHECK_PF(t, 0, HERE + PAGE, m_iret_user);
        CHECK_EQ("cs", t.r.cs, SEL_KCODE);
        CHECK_EQ("esp", t.r.esp, r.esp);
        space_map(&space, HERE + PAGE, frames + 2 * PAGE, PTE_WU);
        exec(m_iret_user, &r, &t);
        CHECK_DONE("ring 3", t);
        CHECK_EQ("cs", t.r.cs, SEL_UCODE);
        CHECK_EQ("esp", t.r.esp, (u32)user_stack_top);
        exec_reset();
    }
}
