// Golden and structural tests of whole blocks: frame, forms of an operand, transfers, ends, marks.
#include "tests/translator/disasm.h"
#include "translator/translator.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define CODE_RX        0x10010000u
#define STUB_AT        0x10000000u // stub n at STUB_AT + 0x100 * n
#define FLAT           (MODE_CODE32 | MODE_STACK32)
#define SOFT           (FLAT | MODE_SOFT)
#define SEG(seg, kind) ((uint32_t)(kind) << (MODE_SEG_SHIFT + 2 * (seg)))
enum { ES, CS, SS, DS, FS, GS };

static uint8_t page[4096], next_page[4096], code[TRANSLATE_MAX_HOST];
static struct translate_input in;
static struct translate_output out;
static struct error err;

// The page holds HLT but for the bytes given.
static enum translate_status translate(uint32_t mode, uint32_t offset, const char *bytes, size_t size) {
    memset(page, 0xf4, sizeof page);
    memset(next_page, 0xf4, sizeof next_page);
    for (size_t i = 0; i < size; i++)
        *(offset + i < 4096 ? &page[offset + i] : &next_page[offset + i - 4096]) = (uint8_t)bytes[i];
    in.page = page;
    in.offset = offset;
    in.mode = mode;
    in.code_rw = code;
    in.code_rx = CODE_RX;
    in.capacity = sizeof code;
    for (unsigned i = 0; i < STUB_COUNT; i++)
        in.stub[i] = STUB_AT + 0x100 * i;
    return translate_block(&in, &out, &err);
}

#define TRANSLATE(mode, offset, bytes) translate(mode, offset, bytes, sizeof bytes - 1)

static int setup(void **state) {
    (void)state;
    memset(&in, 0, sizeof in);
    return 0;
}

static const char *listing(uint32_t from, uint32_t to) {
    static char text[16384];
    disasm(code + from, to - from, CODE_RX + from, text, sizeof text);
    return text;
}

// The code behind the link entry must begin with this text.
static void expect_body(const char *text) {
    const char *got = listing(out.link_entry, out.host_size);
    if (strncmp(got, text, strlen(text)) != 0)
        assert_string_equal(got, text);
}

#define BODY(mode, bytes, text)                                                                                        \
    do {                                                                                                               \
        assert_int_equal(TRANSLATE(mode, 0x100, bytes), TRANSLATE_OK);                                                 \
        expect_body(text);                                                                                             \
    } while (0)

// ---- Frame ---------------------------------------------------------------------------------------------------------

static void test_frame(void **state) {
    (void)state;
    assert_int_equal(TRANSLATE(FLAT, 0x123, "\xeb\xfe"), TRANSLATE_OK); // jmp to itself
    assert_string_equal(listing(0, out.link_entry), "lea r11d, [r8 - 0x123]\n");
    assert_int_equal(out.guest_size, 2);
    assert_int_equal(out.exit_count, 1);
    assert_int_equal(out.exits[0].target, 0x123);
    assert_true(out.host_size >= out.link_entry + 5u);
    assert_int_equal(TRANSLATE(FLAT, 0, "\xeb\xfe"), TRANSLATE_OK);
    assert_string_equal(listing(0, out.link_entry), "lea r11d, [r8]\n");
}

static void test_exit_and_cold_path(void **state) {
    (void)state;
    assert_int_equal(TRANSLATE(SOFT, 0x100, "\x74\x10"), TRANSLATE_OK); // jz
    assert_int_equal(out.exit_count, 2);
    for (unsigned i = 0; i < 2; i++) {
        const struct block_exit *x = &out.exits[i];
        char want[128];
        int32_t rel;
        memcpy(&rel, code + x->site, 4);
        assert_int_equal(x->site + 4 + rel, x->cold);
        assert_int_equal(x->target, i == 0 ? 0x112 : 0x102);
        snprintf(want, sizeof want, "lea r8d, [r11 + %#x]\ncall 0x10000200\n", x->target);
        assert_string_equal(listing(x->cold, x->cold_return), want);
    }
}

