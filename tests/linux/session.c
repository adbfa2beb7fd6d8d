// Plays a scripted session on a guest's serial console: the tests' user. The engine's command is an argument, so that
// any engine whose console is its standard input and output, or whose serial port writes a file, can be driven.
//
//     session [--pty] [--watch FILE] [--log FILE] [--halt-ends no] [--define NAME=TEXT]... SCRIPT -- COMMAND...
//
// A script is a file with one step a line ('#' begins a comment line; {NAME} stands for a definition):
//     timeout SECONDS      how long each of the following steps may take (60 at first)
//     prompt TEXT          what the guest prints when it awaits a command
//     refuse TEXT          from here on, this text in the output fails the session
//     expect TEXT          waits for TEXT after the last match
//     count N TEXT         fails unless TEXT stands at least N times in the output so far
//     command TEXT         waits for the prompt, then types TEXT and Enter
//     type TEXT            types TEXT as it is; \n \r \e \t \\ and \xHH are understood
//     show TEXT            prints what came since the last `command` up to the prompt, headed by TEXT
//     mark NAME            prints "NAME SECONDS": from exec to the last match
//     record TEXT          prints "SECONDS LINE" for each line that begins with '@', up to one that begins with TEXT
//     idle SECONDS PERCENT fails if the engine uses more than PERCENT of a core over SECONDS
//     halt STATUS          waits for the end of the run after the guest's poweroff, with this exit status
//     end STATUS           waits for the end of the run with this exit status
// Where --halt-ends no says that this engine stays when its guest halts, `halt` waits for the guest's last words.
// Exit status: 0 all steps done, 1 a step failed, 2 usage.
#include "console.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LINE_BYTES = 4096, REFUSED_MAX = 16, DEFINED_MAX = 16, TAIL_BYTES = 2000 };

#define HALT_TEXT "reboot: System halted"

struct session {
    struct console console;
    const char *script;
    int line;
    double timeout;
    char prompt[256];
    char *refused[REFUSED_MAX];
    size_t refused_from[REFUSED_MAX];
    int refused_count;
    size_t matched;   // offset behind the last match
    size_t commanded; // offset at the last command
    double matched_at;
    bool halt_ends;
    const char *defined[DEFINED_MAX]; // NAME=TEXT
    int defined_count;
};

struct step {
    const char *name;
    void (*run)(struct session *s, char *text);
};

__attribute__((noreturn, format(printf, 2, 3))) static void fail(struct session *s, const char *format, ...) {
    va_list args;
    size_t tail = s->console.size < TAIL_BYTES ? s->console.size : TAIL_BYTES;
    fprintf(stderr, "\n--- the last that the guest printed:\n%.*s\n---\n%s:%d: ", (int)tail,
            tail ? s->console.text + s->console.size - tail : "", s->script, s->line);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    console_close(&s->console);
    exit(1);
}

static void check_refused(struct session *s) {
    for (int i = 0; i < s->refused_count; i++) {
        size_t from = s->refused_from[i], length = strlen(s->refused[i]);
        if (s->console.size > from && memmem(s->console.text + from, s->console.size - from, s->refused[i], length))
            fail(s, "the guest printed '%s'", s->refused[i]);
        if (s->console.size >= from + length)
            s->refused_from[i] = s->console.size - length + 1;
    }
}

static void expect(struct session *s, const char *text) {
    double until = console_now() + s->timeout;
    size_t length = strlen(text);
    for (;;) {
        const char *found = NULL;
        if (s->console.size >= s->matched + length)
            found = memmem(s->console.text + s->matched, s->console.size - s->matched, text, length);
        if (found) {
            s->matched = (size_t)(found - s->console.text) + length;
            s->matched_at = console_now();
            return;
        }
        double left = until - console_now();
        int got = left > 0 ? console_read(&s->console, left) : 0;
        check_refused(s);
        if (got < 0)
            fail(s, "the run ended while waiting for '%s'", text);
        if (got == 0)
            fail(s, "no '%s' within %.0f s", text, s->timeout);
    }
}

static void step_timeout(struct session *s, char *text) {
    s->timeout = atof(text);
}

