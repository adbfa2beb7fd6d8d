// The interrupt controllers and timers of the PC, as tests use them. IRQ n comes in at vector IRQ_VECTOR + n. Intel
// 8259A and 8254 data sheets, Motorola MC146818.
#ifndef RT_PC_H
#define RT_PC_H

#include "exec.h"

enum { IRQ_VECTOR = 0x30, IRQ_TIMER = 0, IRQ_CASCADE = 2, IRQ_COM1 = 4, IRQ_RTC = 8 };
enum { PIC1 = 0x20, PIC2 = 0xa0, PIT_HZ = 1193182 };
enum {
    RTC_SECONDS = 0,
    RTC_MINUTES = 2,
    RTC_HOURS = 4,
    RTC_DAY = 7,
    RTC_MONTH = 8,
    RTC_YEAR = 9,
    RTC_A = 10,
    RTC_B = 11,
    RTC_C = 12,
    RTC_D = 13
};

void pic_init(void);           // both remapped, everything masked
void pic_unmask(unsigned irq); // and the cascade if it is one of the second controller
void pic_mask(unsigned irq);
void irq_open(unsigned irq,
              trap_hook hook); // with interrupts off and the controllers fresh: this one alone comes through
void irq_close(unsigned irq);  // interrupts off, and it masked
void pic_eoi(unsigned irq);    // non-specific, to both where needed
u16 pic_irr(void);
u16 pic_isr(void);

enum { PIT_ONE_SHOT = 0, PIT_RATE = 2, PIT_SQUARE = 3 };
void pit_start(u8 channel, u8 mode, u16 count);
u16 pit_count(u8 channel);

u8 rtc_read(u8 reg);
void rtc_write(u8 reg, u8 value);

static inline void sti(void) {
    __asm__ volatile("sti" ::: "memory");
}
static inline void cli(void) {
    __asm__ volatile("cli" ::: "memory");
}
// Waits with interrupts off until an interrupt stands in the IRR; false if it does not come in some seconds.
bool wait_pending(unsigned irq);

#endif
