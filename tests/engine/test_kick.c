// A kick at every host instruction (PITFALLS 1). A breakpoint is planted at one host instruction of a warm cache, in
// blocks and in stubs; the handler that it reaches raises the guest's interrupt line, so that the kick signal arrives
// exactly there. The guest must end with the same registers, flags, memory and FPU state as without an interrupt, and
// programs that only an interrupt ends must end: no kick is lost. By default a sample; all of them with
// RINGSHADE_STRESS=1.
#include "rig.h"

#include "cache/internal.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>
#include <Zydis/Zydis.h>

#define SITES_MAX   20000
#define SAMPLE      30 // breakpoints for each program, privilege and form
#define SPIN_SAMPLE 40
#define LATE        4   // rounds of a loop that may pass between a kick and the interrupt
#define LIMIT       5.0 // seconds for one run
#define CACHE_MIB   128 // nothing is evicted, so that a breakpoint stays the instruction that it was planted at

// ---- The breakpoint
// --------------------------------------------------------------------------------------------------------

enum { BREAK = 0xcc };

static struct {
    struct rig *rig;
    uint32_t address;
    uint8_t saved;
    bool hit, spurious;
    uint32_t ebx; // when it was hit
} plant;

static void on_break(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)info;
    greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
    int saved = errno;
    struct rig *rig = plant.rig;
    if ((uint64_t)regs[REG_RIP] != plant.address + 1ull)
        abort();
    *arena_rw(cache_arena(rig->engine->cache), plant.address) = plant.saved;
    regs[REG_RIP]--;
    plant.hit = true;
    plant.ebx = (uint32_t)regs[REG_RBX];
    if (plant.spurious) {
        syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), ENGINE_KICK_SIGNAL);
    } else {
        struct vcpu *v = engine_vcpu_thread;
        engine_vcpu_thread = NULL; // as if from another thread
        vcpu_set_intr(rig->vcpu, true);
        engine_vcpu_thread = v;
    }
    errno = saved; // the kick is blocked here and arrives on return, at the instruction itself
}