static void step_prompt(struct session *s, char *text) {
    snprintf(s->prompt, sizeof s->prompt, "%s", text);
}

static void step_refuse(struct session *s, char *text) {
    if (s->refused_count == REFUSED_MAX)
        fail(s, "more than %d refused texts", REFUSED_MAX);
    s->refused_from[s->refused_count] = s->console.size;
    s->refused[s->refused_count++] = strdup(text);
}

static void step_expect(struct session *s, char *text) {
    expect(s, text);
}

static void step_count(struct session *s, char *text) {
    char *rest;
    long wanted = strtol(text, &rest, 10), found = 0;
    rest += *rest == ' ';
    size_t length = strlen(rest);
    const char *at = s->console.text, *end = at + s->console.size;
    while (length && at && (at = memmem(at, (size_t)(end - at), rest, length)) != NULL) {
        found++;
        at += length;
    }
    if (found < wanted)
        fail(s, "'%s' stands %ld times in the output, not %ld", rest, found, wanted);
}

static void type(struct session *s, const char *text, size_t size) {
    if (console_type(&s->console, text, size))
        fail(s, "cannot type: %s", strerror(errno));
}

static void step_command(struct session *s, char *text) {
    expect(s, s->prompt);
    s->commanded = s->matched;
    type(s, text, strlen(text));
    type(s, "\n", 1);
}

static size_t unescape(char *text) {
    char *out = text;
    for (const char *in = text; *in; in++) {
        if (*in != '\\') {
            *out++ = *in;
            continue;
        }
        switch (*++in) {
        case 'n': *out++ = '\n'; break;
        case 'r': *out++ = '\r'; break;
        case 't': *out++ = '\t'; break;
        case 'e': *out++ = 27; break;
        case 'x': {
            char digits[3] = {in[1], in[1] ? in[2] : '\0', 0};
            *out++ = (char)strtol(digits, NULL, 16);
            in += strlen(digits);
            break;
        }
        case 0: in--; break;
        default: *out++ = *in;
        }
    }
    return (size_t)(out - text);
}

static void step_type(struct session *s, char *text) {
    type(s, text, unescape(text));
}

static void step_show(struct session *s, char *text) {
    expect(s, s->prompt);
    size_t end = s->matched - strlen(s->prompt);
    printf("%s\n%.*s\n", text, (int)(end - s->commanded), s->console.text + s->commanded);
    fflush(stdout);
    s->matched = end; // the prompt is still there for the next command
}

static void step_mark(struct session *s, char *text) {
    printf("%s %.3f\n", text, s->matched_at - s->console.started);
    fflush(stdout);
}

// Takes lines as they come, each stamped with the time since exec at which its end was read.
static void step_record(struct session *s, char *text) {
    for (size_t line = s->matched;;) {
        expect(s, "\n");
        const char *at = s->console.text + line;
        size_t length = s->matched - line;
        if (*at == '@') {
            printf("%.6f %.*s", s->matched_at - s->console.started, (int)length, at);
            fflush(stdout);
        }
        if (length > strlen(text) && !strncmp(at, text, strlen(text)))
            return;
        line = s->matched;
    }
}

static void step_idle(struct session *s, char *text) {
    double seconds, percent;
    if (sscanf(text, "%lf %lf", &seconds, &percent) != 2)
        fail(s, "idle wants SECONDS PERCENT");
    double before = console_cpu_seconds(&s->console), until = console_now() + seconds;
    while (console_now() < until && console_read(&s->console, until - console_now()) >= 0)
        ;
    double after = console_cpu_seconds(&s->console);
    if (before < 0 || after < 0)
        fail(s, "the run ended while it should have been idle");
    double used = 100 * (after - before) / seconds;
    printf("idle %.1f %% of a core\n", used);
    if (used > percent)
        fail(s, "an idle guest used %.1f %% of a core, more than %.1f %%", used, percent);
}

