// The I/O and MMIO buses: registration, look-up in a flat table (ports) or by bisection (memory), and the splitting of
// accesses that a device cannot take whole. It must not know what a device is, and never fail an access: hardware that
// is not there answers with all ones.
#include "devices/bus.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define IO_PORTS      0x10000u
#define IO_RANGES_MAX 255 // entry 0 of the table of ranges is "unassigned"
#define MMIO_MAX      64

struct io_range {
    uint16_t first;
    unsigned count;
    unsigned width; // widest access in bytes
    io_read_fn read;
    io_write_fn write;
    void *device;
};

struct io_bus {
    const struct log *log;
    unsigned used;
    struct io_range ranges[IO_RANGES_MAX + 1];
    uint8_t owner[IO_PORTS]; // index into ranges
};

struct mmio_region {
    uint64_t first;
    uint64_t last; // inclusive
    mmio_read_fn read;
    mmio_write_fn write;
    void *device;
};

struct mmio_bus {
    const struct log *log;
    unsigned used;
    struct mmio_region regions[MMIO_MAX]; // ascending
};

static uint32_t ones_of(unsigned size) {
    return size >= 4 ? UINT32_MAX : (1u << (8 * size)) - 1;
}

struct io_bus *io_bus_create(const struct log *log) {
    struct io_bus *bus = calloc(1, sizeof *bus);
    if (bus)
        bus->log = log;
    return bus;
}

void io_bus_destroy(struct io_bus *bus) {
    free(bus);
}

int io_bus_register(struct io_bus *bus, uint16_t first, unsigned count, io_read_fn read, io_write_fn write,
                    void *device, struct error *err) {
    return io_bus_register_wide(bus, first, count, 1, read, write, device, err);
}

int io_bus_register_wide(struct io_bus *bus, uint16_t first, unsigned count, unsigned width, io_read_fn read,
                         io_write_fn write, void *device, struct error *err) {
    if (!count || count > IO_PORTS - first)
        return error_set(err, "I/O ports %#x+%u: not a range of ports", first, count);
    if (width != 1 && width != 2 && width != 4)
        return error_set(err, "I/O ports %#x+%u: width %u is none of 1, 2, 4", first, count, width);
    if (bus->used == IO_RANGES_MAX)
        return error_set(err, "I/O ports %#x+%u: too many ranges", first, count);
    for (unsigned i = 0; i < count; i++)
        if (bus->owner[first + i])
            return error_set(err, "I/O port %#x is already taken", first + i);
    unsigned index = ++bus->used;
    bus->ranges[index] = (struct io_range){first, count, width, read, write, device};
    memset(bus->owner + first, (int)index, count);
    return 0;
}

// True if the device behind the range takes the whole access in one call.
static bool io_takes_whole(const struct io_range *range, uint16_t port, unsigned size) {
    return size <= range->width && (unsigned)(port - range->first) + size <= range->count;
}

static uint32_t io_read_once(struct io_bus *bus, uint16_t port, unsigned size) {
    const struct io_range *range = &bus->ranges[bus->owner[port]];
    return range->read ? range->read(range->device, port, size) & ones_of(size) : ones_of(size);
}

static void io_write_once(struct io_bus *bus, uint16_t port, unsigned size, uint32_t value) {
    const struct io_range *range = &bus->ranges[bus->owner[port]];
    if (range->write)
        range->write(range->device, port, size, value & ones_of(size));
}

uint32_t io_bus_read(struct io_bus *bus, uint16_t port, unsigned size) {
    uint32_t value = 0;
    if (size == 1 || io_takes_whole(&bus->ranges[bus->owner[port]], port, size))
        value = io_read_once(bus, port, size);
    else
        for (unsigned i = 0; i < size; i++)
            value |= io_read_once(bus, (uint16_t)(port + i), 1) << (8 * i);
    if (log_on(bus->log, LOG_DEVICES))
        log_line(bus->log, LOG_DEVICES, "in%u %04x -> %0*x", 8 * size, port, (int)(2 * size), value);
    return value;
}

