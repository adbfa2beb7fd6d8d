// Other threads at work on a running engine: devices that write memory, stops and resets at any time, a second machine,
// and a host that loses the window base.
#include "rig.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define HANG    10 // seconds after which a test that hangs is ended by SIGALRM
#define LOSE_NS 400000

static double now(void) {
    return (double)engine_now_ns() * 1e-9;
}

static void *run(void *opaque) {
    struct rig *rig = opaque;
    return (void *)(uintptr_t)vcpu_run(rig->vcpu);
}

static void start_thread(pthread_t *thread, struct rig *rig) {
    assert_int_equal(pthread_create(thread, NULL, run, rig), 0);
    while (!__atomic_load_n(&rig->engine->running, __ATOMIC_SEQ_CST))
        usleep(50);
}

static void stop_thread(pthread_t thread, struct rig *rig, enum cpu_stop wanted) {
    void *why;
    vcpu_request_stop(rig->vcpu);
    pthread_join(thread, &why);
    assert_int_equal((uintptr_t)why, wanted);
}

// ---- DMA
// ---------------------------------------------------------------------------------------------------------------------

static void flag_frames(struct rig *rig, uint32_t first, uint32_t count) {
    for (uint32_t frame = first; frame < first + count; frame++)
        __atomic_fetch_or(&rig->ram.frame_flags[frame], (uint8_t)RAM_FRAME_CODE, __ATOMIC_SEQ_CST);
}

// More frames with code than the queue holds, while nobody runs who could empty it.
static void test_dma_while_stopped(void **state) {
    (void)state;
    struct rig rig;
    const struct rig_options options = {.policy = MMU_SOFT};
    static uint8_t data[300 * 4096];
    rig_open(&rig, &options);
    flag_frames(&rig, 0x100, 300);
    assert_int_equal(vcpu_dma_write(rig.vcpu, 0x100000, data, sizeof data), 0);
    rig_start_program(&rig, &rig_programs[0], 0, false);
    rig_run(&rig);
    for (uint32_t frame = 0x100; frame < 0x100 + 300; frame++)
        assert_int_equal(rig.ram.frame_flags[frame] & RAM_FRAME_CODE, 0);
    rig_close(&rig);
}

// The same while a loop runs that never leaves by itself, and while the guest sleeps.
static void test_dma_while_running(void **state) {
    (void)state;
    static uint8_t data[300 * 4096];
    static const uint8_t sleeper[] = {0xfb, 0xf4, 0xeb, 0xfd}; // sti; hlt; jmp
    for (unsigned sleeps = 0; sleeps < 2; sleeps++) {
        struct rig rig;
        const struct rig_options options = {.policy = MMU_DIRECT};
        rig_open(&rig, &options);
        rig_code(&rig, DATA, sleeper, sizeof sleeper);
        rig_start(&rig, sleeps ? DATA : rig_address(program_spin_one), 0, true);
        pthread_t thread;
        start_thread(&thread, &rig);
        for (unsigned round = 0; round < 20; round++) {
            flag_frames(&rig, 0x100, 300);
            assert_int_equal(vcpu_dma_write(rig.vcpu, 0x100000, data, sizeof data), 0);
            for (uint32_t frame = 0x100; frame < 0x100 + 300; frame++)
                assert_int_equal(__atomic_load_n(&rig.ram.frame_flags[frame], __ATOMIC_SEQ_CST) & RAM_FRAME_CODE, 0);
        }
        stop_thread(thread, &rig, CPU_STOP_REQUESTED);
        rig_close(&rig);
    }
}

// A device writes a function anew and then tells its number; the guest must never call an older one than it was told.
//     1: mov ebx,[DATA]; call DATA+2000h; cmp eax,ebx; jae 1b; int 80h
// The function is `mov eax, number; ret`, with the number in one aligned doubleword.
static void test_dma_into_running_code(void **state) {
    (void)state;
    static const uint8_t caller[] = {0x8b, 0x1d, 0x00, 0x00, 0x06, 0x00, 0xe8, 0xf5, 0x1e,
                                     0x00, 0x00, 0x39, 0xd8, 0x73, 0xf1, 0xcd, 0x80};
    static const uint8_t function[] = {0x90, 0x90, 0x90, 0xb8, 0, 0, 0, 0, 0xc3};
    for (unsigned form = 0; form < 2; form++) {
        struct rig rig;
        const struct rig_options options = {.policy = form ? MMU_DIRECT : MMU_SOFT};
        rig_open(&rig, &options);
        rig_code(&rig, DATA + 0x100, caller, sizeof caller);
        rig_code(&rig, DATA + 0x2000, function, sizeof function);
        rig_start(&rig, DATA + 0x100, 3, true);
        pthread_t thread;
        start_thread(&thread, &rig);
        double end = now() + 0.7;
        uint32_t number = 1;
        for (; now() < end; number++) {
            assert_int_equal(vcpu_dma_write(rig.vcpu, DATA + 0x2004, &number, 4), 0);
            assert_int_equal(vcpu_dma_write(rig.vcpu, DATA, &number, 4), 0);
        }
        stop_thread(thread, &rig, CPU_STOP_REQUESTED); // HALT would mean that the guest saw an old function
        assert_true(number > 100);
        rig_close(&rig);
    }
}

