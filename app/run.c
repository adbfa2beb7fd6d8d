// `ringshade run`. Everything that can be wrong with the input is found before the first guest instruction; after it,
// statistics are written whatever the end was.
#include "app/run.h"

#include "app/help.h"
#include "app/options.h"
#include "app/output_file.h"
#include "app/recording.h"
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
    case RINGSHADE_STOP_DEBUGGER:
    case RINGSHADE_STOP_COUNT:
    case RINGSHADE_STOP_CONSOLE: return RUN_STATUS_OK;
    case RINGSHADE_STOP_DEBUG_EXIT: return (ringshade_debug_exit_value(machine) << 1 | 1) & 0xff;
    case RINGSHADE_STOP_REQUEST: return RUN_STATUS_SIGNAL + signals_received();
    case RINGSHADE_STOP_TRIPLE_FAULT: return RUN_STATUS_TRIPLE_FAULT;
    case RINGSHADE_STOP_TIMEOUT: return RUN_STATUS_TIMEOUT;
    case RINGSHADE_STOP_ERROR: break;
    }
    return RUN_STATUS_MONITOR_ERROR;
}

// What is left of a run when its machine is gone.
struct outcome {
    enum ringshade_stop cause;
    int status;
    char text[RINGSHADE_ERROR_MAX];
    struct ringshade_registers registers;
};

// Says why the run ended, where that is not plain from the guest's own output.
static void print_end(const struct outcome *end) {
    bool trouble = end->cause == RINGSHADE_STOP_TRIPLE_FAULT || end->cause == RINGSHADE_STOP_ERROR;
    if (trouble || end->cause == RINGSHADE_STOP_TIMEOUT)
        fprintf(stderr, "ringshade: %s\n", end->text);
    if (trouble)
        ringshade_print_registers(&end->registers, stderr);
}

static void run_machine(struct ringshade *machine, struct outcome *end) {
    if (ringshade_serial_name(machine))
        fprintf(stderr, "ringshade: serial port on %s\n", ringshade_serial_name(machine));
    signals_set_machine(machine);
    end->cause = ringshade_run(machine);
    signals_set_machine(NULL);
    end->status = exit_status(machine, end->cause);
    snprintf(end->text, sizeof end->text, "%s", ringshade_stop_text(machine));
    ringshade_get_registers(machine, &end->registers);
}

// Returns -1 if there is something to write and it cannot be written.
static int write_stats(const struct ringshade *machine, struct output_file *stats) {
    struct ringshade_error err;
    int status = stats->stream ? ringshade_write_stats(machine, stats->stream, &err) : 0;
    if (output_file_close(stats, &err))
        status = -1;
    if (status)
        fail(&err);
    return status;
}

// The files that a run writes.
struct outputs {
    struct output_file stats, log, hash;
    struct recording recording;
};

// The machine ends before anything is printed: the guest's last output comes first, and the terminal is as it was.
static int run_loaded(struct ringshade *machine, const struct run_options *options, struct outputs *out) {
    struct ringshade_error err;
    struct outcome end;
    output_file_begin(&out->stats);
    output_file_begin(&out->log);
    output_file_begin(&out->hash);
    run_machine(machine, &end);
    int written = write_stats(machine, &out->stats),
        reported = recording_report(&out->recording, machine, options, &err);
    ringshade_destroy(machine);
    signals_restore_terminal();
    print_end(&end);
    if (reported)
        written = fail(&err);
    if (output_file_close(&out->log, &err))
        written = fail(&err);
    if (output_file_close(&out->hash, &err))
        written = fail(&err);
    if (recording_close(&out->recording, &err))
        written = fail(&err);
    return written && end.status == RUN_STATUS_OK ? RUN_STATUS_MONITOR_ERROR : end.status;
}

static void discard(struct outputs *out) {
    output_file_discard(&out->stats);
    output_file_discard(&out->log);
    output_file_discard(&out->hash);
    recording_discard(&out->recording);
}

static int create_and_run(struct run_options *options, struct outputs *out) {
    struct ringshade_error err;
    options->config.log_stream = out->log.stream;
    options->config.hash_stream = out->hash.stream;
    recording_configure(&out->recording, &options->config);
    struct ringshade *machine = ringshade_create(&options->config, &err);
    if (machine && !ringshade_load(machine, &options->guest, &err))
        return run_loaded(machine, options, out);
    ringshade_destroy(machine);
    discard(out);
    return fail(&err);
}

int run_main(int argc, char **argv) {
    struct run_options options;
    struct outputs out = {.recording.file.fd = -1};
    struct ringshade_error err;
    if (options_parse(&options, argc, argv, &err))
        return fail(&err);
    if (options.help) {
        help_print_run(stdout);
        return RUN_STATUS_OK;
    }
    if (output_file_open(&out.stats, "statistics file", options.stats_path, &err) ||
        output_file_open(&out.log, "log file", options.log_path, &err) ||
        output_file_open(&out.hash, "hash file", options.hash_path, &err) ||
        recording_open(&out.recording, &options, &err)) {
        discard(&out);
        return fail(&err);
    }
    signals_install();
    return create_and_run(&options, &out);
}
