// Near transfers: direct, through registers and memory, with 16-bit operand size, at every kind of target.
#include "exec.h"

SNIPPET(n_call, "mov $1, %eax\n call 1f\n jmp 2f\n 1: or $2, %eax\n ret\n 2:", "nop")
SNIPPET(n_call_register, "mov $1f, %ebx\n call *%ebx\n jmp 2f\n 1: or $2, %eax\n ret\n 2:", "nop")
SNIPPET(n_call_memory, "movl $1f, 8(%esi)\n call *8(%esi)\n jmp 2f\n 1: or $2, %eax\n ret\n 2:", "nop")
SNIPPET(n_call_table,
        "movl $1f, 8(%esi)\n mov $2, %ecx\n call *(%esi,%ecx,4)\n jmp 2f\n 1: or $2, %eax\n ret\n 2:", "nop")
SNIPPET(n_call_esp, "push $1f\n call *(%esp)\n jmp 2f\n 1: or $2, %eax\n ret\n 2: pop %edx", "nop")
SNIPPET(n_call_esp_offset,
        "push $1f\n push $7\n call *4(%esp)\n jmp 2f\n 1: or $2, %eax\n ret\n 2: pop %edx\n pop %edx", "nop")
SNIPPET(n_ret_n, "push $5\n push $6\n call 1f\n jmp 2f\n 1: mov 4(%esp), %eax\n ret $8\n 2:", "nop")
SNIPPET(n_jmp_register, "mov $1f, %edi\n or $2, %eax\n jmp *%edi\n or $4, %eax\n 1:", "nop")
SNIPPET(n_jmp_memory, "movl $1f, (%esi)\n or $2, %eax\n jmp *(%esi)\n or $4, %eax\n 1:", "nop")
SNIPPET(n_ret_as_jump, "push $1f\n or $2, %eax\n ret\n or $4, %eax\n 1:", "nop")
SNIPPET(n_backward, "jmp 2f\n 1: or $2, %eax\n jmp 3f\n 2: jmp 1b\n 3:", "nop")
SNIPPET(n_into_middle, "jmp 1f + 1\n 1: .byte 0xb8\n or $2, %al\n nop\n", "nop") // skips the B8h of a MOV EAX, imm32
SNIPPET(n_overlap,
        "mov $0x0a, %ecx\n 1: .byte 0xb8, 0x0c, 0x02, 0x90, 0x90\n dec %ecx\n jz 2f\n cmp $1, %ecx\n jne 1b\n jmp 1b + "
        "1\n 2: and $2, %eax",
        "nop")

static void run_all(const u8 *code, const char *name) {
    check_context(name);
    for (unsigned ring = 0; ring <= 3; ring += 3)
        for (unsigned again = 0; again < 3; again++) { // the first run translates, later ones go through links
            struct regs r = regs_for(ring);
            struct trap t;
            r.esi = (u32)user_buffer;
            exec(code, &r, &t);
            CHECK_DONE(name, t);
            CHECK_EQ("esp", t.r.esp, r.esp);
            CHECK_EQ("way taken", t.r.eax & 6, code == n_ret_n ? 6 & t.r.eax : 2);
        }
}
#define RUN(s) run_all(s, #s)

TEST(near_transfers) {
    RUN(n_call);
    RUN(n_call_register);
    RUN(n_call_memory);
    RUN(n_call_table);
    RUN(n_call_esp);
    RUN(n_call_esp_offset);
    RUN(n_jmp_register);
    RUN(n_jmp_memory);
    RUN(n_ret_as_jump);
    RUN(n_backward);
    RUN(n_into_middle);
    RUN(n_overlap);
}

TEST(ret_n) {
    struct trap t = exec_ring(n_ret_n, 3);
    CHECK_DONE("ret 8", t);
    CHECK_EQ("eax", t.r.eax, 6);
    CHECK_EQ("esp", t.r.esp, (u32)user_stack_top);
}

