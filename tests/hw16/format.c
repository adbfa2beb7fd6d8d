// Reads the files of hardware-captured tests; their format is described in tests/data/hw16/README.md. gzip
// decompresses.
#include "tests/hw16/hw16.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define LINE_MAX_BYTES 8192
#define FIELDS         7

extern char **environ;

static const char *const reg_names[HW16_REGS] = {"ax", "bx", "cx", "dx", "cs", "ss",    "ds", "es",
                                                 "sp", "bp", "si", "di", "ip", "flags", "fs", "gs"};

// ---- One line ------------------------------------------------------------------------------------------------------

static int parse_regs(char *field, uint16_t regs[HW16_REGS]) {
    char *rest = NULL;
    for (char *item = strtok_r(field, ",", &rest); item; item = strtok_r(NULL, ",", &rest)) {
        char *equals = strchr(item, '=');
        unsigned reg = 0;
        if (!equals)
            return -1;
        *equals = 0;
        while (reg < HW16_REGS && strcmp(item, reg_names[reg]) != 0)
            reg++;
        if (reg == HW16_REGS)
            return -1;
        regs[reg] = (uint16_t)strtoul(equals + 1, NULL, 16);
    }
    return 0;
}

static int parse_bytes(char *field, struct hw16_byte *bytes, unsigned *count) {
    char *rest = NULL;
    *count = 0;
    for (char *item = strtok_r(field, ",", &rest); item; item = strtok_r(NULL, ",", &rest)) {
        char *end;
        if (*count == HW16_BYTES_MAX)
            return -1;
        struct hw16_byte *byte = &bytes[(*count)++];
        byte->address = (uint32_t)strtoul(item, &end, 16);
        if (*end != '=' || byte->address >= HW16_MEMORY)
            return -1;
        byte->value = (uint8_t)strtoul(end + 1, NULL, 16);
    }
    return 0;
}

static int parse_insn(const char *hex, struct hw16_test *test) {
    test->insn_size = (unsigned)strlen(hex) / 2;
    if (test->insn_size == 0 || test->insn_size > HW16_INSN_MAX)
        return -1;
    for (unsigned i = 0; i < test->insn_size; i++) {
        const char pair[3] = {hex[2 * i], hex[2 * i + 1], 0};
        test->insn[i] = (uint8_t)strtoul(pair, NULL, 16);
    }
    return 0;
}

static int parse_exception(const char *field, struct hw16_test *test) {
    char *end;
    test->vector = -1;
    test->flags_address = HW16_NO_ADDRESS;
    if (strcmp(field, "-") == 0)
        return 0;
    test->vector = (int)strtoul(field, &end, 16);
    if (*end != '@')
        return -1;
    test->flags_address = (uint32_t)strtoul(end + 1, NULL, 16);
    return 0;
}

static int parse_test(char *line, struct hw16_test *test) {
    char *field[FIELDS];
    for (unsigned i = 0; i < FIELDS; i++) {
        field[i] = line;
        line = i + 1 < FIELDS && line ? strchr(line, '|') : line;
        if (!line)
            return -1;
        if (i + 1 < FIELDS)
            *line++ = 0;
    }
    snprintf(test->text, sizeof test->text, "%.*s", (int)sizeof test->text - 1, field[0]);
    if (parse_insn(field[1], test) < 0 || parse_regs(field[2], test->initial) < 0)
        return -1;
    test->initial[HW16_FLAGS] &= 0x0fff; // neither IOPL nor NT can be set in real mode on an 80286
    test->initial[HW16_FS] = HW16_FS_VALUE;
    test->initial[HW16_GS] = HW16_GS_VALUE;
    memcpy(test->final, test->initial, sizeof test->final);
    if (parse_regs(field[4], test->final) < 0)
        return -1;
    if (parse_bytes(field[3], test->memory, &test->memory_count) < 0 ||
        parse_bytes(field[5], test->changed, &test->changed_count) < 0)
        return -1;
    return parse_exception(field[6], test);
}

int hw16_memory_at(const struct hw16_test *test, uint32_t address) {
    for (unsigned i = 0; i < test->memory_count; i++)
        if (test->memory[i].address == address)
            return test->memory[i].value;
    return -1;
}

// ---- One file ------------------------------------------------------------------------------------------------------

static FILE *open_gzip(const char *path, pid_t *child) {
    int ends[2];
    char program[] = "gzip", options[] = "-dc", file[4096];
    char *const arguments[] = {program, options, file, NULL};
    snprintf(file, sizeof file, "%s", path);
    if (pipe2(ends, O_CLOEXEC) < 0)
        return NULL;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    int failed = posix_spawnp(child, program, &actions, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    FILE *stream = failed ? NULL : fdopen(ends[0], "r");
    if (!stream)
        close(ends[0]);
    return stream;
}

static int read_tests(FILE *stream, void (*each)(void *, const struct hw16_test *), void *opaque) {
    static const char header[] = "form %15s status %15s flags-mask %x";
    char line[LINE_MAX_BYTES], form[16], status[16];
    unsigned mask, number = 0;
    if (!fgets(line, sizeof line, stream) || sscanf(line, header, form, status, &mask) != 3)
        return -1;
    while (fgets(line, sizeof line, stream)) {
        struct hw16_test test = {.form = form, .number = number++, .flags_mask = (uint16_t)mask};
        line[strcspn(line, "\n")] = 0;
        if (parse_test(line, &test) < 0)
            return -1;
        each(opaque, &test);
    }
    return 0;
}

int hw16_read_file(const char *path, void (*each)(void *opaque, const struct hw16_test *test), void *opaque) {
    pid_t child;
    int status;
    FILE *stream = open_gzip(path, &child);
    if (!stream) {
        fprintf(stderr, "%s: gzip cannot be run\n", path);
        return -1;
    }
    int result = read_tests(stream, each, opaque);
    fclose(stream);
    waitpid(child, &status, 0);
    if (result < 0 || status != 0) {
        fprintf(stderr, "%s: not a file of tests\n", path);
        return -1;
    }
    return 0;
}
