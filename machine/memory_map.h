// The guest-physical memory map as a PC's firmware reports it (INT 15h, EAX=E820h: ACPI specification, section 15).
// Both boot protocols pass it on.
#ifndef MACHINE_MEMORY_MAP_H
#define MACHINE_MEMORY_MAP_H

#include <stdint.h>

#define MEMORY_MAP_ENTRIES 3
#define MEMORY_LOW_END     0x9fc00u  // conventional memory ends below the extended BIOS data area
#define MEMORY_HIGH_START  0x100000u // extended memory begins at 1 MiB

enum memory_range_type { MEMORY_RANGE_USABLE = 1, MEMORY_RANGE_RESERVED = 2 };

struct memory_range {
    uint64_t start; // guest-physical address
    uint64_t size;  // bytes
    enum memory_range_type type;
};

// Fills the map of a machine with ram_size bytes of RAM (more than 1 MiB), in ascending order without gaps.
void memory_map_fill(struct memory_range map[MEMORY_MAP_ENTRIES], uint64_t ram_size);

#endif
