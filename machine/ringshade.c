// The public interface: life of a machine, from its configuration to its end. Errors of the parts below become error
// texts; nothing is printed here.
#include "ringshade.h"

#include "machine/gdb_server.h"
#include "machine/machine.h"
#include "machine/state_trace.h"

#include "devices/chardev.h"
#include "devices/mc146818.h"

#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(struct ringshade_error) == sizeof(struct error), "one is passed as the other");
_Static_assert(RINGSHADE_MEMORY_MAX <= RAM_MAX_SIZE && RINGSHADE_MEMORY_MIN >= RAM_MIN_SIZE, "limits of mmu/ram.h");

static struct error *inner(struct ringshade_error *error) {
    return (struct error *)error; // the same one array of characters
}

struct ringshade_config ringshade_default_config(void) {
    return (struct ringshade_config){.memory = 256ull << 20, .rtc = RINGSHADE_RTC_DEFAULT};
}

static int check_config(const struct ringshade_config *config, struct error *err) {
    if (config->ablate & ~(uint32_t)RINGSHADE_ABLATE_ALL)
        return error_set(err, "ablate has bits that name no technique");
    if (config->memory < RINGSHADE_MEMORY_MIN || config->memory > RINGSHADE_MEMORY_MAX)
        return error_set(err, "memory size of %llu KiB is not between %llu MiB and %llu MiB",
                         (unsigned long long)config->memory >> 10, RINGSHADE_MEMORY_MIN >> 20,
                         RINGSHADE_MEMORY_MAX >> 20);
    if (!(config->timeout >= 0 && config->timeout <= RINGSHADE_TIMEOUT_MAX))
        return error_set(err, "timeout of %f seconds is not between 0 and %.0f", config->timeout,
                         RINGSHADE_TIMEOUT_MAX);
    if (config->mmu > RINGSHADE_MMU_SOFT || config->serial > RINGSHADE_SERIAL_PTY)
        return error_set(err, "the configuration has an unknown value for mmu or serial");
    if (config->clock > RINGSHADE_CLOCK_VIRTUAL)
        return error_set(err, "the configuration has an unknown value for clock");
    if ((config->hash_every || config->stop_after) && config->clock != RINGSHADE_CLOCK_VIRTUAL)
        return error_set(err, "instructions are counted only under the virtual clock");
    if (config->hash_memory && (!config->hash_every || config->hash_memory % config->hash_every))
        return error_set(err, "memory is hashed at multiples of the step of the processor's state");
    if (config->hash_every && !config->hash_stream)
        return error_set(err, "no stream to write hashes to");
    if (config->serial == RINGSHADE_SERIAL_FILE && (!config->serial_path || !*config->serial_path))
        return error_set(err, "the serial port leads to a file, but no file is named");
    return 0;
}

static char *serial_spec(const struct ringshade_config *config) {
    switch (config->serial) {
    case RINGSHADE_SERIAL_STDIO: return strdup("stdio");
    case RINGSHADE_SERIAL_PTY: return strdup("pty");
    case RINGSHADE_SERIAL_FILE: break;
    case RINGSHADE_SERIAL_NULL: return strdup("null");
    }
    size_t size = strlen("file:") + strlen(config->serial_path) + 1;
    char *spec = malloc(size);
    if (spec)
        snprintf(spec, size, "file:%s", config->serial_path);
    return spec;
}

static int open_log(struct ringshade *machine, struct error *err) {
    const char *bad;
    machine->log.out = machine->config.log_stream ? machine->config.log_stream : stderr;
    if (!machine->config.log_topics)
        return 0;
    if (!*machine->config.log_topics || log_parse_topics(machine->config.log_topics, &machine->log_topics, &bad))
        return error_set(err, "unknown log topic in '%s'; known are blocks, exits, faults, mmu, devices and all",
                         machine->config.log_topics);
    return 0;
}

static void note_event(struct ringshade *machine, enum machine_event event) {
    atomic_fetch_or(&machine->events, (unsigned)event);
    vcpu_request_stop(machine->pc.vcpu);
    if (machine->gdb)
        gdb_server_wake(machine->gdb);
}

static void on_debug_exit(void *opaque, uint32_t value) {
    struct ringshade *machine = opaque;
    machine->debug_exit = (uint8_t)value;
    note_event(machine, MACHINE_EVENT_DEBUG_EXIT);
}

