// The stacks of transfers between rings: limits, expand-down and 16-bit stacks, page faults, TSSs that are too short or
// 16 bits wide, the order of the checks. Intel SDM vol. 2, CALL and RET; vol. 3A 5.8.5 and 5.8.6. Inner code is ring
// 1's, so that the handlers have a stack of their own.
#include "exec.h"
#include "paging.h"

enum { GATE = SEL_FREE, CODE1 = SEL_FREE + 16, STACK1 = SEL_FREE + 24, SPARE = SEL_FREE + 32, SPARE2 = SEL_FREE + 40 };

SNIPPET(k_call, "push $0x33\n push $0x22\n push $0x11", "lcall $0x43, $0")
SNIPPET(k_call0, "", "lcall $0x43, $0")
SNIPPET(k_inner, "nop", "nop")
SNIPPET(k_pop, "mov (%esp), %ebx\n mov 8(%esp), %ecx\n mov 16(%esp), %edx", "lret $12")

static void stack1(u32 base, u32 limit, u8 access, u8 flags, u32 esp) {
    gdt_set(STACK1, base, limit, (u8)(access | dpl(1)), flags);
    tss.ss1 = STACK1 | 1;
    tss.esp1 = esp;
}

static void set_up(u8 type, u8 parameters, const void *code) {
    segments_reset();
    gdt_set(CODE1, 0, 0xfffff, SEG_CODE | dpl(1), SEG_G | SEG_D);
    gdt[GATE >> 3] = gate(CODE1, (u32)code, type | SEG_DPL3, parameters);
    stack1(0, 0xfffff, SEG_DATA, SEG_G | SEG_D, (u32)user_buffer + 1024);
}

static struct trap run(const u8 *code) {
    return exec_ring(code, 3);
}

TEST(inner_limit) { // seven doublewords: #SS with the new selector when the last does not fit
    if (under_qemu())
        return;
    for (u32 room = 20; room <= 32; room += 4) {
        set_up(GATE_CALL, 3, k_inner);
        stack1((u32)user_buffer, 4095, SEG_DATA, SEG_D, room); // below 0 comes FFFFFFFCh
        struct trap t = run(k_call);
        if (room < 28) {
            CHECK_TRAP(t, VEC_SS, STACK1, k_call_at);
            CHECK_EQ("ring", t.r.cs, SEL_UCODE);
        } else {
            CHECK_DONE("fits", t);
            CHECK_EQ("esp", t.r.esp, room - 28);
        }
        set_up(GATE_CALL, 3, k_inner);
        stack1((u32)user_buffer, 4095, SEG_DATA, SEG_D, 4096 + 28 - room); // above the limit
        t = run(k_call);
        if (room < 28)
            CHECK_TRAP(t, VEC_SS, STACK1, k_call_at);
        else
            CHECK_DONE("below the limit", t);
    }
}

TEST(inner_expand_down) { // valid above the limit
    if (under_qemu())
        return;
    for (u32 room = 24; room <= 32; room += 4) {
        set_up(GATE_CALL, 3, k_inner);
        stack1((u32)user_buffer - 0x1000, 0xfff, SEG_DATA_DOWN, SEG_D, 0x1000 + room);
        struct trap t = run(k_call);
        if (room < 28) {
            CHECK_TRAP(t, VEC_SS, STACK1, k_call_at);
            continue;
        }
        CHECK_DONE("fits", t);
        CHECK_EQ("return EIP", *(u32 *)(user_buffer + room - 28), (u32)k_call_end);
        CHECK_EQ("first parameter", *(u32 *)(user_buffer + room - 20), 0x11);
    }
}

TEST(inner_16_bit_stack) { // SP alone counts; the upper half of ESP comes from the TSS
    set_up(GATE_CALL, 3, k_inner);
    stack1((u32)user_buffer, 0xfff, SEG_DATA, 0, 0x12340100);
    struct trap t = run(k_call);
    CHECK_DONE("in ring 1", t);
    CHECK_EQ("sp", t.r.esp & 0xffff, 0x100 - 28);
    CHECK_EQ("return EIP", *(u32 *)(user_buffer + 0x100 - 28), (u32)k_call_end);
    // It wraps: 16 bits from 0 down to FFF0h.
    set_up(GATE_CALL, 0, k_inner);
    stack1(0x10000, 0xffff, SEG_DATA, 0, 8);
    t = run(k_call0);
    CHECK_DONE("wrapped", t);
    CHECK_EQ("sp", t.r.esp & 0xffff, 0xfff8);
    CHECK_EQ("outer SS", *(u16 *)0x10004, SEL_UDATA);
    CHECK_EQ("return EIP", *(u32 *)0x1fff8, (u32)k_call0_end);
}

