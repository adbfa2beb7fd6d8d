// Golden tests of the assembler: every emitter, read back by Capstone.
#include "tests/translator/disasm.h"
#include "translator/emit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define CODE_RX 0x10000000u

static uint8_t code[256];
static struct emitter e;

static void begin(void) {
    e = (struct emitter){.start = code, .cur = code, .end = code + sizeof code, .rx = CODE_RX};
}

static void expect(const char *text) {
    char got[512];
    assert_false(e.overflow);
    disasm(code, emit_offset(&e), CODE_RX, got, sizeof got);
    assert_string_equal(got, text);
    begin();
}

#define EMITS(call, text)                                                                                              \
    do {                                                                                                               \
        call;                                                                                                          \
        expect(text "\n");                                                                                             \
    } while (0)

static void test_moves(void **state) {
    (void)state;
    begin();
    struct host_mem m = mem_base(R15, -8), x = mem_index(R9, R8, 0, 0);
    EMITS(emit_mov_r32_r32(&e, RAX, R12), "mov eax, r12d");
    EMITS(emit_mov_r64_r64(&e, R9, RCX), "mov r9, rcx");
    EMITS(emit_mov_r16_r16(&e, R12, R10), "mov r12w, r10w");
    EMITS(emit_mov_r8_r8(&e, RAX, R10), "mov al, r10b");
    EMITS(emit_mov_r8_r8(&e, RSI, RDI), "mov sil, dil");
    EMITS(emit_mov_r32_imm32(&e, R8, 0x12345678), "mov r8d, 0x12345678");
    EMITS(emit_mov_r64_imm64(&e, R10, 0x123456789abcdef0), "movabs r10, 0x123456789abcdef0");
    EMITS(emit_movzx_r32_r16(&e, R8, R8), "movzx r8d, r8w");
    EMITS(emit_movzx_r32_r8(&e, R9, R9), "movzx r9d, r9b");
    EMITS(emit_movzx_r32_r8(&e, RAX, RSI), "movzx eax, sil");
    EMITS(emit_movsx_r32_r16(&e, R10, RBX), "movsx r10d, bx");
    EMITS(emit_mov_r64_m64(&e, R9, &m), "mov r9, qword ptr [r15 - 8]");
    EMITS(emit_mov_r32_m32(&e, R8, &x), "mov r8d, dword ptr [r9 + r8]");
    EMITS(emit_mov_r16_m16(&e, RAX, &x), "mov ax, word ptr [r9 + r8]");
    EMITS(emit_movzx_r32_m16(&e, R8, &x), "movzx r8d, word ptr [r9 + r8]");
    EMITS(emit_movzx_r32_m8(&e, R8, &x), "movzx r8d, byte ptr [r9 + r8]");
    EMITS(emit_mov_m64_r64(&e, &m, RAX), "mov qword ptr [r15 - 8], rax");
    EMITS(emit_mov_m32_r32(&e, &x, R10), "mov dword ptr [r9 + r8], r10d");
    EMITS(emit_mov_m16_r16(&e, &x, R10), "mov word ptr [r9 + r8], r10w");
    EMITS(emit_mov_m8_r8(&e, &x, RDI), "mov byte ptr [r9 + r8], dil");
    EMITS(emit_mov_m8_r8(&e, &m, RCX), "mov byte ptr [r15 - 8], cl");
    EMITS(emit_mov_m32_imm32(&e, &m, 0x11223344), "mov dword ptr [r15 - 8], 0x11223344");
    EMITS(emit_mov_m16_imm16(&e, &m, 0x1122), "mov word ptr [r15 - 8], 0x1122");
    EMITS(emit_mov_m8_imm8(&e, &m, 0x11), "mov byte ptr [r15 - 8], 0x11");
    EMITS(emit_lea_r32_disp(&e, R11, R8, -0x123), "lea r11d, [r8 - 0x123]");
    EMITS(emit_lea_r64_m(&e, R9, &x), "lea r9, [r9 + r8]");
    EMITS(emit_xchg_r32_r32(&e, R8, RCX), "xchg ecx, r8d");
    EMITS(emit_xchg_r64_r64(&e, R10, RCX), "xchg rcx, r10");
    EMITS(emit_xchg_low_high(&e, RBX), "xchg bl, bh");
}

// Every shape of a memory operand that has an encoding of its own.
static void test_memory(void **state) {
    (void)state;
    begin();
    struct host_mem m = {.base = HOST_NONE, .index = HOST_NONE, .disp = 0x11223344, .window = true};
    EMITS(emit_mov_r32_m32(&e, RAX, &m), "mov eax, dword ptr gs:[0x11223344]");
    m = (struct host_mem){.base = R12, .index = HOST_NONE, .window = true};
    EMITS(emit_mov_r32_m32(&e, RAX, &m), "mov eax, dword ptr gs:[r12d]");
    m = (struct host_mem){.base = RBP, .index = HOST_NONE, .window = true};
    EMITS(emit_mov_r32_m32(&e, RAX, &m), "mov eax, dword ptr gs:[ebp]");
    m = (struct host_mem){.base = R13, .index = R9, .scale = 3};
    EMITS(emit_mov_r64_m64(&e, R9, &m), "mov r9, qword ptr [r13 + r9*8]");
    m = (struct host_mem){.base = HOST_NONE, .index = RSI, .scale = 2, .disp = -4, .window = true};
    EMITS(emit_mov_m32_r32(&e, &m, RDX), "mov dword ptr gs:[esi*4 - 4], edx");
    m = (struct host_mem){.base = RSP, .index = HOST_NONE, .disp = 8};
    EMITS(emit_lea_r64_m(&e, RAX, &m), "lea rax, [rsp + 8]");
    m = (struct host_mem){.base = RBX, .index = RDI, .scale = 1, .disp = 0x80, .addr32 = true};
    EMITS(emit_lea_r32_m(&e, RAX, &m), "lea eax, [ebx + edi*2 + 0x80]");
}

