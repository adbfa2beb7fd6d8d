// What the kinds do when they run: registers, flags, memory and virtual flags against the manual's words, and faults at
// each access of an instruction in turn, which must leave everything as it was (PITFALLS 8 of the design).
#include "tests/translator_kinds/vm.h"

#include "translator/context.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <x86intrin.h>

#include <cmocka.h>

#define IF  0x200u
#define ONE (VM_MODE | MODE_ONE)
#define BAD (VM_GOOD_END) // faults

#define RUN(mode, ...) run_bytes(mode, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))
#define REG(name)      (vm_abi()->gpr[GUEST_##name])

static struct vm_run run_bytes(uint32_t mode, const uint8_t *bytes, unsigned size) {
    return vm_run(mode, bytes, size);
}

// Registers that tell each other apart, a stack in the middle of the good memory.
static int reset(void **state) {
    struct vcpu_abi *abi = vm_abi();
    (void)state;
    for (unsigned r = 0; r < 8; r++)
        abi->gpr[r] = 0x11111111u * (r + 1);
    REG(ESP) = VM_GOOD + 0x800;
    abi->flags = 0;
    abi->sys_flags = IF;
    abi->pending = 0;
    abi->fip = abi->fdp = 0xaaaaaaaa;
    memset(vm_memory(VM_GOOD), 0, VM_GOOD_END - VM_GOOD);
    return 0;
}

struct snapshot {
    uint32_t gpr[8], flags, sys_flags;
};

static struct snapshot take(void) {
    struct snapshot s = {.flags = vm_abi()->flags, .sys_flags = vm_abi()->sys_flags};
    memcpy(s.gpr, vm_abi()->gpr, sizeof s.gpr);
    return s;
}

