// The state at a kernel's first instruction (Documentation/arch/x86/boot.rst, "32-bit boot protocol"; Multiboot
// specification 0.6.96, section 3.2). Descriptor layout: Intel SDM, vol. 3A, section 3.4.5.
#include "machine/entry_state.h"

#include "machine/file_image.h"

#include <string.h>

#define ATTR_CODE_FLAT 0xc9bu // G, D, present, DPL 0, execute and read, accessed
#define ATTR_DATA_FLAT 0xc93u // G, B, present, DPL 0, read and write, accessed
#define ATTR_LDT       0x082u // present, LDT
#define ATTR_TSS_BUSY  0x08bu // present, busy 32-bit TSS

#define CR0_PE       0x00000001u
#define CR0_ET       0x00000010u
#define EFLAGS_FIXED 0x00000002u
#define DR6_FIXED    0xffff0ff0u
#define DR7_FIXED    0x00000400u

static void put_flat_descriptor(uint8_t *at, uint32_t attr) {
    put_le32(at, 0x0000ffffu);
    put_le32(at + 4, (attr & 0xffu) << 8 | 0xfu << 16 | (attr >> 8) << 20);
}

void entry_gdt_fill(uint8_t gdt[ENTRY_GDT_SIZE]) {
    memset(gdt, 0, ENTRY_GDT_SIZE);
    put_flat_descriptor(gdt + ENTRY_CS_SELECTOR, ATTR_CODE_FLAT);
    put_flat_descriptor(gdt + ENTRY_DS_SELECTOR, ATTR_DATA_FLAT);
}

void entry_state_fill(struct cpu_state *state, uint32_t gdt_base) {
    *state = (struct cpu_state){
        .eflags = EFLAGS_FIXED,
        .cr0 = CR0_PE | CR0_ET,
        .ldtr = {.attr = ATTR_LDT, .limit = 0xffff},
        .tr = {.attr = ATTR_TSS_BUSY, .limit = 0xffff},
        .gdt_base = gdt_base,
        .gdt_limit = ENTRY_GDT_SIZE - 1,
    };
    for (int i = 0; i < CPU_SEG_COUNT; i++)
        state->seg[i] = (struct cpu_segment){ENTRY_DS_SELECTOR, ATTR_DATA_FLAT, 0, 0xffffffffu};
    state->seg[CPU_SEG_CS] = (struct cpu_segment){ENTRY_CS_SELECTOR, ATTR_CODE_FLAT, 0, 0xffffffffu};
    state->dr[6] = DR6_FIXED;
    state->dr[7] = DR7_FIXED;
}
