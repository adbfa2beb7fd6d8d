// The controllers' other lines: RTC through the cascade, the UART, priorities, nesting, end of interrupt.
#include "pc.h"

enum { COM1 = 0x3f8, IER_THRE = 2 };
static volatile u32 timer_ticks, rtc_ticks, uart_interrupts, depth, deepest, in_service;
static volatile u8 iir;

static bool on_timer(struct trap_frame *f) {
    (void)f;
    timer_ticks++;
    pic_eoi(IRQ_TIMER);
    return true;
}

static bool on_rtc(struct trap_frame *f) {
    (void)f;
    rtc_ticks++;
    rtc_read(RTC_C); // or no further one comes
    pic_eoi(IRQ_RTC);
    return true;
}

static bool on_uart(struct trap_frame *f) {
    (void)f;
    uart_interrupts++;
    iir = inb(COM1 + 2);
    outb(COM1 + 1, 0);
    pic_eoi(IRQ_COM1);
    return true;
}

TEST(rtc_periodic) {
    cli();
    pic_init();
    rtc_ticks = 0;
    hook_set(IRQ_VECTOR + IRQ_RTC, on_rtc);
    rtc_write(RTC_A, 0x26); // 1,024 Hz
    rtc_write(RTC_B, (u8)(rtc_read(RTC_B) | 0x40));
    rtc_read(RTC_C);
    pic_unmask(IRQ_RTC);
    sti();
    while (rtc_ticks < 50)
        __asm__ volatile("hlt");
    cli();
    rtc_write(RTC_B, (u8)(rtc_read(RTC_B) & ~0x40u));
    pic_mask(IRQ_RTC);
}

// Counts of the 8254 (838 ns each) to spin for before the handler reads register C: once for many periods, so that the
// clock owes interrupts, then for more than half of one. Every one of them must still come as an edge of its own.
static bool on_rtc_slowly(struct trap_frame *f) {
    u16 start = pit_count(2);
    u16 counts = rtc_ticks == 0 ? 12000 : 720;
    while ((u16)(start - pit_count(2)) < counts)
        ;
    return on_rtc(f);
}

TEST(rtc_slow_handler) {
    cli();
    pic_init();
    rtc_ticks = 0;
    hook_set(IRQ_VECTOR + IRQ_RTC, on_rtc_slowly);
    outb(0x61, (u8)((inb(0x61) & ~2u) | 1));
    pit_start(2, PIT_RATE, 0);
    rtc_write(RTC_A, 0x26);
    rtc_write(RTC_B, (u8)(rtc_read(RTC_B) | 0x40));
    rtc_read(RTC_C);
    pic_unmask(IRQ_RTC);
    sti();
    while (rtc_ticks < 60)
        __asm__ volatile("hlt");
    cli();
    rtc_write(RTC_B, (u8)(rtc_read(RTC_B) & ~0x40u));
    pic_mask(IRQ_RTC);
}

TEST(uart_transmitter_empty) {
    cli();
    pic_init();
    uart_interrupts = 0;
    hook_set(IRQ_VECTOR + IRQ_COM1, on_uart);
    outb(COM1 + 4, 0x0b); // DTR, RTS, OUT2
    pic_unmask(IRQ_COM1);
    sti();
    outb(COM1 + 1, IER_THRE);
    while (uart_interrupts == 0)
        ;
    cli();
    CHECK_EQ("IIR", iir & 0x0f, 0x02);
    CHECK_EQ("once", uart_interrupts, 1);
    pic_mask(IRQ_COM1);
}