static void on_quit(void *opaque) {
    note_event(opaque, MACHINE_EVENT_CONSOLE);
}

static void on_timeout(void *opaque) {
    note_event(opaque, MACHINE_EVENT_TIMEOUT);
}

static uint64_t on_reached(void *opaque, uint64_t instructions) {
    struct ringshade *machine = opaque;
    if (machine->config.stop_after && instructions >= machine->config.stop_after)
        note_event(machine, MACHINE_EVENT_COUNT);
    return state_trace_reached(machine, instructions);
}

static int64_t rtc_start(const struct ringshade_config *config) {
    if (config->rtc != RINGSHADE_RTC_DEFAULT)
        return config->rtc;
    return config->clock == RINGSHADE_CLOCK_VIRTUAL ? RINGSHADE_RTC_VIRTUAL : MC146818_HOST_TIME;
}

static enum mmu_policy policy_of(enum ringshade_mmu mmu) {
    switch (mmu) {
    case RINGSHADE_MMU_DIRECT: return MMU_DIRECT;
    case RINGSHADE_MMU_SOFT: return MMU_SOFT;
    case RINGSHADE_MMU_ADAPTIVE: break;
    }
    return MMU_ADAPTIVE;
}

#define SAME_BIT(name, bit, text) _Static_assert((int)RINGSHADE_ABLATE_##name == (int)ABLATE_##name, text);
RINGSHADE_ABLATIONS(SAME_BIT)
#undef SAME_BIT

static int create(struct ringshade *machine, struct error *err) {
    const struct ringshade_config *config = &machine->config;
    if (check_config(config, err) || open_log(machine, err))
        return -1;
    machine->serial_spec = serial_spec(config);
    if (!machine->serial_spec)
        return error_set(err, "out of memory");
    if (config->trace) {
        machine->trace = trace_encoder_create(config->clock == RINGSHADE_CLOCK_VIRTUAL, &machine->stats, config->trace,
                                              config->trace_opaque, err);
        if (!machine->trace)
            return -1;
    }
    struct pc_config pc = {
        .memory = (config->memory + RINGSHADE_MEMORY_STEP - 1) / RINGSHADE_MEMORY_STEP * RINGSHADE_MEMORY_STEP,
        .policy = policy_of(config->mmu),
        .verify = config->verify,
        .no_link = config->no_link,
        .ablate = config->ablate,
        .cache_mib = config->cache_mib,
        .dma_test = config->dma_test,
        .smep = config->smep,
        .smap = config->smap,
        .avx = config->avx,
        .hypercalls = config->hypercalls,
        .nmi_test = config->nmi_test,
        .log = &machine->log,
        .stats = &machine->stats,
        .debug_exit = on_debug_exit,
        .quit = on_quit,
        .trace = machine->trace ? &machine->trace->cpu : NULL,
        .virtual_clock = config->clock == RINGSHADE_CLOCK_VIRTUAL,
        .rtc_start = rtc_start(config),
        .reached = on_reached,
        .opaque = machine,
    };
    if (pc_create(&machine->pc, &pc, err))
        return -1;
    event_timer_init(&machine->timeout, machine->pc.loop, on_timeout, machine);
    if (config->gdb)
        machine->gdb = gdb_server_create(machine, config->gdb, !config->gdb_no_wait, err);
    return config->gdb && !machine->gdb ? -1 : 0;
}

struct ringshade *ringshade_create(const struct ringshade_config *config, struct ringshade_error *error) {
    struct ringshade *machine = calloc(1, sizeof *machine);
    if (!machine) {
        error_set(inner(error), "out of memory");
        return NULL;
    }
    machine->config = *config;
    if (create(machine, inner(error))) {
        ringshade_destroy(machine);
        return NULL;
    }
    return machine;
}

void ringshade_destroy(struct ringshade *machine) {
    if (!machine)
        return;
    gdb_server_destroy(machine->gdb);
    machine->gdb = NULL;
    pc_destroy(&machine->pc);
    trace_encoder_destroy(machine->trace);
    guest_close(&machine->guest);
    free(machine->serial_spec);
    free(machine);
}

