// A file of the guest's: read whole into the host's memory, or kept open, so that a reset can load it again.
#ifndef MACHINE_FILE_IMAGE_H
#define MACHINE_FILE_IMAGE_H

#include "base/error.h"
#include "mmu/ram.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FILE_IMAGE_MAX (3584ull << 20) // bytes: no guest has more RAM than this

struct file_image {
    char *role; // "kernel", "initrd", "module": how an error text calls it
    char *path;
    uint8_t *data; // NULL where no file was read
    uint64_t size;
    bool open; // the content is that of fd
    int fd;
};

// Reads a file of any kind that can be read to its end. Returns 0, or -1 with err filled: it cannot be opened or read,
// it is a directory, it is empty, it is larger than FILE_IMAGE_MAX. The image is left empty then.
int file_image_read(struct file_image *image, const char *role, const char *path, struct error *err);

// The same, but a regular file is kept open instead: for one that is large and goes into RAM as it is. Who replaces the
// file (rename) changes nothing; who writes into it changes what the next reset loads.
int file_image_open(struct file_image *image, const char *role, const char *path, struct error *err);

// Puts the content into RAM at gpa. Returns 0, or -1 with err filled: it does not fit there, or cannot be read.
int file_image_place(const struct file_image *image, struct ram *ram, uint64_t gpa, struct error *err);

// Frees what file_image_read or file_image_open took. An image of zero bytes all over is allowed.
void file_image_free(struct file_image *image);

// Fills err with "ROLE PATH: text" and returns -1. A long path is shortened at its front, so that the reason fits.
int file_image_error(const struct file_image *image, struct error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// Little-endian fields of a file or of a structure being built. The caller has checked the bounds.
static inline uint16_t get_le16(const uint8_t *at) {
    return (uint16_t)(at[0] | at[1] << 8);
}

static inline uint32_t get_le32(const uint8_t *at) {
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static inline void put_le32(uint8_t *at, uint32_t value) {
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

static inline void put_le64(uint8_t *at, uint64_t value) {
    put_le32(at, (uint32_t)value);
    put_le32(at + 4, (uint32_t)(value >> 32));
}

#endif
