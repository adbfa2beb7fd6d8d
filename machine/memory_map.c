// The PC's memory map: conventional memory, the hole with the video memory and the ROMs, extended memory.
#include "machine/memory_map.h"

void memory_map_fill(struct memory_range map[MEMORY_MAP_ENTRIES], uint64_t ram_size) {
    map[0] = (struct memory_range){0, MEMORY_LOW_END, MEMORY_RANGE_USABLE};
    map[1] = (struct memory_range){MEMORY_LOW_END, MEMORY_HIGH_START - MEMORY_LOW_END, MEMORY_RANGE_RESERVED};
    map[2] = (struct memory_range){MEMORY_HIGH_START, ram_size - MEMORY_HIGH_START, MEMORY_RANGE_USABLE};
}
