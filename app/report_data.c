// See report_data.h.
#include "app/report_data.h"

#include "app/block_view.h"
#include "app/parse.h"
#include "app/trace_hot.h"
#include "app/vector_name.h"
#include "base/stats.h"
#include "cache/cache.h"
#include "translator/abi.h"

#include <inttypes.h>
#include <stdlib.h>

#define HOT_BLOCKS 60u

// ---- Adding up -----------------------------------------------------------------------------------------------------

static void on_block(void *opaque, struct trace_block *block, uint32_t id, uint32_t linear) {
    struct report_data *d = opaque;
    d->inner.block(&d->counts, block, id, linear);
    report_series_at(&d->series, d->reader->time)->insns += block->insns;
}

static void on_event(void *opaque, const struct trace_event *event) {
    struct report_data *d = opaque;
    d->inner.event(&d->counts, event);
    report_series_at(&d->series, event->time)->events[event->kind]++;
}

static void on_sample(void *opaque, const struct trace_sample *sample) {
    struct report_data *d = opaque;
    d->inner.sample(&d->counts, sample);
    struct report_slice *slice = report_series_at(&d->series, sample->time);
    slice->sampled = true;
    for (unsigned i = 0; i < TRACE_COUNTERS; i++)
        slice->counters[i] = sample->counters[i];
}

struct trace_visitor report_data_visitor(struct report_data *data, const struct trace_reader *reader) {
    const struct trace_select all = trace_select_all();
    data->reader = reader;
    data->inner = trace_counts_visitor(&data->counts, &all, 0, reader);
    return (struct trace_visitor){
        .block = on_block, .event = on_event, .sample = on_sample, .stop = NULL, .opaque = data};
}

void report_data_begin(struct report_data *data, enum trace_clock clock) {
    report_series_begin(&data->series, clock);
}

// ---- JSON ----------------------------------------------------------------------------------------------------------

// Names of files may hold any bytes; what is not plain ASCII becomes "?" but for well-formed rest, which browsers show.
static void put_text(FILE *out, const char *text) {
    fputc('"', out);
    for (const char *at = text ? text : ""; *at; at++) {
        unsigned char byte = (unsigned char)*at;
        if (byte == '"' || byte == '\\')
            fprintf(out, "\\%c", byte);
        else if (byte == '\n')
            fputs("\\n", out);
        else
            fputc(byte < 0x20 || byte > 0x7e ? '?' : byte, out);
    }
    fputc('"', out);
}

static void put_named(FILE *out, const char *name, const char *text, bool last) {
    fprintf(out, "\"%s\": ", name);
    put_text(out, text);
    fputs(last ? "" : ", ", out);
}

static void put_run(const struct report_data *d, const struct run_options *options, FILE *out) {
    static const char *const forms[] = {"adaptive", "direct", "soft"};
    const struct ringshade_config *config = &options->config;
    uint64_t cache = (uint64_t)(config->cache_mib ? config->cache_mib : CACHE_DEFAULT_MIB) << 20;
    fputs("\"run\": {", out);
    put_named(out, "version", RINGSHADE_VERSION, false);
    put_named(out, "kernel", options->guest.kernel, false);
    put_named(out, "append", options->guest.append, false);
    put_named(out, "mmu", forms[config->mmu], false);
    put_named(out, "clock", config->clock == RINGSHADE_CLOCK_VIRTUAL ? "virtual" : "host", false);
    fprintf(out, "\"verify\": %s, \"cache_size\": %" PRIu64 ", \"lost\": %" PRIu64 "},\n",
            config->verify ? "true" : "false", cache, d->counts.last.counters[TRACE_COUNTER_lost]);
}

static void put_executed(const struct trace_counts *c, FILE *out) {
    fprintf(out,
            "\"executed\": {\"blocks\": %" PRIu64 ", \"translations\": %" PRIu64 ", \"instructions\": %" PRIu64
            ", \"identity\": %" PRIu64 ", \"inline\": %" PRIu64 ", \"callout\": %" PRIu64 ", \"rewritten\": %" PRIu64
            ", \"bounced\": %" PRIu64 "},\n",
            c->blocks, c->translations, c->insns, c->identity, c->inlined, c->callout_insns,
            c->insns - c->identity - c->inlined - c->callout_insns, c->last.counters[TRACE_COUNTER_bounced]);
}

static void put_vectors(FILE *out, const char *name, const uint64_t counts[TRACE_VECTORS], bool exceptions) {
    const char *comma = "";
    fprintf(out, "\"%s\": [", name);
    for (unsigned i = 0; i < TRACE_VECTORS; i++) {
        const char *known = exceptions || i == 2 ? vector_name(i) : NULL;
        if (!counts[i])
            continue;
        fprintf(out, "%s[\"%s%s%02x\", %" PRIu64 "]", comma, known ? known : "", known ? " " : "", i, counts[i]);
        comma = ", ";
    }
    fputs("],\n", out);
}

