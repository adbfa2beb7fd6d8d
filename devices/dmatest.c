// The DMA test device; its registers are described in the header. The transfer is a job of the I/O thread, which moves
// a chunk at a time without the device lock and publishes the completion with it.
#include "devices/dmatest.h"

#include <stdlib.h>

#define DMATEST_PORTS 16
#define CHUNK_SIZE    (64u << 10)

enum dmatest_register { REG_SOURCE, REG_DESTINATION, REG_LENGTH, REG_COMMAND, REG_COUNT };

struct dmatest {
    struct event_loop *loop;
    struct event_job job;
    struct irq_line irq;
    struct dma_port dma;
    uint32_t registers[REG_COMMAND]; // as written
    uint32_t status;
    uint32_t source, destination, length; // of the transfer in flight; only the job reads them while BUSY is set
    unsigned generation;                  // counts resets: a transfer of an earlier one is not published
    unsigned job_generation;
    uint8_t chunk[CHUNK_SIZE];
};

static bool dmatest_aborted(struct dmatest *device) {
    event_loop_lock(device->loop);
    bool aborted = device->generation != device->job_generation;
    event_loop_unlock(device->loop);
    return aborted;
}

// Without the lock. Returns 0, or -1 if something was not RAM.
static int dmatest_copy(struct dmatest *device) {
    const struct dma_port *dma = &device->dma;
    for (uint32_t done = 0; done < device->length;) {
        uint32_t size = device->length - done < CHUNK_SIZE ? device->length - done : CHUNK_SIZE;
        if (dmatest_aborted(device))
            return 0;
        if (dma->read(dma->opaque, (uint64_t)device->source + done, device->chunk, size) ||
            dma->write(dma->opaque, (uint64_t)device->destination + done, device->chunk, size))
            return -1;
        done += size;
    }
    return 0;
}

static void dmatest_job_run(void *opaque) {
    struct dmatest *device = opaque;
    int failure = dmatest_copy(device);
    event_loop_lock(device->loop);
    device->status &= ~(uint32_t)DMATEST_BUSY;
    if (device->generation == device->job_generation) {
        device->status |= DMATEST_DONE | (failure ? (uint32_t)DMATEST_ERROR : 0);
        irq_set(&device->irq, true);
    }
    event_loop_unlock(device->loop);
}

static void dmatest_start(struct dmatest *device) {
    if (device->status & DMATEST_BUSY)
        return;
    uint32_t length = device->registers[REG_LENGTH];
    if (!length || length > DMATEST_LENGTH_MAX) {
        device->status |= DMATEST_DONE | DMATEST_ERROR;
        irq_set(&device->irq, true);
        return;
    }
    device->source = device->registers[REG_SOURCE];
    device->destination = device->registers[REG_DESTINATION];
    device->length = length;
    device->job_generation = device->generation;
    device->status |= DMATEST_BUSY;
    event_loop_post(device->loop, &device->job);
}

static void dmatest_command(struct dmatest *device, uint32_t command) {
    if (command & DMATEST_ACKNOWLEDGE) {
        device->status &= ~(uint32_t)(DMATEST_DONE | DMATEST_ERROR);
        irq_set(&device->irq, false);
    }
    if (command & DMATEST_START)
        dmatest_start(device);
}

static void dmatest_write(void *device_opaque, uint16_t port, unsigned size, uint32_t value) {
    struct dmatest *device = device_opaque;
    unsigned offset = port % DMATEST_PORTS;
    if (size != 4 || offset % 4)
        return; // the registers are 32 bits wide
    if (offset / 4 == REG_COMMAND)
        dmatest_command(device, value);
    else
        device->registers[offset / 4] = value;
}

static uint32_t dmatest_read(void *device_opaque, uint16_t port, unsigned size) {
    const struct dmatest *device = device_opaque;
    unsigned offset = port % DMATEST_PORTS;
    if (size != 4 || offset % 4)
        return UINT32_MAX;
    return offset / 4 == REG_COMMAND ? device->status : device->registers[offset / 4];
}

void dmatest_reset(struct dmatest *device) {
    device->generation++;
    device->status &= DMATEST_BUSY; // the job clears it when it has stopped
    for (unsigned i = 0; i < REG_COMMAND; i++)
        device->registers[i] = 0;
    irq_set(&device->irq, false);
}

struct dmatest *dmatest_create(struct io_bus *io, struct event_loop *loop, struct irq_line irq, struct dma_port dma,
                               struct error *err) {
    struct dmatest *device = calloc(1, sizeof *device);
    if (!device) {
        error_set(err, "DMA test device: out of memory");
        return NULL;
    }
    device->loop = loop;
    device->irq = irq;
    device->dma = dma;
    device->job = (struct event_job){.run = dmatest_job_run, .opaque = device};
    if (io_bus_register_wide(io, DMATEST_PORT, DMATEST_PORTS, 4, dmatest_read, dmatest_write, device, err)) {
        free(device);
        return NULL;
    }
    return device;
}

void dmatest_destroy(struct dmatest *device) {
    if (!device)
        return;
    event_loop_lock(device->loop);
    event_loop_unpost(device->loop, &device->job);
    event_loop_unlock(device->loop);
    free(device);
}
