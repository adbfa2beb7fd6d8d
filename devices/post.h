// The POST diagnostic port (80h): keeps the last byte written. Operating systems write to it as a delay.
#ifndef DEVICES_POST_H
#define DEVICES_POST_H

#include "base/error.h"
#include "devices/bus.h"

#include <stdint.h>

struct post_port;

struct post_port *post_create(struct io_bus *io, struct error *err); // NULL with err filled
void post_destroy(struct post_port *post);
uint8_t post_code(const struct post_port *post); // the last code, 0 before the first

#endif
