// See lab_report.h: the results as a page of its own, without scripts and without anything fetched. On a narrow screen
// each row of the table becomes a card. What can be opened is a <details>, which the keyboard reaches by itself.
#include "app/lab_bare.h"
#include "app/lab_report.h"

#include <string.h>

static const char style[] =
    ":root{color-scheme:light "
    "dark;--ink:#1b1b1f;--paper:#fff;--line:#c9c9d1;--soft:#f2f2f6;--bad:#a3122a;--leak:#8a5300;"
    "--good:#0b6b34;--trap:#274fae}\n"
    "@media(prefers-color-scheme:dark){:root{--ink:#e8e8ee;--paper:#17171b;--line:#44444e;--soft:#222228;--bad:#ff8f9f;"
    "--leak:#f0b35a;--good:#6fdc9a;--trap:#9db8ff}}\n"
    "*{box-sizing:border-box}\n"
    "body{margin:0 auto;max-width:80rem;padding:1rem;background:var(--paper);color:var(--ink);"
    "font:1rem/1.5 system-ui,sans-serif}\n"
    "h1{font-size:1.5rem;line-height:1.2}\n"
    "code,td.value{font-family:ui-monospace,monospace;font-size:.9em;overflow-wrap:anywhere}\n"
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:.25rem 1rem;margin:1rem 0}dd{margin:0}\n"
    "table{border-collapse:collapse;width:100%}\n"
    "th,td{text-align:left;vertical-align:top;padding:.5rem;border-bottom:1px solid var(--line)}\n"
    "thead th{position:sticky;top:0;background:var(--soft)}\n"
    "summary{cursor:pointer}\n"
    "a,summary{color:inherit}\n"
    ":focus-visible{outline:3px solid var(--trap);outline-offset:2px}\n"
    ".skip{position:absolute;left:-100rem}.skip:focus{left:1rem;background:var(--paper);padding:.5rem}\n"
    ".wrong{color:var(--bad);font-weight:700}.leaks{color:var(--leak);font-weight:700}\n"
    ".right{color:var(--good);font-weight:700}.traps{color:var(--trap);font-weight:700}\n"
    "@media(max-width:48rem){dl{display:block}dt{font-weight:700}thead{display:none}tr{display:block;margin:0 0 1rem;"
    "border:1px solid var(--line);border-radius:.5rem}tbody th,td{display:block;border:0;padding:.4rem .75rem}"
    "tbody th{background:var(--soft);border-radius:.5rem .5rem 0 0}td::before{content:attr(data-label) \": \";"
    "font-family:system-ui,sans-serif;opacity:.75}}\n";

static void escaped(FILE *out, const char *text) {
    for (; *text; text++)
        switch (*text) {
        case '<': fputs("&lt;", out); break;
        case '>': fputs("&gt;", out); break;
        case '&': fputs("&amp;", out); break;
        case '"': fputs("&quot;", out); break;
        default: fputc(*text, out);
        }
}

static void definition(FILE *out, const char *term, const char *text) {
    fprintf(out, "<dt>%s</dt><dd>", term);
    escaped(out, text);
    fputs("</dd>\n", out);
}

static void cell(FILE *out, const char *label, const char *text, enum lab_verdict verdict) {
    fprintf(out, "<td class=\"value\" data-label=\"%s\">", label);
    escaped(out, text);
    if (verdict != LAB_NO_VERDICT)
        fprintf(out, " <span class=\"%s\">%s</span>", lab_verdict_name(verdict), lab_verdict_name(verdict));
    fputs("</td>\n", out);
}

static void row_head(FILE *out, const struct lab_report *report, const struct lab_row *row) {
    const struct lab_program *program = row->program;
    const char *note = lab_row_note(report, row);
    char text[LAB_TEXT_MAX];
    fprintf(out, "<tr id=\"%s\"><th scope=\"row\"><details><summary>%s</summary>\n<p><code>", program->name,
            program->name);
    lab_instruction_text(program, text);
    escaped(out, text);
    lab_bytes_text(program, text);
    fprintf(out, "</code><br>bytes <code>%s</code></p>\n<p>By the manual it ", text);
    escaped(out, program->statement);
    fputs(".</p>\n", out);
    if (*note) {
        fputs("<p>Deprivileged: ", out);
        escaped(out, note);
        fputs(".</p>\n", out);
    }
    if (program->twin)
        fprintf(out, "<p>See also <a href=\"#%s\">%s</a>.</p>\n", program->twin, program->twin);
    fputs("</details></th>\n", out);
}

static void write_row(FILE *out, const struct lab_report *report, const struct lab_row *row) {
    char text[LAB_TEXT_MAX];
    row_head(out, report, row);
    lab_run_text(row->program, &row->bare, text);
    cell(out, "bare", text, LAB_NO_VERDICT);
    lab_run_text(row->program, &row->child, text);
    cell(out, "deprivileged", text, row->child_verdict);
    lab_run_text(row->program, &row->translated, text);
    cell(out, "translated", text, row->translated_verdict);
    cell(out, "by", row->translated.became, LAB_NO_VERDICT);
    fputs("</tr>\n", out);
}

static void write_host(FILE *out, const struct lab_report *report) {
    char text[2 * LAB_TEXT_MAX];
    fputs("<dl>\n", out);
    definition(out, "Host", report->host.cpu);
    definition(out, "Bare", lab_bare_source);
    lab_host_text(&report->host, text);
    definition(out, "Deprivileged", text);
    if (report->host.bits)
        definition(out, "UMIP", lab_umip_text(report->host.umip));
    fputs("</dl>\n", out);
}

void lab_report_html(const struct lab_report *report, FILE *out) {
    fprintf(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
        "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
        "<title>The sensitive unprivileged instructions</title>\n<style>\n%s</style>\n</head>\n<body>\n"
        "<a class=\"skip\" href=\"#results\">To the results</a>\n"
        "<h1>The sensitive unprivileged instructions, run three ways</h1>\n"
        "<p>Each small program asks the processor for something that belongs to the system, or changes it. "
        "<em>Bare</em> is what it gives at ring 0, <em>deprivileged</em> what this host's processor makes of the same "
        "bytes in ring 3, <em>translated</em> what the guest gets from the engine.</p>\n"
        "<p><span class=\"traps\">traps</span>: a monitor hears of it. <span class=\"wrong\">wrong</span>: something "
        "else happens and nobody is told. <span class=\"leaks\">leaks</span>: the guest sees the host or its own lack "
        "of privilege. <span class=\"right\">right</span>: as at ring 0.</p>\n",
        style);
    write_host(out, report);
    fputs("<main id=\"results\">\n<table>\n<thead><tr><th scope=\"col\">Program</th><th scope=\"col\">Bare</th>"
          "<th scope=\"col\">Deprivileged</th><th scope=\"col\">Translated</th><th scope=\"col\">By</th></tr></thead>\n"
          "<tbody>\n",
          out);
    for (unsigned i = 0; i < report->count; i++)
        write_row(out, report, &report->rows[i]);
    fputs("</tbody>\n</table>\n</main>\n</body>\n</html>\n", out);
}
