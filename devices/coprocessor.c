// See coprocessor.h. The latch of figure D-1 in Intel's manual: the write that clears it asserts IGNNE#.
#include "devices/coprocessor.h"

#include <stdlib.h>

#define CLEAR_PORT 0xf0
#define PORTS      2 // F1h resets an 80287, and clears the request as well

struct coprocessor {
    struct irq_line irq;
    void (*ignore)(void *opaque);
    void *opaque;
};

static uint32_t read_port(void *device, uint16_t port, unsigned size) {
    (void)device, (void)port;
    return size == 1 ? 0xff : 0xffff;
}

static void write_port(void *device, uint16_t port, unsigned size, uint32_t value) {
    (void)port, (void)size, (void)value;
    struct coprocessor *coprocessor = device;
    coprocessor_reset(coprocessor);
    coprocessor->ignore(coprocessor->opaque);
}

struct coprocessor *coprocessor_create(struct io_bus *io, struct irq_line irq, void (*ignore)(void *opaque),
                                       void *opaque, struct error *err) {
    struct coprocessor *coprocessor = calloc(1, sizeof *coprocessor);
    if (!coprocessor) {
        error_set(err, "coprocessor: out of memory");
        return NULL;
    }
    *coprocessor = (struct coprocessor){.irq = irq, .ignore = ignore, .opaque = opaque};
    if (io_bus_register(io, CLEAR_PORT, PORTS, read_port, write_port, coprocessor, err)) {
        free(coprocessor);
        return NULL;
    }
    return coprocessor;
}

void coprocessor_destroy(struct coprocessor *coprocessor) {
    free(coprocessor);
}

void coprocessor_reset(struct coprocessor *coprocessor) {
    irq_set(&coprocessor->irq, false);
}

void coprocessor_error(struct coprocessor *coprocessor) {
    irq_set(&coprocessor->irq, true);
}