void io_bus_write(struct io_bus *bus, uint16_t port, unsigned size, uint32_t value) {
    if (log_on(bus->log, LOG_DEVICES))
        log_line(bus->log, LOG_DEVICES, "out%u %04x <- %0*x", 8 * size, port, (int)(2 * size), value & ones_of(size));
    if (size == 1 || io_takes_whole(&bus->ranges[bus->owner[port]], port, size)) {
        io_write_once(bus, port, size, value);
        return;
    }
    for (unsigned i = 0; i < size; i++)
        io_write_once(bus, (uint16_t)(port + i), 1, value >> (8 * i));
}

struct mmio_bus *mmio_bus_create(const struct log *log) {
    struct mmio_bus *bus = calloc(1, sizeof *bus);
    if (bus)
        bus->log = log;
    return bus;
}

void mmio_bus_destroy(struct mmio_bus *bus) {
    free(bus);
}

int mmio_bus_register(struct mmio_bus *bus, uint64_t first, uint64_t length, mmio_read_fn read, mmio_write_fn write,
                      void *device, struct error *err) {
    uint64_t last = first + length - 1;
    if (!length || last < first)
        return error_set(err, "device memory %#llx+%#llx: not a range of addresses", (unsigned long long)first,
                         (unsigned long long)length);
    if (bus->used == MMIO_MAX)
        return error_set(err, "device memory %#llx: too many regions", (unsigned long long)first);
    unsigned at = 0;
    while (at < bus->used && bus->regions[at].last < first)
        at++;
    if (at < bus->used && bus->regions[at].first <= last)
        return error_set(err, "device memory %#llx+%#llx is already taken", (unsigned long long)first,
                         (unsigned long long)length);
    memmove(&bus->regions[at + 1], &bus->regions[at], (bus->used - at) * sizeof *bus->regions);
    bus->regions[at] = (struct mmio_region){first, last, read, write, device};
    bus->used++;
    return 0;
}

const struct mmio_region *mmio_bus_find(const struct mmio_bus *bus, uint64_t gpa) {
    unsigned low = 0;
    unsigned high = bus->used;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (bus->regions[middle].last < gpa)
            low = middle + 1;
        else
            high = middle;
    }
    return low < bus->used && bus->regions[low].first <= gpa ? &bus->regions[low] : NULL;
}

static uint64_t mmio_ones(unsigned size) {
    return size >= 8 ? UINT64_MAX : (1ull << (8 * size)) - 1;
}

uint64_t mmio_bus_read(struct mmio_bus *bus, uint64_t gpa, unsigned size) {
    const struct mmio_region *region = mmio_bus_find(bus, gpa);
    uint64_t value = 0;
    if (region && size - 1 <= region->last - gpa)
        value = region->read ? region->read(region->device, gpa, size) & mmio_ones(size) : mmio_ones(size);
    else if (size == 1)
        value = mmio_ones(1);
    else
        for (unsigned i = 0; i < size; i++)
            value |= mmio_bus_read(bus, gpa + i, 1) << (8 * i);
    if (log_on(bus->log, LOG_DEVICES))
        log_line(bus->log, LOG_DEVICES, "read%u %08llx -> %0*llx", 8 * size, (unsigned long long)gpa, (int)(2 * size),
                 (unsigned long long)value);
    return value;
}

void mmio_bus_write(struct mmio_bus *bus, uint64_t gpa, unsigned size, uint64_t value) {
    const struct mmio_region *region = mmio_bus_find(bus, gpa);
    if (log_on(bus->log, LOG_DEVICES))
        log_line(bus->log, LOG_DEVICES, "write%u %08llx <- %0*llx", 8 * size, (unsigned long long)gpa, (int)(2 * size),
                 (unsigned long long)(value & mmio_ones(size)));
    if (region && size - 1 <= region->last - gpa) {
        if (region->write)
            region->write(region->device, gpa, size, value & mmio_ones(size));
        return;
    }
    for (unsigned i = 0; i < size && size > 1; i++)
        mmio_bus_write(bus, gpa + i, 1, value >> (8 * i));
}