// Direct code goes on behind a conditional jump that is not taken; other code ends there.
static void test_goes_on(void **state) {
    const char *bytes = "\x74\x10\x40\x7c\x05\xeb\xf9"; // jz; inc eax; jl; jmp to the beginning
    (void)state;
    assert_int_equal(translate(FLAT, 0x100, bytes, 7), TRANSLATE_OK);
    assert_int_equal(out.guest_size, 7);
    assert_int_equal(out.exit_count, 3);
    assert_int_equal(out.exits[0].target, 0x112);
    assert_int_equal(out.exits[1].target, 0x10a);
    assert_int_equal(out.exits[2].target, 0x100);
    const uint32_t ending[] = {SOFT, FLAT | MODE_COUNTED, FLAT | MODE_TRACED, FLAT | MODE_CS_CHECKED};
    for (unsigned i = 0; i < sizeof ending / sizeof ending[0]; i++) {
        assert_int_equal(translate(ending[i], 0x100, bytes, 7), TRANSLATE_OK);
        assert_int_equal(out.guest_size, 2);
    }
    // A jump that leaves the page stands where it is not taken.
    assert_int_equal(TRANSLATE(FLAT, 0, "\x74\x80\xeb\xfc"), TRANSLATE_OK);
    assert_int_equal(out.guest_size, 4);
    expect_body("jne 0x1001001e\nlea r8d, [r11 - 0x7e]\nshrx r9d, r8d, r15d\n");
    // There is an end to it.
    char jumps[4 * TRANSLATE_MAX_EXITS];
    for (unsigned i = 0; i < sizeof jumps; i += 2)
        memcpy(jumps + i, "\x74\x10", 2);
    assert_int_equal(translate(FLAT, 0, jumps, sizeof jumps), TRANSLATE_OK);
    assert_int_equal(out.exit_count, TRANSLATE_MAX_EXITS);
}

// In a run of PUSH and POP the stack pointer moves once; the marks say what it is behind by.
static void test_stack_run(void **state) {
    (void)state;
    assert_int_equal(TRANSLATE(FLAT, 0x100, "\x50\x53\x89\xc2\x59\xc3"), TRANSLATE_OK);
    expect_body("mov dword ptr gs:[r12d - 4], eax\nmov dword ptr gs:[r12d - 8], ebx\nmov edx, eax\n"
                "mov ecx, dword ptr gs:[r12d - 8]\nmov r8d, dword ptr gs:[r12d - 4]\nshrx r9d, r8d, r15d\n");
    const int8_t late[] = {0, -1, -2, -2, -1};
    unsigned seen = 0;
    for (unsigned i = 0; i < out.mark_count && seen < 5; i++)
        if (i == 0 || out.marks[i].guest != out.marks[i - 1].guest)
            assert_int_equal(out.marks[i].esp_late, late[seen++]);
    assert_int_equal(seen, 5);
    // What uses ESP ends the run, as does what is soft.
    BODY(FLAT, "\x50\x53\x89\xe5",
         "mov dword ptr gs:[r12d - 4], eax\nmov dword ptr gs:[r12d - 8], ebx\nlea r12d, [r12 - 8]\nmov ebp, r12d\n");
    BODY(FLAT, "\x50\x54",
         "mov dword ptr gs:[r12d - 4], eax\nlea r12d, [r12 - 4]\nmov dword ptr gs:[r12d - 4], r12d\n");
    uint64_t soft[64] = {[0x101 / 64] = 1ull << (0x101 % 64)};
    in.soft_map = soft;
    BODY(FLAT, "\x50\x53", "mov dword ptr gs:[r12d - 4], eax\nlea r12d, [r12 - 4]\nlea r8d, [r12 - 4]\n");
}