// Resets the PC and puts the guest into it.
static int place_guest(struct ringshade *machine, struct error *err) {
    struct cpu_state state;
    if (pc_reset(&machine->pc, err) || guest_place(&machine->guest, &machine->pc.ram, &state, err))
        return -1;
    vcpu_set_state(machine->pc.vcpu, &state);
    return 0;
}

static int load(struct ringshade *machine, const struct ringshade_guest *guest, struct error *err) {
    if (guest_open(&machine->guest, guest, err) || place_guest(machine, err))
        return -1;
    return machine->pc.serial ? 0 : pc_connect_serial(&machine->pc, machine->serial_spec, err);
}

int ringshade_load(struct ringshade *machine, const struct ringshade_guest *guest, struct ringshade_error *error) {
    guest_close(&machine->guest);
    machine->has_guest = !load(machine, guest, inner(error));
    if (!machine->has_guest)
        guest_close(&machine->guest);
    return machine->has_guest ? 0 : -1;
}

int ringshade_restart(struct ringshade *machine, struct ringshade_error *error) {
    return machine->has_guest ? place_guest(machine, inner(error)) : error_set(inner(error), "no kernel is loaded");
}

static void arm_timeout(struct ringshade *machine) {
    event_loop_lock(machine->pc.loop);
    if (machine->config.timeout > 0)
        event_timer_arm(&machine->timeout,
                        event_loop_now(machine->pc.loop) + (uint64_t)(machine->config.timeout * 1e9));
    event_loop_unlock(machine->pc.loop);
}

// A timeout that came when the run had ended otherwise must not end the next one.
static void disarm_timeout(struct ringshade *machine) {
    event_loop_lock(machine->pc.loop);
    event_timer_cancel(&machine->timeout);
    event_loop_unlock(machine->pc.loop);
    atomic_fetch_and(&machine->events, (unsigned)MACHINE_EVENT_REQUEST);
}

static void describe_triple_fault(struct ringshade *machine) {
    const char *text = vcpu_error_text(machine->pc.vcpu);
    struct cpu_state state;
    vcpu_get_state(machine->pc.vcpu, &state);
    error_set(&machine->stop_text, "triple fault at %04x:%08x%s%s", state.seg[CPU_SEG_CS].selector, state.eip,
              *text ? ": " : "", text);
}

static enum ringshade_stop fail(struct ringshade *machine, const char *text) {
    error_set(&machine->stop_text, "error of the monitor: %s", text);
    return RINGSHADE_STOP_ERROR;
}

// Turns one noted event into a stop; what the guest did counts more than what came from outside. Returns false if there
// is none.
static bool take_event(struct ringshade *machine, enum ringshade_stop *stop) {
    static const struct {
        enum machine_event event;
        enum ringshade_stop stop;
    } order[] = {
        {MACHINE_EVENT_DEBUG_EXIT, RINGSHADE_STOP_DEBUG_EXIT}, {MACHINE_EVENT_KILL, RINGSHADE_STOP_DEBUGGER},
        {MACHINE_EVENT_CONSOLE, RINGSHADE_STOP_CONSOLE},       {MACHINE_EVENT_REQUEST, RINGSHADE_STOP_REQUEST},
        {MACHINE_EVENT_TIMEOUT, RINGSHADE_STOP_TIMEOUT},       {MACHINE_EVENT_COUNT, RINGSHADE_STOP_COUNT},
    };
    unsigned events = atomic_load(&machine->events);
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        if (events & (unsigned)order[i].event) {
            atomic_fetch_and(&machine->events, ~(unsigned)order[i].event);
            *stop = order[i].stop;
            return true;
        }
    }
    return false;
}

// What a debugger is told as the exit status of the run: as of `ringshade run` (docs/usage.md).
static unsigned debugger_status(const struct ringshade *machine) {
    switch (machine->stop) {
    case RINGSHADE_STOP_DEBUG_EXIT: return ((unsigned)machine->debug_exit << 1 | 1) & 0xffu;
    case RINGSHADE_STOP_TRIPLE_FAULT: return 4;
    case RINGSHADE_STOP_TIMEOUT: return 6;
    case RINGSHADE_STOP_ERROR: return 8;
    default: return 0;
    }
}

