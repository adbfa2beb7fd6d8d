// The 16550A, after the National Semiconductor PC16550D data sheet: registers, receiver FIFO, the interrupt sources and
// their priority, loopback; as wired in a PC, where OUT2 gates the interrupt line. The far end is always there (CTS,
// DSR, DCD). Line errors, breaks and character times do not exist here. It must never lose a byte of input by itself.
#include "devices/ns16550.h"

#include <stdbool.h>
#include <stdlib.h>

#define UART_PORTS 8
#define FIFO_SIZE  16

enum uart_register { UART_DATA, UART_IER, UART_IIR_FCR, UART_LCR, UART_MCR, UART_LSR, UART_MSR, UART_SCR };

#define IER_ERBFI 0x01 // received data available
#define IER_ETBEI 0x02 // transmitter holding register empty
#define IER_ELSI  0x04 // receiver line status
#define IER_EDSSI 0x08 // modem status
#define IER_BITS  0x0f

#define IIR_NONE    0x01
#define IIR_MODEM   0x00
#define IIR_THRE    0x02
#define IIR_DATA    0x04
#define IIR_LINE    0x06
#define IIR_TIMEOUT 0x0c
#define IIR_FIFOS   0xc0

#define FCR_ENABLE        0x01
#define FCR_RX_RESET      0x02
#define FCR_TRIGGER_SHIFT 6

#define LCR_DLAB 0x80

#define MCR_DTR  0x01
#define MCR_RTS  0x02
#define MCR_OUT1 0x04
#define MCR_OUT2 0x08
#define MCR_LOOP 0x10
#define MCR_BITS 0x1f

#define LSR_DR   0x01
#define LSR_OE   0x02
#define LSR_THRE 0x20
#define LSR_TEMT 0x40

#define MSR_DCTS   0x01
#define MSR_DDSR   0x02
#define MSR_TERI   0x04
#define MSR_DDCD   0x08
#define MSR_CTS    0x10
#define MSR_DSR    0x20
#define MSR_RI     0x40
#define MSR_DCD    0x80
#define MSR_DELTAS 0x0f
#define MSR_LINES  0xf0

// A guest without the receive interrupt listens if it reads LSR this much more often than it transmits, with no access
// to other registers in between. A driver that only transmits reads it once for each character.
#define POLLS_TO_LISTEN 16

struct ns16550 {
    struct irq_line irq;
    struct chardev *backend;
    uint8_t ier, fcr, lcr, mcr, msr, scr, dll, dlm;
    bool steady;       // waits for the back end instead of showing that it is congested
    bool overrun;      // LSR.OE until read
    bool thre_pending; // the THRE interrupt has not been taken
    bool rts_known;    // the guest has raised RTS once: from then on RTS low holds input back
    unsigned polls;    // reads of LSR less characters sent, up to POLLS_TO_LISTEN
    uint8_t fifo[FIFO_SIZE];
    unsigned fifo_start, fifo_count;
    bool fifo_looped; // something in it came through loopback
};

static unsigned uart_fifo_size(const struct ns16550 *uart) {
    return uart->fcr & FCR_ENABLE ? FIFO_SIZE : 1;
}

static bool uart_transmitter_empty(const struct ns16550 *uart) {
    return !uart->backend || uart->steady || uart->mcr & MCR_LOOP || !chardev_congested(uart->backend);
}

// The interrupt source of highest priority, as in IIR bits 3-0. Below its trigger level a FIFO with anything in it
// counts as timed out: on this line four character times have passed at once.
static uint8_t uart_source(const struct ns16550 *uart) {
    static const uint8_t trigger[4] = {1, 4, 8, 14};
    if (uart->ier & IER_ELSI && uart->overrun)
        return IIR_LINE;
    if (uart->ier & IER_ERBFI && uart->fifo_count) {
        unsigned level = uart->fcr & FCR_ENABLE ? trigger[uart->fcr >> FCR_TRIGGER_SHIFT] : 1;
        return uart->fifo_count >= level ? IIR_DATA : IIR_TIMEOUT;
    }
    if (uart->ier & IER_ETBEI && uart->thre_pending)
        return IIR_THRE;
    if (uart->ier & IER_EDSSI && uart->msr & MSR_DELTAS)
        return IIR_MODEM;
    return IIR_NONE;
}

static void uart_update_irq(struct ns16550 *uart) {
    bool gated = uart->mcr & MCR_OUT2 && !(uart->mcr & MCR_LOOP);
    irq_set(&uart->irq, gated && uart_source(uart) != IIR_NONE);
}

static void uart_push(struct ns16550 *uart, uint8_t byte) {
    if (uart->fifo_count == uart_fifo_size(uart)) {
        uart->overrun = true;
        return;
    }
    uart->fifo[(uart->fifo_start + uart->fifo_count++) % FIFO_SIZE] = byte;
}

