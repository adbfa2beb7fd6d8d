// See lab_report.h: the results as one JSON object, the programs by name in it. Values are hexadecimal text.
#include "app/lab_bare.h"
#include "app/lab_report.h"
#include "machine/json.h"

#include <inttypes.h>

static void write_values(struct json *json, const struct lab_program *program, const struct lab_run *run) {
    static const char *const ends[] = {"not run", "ended", "trapped", "astray"};
    json_text(json, "outcome", ends[run->end]);
    if (run->end != LAB_ENDED) {
        json_text(json, "how", run->how);
        return;
    }
    json_begin(json, "values");
    for (unsigned i = 0; i < lab_program_values(program); i++) {
        char text[32];
        snprintf(text, sizeof text, "%" PRIx64, lab_value_get(&program->values[i], &run->state));
        json_text(json, program->values[i].name, text);
    }
    json_end(json);
}

static void write_manual(struct json *json, const struct lab_program *program) {
    json_begin(json, "manual");
    for (unsigned i = 0; i < lab_program_values(program); i++) {
        char text[32];
        snprintf(text, sizeof text, "%" PRIx32, program->values[i].manual);
        json_text(json, program->values[i].name, text);
    }
    json_end(json);
}

static void write_row(struct json *json, const struct lab_report *report, const struct lab_row *row) {
    const struct lab_program *program = row->program;
    char text[LAB_TEXT_MAX];
    json_begin(json, program->name);
    json_text(json, "mnemonic", program->mnemonic);
    lab_instruction_text(program, text);
    json_text(json, "instruction", text);
    lab_bytes_text(program, text);
    json_text(json, "bytes", text);
    json_text(json, "statement", program->statement);
    write_manual(json, program);
    json_begin(json, "bare");
    write_values(json, program, &row->bare);
    json_end(json);
    json_begin(json, "deprivileged");
    write_values(json, program, &row->child);
    json_text(json, "verdict", lab_verdict_name(row->child_verdict));
    json_text(json, "note", lab_row_note(report, row));
    if (program->twin)
        json_text(json, "twin", program->twin);
    json_end(json);
    json_begin(json, "translated");
    write_values(json, program, &row->translated);
    json_text(json, "by", row->translated.became);
    json_text(json, "verdict", lab_verdict_name(row->translated_verdict));
    json_end(json);
    json_end(json);
}

static void write_host(struct json *json, const struct lab_host *host) {
    static const char *const umip[] = {"off", "faked", "traps"};
    json_begin(json, "host");
    json_text(json, "cpu", host->cpu);
    json_u64(json, "child_bits", host->bits);
    json_text(json, "why", host->why);
    json_bool(json, "umip_announced", host->umip_announced);
    if (host->bits)
        json_text(json, "umip", umip[host->umip]);
    else
        json_null(json, "umip");
    json_end(json);
}

void lab_report_json(const struct lab_report *report, FILE *out) {
    struct json json = {.out = out};
    json_begin(&json, NULL);
    write_host(&json, &report->host);
    json_text(&json, "bare_source", lab_bare_source);
    json_begin(&json, "programs");
    for (unsigned i = 0; i < report->count; i++)
        write_row(&json, report, &report->rows[i]);
    json_end(&json);
    json_end(&json);
}
