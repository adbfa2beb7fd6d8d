// The statistics of a machine: one counter by its name, or all of them as JSON with figures derived from them.
#include "ringshade.h"

#include "machine/json.h"
#include "machine/machine.h"

#include <errno.h>
#include <string.h>

static const struct {
    const char *name;
    size_t offset;
} counters[] = {
#define COUNTER(name, text) {#name, offsetof(struct stats, name)},
    STATS_COUNTERS(COUNTER)
#undef COUNTER
};

#define COUNTER_COUNT (sizeof counters / sizeof *counters)

static uint64_t counter_value(const struct ringshade *machine, size_t index) {
    uint64_t value;
    memcpy(&value, (const char *)&machine->stats + counters[index].offset, sizeof value);
    return value;
}

int ringshade_get_counter(const struct ringshade *machine, const char *name, uint64_t *value) {
    for (size_t i = 0; i < COUNTER_COUNT; i++) {
        if (!strcmp(counters[i].name, name)) {
            *value = counter_value(machine, i);
            return 0;
        }
    }
    return -1;
}

static void write_share(struct json *json, const char *name, uint64_t part, uint64_t whole) {
    if (whole)
        json_real(json, name, (double)part / (double)whole);
    else
        json_null(json, name);
}

static void write_derived(struct json *json, const struct stats *stats) {
    json_begin(json, "derived");
    write_share(json, "identity_share", stats->insns_identity, stats->insns_translated);
    write_share(json, "inline_share", stats->insns_inline, stats->insns_translated);
    write_share(json, "callout_share", stats->insns_callout, stats->insns_translated);
    write_share(json, "rewritten_share", stats->insns_rewritten, stats->insns_translated);
    write_share(json, "direct_operand_share", stats->operands_direct, stats->operands_direct + stats->operands_soft);
    write_share(json, "insns_per_block", stats->insns_translated, stats->blocks_translated);
    write_share(json, "pages_per_fill", stats->pages_filled, stats->shadow_faults);
    write_share(json, "clean_revalidation_share", stats->revalidations_clean, stats->revalidations);
    json_u64(json, "host_mapping_calls", stats->host_maps + stats->host_unmaps + stats->host_protects);
    json_u64(json, "host_signals_and_mapping_calls",
             stats->host_signals + stats->host_maps + stats->host_unmaps + stats->host_protects);
    json_end(json);
}

static void write_callouts(struct json *json, const struct stats *stats) {
    json_begin(json, "callouts");
    for (unsigned i = 0; i < STATS_CALLOUT_MAX; i++) {
        char number[32];
        const char *name = cpu_callout_name(i);
        snprintf(number, sizeof number, "callout_%u", i);
        if (stats->callouts[i])
            json_u64(json, name ? name : number, stats->callouts[i]);
    }
    json_end(json);
}

static void write_stop(struct json *json, const struct ringshade *machine) {
    json_begin(json, "stop");
    json_text(json, "cause", machine->has_stopped ? ringshade_stop_name(machine->stop) : "none");
    json_text(json, "text", ringshade_stop_text(machine));
    if (machine->has_stopped && machine->stop == RINGSHADE_STOP_DEBUG_EXIT)
        json_u64(json, "debug_exit_value", machine->debug_exit);
    json_u64(json, "resets", machine->resets);
    json_end(json);
}

// The techniques that the run did without, as the command line takes them; "" for none.
static void write_ablations(struct json *json, uint32_t ablate) {
    char text[RINGSHADE_ERROR_MAX] = "";
    size_t used = 0;
#define ABLATION_TEXT(name, bit, words)                                                                                \
    if (ablate & RINGSHADE_ABLATE_##name)                                                                              \
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", used ? "," : "", words);
    RINGSHADE_ABLATIONS(ABLATION_TEXT)
#undef ABLATION_TEXT
    json_text(json, "ablate", text);
}

static void write_machine(struct json *json, const struct ringshade *machine) {
    static const char *const forms[] = {"adaptive", "direct", "soft"};
    json_begin(json, "machine");
    json_u64(json, "memory_bytes", machine->pc.ram.size);
    json_text(json, "mmu", forms[machine->config.mmu]);
    json_text(json, "clock", machine->config.clock == RINGSHADE_CLOCK_VIRTUAL ? "virtual" : "host");
    if (machine->config.clock == RINGSHADE_CLOCK_VIRTUAL) {
        json_u64(json, "instructions", vcpu_instructions(machine->pc.vcpu));
        json_u64(json, "clock_ns", vcpu_clock_ns(machine->pc.vcpu));
    }
    json_bool(json, "verify", machine->config.verify);
    json_bool(json, "link", !machine->config.no_link);
    write_ablations(json, machine->config.ablate);
    json_end(json);
}

int ringshade_write_stats(const struct ringshade *machine, FILE *out, struct ringshade_error *error) {
    struct json json = {.out = out};
    json_begin(&json, NULL);
    json_text(&json, "version", RINGSHADE_VERSION);
    write_machine(&json, machine);
    write_stop(&json, machine);
    json_real(&json, "wall_seconds", (double)machine->ns_run / 1e9);
    json_begin(&json, "counters");
    for (size_t i = 0; i < COUNTER_COUNT; i++)
        json_u64(&json, counters[i].name, counter_value(machine, i));
    json_end(&json);
    write_derived(&json, &machine->stats);
    write_callouts(&json, &machine->stats);
    json_end(&json);
    if (fflush(out) || ferror(out))
        return error_set((struct error *)error, "cannot write the statistics: %s", strerror(errno));
    return 0;
}
