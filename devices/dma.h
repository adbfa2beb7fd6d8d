// How a device reaches guest memory. Called on the I/O thread WITHOUT the device lock (an event_job): a write returns
// only when the processor has dropped every translation of the bytes written, and only then may the device publish its
// completion, under the lock. Both return 0, or -1 when part of the range is not RAM (the part that is RAM is done).
#ifndef DEVICES_DMA_H
#define DEVICES_DMA_H

#include <stdint.h>

struct dma_port {
    int (*read)(void *opaque, uint64_t gpa, void *data, uint64_t size);
    int (*write)(void *opaque, uint64_t gpa, const void *data, uint64_t size);
    void *opaque;
};

#endif
