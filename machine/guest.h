// The guest's files and texts, and their way into guest RAM: at the start and at every reset.
#ifndef MACHINE_GUEST_H
#define MACHINE_GUEST_H

#include "base/error.h"
#include "cpu/cpu.h"
#include "machine/file_image.h"
#include "mmu/ram.h"
#include "ringshade.h"

#include <stddef.h>

enum guest_kind { GUEST_LINUX, GUEST_MULTIBOOT };

struct guest_module {
    struct file_image file;
    char *args; // never NULL in an open guest
};

struct guest {
    enum guest_kind kind;
    struct file_image kernel;
    struct file_image initrd; // Linux only; its size is 0 where there is none
    char *append;             // never NULL in an open guest
    struct guest_module modules[RINGSHADE_MODULES_MAX];
    size_t module_count;
};

// Reads all files and finds out what the kernel is. Returns 0, or -1 with err filled; guest is empty then.
int guest_open(struct guest *guest, const struct ringshade_guest *request, struct error *err);

// Frees what guest_open took. A guest of zero bytes all over is allowed.
void guest_close(struct guest *guest);

// Places everything in RAM, which must be all zero, and fills the state of the kernel's first instruction. Returns 0,
// or -1 with err filled: the kernel's headers are wrong, or the memory is too small for what was given.
int guest_place(const struct guest *guest, struct ram *ram, struct cpu_state *state, struct error *err);

#endif
