// Whole programs on whole files: busybox's gzip and sha256sum, a run of short processes, and a compiler where there is
// one. The files are made here, the same everywhere, and lie in memory.
#include "timing.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    FILE_BYTES = 1 << 20,
    PROCESSES = 200,
    LONGER = 10,
    HEAP_BYTES = 1 << 20,
    NAME_BYTES = 64,
    COMPILES = 3,
    FUNCTIONS = 500
};

static const char *const busyboxes[] = {"/bin/busybox", "/usr/bin/busybox", NULL};
static const char *const compilers[] = {"/bin/tcc", "/usr/bin/tcc", NULL};

static const char *first_of(const char *const *paths) {
    for (; *paths; paths++)
        if (!access(*paths, X_OK))
            return *paths;
    return NULL;
}

static const char *no_busybox(void) {
    return first_of(busyboxes) ? NULL : "no busybox here (Debian's package busybox)";
}

// Text of words from a small vocabulary, by a linear congruence: compresses to about a third.
static void fill(char *bytes, size_t size) {
    static const char *const words[] = {"virtual ", "machine ", "of ",   "the ",     "a ",          "memory ",
                                        "trap ",    "\n",       "page ", "segment ", "privileged ", "instruction ",
                                        "and ",     "block ",   "is ",   "x"};
    uint32_t state = 12345;
    for (size_t at = 0; at < size;) {
        state = state * 1664525u + 1013904223u;
        const char *word = words[state >> 28];
        size_t length = strlen(word);
        length = length < size - at ? length : size - at;
        memcpy(bytes + at, word, length);
        at += length;
        if ((state >> 20 & 7) == 0 && at < size)
            bytes[at++] = (char)('0' + (state >> 8) % 10);
    }
}

static const char *text_file(void) {
    static char name[NAME_BYTES];
    static char bytes[FILE_BYTES];
    if (!*name) {
        snprintf(name, sizeof name, "%s/bench-whole-text", scratch_folder());
        fill(bytes, sizeof bytes);
        int file = open(name, O_CREAT | O_TRUNC | O_WRONLY, 0600);
        if (file < 0 || write(file, bytes, sizeof bytes) != (ssize_t)sizeof bytes || close(file))
            fail(name);
    }
    return name;
}

// Runs a program with its output dropped.
static void run_program(const char *path, char *const *words) {
    pid_t pid = fork();
    if (pid == 0) {
        int nowhere = open("/dev/null", O_WRONLY);
        dup2(nowhere, 1);
        execv(path, words);
        _exit(1);
    }
    wait_for(pid);
}

static void run_busybox(const char *applet, const char *option, uint32_t times) {
    char *words[] = {(char *)(uintptr_t)applet, (char *)(uintptr_t)option, (char *)(uintptr_t)text_file(), NULL};
    if (!option) {
        words[1] = words[2];
        words[2] = NULL;
    }
    for (uint32_t i = 0; i < times; i++)
        run_program(first_of(busyboxes), words);
}

static void run_gzip(uint32_t times) {
    run_busybox("gzip", "-c", times);
}

static void run_sha256(uint32_t times) {
    run_busybox("sha256sum", NULL, times);
}

// Processes one after the other, each of which writes to some of what it inherited.
static void run_forkwait(uint32_t times) {
    static volatile char heap[HEAP_BYTES];
    memset((char *)(uintptr_t)heap, 1, sizeof heap);
    for (uint32_t i = 0; i < times * PROCESSES; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            for (unsigned page = 0; page < 8; page++)
                heap[page * 8192] = 2;
            _exit(0);
        }
        wait_for(pid);
    }
}

// Ten times as much in one go: for one tenth of it, the time must be the same.
static void run_forkwait_long(uint32_t times) {
    run_forkwait(times * LONGER);
}

static const char *no_compiler(void) {
    return first_of(compilers) ? NULL : "no tcc here";
}

// A source of functions with what a kernel's have: structures, loops, switches, pointers.
static const char *source_file(void) {
    static char name[NAME_BYTES];
    if (*name)
        return name;
    snprintf(name, sizeof name, "%s/bench-whole-source.c", scratch_folder());
    FILE *file = fopen(name, "w");
    if (!file)
        fail(name);
    fputs("struct item { struct item *next; unsigned key, flags; char name[16]; };\n", file);
    for (int i = 0; i < FUNCTIONS; i++) {
        fprintf(file,
                "static unsigned walk_%d(struct item *list, unsigned key) {\n"
                "    unsigned found = %d;\n"
                "    for (struct item *at = list; at; at = at->next) {\n"
                "        switch (at->flags & 7) {\n"
                "        case 0: found += at->key * %d; break;\n"
                "        case 1: at->flags |= 1u << (key & 31); /* a comment */ break;\n"
                "        case 5: if (at->key == key && at->name[%d] != 'x') return found; break;\n"
                "        default: found ^= (found << 5) + (found >> 2) + key;\n"
                "        }\n"
                "        while (found > %du) found = found / 3 + %d;\n"
                "    }\n"
                "    return found;\n"
                "}\n"
                "unsigned call_%d(struct item *list) { return walk_%d(list, %d) + sizeof(struct item); }\n",
                i, i, i * 7 + 1, i % 16, i * 1000 + 100, i % 50, i, i, i * 3);
    }
    if (fclose(file))
        fail(name);
    return name;
}

static void run_compile(uint32_t times) {
    char object[NAME_BYTES];
    snprintf(object, sizeof object, "%s/bench-whole.o", scratch_folder());
    char *words[] = {"tcc", "-c", "-o", object, (char *)(uintptr_t)source_file(), NULL};
    for (uint32_t i = 0; i < times * COMPILES; i++)
        run_program(first_of(compilers), words);
    unlink(object);
}

const struct timed_row timed_rows[] = {
    {.name = "gzip", .run = run_gzip, .unit = 1, .why_not = no_busybox},
    {.name = "sha256sum", .run = run_sha256, .unit = 1, .why_not = no_busybox},
    {.name = "forkwait", .run = run_forkwait, .unit = 1},
    {.name = "forkwait-10x", .run = run_forkwait_long, .unit = LONGER},
    {.name = "compile", .run = run_compile, .unit = 1, .why_not = no_compiler},
};
const unsigned timed_row_count = sizeof timed_rows / sizeof timed_rows[0];