static void catch_breaks(void) {
    struct sigaction action = {.sa_sigaction = on_break, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigemptyset(&action.sa_mask);
    sigaddset(&action.sa_mask, ENGINE_KICK_SIGNAL);
    sigaction(SIGTRAP, &action, NULL);
}

static void plant_at(struct rig *rig, uint32_t address, bool spurious) {
    uint8_t *byte = arena_rw(cache_arena(rig->engine->cache), address);
    plant.rig = rig;
    plant.address = address;
    plant.saved = *byte;
    plant.hit = false;
    plant.spurious = spurious;
    *byte = BREAK;
}

static void unplant(void) {
    if (!plant.hit)
        *arena_rw(cache_arena(plant.rig->engine->cache), plant.address) = plant.saved;
}

// ---- Host instructions
// -------------------------------------------------------------------------------------------------------

struct sites {
    uint32_t address[SITES_MAX];
    unsigned count;
};

static void add_range(struct sites *sites, const struct rig *rig, uint32_t from, uint32_t end) {
    static ZydisDecoder decoder;
    ZydisDecodedInstruction instruction;
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    for (uint32_t at = from; at < end; at += instruction.length) {
        const uint8_t *bytes = arena_rw(cache_arena(rig->engine->cache), at);
        if (ZYAN_FAILED(ZydisDecoderDecodeInstruction(&decoder, ZYAN_NULL, bytes, end - at, &instruction)))
            break;
        if (sites->count < SITES_MAX)
            sites->address[sites->count++] = at;
    }
}

// All of the stubs and of the blocks alive.
static void find_sites(struct sites *sites, const struct rig *rig) {
    const struct engine *e = rig->engine;
    sites->count = 0;
    add_range(sites, rig, cache_arena(e->cache)->rx,
              cache_arena(e->cache)->rx + (uint32_t)(e->code_start - cache_arena(e->cache)->rx));
    for (unsigned c = 0; c < CHUNKS; c++) {
        const struct chunk *chunk = &e->cache->chunks[c];
        struct block *const *blocks = (struct block *const *)(void *)chunk->list.base;
        for (uint32_t i = 0; i < chunk->block_count; i++)
            if (blocks[i]->alive)
                add_range(sites, rig, blocks[i]->host, blocks[i]->host + blocks[i]->host_size);
    }
}

// ---- A run that must end
// -------------------------------------------------------------------------------------------------------

static struct {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t change;
    struct vcpu *vcpu; // being watched, or NULL
    bool quit, expired;
} watch = {.lock = PTHREAD_MUTEX_INITIALIZER, .change = PTHREAD_COND_INITIALIZER};

static void *watchdog(void *unused) {
    (void)unused;
    pthread_mutex_lock(&watch.lock);
    while (!watch.quit) {
        if (!watch.vcpu) {
            pthread_cond_wait(&watch.change, &watch.lock);
            continue;
        }
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += (time_t)LIMIT;
        const struct vcpu *watched = watch.vcpu;
        while (watch.vcpu == watched && !watch.quit)
            if (pthread_cond_timedwait(&watch.change, &watch.lock, &until) == ETIMEDOUT) {
                if (watch.vcpu) {
                    watch.expired = true;
                    vcpu_request_stop(watch.vcpu);
                }
                break;
            }
    }
    pthread_mutex_unlock(&watch.lock);
    return NULL;
}

static void watch_set(struct vcpu *v) {
    pthread_mutex_lock(&watch.lock);
    watch.vcpu = v;
    watch.expired = false;
    pthread_cond_signal(&watch.change);
    pthread_mutex_unlock(&watch.lock);
}

static void run_watched(struct rig *rig, const char *what) {
    watch_set(rig->vcpu);
    enum cpu_stop stop = vcpu_run(rig->vcpu);
    bool expired = watch.expired;
    watch_set(NULL);
    if (stop != CPU_STOP_HALT)
        fail_msg("%s: %s, stop %d at %08x: %s", what, expired ? "a kick was lost" : "a wrong end", stop,
                 rig->vcpu->abi.eip, vcpu_error_text(rig->vcpu));
}

// ---- Tests
// -----------------------------------------------------------------------------------------------------------------------

static const enum mmu_policy forms[] = {MMU_SOFT, MMU_DIRECT};
static unsigned seed;
static const char *only; // the name of a program

static unsigned sample_step(const struct sites *sites, unsigned sample) {
    unsigned step = sites->count / sample;
    return getenv("RINGSHADE_STRESS") || step < 1 ? 1 : step;
}

// In a stub EBX may be the monitor's, in the handlers theirs.
static bool in_program(const struct rig *rig, uint32_t address) {
    const struct block *block = cache_block_at(rig->engine->cache, address);
    return block && (block->frame << 12) + block->offset >= rig_address(handler_end);
}

// One kick at site i of a warm cache. True if the program came by.
static bool kick_site(struct rig *rig, const struct rig_program *program, unsigned cpl, bool spurious,
                      const struct rig_result *wanted, uint32_t address) {
    static struct rig_result got;
    char what[120];
    snprintf(what, sizeof what, "%s at CPL %u, form %d, kick at %08x", program->name, cpl, rig->vcpu->config.policy,
             address);
    rig_start_program(rig, program, cpl, true);
    plant_at(rig, address, spurious);
    run_watched(rig, what);
    unplant();
    rig_result(rig, &got);
    rig_compare(wanted, &got, what);
    bool hit = plant.hit;
    if (hit && !spurious && rig->acknowledged > 1)
        fail_msg("%s: %u interrupts", what, rig->acknowledged);
    rig_start_program(rig, program, cpl, true); // links again
    run_watched(rig, what);
    return hit;
}

static void kick_program(struct rig *rig, const struct rig_program *program, unsigned cpl, bool spurious) {
    static struct sites sites;
    static struct rig_result wanted;
    for (unsigned round = 0; round < 2; round++) {
        rig_start_program(rig, program, cpl, true);
        run_watched(rig, program->name);
    }
    rig_result(rig, &wanted);
    find_sites(&sites, rig);
    unsigned step = sample_step(&sites, SAMPLE), first = (unsigned)rand_r(&seed) % step, hits = 0;
    uint64_t evictions = rig->stats.cache_evictions;
    // Many sites are out of the way of the program: a sample that missed it altogether is followed by the next.
    for (unsigned tries = 0; tries < step && !hits; tries++)
        for (unsigned i = (first + tries) % step; i < sites.count; i += step) {
            if (rig->stats.cache_evictions != evictions) { // other code stands there now
                evictions = rig->stats.cache_evictions;
                find_sites(&sites, rig);
                if (i >= sites.count)
                    break;
            }
            hits += kick_site(rig, program, cpl, spurious, &wanted, sites.address[i]);
        }
    if (!hits)
        fail_msg("%s: no breakpoint hit", program->name);
}

static void test_programs(void **state) {
    (void)state;
    for (unsigned form = 0; form < 2; form++)
        for (unsigned i = 0; i < rig_program_count; i++) {
            struct rig rig;
            const struct rig_options options = {.policy = forms[form], .cache_mib = CACHE_MIB};
            if (only && strcmp(only, rig_programs[i].name) != 0)
                continue;
            rig_open(&rig, &options);
            for (unsigned cpl = 0; cpl <= 3; cpl += 3)
                if (rig_programs[i].cpls >> (cpl ? 1 : 0) & 1)
                    kick_program(&rig, &rig_programs[i], cpl, (i + form) % 4 == 0);
            rig_close(&rig);
        }
}

// The loop would go on for ever: what ends it is the interrupt, raised once.
static void kick_spin(struct rig *rig, const struct rig_program *program, unsigned cpl) {
    static struct sites sites;
    char what[120];
    unsigned step = 1, hits = 0;
    for (unsigned i = 0, round = 0; round == 0 || i < sites.count; i += step, round++) {
        // Warm up: links are made in a run that a breakpoint-free kick ends.
        rig_start_program(rig, program, cpl, true);
        rig_put(rig, VAR_IRQ_ENDS, 1);
        rig->vcpu->abi.gpr[CPU_EBX] = 0;
        struct timespec start;
        clock_gettime(CLOCK_MONOTONIC, &start);
        timer_t timer;
        struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};
        assert_int_equal(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
        const struct itimerspec soon = {.it_value = {.tv_nsec = 300000}};
        timer_settime(timer, 0, &soon, NULL);
        plant.rig = rig;
        run_watched(rig, program->name);
        timer_delete(timer);
        if (round == 0) {
            find_sites(&sites, rig);
            step = sample_step(&sites, SPIN_SAMPLE);
            i = (unsigned)rand_r(&seed) % step;
        }
        rig_start_program(rig, program, cpl, true);
        rig_put(rig, VAR_IRQ_ENDS, 1);
        snprintf(what, sizeof what, "%s at CPL %u, form %d, kick at %08x", program->name, cpl, rig->vcpu->config.policy,
                 sites.address[i]);
        plant_at(rig, sites.address[i], false);
        // An address that this run does not reach: the alarm ends it all the same.
        timer_create(CLOCK_MONOTONIC, &event, &timer);
        const struct itimerspec late = {.it_value = {.tv_nsec = 2000000}};
        timer_settime(timer, 0, &late, NULL);
        run_watched(rig, what);
        timer_delete(timer);
        unplant();
        if (plant.hit) {
            hits++;
            uint32_t ebx = rig->vcpu->abi.gpr[CPU_EBX];
            if (in_program(rig, plant.address) && ebx - plant.ebx > LATE)
                fail_msg("%s: %u rounds later", what, ebx - plant.ebx);
        }
    }
    if (!hits)
        fail_msg("%s: no breakpoint hit", program->name);
}

// The alarm raises the line as a device would, from outside of the engine.
static void on_alarm(int signal) {
    (void)signal;
    int saved = errno;
    struct vcpu *v = engine_vcpu_thread;
    engine_vcpu_thread = NULL;
    vcpu_set_intr(plant.rig->vcpu, true);
    engine_vcpu_thread = v;
    errno = saved;
}

static void test_spins(void **state) {
    (void)state;
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_ONSTACK | SA_RESTART};
    sigfillset(&action.sa_mask);
    sigaction(SIGALRM, &action, NULL);
    for (unsigned form = 0; form < 2; form++)
        for (unsigned i = 0; i < rig_spin_count; i++) {
            struct rig rig;
            const struct rig_options options = {.policy = forms[form], .cache_mib = CACHE_MIB};
            rig_open(&rig, &options);
            for (unsigned cpl = 0; cpl <= 3; cpl += 3)
                kick_spin(&rig, &rig_spins[i], cpl);
            rig_close(&rig);
        }
    signal(SIGALRM, SIG_DFL);
}

