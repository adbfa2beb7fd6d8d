// The rules by which a processor from the 80386 on differs from the 80286 that the tests were captured from. Each is
// computed from the instruction and the registers alone, and decides only where it makes a difference to the capture.
#include "tests/hw16/insn.h"

#include <string.h>

enum { VECTOR_UD = 6, VECTOR_SS = 12, VECTOR_GP = 13 };
enum { FLAG_TF = 1 << 8, FLAG_IF = 1 << 9, FLAGS_386 = 7 << 12 /* IOPL, NT */, FLAGS_ALL = 0xffff };
#define LENGTH_286 10u // bytes of an instruction at most

// ---- Building an expectation ---------------------------------------------------------------------------------------

static void change(struct hw16_expect *expect, uint32_t address, unsigned value) {
    for (unsigned i = 0; i < expect->changed_count; i++)
        if (expect->changed[i].address == address) {
            expect->changed[i].value = (uint8_t)value;
            return;
        }
    if (expect->changed_count < HW16_BYTES_MAX)
        expect->changed[expect->changed_count++] = (struct hw16_byte){.address = address, .value = (uint8_t)value};
}

static void change_word(struct hw16_expect *expect, enum hw16_reg segment, uint16_t offset, unsigned value) {
    change(expect, insn_linear(expect->regs, segment, offset), value & 0xff);
    change(expect, insn_linear(expect->regs, segment, (uint16_t)(offset + 1)), value >> 8);
}

static void push_word(struct hw16_expect *expect, unsigned value) {
    expect->regs[HW16_SP] = (uint16_t)(expect->regs[HW16_SP] - 2);
    change_word(expect, HW16_SS, expect->regs[HW16_SP], value);
}

// As before the instruction.
static void start_over(const struct hw16_test *test, struct hw16_expect *expect) {
    memcpy(expect->regs, test->initial, sizeof expect->regs);
    expect->changed_count = 0;
    expect->flags_address = HW16_NO_ADDRESS;
    expect->captured_vector = false;
    expect->flags_mask = FLAGS_ALL;
}

// The instruction faults: nothing of it has happened (SDM vol. 3A 6.5), and the vector's handler halts.
static bool expect_fault(const struct hw16_test *test, struct hw16_expect *expect, int vector) {
    start_over(test, expect);
    expect->vector = vector;
    push_word(expect, test->initial[HW16_FLAGS]);
    push_word(expect, test->initial[HW16_CS]);
    push_word(expect, test->initial[HW16_IP]);
    expect->regs[HW16_FLAGS] = (uint16_t)(test->initial[HW16_FLAGS] & ~(unsigned)(FLAG_TF | FLAG_IF));
    return true;
}

static unsigned memory_byte(const struct hw16_test *test, uint32_t address) {
    int value = hw16_memory_at(test, address);
    return value < 0 ? 0 : (unsigned)value; // the runner clears what a test does not list
}

static unsigned memory_word(const struct hw16_test *test, enum hw16_reg segment, uint16_t offset) {
    return memory_byte(test, insn_linear(test->initial, segment, offset)) |
           memory_byte(test, insn_linear(test->initial, segment, (uint16_t)(offset + 1))) << 8;
}

static unsigned changed_byte(const struct hw16_test *test, uint32_t address) {
    for (unsigned i = 0; i < test->changed_count; i++)
        if (test->changed[i].address == address)
            return test->changed[i].value;
    return memory_byte(test, address);
}

// Did the captured processor raise this exception at the instruction itself? (INT n pushes the IP behind it.)
static bool raised_there(const struct hw16_test *test, int vector) {
    uint16_t sp = test->final[HW16_SP];
    unsigned ip = changed_byte(test, insn_linear(test->final, HW16_SS, sp)) |
                  changed_byte(test, insn_linear(test->final, HW16_SS, (uint16_t)(sp + 1))) << 8;
    return test->vector == vector && ip == test->initial[HW16_IP];
}

// ---- The rules -----------------------------------------------------------------------------------------------------

static bool rule_lock(const struct hw16_test *test, struct hw16_expect *expect) {
    struct insn insn;
    insn_decode(test, &insn);
    if (!insn.lock || insn_is_lockable(&insn) || raised_there(test, VECTOR_UD))
        return false;
    return expect_fault(test, expect, VECTOR_UD);
}

static const enum hw16_reg word_register[8] = {HW16_AX, HW16_CX, HW16_DX, HW16_BX, HW16_SP, HW16_BP, HW16_SI, HW16_DI};

// MOV r/m16, FS or GS, and back.
static bool rule_fs_gs(const struct hw16_test *test, struct hw16_expect *expect) {
    struct insn insn;
    insn_decode(test, &insn);
    unsigned reg = insn_reg(&insn);
    if ((insn.opcode != 0x8c && insn.opcode != 0x8e) || (reg != 4 && reg != 5))
        return false;
    const struct insn_access *violation = insn_violation(&insn);
    if (violation)
        return expect_fault(test, expect, violation->segment == HW16_SS ? VECTOR_SS : VECTOR_GP);
    enum hw16_reg segment = reg == 4 ? HW16_FS : HW16_GS, general = word_register[insn_rm(&insn)];
    start_over(test, expect);
    expect->regs[HW16_IP] = (uint16_t)(expect->regs[HW16_IP] + test->insn_size);
    if (insn.opcode == 0x8e)
        expect->regs[segment] =
            insn_has_memory(&insn) ? (uint16_t)memory_word(test, insn.segment, insn.offset) : test->initial[general];
    else if (insn_has_memory(&insn))
        change_word(expect, insn.segment, insn.offset, test->initial[segment]);
    else
        expect->regs[general] = test->initial[segment];
    return true;
}

