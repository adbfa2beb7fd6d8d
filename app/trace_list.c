// See trace_list.h. The time of a block is that of the last record before it that has one.
#include "app/trace_list.h"

#include "app/trace_counts.h"
#include "app/vector_name.h"
#include "translator/abi.h"

#include <inttypes.h>

static bool begin(struct trace_list *l, unsigned kind, const char *name, uint32_t linear, uint64_t time) {
    double seconds = trace_seconds(l->reader, l->units, time);
    if (l->left == 0 || !trace_selected(&l->select, kind, linear, l->cpl, seconds))
        return false;
    l->reader->enough = --l->left == 0;
    bool whole = l->reader->header.clock == TRACE_CLOCK_INSTRUCTIONS;
    if (l->json)
        fprintf(l->out, whole ? "{\"time\": %.0f, \"kind\": \"%s\"" : "{\"time\": %.9f, \"kind\": \"%s\"", seconds,
                name);
    else
        fprintf(l->out, whole ? "%14.0f  %-9s" : "%14.6f  %-9s", seconds, name);
    if (kind != TRACE_KIND_SAMPLE)
        fprintf(l->out, l->json ? ", \"address\": %" PRIu32 : " %08" PRIx32, linear);
    return true;
}

static void on_block(void *opaque, struct trace_block *block, uint32_t id, uint32_t linear) {
    struct trace_list *l = opaque;
    l->cpl = mode_cpl(block->mode);
    if (!begin(l, TRACE_KIND_BLOCK, "block", linear, l->reader->time))
        return;
    fprintf(l->out,
            l->json ? ", \"block\": %" PRIu32 ", \"cpl\": %u, \"instructions\": %" PRIu32 "}\n"
                    : " #%" PRIu32 " cpl %u, %" PRIu32 " instructions\n",
            id, l->cpl, block->insns);
}

// The key of blocks (enum mode_bit), and what of it a reader looks for first.
static void print_mode(FILE *out, uint32_t mode) {
    fprintf(out, "%08" PRIx32, mode);
    if (!mode) // before the first block
        return;
    const char *code = mode & MODE_V86 ? "virtual-8086" : mode & MODE_CODE32 ? "32-bit" : "16-bit";
    fprintf(out, " (%s, %s%s)", code, mode & MODE_SOFT ? "soft" : "direct", mode & MODE_ONE ? ", one instruction" : "");
}

static void print_text(struct trace_list *l, const struct trace_event *e) {
    const char *name;
    switch ((enum cpu_trace_event)e->kind) {
    case CPU_TRACE_CALLOUT:
        name = cpu_callout_name(e->info);
        fprintf(l->out, " %s %" PRIx32 " %" PRIx32, name ? name : "?", e->a, e->b);
        break;
    case CPU_TRACE_FAULT:
        name = vector_name(e->info);
        fprintf(l->out, " %s (%" PRIu32 ") error %" PRIx32, name ? name : "vector", e->info, e->a);
        if (e->info == 14)
            fprintf(l->out, " cr2 %08" PRIx32, e->b);
        break;
    case CPU_TRACE_INTERRUPT: fprintf(l->out, " vector %02" PRIx32, e->info); break;
    case CPU_TRACE_SHADOW: fprintf(l->out, " %s %08" PRIx32, e->info ? "write" : "read", e->a); break;
    case CPU_TRACE_MODE:
        fprintf(l->out, " cpl %" PRIu32 ", mode ", e->info);
        print_mode(l->out, e->a);
        fputs(" was ", l->out);
        print_mode(l->out, e->b);
        break;
    case CPU_TRACE_SPACE: fprintf(l->out, " cr3 %08" PRIx32 " was %08" PRIx32, e->a, e->b); break;
    case CPU_TRACE_EVENTS: break;
    }
    fputc('\n', l->out);
}

static void on_event(void *opaque, const struct trace_event *e) {
    struct trace_list *l = opaque;
    if (e->kind == CPU_TRACE_MODE)
        l->cpl = e->info & 3;
    if (!begin(l, e->kind, trace_event_name(e->kind), e->linear, e->time))
        return;
    if (!l->json) {
        print_text(l, e);
        return;
    }
    const char *name = e->kind == CPU_TRACE_CALLOUT ? cpu_callout_name(e->info) : NULL;
    if (name)
        fprintf(l->out, ", \"callout\": \"%s\"", name);
    fprintf(l->out, ", \"info\": %" PRIu32 ", \"a\": %" PRIu32 ", \"b\": %" PRIu32 "}\n", e->info, e->a, e->b);
}

static void on_sample(void *opaque, const struct trace_sample *s) {
    struct trace_list *l = opaque;
    if (!begin(l, TRACE_KIND_SAMPLE, "sample", l->select.from, s->time))
        return;
    for (unsigned i = 0; i < TRACE_COUNTERS; i++)
        fprintf(l->out, l->json ? ", \"%s\": %" PRIu64 : " %s %" PRIu64, trace_counter_name(i), s->counters[i]);
    fputs(l->json ? "}\n" : "\n", l->out);
}

struct trace_visitor trace_list_visitor(struct trace_list *list) {
    return (struct trace_visitor){.block = on_block, .event = on_event, .sample = on_sample, .opaque = list};
}
