// System control port B, after the IBM PC/AT technical reference ("System Control Port B", 61h). Parity and channel
// check never happen here, so their status bits stay 0.
#include "devices/port61.h"

#include <stdint.h>
#include <stdlib.h>

#define PORT61         0x61
#define PORT61_GATE2   0x01
#define PORT61_SPEAKER 0x02
#define PORT61_STORED  0x0f // bits 0-3 read back as written (2, 3: check enables)
#define PORT61_REFRESH 0x10 // toggles with each refresh request
#define PORT61_OUT2    0x20

#define SPEAKER_COUNTER   2
#define REFRESH_PERIOD_NS 15086u // 18 ticks of the 8254

struct port61 {
    struct event_loop *loop;
    struct i8254 *pit;
    uint8_t stored;
};

static uint32_t port61_read(void *device, uint16_t port, unsigned size) {
    (void)port, (void)size;
    const struct port61 *state = device;
    bool refresh = event_loop_now(state->loop) / REFRESH_PERIOD_NS & 1;
    bool out = i8254_out(state->pit, SPEAKER_COUNTER);
    return (uint32_t)(state->stored | (refresh ? PORT61_REFRESH : 0) | (out ? PORT61_OUT2 : 0));
}

static void port61_write(void *device, uint16_t port, unsigned size, uint32_t value) {
    (void)port, (void)size;
    struct port61 *state = device;
    state->stored = value & PORT61_STORED;
    i8254_set_gate(state->pit, SPEAKER_COUNTER, (value & PORT61_GATE2) != 0);
}

void port61_reset(struct port61 *port) {
    port61_write(port, PORT61, 1, 0);
}

struct port61 *port61_create(struct io_bus *io, struct event_loop *loop, struct i8254 *pit, struct error *err) {
    struct port61 *port = calloc(1, sizeof *port);
    if (!port) {
        error_set(err, "port 61h: out of memory");
        return NULL;
    }
    port->loop = loop;
    port->pit = pit;
    if (io_bus_register(io, PORT61, 1, port61_read, port61_write, port, err)) {
        free(port);
        return NULL;
    }
    return port;
}

void port61_destroy(struct port61 *port) {
    free(port);
}