static uint8_t uart_pop(struct ns16550 *uart) {
    if (!uart->fifo_count)
        return 0;
    uint8_t byte = uart->fifo[uart->fifo_start];
    uart->fifo_start = (uart->fifo_start + 1) % FIFO_SIZE;
    uart->fifo_count--;
    uart->fifo_looped = uart->fifo_looped && uart->fifo_count;
    return byte;
}

// The back end's side.

static bool uart_is_listening(const struct ns16550 *uart) {
    if (uart->mcr & MCR_LOOP || (uart->rts_known && !(uart->mcr & MCR_RTS)))
        return false;
    return uart->ier & IER_ERBFI || uart->polls == POLLS_TO_LISTEN;
}

static size_t uart_room(void *opaque) {
    const struct ns16550 *uart = opaque;
    return uart_is_listening(uart) ? uart_fifo_size(uart) - uart->fifo_count : 0;
}

static void uart_receive(void *opaque, const uint8_t *bytes, size_t count) {
    struct ns16550 *uart = opaque;
    for (size_t i = 0; i < count; i++)
        uart_push(uart, bytes[i]);
    uart_update_irq(uart);
}

static void uart_writable(void *opaque) {
    struct ns16550 *uart = opaque;
    uart->thre_pending = true;
    uart_update_irq(uart);
}

// More input may come in: from the I/O thread, so that a guest that empties the FIFO in its interrupt handler can leave
// that handler between two fillings.
static void uart_want_input(struct ns16550 *uart) {
    if (uart->backend && uart_is_listening(uart))
        chardev_accept_later(uart->backend);
}

// Registers.

// MSR follows the modem control outputs in loopback, else the far end; changed inputs set their delta bits.
static void uart_update_msr(struct ns16550 *uart) {
    unsigned lines = uart->backend ? MSR_CTS | MSR_DSR | MSR_DCD : 0;
    if (uart->mcr & MCR_LOOP)
        lines = (uart->mcr & MCR_RTS ? MSR_CTS : 0u) | (uart->mcr & MCR_DTR ? MSR_DSR : 0u) |
                (uart->mcr & MCR_OUT1 ? MSR_RI : 0u) | (uart->mcr & MCR_OUT2 ? MSR_DCD : 0u);
    unsigned changed = (uart->msr ^ lines) & MSR_LINES;
    unsigned deltas = changed >> 4;
    if (lines & MSR_RI)
        deltas &= ~(unsigned)MSR_TERI; // only the trailing edge of RI counts
    uart->msr = (uint8_t)(lines | (uart->msr & MSR_DELTAS) | deltas);
}

static void uart_transmit(struct ns16550 *uart, uint8_t byte) {
    uart->thre_pending = false;
    if (uart->mcr & MCR_LOOP) {
        uart_push(uart, byte);
        uart->fifo_looped = true;
    } else if (uart->backend) {
        chardev_write(uart->backend, &byte, 1);
        if (uart->steady)
            chardev_wait(uart->backend);
    }
    uart->thre_pending = uart_transmitter_empty(uart);
}

static void uart_write_ier(struct ns16550 *uart, uint8_t value) {
    bool thre_enabled = value & ~uart->ier & IER_ETBEI;
    uart->ier = value & IER_BITS;
    // Enabling the interrupt while the register is empty raises it.
    if (thre_enabled && uart_transmitter_empty(uart))
        uart->thre_pending = true;
}

// Empties the receiver. The guest has not seen these bytes, so they may as well not have arrived yet: they go back and
// come again. Linux clears the FIFO after it has enabled the interrupt, and input must not be lost to that.
static void uart_clear_fifo(struct ns16550 *uart) {
    uint8_t bytes[FIFO_SIZE];
    unsigned count = 0;
    bool looped = uart->fifo_looped;
    while (uart->fifo_count)
        bytes[count++] = uart_pop(uart);
    if (uart->backend && !looped)
        chardev_unread(uart->backend, bytes, count);
    uart->fifo_looped = false;
}

static void uart_write_fcr(struct ns16550 *uart, uint8_t value) {
    // Changing the enable bit clears the FIFOs too.
    if (value & FCR_RX_RESET || (value ^ uart->fcr) & FCR_ENABLE)
        uart_clear_fifo(uart);
    uart->fcr = value & FCR_ENABLE ? value : 0;
}

static void uart_write_mcr(struct ns16550 *uart, uint8_t value) {
    uart->mcr = value & MCR_BITS;
    if (uart->mcr & MCR_RTS && !(uart->mcr & MCR_LOOP))
        uart->rts_known = true;
    uart_update_msr(uart);
}

