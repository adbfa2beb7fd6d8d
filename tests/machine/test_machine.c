// The public interface on a fake processor: causes of a stop, resets, time-outs, the PC's ports and lines, statistics.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "devices/bus.h"
#include "ringshade.h"
#include "tests/machine/fake_cpu.h"
#include "tests/machine/json_check.h"
#include "tests/machine/kernel_builder.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct fixture {
    struct scratch scratch;
    struct kernel_file file;
    struct ringshade_config config;
    struct ringshade_guest guest;
    struct ringshade_error err;
    struct ringshade *machine;
};

static int setup(void **state) {
    struct fixture *f = calloc(1, sizeof *f);
    if (!f)
        return -1;
    scratch_create(&f->scratch);
    build_multiboot_elf(&f->file);
    f->guest.kernel = scratch_write(&f->scratch, "kernel", f->file.bytes, f->file.size);
    f->config = ringshade_default_config();
    f->config.memory = 16u << 20;
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

static void start(struct fixture *f, enum cpu_stop (*guest)(struct vcpu *v)) {
    fake_cpu_guest = guest;
    f->machine = ringshade_create(&f->config, &f->err);
    if (!f->machine || ringshade_load(f->machine, &f->guest, &f->err))
        fail_msg("%s", f->err.text);
}

static enum cpu_stop guest_halt(struct vcpu *v) {
    (void)v;
    return CPU_STOP_HALT;
}

static void test_halt(void **state) {
    struct fixture *f = *state;
    start(f, guest_halt);
    assert_string_equal(ringshade_stop_text(f->machine), "the machine has not run");
    assert_int_equal(ringshade_run(f->machine), RINGSHADE_STOP_HALT);
    assert_string_equal(ringshade_stop_text(f->machine), "halt");
}

static enum cpu_stop guest_debug_exit(struct vcpu *v) {
    fake_cpu_out(v, 0xf4, 0x21);
    return fake_cpu_wait(v);
}

static void test_debug_exit(void **state) {
    struct fixture *f = *state;
    start(f, guest_debug_exit);
    assert_int_equal(ringshade_run(f->machine), RINGSHADE_STOP_DEBUG_EXIT);
    assert_int_equal(ringshade_debug_exit_value(f->machine), 0x21);
}

static enum cpu_stop guest_debug_exit_then_halt(struct vcpu *v) {
    fake_cpu_out(v, 0xf4, 0x22);
    return CPU_STOP_HALT;
}

static void test_debug_exit_counts_more_than_halt(void **state) {
    struct fixture *f = *state;
    start(f, guest_debug_exit_then_halt);
    assert_int_equal(ringshade_run(f->machine), RINGSHADE_STOP_DEBUG_EXIT);
}

// Resets the machine through the keyboard controller at its first run, halts at the second.
static enum cpu_stop guest_reset_once(struct vcpu *v) {
    assert_int_equal(v->state.eip, 0x100200);
    if (v->runs == 2)
        return CPU_STOP_HALT;
    memset(v->config.ram->host + 0x100000, 0xcc, 0x3000); // the kernel's bytes are gone
    v->state.eip = 0;
    fake_cpu_out(v, 0x64, 0xfe);
    return fake_cpu_wait(v);
}

static void test_reset_loads_the_kernel_again(void **state) {
    struct fixture *f = *state;
    start(f, guest_reset_once);
    unlink(f->guest.kernel); // a reset needs no file
    assert_int_equal(ringshade_run(f->machine), RINGSHADE_STOP_HALT);
    uint8_t memory[0x3000];
    assert_int_equal(ringshade_read_memory(f->machine, 0x100000, memory, sizeof memory), 0);
    assert_memory_equal(memory, f->file.bytes, ELF_KERNEL_SIZE);
    for (size_t i = ELF_KERNEL_SIZE; i < sizeof memory; i++)
        assert_int_equal(memory[i], 0);
}

static enum cpu_stop guest_reset_port92(struct vcpu *v) {
    fake_cpu_out(v, 0x92, 0x00);
    fake_cpu_out(v, 0x92, 0x01);
    return fake_cpu_wait(v);
}

static void test_no_reboot(void **state) {
    struct fixture *f = *state;
    f->config.no_reboot = true;
    start(f, guest_reset_port92);
    assert_int_equal(ringshade_run(f->machine), RINGSHADE_STOP_RESET);
}

static enum cpu_stop guest_triple_fault(struct vcpu *v) {
    v->error_text = "a page fault while delivering #DF";
    v->state.eip = 0xc0100000;
    return CPU_STOP_TRIPLE_FAULT;
}

static void test_triple_fault(void **state) {
    struct fixture *f = *state;
    start(f, guest_triple_fault);
    assert_int_equal(ringshade_run(f->machine), RINGSHADE_STOP_TRIPLE_FAULT);
    assert_string_equal(ringshade_stop_text(f->machine),
                        "triple fault at 0010:c0100000: a page fault while delivering #DF");
    struct ringshade_registers registers;
    ringshade_get_registers(f->machine, &registers);
    assert_int_equal(registers.eip, 0xc0100000);
}

static enum cpu_stop guest_error(struct vcpu *v) {
    v->error_text = "the verifier rejected a block";
    return CPU_STOP_ERROR;
}

static void test_monitor_error(void **state) {
    struct fixture *f = *state;
    start(f, guest_error);
    assert_int_equal(ringshade_run(f->machine), RINGSHADE_STOP_ERROR);
    assert_string_equal(ringshade_stop_text(f->machine), "error of the monitor: the verifier rejected a block");
}

static enum cpu_stop guest_waits(struct vcpu *v) {
    return fake_cpu_wait(v);
}

static void test_timeout_and_going_on(void **state) {
    struct fixture *f = *state;
    f->config.timeout = 0.02;
    start(f, guest_waits);
    assert_int_equal(ringshade_run(f->machine), RINGSHADE_STOP_TIMEOUT);
    assert_string_equal(ringshade_stop_text(f->machine), "timeout: the guest still ran after 0.02 seconds");
    fake_cpu_guest = guest_halt;
    assert_int_equal(ringshade_run(f->machine), RINGSHADE_STOP_HALT);
}

static void *stop_later(void *opaque) {
    usleep(10000);
    ringshade_request_stop(opaque);
    return NULL;
}

static void test_stop_from_another_thread(void **state) {
    struct fixture *f = *state;
    start(f, guest_waits);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, stop_later, f->machine), 0);
    assert_int_equal(ringshade_run(f->machine), RINGSHADE_STOP_REQUEST);
    pthread_join(thread, NULL);
}