// ---- A thread that kicks as fast as it can
// -------------------------------------------------------------------------------------------

static struct {
    struct rig *rig;
    bool quit;
} storm;

static void *kick_storm(void *unused) {
    (void)unused;
    uint32_t x = 1;
    while (!__atomic_load_n(&storm.quit, __ATOMIC_SEQ_CST)) {
        vcpu_set_intr(storm.rig->vcpu, true);
        x = x * 1664525 + 1013904223;
        for (volatile uint32_t i = 0; i < (x >> 24) * 8; i++)
            ;
    }
    return NULL;
}

static void test_storm(void **state) {
    (void)state;
    static struct rig_result wanted, got;
    for (unsigned form = 0; form < 2; form++) {
        struct rig rig;
        const struct rig_options options = {.policy = forms[form], .cache_mib = CACHE_MIB};
        rig_open(&rig, &options);
        for (unsigned i = 0; i < rig_program_count; i++)
            for (unsigned cpl = 0; cpl <= 3; cpl += 3) {
                const struct rig_program *program = &rig_programs[i];
                if (!(program->cpls >> (cpl ? 1 : 0) & 1))
                    continue;
                rig_start_program(&rig, program, cpl, true);
                run_watched(&rig, program->name);
                rig_result(&rig, &wanted);
                for (unsigned round = 0; round < 10; round++) {
                    rig_start_program(&rig, program, cpl, true);
                    pthread_t thread;
                    storm.rig = &rig;
                    storm.quit = false;
                    pthread_create(&thread, NULL, kick_storm, NULL);
                    run_watched(&rig, program->name);
                    __atomic_store_n(&storm.quit, true, __ATOMIC_SEQ_CST);
                    pthread_join(thread, NULL);
                    rig_result(&rig, &got);
                    rig_compare(&wanted, &got, program->name);
                }
            }
        rig_close(&rig);
    }
}

int main(int argc, char **argv) {
    seed = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 0) : 1;
    catch_breaks();
    sigset_t alarm_only;
    sigemptyset(&alarm_only);
    sigaddset(&alarm_only, SIGALRM);
    pthread_sigmask(SIG_BLOCK, &alarm_only, NULL);
    pthread_create(&watch.thread, NULL, watchdog, NULL);
    pthread_sigmask(SIG_UNBLOCK, &alarm_only, NULL);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_spins), cmocka_unit_test(test_programs),
                                       cmocka_unit_test(test_storm)};
    if (argc > 2)
        cmocka_set_test_filter(argv[2]);
    only = argc > 3 ? argv[3] : NULL;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    pthread_mutex_lock(&watch.lock);
    watch.quit = true;
    pthread_cond_signal(&watch.change);
    pthread_mutex_unlock(&watch.lock);
    pthread_join(watch.thread, NULL);
    return failed;
}
