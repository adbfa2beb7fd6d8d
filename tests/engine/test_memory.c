// Memory that is not what it seems: operands in devices and across their edge, pages that change under the code that
// runs in them, tables in odd places, jumps to addresses where nothing is.
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define P_RW_US 7u

extern const uint8_t program_operands[], program_split_locks[], program_x87_store[], program_over_itself[],
    program_exchanged[], program_large_page[], program_own_table[], program_other_table[], program_into_device[],
    program_remap_running[], program_switch_running[];

static const struct rig_options forms[] = {
    {.policy = MMU_SOFT}, {.policy = MMU_DIRECT}, {.policy = MMU_ADAPTIVE}, {.policy = MMU_DIRECT, .no_link = true}};
#define FORMS (sizeof forms / sizeof forms[0])

// ---- LOCK across a cache line
// ----------------------------------------------------------------------------------------------------------------

static void start_split_locks(struct rig *rig) {
    rig_reset_memory(rig);
    for (unsigned page = 0; page < 2; page++)
        rig_map(rig, SPECIAL + page * 4096, (DATA + 0x10000 + page * 4096) | P_RW_US);
    rig_start(rig, rig_address(program_split_locks), 3, false);
    rig->vcpu->abi.gpr[CPU_ESI] = SPECIAL + 0x3e;  // four bytes over the end of a line
    rig->vcpu->abi.gpr[CPU_EDI] = SPECIAL + 0xffe; // and of a page
}

// A host that refuses such a LOCK raises SIGBUS with the trap number of an alignment check: here one that the test
// makes by letting the block run with the host's own AC. From then on every locked operand takes the other way. The
// forms but the direct one call C before they come to the operand, and C is not for running with AC: there the test
// says so.
static void test_split_locks(void **state) {
    (void)state;
    static struct rig_result wanted, got;
    for (unsigned form = 0; form < FORMS; form++)
        for (unsigned refused = 0; refused < 2; refused++) {
            struct rig rig;
            struct rig_options options = forms[form];
            options.verify = true;
            rig_open(&rig, &options);
            start_split_locks(&rig);
            if (refused && options.policy != MMU_DIRECT)
                engine_forbid_split_locks(rig.vcpu);
            else if (refused)
                rig.vcpu->abi.flags |= EFLAGS_AC;
            rig_run(&rig);
            rig_result(&rig, &got);
            if (!form && !refused)
                wanted = got;
            rig_compare(&wanted, &got, refused ? "refused" : "allowed");
            assert_int_equal(rig.engine->no_split_locks, refused);
            assert_int_equal(got.exceptions, 0);
            rig_close(&rig);
        }
}

// ---- Operands
// ----------------------------------------------------------------------------------------------------------------

// Three pages of SPECIAL: each RAM or the device. A device that holds what is written to it is as good as RAM.
static void run_operands(struct rig *rig, unsigned devices, struct rig_result *result, uint8_t pages[3][4096]) {
    rig_reset_memory(rig);
    memset(rig->device, 0, sizeof rig->device);
    for (unsigned page = 0; page < 3; page++) {
        bool device = devices >> page & 1;
        rig_map(rig, SPECIAL + page * 4096, (device ? DEVICE_GPA : DATA + 0x10000 + page * 4096) | P_RW_US);
    }
    rig_start(rig, rig_address(program_operands), 3, false);
    rig->vcpu->abi.gpr[CPU_ESI] = SPECIAL + 0x100;
    rig->vcpu->abi.gpr[CPU_EDI] = SPECIAL + 0x1ffd;
    rig_run(rig);
    rig_result(rig, result);
    for (unsigned page = 0; page < 3; page++)
        memcpy(pages[page], devices >> page & 1 ? rig->device : rig->ram.host + DATA + 0x10000 + page * 4096, 4096);
    memset(result->data, 0, sizeof result->data);
}

static void test_x87_store_to_device(void **state) {
    (void)state;
    for (unsigned form = 0; form < FORMS; form++) {
        struct rig rig;
        rig_open(&rig, &forms[form]);
        rig_reset_memory(&rig);
        rig_map(&rig, SPECIAL, DEVICE_GPA | P_RW_US);
        rig_start(&rig, rig_address(program_x87_store), 3, false);
        rig.vcpu->abi.gpr[CPU_ESI] = SPECIAL;
        rig_run(&rig);
        assert_true(rig.access_count > 0);
        for (unsigned i = 0; i < rig.access_count; i++)
            assert_true(rig.accesses[i].write);
        assert_int_equal(rig.device[7], 0x3f);  // 1.0
        assert_int_equal(rig.device[8], 1);     // 1
        assert_int_equal(rig.device[23], 0x80); // 1.0 again
        rig_close(&rig);
    }
}

