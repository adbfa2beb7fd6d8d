// What `ringshade explain --gdb` reads: code of a guest that runs or waits, through its gdb port.
#ifndef APP_EXPLAIN_GUEST_H
#define APP_EXPLAIN_GUEST_H

#include "app/explain_input.h"

#include <stdbool.h>

#define EXPLAIN_GUEST_LENGTH 64u // bytes, where no length is given

// What the guest's processor says of the code that it runs.
struct explain_mode {
    unsigned bits; // 16 or 32
    unsigned cpl;
    bool real, v86;
};

// Reads `length` bytes from linear address `address`, or from where the guest stands for NULL, at the gdb port `where`
// ("unix:PATH" or a TCP port of 127.0.0.1). The guest stops for it and goes on afterwards. Less is read where memory
// ends. Returns 0, or -1 with err filled: no such port, a debugger is there already, or nothing can be read.
int explain_guest_read(struct explain_input *input, const char *where, const uint32_t *address, uint32_t length,
                       struct explain_mode *mode, struct ringshade_error *err);

#endif
