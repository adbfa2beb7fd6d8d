// The differential fuzzer's command: random cases against the host's processor, or cases kept from before.
//
//     test_fuzz_host [--seed N] [--seconds N] [--cases N] [--coverage] [--verify] [--keep FOLDER] [--all] [FILE...]
//
// With files, runs the cases in them. Without, random ones from the seed on, until --seconds or --cases are over; 0 is
// without end. What the coverage table says is behind comes more often, so a case is made by the seed and by all the
// cases before it: the same seed gives the same run, and a finding is named by the first seed and its own. A difference
// is made small, printed, kept in FOLDER, and ends the run with status 1, unless --all is given. --coverage prints the
// whole table at the end, or when the process is interrupted.
#include "coverage.h"
#include "generate.h"
#include "rig.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define REPORT_SECONDS 60

struct options {
    uint64_t seed, cases;
    double seconds;
    bool coverage, verify, all;
    const char *keep;
    int first_file;
};

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number) {
    (void)number;
    interrupted = 1;
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void keep(const struct options *o, const struct fuzz_case *c, const char *name, const char *why) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s.case", o->keep, name);
    FILE *out = fopen(path, "w");
    if (!out)
        return;
    fprintf(out, "# %s", why);
    fuzz_case_write(out, c);
    fclose(out);
    printf("kept as %s\n", path);
}

static void report_finding(struct fuzz_rig *rig, const struct options *o, struct fuzz_finding *finding,
                           const char *name) {
    struct fuzz_case c = rig->native.batch->cases[finding->slot];
    struct fuzz_finding small = *finding;
    char why[80];
    rig->native.batch->cases[0] = c;
    if (fuzz_rig_run(rig, 1, &small)) {
        printf("%s: in its batch only, form %u:\n", name, (unsigned)finding->form);
        fuzz_rig_show(stdout, &c, finding);
        return;
    }
    fuzz_rig_minimise(rig, &c);
    rig->native.batch->cases[0] = c;
    bool unsteady = fuzz_rig_run(rig, 1, &small);
    if (unsteady)
        small = *finding;
    printf("%s%s: ", name, unsteady ? " (not every time)" : "");
    fuzz_rig_show(stdout, &rig->native.batch->cases[0], &small);
    snprintf(why, sizeof why, "%.70s\n", small.text + 2);
    why[strcspn(why, "\n")] = 0;
    strcat(why, "\n");
    if (o->keep)
        keep(o, &c, name, why);
    fflush(stdout);
}

// ---- Random cases ---------------------------------------------------------------------------------------------------

static int fuzz(struct fuzz_rig *rig, const struct options *o) {
    unsigned row_count, usable_count = 0;
    struct fuzz_row *rows = fuzz_rows(&row_count);
    uint16_t usable[TABLE_ROWS];
    for (unsigned i = 0; rows && i < row_count; i++)
        if (!rows[i].skipped && (rows[i].count[0] || rows[i].count[1]))
            usable[usable_count++] = (uint16_t)i;
    static struct fuzz_goal goals[COVERAGE_GOALS];
    struct fuzz_generator g = {.rows = rows, .usable = usable, .usable_count = usable_count, .goals = goals};
    struct fuzz_coverage *coverage = rows ? fuzz_coverage_create(rows, row_count) : NULL;
    if (!coverage)
        return 2;
    struct fuzz_batch *batch = rig->native.batch;
    double begin = now(), reported = begin;
    uint64_t seed = o->seed, done = 0, findings = 0;
    while (!interrupted && (o->seconds == 0 || now() - begin < o->seconds) && (o->cases == 0 || done < o->cases)) {
        struct fuzz_finding finding;
        unsigned count = o->cases && o->cases - done < FUZZ_BATCH ? (unsigned)(o->cases - done) : FUZZ_BATCH;
        g.goal_count = fuzz_coverage_behind(coverage, goals);
        for (unsigned i = 0; i < count; i++)
            fuzz_generate(&g, seed + i, &batch->cases[i]);
        if (!fuzz_rig_run(rig, count, &finding)) {
            char name[64];
            uint64_t failed = seed + finding.slot;
            snprintf(name, sizeof name, "seed-%llu-%llu", (unsigned long long)o->seed, (unsigned long long)failed);
            findings++;
            report_finding(rig, o, &finding, name);
            if (!o->all)
                break;
            done += finding.slot + 1;
            seed = failed + 1;
            continue;
        }
        for (unsigned i = 0; i < count; i++)
            fuzz_coverage_add(coverage, &batch->cases[i], &batch->results[i], batch->visited[i]);
        seed += count;
        done += count;
        if (now() - reported > REPORT_SECONDS) {
            reported = now();
            printf("%llu cases, %.0f a second, next seed %llu, %llu differences; ", (unsigned long long)done,
                   (double)done / (reported - begin), (unsigned long long)seed, (unsigned long long)findings);
            fuzz_coverage_summary(coverage, stdout);
            fflush(stdout);
        }
    }
    printf("%llu cases, %.0f a second, last seed %llu, %llu differences\n", (unsigned long long)done,
           (double)done / (now() - begin), (unsigned long long)seed - 1, (unsigned long long)findings);
    fuzz_coverage_summary(coverage, stdout);
    if (o->coverage)
        fuzz_coverage_table(coverage, stdout);
    fuzz_coverage_destroy(coverage);
    fuzz_rows_free(rows, row_count);
    return findings ? 1 : 0;
}