// 16-bit operand size: EIP is cut to 16 bits, 2 bytes go to the stack. The code lies in the first 64 KiB.
SNIPPET(w_call, ".byte 0x66, 0xe8, 2, 0", "jmp 1f\n nop\n .byte 0x66, 0xc3\n nop\n 1:")
static const u8 w_code[] = {
    0x66, 0xe8, 0x05, 0x00, // 00 call w 09
    0xb1, 0x11,             // 04 mov cl, 11h
    0xcd, 0x81,             // 06 int 81h
    0x90,                   // 08
    0x89, 0xe3,             // 09 mov ebx, esp
    0x0f, 0xb7, 0x04, 0x24, // 0b movzx eax, word [esp]
    0x66, 0xc3,             // 0f ret w
};
static const u8 w_ret_n[] = {
    0x66, 0x68, 0x12, 0x34, // 00 push w 3412h
    0x66, 0xe8, 0x02, 0x00, // 04 call w 0a
    0xcd, 0x81,             // 08 int 81h
    0x66, 0xc2, 0x02, 0x00, // 0a ret w 2
};
static const u8 w_jump[] = {
    0x66, 0xe9, 0x02, 0x00,       // 00 jmp w 06
    0xcd, 0x81,                   // 04
    0xb9, 0x0e, 0x70, 0x01, 0x00, // 06 mov ecx, 1700eh: the upper half is not looked at
    0x66, 0xff, 0xe1,             // 0b jmp cx
    0x90, 0x90,
};

static u8 *place_low(const u8 *code, size_t size) {
    u8 *at = (u8 *)0x7000;
    memcpy(at, code, size);
    at[size] = 0xcd;
    at[size + 1] = EXEC_DONE;
    return at;
}

TEST(operand_size_16) {
    struct regs r = regs_for(0);
    struct trap t;
    u8 *at = place_low(w_code, sizeof w_code);
    exec(at, &r, &t);
    CHECK_DONE("call w", t);
    CHECK_EQ("pushed IP", t.r.eax, 0x7004);
    CHECK_EQ("inside", t.r.ebx, r.esp - 2);
    CHECK_EQ("came back", t.r.ecx, 0x11);
    CHECK_EQ("esp", t.r.esp, r.esp);
    at = place_low(w_ret_n, sizeof w_ret_n);
    exec(at, &r, &t);
    CHECK_DONE("ret w 2", t);
    CHECK_EQ("esp", t.r.esp, r.esp);
    CHECK_EQ("eip", t.r.eip, 0x700a);
    at = place_low(w_jump, sizeof w_jump);
    exec(at, &r, &t);
    CHECK_DONE("jmp cx", t);
    CHECK_EQ("eip", t.r.eip, 0x7012);
}

TEST(operand_size_16_cuts_eip) { // from above 64 KiB the target falls into the first 64 KiB
    (void)w_call;
    static const u8 code[] = {0x66, 0xe9, 0x00, 0x00};
    static const u8 landing[] = {0xb0, 0x77, 0xcd, EXEC_DONE};
    u8 *high = (u8 *)0x90000;
    u32 target = ((u32)high + 4 + 0x100) & 0xffff;
    u8 save[sizeof landing];
    memcpy(high, code, sizeof code);
    high[2] = 0x00;
    high[3] = 0x01;
    memcpy(save, (void *)target, sizeof save);
    memcpy((void *)target, landing, sizeof landing);
    struct trap t = exec_ring(high, 0);
    CHECK_DONE("jmp w", t);
    CHECK_EQ("eip", t.r.eip, target + 4);
    CHECK_EQ("al", t.r.eax, 0x77);
    memcpy((void *)target, save, sizeof save);
}

static int classify(u32 v) { // a jump table
    switch (v) {
    case 0: return 11;
    case 1: return 27;
    case 2: return 5;
    case 3: return 99;
    case 4: return 1;
    case 5: return 66;
    case 6: return 42;
    case 7: return 8;
    default: return -1;
    }
}
static int (*volatile through_pointer)(u32) = classify;

TEST(jump_table) {
    static const int expected[] = {11, 27, 5, 99, 1, 66, 42, 8, -1};
    u32 sum = 0;
    for (u32 i = 0; i < 9000; i++) {
        int got = through_pointer(i % 9);
        if (got != expected[i % 9]) {
            CHECK_EQ("case", got, expected[i % 9]);
            break;
        }
        sum += (u32)got;
    }
    CHECK_EQ("sum", sum, 258 * 1000);
}