static void test_stop_before_the_run(void **state) {
    struct fixture *f = *state;
    start(f, guest_waits);
    ringshade_request_stop(f->machine);
    assert_int_equal(ringshade_run(f->machine), RINGSHADE_STOP_REQUEST);
}

static void test_reset_from_outside(void **state) {
    struct fixture *f = *state;
    f->config.no_reboot = true;
    start(f, guest_waits);
    ringshade_request_reset(f->machine);
    assert_int_equal(ringshade_run(f->machine), RINGSHADE_STOP_RESET);
}

static void test_no_kernel(void **state) {
    struct fixture *f = *state;
    f->machine = ringshade_create(&f->config, &f->err);
    assert_non_null(f->machine);
    assert_int_equal(ringshade_run(f->machine), RINGSHADE_STOP_ERROR);
    assert_string_equal(ringshade_stop_text(f->machine), "error of the monitor: no kernel is loaded");
    assert_int_equal(ringshade_restart(f->machine, &f->err), -1);
}

// Programs the interrupt controllers as an operating system does and waits for a timer tick.
static enum cpu_stop guest_takes_a_tick(struct vcpu *v) {
    static const struct {
        uint16_t port;
        uint8_t value;
    } writes[] = {
        {0x20, 0x11}, {0x21, 0x20}, {0x21, 0x04}, {0x21, 0x01}, {0xa0, 0x11}, {0xa1, 0x28}, {0xa1, 0x02},
        {0xa1, 0x01}, {0x21, 0xfe}, {0xa1, 0xff}, {0x43, 0x34}, {0x40, 0x00}, {0x40, 0x10},
    };
    for (size_t i = 0; i < sizeof writes / sizeof *writes; i++)
        fake_cpu_out(v, writes[i].port, writes[i].value);
    assert_int_equal(fake_cpu_wait_interrupt(v), 0x20);
    return CPU_STOP_HALT;
}

