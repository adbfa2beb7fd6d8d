// Serial output on COM1 (16550, polled, no interrupts) and a small printf.
#include "rt.h"

#include <stdarg.h>

enum {
    COM1 = 0x3f8,
    UART_DATA = 0,
    UART_IER = 1,
    UART_FCR = 2,
    UART_LCR = 3,
    UART_MCR = 4,
    UART_LSR = 5,
    LSR_DATA_READY = 1 << 0,
    LSR_THRE = 1 << 5,
    THRE_TRIES = 1000000,
};

void serial_init(void) {
    outb(COM1 + UART_IER, 0);
    outb(COM1 + UART_LCR, 0x80);
    outb(COM1 + 0, 1); // 115200 baud
    outb(COM1 + 1, 0);
    outb(COM1 + UART_LCR, 0x03); // 8N1
    outb(COM1 + UART_FCR, 0x07);
    outb(COM1 + UART_MCR, 0x03);
}

void serial_put(char c) {
    for (unsigned i = 0; i < THRE_TRIES && !(inb(COM1 + UART_LSR) & LSR_THRE); i++)
        ;
    outb(COM1 + UART_DATA, (u8)c);
}

int serial_get(void) {
    return inb(COM1 + UART_LSR) & LSR_DATA_READY ? inb(COM1 + UART_DATA) : -1;
}

static void put_string(const char *s, unsigned width) {
    size_t length = strlen(s);
    for (; *s; s++)
        serial_put(*s);
    for (; length < width; length++)
        serial_put(' ');
}

static void put_number(u64 value, unsigned base, unsigned width, char pad) {
    char digits[24];
    unsigned n = 0;
    do {
        u32 digit = base == 16 ? (u32)(value & 15) : (u32)value % 10u;
        digits[n++] = "0123456789abcdef"[digit];
        value = base == 16 ? value >> 4 : (u32)value / 10u;
    } while (value);
    while (n < width && n < sizeof digits)
        digits[n++] = pad;
    while (n)
        serial_put(digits[--n]);
}

void print(const char *format, ...) {
    va_list args;
    va_start(args, format);
    for (; *format; format++) {
        if (*format != '%') {
            serial_put(*format);
            continue;
        }
        char pad = ' ';
        unsigned width = 0;
        bool wide = false;
        format++;
        if (*format == '0')
            pad = *format++;
        while (*format >= '0' && *format <= '9')
            width = width * 10 + (unsigned)(*format++ - '0');
        while (*format == 'l') {
            wide = format[1] == 'l' || wide;
            format++;
        }
        switch (*format) {
        case 's': put_string(va_arg(args, const char *), width); break;
        case 'c': serial_put((char)va_arg(args, int)); break;
        case 'x': put_number(wide ? va_arg(args, u64) : va_arg(args, u32), 16, width, pad); break;
        case 'u': put_number(va_arg(args, u32), 10, width, pad); break;
        case 'd': {
            int v = va_arg(args, int);
            if (v < 0)
                serial_put('-');
            put_number(v < 0 ? 0u - (u32)v : (u32)v, 10, width, pad);
            break;
        }
        default: serial_put('%'); break;
        }
    }
    va_end(args);
}
