// See console.h. Every wait here is bounded by its caller.
#include "console.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { READ_BYTES = 65536, STOP_SECONDS = 5, WATCH_POLL_MS = 20 };

double console_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int open_terminal(struct console *c) {
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (master < 0 || grantpt(master) || unlockpt(master))
        return -1;
    c->terminal = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (c->terminal < 0)
        return -1;
    c->in = master;
    c->out = dup(master);
    return tcgetattr(c->terminal, &c->modes);
}

static int open_watch(struct console *c) {
    c->file = open(c->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    c->watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (c->file < 0 || c->watch < 0)
        return -1;
    return inotify_add_watch(c->watch, c->path, IN_MODIFY) < 0 ? -1 : 0;
}

static void become_program(char *const argv[], int in, int out, bool terminal) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (terminal) {
        setsid();
        ioctl(in, TIOCSCTTY, 0);
    }
    dup2(in, 0);
    dup2(out, 1);
    dup2(out, 2);
    signal(SIGPIPE, SIG_DFL);
    execvp(argv[0], argv);
    dprintf(2, "cannot run %s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

int console_start(struct console *c, char *const argv[], enum console_kind kind, const char *watch_path, int log) {
    *c = (struct console){.pid = -1, .in = -1, .out = -1, .watch = -1, .file = -1, .log = log, .terminal = -1};
    c->path = watch_path;
    int to[2] = {-1, -1}, from[2] = {-1, -1};
    if (watch_path && open_watch(c))
        return -1;
    if (kind == CONSOLE_PTY) {
        if (open_terminal(c))
            return -1;
    } else {
        if (pipe2(to, O_CLOEXEC) || pipe2(from, O_CLOEXEC))
            return -1;
        c->in = to[1];
        c->out = from[0];
    }
    signal(SIGPIPE, SIG_IGN);
    c->started = console_now();
    c->pid = fork();
    if (c->pid < 0)
        return -1;
    if (c->pid == 0)
        become_program(argv, kind == CONSOLE_PTY ? c->terminal : to[0], kind == CONSOLE_PTY ? c->terminal : from[1],
                       kind == CONSOLE_PTY);
    if (kind == CONSOLE_PIPE) {
        close(to[0]);
        close(from[1]);
    }
    return fcntl(c->out, F_SETFL, O_NONBLOCK);
}

static void keep(struct console *c, const char *data, size_t size) {
    if (c->size + size > CONSOLE_OUTPUT_MAX) {
        fprintf(stderr, "the program printed more than %u bytes\n", CONSOLE_OUTPUT_MAX);
        exit(1);
    }
    if (c->size + size > c->room) {
        c->room = (c->size + size) * 2;
        c->text = realloc(c->text, c->room);
        if (!c->text)
            abort();
    }
    for (size_t i = 0; i < size; i++)
        if (data[i] != '\r' && data[i])
            c->text[c->size++] = data[i];
}

static void copy_to_log(const struct console *c, const char *data, ssize_t size) {
    if (c->log >= 0 && size > 0 && write(c->log, data, (size_t)size) != size)
        perror("log");
}

// Takes what the descriptor has now. Returns bytes read, 0 for nothing, -1 at its end.
static ssize_t take(struct console *c, int fd, bool is_console) {
    char data[READ_BYTES];
    ssize_t total = 0;
    for (;;) {
        ssize_t got = read(fd, data, sizeof data);
        if (got <= 0) {
            bool wait = got < 0 && (errno == EAGAIN || errno == EINTR);
            return total ? total : wait ? 0 : -1;
        }
        copy_to_log(c, data, got);
        if (is_console)
            keep(c, data, (size_t)got);
        total += got;
    }
}

static void drain_events(int watch) {
    char events[4096];
    while (read(watch, events, sizeof events) > 0)
        ;
}

static void reap(struct console *c, int flags) {
    if (c->pid > 0 && waitpid(c->pid, &c->status, flags) == c->pid)
        c->pid = 0;
}

// One wait of at most `milliseconds`; as console_read.
static int read_once(struct console *c, int milliseconds) {
    struct pollfd fds[2] = {{.fd = c->out, .events = POLLIN}, {.fd = c->watch, .events = POLLIN}};
    poll(fds, 2, milliseconds);
    ssize_t printed = c->out >= 0 ? take(c, c->out, c->file < 0) : -1;
    if (printed < 0 && c->out >= 0) {
        close(c->out);
        c->out = -1;
    }
    ssize_t watched = 0;
    if (c->file >= 0) {
        drain_events(c->watch);
        watched = take(c, c->file, true);
    }
    if ((c->file < 0 && printed > 0) || watched > 0)
        return 1;
    if (c->out < 0) {
        reap(c, 0);
        if (c->file < 0 || take(c, c->file, true) <= 0) {
            c->ended = true;
            return -1;
        }
        return 1;
    }
    return 0;
}

int console_read(struct console *c, double seconds) {
    if (c->ended)
        return -1;
    double until = console_now() + seconds;
    for (;;) {
        double left = until - console_now();
        int wait = left > 0 ? (int)(left * 1000) + 1 : 0;
        int got = read_once(c, wait > WATCH_POLL_MS && c->file >= 0 ? WATCH_POLL_MS : wait);
        if (got || left <= 0)
            return got;
    }
}

int console_type(struct console *c, const char *text, size_t size) {
    while (size) {
        ssize_t done = write(c->in, text, size);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return -1;
        text += done;
        size -= (size_t)done;
    }
    return 0;
}

int console_wait(struct console *c, double seconds) {
    double until = console_now() + seconds;
    while (c->pid > 0) {
        double left = until - console_now();
        if (left <= 0)
            return -1;
        console_read(c, left < 0.05 ? left : 0.05);
        reap(c, WNOHANG);
    }
    while (console_read(c, 0) > 0)
        ;
    return 0;
}

void console_stop(struct console *c) {
    if (c->pid <= 0)
        return;
    kill(c->pid, SIGTERM);
    if (console_wait(c, STOP_SECONDS) == 0)
        return;
    kill(c->pid, SIGKILL);
    reap(c, 0);
}

bool console_restored(const struct console *c) {
    struct termios now;
    if (c->terminal < 0)
        return true;
    return !tcgetattr(c->terminal, &now) && now.c_iflag == c->modes.c_iflag && now.c_oflag == c->modes.c_oflag &&
           now.c_cflag == c->modes.c_cflag && now.c_lflag == c->modes.c_lflag;
}

double console_cpu_seconds(const struct console *c) {
    char path[64], line[1024];
    unsigned long user, system;
    if (c->pid <= 0)
        return -1;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)c->pid);
    FILE *file = fopen(path, "r");
    if (!file)
        return -1;
    size_t got = fread(line, 1, sizeof line - 1, file);
    fclose(file);
    line[got] = 0;
    const char *rest = strrchr(line, ')'); // proc(5): the name may hold anything; fields 14 and 15 count from it
    if (!rest || sscanf(rest + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2)
        return -1;
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

void console_close(struct console *c) {
    console_stop(c);
    const int fds[] = {c->in, c->out, c->watch, c->file, c->terminal};
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    free(c->text);
    c->text = NULL;
}
