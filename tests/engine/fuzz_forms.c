// Random programs in the three forms: registers, flags, FPU state, all of memory (page tables with their A and D bits
// included), the device's accesses and the trace of exceptions must agree, and nothing may crash.
//
//     test_engine_fuzz [FIRST-SEED [SECONDS [LAST-SEED]]]     SECONDS 0: endless
//
// A program that does not end within RUN_MS is stopped and not compared. Exit status 1 at the first difference, which
// is printed with its seed. A bits are not compared: an instruction that faults for another reason may or may not set
// them. FUZZ_ONLY=MASK empties every piece whose bit is not set; FUZZ_ALL=1 goes on after a difference.
#include "fuzz_program.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define FX_TAGS         4 // an MMX instruction may fault before or after they become valid and TOP becomes 0
#define FX_X87_END      160
#define RUN_MS          30
#define SECONDS_DEFAULT 25

enum { SOFT, DIRECT, ADAPTIVE, FORMS };
static const char *const form_names[FORMS] = {"soft", "direct", "adaptive"};

struct outcome {
    enum cpu_stop stop;
    struct rig_result result;
    unsigned accesses;
    struct rig_access access[RIG_DEVICE_LOG];
};

static struct rig rigs[FORMS];
static struct outcome outcomes[FORMS];
static uint8_t pristine[GUEST_MEMORY];
static uint64_t current_seed;

// ---- The end of programs that have none
// ------------------------------------------------------------------------------------

static struct vcpu *volatile running;

static void on_alarm(int signal) {
    (void)signal;
    if (running)
        vcpu_request_stop(running);
}

static void arm(timer_t timer, long ms) {
    const struct itimerspec spec = {.it_value = {.tv_nsec = ms * 1000000}, .it_interval = {.tv_nsec = ms * 1000000}};
    timer_settime(timer, 0, &spec, NULL);
}

static void run(unsigned form, const struct fuzz_program *program, timer_t timer) {
    struct rig *rig = &rigs[form];
    struct outcome *outcome = &outcomes[form];
    fuzz_place(rig, pristine, program);
    __atomic_store_n(&rig->engine->stop_requested, 0, __ATOMIC_SEQ_CST);
    running = rig->vcpu;
    arm(timer, RUN_MS);
    outcome->stop = vcpu_run(rig->vcpu);
    arm(timer, 0);
    running = NULL;
    rig_result(rig, &outcome->result);
    outcome->accesses = rig->access_count;
    memcpy(outcome->access, rig->accesses, sizeof rig->accesses);
}

// ---- Comparison
// ----------------------------------------------------------------------------------------------------------------

static bool differs(unsigned a, unsigned b, uint32_t at) {
    uint8_t bits = (uint8_t)(rigs[a].ram.host[at] ^ rigs[b].ram.host[at]);
    bool entry = at >= PAGE_DIRECTORY && at < SPECIAL_TABLE + 4096 && at % 4 == 0;
    return entry ? bits & ~0x60 : bits;
}

static bool say(const char *what, unsigned index, uint64_t a, uint64_t b) {
    printf("  %s %x: %llx and %llx\n", what, index, (unsigned long long)a, (unsigned long long)b);
    return false;
}

// The first exception that differs is #PF in one form and the instruction's own in the other, or the same #PF said to
// be a read by the processor (BTC with a register offset) and a write by the soft form.
static bool other_order(unsigned a, unsigned b) {
    const uint8_t *x = outcomes[a].result.log, *y = outcomes[b].result.log;
    for (unsigned i = 0; i < sizeof outcomes[a].result.log; i += 16)
        if (memcmp(x + i, y + i, 16) != 0 && x[i] == VECTOR_PF && y[i] == VECTOR_PF)
            return (x[i + 4] ^ y[i + 4]) == 2 && memcmp(x + i + 8, y + i + 8, 8) == 0;
        else if (memcmp(x + i, y + i, 16) != 0)
            return x[i] != y[i] && (x[i] == VECTOR_PF || y[i] == VECTOR_PF) && x[i] && y[i];
    return false;
}