static void test_crossing(void **state) {
    (void)state;
    in.next = NULL;
    assert_int_equal(TRANSLATE(FLAT, 0xffe, "\xb8\x11\x22\x33\x44"), TRANSLATE_NEED_NEXT);
    in.next = next_page;
    in.next_slice = 0x7f0000001000;
    assert_int_equal(TRANSLATE(FLAT, 0xffe, "\xb8\x11\x22\x33\x44"), TRANSLATE_OK);
    assert_true(out.crossing);
    assert_int_equal(out.guest_size, 5);
    assert_int_equal(out.insns, 1);
    expect_body("lea r8d, [r11 + 0x1000]\nshrx r9d, r8d, r15d\nmov r9, qword ptr [r13 + r9*8]\n"
                "lea r9, [r9 + r8*4]\nmovabs r10, 0xffff80fffffff000\nlea r9, [r9 + r10]\nxchg rcx, r9\n"
                "jrcxz 0x1001003e\nxchg rcx, r9\nlea r8d, [r11 + 0xffe]\njmp 0x10000100\nxchg rcx, r9\n"
                "mov eax, 0x44332211\nlea r8d, [r11 + 0x1003]\nshrx r9d, r8d, r15d\n");
    // A later instruction that crosses ends the block before it.
    assert_int_equal(TRANSLATE(FLAT, 0xffd, "\x90\xb8\x11\x22\x33\x44"), TRANSLATE_OK);
    assert_false(out.crossing);
    assert_int_equal(out.guest_size, 1);
}

// A counted block takes all its instructions at once, or none.
static void test_charge(void **state) {
    (void)state;
    assert_int_equal(TRANSLATE(FLAT | MODE_COUNTED, 0x100, "\x90\x90\xeb\xfe"), TRANSLATE_OK);
    char text[512];
    snprintf(text, sizeof text,
             "mov r8, qword ptr [r15 + %#x]\nlea r8, [r8 - 3]\nmov r9d, ecx\nmov r10d, 0x3f\nshrx rcx, r8, r10\n"
             "jrcxz 0x10010031\nmov ecx, r9d\nlea r8d, [r11 + 0x100]\njmp 0x10000100\nmov ecx, r9d\n"
             "mov qword ptr [r15 + %#x], r8\nnop\nnop\n",
             (unsigned)ABI_OFFSET(budget), (unsigned)ABI_OFFSET(budget));
    expect_body(text);
    // POPF that leaves ends the block, so that what was charged is what was executed.
    assert_int_equal(TRANSLATE(FLAT | MODE_COUNTED, 0x100, "\x9d\x90\x90\xeb\xfe"), TRANSLATE_OK);
    assert_int_equal(out.insns, 1);
    assert_int_equal(TRANSLATE(FLAT, 0x100, "\x9d\x90\x90\xeb\xfe"), TRANSLATE_OK);
    assert_int_equal(out.insns, 4);
}

// A traced block records itself, or leaves if there is no room; where it is charged too, nothing stands in between.
static void test_record(void **state) {
    (void)state;
    in.trace_id = 0x1234;
    assert_int_equal(TRANSLATE(FLAT | MODE_TRACED, 0x100, "\x90\xeb\xfe"), TRANSLATE_OK);
    char text[768];
    snprintf(text, sizeof text,
             "mov r8, qword ptr [r15 + %#x]\nlea r8, [r8 - 1]\nmov r9d, ecx\nmov r10d, 0x3f\nshrx rcx, r8, r10\n"
             "jrcxz 0x10010031\nmov ecx, r9d\nlea r8d, [r11 + 0x100]\njmp 0x10000100\nmov ecx, r9d\n"
             "mov r8, qword ptr [r15 + %#x]\nlea r8, [r8 - 1]\nmov qword ptr [r15 + %#x], r8\n"
             "mov r9, qword ptr [r15 + %#x]\nmov r10d, 0x1234\nmov dword ptr [r9 + r8*8], r10d\n"
             "mov dword ptr [r9 + r8*8 + 4], r11d\nnop\n",
             (unsigned)ABI_OFFSET(trace_room), (unsigned)ABI_OFFSET(trace_room), (unsigned)ABI_OFFSET(trace_room),
             (unsigned)ABI_OFFSET(trace_ring));
    expect_body(text);
    assert_int_equal(TRANSLATE(FLAT | MODE_TRACED | MODE_COUNTED, 0x100, "\x90\xeb\xfe"), TRANSLATE_OK);
    const char *listed = listing(out.link_entry, out.host_size), *charge = strstr(listed, "lea r8, [r8 - 2]");
    assert_non_null(charge);
    assert_true(charge < strstr(listed, "mov r10d, 0x1234"));
}

