// See trace.h. A trace is read twice: first as a whole, which finds out whether it is good and how fast its clock ran,
// then for what is to be printed. So bad input is told before anything else.
#include "app/trace.h"

#include "app/help.h"
#include "app/parse.h"
#include "app/run.h"
#include "app/trace_hot.h"
#include "app/trace_list.h"
#include "app/trace_load.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

struct trace_options {
    const char *path;
    struct trace_select select;
    bool list, json, host, partial, help;
    uint64_t limit, hot; // 0: not asked for
};

enum {
    OPTION_LIST = 256,
    OPTION_LIMIT,
    OPTION_HOT,
    OPTION_HOST,
    OPTION_KIND,
    OPTION_ADDRESS,
    OPTION_CPL,
    OPTION_TIME,
    OPTION_JSON,
    OPTION_PARTIAL,
    OPTION_HELP,
};

static const struct option long_options[] = {
    {"list", no_argument, NULL, OPTION_LIST},       {"limit", required_argument, NULL, OPTION_LIMIT},
    {"hot", required_argument, NULL, OPTION_HOT},   {"host", no_argument, NULL, OPTION_HOST},
    {"kind", required_argument, NULL, OPTION_KIND}, {"address", required_argument, NULL, OPTION_ADDRESS},
    {"cpl", required_argument, NULL, OPTION_CPL},   {"time", required_argument, NULL, OPTION_TIME},
    {"json", no_argument, NULL, OPTION_JSON},       {"partial", no_argument, NULL, OPTION_PARTIAL},
    {"help", no_argument, NULL, OPTION_HELP},       {NULL, 0, NULL, 0},
};

static int apply(struct trace_options *options, int code, const char *value, struct ringshade_error *err) {
    switch (code) {
    case OPTION_LIST: options->list = true; return 0;
    case OPTION_LIMIT: return parse_count(value, &options->limit, err);
    case OPTION_HOT: return parse_count(value, &options->hot, err);
    case OPTION_HOST: options->host = true; return 0;
    case OPTION_KIND: return trace_select_kinds(&options->select, value, err);
    case OPTION_ADDRESS: return trace_select_addresses(&options->select, value, err);
    case OPTION_CPL: return trace_select_cpl(&options->select, value, err);
    case OPTION_TIME: return trace_select_times(&options->select, value, err);
    case OPTION_JSON: options->json = true; return 0;
    case OPTION_PARTIAL: options->partial = true; return 0;
    default: options->help = true; return 0;
    }
}

static int parse(struct trace_options *options, int argc, char **argv, struct ringshade_error *err) {
    *options = (struct trace_options){.select = trace_select_all()};
    optind = 0;
    opterr = 0;
    for (int code; (code = getopt_long(argc, argv, "+:", long_options, NULL)) != -1;) {
        if (code == ':' || code == '?')
            return parse_refused(code, argv, err);
        if (apply(options, code, optarg, err))
            return -1;
        if (options->help)
            return 0;
    }
    if (optind != argc - 1)
        return parse_error(err, optind < argc ? "more than one file given" : "no file given");
    if (options->list && options->hot)
        return parse_error(err, "--list and --hot are two questions");
    if (options->host && (!options->hot || options->json))
        return parse_error(err, "--host goes with --hot, and not with --json");
    options->path = argv[optind];
    return 0;
}

// One reading of the trace; the reader stays for the caller, who ends it.
static int count(struct trace_reader *reader, struct trace_counts *counts, const struct trace_options *options,
                 const struct trace_select *select, double units, struct ringshade_error *err) {
    struct trace_visitor visitor = trace_counts_visitor(counts, select, units, reader);
    trace_reader_begin(reader, &visitor);
    return trace_load(reader, options->path, options->partial, err);
}

static int list(const struct trace_options *options, double units, struct ringshade_error *err) {
    struct trace_reader reader;
    struct trace_list list = {
        .select = options->select,
        .reader = &reader,
        .units = units,
        .left = options->limit ? options->limit : UINT64_MAX,
        .json = options->json,
        .out = stdout,
    };
    struct trace_visitor visitor = trace_list_visitor(&list);
    trace_reader_begin(&reader, &visitor);
    int status = trace_load(&reader, options->path, options->partial, err);
    trace_reader_end(&reader);
    return status;
}

static int print(const struct trace_options *options, const struct trace_counts *counts, struct ringshade_error *err) {
    if (options->hot)
        return trace_hot_print(counts, options->hot, options->host, options->json, stdout)
                   ? parse_error(err, "out of memory")
                   : 0;
    if (options->json)
        trace_counts_print_json(counts, stdout);
    else
        trace_counts_print(counts, options->path, stdout);
    return 0;
}

static int trace(const struct trace_options *options, struct ringshade_error *err) {
    struct trace_reader reader;
    struct trace_counts *counts = malloc(sizeof *counts);
    if (!counts)
        return parse_error(err, "out of memory");
    const struct trace_select all = trace_select_all();
    int status = count(&reader, counts, options, &all, 0, err);
    double units = trace_units(counts);
    trace_reader_end(&reader);
    if (!status && options->list) {
        status = list(options, units, err);
    } else if (!status) {
        status = count(&reader, counts, options, &options->select, units, err);
        if (!status)
            status = print(options, counts, err);
        trace_reader_end(&reader);
    }
    free(counts);
    return status;
}

int trace_main(int argc, char **argv) {
    struct trace_options options;
    struct ringshade_error err;
    int status = parse(&options, argc, argv, &err);
    if (!status && options.help)
        help_print_trace(stdout);
    else if (!status)
        status = trace(&options, &err);
    if (!status && (fflush(stdout) || ferror(stdout)))
        status = parse_error(&err, "cannot write: %s", strerror(errno));
    if (status)
        fprintf(stderr, "ringshade: %s\n", err.text);
    return status ? RUN_STATUS_BAD_INPUT : RUN_STATUS_OK;
}
