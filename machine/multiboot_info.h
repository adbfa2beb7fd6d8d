// The information block that a Multiboot kernel gets in EBX (Multiboot specification 0.6.96, section 3.3), with all
// that it points to: module list, memory map, texts, and the descriptor table of the entry state.
#ifndef MACHINE_MULTIBOOT_INFO_H
#define MACHINE_MULTIBOOT_INFO_H

#include "machine/guest.h"

#include <stdint.h>

struct multiboot_info {
    struct {
        uint32_t start, end;
    } modules[RINGSHADE_MODULES_MAX];
    unsigned module_count;
    uint32_t gdt_address; // filled by multiboot_info_store
};

// Notes the physical addresses of the next module.
void multiboot_info_add_module(struct multiboot_info *info, uint32_t start, uint32_t end);

// Bytes that the block takes for this guest.
uint64_t multiboot_info_size(const struct guest *guest);

// Builds the block and writes it to RAM at `address`. Returns 0, or -1 with err filled.
int multiboot_info_store(struct multiboot_info *info, const struct guest *guest, struct ram *ram, uint32_t address,
                         struct error *err);

#endif