// ---- Cases kept -----------------------------------------------------------------------------------------------------

static int replay(struct fuzz_rig *rig, const struct options *o, int argc, char **argv) {
    unsigned run = 0, failed = 0;
    for (int i = o->first_file; i < argc; i++) {
        FILE *in = fopen(argv[i], "r");
        if (!in) {
            perror(argv[i]);
            return 2;
        }
        while (fuzz_case_read(in, &rig->native.batch->cases[0])) {
            struct fuzz_finding finding;
            run++;
            if (!fuzz_rig_run(rig, 1, &finding)) {
                failed++;
                printf("%s: ", argv[i]);
                fuzz_rig_show(stdout, &rig->native.batch->cases[0], &finding);
            }
        }
        fclose(in);
    }
    printf("%u cases, %u differ\n", run, failed);
    return failed || !run ? 1 : 0;
}

static bool parse(int argc, char **argv, struct options *o) {
    *o = (struct options){.seed = 1, .seconds = 20};
    int i = 1;
    for (; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "--coverage") == 0) {
            o->coverage = true;
        } else if (strcmp(argv[i], "--verify") == 0) {
            o->verify = true;
        } else if (strcmp(argv[i], "--all") == 0) {
            o->all = true;
        } else if (!value) {
            return false;
        } else {
            if (strcmp(argv[i], "--seed") == 0)
                o->seed = strtoull(value, NULL, 0);
            else if (strcmp(argv[i], "--seconds") == 0)
                o->seconds = atof(value);
            else if (strcmp(argv[i], "--cases") == 0)
                o->cases = strtoull(value, NULL, 0), o->seconds = 0;
            else if (strcmp(argv[i], "--keep") == 0)
                o->keep = value;
            else
                return false;
            i++;
        }
    }
    o->first_file = i;
    return true;
}

int main(int argc, char **argv) {
    struct options o;
    static struct fuzz_rig rig;
    struct error err;
    if (!parse(argc, argv, &o)) {
        fprintf(stderr,
                "usage: %s [--seed N] [--seconds N] [--cases N] [--coverage] [--verify] [--keep FOLDER] [--all] "
                "[FILE...]\n",
                argv[0]);
        return 2;
    }
    signal(SIGINT, on_interrupt);
    signal(SIGTERM, on_interrupt);
    printf("32-bit code on this host: %s\n", fuzz_native_has_32bit() ? "yes" : "no, the 64-bit host form");
    if (fuzz_rig_open(&rig, o.verify, &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        return 2;
    }
    int status = o.first_file < argc ? replay(&rig, &o, argc, argv) : fuzz(&rig, &o);
    fuzz_rig_close(&rig);
    return status;
}