static void test_page_end(void **state) {
    (void)state;
    assert_int_equal(TRANSLATE(FLAT, 0xffe, "\x90\x40"), TRANSLATE_OK);
    expect_body("nop\ninc eax\nlea r8d, [r11 + 0x1000]\nshrx r9d, r8d, r15d\nmov r9, qword ptr [r13 + r9*8]\n"
                "mov r9d, dword ptr [r9 + r8*4]\njmp r9\n");
    assert_int_equal(out.exit_count, 0);
}

static void test_most_instructions(void **state) {
    char nops[100];
    (void)state;
    memset(nops, 0x90, sizeof nops);
    assert_int_equal(translate(FLAT, 0x100, nops, sizeof nops), TRANSLATE_OK);
    assert_int_equal(out.insns, TRANSLATE_MAX_INSNS);
    assert_int_equal(out.guest_size, TRANSLATE_MAX_INSNS);
    assert_int_equal(out.exits[0].target, 0x100 + TRANSLATE_MAX_INSNS);
}

// The largest block there is: 64 locked soft read-modify-writes with the longest addresses.
static void test_worst_case_fits(void **state) {
    static char bytes[64 * 12];
    (void)state;
    for (unsigned i = 0; i < 64; i++)
        memcpy(bytes + 12 * i, "\x26\xf0\x81\x84\x8b\x11\x22\x33\x44\x55\x66\x77", 12);
    assert_int_equal(translate(SOFT | SEG(ES, MODE_SEG_BASED), 0, bytes, sizeof bytes), TRANSLATE_OK);
    assert_true(out.host_size < TRANSLATE_MAX_HOST);
    assert_int_equal(out.insns, 64);
}

static void test_self_checking(void **state) {
    (void)state;
    in.self_checking = true;
    in.live = 0x7f0000000000;
    assert_int_equal(TRANSLATE(FLAT, 0x100, "\x89\xc8\x40\x89\x03\x40"), TRANSLATE_OK);
    assert_int_equal(out.guest_size, 5); // a store ends it
    expect_body("jmp 0x10010025\nmov eax, ecx\ninc eax\nmov dword ptr gs:[ebx], eax\njmp 0x10010019\n");
    assert_string_equal(listing(0x25, out.host_size),
                        "movabs r8, 0x7f0000000100\n"
                        "mov r9d, dword ptr [r8]\nmovabs r10, 0xffffffff76bf3777\nlea r9, [r9 + r10]\n"
                        "xchg rcx, r9\njrcxz 0x10010054\nxchg rcx, r9\nlea r8d, [r11 + 0x100]\njmp 0x10000100\n"
                        "xchg rcx, r9\n"
                        "mov r9d, dword ptr [r8 + 1]\nmovabs r10, 0xfffffffffc76bf38\nlea r9, [r9 + r10]\n"
                        "xchg rcx, r9\njrcxz 0x1001007d\nxchg rcx, r9\nlea r8d, [r11 + 0x100]\njmp 0x10000100\n"
                        "xchg rcx, r9\njmp 0x1001000c\n");
}

// ---- Operands ------------------------------------------------------------------------------------------------------