static bool same(unsigned a, unsigned b) {
    const struct outcome *x = &outcomes[a], *y = &outcomes[b];
    bool good = true;
    if (x->stop != y->stop)
        good = say("stop", 0, x->stop, y->stop);
    for (unsigned i = 0; i < 8; i++)
        if (x->result.state.gpr[i] != y->result.state.gpr[i])
            good = say("register", i, x->result.state.gpr[i], y->result.state.gpr[i]);
    if (x->result.state.eip != y->result.state.eip)
        good = say("eip", 0, x->result.state.eip, y->result.state.eip);
    if (x->result.state.eflags != y->result.state.eflags)
        good = say("eflags", 0, x->result.state.eflags, y->result.state.eflags);
    for (unsigned i = 0; i < sizeof x->result.log / 4; i++) {
        uint32_t p, q;
        memcpy(&p, x->result.log + 4 * i, 4);
        memcpy(&q, y->result.log + 4 * i, 4);
        if (p != q) {
            good = say("exception log", i, p, q);
            break;
        }
    }
    for (unsigned i = 0; i < 512; i++)
        if (x->result.fx[i] != y->result.fx[i] && (i >= FX_X87_END || x->result.fx[FX_TAGS] == y->result.fx[FX_TAGS]))
            good = say("FXSAVE image", i, x->result.fx[i], y->result.fx[i]);
    if (memcmp(&x->result.state, &y->result.state, sizeof x->result.state) != 0)
        for (unsigned i = 0; i < sizeof x->result.state / 4; i++) {
            uint32_t p, q;
            memcpy(&p, (const uint8_t *)&x->result.state + 4 * i, 4);
            memcpy(&q, (const uint8_t *)&y->result.state + 4 * i, 4);
            if (p != q)
                good = say("word of the state", i, p, q);
        }
    unsigned shown = 0;
    for (uint32_t gpa = 0; gpa < GUEST_MEMORY; gpa += 4096)
        if (memcmp(rigs[a].ram.host + gpa, rigs[b].ram.host + gpa, 4096) != 0)
            for (uint32_t i = gpa; i < gpa + 4096 && shown < 8; i++)
                if (differs(a, b, i)) {
                    good = say("memory", i, rigs[a].ram.host[i], rigs[b].ram.host[i]);
                    shown++;
                }
    return good;
}

static void dump(const struct fuzz_program *program) {
    printf("  CPL %u, registers", program->cpl);
    for (unsigned i = 0; i < 8; i++)
        printf(" %08x", program->gpr[i]);
    for (unsigned i = 0; i < FUZZ_CODE_BYTES; i++)
        printf("%s%02x", i % FUZZ_PIECE ? " " : "\n  ", program->code[i]);
    printf("\n  exceptions:\n");
    for (unsigned i = 0; i < outcomes[SOFT].result.exceptions && i < 20; i++) {
        uint32_t entry[4];
        memcpy(entry, outcomes[SOFT].result.log + 16 * i, 16);
        printf("    %2u error %x at %08x cr2 %08x\n", entry[0], entry[1], entry[2], entry[3]);
    }
}

static void on_crash(int number) {
    char text[80];
    int length =
        snprintf(text, sizeof text, "crash by signal %d in seed %llu\n", number, (unsigned long long)current_seed);
    (void)!write(STDERR_FILENO, text, (size_t)length);
    signal(number, SIG_DFL);
    raise(number);
}

int main(int argc, char **argv) {
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1, ends = 0, compared = 0, order = 0;
    uint64_t last = argc > 3 ? strtoull(argv[3], NULL, 0) : UINT64_MAX;
    double seconds = argc > 2 ? atof(argv[2]) : SECONDS_DEFAULT;
    const char *only = getenv("FUZZ_ONLY"); // a mask of pieces, hexadecimal
    static const enum mmu_policy policies[FORMS] = {MMU_SOFT, MMU_DIRECT, MMU_ADAPTIVE};
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_ONSTACK | SA_RESTART};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};
    timer_t timer;
    sigfillset(&action.sa_mask);
    sigaction(SIGALRM, &action, NULL);
    signal(SIGABRT, on_crash);
    signal(SIGSEGV, on_crash);
    signal(SIGILL, on_crash);
    signal(SIGFPE, on_crash);
    signal(SIGBUS, on_crash);
    if (timer_create(CLOCK_MONOTONIC, &event, &timer) < 0)
        return 2;
    for (unsigned form = 0; form < FORMS; form++) {
        const struct rig_options options = {.policy = policies[form], .cache_mib = 2};
        rig_open(&rigs[form], &options);
        fuzz_prepare(&rigs[form], pristine);
    }
    uint64_t end = engine_now_ns() + (uint64_t)(seconds * 1e9);
    for (; seed <= last && (seconds == 0 || engine_now_ns() < end); seed++) {
        struct fuzz_program program;
        current_seed = seed;
        fuzz_generate(seed, &program);
        if (only && *only) // to narrow a difference down: the other pieces do nothing
            for (unsigned piece = 0; piece < FUZZ_PIECES; piece++)
                if (!(strtoul(only, NULL, 16) >> piece & 1))
                    memset(program.code + piece * FUZZ_PIECE, 0x90, FUZZ_PIECE);
        ends++;
        bool stopped = false;
        for (unsigned form = 0; form < FORMS && !stopped; form++) {
            run(form, &program, timer);
            stopped = outcomes[form].stop == CPU_STOP_REQUESTED;
        }
        if (stopped)
            continue;
        compared++;
        for (unsigned form = 1; form < FORMS; form++)
            if (other_order(SOFT, form)) {
                order++;
            } else if (!same(SOFT, form)) {
                printf("seed %llu: soft and %s differ\n", (unsigned long long)seed, form_names[form]);
                dump(&program);
                if (!getenv("FUZZ_ALL"))
                    return 1;
                break;
            }
    }
    printf("%llu programs, %llu compared, %llu forms with another order of faults, last seed %llu\n",
           (unsigned long long)ends, (unsigned long long)compared, (unsigned long long)order,
           (unsigned long long)seed - 1);
    for (unsigned form = 0; form < FORMS; form++)
        rig_close(&rigs[form]);
    return compared ? 0 : 1;
}
