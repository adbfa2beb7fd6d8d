// Builders of the synthetic kernels. Offsets are written out here on their own, not taken from the loaders, so that a
// wrong one there shows.
#include "tests/machine/kernel_builder.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void scratch_create(struct scratch *scratch) {
    *scratch = (struct scratch){.directory = "/tmp/ringshade-test-XXXXXX"};
    if (!mkdtemp(scratch->directory))
        abort();
}

void scratch_destroy(struct scratch *scratch) {
    for (unsigned i = 0; i < scratch->count; i++)
        unlink(scratch->paths[i]);
    rmdir(scratch->directory);
}

const char *scratch_write(struct scratch *scratch, const char *name, const void *bytes, size_t size) {
    assert(scratch->count < 8);
    char *path = scratch->paths[scratch->count++];
    strcpy(path, scratch->directory);
    strcat(path, "/");
    strncat(path, name, sizeof scratch->paths[0] - sizeof scratch->directory - 2);
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(bytes, 1, size, file) != size || fclose(file))
        abort();
    return path;
}

void put16(uint8_t *at, unsigned value) {
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
}

void put32(uint8_t *at, uint32_t value) {
    put16(at, value & 0xffff);
    put16(at + 2, value >> 16);
}

static void fill_pattern(uint8_t *at, size_t size) {
    for (size_t i = 0; i < size; i++)
        at[i] = (uint8_t)(i % 251);
}

void build_bzimage(struct kernel_file *file) {
    memset(file, 0, sizeof *file);
    uint8_t *b = file->bytes;
    b[0x1f1] = 4;
    put32(b + 0x1f4, BZIMAGE_PAYLOAD_SIZE / 16);
    put16(b + 0x1fe, 0xaa55);
    b[0x200] = 0xeb;
    b[0x201] = 0x66;
    memcpy(b + 0x202, "HdrS", 4);
    put16(b + 0x206, 0x020c);
    b[0x211] = 0x01 | 0x40 | 0x80; // loaded high, and two flags that the loader must clear
    put32(b + 0x214, 0x00100000);
    put32(b + 0x22c, 0x7fffffff);
    put32(b + 0x230, 0x00200000);
    b[0x234] = 1;
    put32(b + 0x238, 2047);
    put32(b + 0x258, 16u << 20);
    put32(b + 0x260, 1u << 20);
    fill_pattern(b + BZIMAGE_SETUP_SIZE, BZIMAGE_PAYLOAD_SIZE);
    file->size = BZIMAGE_SETUP_SIZE + BZIMAGE_PAYLOAD_SIZE;
}

void set_multiboot_flags(struct kernel_file *file, size_t header, uint32_t flags) {
    put32(file->bytes + header, 0x1badb002);
    put32(file->bytes + header + 4, flags);
    put32(file->bytes + header + 8, 0u - 0x1badb002u - flags);
}

void build_multiboot_elf(struct kernel_file *file) {
    memset(file, 0, sizeof *file);
    uint8_t *b = file->bytes;
    fill_pattern(b, ELF_KERNEL_SIZE);
    memset(b, 0, 0x200);
    memcpy(b,
           "\x7f"
           "ELF\x01\x01\x01",
           7);
    put16(b + 16, 2); // ET_EXEC
    put16(b + 18, 3); // EM_386
    put32(b + 20, 1);
    put32(b + 24, 0xc0100200);
    put32(b + 28, 52);
    put16(b + 40, 52);
    put16(b + 42, 32);
    put16(b + 44, 1);
    uint8_t *p = b + 52;
    put32(p, 1); // PT_LOAD
    put32(p + 4, 0);
    put32(p + 8, 0xc0100000);
    put32(p + 12, 0x00100000);
    put32(p + 16, ELF_KERNEL_SIZE);
    put32(p + 20, 2 * ELF_KERNEL_SIZE);
    put32(p + 24, 7);
    put32(p + 28, 4096);
    set_multiboot_flags(file, ELF_KERNEL_HEADER, 3);
    file->size = ELF_KERNEL_SIZE;
}

void build_multiboot_flat(struct kernel_file *file) {
    memset(file, 0, sizeof *file);
    uint8_t *b = file->bytes;
    fill_pattern(b, FLAT_KERNEL_SIZE);
    set_multiboot_flags(file, FLAT_KERNEL_HEADER, 0x10003);
    put32(b + FLAT_KERNEL_HEADER + 12, 0x00200000 + FLAT_KERNEL_HEADER);
    put32(b + FLAT_KERNEL_HEADER + 16, 0x00200000);
    put32(b + FLAT_KERNEL_HEADER + 20, 0);
    put32(b + FLAT_KERNEL_HEADER + 24, 0x00200000 + 16384);
    put32(b + FLAT_KERNEL_HEADER + 28, 0x00200080);
    file->size = FLAT_KERNEL_SIZE;
}