static void put_callouts(const struct trace_counts *c, FILE *out) {
    const char *comma = "";
    fputs("\"callouts\": [", out);
    for (unsigned i = 0; i < TRACE_CALLOUTS; i++) {
        if (!c->callouts[i])
            continue;
        fprintf(out, "%s[\"%s\", %" PRIu64 "]", comma, cpu_callout_name(i) ? cpu_callout_name(i) : "?", c->callouts[i]);
        comma = ", ";
    }
    fputs("],\n", out);
}

static void put_counter_texts(FILE *out) {
#define COUNTER_TEXT(name, text) "\"" #name "\": \"" text "\", "
    fputs("\"texts\": {" STATS_COUNTERS(COUNTER_TEXT) "\"\": \"\"},\n", out);
#undef COUNTER_TEXT
}

// ---- Time ----------------------------------------------------------------------------------------------------------

static void put_series(const struct report_data *d, FILE *out) {
    const struct report_series *s = &d->series;
    double width = trace_seconds(d->reader, trace_units(&d->counts), s->width);
    fprintf(out, "\"series\": {\"width\": %.9f, \"count\": %u", width, s->count);
    for (unsigned kind = 0; kind < CPU_TRACE_EVENTS; kind++) {
        fprintf(out, ",\n  \"%s\": [", trace_event_name(kind));
        for (unsigned i = 0; i < s->count; i++)
            fprintf(out, "%s%" PRIu32, i ? "," : "", s->slice[i].events[kind]);
        fputs("]", out);
    }
    fputs(",\n  \"instructions\": [", out);
    for (unsigned i = 0; i < s->count; i++)
        fprintf(out, "%s%" PRIu64, i ? "," : "", s->slice[i].insns);
    fputs("]", out);
    for (unsigned counter = 0; counter < TRACE_COUNTERS; counter++) {
        uint64_t value = 0; // of a slice without a sample: as before
        fprintf(out, ",\n  \"%s_total\": [", trace_counter_name(counter));
        for (unsigned i = 0; i < s->count; i++) {
            value = s->slice[i].sampled ? s->slice[i].counters[counter] : value;
            fprintf(out, "%s%" PRIu64, i ? "," : "", value);
        }
        fputs("]", out);
    }
    fputs("},\n", out);
}

// ---- Hot blocks ----------------------------------------------------------------------------------------------------

static void put_lines(const struct block_view *view, FILE *out) {
    fputs("\"code\": [", out);
    for (unsigned i = 0; i < view->count; i++) {
        const struct block_view_line *line = &view->lines[i];
        fprintf(out, "%s{\"at\": %" PRIu32 ", ", i ? ", " : "", line->linear);
        put_named(out, "text", line->text, false);
        put_named(out, "class", line->class_name, false);
        put_named(out, "kind", line->kind_name, false);
        put_named(out, "why", line->why, false);
        put_named(out, "host", line->host, true);
        fputs("}", out);
    }
    fputs("], ", out);
    put_named(out, "tail", view->tail, true);
}

static void put_block(const struct trace_block *block, uint32_t id, struct block_view_viewer *viewer, FILE *out) {
    struct ringshade_error err = {""};
    struct block_view view;
    fprintf(out,
            "{\"id\": %" PRIu32 ", \"address\": %" PRIu32 ", \"frame\": %" PRIu32 ", \"cpl\": %u, \"soft\": %s, "
            "\"runs\": %" PRIu64 ", \"instructions\": %" PRIu32 ", \"guest_size\": %" PRIu32 ", \"host_size\": %" PRIu32
            ", ",
            id, block->linear, block->frame, mode_cpl(block->mode), block->mode & MODE_SOFT ? "true" : "false",
            block->chosen, block->insns, block->guest_size, block->host_size);
    block_view_make(viewer, &view, block->bytes, block->guest_size, block->linear, block->mode, &err);
    put_lines(&view, out);
    block_view_free(&view);
    fputs("}", out);
}

static int put_hot(const struct report_data *d, FILE *out) {
    struct block_view_viewer *viewer = block_view_create();
    uint32_t *order = NULL;
    long count = viewer ? trace_hot_order(d->reader, HOT_BLOCKS, &order) : -1;
    fputs("\"hot\": [", out);
    for (long i = 0; i < count; i++) {
        fputs(i ? ",\n" : "", out);
        put_block(&d->reader->blocks[order[i]], order[i], viewer, out);
    }
    fputs("]\n", out);
    free(order);
    block_view_destroy(viewer);
    return count < 0 ? -1 : 0;
}

int report_data_write(const struct report_data *d, const struct ringshade *machine, const struct run_options *options,
                      FILE *out, struct ringshade_error *err) {
    fputs("{\"stats\": ", out);
    if (ringshade_write_stats(machine, out, err))
        return -1;
    fputs(",\n", out);
    put_run(d, options, out);
    put_executed(&d->counts, out);
    put_vectors(out, "faults", d->counts.faults, true);
    put_vectors(out, "interrupts", d->counts.interrupts, false);
    put_callouts(&d->counts, out);
    put_counter_texts(out);
    put_series(d, out);
    if (put_hot(d, out))
        return parse_error(err, "out of memory");
    fputs("}\n", out);
    return 0;
}