static void test_neutral_arithmetic(void **state) {
    (void)state;
    begin();
    EMITS(emit_not_r32(&e, R10), "not r10d");
    EMITS(emit_not_r64(&e, RCX), "not rcx");
    EMITS(emit_shrx_r32(&e, R9, R8, R15), "shrx r9d, r8d, r15d");
    EMITS(emit_shrx_r64(&e, R9, R8, R15), "shrx r9, r8, r15");
    EMITS(emit_shlx_r32(&e, RAX, RCX, RDX), "shlx eax, ecx, edx");
    EMITS(emit_sarx_r32(&e, R10, R12, R9), "sarx r10d, r12d, r9d");
    EMITS(emit_rorx_r32(&e, R10, RAX, 8), "rorx r10d, eax, 8");
    EMITS(emit_pext_r32(&e, R10, R12, R9), "pext r10d, r12d, r9d");
    EMITS(emit_pdep_r32(&e, RAX, RCX, R9), "pdep eax, ecx, r9d");
    EMITS(emit_bswap_r32(&e, R10), "bswap r10d");
    EMITS(emit_lahf(&e), "lahf");
    EMITS(emit_setcc_r8(&e, CC_O, R10), "seto r10b");
    EMITS(emit_setcc_r8(&e, CC_B, RAX), "setb al");
    EMITS(emit_cmovcc_r32_r32(&e, CC_Z, R8, RAX), "cmove r8d, eax");
}

static void test_clobbering_arithmetic(void **state) {
    (void)state;
    begin();
    struct host_mem m = mem_base(R15, 0x10);
    EMITS(emit_alu_r32_r32_clobbers_flags(&e, ALU_ADD, R12, RAX), "add r12d, eax");
    EMITS(emit_alu_r32_imm_clobbers_flags(&e, ALU_AND, R10, -16), "and r10d, 0xfffffff0");
    EMITS(emit_alu_r32_imm_clobbers_flags(&e, ALU_CMP, RAX, 0x12345), "cmp eax, 0x12345");
    EMITS(emit_alu_r32_m32_clobbers_flags(&e, ALU_OR, RAX, &m), "or eax, dword ptr [r15 + 0x10]");
    EMITS(emit_alu_m32_imm_clobbers_flags(&e, ALU_XOR, &m, 1), "xor dword ptr [r15 + 0x10], 1");
    EMITS(emit_test_r32_r32_clobbers_flags(&e, R10, R10), "test r10d, r10d");
    EMITS(emit_test_r32_imm_clobbers_flags(&e, R10, 0x200), "test r10d, 0x200");
    EMITS(emit_test_m8_imm_clobbers_flags(&e, &m, 1), "test byte ptr [r15 + 0x10], 1");
    EMITS(emit_bt_r32_imm_clobbers_flags(&e, R10, 9), "bt r10d, 9");
    EMITS(emit_sahf_clobbers_flags(&e), "sahf");
    EMITS(emit_popfq_clobbers_flags(&e), "popfq");
    EMITS(emit_pushfq(&e), "pushfq");
}

static void test_control(void **state) {
    (void)state;
    begin();
    EMITS(emit_jmp_address(&e, 0x10001000), "jmp 0x10001000");
    EMITS(emit_call_address(&e, 0x0ffff000), "call 0xffff000");
    EMITS(emit_jmp_r64(&e, R9), "jmp r9");
    EMITS(emit_cld(&e), "cld");
    EMITS(emit_std(&e), "std");
    EMITS(emit_nop(&e, 1), "nop");

    struct host_label labels[] = {emit_jmp_rel8(&e),       emit_jcc_rel8(&e, CC_NZ), emit_jrcxz(&e),
                                  emit_jecxz(&e),          emit_loop_ecx(&e, 0xe2),  emit_jmp_rel32(&e),
                                  emit_jcc_rel32(&e, CC_G)};
    for (unsigned i = 0; i < sizeof labels / sizeof *labels; i++)
        emit_here(&e, labels[i]);
    expect("jmp 0x10000017\njne 0x10000017\njrcxz 0x10000017\njecxz 0x10000017\nloop 0x10000017\njmp 0x10000017\n"
           "jg 0x10000017\n");
}

static void test_overflow_is_noticed(void **state) {
    (void)state;
    e = (struct emitter){.start = code, .cur = code, .end = code + 4, .rx = CODE_RX};
    emit_mov_r32_imm32(&e, RAX, 1);
    assert_true(e.overflow);
    assert_true(e.cur <= e.end);

    begin();
    struct host_label label = emit_jrcxz(&e);
    emit_nop(&e, 200); // a short jump cannot reach over this
    emit_here(&e, label);
    assert_true(e.overflow);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_moves),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_neutral_arithmetic),
        cmocka_unit_test(test_clobbering_arithmetic),
        cmocka_unit_test(test_control),
        cmocka_unit_test(test_overflow_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
