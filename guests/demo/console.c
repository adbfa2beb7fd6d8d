// Input by interrupts of the UART, time by those of the 8254; the processor halts while there is nothing to do.
#include "demo.h"

enum { COM1 = 0x3f8, IER_RECEIVE = 1, RING = 256 };

static struct {
    volatile u32 ticks;
    volatile u32 head, tail; // of the ring
    char ring[RING];
} console;

static bool on_tick(struct trap_frame *f) {
    (void)f;
    console.ticks++;
    pic_eoi(IRQ_TIMER);
    return true;
}

static bool on_receive(struct trap_frame *f) {
    (void)f;
    for (int c; (c = serial_get()) >= 0;) {
        u32 next = (console.head + 1) % RING;
        if (next != console.tail) {
            console.ring[console.head] = (char)c;
            console.head = next;
        }
    }
    inb(COM1 + 2);
    pic_eoi(IRQ_COM1);
    return true;
}

void console_init(void) {
    pic_init();
    hook_set(IRQ_VECTOR + IRQ_TIMER, on_tick);
    hook_set(IRQ_VECTOR + IRQ_COM1, on_receive);
    pit_start(0, PIT_RATE, PIT_HZ / TICK_HZ);
    outb(COM1 + 2, 0x01); // FIFO on, threshold one byte, nothing dropped
    outb(COM1 + 4, 0x0b); // OUT2 lets interrupts through
    outb(COM1 + 1, IER_RECEIVE);
    pic_unmask(IRQ_TIMER);
    pic_unmask(IRQ_COM1);
    sti();
}

u32 console_ticks(void) {
    return console.ticks;
}

static char get(void) {
    cli();
    while (console.head == console.tail)
        __asm__ volatile("sti; hlt; cli" ::: "memory");
    char c = console.ring[console.tail];
    console.tail = (console.tail + 1) % RING;
    sti();
    return c;
}

int console_read(char *line) {
    int length = 0;
    for (;;) {
        char c = get();
        if (c == '\r' || c == '\n') {
            print("\r\n");
            line[length] = 0;
            return length;
        }
        if ((c == 8 || c == 127) && length > 0) {
            length--;
            print("\b \b");
        } else if (c >= ' ' && c < 127 && length < LINE_MAX - 1) {
            line[length++] = c;
            serial_put(c);
        }
    }
}
