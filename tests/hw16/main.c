// hw16 [--mmu FORM] FOLDER: runs every hardware-captured test of a folder on the real engine, one vCPU for
// all. Prints each test that fails and, for each rule by which a later processor differs from the one that was
// captured, how many tests it decided. All of memory is compared after each test, not only what the test lists.
#include "tests/hw16/hw16.h"

#include "cpu/cpu.h"
#include "devices/bus.h"
#include "mmu/ram.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#define MEMORY       (2u << 20)
#define VECTORS      0x1f0000u // of tests that took no exception on the captured machine: beyond real mode's reach
#define OWN_VECTORS  32u
#define OPCODE_HLT   0xf4
#define CR0_AT_RESET 0x60000010u

struct runner {
    struct ram ram;
    uint8_t *wanted; // what memory must hold
    struct vcpu *vcpu;
    unsigned passed, failed, decided[HW16_RULES_MAX];
};

static struct vcpu *watched;           // for the signal handler
static volatile sig_atomic_t run;      // tests begun
static volatile sig_atomic_t last_run; // as the handler last saw it

// ---- The machine ---------------------------------------------------------------------------------------------------

// A halted processor with interrupts on: the test is over.
static uint64_t idle_begin(void *opaque) {
    vcpu_request_stop(((struct runner *)opaque)->vcpu);
    return 0;
}

static void idle_end(void *opaque) {
    (void)opaque;
}

static uint8_t acknowledge(void *opaque) {
    (void)opaque;
    return 0;
}

// A test that is still running after a second has gone astray.
static void watch(int signal) {
    (void)signal;
    if (last_run == run)
        vcpu_request_stop(watched);
    last_run = run;
}

