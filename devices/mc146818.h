// The Motorola MC146818 real-time clock and its CMOS memory, ports 70h-71h, IRQ 8. Time is UTC, from the host's clock
// at creation on, carried by the device clock. Register 32h is the century, as on every AT-compatible.
#ifndef DEVICES_MC146818_H
#define DEVICES_MC146818_H

#include "base/error.h"
#include "devices/bus.h"
#include "devices/event_loop.h"
#include "devices/irq.h"

#include <stdbool.h>
#include <stdint.h>

struct mc146818;

// Pass as start_unix_s: take the host's UTC time.
#define MC146818_HOST_TIME INT64_MIN

// start_unix_s is the time at creation in seconds since 1970 (UTC). Returns NULL with err filled.
struct mc146818 *mc146818_create(struct io_bus *io, struct event_loop *loop, struct irq_line irq, int64_t start_unix_s,
                                 struct error *err);
void mc146818_destroy(struct mc146818 *rtc);
// The RESET pin: interrupts are disabled and their flags cleared; time and memory live on.
void mc146818_reset(struct mc146818 *rtc);

// Memory cells, index 0Eh to 7Fh, as a BIOS would write them; others are ignored.
void mc146818_set_cmos(struct mc146818 *rtc, uint8_t index, uint8_t value);
uint8_t mc146818_cmos(const struct mc146818 *rtc, uint8_t index);
// Writes the memory-size cells (15h-18h, 30h-31h, 34h-35h) for `bytes` of RAM from 0 and mends the checksum (2Eh-2Fh).
void mc146818_set_memory_size(struct mc146818 *rtc, uint64_t bytes);

// Bit 7 of the last write to port 70h: non-maskable interrupts are held off. The second tells `changed` about every
// write and reset, with the device lock held.
bool mc146818_nmi_masked(const struct mc146818 *rtc);
void mc146818_watch_nmi_mask(struct mc146818 *rtc, void (*changed)(void *opaque, bool masked), void *opaque);

#endif
