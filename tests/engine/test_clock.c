// The virtual clock is exact. Every program of programs.S runs once one instruction at a time, with a hash of the state
// after each; then in every form, watched at wider and wider steps: the hashes at the same counts, the counts at the
// end and the time are the same, with and without interrupts at given counts.
#include "rig.h"

#include <stdlib.h>

#define TRACE_MAX 400000u // instructions that are compared

static const struct rig_options forms[] = {
    {.policy = MMU_SOFT},
    {.policy = MMU_DIRECT},
    {.policy = MMU_ADAPTIVE, .verify = true},
    {.policy = MMU_DIRECT, .no_link = true},
};

// What one run shows. A device wants an interrupt every `period` ns.
struct watcher {
    uint64_t step, period, deadline;
    uint64_t *seen;         // by count since the run began; made by the first run
    const uint64_t *wanted; // of the first run; NULL in it
    uint64_t start, time_start, end, time_end;
    uint64_t first_difference;
};

static struct watcher *watcher_of(void *opaque) {
    return ((struct rig *)opaque)->watcher;
}

static void feed(void *opaque, const void *data, size_t size) {
    uint64_t hash = *(uint64_t *)opaque;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ ((const uint8_t *)data)[i]) * 0x100000001b3ull;
    *(uint64_t *)opaque = hash;
}

static uint64_t reached(void *opaque, uint64_t instructions) {
    struct rig *rig = opaque;
    struct watcher *w = rig->watcher;
    uint64_t at = instructions - w->start;
    if (at < TRACE_MAX && at % w->step == 0) {
        uint64_t hash = 0xcbf29ce484222325ull;
        vcpu_visit_state(rig->vcpu, feed, &hash);
        if (!w->wanted)
            w->seen[at] = hash;
        else if (w->wanted[at] != hash && w->first_difference == UINT64_MAX)
            w->first_difference = at;
    }
    return w->start + (at / w->step + 1) * w->step;
}

static uint64_t next_deadline(void *opaque) {
    return watcher_of(opaque)->deadline;
}

static void fire(void *opaque) {
    struct watcher *w = watcher_of(opaque);
    w->deadline += w->period;
    vcpu_set_intr(((struct rig *)opaque)->vcpu, true);
}

static const struct cpu_clock test_clock = {.next_deadline = next_deadline, .fire = fire, .reached = reached};

// Counts and time go on from run to run; the guest's TSC begins at zero in each.
static void run(struct rig *rig, struct watcher *w, const struct rig_program *program, unsigned cpl) {
    rig_start_program(rig, program, cpl, w->period != 0);
    w->start = vcpu_instructions(rig->vcpu);
    w->time_start = vcpu_clock_ns(rig->vcpu);
    w->deadline = w->period ? w->time_start + w->period : UINT64_MAX;
    w->first_difference = UINT64_MAX;
    rig->vcpu->abi.tsc_offset = -(int64_t)w->time_start;
    rig->vcpu->abi.fip = rig->vcpu->abi.fdp = 0;
    rig->vcpu->clock.next_reached = w->start;
    rig->watcher = w;
    rig_run(rig);
    w->end = vcpu_instructions(rig->vcpu) - w->start;
    w->time_end = vcpu_clock_ns(rig->vcpu) - w->time_start;
}

static void compare(struct rig *rig, const struct watcher *first, const struct rig_program *program, unsigned cpl,
                    unsigned form) {
    static const uint64_t steps[] = {1000000, 1, 3, 64, 999};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        struct watcher w = {.step = steps[i], .period = first->period, .wanted = first->seen};
        run(rig, &w, program, cpl);
        if (w.first_difference != UINT64_MAX || w.end != first->end || w.time_end != first->time_end)
            fail_msg("%s at CPL %u, form %u, step %u, period %u: difference at %lld, %llu instructions, not %llu",
                     program->name, cpl, form, (unsigned)steps[i], (unsigned)first->period,
                     (long long)w.first_difference, (unsigned long long)w.end, (unsigned long long)first->end);
    }
}

static void compare_programs(uint64_t period) {
    unsigned slots = rig_program_count * 2;
    struct watcher *first = calloc(slots, sizeof *first);
    for (unsigned form = 0; form < sizeof forms / sizeof *forms; form++) {
        struct rig_options options = forms[form];
        struct rig rig;
        options.clock = &test_clock;
        rig_open(&rig, &options);
        for (unsigned slot = 0; slot < slots; slot++) {
            const struct rig_program *program = &rig_programs[slot / 2];
            unsigned cpl = slot % 2 * 3;
            if (!(program->cpls >> slot % 2 & 1))
                continue;
            if (form == 0) {
                first[slot] = (struct watcher){.step = 1, .period = period, .seen = calloc(TRACE_MAX, 8)};
                run(&rig, &first[slot], program, cpl);
            }
            compare(&rig, &first[slot], program, cpl, form);
        }
        rig_close(&rig);
    }
    for (unsigned slot = 0; slot < slots; slot++)
        free(first[slot].seen);
    free(first);
}

static void test_alone(void **state) {
    (void)state;
    compare_programs(0);
}

static void test_interrupts(void **state) {
    (void)state;
    compare_programs(997);
    compare_programs(61);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_alone), cmocka_unit_test(test_interrupts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