static int open_machine(struct runner *r, enum mmu_policy policy) {
    static struct log log;
    static struct stats stats;
    struct error err;
    if (ram_create(&r->ram, MEMORY, &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        return -1;
    }
    r->ram.hole_start = r->ram.hole_end = 0; // the tests' machine had memory everywhere
    r->wanted = calloc(1, MEMORY);
    const struct cpu_config config = {
        .ram = &r->ram,
        .io = io_bus_create(NULL),
        .mmio = mmio_bus_create(NULL),
        .log = &log,
        .stats = &stats,
        .policy = policy,
        .acknowledge = acknowledge,
        .idle_begin = idle_begin,
        .idle_end = idle_end,
        .opaque = r,
    };
    r->vcpu = vcpu_create(&config, &err);
    if (!r->vcpu || !r->wanted) {
        fprintf(stderr, "%s\n", err.text);
        return -1;
    }
    watched = r->vcpu;
    const struct itimerval second = {.it_interval = {.tv_sec = 1}, .it_value = {.tv_sec = 1}};
    signal(SIGALRM, watch);
    setitimer(ITIMER_REAL, &second, NULL);
    return 0;
}

// ---- One test ------------------------------------------------------------------------------------------------------

static void put(struct runner *r, uint32_t address, uint8_t value) {
    r->ram.host[address] = r->wanted[address] = value;
    vcpu_memory_changed(r->vcpu, address, 1);
}

static void set_memory(struct runner *r, const struct hw16_test *test, const struct hw16_expect *expect) {
    for (unsigned i = 0; i < test->memory_count; i++)
        put(r, test->memory[i].address, test->memory[i].value);
    for (unsigned i = 0; i < OWN_VECTORS; i++) {
        put(r, VECTORS + 4 * i + 2, (uint8_t)(expect->handler >> 4));
        put(r, VECTORS + 4 * i + 3, (uint8_t)(expect->handler >> 12));
    }
    put(r, expect->handler, OPCODE_HLT);
    if (expect->halt != HW16_NO_ADDRESS)
        put(r, expect->halt, OPCODE_HLT);
    for (unsigned i = 0; i < expect->changed_count; i++)
        r->wanted[expect->changed[i].address] = expect->changed[i].value;
}

static void forget(struct runner *r, uint32_t address) {
    put(r, address, 0);
}

// Back to zeros: the bytes that the test listed or that came out wrong.
static void clear_memory(struct runner *r, const struct hw16_test *test, const struct hw16_expect *expect) {
    for (unsigned i = 0; i < test->memory_count; i++)
        forget(r, test->memory[i].address);
    for (unsigned i = 0; i < expect->changed_count; i++)
        forget(r, expect->changed[i].address);
    forget(r, expect->handler);
    if (expect->halt != HW16_NO_ADDRESS)
        forget(r, expect->halt);
    if (memcmp(r->ram.host, r->wanted, MEMORY) != 0)
        for (uint32_t address = 0; address < MEMORY; address++)
            if (r->ram.host[address] || r->wanted[address])
                forget(r, address);
}

static void set_registers(struct runner *r, const struct hw16_test *test, const struct hw16_expect *expect) {
    static const uint8_t gpr[8] = {HW16_AX, HW16_CX, HW16_DX, HW16_BX, HW16_SP, HW16_BP, HW16_SI, HW16_DI};
    static const uint8_t segment[CPU_SEG_COUNT] = {HW16_ES, HW16_CS, HW16_SS, HW16_DS, HW16_FS, HW16_GS};
    struct cpu_state state;
    vcpu_reset(r->vcpu);
    vcpu_get_state(r->vcpu, &state);
    for (unsigned i = 0; i < 8; i++)
        state.gpr[i] = test->initial[gpr[i]];
    for (unsigned i = 0; i < CPU_SEG_COUNT; i++) {
        state.seg[i].selector = test->initial[segment[i]];
        state.seg[i].base = (uint32_t)test->initial[segment[i]] << 4;
    }
    state.eip = test->initial[HW16_IP];
    state.eflags = test->initial[HW16_FLAGS];
    state.cr0 = CR0_AT_RESET;
    state.idt_base = expect->captured_vector ? 0 : VECTORS;
    vcpu_set_state(r->vcpu, &state);
}

static void get_registers(struct runner *r, uint16_t regs[HW16_REGS], uint32_t upper[HW16_REGS]) {
    static const uint8_t gpr[8] = {CPU_EAX, CPU_EBX, CPU_ECX, CPU_EDX, CPU_ESP, CPU_EBP, CPU_ESI, CPU_EDI};
    static const uint8_t of_gpr[8] = {HW16_AX, HW16_BX, HW16_CX, HW16_DX, HW16_SP, HW16_BP, HW16_SI, HW16_DI};
    static const uint8_t of_segment[CPU_SEG_COUNT] = {HW16_ES, HW16_CS, HW16_SS, HW16_DS, HW16_FS, HW16_GS};
    struct cpu_state state;
    vcpu_get_state(r->vcpu, &state);
    memset(upper, 0, HW16_REGS * sizeof *upper);
    for (unsigned i = 0; i < 8; i++) {
        regs[of_gpr[i]] = (uint16_t)state.gpr[gpr[i]];
        upper[of_gpr[i]] = state.gpr[gpr[i]] >> 16;
    }
    for (unsigned i = 0; i < CPU_SEG_COUNT; i++) {
        regs[of_segment[i]] = state.seg[i].selector;
        upper[of_segment[i]] = state.seg[i].base ^ (uint32_t)state.seg[i].selector << 4;
    }
    regs[HW16_IP] = (uint16_t)state.eip;
    regs[HW16_FLAGS] = (uint16_t)state.eflags;
    upper[HW16_FLAGS] = state.eflags >> 16;
}

// What is wrong, or nothing. Flags that the manual leaves undefined do not count, in the register or pushed.
static void compare(struct runner *r, const struct hw16_expect *expect, char *wrong, size_t size) {
    static const char *const names[HW16_REGS] = {"ax", "bx", "cx", "dx", "cs", "ss",    "ds", "es",
                                                 "sp", "bp", "si", "di", "ip", "flags", "fs", "gs"};
    uint16_t regs[HW16_REGS];
    uint32_t upper[HW16_REGS];
    size_t used = 0;
    get_registers(r, regs, upper);
    for (unsigned i = 0; i < HW16_REGS && used < size; i++) {
        uint16_t mask = i == HW16_FLAGS ? expect->flags_mask : 0xffff;
        if (((regs[i] ^ expect->regs[i]) & mask) || upper[i])
            used += (size_t)snprintf(wrong + used, size - used, " %s=%x not %x", names[i], regs[i] | upper[i] << 16,
                                     expect->regs[i]);
    }
    if (expect->flags_address != HW16_NO_ADDRESS)
        for (unsigned i = 0; i < 2; i++) {
            uint32_t at = expect->flags_address + i;
            uint8_t mask = (uint8_t)(expect->flags_mask >> 8 * i);
            r->wanted[at] = (uint8_t)((r->wanted[at] & mask) | (r->ram.host[at] & ~mask));
        }
    if (memcmp(r->ram.host, r->wanted, MEMORY) == 0)
        return;
    for (uint32_t at = 0; at < MEMORY && used < size; at++)
        if (r->ram.host[at] != r->wanted[at])
            used += (size_t)snprintf(wrong + used, size - used, " [%x]=%x not %x", at, r->ram.host[at], r->wanted[at]);
}

static void run_test(void *opaque, const struct hw16_test *test) {
    struct runner *r = opaque;
    struct hw16_expect expect;
    char wrong[512] = "";
    int rule = hw16_expectation(test, &expect);
    if (rule >= 0)
        r->decided[rule]++;
    set_memory(r, test, &expect);
    set_registers(r, test, &expect);
    run++;
    enum cpu_stop stop = vcpu_run(r->vcpu);
    if (stop != CPU_STOP_HALT && stop != CPU_STOP_REQUESTED)
        snprintf(wrong, sizeof wrong, " stop %d: %s", stop, vcpu_error_text(r->vcpu));
    else
        compare(r, &expect, wrong, sizeof wrong);
    if (*wrong == 0) {
        r->passed++;
    } else {
        r->failed++;
        printf("%s %u (%s)%s%s:%s\n", test->form, test->number, test->text, rule >= 0 ? " by rule: " : "",
               rule >= 0 ? hw16_rules[rule].what : "", wrong);
    }
    clear_memory(r, test, &expect);
}

// ---- The folder ----------------------------------------------------------------------------------------------------

static int is_test_file(const struct dirent *entry) {
    size_t length = strlen(entry->d_name);
    return length > 7 && strcmp(entry->d_name + length - 7, ".txt.gz") == 0;
}

static int run_folder(struct runner *r, const char *folder) {
    struct dirent **files;
    int count = scandir(folder, &files, is_test_file, alphasort);
    if (count <= 0) {
        fprintf(stderr, "%s: no tests there\n", folder);
        return -1;
    }
    int result = 0;
    for (int i = 0; i < count; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", folder, files[i]->d_name);
        if (hw16_read_file(path, run_test, r) < 0)
            result = -1;
        free(files[i]);
    }
    free(files);
    return result;
}

int main(int argc, char **argv) {
    static struct runner r;
    enum mmu_policy policy = MMU_ADAPTIVE;
    const char *folder = NULL;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--mmu") == 0 && i + 1 < argc) {
            const char *form = argv[++i];
            policy = *form == 's' ? MMU_SOFT : *form == 'd' ? MMU_DIRECT : MMU_ADAPTIVE;
        } else {
            folder = argv[i];
        }
    }
    if (!folder) {
        fprintf(stderr, "usage: %s [--mmu soft|direct|adaptive] FOLDER\n", argv[0]);
        return 2;
    }
    if (open_machine(&r, policy) < 0 || run_folder(&r, folder) < 0)
        return 2;
    for (unsigned i = 0; i < hw16_rule_count; i++)
        printf("rule: %s (%s): %u tests\n", hw16_rules[i].what, hw16_rules[i].section, r.decided[i]);
    printf("%u passed, %u failed\n", r.passed, r.failed);
    return r.failed != 0;
}
