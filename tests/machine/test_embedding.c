// The public interface on the real engine, as a program that embeds it would use it: stop and go on, look and change,
// reset, several machines in turn and at once.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ringshade.h"
#include "tests/machine/kernel_builder.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ENTRY 0x200080u // of the flat synthetic kernel

struct fixture {
    struct scratch scratch;
    struct ringshade_config config;
    struct ringshade_guest guest;
    struct ringshade *machine;
};

// A machine whose kernel is `code`, in 32-bit protected mode without paging.
static struct ringshade *create(struct fixture *f, const void *code, size_t size) {
    static struct kernel_file file;
    struct ringshade_error err;
    build_multiboot_flat(&file);
    memcpy(file.bytes + 0x80, code, size);
    f->guest.kernel = scratch_write(&f->scratch, "kernel", file.bytes, file.size);
    struct ringshade *machine = ringshade_create(&f->config, &err);
    if (!machine || ringshade_load(machine, &f->guest, &err))
        fail_msg("%s", err.text);
    return machine;
}

static int setup(void **state) {
    struct fixture *f = calloc(1, sizeof *f);
    if (!f)
        return -1;
    scratch_create(&f->scratch);
    f->config = ringshade_default_config();
    f->config.memory = 8u << 20;
    f->config.timeout = 30; // a test that fails ends all the same
    *state = f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    ringshade_destroy(f->machine);
    scratch_destroy(&f->scratch);
    free(f);
    return 0;
}

static void *stop_soon(void *opaque) {
    usleep(20000);
    ringshade_request_stop(opaque);
    return NULL;
}

static enum ringshade_stop run_for_a_while(struct ringshade *machine) {
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, stop_soon, machine), 0);
    enum ringshade_stop stop = ringshade_run(machine);
    pthread_join(thread, NULL);
    return stop;
}

static const uint8_t counter_code[] = {
    0x43,       // inc ebx
    0xeb, 0xfd, // jmp to it
};

static void test_stop_and_go_on(void **state) {
    struct fixture *f = *state;
    f->machine = create(f, counter_code, sizeof counter_code);
    struct ringshade_registers registers;
    uint32_t before = 0;
    for (int i = 0; i < 10; i++) {
        assert_int_equal(run_for_a_while(f->machine), RINGSHADE_STOP_REQUEST);
        ringshade_get_registers(f->machine, &registers);
        assert_true(registers.eip == ENTRY || registers.eip == ENTRY + 1);
        assert_int_not_equal(registers.ebx, before);
        before = registers.ebx;
    }
}

// Code that has run, and is translated, is changed from outside.
static void test_change_code_and_registers(void **state) {
    struct fixture *f = *state;
    f->machine = create(f, counter_code, sizeof counter_code);
    assert_int_equal(run_for_a_while(f->machine), RINGSHADE_STOP_REQUEST);
    static const uint8_t halt[] = {0xfa, 0xf4, 0xf4};
    assert_int_equal(ringshade_write_memory(f->machine, ENTRY, halt, sizeof halt), 0);
    struct ringshade_registers registers;
    ringshade_get_registers(f->machine, &registers);
    registers.eip = ENTRY;
    registers.edx = 0x12345678;
    ringshade_set_registers(f->machine, &registers);
    assert_int_equal(ringshade_run(f->machine), RINGSHADE_STOP_HALT);
    ringshade_get_registers(f->machine, &registers);
    assert_int_equal(registers.edx, 0x12345678);
    assert_int_equal(registers.eip, ENTRY + 2);
}

static void *nmi_soon(void *opaque) {
    usleep(20000);
    ringshade_raise_nmi(opaque);
    return NULL;
}

// From another thread into a loop with interrupts off: the handler halts.
static void test_nmi(void **state) {
    struct fixture *f = *state;
    enum { HANDLER = ENTRY + 0x20, IDTR = ENTRY + 0x40, IDT = ENTRY + 0x50 };
    uint8_t code[0x80] = {
        0x0f, 0x01, 0x1d, IDTR & 0xff, IDTR >> 8 & 0xff, IDTR >> 16, 0, // lidt [IDTR]
        0xeb, 0xfe,                                                     // jmp to itself
    };
    static const uint8_t handler[] = {0x8b, 0x14, 0x24, 0xf4}; // mov edx, [esp]; hlt
    memcpy(code + 0x20, handler, sizeof handler);
    f->machine = create(f, code, sizeof code);
    struct ringshade_registers registers;
    ringshade_get_registers(f->machine, &registers);
    const uint16_t limit = 3 * 8 - 1;
    const uint32_t base = IDT;
    const uint16_t gate[4] = {HANDLER & 0xffff, registers.cs.selector, 0x8e00, HANDLER >> 16};
    ringshade_write_memory(f->machine, IDTR, &limit, sizeof limit);
    ringshade_write_memory(f->machine, IDTR + 2, &base, sizeof base);
    ringshade_write_memory(f->machine, IDT + 16, gate, sizeof gate);
    registers.esp = 0x300000;
    ringshade_set_registers(f->machine, &registers);
    pthread_t thread;
    pthread_create(&thread, NULL, nmi_soon, f->machine);
    assert_int_equal(ringshade_run(f->machine), RINGSHADE_STOP_HALT);
    pthread_join(thread, NULL);
    ringshade_get_registers(f->machine, &registers);
    assert_int_equal(registers.eip, HANDLER + sizeof handler);
    assert_int_equal(registers.edx, ENTRY + 7);
    assert_int_equal(registers.esp, 0x300000 - 12);
}