static bool rule_length(const struct hw16_test *test, struct hw16_expect *expect) {
    struct insn insn;
    insn_decode(test, &insn);
    if (insn.length <= LENGTH_286 || test->vector != VECTOR_GP)
        return false;
    start_over(test, expect);
    expect->regs[HW16_IP] = (uint16_t)(expect->regs[HW16_IP] + test->insn_size);
    return insn_execute(test, &insn, expect);
}

static bool rule_stack_limit(const struct hw16_test *test, struct hw16_expect *expect) {
    struct insn insn;
    insn_decode(test, &insn);
    const struct insn_access *violation = insn_violation(&insn);
    if (!violation || violation->segment != HW16_SS || test->vector != VECTOR_GP)
        return false;
    return expect_fault(test, expect, VECTOR_SS);
}

static bool rule_restart(const struct hw16_test *test, struct hw16_expect *expect) {
    struct insn insn;
    insn_decode(test, &insn);
    const struct insn_access *violation = insn_violation(&insn);
    if (!violation || violation->segment == HW16_SS || test->vector != VECTOR_GP)
        return false;
    uint16_t regs[HW16_REGS];
    memcpy(regs, test->final, sizeof regs);
    regs[HW16_CS] = test->initial[HW16_CS];
    regs[HW16_IP] = test->initial[HW16_IP];
    regs[HW16_SP] = (uint16_t)(test->final[HW16_SP] + 6);
    regs[HW16_FLAGS] = test->initial[HW16_FLAGS];
    if (memcmp(regs, test->initial, sizeof regs) == 0)
        return false;
    return expect_fault(test, expect, VECTOR_GP);
}

// POPF and IRET take IOPL and NT from the stack.
static bool rule_flags(const struct hw16_test *test, struct hw16_expect *expect) {
    struct insn insn;
    insn_decode(test, &insn);
    if ((insn.opcode != 0x9d && insn.opcode != 0xcf) || test->vector >= 0)
        return false;
    unsigned image = memory_word(test, HW16_SS, insn.access[insn.access_count - 1].offset);
    expect->regs[HW16_FLAGS] = (uint16_t)(expect->regs[HW16_FLAGS] | (image & FLAGS_386));
    return (image & FLAGS_386) != 0;
}

const struct hw16_rule hw16_rules[] = {
    {"LOCK is an invalid opcode but before a read-modify-write of memory", "SDM vol. 2A, LOCK", rule_lock},
    {"FS and GS exist", "SDM vol. 1 3.4.2; vol. 2B, MOV", rule_fs_gs},
    {"an instruction may have 15 bytes, not 10", "SDM vol. 3A 6.15, interrupt 13", rule_length},
    {"a limit violation through SS is vector 12, not 13", "SDM vol. 3A 6.15, interrupt 12", rule_stack_limit},
    {"a fault leaves the registers of the instruction's start", "SDM vol. 3A 6.5, 6.6; vol. 2B, REP", rule_restart},
    {"IOPL and NT can be set in real mode", "SDM vol. 2B, POPF; vol. 2A, IRET", rule_flags},
};
const unsigned hw16_rule_count = sizeof hw16_rules / sizeof hw16_rules[0];

// ---- The expectation -----------------------------------------------------------------------------------------------

static bool is_free(const struct hw16_test *test, const struct hw16_expect *expect, uint32_t paragraph) {
    for (unsigned i = 0; i < test->memory_count; i++)
        if (test->memory[i].address / 16 == paragraph)
            return false;
    for (unsigned i = 0; i < expect->changed_count; i++)
        if (expect->changed[i].address / 16 == paragraph)
            return false;
    return true;
}

// The place of the handler that halts, beyond the vector table.
static void find_handler(const struct hw16_test *test, struct hw16_expect *expect) {
    uint32_t paragraph = 0x40;
    while (!is_free(test, expect, paragraph))
        paragraph++;
    expect->handler = paragraph * 16;
    if (expect->vector >= 0) {
        expect->regs[HW16_CS] = (uint16_t)paragraph;
        expect->regs[HW16_IP] = 1;
    }
}

int hw16_expectation(const struct hw16_test *test, struct hw16_expect *expect) {
    int decided = -1;
    *expect = (struct hw16_expect){
        .flags_mask = test->flags_mask,
        .changed_count = test->changed_count,
        .captured_vector = test->vector >= 0,
        .flags_address = HW16_NO_ADDRESS,
        .vector = -1,
        .halt = HW16_NO_ADDRESS,
    };
    memcpy(expect->regs, test->final, sizeof expect->regs);
    memcpy(expect->changed, test->changed, sizeof expect->changed);
    if (test->vector >= 0) // the field of the file names the word on the bus, which is even
        expect->flags_address = insn_linear(test->final, HW16_SS, (uint16_t)(test->final[HW16_SP] + 4));
    for (unsigned i = 0; i < hw16_rule_count && decided < 0; i++)
        if (hw16_rules[i].decide(test, expect))
            decided = (int)i;
    find_handler(test, expect);
    return decided;
}
