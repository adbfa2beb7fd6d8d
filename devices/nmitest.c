// The NMI test device; its register is described in the header.
#include "devices/nmitest.h"

#include <stdlib.h>

#define NMITEST_PORTS 4
#define NS_PER_US     1000u

struct nmitest {
    struct event_loop *loop;
    struct event_timer timer;
    struct port61 *port61;
};

static void nmitest_fire(void *opaque) {
    struct nmitest *device = opaque;
    port61_channel_check(device->port61);
}

static void nmitest_write(void *opaque, uint16_t port, unsigned size, uint32_t value) {
    struct nmitest *device = opaque;
    if (port != NMITEST_PORT || size != 4)
        return; // the register is 32 bits wide
    event_timer_cancel(&device->timer);
    if (value == 0)
        nmitest_fire(device);
    else if (value != NMITEST_NEVER)
        event_timer_arm(&device->timer, event_loop_now(device->loop) + (uint64_t)value * NS_PER_US);
}

static uint32_t nmitest_read(void *opaque, uint16_t port, unsigned size) {
    (void)opaque, (void)port, (void)size;
    return UINT32_MAX;
}

void nmitest_reset(struct nmitest *device) {
    event_timer_cancel(&device->timer);
}

struct nmitest *nmitest_create(struct io_bus *io, struct event_loop *loop, struct port61 *port61, struct error *err) {
    struct nmitest *device = calloc(1, sizeof *device);
    if (!device) {
        error_set(err, "NMI test device: out of memory");
        return NULL;
    }
    device->loop = loop;
    device->port61 = port61;
    event_timer_init(&device->timer, loop, nmitest_fire, device);
    if (io_bus_register_wide(io, NMITEST_PORT, NMITEST_PORTS, 4, nmitest_read, nmitest_write, device, err)) {
        free(device);
        return NULL;
    }
    return device;
}

void nmitest_destroy(struct nmitest *device) {
    if (!device)
        return;
    event_timer_cancel(&device->timer);
    free(device);
}
