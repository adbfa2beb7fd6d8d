// One translated block as a reader wants it: its guest instructions with class and reason, and the host code that each
// becomes. The host code is the translator's own, made anew from the guest bytes and the mode.
#ifndef APP_BLOCK_VIEW_H
#define APP_BLOCK_VIEW_H

#include "ringshade.h"

#include <stdbool.h>
#include <stdint.h>

#define BLOCK_VIEW_LINES 64

struct block_view_line {
    uint32_t linear;
    unsigned length;        // bytes of the instruction
    const char *class_name; // translator/table.h
    const char *kind_name;
    const char *why; // the table's reason, or NULL
    char text[128];  // the guest instruction
    char *host;      // lines of host code, each with a newline; "" if there is none
};

struct block_view {
    unsigned count;
    struct block_view_line lines[BLOCK_VIEW_LINES];
    char *tail; // the out-of-line host code, likewise
};

// A viewer keeps the disassemblers. NULL when memory is out.
struct block_view_viewer *block_view_create(void);
void block_view_destroy(struct block_view_viewer *viewer);

// Fills `view` with the block of `size` guest bytes at `linear` in `mode` (enum mode_bit of translator/abi.h). Returns
// 0, or -1 with err filled when the bytes cannot be translated. End with block_view_free either way.
int block_view_make(struct block_view_viewer *viewer, struct block_view *view, const uint8_t *bytes, uint32_t size,
                    uint32_t linear, uint32_t mode, struct ringshade_error *err);
void block_view_free(struct block_view *view);

#endif
