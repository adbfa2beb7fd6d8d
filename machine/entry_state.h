// The processor state in which both 32-bit boot protocols start a kernel: protected mode, paging off, flat segments.
#ifndef MACHINE_ENTRY_STATE_H
#define MACHINE_ENTRY_STATE_H

#include "cpu/cpu.h"

#include <stdint.h>

#define ENTRY_CS_SELECTOR 0x10u // Linux's __BOOT_CS
#define ENTRY_DS_SELECTOR 0x18u // Linux's __BOOT_DS
#define ENTRY_GDT_SIZE    32u   // bytes: null, unused, code, data

// Fills the descriptor table that goes with the two selectors.
void entry_gdt_fill(uint8_t gdt[ENTRY_GDT_SIZE]);

// Fills state: CS and the data segments flat 4 GiB, interrupts off, paging off, the general registers 0, no usable
// IDT, GDTR at gdt_base.
void entry_state_fill(struct cpu_state *state, uint32_t gdt_base);

#endif
