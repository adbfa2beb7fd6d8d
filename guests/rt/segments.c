// Descriptor tables. Everything is rebuilt from nothing between tests, so that no test sees another's descriptors.
#include "segments.h"

#include "exec.h"

enum { STUB_SIZE = 16 };

u64 gdt[GDT_ENTRIES] __attribute__((aligned(16)));
u64 idt[256] __attribute__((aligned(16)));
struct tss tss __attribute__((aligned(16)));
extern u8 trap_stubs[], rt_trap_stack_top[];

u64 descriptor(u32 base, u32 limit, u8 access, u8 flags) {
    u32 low = (base << 16) | (limit & 0xffff);
    u32 high = (base & 0xff000000) | (u32)flags << 20 | (limit & 0xf0000) | (u32)access << 8 | (base >> 16 & 0xff);
    return (u64)high << 32 | low;
}

u64 gate(u16 selector, u32 offset, u8 access, u8 parameters) {
    u32 low = (u32)selector << 16 | (offset & 0xffff);
    u32 high = (offset & 0xffff0000) | (u32)access << 8 | parameters;
    return (u64)high << 32 | low;
}

void gdt_set(u16 selector, u32 base, u32 limit, u8 access, u8 flags) {
    gdt[selector >> 3] = descriptor(base, limit, access, flags);
}

struct table_register {
    u16 limit;
    u32 base;
} __attribute__((packed));

void gdt_load(u32 base, u16 limit) {
    struct table_register r = {limit, base};
    __asm__ volatile("lgdt %0" ::"m"(r) : "memory");
}

void idt_load(u32 base, u16 limit) {
    struct table_register r = {limit, base};
    __asm__ volatile("lidt %0" ::"m"(r) : "memory");
}

void idt_set_dpl(u8 vector, u8 ring) {
    u32 high = (u32)(idt[vector] >> 32);
    high = (high & ~0x6000u) | (u32)ring << 13;
    idt[vector] = (u64)high << 32 | (u32)idt[vector];
}

void segments_reset(void) {
    memset(gdt, 0, sizeof gdt);
    gdt_set(SEL_KCODE, 0, 0xfffff, SEG_CODE, SEG_G | SEG_D);
    gdt_set(SEL_KDATA, 0, 0xfffff, SEG_DATA, SEG_G | SEG_D);
    gdt_set(SEL_UCODE, 0, 0xfffff, SEG_CODE | SEG_DPL3, SEG_G | SEG_D);
    gdt_set(SEL_UDATA, 0, 0xfffff, SEG_DATA | SEG_DPL3, SEG_G | SEG_D);
    memset(&tss, 0, offsetof(struct tss, io_bitmap));
    memset(tss.io_bitmap, 0xff, sizeof tss.io_bitmap);
    tss.ss0 = SEL_KDATA;
    tss.esp0 = (u32)rt_trap_stack_top;
    tss.iomap = offsetof(struct tss, io_bitmap);
    gdt_set(SEL_TSS, (u32)&tss, sizeof tss - 1, SYS_TSS, 0);
    for (unsigned v = 0; v < 256; v++)
        idt[v] = gate(SEL_KCODE, (u32)trap_stubs + v * STUB_SIZE, GATE_INT, 0);
    idt_set_dpl(EXEC_DONE, 3);
    gdt_load((u32)gdt, sizeof gdt - 1);
    idt_load((u32)idt, sizeof idt - 1);
    __asm__ volatile("mov %0, %%ds; mov %0, %%es; mov %0, %%fs; mov %0, %%gs; mov %0, %%ss\n\t"
                     "ljmp %1, $1f\n1:\n\t"
                     "lldt %w2\n\t"
                     "ltr %w3" ::"r"(SEL_KDATA),
                     "i"(SEL_KCODE), "r"(0), "r"(SEL_TSS)
                     : "memory");
}

void segments_init(void) {
    segments_reset();
}