static void test_operands_in_devices(void **state) {
    (void)state;
    static struct rig_result wanted, got;
    static uint8_t wanted_pages[3][4096], pages[3][4096];
    for (unsigned form = 0; form < FORMS; form++) {
        struct rig rig;
        rig_open(&rig, &forms[form]);
        // One device page only: it would otherwise be its own neighbour.
        for (unsigned devices = 0; devices < 5; devices = devices ? devices * 2 : 1) {
            char what[60];
            snprintf(what, sizeof what, "form %u, devices %u", form, devices);
            run_operands(&rig, devices, &got, pages);
            assert_int_equal(got.exceptions, 0);
            if (form == 0 && devices == 0) {
                wanted = got;
                memcpy(wanted_pages, pages, sizeof pages);
            }
            rig_compare(&wanted, &got, what);
            assert_memory_equal(wanted_pages, pages, sizeof pages);
            assert_true(!devices || rig.access_count > 0);
        }
        rig_close(&rig);
    }
}

// ---- A repeated store over its own bytes
// ---------------------------------------------------------------------------------------------

// Goes on to its end all the same: the instruction is fetched anew only behind an interrupt. Its page is one whose
// blocks check themselves, and so takes stores without a fault; the store ends in a page of code, which does not.
static void test_store_over_itself(void **state) {
    (void)state;
    static struct rig_result wanted, got;
    for (unsigned form = 0; form < FORMS; form++) {
        struct rig rig;
        rig_open(&rig, &forms[form]);
        rig_reset_memory(&rig);
        rig_start(&rig, rig_address(program_over_itself), 3, false);
        rig_run(&rig);
        rig_result(&rig, &got);
        if (!form)
            wanted = got;
        assert_int_equal(got.state.gpr[CPU_ECX], 0);
        assert_int_equal(got.state.gpr[CPU_EDI], DATA + 0x6800);
        rig_compare(&wanted, &got, "over itself");
        rig_close(&rig);
    }
}

// ---- Pages that change
// -----------------------------------------------------------------------------------------------------------

static void test_exchanged_registers(void **state) {
    (void)state;
    static const uint32_t wanted[7] = {0x12345678,       0x11223344, 0x87654321,   0x12345678,
                                       SPECIAL + 0x3000, 0x55558000, DATA + 0x2000};
    for (unsigned form = 0; form < FORMS; form++)
        for (unsigned round = 0; round < 2; round++) {
            struct rig rig;
            rig_open(&rig, &forms[form]);
            rig_start(&rig, rig_address(program_exchanged), 3, false);
            rig.vcpu->abi.gpr[CPU_ECX] = 0x11223344;
            rig.vcpu->abi.gpr[CPU_EDI] = SPECIAL + 0x3000;
            rig_run(&rig);
            for (unsigned i = 0; i < 7; i++)
                if (rig_get(&rig, DATA + 4 * i) != wanted[i])
                    fail_msg("form %u: register %u is %08x, not %08x", form, i, rig_get(&rig, DATA + 4 * i), wanted[i]);
            assert_int_equal(rig_get(&rig, VAR_LOG_NEXT), LOG_START + 5 * 16);
            assert_int_equal(rig_get(&rig, DATA + 0x2100), 0xffffffff);
            rig_close(&rig);
        }
}

static void test_changing_pages(void **state) {
    (void)state;
    static const struct {
        const char *name;
        const uint8_t *code;
        uint32_t eax, ebx; // at the end; only AL counts where ebx is 0
    } cases[] = {
        {"large_page", program_large_page, 2, 1},
        {"own_table", program_own_table, 0x11223355, 0x11223344},
        {"other_table", program_other_table, 0x11223344, 0x11223344},
        {"into_device", program_into_device, 0x66557744, 0x11223344},
        {"remap_running", program_remap_running, 0x22, 0},
        {"switch_running", program_switch_running, 0x22, 0},
    };
    for (unsigned form = 0; form < FORMS; form++)
        for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++)
            for (unsigned round = 0; round < 2; round++) {
                struct rig rig;
                rig_open(&rig, &forms[form]);
                for (unsigned again = 0; again <= round; again++) {
                    rig_reset_memory(&rig);
                    rig_start(&rig, rig_address(cases[i].code), 0, false);
                    rig_run(&rig);
                }
                uint32_t eax = rig.vcpu->abi.gpr[CPU_EAX], ebx = rig.vcpu->abi.gpr[CPU_EBX];
                if (!cases[i].ebx)
                    eax &= 0xff;
                if (rig_get(&rig, VAR_LOG_NEXT) != LOG_START)
                    fail_msg("%s, form %u: exception %u at %08x", cases[i].name, form, rig_get(&rig, LOG_START),
                             rig_get(&rig, LOG_START + 8));
                if (eax != cases[i].eax || ebx != cases[i].ebx)
                    fail_msg("%s, form %u: %08x %08x", cases[i].name, form, eax, ebx);
                rig_close(&rig);
            }
}

