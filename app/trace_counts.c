// See trace_counts.h.
#include "app/trace_counts.h"

#include "app/vector_name.h"

#include "machine/json.h"
#include "translator/abi.h"

#include <inttypes.h>
#include <string.h>

double trace_units(const struct trace_counts *counts) {
    return counts->last.ns ? (double)counts->last.time * 1e9 / (double)counts->last.ns : 0;
}

double trace_seconds(const struct trace_reader *reader, double units, uint64_t time) {
    if (reader->header.clock == TRACE_CLOCK_INSTRUCTIONS)
        return (double)time;
    return units > 0 ? (double)time / units : 0;
}

// ---- Counting ------------------------------------------------------------------------------------------------------

static bool selected(const struct trace_counts *c, unsigned kind, uint32_t linear) {
    return trace_selected(&c->select, kind, linear, c->cpl, trace_seconds(c->reader, c->units, c->reader->time));
}

static void on_block(void *opaque, struct trace_block *block, uint32_t id, uint32_t linear) {
    struct trace_counts *c = opaque;
    (void)id;
    c->cpl = mode_cpl(block->mode);
    if (!selected(c, TRACE_KIND_BLOCK, linear))
        return;
    c->translations += block->chosen++ == 0;
    c->blocks++;
    c->insns += block->insns;
    c->identity += block->identity;
    c->inlined += block->inlined;
    c->callout_insns += block->callouts;
}

static void on_event(void *opaque, const struct trace_event *event) {
    struct trace_counts *c = opaque;
    if (event->kind == CPU_TRACE_MODE)
        c->cpl = event->info & 3;
    if (!selected(c, event->kind, event->linear))
        return;
    c->events[event->kind]++;
    if (event->kind == CPU_TRACE_CALLOUT)
        c->callouts[event->info % TRACE_CALLOUTS]++;
    else if (event->kind == CPU_TRACE_FAULT)
        c->faults[event->info % TRACE_VECTORS]++;
    else if (event->kind == CPU_TRACE_INTERRUPT)
        c->interrupts[event->info % TRACE_VECTORS]++;
}

static void on_sample(void *opaque, const struct trace_sample *sample) {
    ((struct trace_counts *)opaque)->last = *sample;
}

static void on_stop(void *opaque, unsigned cause) {
    struct trace_counts *c = opaque;
    c->stopped = true;
    c->cause = cause;
}

struct trace_visitor trace_counts_visitor(struct trace_counts *counts, const struct trace_select *select, double units,
                                          const struct trace_reader *reader) {
    memset(counts, 0, sizeof *counts);
    counts->select = *select;
    counts->units = units;
    counts->reader = reader;
    return (struct trace_visitor){
        .block = on_block, .event = on_event, .sample = on_sample, .stop = on_stop, .opaque = counts};
}

// ---- Printing ------------------------------------------------------------------------------------------------------

static uint64_t rewritten(const struct trace_counts *c) {
    return c->insns - c->identity - c->inlined - c->callout_insns;
}

static void print_part(FILE *out, const char *name, uint64_t part, uint64_t whole) {
    fprintf(out, "    %-14s %14" PRIu64, name, part);
    if (whole)
        fprintf(out, "  %6.2f %%", 100.0 * (double)part / (double)whole);
    fputc('\n', out);
}

static void print_vectors(FILE *out, const uint64_t counts[TRACE_VECTORS], bool exceptions) {
    for (unsigned i = 0; i < TRACE_VECTORS; i++) {
        char number[16];
        const char *name = exceptions || i == 2 ? vector_name(i) : NULL;
        snprintf(number, sizeof number, "%02x", i);
        if (counts[i])
            print_part(out, name ? name : number, counts[i], 0);
    }
}

