// The DMA test device: copies a guest-physical range to another from the I/O thread, then raises IRQ 5. It is how tests
// show that a device write to translated code is seen. Off by default. All registers are 32 bits wide:
//
//   5A0h  SOURCE       guest-physical address to copy from
//   5A4h  DESTINATION  guest-physical address to copy to
//   5A8h  LENGTH       bytes, 1 to DMATEST_LENGTH_MAX; ranges that overlap give an unspecified result
//   5ACh  write: COMMAND  bit 0 START (ignored while busy), bit 1 ACKNOWLEDGE (lowers the line, clears DONE and ERROR)
//         read:  STATUS   bit 0 BUSY, bit 1 DONE, bit 2 ERROR (a range is not RAM, or LENGTH is out of range)
//
// The first three may be written at any time: a transfer in flight uses what they held at START. The line is high while
// DONE is set. Register values survive a transfer.
#ifndef DEVICES_DMATEST_H
#define DEVICES_DMATEST_H

#include "base/error.h"
#include "devices/bus.h"
#include "devices/dma.h"
#include "devices/event_loop.h"
#include "devices/irq.h"

#define DMATEST_PORT       0x5a0
#define DMATEST_IRQ        5
#define DMATEST_LENGTH_MAX (16u << 20)

struct dmatest;

enum dmatest_command { DMATEST_START = 1 << 0, DMATEST_ACKNOWLEDGE = 1 << 1 };
enum dmatest_status { DMATEST_BUSY = 1 << 0, DMATEST_DONE = 1 << 1, DMATEST_ERROR = 1 << 2 };

// Returns NULL with err filled. Destroy only after event_loop_stop.
struct dmatest *dmatest_create(struct io_bus *io, struct event_loop *loop, struct irq_line irq, struct dma_port dma,
                               struct error *err);
void dmatest_destroy(struct dmatest *device);
// Aborts the transfer in flight between two chunks; its completion is not published.
void dmatest_reset(struct dmatest *device);

#endif
