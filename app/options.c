// The options of `ringshade run`, by getopt_long. Only parses: files are opened by run.c, in an order that leaves
// nothing behind when one of them is wrong.
#include "app/options.h"

#include "app/parse.h"
#include "app/trace_file.h"

#include <getopt.h>
#include <string.h>

enum option_code {
    OPTION_KERNEL = 256,
    OPTION_INITRD,
    OPTION_MODULE,
    OPTION_APPEND,
    OPTION_MEMORY,
    OPTION_SERIAL,
    OPTION_CPU,
    OPTION_MMU,
    OPTION_VERIFY,
    OPTION_STATS,
    OPTION_LOG,
    OPTION_NO_LINK,
    OPTION_ABLATE,
    OPTION_NO_REBOOT,
    OPTION_TIMEOUT,
    OPTION_HYPERCALLS,
    OPTION_DMA_TEST,
    OPTION_NMI_TEST,
    OPTION_GDB,
    OPTION_GDB_NO_WAIT,
    OPTION_CLOCK,
    OPTION_RTC,
    OPTION_HASH_EVERY,
    OPTION_HASH_MEMORY,
    OPTION_STOP_AFTER,
    OPTION_TRACE,
    OPTION_TRACE_LIMIT,
    OPTION_REPORT,
    OPTION_HELP,
};

static const struct option long_options[] = {
    {"kernel", required_argument, NULL, OPTION_KERNEL},
    {"initrd", required_argument, NULL, OPTION_INITRD},
    {"module", required_argument, NULL, OPTION_MODULE},
    {"append", required_argument, NULL, OPTION_APPEND},
    {"memory", required_argument, NULL, OPTION_MEMORY},
    {"serial", required_argument, NULL, OPTION_SERIAL},
    {"cpu", required_argument, NULL, OPTION_CPU},
    {"mmu", required_argument, NULL, OPTION_MMU},
    {"verify", no_argument, NULL, OPTION_VERIFY},
    {"stats", required_argument, NULL, OPTION_STATS},
    {"log", required_argument, NULL, OPTION_LOG},
    {"no-link", no_argument, NULL, OPTION_NO_LINK},
    {"ablate", required_argument, NULL, OPTION_ABLATE},
    {"no-reboot", no_argument, NULL, OPTION_NO_REBOOT},
    {"timeout", required_argument, NULL, OPTION_TIMEOUT},
    {"gdb", required_argument, NULL, OPTION_GDB},
    {"gdb-no-wait", no_argument, NULL, OPTION_GDB_NO_WAIT},
    {"hypercalls", no_argument, NULL, OPTION_HYPERCALLS},
    {"dma-test", no_argument, NULL, OPTION_DMA_TEST},
    {"nmi-test", no_argument, NULL, OPTION_NMI_TEST},
    {"clock", required_argument, NULL, OPTION_CLOCK},
    {"rtc", required_argument, NULL, OPTION_RTC},
    {"hash-every", required_argument, NULL, OPTION_HASH_EVERY},
    {"hash-memory", required_argument, NULL, OPTION_HASH_MEMORY},
    {"stop-after", required_argument, NULL, OPTION_STOP_AFTER},
    {"trace", required_argument, NULL, OPTION_TRACE},
    {"report", required_argument, NULL, OPTION_REPORT},
    {"trace-limit", required_argument, NULL, OPTION_TRACE_LIMIT},
    {"help", no_argument, NULL, OPTION_HELP},
    {NULL, 0, NULL, 0},
};

static int set_memory(struct run_options *options, const char *text, struct ringshade_error *err) {
    if (parse_size(text, &options->config.memory, err))
        return -1;
    if (options->config.memory < RINGSHADE_MEMORY_MIN || options->config.memory > RINGSHADE_MEMORY_MAX)
        return parse_error(err, "--memory %s is not between %lluM and %lluM", text, RINGSHADE_MEMORY_MIN >> 20,
                           RINGSHADE_MEMORY_MAX >> 20);
    return 0;
}

static int add_module(struct run_options *options, char *text, struct ringshade_error *err) {
    if (options->guest.module_count == RINGSHADE_MODULES_MAX)
        return parse_error(err, "more than %d modules", RINGSHADE_MODULES_MAX);
    struct ringshade_module *module = &options->modules[options->guest.module_count++];
    module->path = text;
    char *blank = strchr(text, ' ');
    if (blank) {
        *blank = '\0';
        module->args = blank + 1;
    }
    return *text ? 0 : parse_error(err, "--module needs a file name");
}

// The file's name begins behind the first colon; topic names have none.
static void set_log(struct run_options *options, char *text) {
    options->config.log_topics = text;
    char *colon = strchr(text, ':');
    options->log_path = NULL;
    if (colon) {
        *colon = '\0';
        options->log_path = colon + 1;
    }
}