static void test_direct(void **state) {
    (void)state;
    BODY(FLAT, "\x8b\x04\x24", "mov eax, dword ptr gs:[r12d]\n");
    BODY(FLAT, "\x8b\x05\x44\x33\x22\x11", "mov eax, dword ptr gs:[0x11223344]\n");
    BODY(FLAT, "\xa1\x44\x33\x22\x11", "mov eax, dword ptr gs:[0x11223344]\n");
    BODY(FLAT, "\xa2\x44\x33\x22\x11", "mov byte ptr gs:[0x11223344], al\n");
    BODY(FLAT, "\x66\x01\x44\x8b\xfc", "add word ptr gs:[ebx + ecx*4 - 4], ax\n");
    BODY(FLAT, "\x67\x8b\x47\x10", "lea r8d, [rbx + 0x10]\nmovzx r8d, r8w\nmov eax, dword ptr gs:[r8d]\n");
    BODY(FLAT, "\x67\xa1\xf0\xff", "lea r8d, [0xfffffff0]\nmovzx r8d, r8w\nmov eax, dword ptr gs:[r8d]\n");
    BODY(FLAT | SEG(FS, MODE_SEG_BASED), "\x64\x8b\x43\x08",
         "mov r9, qword ptr [r15 + 4]\nmov r9d, dword ptr [r9]\nlea r8d, [rbx + r9 + 8]\n"
         "mov eax, dword ptr gs:[r8d]\n");
    BODY(FLAT | SEG(GS, MODE_SEG_BASED), "\x65\xa1\x14\x00\x00\x00",
         "mov r9, qword ptr [r15 + 0xc]\nmov r9d, dword ptr [r9]\nlea r8d, [r9 + 0x14]\n"
         "mov eax, dword ptr gs:[r8d]\n");
    BODY(FLAT, "\x2e\x8b\x03", "mov eax, dword ptr gs:[ebx]\n"); // CS override of flat code
}

static void test_direct_mark(void **state) {
    (void)state;
    assert_int_equal(TRANSLATE(FLAT, 0x100, "\x01\x03\x8b\x03\x89\x03"), TRANSLATE_OK);
    const uint8_t intents[] = {INTENT_RMW + 1, INTENT_READ + 1, INTENT_WRITE + 1, 0};
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(out.marks[i].access, intents[i]);
        assert_int_equal(out.marks[i].guest, 0x100 + 2 * i);
        assert_int_equal(out.marks[i].kind, MARK_INSN);
    }
    for (unsigned i = 1; i < out.mark_count; i++)
        assert_true(out.marks[i].host > out.marks[i - 1].host);
}

static void test_soft(void **state) {
    (void)state;
    BODY(SOFT, "\x89\x43\x04\xeb\xfe",
         "lea r8d, [rbx + 4]\nshrx r9d, r8d, r15d\nmovzx r9d, r9b\nmov r10d, ecx\n"
         "mov ecx, dword ptr [r15 + r9*4 + 0x6b4]\nlea ecx, [rcx + r8 + 3]\nshrx ecx, ecx, r15d\n"
         "jrcxz 0x10010030\njmp 0x10010044\nmov ecx, r10d\nmov r9, qword ptr [r15 + r9*8 + 0xab4]\n"
         "mov dword ptr [r9 + r8], eax\njmp 0x1001006b\n"
         "mov ecx, r10d\nmov r10d, 0x3404100\ncall 0x10000500\njmp 0x1001003b\n"
         "mov dword ptr [r9 + r8], eax\nmov r10d, 0x103\ncall 0x10000600\njmp 0x1001003f\n");
    BODY(SOFT, "\x8b\x03\xeb\xfe",
         "lea r8d, [rbx]\nshrx r9d, r8d, r15d\nmovzx r9d, r9b\nmov r10d, ecx\n"
         "mov ecx, dword ptr [r15 + r9*4 + 0x2b4]\n");
    BODY(SOFT | 3 << MODE_CPL_SHIFT, "\x8b\x03\xeb\xfe",
         "lea r8d, [rbx]\nshrx r9d, r8d, r15d\nmovzx r9d, r9b\nmov r10d, ecx\n"
         "mov ecx, dword ptr [r15 + r9*4 + 0x12b4]\n");
}

static void test_soft_map(void **state) {
    static uint64_t map[64];
    (void)state;
    map[0x102 / 64] = 1ull << (0x102 % 64);
    in.soft_map = map;
    assert_int_equal(TRANSLATE(FLAT, 0x100, "\x8b\x03\x8b\x03\x8b\x03"), TRANSLATE_OK);
    assert_int_equal(out.operands_direct, 2);
    assert_int_equal(out.operands_soft, 1);
}