static enum ringshade_stop run_until_stop(struct ringshade *machine) {
    enum ringshade_stop stop;
    struct error err;
    for (;;) {
        if (machine->gdb && !gdb_server_hold(machine->gdb) && take_event(machine, &stop))
            return stop;
        enum cpu_stop cause = vcpu_run(machine->pc.vcpu);
        if (cause == CPU_STOP_ERROR)
            return fail(machine, vcpu_error_text(machine->pc.vcpu));
        if (machine->gdb)
            gdb_server_stopped(machine->gdb, cause);
        if (take_event(machine, &stop))
            return stop;
        switch (cause) {
        case CPU_STOP_HALT: return RINGSHADE_STOP_HALT;
        case CPU_STOP_TRIPLE_FAULT:
            describe_triple_fault(machine);
            if (machine->gdb)
                gdb_server_last_look(machine->gdb, "triple fault: the processor has shut down\n");
            return RINGSHADE_STOP_TRIPLE_FAULT;
        case CPU_STOP_RESET:
            if (machine->config.no_reboot)
                return RINGSHADE_STOP_RESET;
            if (place_guest(machine, &err))
                return fail(machine, err.text);
            machine->resets++;
            if (machine->gdb)
                gdb_server_told(machine->gdb, "the guest reset the machine\n");
            break;
        case CPU_STOP_DEBUG:     // the debugger holds the machine now
        case CPU_STOP_REQUESTED: // for an event that an earlier turn has taken: go on
        case CPU_STOP_ERROR: break;
        }
    }
}

enum ringshade_stop ringshade_run(struct ringshade *machine) {
    struct error err;
    machine->stop_text.text[0] = '\0';
    machine->has_stopped = true;
    if (!machine->has_guest)
        return machine->stop = fail(machine, "no kernel is loaded");
    machine->log.topics = machine->log_topics;
    if (pc_start(&machine->pc, &err))
        return machine->stop = fail(machine, err.text);
    arm_timeout(machine);
    uint64_t start = event_loop_now(machine->pc.loop);
    machine->stop = run_until_stop(machine);
    if (machine->gdb)
        gdb_server_ended(machine->gdb, debugger_status(machine));
    state_trace_end(machine);
    if (machine->trace)
        trace_encoder_stop(machine->trace, machine->stop);
    machine->ns_run += event_loop_now(machine->pc.loop) - start;
    disarm_timeout(machine);
    if (machine->stop == RINGSHADE_STOP_TIMEOUT)
        error_set(&machine->stop_text, "timeout: the guest still ran after %g seconds", machine->config.timeout);
    if (!*machine->stop_text.text)
        error_set(&machine->stop_text, "%s", ringshade_stop_name(machine->stop));
    return machine->stop;
}

void ringshade_request_stop(struct ringshade *machine) {
    note_event(machine, MACHINE_EVENT_REQUEST);
}

void ringshade_request_reset(struct ringshade *machine) {
    vcpu_request_reset(machine->pc.vcpu);
}

void ringshade_raise_nmi(struct ringshade *machine) {
    vcpu_raise_nmi(machine->pc.vcpu);
}

const char *ringshade_stop_name(enum ringshade_stop cause) {
    switch (cause) {
    case RINGSHADE_STOP_HALT: return "halt";
    case RINGSHADE_STOP_RESET: return "reset";
    case RINGSHADE_STOP_DEBUG_EXIT: return "debug-exit";
    case RINGSHADE_STOP_CONSOLE: return "console";
    case RINGSHADE_STOP_REQUEST: return "stop";
    case RINGSHADE_STOP_TIMEOUT: return "timeout";
    case RINGSHADE_STOP_COUNT: return "count";
    case RINGSHADE_STOP_TRIPLE_FAULT: return "triple-fault";
    case RINGSHADE_STOP_DEBUGGER: return "debugger";
    case RINGSHADE_STOP_ERROR: break;
    }
    return "error";
}

const char *ringshade_stop_text(const struct ringshade *machine) {
    return machine->has_stopped ? machine->stop_text.text : "the machine has not run";
}

uint8_t ringshade_debug_exit_value(const struct ringshade *machine) {
    return machine->debug_exit;
}

const char *ringshade_serial_name(const struct ringshade *machine) {
    return machine->pc.serial ? chardev_path(machine->pc.serial) : NULL;
}

void ringshade_resume_console(const struct ringshade *machine) {
    chardev_resume_terminal(machine->pc.serial);
}
