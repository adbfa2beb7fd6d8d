// The two buses of the machine: I/O ports (64 Ki of them) and memory-mapped device ranges (guest-physical addresses).
// A device registers a range with a read and a write function; an access looks it up and calls them. Every call of a
// bus function, registration included, is made with the device lock held (devices/event_loop.h), or before any thread
// runs. A bus knows nothing of processors, interrupts or RAM.
#ifndef DEVICES_BUS_H
#define DEVICES_BUS_H

#include "base/error.h"
#include "base/log.h"

#include <stdint.h>

struct io_bus;
struct mmio_bus;
struct mmio_region;

// size is 1, 2 or 4 bytes; a value's unused upper bits are zero when written and ignored when read.
typedef uint32_t (*io_read_fn)(void *device, uint16_t port, unsigned size);
typedef void (*io_write_fn)(void *device, uint16_t port, unsigned size, uint32_t value);

// Returns NULL when out of memory. The log may be NULL; with LOG_DEVICES it gets a line for every access.
struct io_bus *io_bus_create(const struct log *log);
void io_bus_destroy(struct io_bus *bus);

// Registers an 8-bit device on ports first to first+count-1. Its functions see size 1 only: wider accesses are split
// into byte accesses at ascending ports, low byte first, as the ISA bus does. read or write may be NULL: then reads
// give all ones and writes vanish. Returns 0, or -1 with err filled (a port is taken, the range leaves the port space,
// or there are too many ranges).
int io_bus_register(struct io_bus *bus, uint16_t first, unsigned count, io_read_fn read, io_write_fn write,
                    void *device, struct error *err);

// The same for a device that takes accesses of up to `width` bytes (1, 2 or 4) whole; wider ones, and those that reach
// beyond its range, are still split into bytes.
int io_bus_register_wide(struct io_bus *bus, uint16_t first, unsigned count, unsigned width, io_read_fn read,
                         io_write_fn write, void *device, struct error *err);

// An access of 1, 2 or 4 bytes. Unassigned ports read all ones; writes to them are dropped. Ports wrap at 64 Ki.
uint32_t io_bus_read(struct io_bus *bus, uint16_t port, unsigned size);
void io_bus_write(struct io_bus *bus, uint16_t port, unsigned size, uint32_t value);

// The memory-mapped bus. size is 1 to 8 bytes and the access may be unaligned; a device function is called with an
// access that lies within its region as a whole.
typedef uint64_t (*mmio_read_fn)(void *device, uint64_t gpa, unsigned size);
typedef void (*mmio_write_fn)(void *device, uint64_t gpa, unsigned size, uint64_t value);

struct mmio_bus *mmio_bus_create(const struct log *log);
void mmio_bus_destroy(struct mmio_bus *bus);

// Registers [first, first+length). Returns 0, or -1 with err filled (empty, wrapping, overlapping, too many).
int mmio_bus_register(struct mmio_bus *bus, uint64_t first, uint64_t length, mmio_read_fn read, mmio_write_fn write,
                      void *device, struct error *err);

// The region that holds gpa, or NULL: an address without one behaves as an unconnected bus.
const struct mmio_region *mmio_bus_find(const struct mmio_bus *bus, uint64_t gpa);

// Bytes outside every region read all ones and drop writes; an access across a region's edge is split into bytes.
uint64_t mmio_bus_read(struct mmio_bus *bus, uint64_t gpa, unsigned size);
void mmio_bus_write(struct mmio_bus *bus, uint64_t gpa, unsigned size, uint64_t value);

#endif
