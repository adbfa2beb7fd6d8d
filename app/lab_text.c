// See lab_report.h: the results as a table of text, and the pieces of text that all forms share.
#include "app/explain_host.h"
#include "app/lab_bare.h"
#include "app/lab_report.h"

#include <stdlib.h>
#include <string.h>

void lab_run_text(const struct lab_program *program, const struct lab_run *run, char text[LAB_TEXT_MAX]) {
    size_t length = 0;
    if (run->end == LAB_NOT_RUN || run->end == LAB_TRAPPED) {
        snprintf(text, LAB_TEXT_MAX, "%s%s", run->end == LAB_NOT_RUN ? "not run: " : "trap: ", run->how);
        return;
    }
    if (run->end == LAB_STRAYED) {
        snprintf(text, LAB_TEXT_MAX, "astray: %s", run->how);
        return;
    }
    for (unsigned i = 0; i < lab_program_values(program); i++) {
        char value[64];
        lab_value_text(&program->values[i], &run->state, value, sizeof value);
        length += (size_t)snprintf(text + length, LAB_TEXT_MAX - length, "%s%s", i ? " " : "", value);
    }
}

void lab_bytes_text(const struct lab_program *program, char text[LAB_TEXT_MAX]) {
    struct explain_printer *printer = explain_printer_create(32);
    size_t length = printer ? explain_guest_length(printer, program->at, 15) : 0;
    for (size_t i = 0; i < length; i++)
        snprintf(text + 3 * i, LAB_TEXT_MAX - 3 * i, "%02x ", program->at[i]);
    text[length ? 3 * length - 1 : 0] = '\0';
    if (printer)
        explain_printer_destroy(printer);
}

void lab_instruction_text(const struct lab_program *program, char text[LAB_TEXT_MAX]) {
    struct explain_printer *printer = explain_printer_create(32);
    snprintf(text, LAB_TEXT_MAX, "%s", program->mnemonic);
    if (printer) {
        explain_guest_text(printer, program->at, 15, lab_image_address(program->at), text, LAB_TEXT_MAX);
        explain_printer_destroy(printer);
    }
}

const char *lab_umip_text(enum lab_umip umip) {
    switch (umip) {
    case LAB_UMIP_FAKED:
        return "on: the processor refuses the five stores of system registers in user mode, and the host's kernel "
               "answers with made-up values";
    case LAB_UMIP_TRAPS: return "on: the five stores of system registers trap in user mode";
    case LAB_UMIP_UNSEEN: break;
    }
    return "off: the five stores of system registers give the host's own values";
}

void lab_host_text(const struct lab_host *host, char text[2 * LAB_TEXT_MAX]) {
    if (host->bits == 32)
        snprintf(text, 2 * LAB_TEXT_MAX, "a 32-bit child in ring 3");
    else if (host->bits == 64)
        snprintf(text, 2 * LAB_TEXT_MAX, "a 64-bit child in ring 3, the same bytes where they mean the same%s%s",
                 *host->why ? "; no 32-bit child: " : "", host->why);
    else
        snprintf(text, 2 * LAB_TEXT_MAX, "nothing: %s", host->why);
}

const char *lab_row_note(const struct lab_report *report, const struct lab_row *row) {
    const struct lab_program *program = row->program;
    if (row->child.end == LAB_NOT_RUN && program->only_32 && report->host.bits == 64)
        return "64-bit mode has no such instruction; its twin shows the same";
    if (program->umip && report->host.umip != LAB_UMIP_UNSEEN && row->child.end != LAB_NOT_RUN)
        return lab_umip_text(report->host.umip);
    return row->child_verdict == LAB_WRONG || row->child_verdict == LAB_LEAKS ? program->lesson : "";
}

// ---- The table ------------------------------------------------------------------------------------------------------

enum { COLUMN_PROGRAM, COLUMN_BARE, COLUMN_CHILD, COLUMN_CHILD_VERDICT, COLUMN_GUEST, COLUMN_BECAME, COLUMNS };

typedef char cells[COLUMNS][LAB_TEXT_MAX];

