// Standard input and output as a console. A terminal goes into raw mode, so that every key, Ctrl-C included, reaches
// the guest; output processing stays on, so that the monitor's own messages look right. The functions for signal
// handlers use async-signal-safe calls alone.
#include "devices/chardev_private.h"

#include <fcntl.h>
#include <unistd.h>

static bool in_foreground(void) {
    return tcgetpgrp(STDIN_FILENO) == getpgrp();
}

// A process in the background must leave the terminal to the shell: changing its modes would stop us (SIGTTOU).
static void terminal_apply(const struct chardev *dev, const struct termios *modes) {
    if (dev && dev->terminal_is_raw && in_foreground())
        tcsetattr(STDIN_FILENO, TCSANOW, modes);
}

void chardev_restore_terminal(const struct chardev *dev) {
    if (dev)
        terminal_apply(dev, &dev->terminal_found);
}

void chardev_resume_terminal(const struct chardev *dev) {
    if (dev)
        terminal_apply(dev, &dev->terminal_raw);
}

static void terminal_make_raw(struct chardev *dev) {
    if (tcgetattr(STDIN_FILENO, &dev->terminal_found))
        return;
    struct termios raw = dev->terminal_found;
    raw.c_iflag &= (tcflag_t) ~(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
    raw.c_lflag &= (tcflag_t) ~(ECHO | ECHONL | ICANON | ISIG | IEXTEN);
    raw.c_cflag &= (tcflag_t) ~(CSIZE | PARENB);
    raw.c_cflag |= CS8;
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    dev->terminal_raw = raw;
    dev->terminal_is_raw = true;
    chardev_resume_terminal(dev);
}

int chardev_setup_stdio(struct chardev *dev, struct error *err) {
    if (fcntl(STDOUT_FILENO, F_GETFD) >= 0)
        chardev_output_setup(dev, STDOUT_FILENO);
    if (fcntl(STDIN_FILENO, F_GETFD) < 0)
        return 0; // closed: no input
    if (isatty(STDIN_FILENO)) {
        if (!in_foreground())
            return 0; // reading would stop us (SIGTTIN)
        terminal_make_raw(dev);
    }
    dev->escapes = true;
    dev->in_fd = STDIN_FILENO;
    event_loop_lock(dev->loop);
    int failure = chardev_start_input(dev, err);
    event_loop_unlock(dev->loop);
    if (failure)
        chardev_restore_terminal(dev);
    return failure;
}
