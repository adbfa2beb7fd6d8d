// System control port B, after the IBM PC/AT technical reference ("System Control Port B", 61h). Parity errors never
// happen here, so their status bit stays 0; a channel check is what a test device or the embedder asks for.
#include "devices/port61.h"

#include <stdint.h>
#include <stdlib.h>

#define PORT61         0x61
#define PORT61_GATE2   0x01
#define PORT61_SPEAKER 0x02
#define PORT61_STORED  0x0f // bits 0-3 read back as written
#define PORT61_NO_IOCK 0x08 // channel check is disabled, and what it has reported is cleared
#define PORT61_REFRESH 0x10 // toggles with each refresh request
#define PORT61_OUT2    0x20
#define PORT61_IOCHK   0x40

#define SPEAKER_COUNTER   2
#define REFRESH_PERIOD_NS 15086u // 18 ticks of the 8254

struct port61 {
    struct event_loop *loop;
    struct i8254 *pit;
    struct irq_line nmi;
    uint8_t stored;
    bool check;  // a card has reported an error
    bool masked; // by port 70h
};

static uint32_t port61_read(void *device, uint16_t port, unsigned size) {
    (void)port, (void)size;
    const struct port61 *state = device;
    uint64_t now = event_loop_now_quick(state->loop); // asked once: delay loops read this port thousands of times
    bool refresh = now / REFRESH_PERIOD_NS & 1;
    bool out = i8254_out(state->pit, SPEAKER_COUNTER, now);
    return (uint32_t)(state->stored | (refresh ? PORT61_REFRESH : 0) | (out ? PORT61_OUT2 : 0) |
                      (state->check ? PORT61_IOCHK : 0));
}

static void update_nmi(const struct port61 *state) {
    irq_set(&state->nmi, state->check && !state->masked);
}

static void port61_write(void *device, uint16_t port, unsigned size, uint32_t value) {
    (void)port, (void)size;
    struct port61 *state = device;
    state->stored = value & PORT61_STORED;
    if (value & PORT61_NO_IOCK)
        state->check = false;
    update_nmi(state);
    i8254_set_gate(state->pit, SPEAKER_COUNTER, (value & PORT61_GATE2) != 0);
}

void port61_channel_check(struct port61 *port) {
    port->check = !(port->stored & PORT61_NO_IOCK);
    update_nmi(port);
}

void port61_mask_nmi(struct port61 *port, bool masked) {
    port->masked = masked;
    update_nmi(port);
}

void port61_reset(struct port61 *port) {
    port->check = false;
    port61_write(port, PORT61, 1, 0);
}

struct port61 *port61_create(struct io_bus *io, struct event_loop *loop, struct i8254 *pit, struct irq_line nmi,
                             struct error *err) {
    struct port61 *port = calloc(1, sizeof *port);
    if (!port) {
        error_set(err, "port 61h: out of memory");
        return NULL;
    }
    port->loop = loop;
    port->pit = pit;
    port->nmi = nmi;
    if (io_bus_register(io, PORT61, 1, port61_read, port61_write, port, err)) {
        free(port);
        return NULL;
    }
    return port;
}

void port61_destroy(struct port61 *port) {
    free(port);
}
