// Opening character back ends by name: "stdio", "null", "file:PATH", "pty", and the one of the embedding program.
#include "devices/chardev_private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define FILE_PREFIX "file:"

// O_NONBLOCK matters for a named pipe or a device: without a reader the open fails, and writes never wait.
static int setup_file(struct chardev *dev, const char *path, struct error *err) {
    dev->out_fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0666);
    if (dev->out_fd < 0)
        return error_set(err, "cannot open %s: %s", path, strerror(errno));
    dev->out_owned = dev->out_nonblock = true;
    return 0;
}

static int setup(struct chardev *dev, const char *spec, struct error *err) {
    size_t prefix = sizeof FILE_PREFIX - 1;
    if (!strcmp(spec, "null"))
        return 0;
    if (!strcmp(spec, "stdio"))
        return chardev_setup_stdio(dev, err);
    if (!strcmp(spec, "pty"))
        return chardev_setup_pty(dev, err);
    if (!strncmp(spec, FILE_PREFIX, prefix) && spec[prefix])
        return setup_file(dev, spec + prefix, err);
    return error_set(err, "unknown serial back end '%s' (stdio, null, file:PATH or pty)", spec);
}

struct chardev *chardev_open(const char *spec, struct event_loop *loop, const struct chardev_console *console,
                             const struct log *log, struct error *err) {
    struct chardev *dev = chardev_new(loop, log, err);
    if (!dev)
        return NULL;
    if (console)
        dev->console = *console;
    if (setup(dev, spec, err)) {
        chardev_free(dev);
        return NULL;
    }
    return dev;
}

struct chardev *chardev_open_sink(struct event_loop *loop,
                                  void (*sink)(void *opaque, const uint8_t *bytes, size_t count), void *opaque,
                                  const struct log *log, struct error *err) {
    struct chardev *dev = chardev_new(loop, log, err);
    if (!dev)
        return NULL;
    dev->sink = sink;
    dev->sink_opaque = opaque;
    return dev;
}
