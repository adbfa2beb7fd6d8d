// The debug-exit port: hands what a guest writes to the machine. Reads give zero, so that a guest can find the port.
#include "devices/debug_exit.h"

#include <stdlib.h>

#define DEBUG_EXIT_PORTS 4

struct debug_exit {
    void (*requested)(void *opaque, uint32_t value);
    void *opaque;
};

static uint32_t debug_exit_read(void *device, uint16_t port, unsigned size) {
    (void)device, (void)port, (void)size;
    return 0;
}

static void debug_exit_write(void *device, uint16_t port, unsigned size, uint32_t value) {
    (void)port, (void)size;
    const struct debug_exit *exit_port = device;
    exit_port->requested(exit_port->opaque, value);
}

struct debug_exit *debug_exit_create(struct io_bus *io, void (*requested)(void *opaque, uint32_t value), void *opaque,
                                     struct error *err) {
    struct debug_exit *port = calloc(1, sizeof *port);
    if (!port) {
        error_set(err, "debug-exit port: out of memory");
        return NULL;
    }
    *port = (struct debug_exit){requested, opaque};
    if (io_bus_register_wide(io, DEBUG_EXIT_PORT, DEBUG_EXIT_PORTS, 4, debug_exit_read, debug_exit_write, port, err)) {
        free(port);
        return NULL;
    }
    return port;
}

void debug_exit_destroy(struct debug_exit *port) {
    free(port);
}
