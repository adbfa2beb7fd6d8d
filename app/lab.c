// See lab.h. The children run first: a machine of the engine changes the process's signal handlers.
#include "app/lab.h"

#include "app/help.h"
#include "app/lab_bare.h"
#include "app/lab_report.h"
#include "app/lab_translated.h"
#include "app/output_file.h"
#include "app/parse.h"
#include "app/run.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

struct lab {
    bool help, list, json;
    const char *html, *image; // NULL, or files to write
    unsigned bits;            // of the children that were asked for, or 0
    bool chosen[LAB_ROWS_MAX];
    struct lab_report report;
};

// ---- Options -------------------------------------------------------------------------------------------------------

enum { OPTION_JSON = 256, OPTION_HTML, OPTION_IMAGE, OPTION_CHILD, OPTION_LIST, OPTION_HELP };

static const struct option long_options[] = {
    {"json", no_argument, NULL, OPTION_JSON},
    {"html", required_argument, NULL, OPTION_HTML},
    {"image", required_argument, NULL, OPTION_IMAGE},
    {"child", required_argument, NULL, OPTION_CHILD},
    {"list", no_argument, NULL, OPTION_LIST},
    {"help", no_argument, NULL, OPTION_HELP},
    {NULL, 0, NULL, 0},
};

static int choose_child(struct lab *lab, const char *text, struct ringshade_error *err) {
    lab->bits = !strcmp(text, "32") ? 32 : !strcmp(text, "64") ? 64 : 0;
    return lab->bits ? 0 : parse_error(err, "--child %s is not 32 or 64", text);
}

static int apply(struct lab *lab, int code, const char *value, struct ringshade_error *err) {
    switch (code) {
    case OPTION_JSON: lab->json = true; return 0;
    case OPTION_HTML: lab->html = value; return 0;
    case OPTION_IMAGE: lab->image = value; return 0;
    case OPTION_CHILD: return choose_child(lab, value, err);
    case OPTION_LIST: lab->list = true; return 0;
    default: lab->help = true; return 0;
    }
}

// A program by its name, or all of one mnemonic.
static int choose_programs(struct lab *lab, const char *name, struct ringshade_error *err) {
    bool found = false;
    for (size_t i = 0; i < lab_program_count; i++)
        if (!strcmp(name, lab_programs[i].name) || !strcmp(name, lab_programs[i].mnemonic))
            found = lab->chosen[i] = true;
    return found ? 0 : parse_error(err, "no program '%.64s'; see ringshade lab --list", name);
}

static unsigned count_chosen(const struct lab *lab) {
    unsigned count = 0;
    for (size_t i = 0; i < lab_program_count; i++)
        count += lab->chosen[i];
    return count;
}

static int parse(struct lab *lab, int argc, char **argv, struct ringshade_error *err) {
    int code;
    optind = 0;
    opterr = 0;
    while ((code = getopt_long(argc, argv, ":", long_options, NULL)) != -1) {
        if (code == ':' || code == '?')
            return parse_refused(code, argv, err);
        if (apply(lab, code, optarg, err))
            return -1;
    }
    for (int i = optind; i < argc; i++)
        if (choose_programs(lab, argv[i], err))
            return -1;
    lab->report.explain = optind < argc;
    if (lab->image && count_chosen(lab) != 1)
        return parse_error(err, "--image needs the name of one program");
    if (optind == argc)
        memset(lab->chosen, true, sizeof lab->chosen);
    return 0;
}

// ---- The runs ------------------------------------------------------------------------------------------------------

static const struct lab_program *program_of(const char *name) {
    for (size_t i = 0; i < lab_program_count; i++)
        if (!strcmp(lab_programs[i].name, name))
            return &lab_programs[i];
    abort();
}

static int probe_host(struct lab *lab, struct ringshade_error *err) {
    struct lab_host *host = &lab->report.host;
    struct lab_run sgdt;
    lab_host_probe(host, lab->bits);
    if (lab->bits && host->bits != lab->bits)
        return parse_error(err, "--child %u: the host cannot: %s", lab->bits, host->why);
    lab_host_run(host, program_of("sgdt"), &sgdt);
    host->umip = lab_umip_seen(&sgdt);
    return 0;
}

static int run_row(const struct lab_host *host, struct lab_row *row, struct ringshade_error *err) {
    lab_bare_run(row->program, &row->bare);
    if (lab_translated_run(row->program, &row->translated, err))
        return -1;
    row->child_verdict = lab_verdict_of_child(row->program, &row->bare, &row->child, host->umip);
    row->translated_verdict = lab_verdict_of_guest(&row->bare, &row->translated);
    return 0;
}

static int run_all(struct lab *lab, struct ringshade_error *err) {
    struct lab_report *report = &lab->report;
    if (probe_host(lab, err))
        return -1;
    for (size_t i = 0; i < lab_program_count; i++)
        if (lab->chosen[i])
            report->rows[report->count++].program = &lab_programs[i];
    for (unsigned i = 0; i < report->count; i++)
        lab_host_run(&report->host, report->rows[i].program, &report->rows[i].child);
    for (unsigned i = 0; i < report->count; i++)
        if (run_row(&report->host, &report->rows[i], err))
            return -1;
    return 0;
}

// ---- What is printed and written -----------------------------------------------------------------------------------

static int write_image(const struct lab *lab, struct ringshade_error *err) {
    uint8_t image[LAB_SIZE];
    struct output_file file;
    if (output_file_open(&file, "image", lab->image, err))
        return -1;
    output_file_begin(&file);
    for (size_t i = 0; i < lab_program_count; i++)
        if (lab->chosen[i]) {
            lab_image_build(&lab_programs[i], LAB_CODE_32, image);
            fwrite(image, sizeof image, 1, file.stream);
        }
    return output_file_close(&file, err);
}

static int run_and_report(struct lab *lab, struct ringshade_error *err) {
    struct output_file html;
    if (output_file_open(&html, "HTML page", lab->html, err))
        return -1;
    if (run_all(lab, err)) {
        output_file_discard(&html);
        return -1;
    }
    output_file_begin(&html);
    if (html.stream)
        lab_report_html(&lab->report, html.stream);
    if (lab->json)
        lab_report_json(&lab->report, stdout);
    else if (!lab->html)
        lab_report_text(&lab->report, stdout);
    return output_file_close(&html, err);
}

static int act(struct lab *lab, struct ringshade_error *err) {
    if (lab->help) {
        help_print_lab(stdout);
        return 0;
    }
    if (lab->list) {
        for (size_t i = 0; i < lab_program_count; i++)
            if (lab->chosen[i])
                puts(lab_programs[i].name);
        return 0;
    }
    return lab->image ? write_image(lab, err) : run_and_report(lab, err);
}

int lab_main(int argc, char **argv) {
    struct ringshade_error err;
    struct lab *lab = calloc(1, sizeof *lab);
    int status = lab ? parse(lab, argc, argv, &err) : parse_error(&err, "out of memory");
    if (!status)
        status = act(lab, &err);
    if (status)
        fprintf(stderr, "ringshade: lab: %s\n", err.text);
    free(lab);
    return status ? RUN_STATUS_BAD_INPUT : RUN_STATUS_OK;
}