TEST(priority) { // both wait: the timer comes first
    static volatile u32 order;
    cli();
    pic_init();
    timer_ticks = uart_interrupts = order = 0;
    hook_set(IRQ_VECTOR + IRQ_TIMER, on_timer);
    hook_set(IRQ_VECTOR + IRQ_COM1, on_uart);
    pit_start(0, PIT_ONE_SHOT, 100);
    outb(COM1 + 1, IER_THRE);
    pic_unmask(IRQ_TIMER);
    pic_unmask(IRQ_COM1);
    CHECK(wait_pending(IRQ_TIMER));
    CHECK(wait_pending(IRQ_COM1));
    __asm__ volatile("sti; nop; cli" ::: "memory");
    order = timer_ticks * 2 + uart_interrupts;
    __asm__ volatile("sti; nop; nop; nop; cli" ::: "memory");
    CHECK(order == 2 || order == 3); // the second may follow on the first's return
    CHECK_EQ("timer", timer_ticks, 1);
    CHECK_EQ("uart", uart_interrupts, 1);
    pic_mask(IRQ_TIMER);
    pic_mask(IRQ_COM1);
}

static bool nesting_uart(struct trap_frame *f) { // lower priority: the timer may interrupt it before its EOI
    (void)f;
    uart_interrupts++;
    inb(COM1 + 2);
    outb(COM1 + 1, 0);
    u32 before = timer_ticks;
    in_service = pic_isr();
    sti();
    while (timer_ticks < before + 3)
        ;
    cli();
    pic_eoi(IRQ_COM1);
    return true;
}

TEST(nested) {
    cli();
    pic_init();
    timer_ticks = uart_interrupts = 0;
    hook_set(IRQ_VECTOR + IRQ_TIMER, on_timer);
    hook_set(IRQ_VECTOR + IRQ_COM1, nesting_uart);
    pit_start(0, PIT_RATE, PIT_HZ / 1000);
    pic_unmask(IRQ_TIMER);
    pic_unmask(IRQ_COM1);
    sti();
    outb(COM1 + 1, IER_THRE);
    while (uart_interrupts == 0)
        ;
    cli();
    CHECK(in_service >> IRQ_COM1 & 1);
    CHECK(timer_ticks >= 3);
    pic_mask(IRQ_TIMER);
    pic_mask(IRQ_COM1);
}

static bool without_eoi(struct trap_frame *f) {
    (void)f;
    timer_ticks++;
    return true;
}

TEST(no_end_of_interrupt) { // the line stays in service: nothing of its priority or lower gets through
    cli();
    pic_init();
    timer_ticks = uart_interrupts = 0;
    hook_set(IRQ_VECTOR + IRQ_TIMER, without_eoi);
    hook_set(IRQ_VECTOR + IRQ_COM1, on_uart);
    pit_start(0, PIT_RATE, PIT_HZ / 2000);
    pic_unmask(IRQ_TIMER);
    pic_unmask(IRQ_COM1);
    sti();
    while (timer_ticks == 0)
        ;
    outb(COM1 + 1, IER_THRE);
    for (volatile u32 i = 0; i < 1000000; i++)
        ;
    cli();
    CHECK_EQ("one timer interrupt", timer_ticks, 1);
    CHECK_EQ("no UART interrupt", uart_interrupts, 0);
    CHECK(pic_isr() & 1);
    outb(PIC1, 0x60 | IRQ_TIMER); // specific EOI
    CHECK(!(pic_isr() & 1));
    pic_mask(IRQ_TIMER);
    sti();
    while (uart_interrupts == 0)
        ;
    cli();
    pic_mask(IRQ_COM1);
}

static bool re_enter(struct trap_frame *f) {
    (void)f;
    timer_ticks++;
    if (++depth > deepest)
        deepest = depth;
    pic_eoi(IRQ_TIMER);
    if (depth < 5) {
        u32 before = timer_ticks;
        sti();
        while (timer_ticks == before && timer_ticks < 100)
            ;
        cli();
    }
    depth--;
    return true;
}

TEST(nested_timer) { // the handler lets itself be interrupted, five deep
    cli();
    pic_init();
    timer_ticks = depth = deepest = 0;
    hook_set(IRQ_VECTOR + IRQ_TIMER, re_enter);
    pit_start(0, PIT_RATE, PIT_HZ / 1000);
    pic_unmask(IRQ_TIMER);
    sti();
    while (timer_ticks < 20)
        ;
    cli();
    CHECK_EQ("deepest", deepest, 5);
    CHECK_EQ("left all", depth, 0);
    pic_mask(IRQ_TIMER);
}