static void test_timer_interrupts(void **state) {
    struct fixture *f = *state;
    start(f, guest_takes_a_tick);
    assert_int_equal(ringshade_run(f->machine), RINGSHADE_STOP_HALT);
}

static enum cpu_stop guest_pokes_ports(struct vcpu *v) {
    fake_cpu_out(v, 0x92, 0x00);
    assert_false(v->a20);
    fake_cpu_out(v, 0x92, 0x02);
    assert_true(v->a20);
    assert_int_equal(fake_cpu_in(v, 0x64) & 1, 0);
    assert_int_equal(fake_cpu_in(v, 0x3f8 + 5) & 0x60, 0x60);
    fake_cpu_out(v, 0x70, 0x34); // extended memory above 16 MiB, in 64 KiB
    assert_int_equal(fake_cpu_in(v, 0x71), 0);
    fake_cpu_out(v, 0x70, 0x31); // extended memory in KiB, high byte
    assert_int_equal(fake_cpu_in(v, 0x71), (15 << 10) >> 8);
    fake_cpu_out(v, 0x80, 0x42);
    assert_int_equal(fake_cpu_in(v, 0x2f8), 0xff); // no second serial port
    assert_int_equal(fake_cpu_in(v, 0x5ac), 0xff); // no DMA test device
    return CPU_STOP_HALT;
}

static void test_ports(void **state) {
    struct fixture *f = *state;
    start(f, guest_pokes_ports);
    assert_int_equal(ringshade_run(f->machine), RINGSHADE_STOP_HALT);
}

static enum cpu_stop guest_prints(struct vcpu *v) {
    for (const char *at = "hello\n"; *at; at++)
        fake_cpu_out(v, 0x3f8, (uint8_t)*at);
    return CPU_STOP_HALT;
}

static void test_serial_file(void **state) {
    struct fixture *f = *state;
    f->config.serial = RINGSHADE_SERIAL_FILE;
    f->config.serial_path = scratch_write(&f->scratch, "serial", "old text", 8);
    start(f, guest_prints);
    assert_int_equal(ringshade_run(f->machine), RINGSHADE_STOP_HALT);
    ringshade_destroy(f->machine);
    f->machine = NULL;
    char text[32] = "";
    FILE *file = fopen(f->config.serial_path, "r");
    assert_non_null(file);
    assert_int_equal(fread(text, 1, sizeof text, file), 6);
    fclose(file);
    assert_string_equal(text, "hello\n");
}

static void test_serial_file_is_kept_when_the_kernel_is_bad(void **state) {
    struct fixture *f = *state;
    f->config.serial = RINGSHADE_SERIAL_FILE;
    f->config.serial_path = scratch_write(&f->scratch, "serial", "old text", 8);
    f->guest.kernel = "/nonexistent/kernel";
    f->machine = ringshade_create(&f->config, &f->err);
    assert_non_null(f->machine);
    assert_int_equal(ringshade_load(f->machine, &f->guest, &f->err), -1);
    struct stat st;
    assert_int_equal(stat(f->config.serial_path, &st), 0);
    assert_int_equal(st.st_size, 8);
}

static void test_serial_file_that_cannot_be_opened(void **state) {
    struct fixture *f = *state;
    f->config.serial = RINGSHADE_SERIAL_FILE;
    f->config.serial_path = "/nonexistent/serial";
    f->machine = ringshade_create(&f->config, &f->err);
    assert_non_null(f->machine);
    assert_int_equal(ringshade_load(f->machine, &f->guest, &f->err), -1);
    assert_non_null(strstr(f->err.text, "/nonexistent/serial"));
}