static void fill(const struct lab_row *row, cells cell) {
    snprintf(cell[COLUMN_PROGRAM], LAB_TEXT_MAX, "%s", row->program->name);
    lab_run_text(row->program, &row->bare, cell[COLUMN_BARE]);
    lab_run_text(row->program, &row->child, cell[COLUMN_CHILD]);
    snprintf(cell[COLUMN_CHILD_VERDICT], LAB_TEXT_MAX, "%s", lab_verdict_name(row->child_verdict));
    snprintf(cell[COLUMN_GUEST], LAB_TEXT_MAX, "%s", lab_verdict_name(row->translated_verdict));
    if (row->translated_verdict != LAB_RIGHT)
        lab_run_text(row->program, &row->translated, cell[COLUMN_GUEST]);
    snprintf(cell[COLUMN_BECAME], LAB_TEXT_MAX, "%s", row->translated.became);
}

static void print_line(FILE *out, cells cell, const int widths[COLUMNS]) {
    for (unsigned i = 0; i < COLUMNS; i++)
        fprintf(out, "%-*s%s", i + 1 < COLUMNS ? widths[i] : 0, cell[i], i + 1 < COLUMNS ? "  " : "\n");
}

static void print_table(const struct lab_report *report, FILE *out) {
    cells cell = {"program", "bare", "deprivileged", "verdict", "translated", "by"};
    int widths[COLUMNS] = {0};
    for (unsigned row = 0; row <= report->count; row++) {
        if (row)
            fill(&report->rows[row - 1], cell);
        for (unsigned i = 0; i < COLUMNS; i++)
            widths[i] = (int)strlen(cell[i]) > widths[i] ? (int)strlen(cell[i]) : widths[i];
    }
    print_line(out, (cells){"program", "bare", "deprivileged", "verdict", "translated", "by"}, widths);
    for (unsigned row = 0; row < report->count; row++) {
        fill(&report->rows[row], cell);
        print_line(out, cell, widths);
    }
}

static void print_one(const struct lab_report *report, const struct lab_row *row, FILE *out) {
    const struct lab_program *program = row->program;
    char text[LAB_TEXT_MAX], bytes[LAB_TEXT_MAX];
    lab_instruction_text(program, text);
    lab_bytes_text(program, bytes);
    fprintf(out, "\n%s: %s (%s)\n  by the manual  %s %s\n", program->name, text, bytes, program->mnemonic,
            program->statement);
    lab_run_text(program, &row->bare, text);
    fprintf(out, "  bare           %s\n", text);
    lab_run_text(program, &row->child, text);
    fprintf(out, "  deprivileged   %s: %s\n", text, lab_verdict_name(row->child_verdict));
    if (*lab_row_note(report, row))
        fprintf(out, "                 %s%s%s\n", lab_row_note(report, row), program->twin ? "; see also " : "",
                program->twin ? program->twin : "");
    lab_run_text(program, &row->translated, text);
    fprintf(out, "  translated     %s: %s, by %s\n", text, lab_verdict_name(row->translated_verdict),
            row->translated.became);
}

static void print_totals(const struct lab_report *report, FILE *out) {
    unsigned by[LAB_RIGHT + 1] = {0}, right = 0;
    for (unsigned i = 0; i < report->count; i++) {
        by[report->rows[i].child_verdict]++;
        right += report->rows[i].translated_verdict == LAB_RIGHT;
    }
    fprintf(out, "\n%u programs. Deprivileged:", report->count);
    for (unsigned i = LAB_TRAPS; i <= LAB_RIGHT; i++)
        fprintf(out, " %u %s,", by[i], lab_verdict_name(i));
    fprintf(out, " %u not run. Translated: %u right.\n", by[LAB_NO_VERDICT], right);
}

void lab_report_text(const struct lab_report *report, FILE *out) {
    char text[2 * LAB_TEXT_MAX];
    lab_host_text(&report->host, text);
    fprintf(out, "host          %s\n", report->host.cpu);
    fprintf(out, "bare          recorded: %s\n", lab_bare_source);
    fprintf(out, "deprivileged  %s\n", text);
    if (report->host.bits)
        fprintf(out, "UMIP          %s; CPUID %s it\n", lab_umip_text(report->host.umip),
                report->host.umip_announced ? "announces" : "does not announce");
    fputc('\n', out);
    print_table(report, out);
    for (unsigned i = 0; i < report->count && report->explain; i++)
        print_one(report, &report->rows[i], out);
    print_totals(report, out);
}
