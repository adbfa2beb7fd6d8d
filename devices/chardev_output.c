// Writing to descriptors that are shared with other processes. O_NONBLOCK belongs to the open file and would hit the
// shell too, so a pipe or terminal is opened a second time where the host allows it; sockets have a flag for each call;
// the rest is asked with poll and given little at a time. A closed reader is an error code here, never a SIGPIPE.
#include "devices/chardev_private.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define POLLED_WRITE_MAX 256 // what a terminal or pipe that is ready takes without blocking

void chardev_output_setup(struct chardev *dev, int fd) {
    struct stat status;
    dev->out_fd = fd;
    if (fstat(fd, &status))
        return;
    dev->out_is_socket = S_ISSOCK(status.st_mode);
    dev->out_nonblock = S_ISREG(status.st_mode) || S_ISBLK(status.st_mode) || dev->out_is_socket;
    if (dev->out_nonblock || !(S_ISFIFO(status.st_mode) || S_ISCHR(status.st_mode)))
        return;
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int again = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (again < 0)
        return;
    dev->out_fd = again;
    dev->out_owned = dev->out_nonblock = true;
}

static bool is_ready(int fd) {
    struct pollfd ready = {.fd = fd, .events = POLLOUT};
    return poll(&ready, 1, 0) > 0; // errors and hang-ups too: write() will name them
}

static long write_once(const struct chardev *dev, const uint8_t *bytes, size_t count) {
    if (dev->out_is_socket)
        return send(dev->out_fd, bytes, count, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (!dev->out_nonblock) {
        if (!is_ready(dev->out_fd)) {
            errno = EAGAIN;
            return -1;
        }
        count = count < POLLED_WRITE_MAX ? count : POLLED_WRITE_MAX;
    }
    return write(dev->out_fd, bytes, count);
}

long chardev_output(const struct chardev *dev, const uint8_t *bytes, size_t count) {
    if (dev->sink) {
        dev->sink(dev->sink_opaque, bytes, count);
        return (long)count;
    }
    sigset_t pipe_signal;
    sigset_t before;
    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
    long written;
    do
        written = write_once(dev, bytes, count);
    while (written < 0 && errno == EINTR);
    int error = errno;
    if (written < 0 && error == EPIPE && !sigismember(&before, SIGPIPE)) {
        const struct timespec now = {0, 0};
        sigtimedwait(&pipe_signal, NULL, &now); // take it away before it is unblocked
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (written >= 0)
        return written;
    return error == EAGAIN ? 0 : -1;
}