static void test_checked(void **state) {
    (void)state;
    BODY(FLAT | SEG(DS, MODE_SEG_CHECKED), "\x01\x03\xeb\xfe",
         "lea r8d, [rbx]\nmov r10d, 0xb804100\ncall 0x10000500\njmp 0x1001001f\njmp 0x10010028\n"
         "add dword ptr [r9 + r8], eax\njmp 0x1001003c\nadd dword ptr [r9 + r8], eax\nmov r10d, 0x102\n"
         "call 0x10000600\njmp 0x10010023\n");
    BODY(FLAT | SEG(SS, MODE_SEG_CHECKED), "\x8b\x45\x08\xeb\xfe",
         "lea r8d, [rbp + 8]\nmov r10d, 0xa004100\ncall 0x10000500\nmov eax, dword ptr [r9 + r8]\n");
    BODY(FLAT | MODE_ALIGN, "\x8b\x45\x08\xeb\xfe",
         "lea r8d, [rbp + 8]\nmov r10d, 0x2004100\ncall 0x10000500\nmov eax, dword ptr [r9 + r8]\n");
    BODY(FLAT, "\x2e\x89\x03\xeb\xfe", // CS is never writable
         "lea r8d, [rbx]\nmov r10d, 0x9404100\ncall 0x10000500\n");
}

static void test_high_bytes(void **state) {
    (void)state;
    BODY(FLAT, "\x88\x23", "mov byte ptr gs:[ebx], ah\n");
    BODY(FLAT, "\x88\x24\x24", "rorx r10d, eax, 8\nmov byte ptr gs:[r12d], r10b\n");
    BODY(FLAT, "\x02\x3c\x24",
         "rorx r10d, ebx, 8\nadd r10b, byte ptr gs:[r12d]\nxchg bl, bh\nmov bl, r10b\nxchg bl, bh\n");
    BODY(FLAT, "\x3a\x3c\x24\xeb\xfe", "rorx r10d, ebx, 8\ncmp r10b, byte ptr gs:[r12d]\njmp 0x");
    BODY(FLAT, "\x0f\xb6\xe6", "rorx r10d, edx, 8\nmovzx r12d, r10b\n");
    BODY(FLAT, "\x00\xc4", "add ah, al\n");
}

static void test_encoding_traps(void **state) {
    (void)state;
    BODY(FLAT, "\x40\x4c\x66\x47", "inc eax\ndec r12d\ninc di\n");
    BODY(FLAT, "\x82\xc3\x05", "add bl, 5\n");
    BODY(FLAT, "\x94\x87\xe5\x90\xf3\x90", "xchg eax, r12d\nxchg ebp, r12d\nnop\npause\n");
    BODY(FLAT, "\xbc\x01\x02\x03\x04\x66\xbc\x01\x02", "mov r12d, 0x4030201\nmov r12w, 0x201\n");
    BODY(FLAT, "\x0f\xcc\x0f\xcb", "bswap r12d\nbswap ebx\n");
    BODY(FLAT, "\x8d\x64\x24\x10\x66\x8d\x03\x67\x8d\x47\x10",
         "lea r12d, [r12 + 0x10]\nlea r8d, [rbx]\nmov ax, r8w\nlea r8d, [rbx + 0x10]\nmovzx r8d, r8w\nmov eax, r8d\n");
    BODY(FLAT, "\xf3\x0f\xbc\xc3\xf3\x0f\xbd\xc3", "bsf eax, ebx\nbsr eax, ebx\n"); // TZCNT, LZCNT not announced
    BODY(FLAT, "\xf2\x01\xc3", "add ebx, eax\n");
    BODY(FLAT, "\x0f\x0b", "mov r9d, 6\n"); // UD2
    BODY(FLAT, "\x0f\x1f\x44\x24\x08\x40", "nop\ninc eax\n");
    BODY(FLAT, "\xd7", "movzx r10d, al\nlea r8d, [rbx]\nlea r8d, [r8 + r10]\nmov al, byte ptr gs:[r8d]\n");
}