static void test_serial_pty(void **state) {
    struct fixture *f = *state;
    f->config.serial = RINGSHADE_SERIAL_PTY;
    start(f, guest_halt);
    assert_non_null(ringshade_serial_name(f->machine));
    assert_int_equal(strncmp(ringshade_serial_name(f->machine), "/dev/pts/", 9), 0);
}

static void out32(struct vcpu *v, uint16_t port, uint32_t value) {
    v->config.lock(v->config.opaque);
    io_bus_write(v->config.io, port, 4, value);
    v->config.unlock(v->config.opaque);
}

static uint32_t in32(struct vcpu *v, uint16_t port) {
    v->config.lock(v->config.opaque);
    uint32_t value = io_bus_read(v->config.io, port, 4);
    v->config.unlock(v->config.opaque);
    return value;
}

static enum cpu_stop guest_dma(struct vcpu *v) {
    out32(v, 0x5a0, 0x100000);
    out32(v, 0x5a4, 0x200000);
    out32(v, 0x5a8, 64);
    out32(v, 0x5ac, 1);
    while (!(in32(v, 0x5ac) & 2))
        usleep(100);
    return CPU_STOP_HALT;
}

static void test_dma_device(void **state) {
    struct fixture *f = *state;
    f->config.dma_test = true;
    start(f, guest_dma);
    assert_int_equal(ringshade_run(f->machine), RINGSHADE_STOP_HALT);
    uint8_t memory[64];
    assert_int_equal(ringshade_read_memory(f->machine, 0x200000, memory, sizeof memory), 0);
    assert_memory_equal(memory, f->file.bytes, sizeof memory);
}

static void test_memory_access(void **state) {
    struct fixture *f = *state;
    f->config.memory = (16u << 20) + 1; // rounded up
    start(f, guest_halt);
    assert_int_equal(ringshade_memory_size(f->machine), 20u << 20);
    uint8_t bytes[4] = {1, 2, 3, 4}, back[4];
    assert_int_equal(ringshade_write_memory(f->machine, 0x500000, bytes, 4), 0);
    assert_int_equal(ringshade_read_memory(f->machine, 0x500000, back, 4), 0);
    assert_memory_equal(bytes, back, 4);
    assert_int_equal(ringshade_read_memory(f->machine, 0xb8000, back, 4), -1);
    assert_int_equal(ringshade_read_memory(f->machine, (20u << 20) - 2, back, 4), -1);
    assert_int_equal(ringshade_read_memory(f->machine, UINT64_MAX, back, 4), -1);
}

static void test_registers_go_both_ways(void **state) {
    struct fixture *f = *state;
    start(f, guest_halt);
    struct ringshade_registers in, out;
    memset(&in, 0, sizeof in);
    memset(&out, 0, sizeof out);
    in.eax = 1, in.ecx = 2, in.edx = 3, in.ebx = 4, in.esp = 5, in.ebp = 6, in.esi = 7, in.edi = 8;
    in.eip = 9, in.eflags = 0x202, in.cr0 = 0x11, in.cr2 = 10, in.cr3 = 11, in.cr4 = 12, in.dr[7] = 0x400;
    in.cs = (struct ringshade_segment){0x10, 0xc9b, 0, 0xffffffff};
    in.gs = (struct ringshade_segment){0x33, 0xcf3, 0x1234, 0xffffffff};
    in.tr = (struct ringshade_segment){0x28, 0x8b, 0x5678, 0x67};
    in.gdt_base = 13, in.gdt_limit = 14, in.idt_base = 15, in.idt_limit = 16;
    ringshade_set_registers(f->machine, &in);
    ringshade_get_registers(f->machine, &out);
    assert_memory_equal(&in, &out, sizeof in);

    char *text = NULL;
    size_t size;
    FILE *stream = open_memstream(&text, &size);
    ringshade_print_registers(&out, stream);
    fclose(stream);
    assert_non_null(strstr(text, "EIP 00000009 EFLAGS 00000202 CPL 0 protected mode, paging off\n"));
    assert_non_null(strstr(text, "GS   0033 base 00001234"));
    assert_non_null(strstr(text, "ES   0000 base 00000000 limit 00000000 attr 000 (null)\n"));
    free(text);
}