static int set_text(const char **to, char *text, const char *name, struct ringshade_error *err) {
    *to = text;
    return *text ? 0 : parse_error(err, "--%s needs a file name", name);
}

// N:FILE
static int set_hash(struct run_options *options, char *text, struct ringshade_error *err) {
    char *colon = strchr(text, ':');
    if (!colon || !colon[1])
        return parse_error(err, "--hash-every needs a file name behind a colon");
    *colon = '\0';
    options->hash_path = colon + 1;
    return parse_count(text, &options->config.hash_every, err);
}

static int set_trace_limit(struct run_options *options, const char *text, struct ringshade_error *err) {
    if (parse_size(text, &options->trace_limit, err))
        return -1;
    if (options->trace_limit < 1u << 20)
        return parse_error(err, "--trace-limit %s is less than 1M", text);
    return 0;
}

static int apply(struct run_options *options, int code, char *value, struct ringshade_error *err) {
    struct ringshade_config *config = &options->config;
    switch (code) {
    case OPTION_KERNEL: return set_text(&options->guest.kernel, value, "kernel", err);
    case OPTION_INITRD: return set_text(&options->guest.initrd, value, "initrd", err);
    case OPTION_STATS: return set_text(&options->stats_path, value, "stats", err);
    case OPTION_MODULE: return add_module(options, value, err);
    case OPTION_APPEND: options->guest.append = value; return 0;
    case OPTION_MEMORY: return set_memory(options, value, err);
    case OPTION_SERIAL: return parse_serial(value, &config->serial, &config->serial_path, err);
    case OPTION_CPU: return parse_cpu(value, config, err);
    case OPTION_MMU: return parse_mmu(value, &config->mmu, err);
    case OPTION_ABLATE: return parse_ablate(value, &config->ablate, err);
    case OPTION_TIMEOUT: return parse_seconds(value, &config->timeout, err);
    case OPTION_GDB: config->gdb = value; return 0;
    case OPTION_GDB_NO_WAIT: config->gdb_no_wait = true; return 0;
    case OPTION_LOG: set_log(options, value); return 0;
    case OPTION_CLOCK: return parse_clock(value, &config->clock, err);
    case OPTION_RTC: return parse_time(value, &config->rtc, err);
    case OPTION_HASH_EVERY: return set_hash(options, value, err);
    case OPTION_HASH_MEMORY: return parse_count(value, &config->hash_memory, err);
    case OPTION_STOP_AFTER: return parse_count(value, &config->stop_after, err);
    case OPTION_TRACE: return set_text(&options->trace_path, value, "trace", err);
    case OPTION_REPORT: return set_text(&options->report_dir, value, "report", err);
    case OPTION_TRACE_LIMIT: return set_trace_limit(options, value, err);
    case OPTION_VERIFY: config->verify = true; return 0;
    case OPTION_NO_LINK: config->no_link = true; return 0;
    case OPTION_NO_REBOOT: config->no_reboot = true; return 0;
    case OPTION_HYPERCALLS: config->hypercalls = true; return 0;
    case OPTION_DMA_TEST: config->dma_test = true; return 0;
    case OPTION_NMI_TEST: config->nmi_test = true; return 0;
    default: options->help = true; return 0;
    }
}

static int check(const struct run_options *options, struct ringshade_error *err) {
    if (!options->guest.kernel)
        return parse_error(err, "no kernel given: --kernel FILE is needed");
    if (options->config.gdb_no_wait && !options->config.gdb)
        return parse_error(err, "--gdb-no-wait needs --gdb");
    if (options->log_path && !*options->log_path)
        return parse_error(err, "--log needs a file name behind the colon");
    bool counts = options->config.hash_every || options->config.hash_memory || options->config.stop_after;
    if (counts && options->config.clock != RINGSHADE_CLOCK_VIRTUAL)
        return parse_error(err, "--hash-every, --hash-memory and --stop-after need --clock virtual");
    return 0;
}

int options_parse(struct run_options *options, int argc, char **argv, struct ringshade_error *err) {
    *options = (struct run_options){.config = ringshade_default_config()};
    options->config.serial = RINGSHADE_SERIAL_STDIO;
    options->trace_limit = TRACE_FILE_LIMIT;
    options->guest.modules = options->modules;
    optind = 0; // 0, not 1: glibc starts over, for a second call
    opterr = 0;
    for (;;) {
        int code = getopt_long(argc, argv, "+:", long_options, NULL);
        if (code == -1)
            break;
        if (code == ':' || code == '?')
            return parse_refused(code, argv, err);
        if (apply(options, code, optarg, err))
            return -1;
        if (options->help)
            return 0;
    }
    if (optind < argc)
        return parse_error(err, "unexpected argument '%s'", argv[optind]);
    return check(options, err);
}