// The instruction faults at `at` and has changed nothing.
static void assert_faults(uint32_t mode, uint32_t at, const uint8_t *bytes, unsigned size) {
    vm_abi()->flags = VM_FLAGS;
    struct snapshot before = take();
    struct vm_run r = vm_run(mode, bytes, size);
    assert_int_equal(r.end, VM_FAULT);
    assert_int_equal(r.fault, at);
    struct snapshot after = take();
    assert_memory_equal(&before, &after, sizeof before);
}
#define FAULTS(mode, at, ...)                                                                                          \
    assert_faults(mode, at, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static const uint32_t flag_sets[] = {0, VM_FLAGS, 0x001, 0x004, 0x010, 0x040, 0x080, 0x400, 0x800, 0x855};
#define FOR_EACH_FLAGS(f) for (unsigned f = 0; f < sizeof flag_sets / sizeof *flag_sets; f++)

// ---- Stack ----------------------------------------------------------------------------------------------------------

static void test_push_pop(void **state) {
    uint32_t esp = REG(ESP);
    (void)state;
    RUN(ONE, 0x53); // PUSH EBX
    assert_int_equal(REG(ESP), esp - 4);
    assert_int_equal(vm_read32(esp - 4), 0x44444444);
    RUN(ONE, 0x54); // PUSH ESP: the old value
    assert_int_equal(vm_read32(esp - 8), esp - 4);
    RUN(ONE, 0x66, 0x6a, 0xfe); // PUSH -2, 16 bits
    assert_int_equal(REG(ESP), esp - 10);
    assert_int_equal(vm_read32(esp - 10) & 0xffff, 0xfffe);
    RUN(ONE, 0x66, 0x59); // POP CX keeps the upper half
    assert_int_equal(REG(ECX), 0x2222fffe);
    assert_int_equal(REG(ESP), esp - 8);
    RUN(ONE, 0x5c); // POP ESP: what was on the stack
    assert_int_equal(REG(ESP), esp - 4);
    vm_write32(esp - 4, 0x12345678);
    RUN(ONE, 0x8f, 0x44, 0x24, 0x10); // POP [ESP+16]: ESP is incremented in the address
    assert_int_equal(REG(ESP), esp);
    assert_int_equal(vm_read32(esp + 16), 0x12345678);
    RUN(ONE, 0xff, 0x74, 0x24, 0x10); // PUSH [ESP+16]: not decremented
    assert_int_equal(vm_read32(esp - 4), 0x12345678);
}

static void test_pop_sp_keeps_the_upper_half(void **state) {
    uint32_t esp = REG(ESP);
    (void)state;
    vm_write32(esp, 0xffff1230);
    RUN(ONE, 0x66, 0x5c);
    assert_int_equal(REG(ESP), (esp & 0xffff0000u) | 0x1230);
}

static void test_leave(void **state) {
    (void)state;
    REG(EBP) = VM_GOOD + 0x100;
    vm_write32(VM_GOOD + 0x100, 0xcafe1234);
    RUN(ONE, 0xc9);
    assert_int_equal(REG(ESP), VM_GOOD + 0x104);
    assert_int_equal(REG(EBP), 0xcafe1234);
}

static void test_push_segment(void **state) {
    uint32_t esp = REG(ESP);
    (void)state;
    vm_abi()->seg_selector[SEG_FS] = 0x3b;
    vm_write32(esp - 4, 0xffffffff);
    RUN(ONE, 0x0f, 0xa0);
    assert_int_equal(vm_read32(esp - 4), 0x3b);
    RUN(ONE, 0x66, 0x0f, 0xa0);
    assert_int_equal(REG(ESP), esp - 6);
}

static void test_stack_faults(void **state) {
    (void)state;
    REG(EAX) = BAD;
    FAULTS(ONE, BAD, 0xff, 0x30); // PUSH [EAX]: the source
    REG(EAX) = VM_GOOD;
    REG(ESP) = VM_GOOD;
    FAULTS(ONE, VM_GOOD - 4, 0xff, 0x30); // the stack
    FAULTS(ONE, VM_GOOD - 4, 0x50);
    FAULTS(ONE, VM_GOOD - 4, 0x9c); // PUSHFD
    REG(ESP) = BAD;
    FAULTS(ONE, BAD, 0x8f, 0x00); // POP [EAX]: the stack
    FAULTS(ONE, BAD, 0x58);
    FAULTS(ONE, BAD, 0x9d); // POPFD
    REG(ESP) = VM_GOOD;
    REG(EAX) = BAD + 8;
    FAULTS(ONE, BAD + 8, 0x8f, 0x00); // POP [EAX]: the destination
    REG(EBP) = BAD + 4;
    FAULTS(ONE, BAD + 4, 0xc9); // LEAVE
}

// ---- Virtual flags --------------------------------------------------------------------------------------------------

static void test_cli_keeps_the_flags(void **state) {
    (void)state;
    FOR_EACH_FLAGS(i) {
        vm_abi()->flags = flag_sets[i];
        vm_abi()->sys_flags = 0x247300;
        assert_int_equal(RUN(ONE, 0xfa).end, VM_EXIT);
        assert_int_equal(vm_abi()->sys_flags, 0x247100);
        assert_int_equal(vm_abi()->flags, flag_sets[i]);
        assert_int_equal(REG(ECX), 0x22222222);
    }
}

static void test_sti(void **state) {
    (void)state;
    FOR_EACH_FLAGS(i) {
        vm_abi()->flags = flag_sets[i];
        vm_abi()->sys_flags = 0x3000;
        struct vm_run r = RUN(VM_MODE, 0xfb, 0x90); // STI; NOP; HLT
        assert_int_equal(r.id, CALLOUT_HLT);
        assert_int_equal(vm_abi()->sys_flags, 0x3000 | IF);
        assert_int_equal(vm_abi()->flags, flag_sets[i]);
        assert_int_equal(REG(ECX), 0x22222222);
    }
    RUN(VM_MODE, 0xfb, 0x90); // IF is set already
    assert_int_equal(vm_abi()->sys_flags, 0x3000 | IF);
}

static void test_sti_with_an_interrupt_waiting(void **state) {
    (void)state;
    vm_abi()->sys_flags = 0;
    vm_abi()->pending = 1;
    assert_int_equal(RUN(VM_MODE, 0xfb, 0x90).id, CALLOUT_STI);
    assert_int_equal(vm_abi()->sys_flags, 0);
    assert_int_equal(REG(ECX), 0x22222222);
}

// Only where the next instruction is certainly in the block.
static void test_sti_alone(void **state) {
    (void)state;
    vm_abi()->sys_flags = 0;
    assert_int_equal(RUN(ONE, 0xfb).id, CALLOUT_STI);
    assert_int_equal(RUN(VM_MODE & ~(uint32_t)MODE_IOPL_OK, 0xfb, 0x90).id, CALLOUT_STI);
}

static void test_pushf(void **state) {
    uint32_t esp = REG(ESP);
    (void)state;
    FOR_EACH_FLAGS(i) {
        vm_abi()->flags = flag_sets[i];
        vm_abi()->sys_flags = 0x00277300; // with RF and VM
        REG(ESP) = esp;
        RUN(ONE, 0x9c);
        assert_int_equal(vm_read32(esp - 4), flag_sets[i] | 0x00247302);
        assert_int_equal(vm_abi()->flags, flag_sets[i]);
        assert_int_equal(REG(ESP), esp - 4);
    }
}

static struct vm_run popf(uint32_t mode, uint32_t image) {
    uint32_t esp = VM_GOOD + 0x800;
    REG(ESP) = esp;
    vm_write32(esp, image);
    struct vm_run r = RUN(mode, 0x9d);
    assert_int_equal(REG(ESP), esp + 4);
    return r;
}

static void test_popf_in_line(void **state) {
    (void)state;
    FOR_EACH_FLAGS(i) {
        vm_abi()->flags = VM_FLAGS & ~flag_sets[i];
        vm_abi()->sys_flags = 0x3000;
        assert_int_equal(popf(ONE, flag_sets[i] | 0x3002 | IF).end, VM_EXIT); // IF becomes 1, nothing waits
        assert_int_equal(vm_abi()->flags, flag_sets[i]);
        assert_int_equal(vm_abi()->sys_flags, 0x3000 | IF);
        assert_int_equal(popf(ONE, flag_sets[i] | 0x3002).end, VM_EXIT); // and 0
        assert_int_equal(vm_abi()->sys_flags, 0x3000);
    }
}

static void test_popf_by_c(void **state) {
    static const uint32_t changes[] = {0x100, 0x1000, 0x4000, 0x40000, 0x200000}; // TF IOPL NT AC ID
    (void)state;
    for (unsigned i = 0; i < sizeof changes / sizeof *changes; i++) {
        vm_abi()->sys_flags = IF;
        struct vm_run r = popf(ONE, changes[i] | IF | 2);
        assert_int_equal(r.id, CALLOUT_POPF);
        assert_int_equal(r.r9, changes[i] | IF | 2);
        assert_int_equal(vm_abi()->sys_flags, IF);
    }
    vm_abi()->sys_flags = 0;
    vm_abi()->pending = 1;
    assert_int_equal(popf(ONE, IF | 2).id, CALLOUT_POPF);
}

static void test_popf_without_privilege(void **state) {
    uint32_t user = (ONE | 3u << MODE_CPL_SHIFT) & ~(uint32_t)MODE_IOPL_OK;
    (void)state;
    assert_int_equal(popf(user, 0x3001).end, VM_EXIT); // neither IF nor IOPL changes
    assert_int_equal(vm_abi()->sys_flags, IF);
    assert_int_equal(vm_abi()->flags, 1);
}

// ---- The rest of the inline and removed kinds -----------------------------------------------------------------------

static void test_rdtsc(void **state) {
    (void)state;
    vm_abi()->flags = VM_FLAGS;
    vm_abi()->tsc_offset = -0x123456789abll;
    uint64_t before = __rdtsc() - 0x123456789abull;
    RUN(ONE, 0x0f, 0x31);
    uint64_t value = (uint64_t)REG(EDX) << 32 | REG(EAX), after = __rdtsc() - 0x123456789abull;
    assert_true(value - before <= after - before);
    assert_int_equal(vm_abi()->flags, VM_FLAGS);
}

static void test_selectors(void **state) {
    (void)state;
    vm_abi()->seg_selector[SEG_SS] = 0x7b;
    RUN(ONE, 0x8c, 0xd1); // MOV ECX, SS
    assert_int_equal(REG(ECX), 0x7b);
    RUN(ONE, 0x66, 0x8c, 0xd2); // MOV DX, SS
    assert_int_equal(REG(EDX), 0x3333007b);
    REG(EAX) = VM_GOOD;
    vm_write32(VM_GOOD, 0xffffffff);
    RUN(ONE, 0x8c, 0x10); // MOV [EAX], SS: 16 bits
    assert_int_equal(vm_read32(VM_GOOD), 0xffff007b);
    vm_write32(VM_GOOD, 0xffff0010);
    struct vm_run r = RUN(ONE, 0x8e, 0x18); // MOV DS, [EAX]
    assert_int_equal(r.id, CALLOUT_LOAD_SEG);
    assert_int_equal(r.r9, 0x10);
    assert_int_equal(r.extra, SEG_DS);
}

static void test_salc(void **state) {
    (void)state;
    vm_abi()->flags = 0x840;
    RUN(ONE, 0xd6);
    assert_int_equal(REG(EAX), 0x11111100);
    vm_abi()->flags = 0x841;
    RUN(ONE, 0xd6);
    assert_int_equal(REG(EAX), 0x111111ff);
    assert_int_equal(vm_abi()->flags, 0x841);
}

static void test_into(void **state) {
    (void)state;
    vm_abi()->flags = VM_FLAGS & ~0x800u;
    assert_int_equal(RUN(ONE, 0xce).next, VM_CODE + VM_OFFSET + 1);
    vm_abi()->flags = 0x800;
    struct vm_run r = RUN(ONE, 0xce);
    assert_int_equal(r.id, CALLOUT_INT);
    assert_int_equal(r.r9, 4 | 2 << 8);
}

// ---- Strings --------------------------------------------------------------------------------------------------------

static void test_rep_movs_both_ways(void **state) {
    uint8_t *from = vm_memory(VM_GOOD), *to = vm_memory(VM_GOOD + 0x400);
    (void)state;
    for (unsigned i = 0; i < 64; i++)
        from[i] = (uint8_t)(i + 1);
    REG(ESI) = VM_GOOD;
    REG(EDI) = VM_GOOD + 0x400;
    REG(ECX) = 16;
    RUN(VM_MODE, 0xf3, 0xa5);
    assert_memory_equal(from, to, 64);
    assert_int_equal(REG(ECX), 0);
    assert_int_equal(REG(ESI), VM_GOOD + 64);
    assert_int_equal(REG(EDI), VM_GOOD + 0x440);
    vm_abi()->flags = 0x400; // DF
    REG(ECX) = 3;
    REG(ESI) = VM_GOOD + 2;
    REG(EDI) = VM_GOOD + 0x802;
    RUN(VM_MODE, 0xf3, 0xa4);
    assert_memory_equal(from, vm_memory(VM_GOOD + 0x800), 3);
    assert_int_equal(REG(ESI), VM_GOOD - 1);
    assert_int_equal(vm_abi()->flags, 0x400);
}

static void test_scas_and_cmps(void **state) {
    (void)state;
    memcpy(vm_memory(VM_GOOD), "abcdefgh", 8);
    memcpy(vm_memory(VM_GOOD + 0x100), "abcdeXgh", 8);
    REG(EDI) = VM_GOOD;
    REG(ECX) = 100;
    REG(EAX) = 'e';
    RUN(VM_MODE, 0xf2, 0xae); // REPNE SCASB
    assert_int_equal(REG(EDI), VM_GOOD + 5);
    assert_int_equal(REG(ECX), 95);
    assert_true(vm_abi()->flags & 0x40);
    REG(ESI) = VM_GOOD;
    REG(EDI) = VM_GOOD + 0x100;
    REG(ECX) = 8;
    RUN(VM_MODE, 0xf3, 0xa6); // REPE CMPSB
    assert_int_equal(REG(ECX), 2);
    assert_int_equal(REG(ESI), VM_GOOD + 6);
    assert_false(vm_abi()->flags & 0x40);
    vm_abi()->flags = VM_FLAGS & ~0x400u;
    REG(ECX) = 0;
    RUN(VM_MODE, 0xf3, 0xa6); // nothing happens, to the flags either
    assert_int_equal(vm_abi()->flags, VM_FLAGS & ~0x400u);
}

// A fault in the middle leaves the iterations that are done, as registers that the guest may see.
static void test_rep_fault_is_restartable(void **state) {
    (void)state;
    REG(EDI) = VM_GOOD_END - 8;
    REG(ECX) = 5;
    REG(EAX) = 0x55667788;
    struct vm_run r = RUN(VM_MODE, 0xf3, 0xab);
    assert_int_equal(r.end, VM_FAULT);
    assert_int_equal(r.fault, VM_GOOD_END);
    assert_true(r.string);
    assert_int_equal(REG(ECX), 3);
    assert_int_equal(REG(EDI), VM_GOOD_END);
    assert_int_equal(vm_read32(VM_GOOD_END - 4), 0x55667788);
    REG(ESI) = BAD;
    REG(EDI) = VM_GOOD;
    FAULTS(ONE, BAD, 0xa4); // MOVSB, the source
    REG(ESI) = VM_GOOD;
    REG(EDI) = BAD;
    FAULTS(ONE, BAD, 0xa4); // and the destination
}

// ---- x87 pointers ---------------------------------------------------------------------------------------------------

static void test_x87_pointers(void **state) {
    (void)state;
    REG(EAX) = VM_GOOD;
    RUN(VM_MODE, 0xd9, 0x00, 0xd8, 0x48, 0x04, 0xde, 0xc1); // FLD [EAX]; FMUL [EAX+4]; FADDP
    assert_int_equal(vm_abi()->fip, VM_CODE + VM_OFFSET + 5);
    assert_int_equal(vm_abi()->fdp, VM_GOOD + 4);
    RUN(VM_MODE, 0xd9, 0x38); // FNSTCW leaves them alone
    assert_int_equal(vm_abi()->fip, VM_CODE + VM_OFFSET + 5);
    RUN(VM_MODE, 0xdb, 0xe3); // FNINIT clears them
    assert_int_equal(vm_abi()->fip, 0);
    assert_int_equal(vm_abi()->fdp, 0);
}

// One that faults has not executed.
static void test_x87_fault_keeps_the_pointers(void **state) {
    (void)state;
    REG(EAX) = BAD;
    FAULTS(ONE, BAD, 0xd9, 0x00);
    assert_int_equal(vm_abi()->fip, 0xaaaaaaaa);
    assert_int_equal(vm_abi()->fdp, 0xaaaaaaaa);
}

static int open_vm(void **state) {
    (void)state;
    return vm_open();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_push_pop, reset),
        cmocka_unit_test_setup(test_pop_sp_keeps_the_upper_half, reset),
        cmocka_unit_test_setup(test_leave, reset),
        cmocka_unit_test_setup(test_push_segment, reset),
        cmocka_unit_test_setup(test_stack_faults, reset),
        cmocka_unit_test_setup(test_cli_keeps_the_flags, reset),
        cmocka_unit_test_setup(test_sti, reset),
        cmocka_unit_test_setup(test_sti_with_an_interrupt_waiting, reset),
        cmocka_unit_test_setup(test_sti_alone, reset),
        cmocka_unit_test_setup(test_pushf, reset),
        cmocka_unit_test_setup(test_popf_in_line, reset),
        cmocka_unit_test_setup(test_popf_by_c, reset),
        cmocka_unit_test_setup(test_popf_without_privilege, reset),
        cmocka_unit_test_setup(test_rdtsc, reset),
        cmocka_unit_test_setup(test_selectors, reset),
        cmocka_unit_test_setup(test_salc, reset),
        cmocka_unit_test_setup(test_into, reset),
        cmocka_unit_test_setup(test_rep_movs_both_ways, reset),
        cmocka_unit_test_setup(test_scas_and_cmps, reset),
        cmocka_unit_test_setup(test_rep_fault_is_restartable, reset),
        cmocka_unit_test_setup(test_x87_pointers, reset),
        cmocka_unit_test_setup(test_x87_fault_keeps_the_pointers, reset),
    };
    return cmocka_run_group_tests_name("translator_run", tests, open_vm, NULL);
}
