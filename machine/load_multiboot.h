// Loading of a Multiboot 1 kernel (Multiboot specification, version 0.6.96): ELF32, or an image that its own header
// describes (the "a.out kludge"), with modules.
#ifndef MACHINE_LOAD_MULTIBOOT_H
#define MACHINE_LOAD_MULTIBOOT_H

#include "machine/guest.h"

#include <stdbool.h>

#define MULTIBOOT_SEARCH       8192u // the header lies in the first bytes of the file
#define MULTIBOOT_HEADER_MAGIC 0x1badb002u
#define MULTIBOOT_BOOTED_MAGIC 0x2badb002u // EAX at the first instruction
#define MULTIBOOT_LOW_START    0x10000u    // the information block goes to low memory from here on if it can
#define MULTIBOOT_LOW_END      0x9f000u
#define MULTIBOOT_STACK        0x0f000u // ESP; the specification leaves it open

// True if a header with a right checksum is in the searched part of the file.
bool load_multiboot_recognises(const struct file_image *kernel);

// See guest_place. The kernel's command line is its path, a blank and guest->append; a module's text is its path, a
// blank and its arguments; without the blank where nothing follows.
int load_multiboot(const struct guest *guest, struct ram *ram, struct cpu_state *state, struct error *err);

#endif