static void uart_count_polls(struct ns16550 *uart, enum uart_register reg, bool write) {
    if (reg == UART_LSR)
        uart->polls += uart->polls < POLLS_TO_LISTEN;
    else if (reg != UART_DATA)
        uart->polls = 0;
    else if (write && uart->polls)
        uart->polls--;
}

static void uart_write(void *device, uint16_t port, unsigned size, uint32_t value) {
    (void)size;
    struct ns16550 *uart = device;
    uint8_t byte = (uint8_t)value;
    bool dlab = uart->lcr & LCR_DLAB;
    enum uart_register reg = (enum uart_register)(port % UART_PORTS);
    uart_count_polls(uart, reg, true);
    switch (reg) {
    case UART_DATA:
        if (dlab)
            uart->dll = byte;
        else
            uart_transmit(uart, byte);
        break;
    case UART_IER:
        if (dlab)
            uart->dlm = byte;
        else
            uart_write_ier(uart, byte);
        break;
    case UART_IIR_FCR: uart_write_fcr(uart, byte); break;
    case UART_LCR: uart->lcr = byte; break;
    case UART_MCR: uart_write_mcr(uart, byte); break;
    case UART_LSR:
    case UART_MSR: return; // factory tests only
    case UART_SCR: uart->scr = byte; return;
    }
    uart_update_irq(uart);
    uart_want_input(uart);
}

static uint8_t uart_read_iir(struct ns16550 *uart) {
    uint8_t source = uart_source(uart);
    if (source == IIR_THRE)
        uart->thre_pending = false;
    return (uint8_t)(source | (uart->fcr & FCR_ENABLE ? IIR_FIFOS : 0));
}

static uint8_t uart_read_lsr(struct ns16550 *uart) {
    // Not for a driver with interrupts: its handler, reading until nothing is left, would never end.
    bool polling = uart->polls == POLLS_TO_LISTEN && !(uart->ier & IER_ERBFI);
    if (!uart->fifo_count && polling && uart->backend)
        chardev_accept(uart->backend);
    uint8_t lsr = (uint8_t)((uart->fifo_count ? LSR_DR : 0) | (uart->overrun ? LSR_OE : 0) |
                            (uart_transmitter_empty(uart) ? LSR_THRE | LSR_TEMT : 0));
    uart->overrun = false;
    return lsr;
}

static uint32_t uart_read(void *device, uint16_t port, unsigned size) {
    (void)size;
    struct ns16550 *uart = device;
    bool dlab = uart->lcr & LCR_DLAB;
    uint8_t value = 0;
    enum uart_register reg = (enum uart_register)(port % UART_PORTS);
    uart_count_polls(uart, reg, false);
    switch (reg) {
    case UART_DATA:
        if (dlab)
            return uart->dll;
        value = uart_pop(uart);
        if (!uart->fifo_count)
            uart_want_input(uart);
        break;
    case UART_IER: return dlab ? uart->dlm : uart->ier;
    case UART_IIR_FCR: value = uart_read_iir(uart); break;
    case UART_LCR: return uart->lcr;
    case UART_MCR: return uart->mcr;
    case UART_LSR: value = uart_read_lsr(uart); break;
    case UART_MSR:
        value = uart->msr;
        uart->msr &= MSR_LINES;
        break;
    case UART_SCR: return uart->scr;
    }
    uart_update_irq(uart);
    return value;
}

void ns16550_set_steady(struct ns16550 *uart) {
    uart->steady = true;
}

void ns16550_reset(struct ns16550 *uart) {
    uart->ier = uart->fcr = uart->lcr = uart->mcr = 0;
    uart->overrun = uart->thre_pending = uart->rts_known = false;
    uart->polls = 0;
    uart_clear_fifo(uart);
    uart_update_msr(uart);
    uart->msr &= MSR_LINES;
    uart_update_irq(uart);
}

struct ns16550 *ns16550_create(struct io_bus *io, uint16_t base, struct irq_line irq, struct chardev *backend,
                               struct error *err) {
    struct ns16550 *uart = calloc(1, sizeof *uart);
    if (!uart) {
        error_set(err, "serial port: out of memory");
        return NULL;
    }
    uart->irq = irq;
    uart->backend = backend;
    if (io_bus_register(io, base, UART_PORTS, uart_read, uart_write, uart, err)) {
        free(uart);
        return NULL;
    }
    uart->dll = 1; // 115200 baud, as good as any
    ns16550_reset(uart);
    if (backend) {
        const struct chardev_receiver receiver = {uart_room, uart_receive, uart_writable, uart};
        chardev_attach(backend, &receiver);
    }
    return uart;
}

void ns16550_destroy(struct ns16550 *uart) {
    if (!uart)
        return;
    if (uart->backend)
        chardev_attach(uart->backend, NULL);
    free(uart);
}