static void test_bit_offset(void **state) {
    (void)state;
    BODY(FLAT, "\x0f\xab\x0b", "bts dword ptr gs:[ebx], ecx\n");
    assert_int_equal(TRANSLATE(SOFT, 0x100, "\x0f\xab\x0b\xeb\xfe"), TRANSLATE_OK);
    assert_non_null(strstr(listing(0, out.host_size), "mov r10d, 5\nsarx r10d, ecx, r10d\nlea r8d, [rbx]\n"
                                                      "lea r8d, [r8 + r10*4]\nshrx r9d, r8d, r15d\n"));
    assert_non_null(strstr(listing(0, out.host_size), "mov r10d, dword ptr [r9 + r8]\nbts r10d, ecx\n"
                                                      "mov dword ptr [r9 + r8], r10d\n"));
    assert_int_equal(TRANSLATE(SOFT, 0x100, "\xf0\x0f\xb3\x23\xeb\xfe"), TRANSLATE_OK);
    assert_non_null(strstr(listing(0, out.host_size), "mov r10d, 0x1f\npext r10d, r12d, r10d\n"
                                                      "lock btr dword ptr [r9 + r8], r10d\n"));
}

// ---- Transfers -----------------------------------------------------------------------------------------------------

#define MAP_SEQUENCE "shrx r9d, r8d, r15d\nmov r9, qword ptr [r13 + r9*8]\nmov r9d, dword ptr [r9 + r8*4]\njmp r9\n"

static void test_transfers(void **state) {
    (void)state;
    BODY(FLAT, "\xe9\x00\x10\x00\x00", "lea r8d, [r11 + 0x1105]\n" MAP_SEQUENCE);
    BODY(FLAT, "\xe9\x00\xf0\xff\xff", "lea r8d, [r11 - 0xefb]\n" MAP_SEQUENCE);
    BODY(FLAT, "\x66\xe9\x00\x10", "lea r8d, [r11 + 0x1104]\nmovzx r8d, r8w\n" MAP_SEQUENCE);
    BODY(FLAT, "\xff\xe0", "mov r8d, eax\n" MAP_SEQUENCE);
    BODY(FLAT, "\xff\x64\x24\x04", "mov r8d, dword ptr gs:[r12d + 4]\n" MAP_SEQUENCE);
    BODY(FLAT, "\xc3", "mov r8d, dword ptr gs:[r12d]\nlea r12d, [r12 + 4]\n" MAP_SEQUENCE);
    BODY(FLAT, "\xc2\xf0\xff", "mov r8d, dword ptr gs:[r12d]\nlea r12d, [r12 + 0xfff4]\n" MAP_SEQUENCE);
    BODY(FLAT, "\xe8\x00\x10\x00\x00",
         "lea r10d, [r11 + 0x105]\nmov dword ptr gs:[r12d - 4], r10d\nlea r12d, [r12 - 4]\n"
         "lea r8d, [r11 + 0x1105]\n" MAP_SEQUENCE);
    BODY(FLAT, "\xff\xd4", // CALL ESP: the target is the old ESP
         "mov r8d, r12d\nmov dword ptr [r15 + 0x44], r8d\nlea r10d, [r11 + 0x102]\n"
         "mov dword ptr gs:[r12d - 4], r10d\nlea r12d, [r12 - 4]\nmov r8d, dword ptr [r15 + 0x44]\n" MAP_SEQUENCE);
    BODY(FLAT | MODE_ONE, "\xff\xe0", "mov r8d, eax\njmp 0x10000100\n");
    BODY(FLAT | MODE_ONE, "\x40\x40", "inc eax\nlea r8d, [r11 + 0x101]\njmp 0x10000100\n");
    BODY(FLAT, "\xe2\x10", "loop 0x1001000f\njmp 0x");
    BODY(FLAT, "\xe3\x10", "jecxz 0x1001000f\njmp 0x");
}

// A transfer mark begins where rewinding is safe: at the SHRX.
static void test_transfer_mark(void **state) {
    (void)state;
    assert_int_equal(TRANSLATE(FLAT, 0x100, "\xff\xe0"), TRANSLATE_OK);
    const struct block_mark *m = &out.marks[out.mark_count - 2]; // behind it begins an ordinary one
    assert_int_equal(m->kind, MARK_TRANSFER);
    assert_string_equal(listing(m->host, out.host_size), MAP_SEQUENCE);
}

