// The laboratory's results, and the three forms in which they are shown.
#ifndef APP_LAB_REPORT_H
#define APP_LAB_REPORT_H

#include "app/lab_host.h"
#include "app/lab_verdict.h"

#include <stdio.h>

#define LAB_ROWS_MAX 32

struct lab_row {
    const struct lab_program *program;
    struct lab_run bare, child, translated;
    enum lab_verdict child_verdict, translated_verdict;
};

struct lab_report {
    struct lab_host host;
    unsigned count;
    struct lab_row rows[LAB_ROWS_MAX];
    bool explain; // text: with each row's statement and what to see in it
};

void lab_report_text(const struct lab_report *report, FILE *out);
void lab_report_json(const struct lab_report *report, FILE *out);
void lab_report_html(const struct lab_report *report, FILE *out);

// ---- Pieces of text that the three share ----------------------------------------------------------------------------

#define LAB_TEXT_MAX 160

// What a run gave: its values, or how it ended.
void lab_run_text(const struct lab_program *program, const struct lab_run *run, char text[LAB_TEXT_MAX]);

// The instruction in question as its bytes and as assembly language.
void lab_bytes_text(const struct lab_program *program, char text[LAB_TEXT_MAX]);
void lab_instruction_text(const struct lab_program *program, char text[LAB_TEXT_MAX]);

// What there is to say on a row beyond its values; empty for nothing.
const char *lab_row_note(const struct lab_report *report, const struct lab_row *row);

// How the child ran, and whether UMIP shows.
void lab_host_text(const struct lab_host *host, char text[2 * LAB_TEXT_MAX]);
const char *lab_umip_text(enum lab_umip umip);

#endif
