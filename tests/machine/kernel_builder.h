// Synthetic kernels for the tests of loaders and command line: a bzImage or a Multiboot kernel that is right, which a
// test then breaks in one place; and a file of given bytes in a directory that goes away with the test.
#ifndef TESTS_MACHINE_KERNEL_BUILDER_H
#define TESTS_MACHINE_KERNEL_BUILDER_H

#include "base/error.h"
#include "mmu/ram.h"
#include "ringshade.h"

#include <stddef.h>
#include <stdint.h>

#define KERNEL_FILE_MAX (64u << 10)

struct kernel_file {
    uint8_t bytes[KERNEL_FILE_MAX];
    size_t size;
};

// A directory of its own and the files in it.
struct scratch {
    char directory[64];
    char paths[8][128];
    unsigned count;
};

void scratch_create(struct scratch *scratch);
void scratch_destroy(struct scratch *scratch);
const char *scratch_write(struct scratch *scratch, const char *name, const void *bytes, size_t size);

void put16(uint8_t *at, unsigned value);
void put32(uint8_t *at, uint32_t value);

// A bzImage of protocol 2.12 for i386: four setup sectors, a payload of 4 KiB whose bytes are their own offset modulo
// 251, relocatable, pref_address 16 MiB, init_size 1 MiB, initrd_addr_max 7FFFFFFFh, cmdline_size 2047.
#define BZIMAGE_SETUP_SIZE   (5u * 512)
#define BZIMAGE_PAYLOAD_SIZE 4096u
void build_bzimage(struct kernel_file *file);

// An ELF32 kernel with a Multiboot header at offset 100h: one segment of 4 KiB from file offset 0 to physical 1 MiB
// (virtual C0100000h), 8 KiB in memory, entry at its byte 200h.
#define ELF_KERNEL_SIZE   4096u
#define ELF_KERNEL_HEADER 0x100u
void build_multiboot_elf(struct kernel_file *file);

// A flat image whose Multiboot header at offset 40h describes it: load address 2 MiB, all of the file (4 KiB), bss to
// 2 MiB + 16 KiB, entry at its byte 80h.
#define FLAT_KERNEL_SIZE   4096u
#define FLAT_KERNEL_HEADER 0x40u
void build_multiboot_flat(struct kernel_file *file);

// Sets flags and mends the checksum of the Multiboot header at `header`.
void set_multiboot_flags(struct kernel_file *file, size_t header, uint32_t flags);

#endif