// The return address may be bounced: then the call must not take its link.
static void test_soft_call(void **state) {
    (void)state;
    assert_int_equal(TRANSLATE(SOFT, 0x100, "\xe8\x10\x00\x00\x00"), TRANSLATE_OK);
    assert_int_equal(out.exit_count, 1);
    assert_int_equal(out.exits[0].target, 0x115);
    assert_non_null(strstr(listing(0, out.host_size),
                           "mov r10d, 0x80000105\ncall 0x10000600\nlea r8d, [r11 + 0x115]\n" MAP_SEQUENCE));
}

static void test_checked_code(void **state) {
    const uint32_t mode = MODE_CS_CHECKED | MODE_ONE | MODE_STACK32;
    (void)state;
    BODY(mode, "\xe9\x10\x00", // 16-bit code
         "mov r8d, 0x10\nmov r9d, 0x390\nmov r10d, 0x20b3100\ncall 0x10000400\nlea r8d, [r11 + 0x103]\n"
         "jmp 0x10000100\n");
    BODY(mode, "\xff\xe0", "movzx r8d, ax\nmov r9d, 0x3f4\n");
    BODY(mode, "\x01\xd8", "add ax, bx\n");
    BODY(mode, "\x66\x01\xd8", "add eax, ebx\n");
    BODY(mode, "\x66\x0f\x6f\xc1", "movdqa xmm0, xmm1\n"); // 66h selects here, whatever the code size
}

// ---- What cannot be decoded or may not run -------------------------------------------------------------------------

static void test_faults(void **state) {
    (void)state;
    BODY(FLAT, "\x0f\x04", "mov r9d, 6\n");         // undefined
    BODY(FLAT, "\xf0\x40", "mov r9d, 6\n");         // LOCK INC EAX
    BODY(FLAT, "\xc5\xf8\x10\x00", "mov r9d, 6\n"); // VEX
    BODY(FLAT, "\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x90", "mov r9d, 0x10d\n");
    BODY(FLAT | MODE_X87_NM, "\xd9\xe8", "mov r9d, 7\n");
    BODY(FLAT | MODE_WAIT_NM, "\x9b", "mov r9d, 7\n");
    BODY(FLAT | MODE_SSE_UD | MODE_SIMD_NM, "\x0f\x58\xc1", "mov r9d, 6\n");
    BODY(FLAT | MODE_SIMD_NM, "\x0f\x6f\xc1", "mov r9d, 7\n");
    BODY(FLAT | MODE_MMX_UD, "\x0f\x6f\xc1", "mov r9d, 6\n");
    BODY(FLAT | MODE_SSE_UD, "\x0f\x6f\xc1", "movq mm0, mm1\n");
}

// All bytes that decide that nothing decodes belong to the block, or a change of them would go unnoticed.
static void test_undecodable_is_covered(void **state) {
    (void)state;
    assert_int_equal(TRANSLATE(FLAT, 0x100, "\x66\x66\x66\x0f\x04"), TRANSLATE_OK);
    assert_true(out.guest_size >= 5);
    assert_int_equal(TRANSLATE(FLAT, 0xffe, "\x0f\x04"), TRANSLATE_OK);
    assert_int_equal(out.guest_size, 2);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_frame),
        TEST(test_exit_and_cold_path),
        TEST(test_goes_on),
        TEST(test_stack_run),
        TEST(test_crossing),
        TEST(test_charge),
        TEST(test_record),
        TEST(test_page_end),
        TEST(test_most_instructions),
        TEST(test_worst_case_fits),
        TEST(test_self_checking),
        TEST(test_direct),
        TEST(test_direct_mark),
        TEST(test_soft),
        TEST(test_soft_map),
        TEST(test_checked),
        TEST(test_high_bytes),
        TEST(test_encoding_traps),
        TEST(test_bit_offset),
        TEST(test_transfers),
        TEST(test_transfer_mark),
        TEST(test_soft_call),
        TEST(test_checked_code),
        TEST(test_faults),
        TEST(test_undecodable_is_covered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