// ---- Stops and resets
// ----------------------------------------------------------------------------------------------------------

static void test_run_stop_run(void **state) {
    (void)state;
    struct rig rig;
    const struct rig_options options = {.policy = MMU_DIRECT};
    rig_open(&rig, &options);
    for (unsigned i = 0; i < rig_spin_count; i++) {
        rig_start(&rig, rig_address(rig_spins[i].code), 0, true);
        for (unsigned round = 0; round < 10; round++) {
            uint32_t before = rig.vcpu->abi.gpr[CPU_EBX];
            pthread_t thread;
            start_thread(&thread, &rig);
            usleep(round * 100);
            if (round % 2) {
                vcpu_request_reset(rig.vcpu);
                void *why;
                pthread_join(thread, &why);
                assert_int_equal((uintptr_t)why, CPU_STOP_RESET);
            } else {
                stop_thread(thread, &rig, CPU_STOP_REQUESTED);
            }
            assert_true(rig.vcpu->abi.gpr[CPU_EBX] >= before);
        }
    }
    // A request that comes while nothing runs is for the next run.
    vcpu_request_stop(rig.vcpu);
    assert_int_equal(vcpu_run(rig.vcpu), CPU_STOP_REQUESTED);
    rig_close(&rig);
}

static void test_reset_storm(void **state) {
    (void)state;
    struct rig rig;
    const struct rig_options options = {.policy = MMU_DIRECT};
    rig_open(&rig, &options);
    for (unsigned round = 0; round < 60; round++) {
        rig_start_program(&rig, &rig_programs[round % rig_program_count], 3, true);
        pthread_t thread;
        if (round % 3 == 0)
            vcpu_request_reset(rig.vcpu); // before it runs
        assert_int_equal(pthread_create(&thread, NULL, run, &rig), 0);
        for (unsigned i = 0; i < 5; i++)
            vcpu_request_reset(rig.vcpu);
        pthread_join(thread, NULL);
    }
    __atomic_store_n(&rig.engine->reset_requested, 0, __ATOMIC_SEQ_CST);
    rig_reset_programs(&rig);
    rig_start_program(&rig, &rig_programs[0], 3, true);
    rig_run(&rig);
    rig_close(&rig);
}

static struct vcpu *stopped_by_signal;

static void on_timer(int signal) {
    (void)signal;
    int saved = errno;
    vcpu_request_stop(stopped_by_signal);
    errno = saved;
}