static enum cpu_stop guest_counts(struct vcpu *v) {
    v->config.stats->insns_translated = 1000;
    v->config.stats->insns_identity = 900;
    v->config.stats->host_maps = 5;
    v->config.stats->callouts[7] = 12;
    v->config.stats->callouts[8] = 13;
    return guest_debug_exit(v);
}

static void test_statistics(void **state) {
    struct fixture *f = *state;
    start(f, guest_counts);
    ringshade_run(f->machine);
    char *text = NULL;
    size_t size;
    FILE *stream = open_memstream(&text, &size);
    assert_int_equal(ringshade_write_stats(f->machine, stream, &f->err), 0);
    fclose(stream);
    assert_true(json_is_valid(text));
    static const char *const parts[] = {
        "\"insns_translated\": 1000", "\"identity_share\": 0.900000", "\"cpuid\": 12",         "\"callout_8\": 13",
        "\"cause\": \"debug-exit\"",  "\"debug_exit_value\": 33",     "\"mmu\": \"adaptive\"", "\"ns_total\": ",
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (!strstr(text, parts[i]))
            fail_msg("%s is not in %s", parts[i], text);
    free(text);

    uint64_t value;
    assert_int_equal(ringshade_get_counter(f->machine, "host_maps", &value), 0);
    assert_int_equal(value, 5);
    assert_int_equal(ringshade_get_counter(f->machine, "no_such_counter", &value), -1);
}

static void test_statistics_to_a_full_disk(void **state) {
    struct fixture *f = *state;
    start(f, guest_halt);
    FILE *full = fopen("/dev/full", "w");
    assert_non_null(full);
    assert_int_equal(ringshade_write_stats(f->machine, full, &f->err), -1);
    assert_non_null(strstr(f->err.text, "cannot write the statistics"));
    fclose(full);
}

static void assert_create_fails(struct fixture *f, const char *reason) {
    assert_null(ringshade_create(&f->config, &f->err));
    if (!strstr(f->err.text, reason))
        fail_msg("error text is: %s", f->err.text);
}

static void test_bad_configurations(void **state) {
    struct fixture *f = *state;
    struct ringshade_config good = f->config;
    f->config.memory = 1u << 20;
    assert_create_fails(f, "memory size");
    f->config.memory = 4ull << 30;
    assert_create_fails(f, "memory size");
    f->config = good;
    f->config.timeout = -1;
    assert_create_fails(f, "timeout");
    f->config = good;
    f->config.serial = RINGSHADE_SERIAL_FILE;
    assert_create_fails(f, "no file is named");
    f->config = good;
    f->config.log_topics = "blocks,nonsense";
    assert_create_fails(f, "unknown log topic in 'blocks,nonsense'");
    f->config = good;
    fake_cpu_create_error = "the host has no BMI2";
    assert_create_fails(f, "the host has no BMI2");
    fake_cpu_create_error = NULL;
}

int main(void) {
    signal(SIGPIPE, SIG_IGN);
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_halt),
        TEST(test_debug_exit),
        TEST(test_debug_exit_counts_more_than_halt),
        TEST(test_reset_loads_the_kernel_again),
        TEST(test_no_reboot),
        TEST(test_triple_fault),
        TEST(test_monitor_error),
        TEST(test_timeout_and_going_on),
        TEST(test_stop_from_another_thread),
        TEST(test_stop_before_the_run),
        TEST(test_reset_from_outside),
        TEST(test_no_kernel),
        TEST(test_timer_interrupts),
        TEST(test_ports),
        TEST(test_serial_file),
        TEST(test_serial_file_is_kept_when_the_kernel_is_bad),
        TEST(test_serial_file_that_cannot_be_opened),
        TEST(test_serial_pty),
        TEST(test_dma_device),
        TEST(test_memory_access),
        TEST(test_registers_go_both_ways),
        TEST(test_statistics),
        TEST(test_statistics_to_a_full_disk),
        TEST(test_bad_configurations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
