// System control port A, after the IBM PS/2 technical reference ("System Control Port A", 92h). The bits of the PS/2's
// lights and locks are kept as written.
#include "devices/port92.h"

#include <stdint.h>
#include <stdlib.h>

#define PORT92            0x92
#define PORT92_FAST_RESET 0x01
#define PORT92_A20        0x02

struct port92 {
    struct a20_gate *a20;
    void (*reset)(void *opaque);
    void *opaque;
    uint8_t value; // but for the A20 bit, which is the gate's
};

static uint32_t port92_read(void *device, uint16_t port, unsigned size) {
    (void)port, (void)size;
    const struct port92 *state = device;
    return (uint32_t)(state->value | (state->a20->enabled ? PORT92_A20 : 0));
}

static void port92_write(void *device, uint16_t port, unsigned size, uint32_t value) {
    (void)port, (void)size;
    struct port92 *state = device;
    bool pulse = value & ~(uint32_t)state->value & PORT92_FAST_RESET;
    state->value = (uint8_t)(value & ~(uint32_t)PORT92_A20);
    a20_gate_set(state->a20, (value & PORT92_A20) != 0);
    if (pulse && state->reset)
        state->reset(state->opaque);
}

void port92_reset(struct port92 *port) {
    port->value = 0;
}

struct port92 *port92_create(struct io_bus *io, struct a20_gate *a20, void (*reset)(void *opaque), void *opaque,
                             struct error *err) {
    struct port92 *port = calloc(1, sizeof *port);
    if (!port) {
        error_set(err, "port 92h: out of memory");
        return NULL;
    }
    *port = (struct port92){.a20 = a20, .reset = reset, .opaque = opaque};
    if (io_bus_register(io, PORT92, 1, port92_read, port92_write, port, err)) {
        free(port);
        return NULL;
    }
    return port;
}

void port92_destroy(struct port92 *port) {
    free(port);
}