static void step_end(struct session *s, char *text) {
    if (console_wait(&s->console, s->timeout))
        fail(s, "the run did not end within %.0f s", s->timeout);
    check_refused(s);
    if (!WIFEXITED(s->console.status))
        fail(s, "the run was ended by signal %d", WTERMSIG(s->console.status));
    if (WEXITSTATUS(s->console.status) != atoi(text))
        fail(s, "the run ended with status %d, not %s", WEXITSTATUS(s->console.status), text);
    if (!console_restored(&s->console))
        fail(s, "the terminal was left in other modes than before");
}

static void step_halt(struct session *s, char *text) {
    expect(s, HALT_TEXT);
    if (s->halt_ends)
        step_end(s, text);
}

static const struct step steps[] = {
    {"timeout", step_timeout}, {"prompt", step_prompt},   {"refuse", step_refuse}, {"expect", step_expect},
    {"count", step_count},     {"command", step_command}, {"type", step_type},     {"show", step_show},
    {"mark", step_mark},       {"record", step_record},   {"idle", step_idle},     {"halt", step_halt},
    {"end", step_end},
};

// Copies line to out with each {NAME} replaced by its definition.
static void substitute(struct session *s, const char *line, char out[LINE_BYTES]) {
    size_t used = 0;
    while (*line && used + 1 < LINE_BYTES) {
        const char *text = NULL;
        for (int i = 0; *line == '{' && i < s->defined_count && !text; i++) {
            size_t name = strcspn(s->defined[i], "=");
            if (!strncmp(line + 1, s->defined[i], name) && line[name + 1] == '}') {
                text = s->defined[i] + name + 1;
                line += name + 2;
            }
        }
        if (text)
            used += (size_t)snprintf(out + used, LINE_BYTES - used, "%s", text);
        else
            out[used++] = *line++;
        if (used >= LINE_BYTES)
            fail(s, "line too long");
    }
    out[used] = 0;
}

static void run_line(struct session *s, const char *raw) {
    char line[LINE_BYTES];
    substitute(s, raw, line);
    line[strcspn(line, "\n")] = 0;
    if (!*line || *line == '#')
        return;
    size_t name = strcspn(line, " ");
    char *text = line[name] ? line + name + 1 : line + name;
    line[name] = 0;
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
        if (!strcmp(steps[i].name, line)) {
            steps[i].run(s, text);
            return;
        }
    fail(s, "no such step: %s", line);
}

static void run_script(struct session *s) {
    char line[LINE_BYTES];
    FILE *file = fopen(s->script, "r");
    if (!file)
        fail(s, "cannot read the script: %s", strerror(errno));
    while (fgets(line, sizeof line, file)) {
        s->line++;
        run_line(s, line);
    }
    fclose(file);
}

static int usage(void) {
    fputs("usage: session [--pty] [--watch FILE] [--log FILE] [--halt-ends no] [--define NAME=TEXT]... SCRIPT -- "
          "COMMAND...\n",
          stderr);
    return 2;
}

int main(int argc, char **argv) {
    struct session s = {.timeout = 60, .halt_ends = true};
    enum console_kind kind = CONSOLE_PIPE;
    const char *watch = NULL, *log = NULL;
    int i = 1;
    for (; i < argc && !strncmp(argv[i], "--", 2) && argv[i][2]; i++) {
        bool more = i + 1 < argc;
        if (!strcmp(argv[i], "--pty"))
            kind = CONSOLE_PTY;
        else if (!strcmp(argv[i], "--watch") && more)
            watch = argv[++i];
        else if (!strcmp(argv[i], "--log") && more)
            log = argv[++i];
        else if (!strcmp(argv[i], "--halt-ends") && more)
            s.halt_ends = strcmp(argv[++i], "no") != 0;
        else if (!strcmp(argv[i], "--define") && more && s.defined_count < DEFINED_MAX)
            s.defined[s.defined_count++] = argv[++i];
        else
            return usage();
    }
    if (i + 2 >= argc || strcmp(argv[i + 1], "--") != 0)
        return usage();
    s.script = argv[i];
    int log_fd = log ? open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666) : -1;
    if (console_start(&s.console, argv + i + 2, kind, watch, log_fd))
        fail(&s, "cannot start %s: %s", argv[i + 2], strerror(errno));
    run_script(&s);
    console_close(&s.console);
    return 0;
}
