// Parsing of option values. Strict: what is not understood to its last character is refused.
#include "app/parse.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

int parse_error(struct ringshade_error *err, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    return -1;
}

static int size_shift(const char *suffix) {
    static const struct {
        char letters[3];
        int shift;
    } units[] = {{"Kk", 10}, {"Mm", 20}, {"Gg", 30}};
    if (!*suffix)
        return 20;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strchr(units[i].letters, *suffix) && !suffix[1])
            return units[i].shift;
    return -1;
}

int parse_size(const char *text, uint64_t *bytes, struct ringshade_error *err) {
    uint64_t number = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9'; at++) {
        number = number * 10 + (uint64_t)(*at - '0');
        if (number > UINT32_MAX)
            return parse_error(err, "size '%s' is too large", text);
    }
    int shift = size_shift(at);
    if (at == text || shift < 0)
        return parse_error(err, "'%s' is not a size; give a number with K, M or G, or of MiB", text);
    *bytes = number << shift; // at most 32 + 30 bits
    return 0;
}

int parse_seconds(const char *text, double *seconds, struct ringshade_error *err) {
    if (!*text || strspn(text, "0123456789.") != strlen(text) || strchr(text, '.') != strrchr(text, '.') ||
        !strcmp(text, "."))
        return parse_error(err, "'%s' is not a number of seconds", text);
    *seconds = strtod(text, NULL);
    if (*seconds <= 0 || *seconds > RINGSHADE_TIMEOUT_MAX)
        return parse_error(err, "%s seconds are not between 0 and %.0f", text, RINGSHADE_TIMEOUT_MAX);
    return 0;
}

int parse_serial(const char *text, enum ringshade_serial *serial, const char **path, struct ringshade_error *err) {
    *path = NULL;
    if (!strcmp(text, "stdio")) {
        *serial = RINGSHADE_SERIAL_STDIO;
    } else if (!strcmp(text, "null")) {
        *serial = RINGSHADE_SERIAL_NULL;
    } else if (!strcmp(text, "pty")) {
        *serial = RINGSHADE_SERIAL_PTY;
    } else if (!strncmp(text, "file:", 5) && text[5]) {
        *serial = RINGSHADE_SERIAL_FILE;
        *path = text + 5;
    } else {
        return parse_error(err, "'%s' is not a serial port; give stdio, null, file:PATH or pty", text);
    }
    return 0;
}

int parse_mmu(const char *text, enum ringshade_mmu *mmu, struct ringshade_error *err) {
    static const struct {
        const char *name;
        enum ringshade_mmu mmu;
    } forms[] = {{"adaptive", RINGSHADE_MMU_ADAPTIVE}, {"direct", RINGSHADE_MMU_DIRECT}, {"soft", RINGSHADE_MMU_SOFT}};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (!strcmp(text, forms[i].name)) {
            *mmu = forms[i].mmu;
            return 0;
        }
    }
    return parse_error(err, "'%s' is not a form of the MMU; give adaptive, direct or soft", text);
}

int parse_cpu(const char *text, struct ringshade_config *config, struct ringshade_error *err) {
    config->smep = config->smap = config->avx = false;
    for (const char *at = text;; at++) {
        size_t length = strcspn(at, ",");
        if (length == 4 && !strncmp(at, "smep", 4))
            config->smep = true;
        else if (length == 4 && !strncmp(at, "smap", 4))
            config->smap = true;
        else if (length == 3 && !strncmp(at, "avx", 3))
            config->avx = true;
        else
            return parse_error(err, "--cpu %s is not a list of smep, smap and avx", text);
        at += length;
        if (!*at)
            return 0;
    }
}

int parse_ablate(const char *text, uint32_t *ablate, struct ringshade_error *err) {
    static const struct {
        const char *name;
        uint32_t bits;
    } switches[] = {
#define ABLATION(name, bit, words) {words, RINGSHADE_ABLATE_##name},
        RINGSHADE_ABLATIONS(ABLATION)
#undef ABLATION
            {"all", RINGSHADE_ABLATE_ALL}};
    *ablate = 0;
    for (const char *at = text;; at++) {
        size_t length = strcspn(at, ","), i = 0;
        while (i < sizeof switches / sizeof *switches &&
               (strlen(switches[i].name) != length || strncmp(at, switches[i].name, length) != 0))
            i++;
        if (i == sizeof switches / sizeof *switches)
            return parse_error(err, "'%s' is not a list of techniques; 'ringshade run --help' names them", text);
        *ablate |= switches[i].bits;
        at += length;
        if (!*at)
            return 0;
    }
}

int parse_refused(int code, char **argv, struct ringshade_error *err) {
    const char *text = argv[optind - 1];
    if (code == ':')
        return parse_error(err, "option '%s' needs a value", text);
    if (optopt && strchr(text, '='))
        return parse_error(err, "option '%s' takes no value", text);
    if (optopt && strncmp(text, "--", 2))
        return parse_error(err, "unknown option '-%c'", optopt);
    return parse_error(err, "unknown option '%s'", text);
}
