// PIC, PIT and RTC.
#include "pc.h"

void pic_init(void) {
    outb(PIC1, 0x11); // ICW1: edge, cascade, ICW4
    outb(PIC2, 0x11);
    outb(PIC1 + 1, IRQ_VECTOR);
    outb(PIC2 + 1, IRQ_VECTOR + 8);
    outb(PIC1 + 1, 1 << IRQ_CASCADE);
    outb(PIC2 + 1, IRQ_CASCADE);
    outb(PIC1 + 1, 1); // 8086 mode, normal EOI
    outb(PIC2 + 1, 1);
    outb(PIC1 + 1, 0xff);
    outb(PIC2 + 1, 0xff);
}

void pic_unmask(unsigned irq) {
    if (irq >= 8) {
        outb(PIC2 + 1, (u8)(inb(PIC2 + 1) & ~(1u << (irq - 8))));
        irq = IRQ_CASCADE;
    }
    outb(PIC1 + 1, (u8)(inb(PIC1 + 1) & ~(1u << irq)));
}

void pic_mask(unsigned irq) {
    u16 port = irq >= 8 ? PIC2 + 1 : PIC1 + 1;
    outb(port, (u8)(inb(port) | 1u << (irq & 7)));
}

void irq_open(unsigned irq, trap_hook hook) {
    cli();
    pic_init();
    hook_set((u8)(IRQ_VECTOR + irq), hook);
    pic_unmask(irq);
}

void irq_close(unsigned irq) {
    cli();
    pic_mask(irq);
}

void pic_eoi(unsigned irq) {
    if (irq >= 8)
        outb(PIC2, 0x20);
    outb(PIC1, 0x20);
}

static u16 ocw3(u8 command) {
    outb(PIC1, command);
    outb(PIC2, command);
    return (u16)(inb(PIC1) | inb(PIC2) << 8);
}

u16 pic_irr(void) {
    return ocw3(0x0a);
}
u16 pic_isr(void) {
    return ocw3(0x0b);
}

void pit_start(u8 channel, u8 mode, u16 count) {
    outb(0x43, (u8)(channel << 6 | 0x30 | mode << 1));
    outb((u16)(0x40 + channel), (u8)count);
    outb((u16)(0x40 + channel), (u8)(count >> 8));
}

u16 pit_count(u8 channel) {
    outb(0x43, (u8)(channel << 6)); // latch
    u8 low = inb((u16)(0x40 + channel));
    return (u16)(low | inb((u16)(0x40 + channel)) << 8);
}

u8 rtc_read(u8 reg) {
    outb(0x70, reg | 0x80);
    return inb(0x71);
}

void rtc_write(u8 reg, u8 value) {
    outb(0x70, reg | 0x80);
    outb(0x71, value);
}

bool wait_pending(unsigned irq) {
    for (u32 i = 0; i < 3000000; i++)
        if (pic_irr() >> irq & 1)
            return true;
    return false;
}
