// The laboratory's JSON as it is on a host whose UMIP is on and whose kernel does not answer the five stores of system
// registers. Such a host sends what this one sends for any instruction that raises #GP: SIGSEGV at the instruction,
// with the kernel's signal code. That is put in the place of the five; all other programs run on the host at hand.
// check_lab.py compares with the table of docs/lab.md. Exit status 77 where the host runs no child at all.
#include "app/lab_bare.h"
#include "app/lab_report.h"
#include "app/lab_translated.h"

#include <inttypes.h>
#include <string.h>

#define SKIPPED 77

static void trap(const struct lab_program *program, struct lab_run *run) {
    uint64_t at = lab_image_address(program->at);
    memset(run, 0, sizeof *run);
    run->end = lab_end_of(program, at, true);
    snprintf(run->how, sizeof run->how, "SIGSEGV (#GP) at %" PRIx64, at);
}

static int fill(struct lab_report *report) {
    struct ringshade_error err;
    for (size_t i = 0; i < lab_program_count; i++) {
        struct lab_row *row = &report->rows[report->count++];
        row->program = &lab_programs[i];
        if (row->program->umip)
            trap(row->program, &row->child);
        else
            lab_host_run(&report->host, row->program, &row->child);
        if (!strcmp(row->program->name, "sgdt"))
            report->host.umip = lab_umip_seen(&row->child);
    }
    for (unsigned i = 0; i < report->count; i++) {
        struct lab_row *row = &report->rows[i];
        lab_bare_run(row->program, &row->bare);
        if (lab_translated_run(row->program, &row->translated, &err)) {
            fprintf(stderr, "%s\n", err.text);
            return -1;
        }
        row->child_verdict = lab_verdict_of_child(row->program, &row->bare, &row->child, report->host.umip);
        row->translated_verdict = lab_verdict_of_guest(&row->bare, &row->translated);
    }
    return 0;
}

int main(void) {
    static struct lab_report report;
    lab_host_probe(&report.host, 0);
    if (!report.host.bits)
        return SKIPPED;
    report.host.umip_announced = true;
    if (fill(&report))
        return 1;
    lab_report_json(&report, stdout);
    lab_report_text(&report, stderr);
    return 0;
}
