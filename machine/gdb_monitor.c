// The commands behind gdb's `monitor`. Names and forms follow QEMU's monitor where it has the same.
#include "machine/gdb_registers.h"
#include "machine/gdb_stub.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DUMP_MAX 1024u // bytes of one x or xp

typedef enum gdb_action (*monitor_fn)(struct ringshade *machine, const char *arguments, struct gdb_reply *out);

static const char *skip_blanks(const char *text) {
    while (isspace((unsigned char)*text))
        text++;
    return text;
}

static void print_registers(struct ringshade *machine, struct gdb_reply *out) {
    struct ringshade_registers registers;
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    if (!stream)
        return;
    ringshade_get_registers(machine, &registers);
    ringshade_print_registers(&registers, stream);
    fprintf(stream, "DR0 %08x DR1 %08x DR2 %08x DR3 %08x DR6 %08x DR7 %08x\n", registers.dr[0], registers.dr[1],
            registers.dr[2], registers.dr[3], registers.dr[6], registers.dr[7]);
    fprintf(stream, "EFER %016llx\n", (unsigned long long)vcpu_get_efer(machine->pc.vcpu));
    if (!fclose(stream))
        gdb_reply_text(out, text);
    free(text);
}

static enum gdb_action info(struct ringshade *machine, const char *arguments, struct gdb_reply *out) {
    if (!strcmp(arguments, "registers"))
        print_registers(machine, out);
    else if (!strcmp(arguments, "status"))
        gdb_reply_text(out, "VM status: paused (debug)\n");
    else
        gdb_reply_text(out, "info registers, info status\n");
    return GDB_ACTION_REPLY;
}

// [/[COUNT][FORMAT][SIZE]] ADDRESS; x is the only format.
static bool parse_dump(const char *text, unsigned *count, unsigned *size, uint64_t *address) {
    *count = 1;
    *size = 4;
    if (*text == '/') {
        char *end;
        unsigned long n = strtoul(++text, &end, 10);
        if (end != text)
            *count = n > DUMP_MAX ? DUMP_MAX : (unsigned)n;
        for (text = end; *text && !isspace((unsigned char)*text); text++) {
            switch (*text) {
            case 'b': *size = 1; break;
            case 'h': *size = 2; break;
            case 'w': *size = 4; break;
            case 'x': break;
            default: return false;
            }
        }
    }
    text = skip_blanks(text);
    char *end;
    unsigned long long value = strtoull(text, &end, 0);
    *address = value;
    return end != text && !*skip_blanks(end) && *count && *count * *size <= DUMP_MAX;
}

static enum gdb_action dump(struct ringshade *machine, const char *arguments, bool physical, struct gdb_reply *out) {
    unsigned count, size;
    uint64_t address;
    if (!parse_dump(arguments, &count, &size, &address)) {
        gdb_reply_format(out, "usage: %s [/COUNT[x][b|h|w]] ADDRESS, at most %u bytes\n", physical ? "xp" : "x",
                         DUMP_MAX);
        return GDB_ACTION_REPLY;
    }
    unsigned on_line = 16 / size;
    for (unsigned i = 0; i < count; i++) {
        uint64_t at = address + i * size;
        uint32_t value = 0;
        if (i % on_line == 0)
            gdb_reply_format(out, "%08llx:", (unsigned long long)at);
        if (gdb_memory_read(machine, at, physical, &value, size) != size) {
            gdb_reply_text(out, " cannot be read\n");
            return GDB_ACTION_REPLY;
        }
        gdb_reply_format(out, " 0x%0*x%s", (int)size * 2, value,
                         i % on_line == on_line - 1 || i + 1 == count ? "\n" : "");
    }
    return GDB_ACTION_REPLY;
}

static enum gdb_action dump_linear(struct ringshade *machine, const char *arguments, struct gdb_reply *out) {
    return dump(machine, arguments, false, out);
}

static enum gdb_action dump_physical(struct ringshade *machine, const char *arguments, struct gdb_reply *out) {
    return dump(machine, arguments, true, out);
}

static enum gdb_action translate(struct ringshade *machine, const char *arguments, struct gdb_reply *out) {
    char *end;
    unsigned long long linear = strtoull(arguments, &end, 0);
    uint64_t gpa;
    if (end == arguments || linear > UINT32_MAX)
        gdb_reply_text(out, "usage: gva2gpa ADDRESS\n");
    else if (vcpu_debug_translate(machine->pc.vcpu, (uint32_t)linear, &gpa) < 0)
        gdb_reply_text(out, "unmapped\n");
    else
        gdb_reply_format(out, "gpa: %#llx\n", (unsigned long long)gpa);
    return GDB_ACTION_REPLY;
}

static enum gdb_action reset(struct ringshade *machine, const char *arguments, struct gdb_reply *out) {
    (void)arguments;
    ringshade_request_reset(machine);
    gdb_reply_text(out, "the machine resets when it runs again\n");
    return GDB_ACTION_REPLY;
}

static enum gdb_action quit(struct ringshade *machine, const char *arguments, struct gdb_reply *out) {
    (void)machine, (void)arguments, (void)out;
    return GDB_ACTION_KILL;
}

static enum gdb_action help(struct ringshade *machine, const char *arguments, struct gdb_reply *out);

static const struct {
    const char *name;
    monitor_fn run;
    const char *text;
} commands[] = {
    {"help", help, "this list"},
    {"info", info, "info registers, info status"},
    {"x", dump_linear, "x [/COUNT[x][b|h|w]] ADDRESS: memory by linear address"},
    {"xp", dump_physical, "the same by guest-physical address"},
    {"gva2gpa", translate, "gva2gpa ADDRESS: a linear address through the guest's tables"},
    {"system_reset", reset, "reset the machine"},
    {"quit", quit, "end the run"},
};

static enum gdb_action help(struct ringshade *machine, const char *arguments, struct gdb_reply *out) {
    (void)machine, (void)arguments;
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        gdb_reply_format(out, "%-13s %s\n", commands[i].name, commands[i].text);
    return GDB_ACTION_REPLY;
}

enum gdb_action gdb_monitor_command(struct ringshade *machine, const char *line, struct gdb_reply *out) {
    char word[16];
    size_t n = 0;
    line = skip_blanks(line);
    while (line[n] && !isspace((unsigned char)line[n]) && line[n] != '/' && n + 1 < sizeof word) {
        word[n] = line[n];
        n++;
    }
    word[n] = '\0';
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (!strcmp(word, commands[i].name))
            return commands[i].run(machine, skip_blanks(line + n), out);
    gdb_reply_format(out, "unknown command '%s'; monitor help lists them\n", word);
    return GDB_ACTION_REPLY;
}