// ---- Nowhere
// ---------------------------------------------------------------------------------------------------------------------

static void expect(struct rig *rig, enum cpu_stop wanted, unsigned vector, uint32_t cr2, const char *what) {
    enum cpu_stop stop = vcpu_run(rig->vcpu);
    if (stop != wanted)
        fail_msg("%s: stop %d at %08x: %s", what, stop, rig->vcpu->abi.eip, vcpu_error_text(rig->vcpu));
    if (wanted != CPU_STOP_HALT)
        return;
    uint32_t log[4];
    memcpy(log, rig->ram.host + LOG_START, sizeof log);
    if (log[0] != vector || (vector == VECTOR_PF && log[3] != cr2))
        fail_msg("%s: exception %u at %08x, cr2 %08x", what, log[0], log[2], log[3]);
}

static void fresh(struct rig *rig, uint32_t eip, unsigned cpl) {
    rig_reset_memory(rig);
    rig_start(rig, eip, cpl, false);
}

static void test_jumps_to_nowhere(void **state) {
    (void)state;
    static const uint8_t end[] = {0xcd, END_VECTOR};
    for (unsigned form = 0; form < FORMS; form++)
        for (unsigned cpl = 0; cpl <= 3; cpl += 3) {
            struct rig rig;
            rig_open(&rig, &forms[form]);
            fresh(&rig, 0x12345678, cpl);
            expect(&rig, CPU_STOP_HALT, VECTOR_PF, 0x12345678, "not present");
            fresh(&rig, 0xffffffff, cpl);
            expect(&rig, CPU_STOP_HALT, VECTOR_PF, 0xffffffff, "the last byte");
            // All ones: FFh /7 is no instruction.
            fresh(&rig, SPECIAL + 0x10, cpl);
            rig_map(&rig, SPECIAL, 0xa0000 | P_RW_US);
            expect(&rig, CPU_STOP_HALT, VECTOR_UD, 0, "the video hole");
            fresh(&rig, SPECIAL + 0xfff, cpl);
            rig_map(&rig, SPECIAL, 0xa0000 | P_RW_US);
            expect(&rig, CPU_STOP_HALT, VECTOR_PF, SPECIAL + 0x1000, "the end of the video hole");
            fresh(&rig, SPECIAL, cpl);
            rig_map(&rig, SPECIAL, 0xfffff000 | P_RW_US);
            expect(&rig, CPU_STOP_HALT, VECTOR_UD, 0, "beyond all memory");
            fresh(&rig, SPECIAL + 0x20, cpl);
            rig_map(&rig, SPECIAL, DEVICE_GPA | P_RW_US);
            memcpy(rig.device + 0x20, end, sizeof end);
            expect(&rig, CPU_STOP_HALT, 0, 0, "a device");
            // mov $11223344h, %eax across the end of the address space; int 80h
            static const uint8_t first[] = {0xb8, 0x44}, second[] = {0x33, 0x22, 0x11, 0xcd, END_VECTOR};
            fresh(&rig, 0xfffffffe, cpl);
            rig_put(&rig, PAGE_DIRECTORY + 4 * 1023, SPECIAL_TABLE | P_RW_US);
            rig_put(&rig, SPECIAL_TABLE + 4 * 1023, DATA | P_RW_US);
            rig_map(&rig, 0, (DATA + 0x1000) | P_RW_US);
            rig_code(&rig, DATA + 0xffe, first, sizeof first);
            rig_code(&rig, DATA + 0x1000, second, sizeof second);
            expect(&rig, CPU_STOP_HALT, 0, 0, "around the end");
            assert_int_equal(rig.vcpu->abi.gpr[CPU_EAX], 0x11223344);
            rig_close(&rig);
        }
}

