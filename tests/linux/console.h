// A program under test with its console: starts it, gathers what it prints, types into it, and ends it. The console is
// a pair of pipes, a pseudo-terminal, or (for output alone) a file that the program writes.
#ifndef TESTS_LINUX_CONSOLE_H
#define TESTS_LINUX_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <termios.h>

#define CONSOLE_OUTPUT_MAX (64u << 20) // bytes kept of what a program prints; more is an error

enum console_kind { CONSOLE_PIPE, CONSOLE_PTY };

struct console {
    pid_t pid;
    int in;               // where to type
    int out;              // the program's standard output and error
    int watch;            // inotify for `path`, or -1
    int file;             // the file watched, or -1
    const char *path;     // the file that holds the console's output, or NULL
    int log;              // a copy of all output, or -1
    int terminal;         // the program's side of the pseudo-terminal, or -1
    struct termios modes; // of the pseudo-terminal, before the program
    char *text;           // what was printed since the start, without CR and NUL
    size_t size, room;
    double started; // seconds of the monotonic clock, taken just before exec
    bool ended;     // the program is gone and its output read
    int status;     // of waitpid, once it is gone
};

// Seconds of the monotonic clock.
double console_now(void);

// Starts argv. With watch_path its console output is read from that file (removed first) and its standard output only
// goes to the log. Returns 0, or -1 with errno.
int console_start(struct console *c, char *const argv[], enum console_kind kind, const char *watch_path, int log);

// Waits up to `seconds` for more output and takes what there is. Returns 1 when there was some, 0 when the time
// passed, -1 when the program has ended and nothing is left to read.
int console_read(struct console *c, double seconds);

// Types all of text. Returns 0, or -1 with errno.
int console_type(struct console *c, const char *text, size_t size);

// Waits up to `seconds` for the program's end, reading on. Returns 0 with c->status filled, or -1 when it still runs.
int console_wait(struct console *c, double seconds);

// Ends the program: SIGTERM first, SIGKILL after some seconds. Nothing happens if it has ended.
void console_stop(struct console *c);

// Whether the pseudo-terminal is in the modes it was in before the program; true where there is none.
bool console_restored(const struct console *c);

// Seconds of processor time that the program has used so far, all its threads together; -1 if it has ended.
double console_cpu_seconds(const struct console *c);

// Gives everything back, the program included.
void console_close(struct console *c);

#endif
