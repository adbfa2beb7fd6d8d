// The POST port (80h), after the IBM PC/AT technical reference: a latch with a display on it.
#include "devices/post.h"

#include <stdlib.h>

#define POST_PORT 0x80

struct post_port {
    uint8_t code;
};

static uint32_t post_read(void *device, uint16_t port, unsigned size) {
    (void)port, (void)size;
    const struct post_port *post = device;
    return post->code;
}

static void post_write(void *device, uint16_t port, unsigned size, uint32_t value) {
    (void)port, (void)size;
    struct post_port *post = device;
    post->code = (uint8_t)value;
}

struct post_port *post_create(struct io_bus *io, struct error *err) {
    struct post_port *post = calloc(1, sizeof *post);
    if (!post) {
        error_set(err, "POST port: out of memory");
        return NULL;
    }
    if (io_bus_register(io, POST_PORT, 1, post_read, post_write, post, err)) {
        free(post);
        return NULL;
    }
    return post;
}

void post_destroy(struct post_port *post) {
    free(post);
}

uint8_t post_code(const struct post_port *post) {
    return post->code;
}