TEST(outer_limit) { // parameters are read through the outer stack's limit: #SS(0)
    if (under_qemu())
        return;
    for (u32 esp = 4096 - 16; esp <= 4096 - 4; esp += 4) {
        set_up(GATE_CALL, 3, k_inner);
        gdt_set(SPARE, (u32)user_buffer, 4095, SEG_DATA | SEG_DPL3, SEG_D);
        struct regs r = regs_for(3);
        struct trap t;
        r.ss = SPARE | 3;
        r.esp = esp;
        exec(k_call0, &r, &t);
        if (esp <= 4096 - 12)
            CHECK_DONE("inside", t);
        else
            CHECK_TRAP(t, VEC_SS, 0, k_call0);
    }
}

SNIPPET(k_there, "", "nop")
SNIPPET(k_direct, "", "lcall $0x73, $0x100")
SNIPPET(k_direct0, "", "lcall $0x73, $0")

TEST(direct_call_limit) { // without a change of stacks: #SS(0), before EIP is looked at
    if (under_qemu())
        return;
    set_up(GATE_CALL, 0, k_inner);
    gdt_set(SPARE, (u32)user_buffer, 4095, SEG_DATA | SEG_DPL3, SEG_D);
    gdt_set(SPARE + 16, (u32)k_there, 0xff, SEG_CODE | SEG_DPL3, SEG_D); // selector 70h
    struct regs r = regs_for(3);
    struct trap t;
    r.ss = SPARE | 3;
    r.esp = 4;
    exec(k_direct0, &r, &t);
    CHECK_TRAP(t, VEC_SS, 0, k_direct0);
    CHECK_EQ("esp", t.r.esp, 4);
    exec(k_direct, &r, &t);
    CHECK_TRAP(t, VEC_SS, 0, k_direct);
    r.esp = 8;
    exec(k_direct, &r, &t);
    CHECK_TRAP(t, VEC_GP, 0, k_direct);
    exec(k_direct0, &r, &t);
    CHECK_EQ("vector", t.vector, EXEC_DONE);
    CHECK_EQ("esp", t.r.esp, 0);
}

TEST(order_in_a_gate) { // stack segment, room, then EIP
    if (under_qemu())
        return;
    set_up(GATE_CALL, 0, k_inner);
    gdt_set(CODE1, 0, 0xfff, SEG_CODE | dpl(1), SEG_D);
    struct trap t = run(k_call0);
    CHECK_TRAP(t, VEC_GP, 0, k_call0);
    stack1((u32)user_buffer, 4095, SEG_DATA, SEG_D, 8);
    t = run(k_call0);
    CHECK_TRAP(t, VEC_SS, STACK1, k_call0);
    tss.ss1 = 0;
    t = run(k_call0);
    CHECK_TRAP(t, VEC_TS, 0, k_call0);
}

TEST(tss_too_short) { // SS1 ends at byte 17 of a 32-bit TSS, at byte 9 of a 16-bit one
    set_up(GATE_CALL, 0, k_inner);
    gdt_set(SPARE, (u32)&tss, 16, SYS_TSS, 0);
    __asm__ volatile("ltr %w0" ::"r"(SPARE));
    struct regs r = regs_for(3);
    struct trap t;
    // Handlers need ring 0's stack at bytes 4 to 9, which is there.
    exec(k_call0, &r, &t);
    CHECK_TRAP(t, VEC_TS, SPARE, k_call0);
    gdt_set(SPARE2, (u32)&tss, under_qemu() ? 19 : 17, SYS_TSS, 0); // it wants the unused half of SS1 too
    __asm__ volatile("ltr %w0" ::"r"(SPARE2));
    exec(k_call0, &r, &t);
    CHECK_DONE("just long enough", t);
}

