// See trace_select.h.
#include "app/trace_select.h"

#include "app/parse.h"
#include "cpu/cpu.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct trace_select trace_select_all(void) {
    return (struct trace_select){.kinds = UINT32_MAX, .to = UINT32_MAX, .cpl = -1, .time_to = INFINITY};
}

static int kind_of(const char *text, size_t length) {
    for (unsigned kind = 0; kind < CPU_TRACE_EVENTS; kind++)
        if (strlen(trace_event_name(kind)) == length && !strncmp(text, trace_event_name(kind), length))
            return (int)kind;
    if (length == 5 && !strncmp(text, "block", length))
        return TRACE_KIND_BLOCK;
    return length == 6 && !strncmp(text, "sample", length) ? TRACE_KIND_SAMPLE : -1;
}

int trace_select_kinds(struct trace_select *select, const char *text, struct ringshade_error *err) {
    const char *at = text;
    select->kinds = 0;
    for (;;) {
        size_t length = strcspn(at, ",");
        int kind = kind_of(at, length);
        if (kind < 0)
            return parse_error(
                err, "--kind %s: '%.*s' is not block, callout, fault, interrupt, shadow, mode, space or sample", text,
                (int)length, at);
        select->kinds |= 1u << kind;
        if (!at[length])
            return 0;
        at += length + 1;
    }
}

static bool hex_address(const char *text, char **end, uint32_t *address) {
    unsigned long long value = strtoull(text, end, 16);
    *address = (uint32_t)value;
    return *end != text && value <= UINT32_MAX && *text != '-' && *text != '+' && *text != ' ';
}

int trace_select_addresses(struct trace_select *select, const char *text, struct ringshade_error *err) {
    char *end;
    bool good = hex_address(text, &end, &select->from);
    select->to = select->from;
    if (good && *end == '-')
        good = hex_address(end + 1, &end, &select->to);
    return good && !*end && select->from <= select->to
               ? 0
               : parse_error(err, "--address %s is not a hexadecimal address or FROM-TO", text);
}

int trace_select_cpl(struct trace_select *select, const char *text, struct ringshade_error *err) {
    if (text[0] < '0' || text[0] > '3' || text[1])
        return parse_error(err, "--cpl %s is not 0, 1, 2 or 3", text);
    select->cpl = text[0] - '0';
    return 0;
}

// Digits and a point, nothing else that strtod understands.
static bool decimal(const char *text, const char *end, double *value) {
    size_t length = (size_t)(end - text);
    char copy[32];
    if (length == 0 || length >= sizeof copy || strspn(text, "0123456789.") < length)
        return false;
    memcpy(copy, text, length);
    copy[length] = '\0';
    char *stop;
    *value = strtod(copy, &stop);
    return !*stop;
}

int trace_select_times(struct trace_select *select, const char *text, struct ringshade_error *err) {
    const char *dash = strchr(text, '-');
    if (dash && decimal(text, dash, &select->time_from) &&
        decimal(dash + 1, dash + 1 + strlen(dash + 1), &select->time_to) && select->time_from <= select->time_to)
        return 0;
    return parse_error(err, "--time %s is not FROM-TO in seconds (or in instructions)", text);
}

bool trace_selected(const struct trace_select *select, unsigned kind, uint32_t linear, unsigned cpl, double time) {
    return (select->kinds >> kind & 1) && linear >= select->from && linear <= select->to &&
           (select->cpl < 0 || cpl == (unsigned)select->cpl) && time >= select->time_from && time <= select->time_to;
}
