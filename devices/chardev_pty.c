// A pseudo terminal as back end. While nobody has the other side open its master reports a hang-up for ever, so it is
// then asked twice a second instead of waited for, and output is held back (its last part is kept). The other side's
// modes are reset by the host at each last close and therefore made raw again at each first open.
#include "devices/chardev_private.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define PTY_ASK_NS 500000000u

static void pty_make_raw(int fd) {
    struct termios modes;
    if (tcgetattr(fd, &modes))
        return;
    cfmakeraw(&modes);
    tcsetattr(fd, TCSANOW, &modes);
}

void chardev_pty_lost(struct chardev *dev) {
    dev->out_held = true;
    event_watch_set(&dev->in_watch, 0);
    if (dev->out_watched)
        event_watch_set(&dev->out_watch, 0);
    dev->out_blocked = false;
    event_timer_arm(&dev->pty_timer, event_loop_now(dev->loop) + PTY_ASK_NS);
}

static void pty_ask(void *opaque) {
    struct chardev *dev = opaque;
    struct pollfd master = {.fd = dev->in_fd, .events = POLLIN};
    poll(&master, 1, 0);
    if (master.revents & POLLHUP) {
        event_timer_arm(&dev->pty_timer, event_loop_now(dev->loop) + PTY_ASK_NS);
        return;
    }
    pty_make_raw(dev->in_fd);
    dev->out_held = false;
    chardev_accept(dev); // waits for input again if there is space
    chardev_flush_soon(dev);
}

static int pty_open(struct chardev *dev) {
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (master < 0)
        return -1;
    dev->in_fd = master;
    dev->in_owned = true;
    const char *name = grantpt(master) || unlockpt(master) ? NULL : ptsname(master);
    if (!name || !(dev->path = strdup(name)))
        return -1;
    // Another descriptor for output: epoll knows each only once.
    dev->out_fd = fcntl(master, F_DUPFD_CLOEXEC, 0);
    dev->out_owned = dev->out_nonblock = dev->out_fd >= 0;
    int slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC); // the first close makes the master report hang-ups
    if (slave < 0 || dev->out_fd < 0)
        return -1;
    close(slave);
    return 0;
}

int chardev_setup_pty(struct chardev *dev, struct error *err) {
    if (pty_open(dev))
        return error_set(err, "cannot open a pseudo terminal: %s", strerror(errno));
    event_timer_init(&dev->pty_timer, dev->loop, pty_ask, dev);
    event_loop_lock(dev->loop);
    int failure = chardev_start_input(dev, err);
    if (!failure)
        chardev_pty_lost(dev);
    event_loop_unlock(dev->loop);
    return failure;
}
