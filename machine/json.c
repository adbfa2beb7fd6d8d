// JSON output. Never depends on the locale, and never writes a byte sequence that is not UTF-8.
#include "machine/json.h"

#include <inttypes.h>
#include <math.h>

// Length of the well-formed UTF-8 sequence at `at` (RFC 3629), 0 if there is none.
static unsigned utf8_length(const unsigned char *at) {
    unsigned length = at[0] < 0x80 ? 1 : at[0] >= 0xc2 && at[0] < 0xe0 ? 2 : (at[0] & 0xf0) == 0xe0 ? 3 : 4;
    if (length == 4 && (at[0] < 0xf0 || at[0] > 0xf4)) // a stray continuation byte comes out here, too
        return 0;
    for (unsigned i = 1; i < length; i++)
        if ((at[i] & 0xc0) != 0x80) // also true of the final NUL
            return 0;
    if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f)) // overlong; surrogates
        return 0;
    if ((at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] > 0x8f)) // overlong; beyond U+10FFFF
        return 0;
    return length;
}

static void put_string(FILE *out, const char *text) {
    fputc('"', out);
    for (const unsigned char *at = (const unsigned char *)text; *at;) {
        unsigned length = utf8_length(at);
        if (!length)
            fputs("\\ufffd", out);
        else if (*at == '"' || *at == '\\')
            fprintf(out, "\\%c", *at);
        else if (*at < 0x20 || *at == 0x7f)
            fprintf(out, "\\u%04x", *at);
        else
            fwrite(at, 1, length, out);
        at += length ? length : 1;
    }
    fputc('"', out);
}

static void put_indent(struct json *json) {
    for (unsigned i = 0; i < json->depth; i++)
        fputs("  ", json->out);
}

static void put_name(struct json *json, const char *name) {
    if (json->depth) {
        fputs(json->has_members ? ",\n" : "\n", json->out);
        put_indent(json);
    }
    json->has_members = true;
    if (name) {
        put_string(json->out, name);
        fputs(": ", json->out);
    }
}

void json_begin(struct json *json, const char *name) {
    put_name(json, name);
    fputc('{', json->out);
    json->depth++;
    json->has_members = false;
}

void json_end(struct json *json) {
    json->depth--;
    if (json->has_members) {
        fputc('\n', json->out);
        put_indent(json);
    }
    fputs(json->depth ? "}" : "}\n", json->out);
    json->has_members = true;
}

void json_u64(struct json *json, const char *name, uint64_t value) {
    put_name(json, name);
    fprintf(json->out, "%" PRIu64, value);
}

void json_real(struct json *json, const char *name, double value) {
    if (!isfinite(value) || value < 0 || value >= 1e12) {
        json_null(json, name);
        return;
    }
    put_name(json, name);
    uint64_t millionths = (uint64_t)(value * 1e6 + 0.5);
    fprintf(json->out, "%" PRIu64 ".%06" PRIu64, millionths / 1000000, millionths % 1000000);
}

void json_bool(struct json *json, const char *name, bool value) {
    put_name(json, name);
    fputs(value ? "true" : "false", json->out);
}

void json_null(struct json *json, const char *name) {
    put_name(json, name);
    fputs("null", json->out);
}

void json_text(struct json *json, const char *name, const char *value) {
    put_name(json, name);
    put_string(json->out, value);
}
