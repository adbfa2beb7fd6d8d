// Loading of a Linux bzImage by the 32-bit boot protocol (Documentation/arch/x86/boot.rst in the kernel's sources).
#ifndef MACHINE_LOAD_LINUX_H
#define MACHINE_LOAD_LINUX_H

#include "machine/guest.h"

#include <stdbool.h>

// Where things go in low memory; nothing else of the machine's lives there.
#define LINUX_GDT_ADDRESS       0x0f000u
#define LINUX_ZERO_PAGE_ADDRESS 0x10000u
#define LINUX_CMDLINE_ADDRESS   0x20000u
#define LINUX_CMDLINE_MAX       0x10000u // bytes with the final NUL
#define LINUX_LOAD_ADDRESS      0x100000u

// True if the file has the signatures of a Linux setup header, whatever its version.
bool load_linux_recognises(const struct file_image *kernel);

// See guest_place. The kernel must speak protocol 2.04 or later and be a 32-bit bzImage.
int load_linux(const struct guest *guest, struct ram *ram, struct cpu_state *state, struct error *err);

#endif