static void test_restart(void **state) {
    struct fixture *f = *state;
    static const uint8_t code[] = {
        0xff, 0x05, 0x00, 0x00, 0x30, 0x00, // inc dword [300000h]
        0xfa, 0xf4,                         // cli; hlt
    };
    f->machine = create(f, code, sizeof code);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(ringshade_run(f->machine), RINGSHADE_STOP_HALT);
        uint32_t count = 0;
        assert_int_equal(ringshade_read_memory(f->machine, 0x300000, &count, sizeof count), 0);
        assert_int_equal(count, 1);
        struct ringshade_error err;
        assert_int_equal(ringshade_restart(f->machine, &err), 0);
        ringshade_read_memory(f->machine, 0x300000, &count, sizeof count);
        assert_int_equal(count, 0);
    }
}

// The same place gets other code by another kernel: nothing of the first may still run.
static void test_load_another_kernel(void **state) {
    struct fixture *f = *state;
    static const uint8_t first[] = {0xb8, 1, 0, 0, 0, 0xfa, 0xf4}; // mov eax, 1; cli; hlt
    f->machine = create(f, first, sizeof first);
    assert_int_equal(ringshade_run(f->machine), RINGSHADE_STOP_HALT);
    static struct kernel_file file;
    static const uint8_t second[] = {0xb8, 2, 0, 0, 0, 0xfa, 0xf4};
    build_multiboot_flat(&file);
    memcpy(file.bytes + 0x80, second, sizeof second);
    f->guest.kernel = scratch_write(&f->scratch, "second", file.bytes, file.size);
    struct ringshade_error err;
    assert_int_equal(ringshade_load(f->machine, &f->guest, &err), 0);
    assert_int_equal(ringshade_run(f->machine), RINGSHADE_STOP_HALT);
    struct ringshade_registers registers;
    ringshade_get_registers(f->machine, &registers);
    assert_int_equal(registers.eax, 2);
}

static void test_reset_from_another_thread(void **state) {
    struct fixture *f = *state;
    f->config.no_reboot = true;
    f->machine = create(f, counter_code, sizeof counter_code);
    ringshade_request_reset(f->machine);
    assert_int_equal(ringshade_run(f->machine), RINGSHADE_STOP_RESET);
}

static void *run_machine(void *opaque) {
    enum ringshade_stop stop = ringshade_run(opaque);
    return (void *)(uintptr_t)stop;
}

static void test_two_machines_at_once(void **state) {
    struct fixture *f = *state;
    struct ringshade *machines[2];
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) {
        machines[i] = create(f, counter_code, sizeof counter_code);
        assert_int_equal(pthread_create(&threads[i], NULL, run_machine, machines[i]), 0);
    }
    usleep(50000);
    for (int i = 0; i < 2; i++) {
        void *stop;
        ringshade_request_stop(machines[i]);
        pthread_join(threads[i], &stop);
        assert_int_equal((uintptr_t)stop, RINGSHADE_STOP_REQUEST);
        struct ringshade_registers registers;
        ringshade_get_registers(machines[i], &registers);
        assert_int_not_equal(registers.ebx, 0);
        ringshade_destroy(machines[i]);
    }
}

static void test_machines_in_turn(void **state) {
    struct fixture *f = *state;
    static const uint8_t halt[] = {0xfa, 0xf4};
    for (int i = 0; i < 4; i++) {
        struct ringshade *machine = create(f, halt, sizeof halt);
        assert_int_equal(ringshade_run(machine), RINGSHADE_STOP_HALT);
        ringshade_destroy(machine);
    }
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_stop_and_go_on),
        TEST(test_change_code_and_registers),
        TEST(test_nmi),
        TEST(test_restart),
        TEST(test_load_another_kernel),
        TEST(test_reset_from_another_thread),
        TEST(test_two_machines_at_once),
        TEST(test_machines_in_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
