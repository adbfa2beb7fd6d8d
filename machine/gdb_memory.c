// A debugger's accesses to guest memory: RAM only, because reading a device would change it; through the guest's page
// tables without touching their A and D bits, and whatever the privilege.
#include "machine/gdb_stub.h"

#define PAGE 4096u

// The part of the range that lies in one page, as a physical address. 0 if there is none.
static size_t next_part(struct ringshade *machine, uint64_t address, bool physical, size_t size, uint64_t *gpa) {
    size_t room = PAGE - (size_t)(address & (PAGE - 1));
    *gpa = address;
    if (!physical && (address > UINT32_MAX || vcpu_debug_translate(machine->pc.vcpu, (uint32_t)address, gpa) < 0))
        return 0;
    if (!ram_contains(&machine->pc.ram, *gpa, 1))
        return 0;
    return size < room ? size : room;
}

size_t gdb_memory_read(struct ringshade *machine, uint64_t address, bool physical, void *data, size_t size) {
    size_t done = 0, part;
    uint64_t gpa;
    while (done < size && (part = next_part(machine, address + done, physical, size - done, &gpa))) {
        if (ringshade_read_memory(machine, gpa, (uint8_t *)data + done, part))
            break;
        done += part;
    }
    return done;
}

size_t gdb_memory_write(struct ringshade *machine, uint64_t address, bool physical, const void *data, size_t size) {
    size_t done = 0, part;
    uint64_t gpa;
    while (done < size && (part = next_part(machine, address + done, physical, size - done, &gpa))) {
        if (ringshade_write_memory(machine, gpa, (const uint8_t *)data + done, part))
            break;
        done += part;
    }
    return done;
}