TEST(tss_16) { // stacks from a 16-bit TSS
    static u16 tss16[22];
    set_up(GATE_CALL, 3, k_inner);
    memset(tss16, 0, sizeof tss16);
    gdt_set(SPARE, 0x8000, 0xffff, SEG_DATA, SEG_D); // ring 0's stack, for the handlers
    tss16[1] = 0x7000;                               // SP0
    tss16[2] = SEL_KDATA;
    tss16[3] = 0x400; // SP1
    tss16[4] = STACK1 | 1;
    stack1((u32)user_buffer, 0xfff, SEG_DATA, SEG_D, 0);
    gdt_set(SPARE2, (u32)tss16, 9, 0x81, 0);
    __asm__ volatile("ltr %w0" ::"r"(SPARE2));
    struct trap t = run(k_call);
    CHECK_DONE("in ring 1", t);
    CHECK_EQ("esp", t.r.esp, 0x400 - 28);
    CHECK_EQ("handler's stack", t.inner, true);
    gdt_set(SPARE2, (u32)tss16, 8, 0x81, 0);
    __asm__ volatile("ltr %w0" ::"r"(SPARE2));
    t = run(k_call);
    CHECK_TRAP(t, VEC_TS, SPARE2, k_call_at);
}

TEST(page_faults_of_the_inner_stack) { // ring 1 writes as a supervisor; nothing has changed
    struct space s = space_new(PAGING_32);
    space_identity(&s);
    u32 page = 0x50001000;
    space_map(&s, page, page_alloc(1), PTE_WS);
    space_enter(&s);
    for (u32 room = 4; room <= 28; room += 4) {
        set_up(GATE_CALL, 3, k_inner);
        tss.esp1 = page + room;
        struct trap t = run(k_call);
        if (room == 28) {
            CHECK_DONE("fits", t);
            break;
        }
        CHECK_PF(t, PF_W, page - 4, k_call_at);
        CHECK_EQ("esp", t.r.esp, (u32)user_stack_top - 12);
        CHECK_EQ("ss", t.r.ss, SEL_UDATA);
    }
}

TEST(there_and_back) { // ring 3 to 1 and back, ring 1 code with parameters
    set_up(GATE_CALL, 3, k_pop);
    gdt_set(CODE1, 0, 0xfffff, SEG_CODE | dpl(1), SEG_G | SEG_D);
    for (unsigned i = 0; i < 3; i++) {
        struct trap t = run(k_call);
        CHECK_DONE("back", t);
        CHECK_EQ("return EIP", t.r.ebx, (u32)k_call_end);
        CHECK_EQ("first", t.r.ecx, 0x11);
        CHECK_EQ("third", t.r.edx, 0x33);
        CHECK_EQ("esp", t.r.esp, (u32)user_stack_top);
        CHECK_EQ("ds of ring 3 stays", t.r.ds, SEL_UDATA);
    }
}

SNIPPET(k_through_ldt, "", "lcall $7, $0")

TEST(gate_in_an_ldt) {
    set_up(GATE_CALL, 0, k_inner);
    u64 *ldt = (u64 *)(user_buffer + 2048);
    ldt[0] = gdt[GATE >> 3];
    gdt_set(SPARE, (u32)ldt, 7, SYS_LDT, 0);
    __asm__ volatile("lldt %w0" ::"r"(SPARE));
    struct trap t = run(k_through_ldt);
    CHECK_DONE("in ring 1", t);
    CHECK_EQ("cs", t.r.cs, CODE1 | 1);
}

// ---- Returns ----

SNIPPET(k_ret, "", "lret")
SNIPPET(k_iret, "", "iret")

TEST(return_frame_and_limit) { // the outer half of the frame beyond the inner stack's limit: #SS(0)
    if (under_qemu())
        return;
    for (unsigned kind = 0; kind < 2; kind++) {
        u32 whole = kind ? 20 : 16;
        for (u32 missing = 0; missing <= whole; missing += 4) {
            set_up(GATE_CALL, 0, k_inner);
            stack1((u32)user_buffer, 255, SEG_DATA, SEG_D, 0);
            struct regs r = regs_for(3);
            struct trap t;
            u32 at = 256 - whole + missing;
            memset(user_buffer, 0, 512);
            u32 *frame = (u32 *)(user_buffer + at);
            u32 *f = frame;
            *f++ = (u32)k_there;
            *f++ = SEL_UCODE;
            if (kind)
                *f++ = FLAG_ONE;
            *f++ = (u32)user_stack_top;
            *f++ = SEL_UDATA;
            r.cs = CODE1 | 1;
            r.ss = STACK1 | 1;
            r.ds = r.es = SEL_UDATA;
            r.esp = at;
            exec(kind ? k_iret : k_ret, &r, &t);
            if (missing) {
                CHECK_TRAP(t, VEC_SS, 0, kind ? k_iret : k_ret);
                CHECK_EQ("esp", t.r.esp, at);
                CHECK_EQ("cs", t.r.cs, CODE1 | 1);
            } else {
                CHECK_DONE("returned", t);
                CHECK_EQ("esp", t.r.esp, (u32)user_stack_top);
            }
        }
    }
}

