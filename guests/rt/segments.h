// Descriptor tables of the test guests: a flat GDT with room for descriptors of a test's own, one TSS, the IDT.
// Intel SDM vol. 3A, 3.4.5 (segment descriptors), 6.11 (gates), 7.2 (TSS).
#ifndef RT_SEGMENTS_H
#define RT_SEGMENTS_H

#include "rt.h"

enum {
    SEL_KCODE = 0x08, // in the order that SYSENTER and SYSEXIT want
    SEL_KDATA = 0x10,
    SEL_UCODE = 0x1b,
    SEL_UDATA = 0x23,
    SEL_TSS = 0x28,
    SEL_LDT = 0x30,
    SEL_FREE = 0x40, // from here on a test may define its own
    GDT_ENTRIES = 64,
};

// Access byte: P, DPL, S, type.
enum {
    SEG_P = 0x80,
    SEG_DPL3 = 0x60,
    SEG_S = 0x10,
    SEG_CODE = 0x9a,         // present, ring 0, readable
    SEG_CODE_XO = 0x98,      // execute only
    SEG_CODE_CONFORM = 0x9e, // conforming, readable
    SEG_DATA = 0x92,         // present, ring 0, writable
    SEG_DATA_RO = 0x90,
    SEG_DATA_DOWN = 0x96, // expand-down, writable
    SEG_ACCESSED = 0x01,
    SYS_LDT = 0x82,
    SYS_TSS = 0x89,
    SYS_TSS_BUSY = 0x8b,
    GATE_CALL = 0x8c,
    GATE_CALL16 = 0x84,
    GATE_INT = 0x8e,
    GATE_TRAP = 0x8f,
    GATE_INT16 = 0x86,
    GATE_TASK = 0x85,
};
enum { SEG_G = 8, SEG_D = 4, SEG_AVL = 1 }; // flags nibble

struct tss {
    u32 link, esp0, ss0, esp1, ss1, esp2, ss2, cr3, eip, eflags;
    u32 eax, ecx, edx, ebx, esp, ebp, esi, edi, es, cs, ss, ds, fs, gs, ldt;
    u16 trap, iomap;
    u8 io_bitmap[8192 + 1];
} __attribute__((packed));

extern u64 gdt[GDT_ENTRIES];
extern u64 idt[256];
extern struct tss tss;

void segments_init(void);
void segments_reset(void); // back to the state of segments_init

// limit is in units of the granularity; flags is the nibble SEG_G | SEG_D | SEG_AVL.
u64 descriptor(u32 base, u32 limit, u8 access, u8 flags);
u64 gate(u16 selector, u32 offset, u8 access, u8 parameters);
// Defines the descriptor of a selector (its RPL is ignored).
void gdt_set(u16 selector, u32 base, u32 limit, u8 access, u8 flags);
void gdt_load(u32 base, u16 limit);
void idt_load(u32 base, u16 limit);
void idt_set_dpl(u8 vector, u8 dpl);
static inline u8 dpl(unsigned ring) {
    return (u8)(ring << 5);
}

#endif
