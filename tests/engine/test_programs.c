// Every program of programs.S gives the same result in every form, at both privileges, cold and warm, with and without
// links, in the smallest cache. The first result of each is what the other tests of this folder compare with.
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>

static const struct rig_options options[] = {
    {.policy = MMU_SOFT},
    {.policy = MMU_DIRECT},
    {.policy = MMU_ADAPTIVE},
    {.policy = MMU_SOFT, .no_link = true},
    {.policy = MMU_DIRECT, .no_link = true},
    {.policy = MMU_SOFT, .cache_mib = 2},
    {.policy = MMU_SOFT, .verify = true},
    {.policy = MMU_DIRECT, .verify = true},
};

static void test_same_everywhere(void **state) {
    (void)state;
    unsigned slots = rig_program_count * 2;
    struct rig_result *wanted = calloc(slots, sizeof *wanted), *got = malloc(sizeof *got);
    for (unsigned o = 0; o < sizeof options / sizeof options[0]; o++) {
        struct rig rig;
        rig_open(&rig, &options[o]);
        for (unsigned slot = 0; slot < slots; slot++) {
            const struct rig_program *program = &rig_programs[slot / 2];
            if (!(program->cpls >> slot % 2 & 1))
                continue;
            for (unsigned round = 0; round < 3; round++) {
                char what[100];
                snprintf(what, sizeof what, "%s at CPL %u, options %u, round %u", program->name, slot % 2 * 3, o,
                         round);
                rig_start_program(&rig, program, slot % 2 * 3, round & 1);
                rig_run(&rig);
                rig_result(&rig, got);
                got->state.eflags &= ~EFLAGS_IF;
                if (o == 0 && round == 0)
                    wanted[slot] = *got;
                else
                    rig_compare(&wanted[slot], got, what);
            }
        }
        rig_close(&rig);
    }
    free(wanted);
    free(got);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_same_everywhere)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