SNIPPET(k_ret16, "push %ecx\n push %edx\n push %ebx\n push %eax", "lret")

TEST(return_to_a_16_bit_stack) { // the upper half of ESP stays that of the inner ring
    gdt_set(SPARE, (u32)user_buffer, 0xfff, SEG_DATA | SEG_DPL3, 0);
    struct regs r = regs_for(0);
    struct trap t;
    r.ecx = SPARE | 3;
    r.edx = 0x56780400;
    r.ebx = SEL_UCODE;
    r.eax = (u32)k_there;
    exec(k_ret16, &r, &t);
    CHECK_DONE("returned", t);
    CHECK_EQ("sp", t.r.esp & 0xffff, 0x400);
}

TEST(return_to_conforming_code) { // DPL at or below the RPL of CS, which is the new ring
    for (unsigned d = 0; d < 4; d++) {
        gdt_set(SPARE, 0, 0xfffff, SEG_CODE_CONFORM | dpl(d), SEG_G | SEG_D);
        struct regs r = regs_for(0);
        struct trap t;
        r.ecx = SEL_UDATA;
        r.edx = (u32)user_stack_top;
        r.ebx = SPARE | 3;
        r.eax = (u32)k_there;
        exec(k_ret16, &r, &t);
        CHECK_DONE("returned", t);
        CHECK_EQ("cs", t.r.cs, SPARE | 3);
        gdt_set(SPARE2, 0, 0xfffff, SEG_DATA | dpl(1), SEG_G | SEG_D);
        r.ecx = SPARE2 | 1; // to ring 1
        r.ebx = SPARE | 1;
        exec(k_ret16, &r, &t);
        if (d > 1)
            CHECK_TRAP(t, VEC_GP, SPARE, k_ret16_at);
        else
            CHECK_DONE("ring 1", t);
    }
}

static void data_after_return(unsigned ring, u16 selector, bool kept) {
    struct regs r = regs_for(0);
    struct trap t;
    r.ecx = ring == 3 ? SEL_UDATA : (u32)(SPARE2 | ring);
    r.edx = (u32)user_stack_top;
    r.ebx = ring == 3 ? SEL_UCODE : (u32)(CODE1 | ring);
    r.eax = (u32)k_there;
    r.es = r.fs = r.gs = selector;
    exec(k_ret16, &r, &t);
    CHECK_DONE("returned", t);
    CHECK_EQ("es", t.r.es, kept ? selector : 0);
    CHECK_EQ("fs", t.r.fs, kept ? selector : 0);
    CHECK_EQ("gs", t.r.gs, kept ? selector : 0);
}

TEST(data_segments_after_a_return) { // each kind and DPL, to rings 1 and 3; the RPL does not count
    for (unsigned d = 0; d < 4; d++)
        for (unsigned kind = 0; kind < 3; kind++)
            for (unsigned ring = 1; ring <= 3; ring += 2) {
                static const u8 kinds[] = {SEG_DATA_RO, SEG_CODE, SEG_CODE_CONFORM};
                gdt_set(CODE1, 0, 0xfffff, SEG_CODE | dpl(1), SEG_G | SEG_D);
                gdt_set(SPARE2, 0, 0xfffff, SEG_DATA | dpl(1), SEG_G | SEG_D);
                gdt_set(SPARE, 0, 0xfffff, kinds[kind] | dpl(d), SEG_G | SEG_D);
                data_after_return(ring, SPARE, kind == 2 || d >= ring);
                data_after_return(ring, SPARE | 1 * (d > 0), kind == 2 || d >= ring);
            }
    if (!under_qemu())
        data_after_return(3, 2, true); // a null selector keeps its RPL
}
