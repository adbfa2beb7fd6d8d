// The layout of an ELF32 executable for i386: what goes where in physical memory. Follows the ELF specification (TIS
// 1.2, books I and III).
#ifndef MACHINE_LOAD_ELF_H
#define MACHINE_LOAD_ELF_H

#include "base/error.h"
#include "machine/file_image.h"

#include <stdbool.h>
#include <stdint.h>

#define KERNEL_SEGMENTS_MAX 64

// Bytes of a kernel file and their place in physical memory; memory beyond file_size up to memory_size is zero.
struct kernel_segment {
    uint32_t address;
    uint32_t memory_size;
    uint64_t file_offset;
    uint32_t file_size;
};

struct kernel_layout {
    struct kernel_segment segments[KERNEL_SEGMENTS_MAX];
    unsigned count;
    uint32_t entry; // physical address of the first instruction
};

// True if the file begins as an ELF file.
bool elf_recognises(const struct file_image *kernel);

// Fills layout from the program headers: every PT_LOAD segment by its physical address, and the entry point, turned
// into a physical address through the segment that holds it. Segments lie inside the file, and below 4 GiB; where RAM
// is has yet to be checked. Returns 0, or -1 with err filled.
int elf_parse(struct kernel_layout *layout, const struct file_image *kernel, struct error *err);

#endif
