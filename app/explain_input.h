// What `ringshade explain` reads: machine code as raw bytes, as hexadecimal text, or in a 32-bit ELF file.
#ifndef APP_EXPLAIN_INPUT_H
#define APP_EXPLAIN_INPUT_H

#include "ringshade.h"

#include <stdint.h>

#define EXPLAIN_BYTES_MAX    (16u << 20)
#define EXPLAIN_SECTIONS_MAX 64u

enum explain_format { EXPLAIN_AUTO, EXPLAIN_RAW, EXPLAIN_HEX, EXPLAIN_ELF };

struct explain_section {
    uint32_t address; // linear, of the first byte
    uint32_t size;
    const uint8_t *bytes;
};

struct explain_input {
    uint8_t *data; // what was read, and for text what it says
    uint32_t size;
    unsigned count;
    struct explain_section sections[EXPLAIN_SECTIONS_MAX]; // of an ELF file, its executable segments
};

// Reads the file at `path`, or standard input for "-". `address` is where raw bytes and text begin. Returns 0, or -1
// with err filled by a line that names the file: it cannot be read, is empty, too large, or not what `format` says.
int explain_input_read(struct explain_input *input, const char *path, enum explain_format format, uint32_t address,
                       struct ringshade_error *err);
void explain_input_free(struct explain_input *input);

#endif
