// The UART in loopback: bytes, status bits, modem lines, FIFO, divisor latch (NS16550 data sheet).
#include "pc.h"

enum {
    COM1 = 0x3f8,
    DATA = COM1,
    IER = COM1 + 1,
    IIR = COM1 + 2,
    FCR = COM1 + 2,
    LCR = COM1 + 3,
    MCR = COM1 + 4,
    LSR = COM1 + 5,
    MSR = COM1 + 6,
    SCR = COM1 + 7,
    LSR_DR = 1,
    LSR_THRE = 0x20,
    LSR_TEMT = 0x40,
    MCR_LOOP = 0x10,
    LCR_DLAB = 0x80,
};

static bool wait_for(u8 bit) {
    for (u32 i = 0; i < 2000000; i++)
        if (inb(LSR) & bit)
            return true;
    return false;
}

static void loop_on(void) {
    wait_for(LSR_TEMT);
    outb(FCR, 0x07);
    outb(MCR, MCR_LOOP);
}

static void loop_off(void) {
    outb(FCR, 0x07);
    serial_init();
}

TEST(uart_loopback) {
    u32 sum = 0, count = 0;
    loop_on();
    for (u32 i = 0; i < 64; i++) {
        outb(DATA, (u8)(i * 37 + 1));
        if (!wait_for(LSR_DR))
            break;
        sum += inb(DATA) == (u8)(i * 37 + 1);
        count++;
    }
    u8 empty = inb(LSR) & LSR_DR;
    loop_off();
    CHECK_EQ("bytes came", count, 64);
    CHECK_EQ("bytes right", sum, 64);
    CHECK_EQ("empty at the end", empty, 0);
}

TEST(uart_modem_lines) { // in loopback MSR's upper half mirrors MCR: DTR RTS OUT1 OUT2 become DSR CTS RI DCD
    u8 got[4];
    static const u8 mcr[4] = {1, 2, 4, 8}, expected[4] = {0x20, 0x10, 0x40, 0x80};
    loop_on();
    for (unsigned i = 0; i < 4; i++) {
        outb(MCR, MCR_LOOP | mcr[i]);
        got[i] = inb(MSR) & 0xf0;
    }
    loop_off();
    for (unsigned i = 0; i < 4; i++)
        CHECK_EQ("line", got[i], expected[i]);
}

TEST(uart_fifo) { // sixteen bytes are kept in order
    u8 got[16];
    loop_on();
    for (u32 i = 0; i < 16; i++) {
        outb(DATA, (u8)(0xa0 + i));
        wait_for(LSR_THRE);
    }
    for (u32 i = 0; i < 16; i++) {
        wait_for(LSR_DR);
        got[i] = inb(DATA);
    }
    loop_off();
    for (u32 i = 0; i < 16; i++)
        CHECK_EQ("byte", got[i], 0xa0 + i);
}

TEST(uart_registers) {
    for (u32 i = 0; i < 256; i += 17) {
        outb(SCR, (u8)i);
        CHECK_EQ("scratch", inb(SCR), i);
    }
    wait_for(LSR_TEMT);
    u8 lcr = inb(LCR);
    outb(LCR, lcr | LCR_DLAB);
    outb(DATA, 0x34);
    outb(IER, 0x12);
    u8 low = inb(DATA), high = inb(IER);
    outb(DATA, 1);
    outb(IER, 0);
    outb(LCR, lcr);
    CHECK_EQ("divisor low", low, 0x34);
    CHECK_EQ("divisor high", high, 0x12);
    CHECK_EQ("LCR", inb(LCR), lcr);
    outb(IER, 0x0f);
    u8 ier = inb(IER);
    outb(IER, 0);
    CHECK_EQ("IER", ier, 0x0f);
    outb(FCR, 1);
    CHECK_EQ("FIFOs on", inb(IIR) & 0xc0, 0xc0);
    outb(FCR, 0);
    CHECK_EQ("FIFOs off", inb(IIR) & 0xc0, 0);
    serial_init();
}

TEST(uart_absent_ports) { // COM2 is not there: all ones
    CHECK_EQ("COM2", inb(0x2f8 + 7), 0xff);
    CHECK_EQ("word", inw(0x2f0), 0xffff);
    CHECK_EQ("dword", inl(0x2f0), 0xffffffff);
}