static void test_tables_in_odd_places(void **state) {
    (void)state;
    static const uint8_t load[] = {0xa1, 0x10, 0x00, 0xc0, 0x00, 0xcd, END_VECTOR}; // mov 0xc00010, %eax
    for (unsigned form = 0; form < FORMS; form++) {
        struct rig rig;
        rig_open(&rig, &forms[form]);
        fresh(&rig, DATA, 3);
        rig_code(&rig, DATA, load, sizeof load);
        rig_put(&rig, PAGE_DIRECTORY + 12, DEVICE_GPA | P_RW_US);
        uint32_t entry = (DATA + 0x2000) | P_RW_US;
        memset(rig.device, 0, sizeof rig.device);
        memcpy(rig.device, &entry, 4);
        rig_put(&rig, DATA + 0x2010, 0xcafe);
        expect(&rig, CPU_STOP_HALT, 0, 0, "a page table in a device");
        assert_int_equal(rig.vcpu->abi.gpr[CPU_EAX], 0xcafe);
        // Beyond RAM everything reads as ones: a present page beyond all memory.
        fresh(&rig, DATA, 3);
        rig_code(&rig, DATA, load, sizeof load);
        rig_put(&rig, PAGE_DIRECTORY + 12, 0x10000000 | P_RW_US);
        expect(&rig, CPU_STOP_HALT, 0, 0, "a page table beyond RAM");
        assert_int_equal(rig.vcpu->abi.gpr[CPU_EAX], 0xffffffff);
        // A directory beyond RAM: not even the first instruction's page, nor the IDT's.
        struct cpu_state cpu;
        fresh(&rig, DATA, 3);
        vcpu_get_state(rig.vcpu, &cpu);
        cpu.cr3 = 0x20000000;
        vcpu_set_state(rig.vcpu, &cpu);
        enum cpu_stop stop = vcpu_run(rig.vcpu);
        assert_true(stop == CPU_STOP_TRIPLE_FAULT || stop == CPU_STOP_HALT);
        rig_close(&rig);
    }
}

static void test_system_tables_in_odd_places(void **state) {
    (void)state;
    static const uint8_t fault[] = {0x0f, 0x0b};
    static const uint32_t places[] = {0x12340000, 0xfffffff8, 0xffffffff, SPECIAL + 0x5000, DEVICE_GPA};
    for (unsigned form = 0; form < FORMS; form++)
        for (unsigned table = 0; table < 3; table++)
            for (unsigned i = 0; i < sizeof places / sizeof places[0]; i++) {
                struct rig rig;
                struct cpu_state cpu;
                rig_open(&rig, &forms[form]);
                fresh(&rig, DATA, 3);
                rig_code(&rig, DATA, fault, sizeof fault);
                rig_map(&rig, SPECIAL + 0x5000, DEVICE_GPA | P_RW_US);
                vcpu_get_state(rig.vcpu, &cpu);
                if (table == 0)
                    cpu.gdt_base = places[i];
                else if (table == 1)
                    cpu.idt_base = places[i];
                else
                    cpu.tr.base = places[i];
                vcpu_set_state(rig.vcpu, &cpu);
                assert_int_equal(vcpu_run(rig.vcpu), CPU_STOP_TRIPLE_FAULT);
                // And it runs again after a reset.
                fresh(&rig, rig_address(program_operands), 3);
                rig.vcpu->abi.gpr[CPU_ESI] = DATA;
                rig.vcpu->abi.gpr[CPU_EDI] = DATA + 0x100;
                rig_run(&rig);
                rig_close(&rig);
            }
}

static void test_halt_without_wake_up(void **state) {
    (void)state;
    static const uint8_t halt[] = {0xfa, 0xf4}, divide[] = {0x31, 0xc9, 0xf7, 0xf1};
    struct rig rig;
    rig_open(&rig, &forms[1]);
    fresh(&rig, DATA, 0);
    rig_code(&rig, DATA, halt, sizeof halt);
    assert_int_equal(vcpu_run(rig.vcpu), CPU_STOP_HALT);
    assert_int_equal(rig.vcpu->abi.eip, DATA + 2);
    fresh(&rig, DATA, 0);
    rig_code(&rig, DATA, divide, sizeof divide);
    struct cpu_state cpu;
    vcpu_get_state(rig.vcpu, &cpu);
    cpu.idt_limit = 0;
    vcpu_set_state(rig.vcpu, &cpu);
    assert_int_equal(vcpu_run(rig.vcpu), CPU_STOP_TRIPLE_FAULT);
    assert_int_equal(rig.vcpu->abi.eip, DATA + 2);
    rig_close(&rig);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_split_locks),
        cmocka_unit_test(test_x87_store_to_device),
        cmocka_unit_test(test_operands_in_devices),
        cmocka_unit_test(test_exchanged_registers),
        cmocka_unit_test(test_store_over_itself),
        cmocka_unit_test(test_changing_pages),
        cmocka_unit_test(test_jumps_to_nowhere),
        cmocka_unit_test(test_tables_in_odd_places),
        cmocka_unit_test(test_system_tables_in_odd_places),
        cmocka_unit_test(test_halt_without_wake_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
