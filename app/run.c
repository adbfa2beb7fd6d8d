// `ringshade run`. Everything that can be wrong with the input is found before the first guest instruction; after it,
// statistics are written whatever the end was.
#include "app/run.h"

#include "app/help.h"
#include "app/options.h"
#include "app/output_file.h"
#include "app/signals.h"

#include <stdio.h>
#include <stdlib.h>

// One line, whatever stands in the names that it quotes.
static int fail(const struct ringshade_error *err) {
    fputs("ringshade: ", stderr);
    for (const char *at = err->text; *at; at++)
        fputc((unsigned char)*at < 0x20 ? '?' : *at, stderr);
    fputc('\n', stderr);
    return RUN_STATUS_BAD_INPUT;
}

static int exit_status(const struct ringshade *machine, enum ringshade_stop cause) {
    switch (cause) {
    case RINGSHADE_STOP_HALT:
    case RINGSHADE_STOP_RESET:
    case RINGSHADE_STOP_CONSOLE: return RUN_STATUS_OK;
    case RINGSHADE_STOP_DEBUG_EXIT: return (ringshade_debug_exit_value(machine) << 1 | 1) & 0xff;
    case RINGSHADE_STOP_REQUEST: return RUN_STATUS_SIGNAL + signals_received();
    case RINGSHADE_STOP_TRIPLE_FAULT: return RUN_STATUS_TRIPLE_FAULT;
    case RINGSHADE_STOP_TIMEOUT: return RUN_STATUS_TIMEOUT;
    case RINGSHADE_STOP_ERROR: break;
    }
    return RUN_STATUS_MONITOR_ERROR;
}

// Says why the run ended, where that is not plain from the guest's own output.
static void print_end(const struct ringshade *machine, enum ringshade_stop cause) {
    bool trouble = cause == RINGSHADE_STOP_TRIPLE_FAULT || cause == RINGSHADE_STOP_ERROR;
    if (trouble || cause == RINGSHADE_STOP_TIMEOUT)
        fprintf(stderr, "ringshade: %s\n", ringshade_stop_text(machine));
    if (trouble) {
        struct ringshade_registers registers;
        ringshade_get_registers(machine, &registers);
        ringshade_print_registers(&registers, stderr);
    }
}

static int run_machine(struct ringshade *machine, struct output_file *stats) {
    struct ringshade_error err;
    if (ringshade_serial_name(machine))
        fprintf(stderr, "ringshade: serial port on %s\n", ringshade_serial_name(machine));
    signals_set_machine(machine);
    enum ringshade_stop cause = ringshade_run(machine);
    signals_set_machine(NULL);
    signals_restore_terminal();
    print_end(machine, cause);
    int status = exit_status(machine, cause);
    bool failed = stats->stream && ringshade_write_stats(machine, stats->stream, &err);
    if (output_file_close(stats, &err) || failed) {
        fail(&err);
        if (status == RUN_STATUS_OK)
            status = RUN_STATUS_MONITOR_ERROR;
    }
    return status;
}

static int create_and_run(struct run_options *options, struct output_file *stats, struct output_file *log) {
    struct ringshade_error err;
    options->config.log_stream = log->stream;
    struct ringshade *machine = ringshade_create(&options->config, &err);
    int status;
    if (!machine || ringshade_load(machine, &options->guest, &err)) {
        output_file_discard(stats);
        output_file_discard(log);
        status = fail(&err);
    } else {
        output_file_begin(stats);
        output_file_begin(log);
        status = run_machine(machine, stats);
    }
    ringshade_destroy(machine);
    output_file_close(log, &err);
    return status;
}

int run_main(int argc, char **argv) {
    struct run_options options;
    struct output_file stats, log;
    struct ringshade_error err;
    if (options_parse(&options, argc, argv, &err))
        return fail(&err);
    if (options.help) {
        help_print_run(stdout);
        return RUN_STATUS_OK;
    }
    if (output_file_open(&stats, "statistics file", options.stats_path, &err))
        return fail(&err);
    if (output_file_open(&log, "log file", options.log_path, &err)) {
        output_file_discard(&stats);
        return fail(&err);
    }
    signals_install();
    return create_and_run(&options, &stats, &log);
}