void trace_counts_print(const struct trace_counts *c, const char *path, FILE *out) {
    static const char *const ends[TRACE_ENDS] = {"unfinished", "whole", "ended at its limit", "ended by a write error"};
    bool instructions = c->reader->header.clock == TRACE_CLOCK_INSTRUCTIONS;
    double time = trace_seconds(c->reader, trace_units(c), c->last.time);
    fprintf(out, instructions ? "%s: %.0f instructions" : "%s: %.3f s", path, time);
    fprintf(out, ", %s", ends[c->reader->header.end]);
    if (c->stopped)
        fprintf(out, "; the run ended by %s", ringshade_stop_name((enum ringshade_stop)c->cause));
    fprintf(out, "\nblocks             %14" PRIu64 "  of %" PRIu64 " translations\n", c->blocks, c->translations);
    fprintf(out, "instructions       %14" PRIu64 "\n", c->insns);
    print_part(out, "identity", c->identity, c->insns);
    print_part(out, "inline", c->inlined, c->insns);
    print_part(out, "callout", c->callout_insns, c->insns);
    print_part(out, "rewritten", rewritten(c), c->insns);
    fprintf(out, "callouts           %14" PRIu64 "\n", c->events[CPU_TRACE_CALLOUT]);
    for (unsigned i = 0; i < TRACE_CALLOUTS; i++)
        if (c->callouts[i])
            print_part(out, cpu_callout_name(i) ? cpu_callout_name(i) : "?", c->callouts[i], 0);
    fprintf(out, "faults             %14" PRIu64 "\n", c->events[CPU_TRACE_FAULT]);
    print_vectors(out, c->faults, true);
    fprintf(out, "interrupts         %14" PRIu64 "\n", c->events[CPU_TRACE_INTERRUPT]);
    print_vectors(out, c->interrupts, false);
    fprintf(out, "shadow faults      %14" PRIu64 "\n", c->events[CPU_TRACE_SHADOW]);
    fprintf(out, "mode switches      %14" PRIu64 "\n", c->events[CPU_TRACE_MODE]);
    fprintf(out, "address spaces     %14" PRIu64 "\n", c->events[CPU_TRACE_SPACE]);
    if (c->last.counters[TRACE_COUNTER_lost])
        fprintf(out, "events without room %13" PRIu64 "\n", c->last.counters[TRACE_COUNTER_lost]);
}

static void json_vectors(struct json *json, const char *name, const uint64_t counts[TRACE_VECTORS]) {
    json_begin(json, name);
    for (unsigned i = 0; i < TRACE_VECTORS; i++) {
        char number[16];
        snprintf(number, sizeof number, "%u", i);
        if (counts[i])
            json_u64(json, number, counts[i]);
    }
    json_end(json);
}

void trace_counts_print_json(const struct trace_counts *c, FILE *out) {
    static const char *const ends[TRACE_ENDS] = {"none", "complete", "limit", "error"};
    struct json json = {.out = out};
    json_begin(&json, NULL);
    json_text(&json, "clock", c->reader->header.clock == TRACE_CLOCK_INSTRUCTIONS ? "virtual" : "host");
    json_text(&json, "end", ends[c->reader->header.end]);
    json_text(&json, "stop", c->stopped ? ringshade_stop_name((enum ringshade_stop)c->cause) : "none");
    json_u64(&json, "time", c->last.time);
    json_u64(&json, "ns", c->last.ns);
    json_u64(&json, "blocks", c->blocks);
    json_u64(&json, "translations", c->translations);
    json_u64(&json, "instructions", c->insns);
    json_u64(&json, "identity", c->identity);
    json_u64(&json, "inline", c->inlined);
    json_u64(&json, "callout", c->callout_insns);
    json_u64(&json, "rewritten", rewritten(c));
    json_begin(&json, "events");
    for (unsigned i = 0; i < CPU_TRACE_EVENTS; i++)
        json_u64(&json, trace_event_name(i), c->events[i]);
    json_end(&json);
    json_begin(&json, "callouts");
    for (unsigned i = 0; i < TRACE_CALLOUTS; i++)
        if (c->callouts[i])
            json_u64(&json, cpu_callout_name(i) ? cpu_callout_name(i) : "?", c->callouts[i]);
    json_end(&json);
    json_vectors(&json, "faults", c->faults);
    json_vectors(&json, "interrupts", c->interrupts);
    json_begin(&json, "counters");
    for (unsigned i = 0; i < TRACE_COUNTERS; i++)
        json_u64(&json, trace_counter_name(i), c->last.counters[i]);
    json_end(&json);
    json_end(&json);
}