static void test_stop_from_a_signal_handler(void **state) {
    (void)state;
    struct rig rig;
    const struct rig_options options = {.policy = MMU_SOFT};
    rig_open(&rig, &options);
    struct sigaction action = {.sa_handler = on_timer, .sa_flags = SA_RESTART}, before;
    sigfillset(&action.sa_mask);
    sigaction(SIGUSR1, &action, &before);
    stopped_by_signal = rig.vcpu;
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    assert_int_equal(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
    for (unsigned i = 0; i < 100; i++) {
        rig_start(&rig, rig_address(rig_spins[i % rig_spin_count].code), 3, true);
        const struct itimerspec soon = {.it_value = {.tv_nsec = 20000 + 7919 * (i % 50)}};
        timer_settime(timer, 0, &soon, NULL);
        assert_int_equal(vcpu_run(rig.vcpu), CPU_STOP_REQUESTED);
    }
    timer_delete(timer);
    sigaction(SIGUSR1, &before, NULL);
    rig_close(&rig);
}

// ---- Two machines
// ----------------------------------------------------------------------------------------------------------------

// Nothing is mapped in either yet: their windows must be in different places all the same.
static void test_windows_apart(void **state) {
    (void)state;
    static struct rig rigs[2];
    const struct rig_options options = {.policy = MMU_DIRECT};
    for (unsigned i = 0; i < 2; i++)
        rig_open(&rigs[i], &options);
    uint64_t a = window_empty_base(rigs[0].vcpu->mmu), b = window_empty_base(rigs[1].vcpu->mmu);
    assert_true((a > b ? a - b : b - a) >= 17ull << 36);
    for (unsigned i = 0; i < 2; i++)
        rig_close(&rigs[i]);
}

// The first goes on faulting pages into its window after the second has ended.
static void test_two_machines(void **state) {
    (void)state;
    static struct rig rigs[2];
    static struct rig_result wanted, got;
    const struct rig_program *demand = &rig_programs[10];
    const struct rig_options options = {.policy = MMU_DIRECT};
    for (unsigned i = 0; i < 2; i++)
        rig_open(&rigs[i], &options);
    rig_start_program(&rigs[0], demand, 3, false);
    rig_run(&rigs[0]);
    rig_result(&rigs[0], &wanted);
    for (unsigned round = 0; round < 20; round++) {
        pthread_t thread;
        rig_start(&rigs[1], rig_address(program_spin_memory), 3, true);
        start_thread(&thread, &rigs[1]);
        rig_start_program(&rigs[0], demand, 3, false);
        rig_run(&rigs[0]); // installs and removes its handlers while the other runs
        rig_result(&rigs[0], &got);
        rig_compare(&wanted, &got, "beside another machine");
        rig_put(&rigs[0], VAR_LOG_NEXT, LOG_START);
        vcpu_dma_write(rigs[1].vcpu, PROGRAMS, programs_begin, 4096); // its code is made anew, its pages fault again
        usleep(200);
        stop_thread(thread, &rigs[1], CPU_STOP_REQUESTED);
    }
    for (unsigned i = 0; i < 2; i++)
        rig_close(&rigs[i]);
}

static void on_own_fault(int signal) {
    (void)signal;
}

// A program that embeds the engine finds its signal handlers and its signal stack as they were.
static void test_signals_restored(void **state) {
    (void)state;
    struct rig rig;
    const struct rig_options options = {.policy = MMU_DIRECT};
    static uint8_t memory[65536];
    stack_t own = {.ss_sp = memory, .ss_size = sizeof memory}, none = {.ss_flags = SS_DISABLE}, before, after;
    struct sigaction mine = {.sa_handler = on_own_fault}, saved, found;
    rig_open(&rig, &options);
    sigaltstack(&own, &before);
    sigaction(SIGFPE, &mine, &saved);
    rig_start_program(&rig, &rig_programs[9], 3, false); // faults
    rig_run(&rig);
    sigaction(SIGFPE, NULL, &found);
    sigaltstack(&none, &after);
    assert_ptr_equal(found.sa_handler, on_own_fault);
    assert_ptr_equal(after.ss_sp, memory);
    assert_int_equal(after.ss_size, sizeof memory);
    sigaction(SIGFPE, &saved, NULL);
    sigaltstack(&before, NULL);
    rig_close(&rig);
}

// ---- The window base is lost
// --------------------------------------------------------------------------------------------------------

static uint64_t lost_base;

static void on_lose(int signal) {
    (void)signal;
    __asm__ volatile("wrgsbase %0" ::"r"(lost_base));
}

static void test_window_base_lost(void **state) {
    (void)state;
    static struct rig_result wanted, got;
    struct rig rig;
    const struct rig_options options = {.policy = MMU_DIRECT};
    rig_open(&rig, &options);
    rig.engine->gs_volatile = true; // a host whose kernel does not keep it
    lost_base = window_empty_base(rig.vcpu->mmu);
    struct sigaction action = {.sa_handler = on_lose, .sa_flags = SA_ONSTACK | SA_RESTART}, before;
    sigfillset(&action.sa_mask);
    sigaction(SIGUSR1, &action, &before);
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    assert_int_equal(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
    for (unsigned i = 0; i < rig_program_count; i++)
        for (unsigned cpl = 0; cpl <= 3; cpl += 3) {
            if (!(rig_programs[i].cpls >> (cpl ? 1 : 0) & 1))
                continue;
            rig_start_program(&rig, &rig_programs[i], cpl, false);
            rig_run(&rig);
            rig_result(&rig, &wanted);
            const struct itimerspec often = {.it_value = {.tv_nsec = LOSE_NS}, .it_interval = {.tv_nsec = LOSE_NS}};
            timer_settime(timer, 0, &often, NULL);
            for (unsigned round = 0; round < 6; round++) {
                rig_start_program(&rig, &rig_programs[i], cpl, false);
                rig_run(&rig);
                rig_result(&rig, &got);
                rig_compare(&wanted, &got, rig_programs[i].name);
            }
            const struct itimerspec never = {0};
            timer_settime(timer, 0, &never, NULL);
        }
    timer_delete(timer);
    sigaction(SIGUSR1, &before, NULL);
    assert_true(rig.stats.gs_restores > 0);
    rig_close(&rig);
}

static int limit(void **state) {
    (void)state;
    alarm(HANG * 3);
    return 0;
}

static int no_limit(void **state) {
    (void)state;
    alarm(0);
    return 0;
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, limit, no_limit)
    const struct CMUnitTest tests[] = {
        TEST(test_dma_while_stopped), TEST(test_dma_while_running), TEST(test_dma_into_running_code),
        TEST(test_run_stop_run),      TEST(test_reset_storm),       TEST(test_stop_from_a_signal_handler),
        TEST(test_windows_apart),     TEST(test_two_machines),      TEST(test_signals_restored),
        TEST(test_window_base_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
