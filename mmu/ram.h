// Guest RAM: one memfd, mapped once read-write for the monitor. Guest-physical layout is that of a PC: RAM from 0 to
// 640 KiB, a hole for video memory and ROM (A0000h-FFFFFh), RAM again from 1 MiB to the end. The hole's bytes are
// backed by the memfd too (offset = guest-physical address) but are not RAM for the guest unless made so.
#ifndef MMU_RAM_H
#define MMU_RAM_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

#define RAM_PAGE_SIZE  4096u
#define RAM_MIN_SIZE   (2u << 20)
#define RAM_MAX_SIZE   (3584u << 20)
#define RAM_HOLE_START 0xa0000u
#define RAM_HOLE_END   0x100000u

// One byte a frame, read by the vCPU and the I/O thread.
enum ram_frame_flag {
    RAM_FRAME_CODE = 1 << 0, // blocks were translated from it: writes must go through the kill path
};

struct ram {
    int fd;               // the memfd
    uint64_t size;        // bytes; whole pages
    uint32_t hole_start;  // [hole_start, hole_end) is not RAM: RAM_HOLE_* unless the owner changes it before the
    uint32_t hole_end;    // first vCPU exists; equal for no hole
    uint8_t *host;        // the monitor's mapping: host + gpa
    uint8_t *frame_flags; // by frame number, enum ram_frame_flag, accessed with __atomic
};

// Returns 0, or -1 with err filled (size out of range, no memory).
int ram_create(struct ram *ram, uint64_t size, struct error *err);
void ram_destroy(struct ram *ram);

// True if [gpa, gpa+size) is guest RAM as a whole.
bool ram_contains(const struct ram *ram, uint64_t gpa, uint64_t size);

// Loader's accessors (before the guest runs, or from a stopped machine): 0, or -1 if the range is not RAM.
int ram_load(struct ram *ram, uint64_t gpa, const void *data, uint64_t size);
int ram_fetch(const struct ram *ram, uint64_t gpa, void *data, uint64_t size);

#endif
