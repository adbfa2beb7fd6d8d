// The keyboard controller, after the IBM PC/AT technical reference ("Keyboard Controller") and the MF II keyboard's
// command set. It is the AT's controller: there is no auxiliary channel, the test of one fails and its loop command
// answers through the keyboard's channel, so that an operating system sees at once that there is no mouse.
#include "devices/i8042.h"

#include <stdlib.h>

#define DATA_PORT    0x60
#define COMMAND_PORT 0x64

#define STATUS_OBF      0x01 // output buffer full
#define STATUS_SYS      0x04 // self-test passed
#define STATUS_CD       0x08 // last write went to the command port
#define STATUS_UNLOCKED 0x10 // keyboard lock switch
#define STATUS_TIMEOUT  0x40
#define STATUS_PARITY   0x80

#define CONFIG_KIE   0x01 // interrupt on keyboard data
#define CONFIG_SYS   0x04
#define CONFIG_KDIS  0x10 // keyboard clock held
#define CONFIG_XLATE 0x40 // translate set 2 to set 1

#define OUTPUT_RESET 0x01 // processor reset, active low
#define OUTPUT_A20   0x02
#define OUTPUT_OBF   0x10 // IRQ 1
#define OUTPUT_REST  0xcc // clock, data and undefined lines: high
#define INPUT_PORT   0xb0 // not locked, colour display, 256 KiB of RAM, manufacturing mode off

enum controller_command {
    KBC_READ_RAM = 0x20, // to 3F: cell 0 is the command byte
    KBC_WRITE_RAM = 0x60,
    KBC_AUX_DISABLE = 0xa7,
    KBC_AUX_ENABLE = 0xa8,
    KBC_AUX_TEST = 0xa9,
    KBC_SELF_TEST = 0xaa,
    KBC_INTERFACE_TEST = 0xab,
    KBC_DISABLE = 0xad,
    KBC_ENABLE = 0xae,
    KBC_READ_INPUT = 0xc0,
    KBC_READ_OUTPUT = 0xd0,
    KBC_WRITE_OUTPUT = 0xd1,
    KBC_WRITE_KEYBOARD_BUFFER = 0xd2,
    KBC_AUX_LOOP = 0xd3,
    KBC_AUX_SEND = 0xd4,
    KBC_A20_OFF = 0xdd,
    KBC_A20_ON = 0xdf,
    KBC_READ_TEST = 0xe0,
    KBC_PULSE = 0xf0, // to FF: pulse the output bits that are 0
};

#define SELF_TEST_PASSED   0x55
#define AUX_TEST_CLOCK_LOW 0x01 // what an interface that is not wired reports

enum keyboard_command {
    KBD_SET_LEDS = 0xed,
    KBD_ECHO = 0xee,
    KBD_SCANCODE_SET = 0xf0,
    KBD_IDENTIFY = 0xf2,
    KBD_TYPEMATIC = 0xf3,
    KBD_ENABLE = 0xf4,
    KBD_DISABLE = 0xf5,
    KBD_DEFAULTS = 0xf6,
    KBD_KEY_TYPES_FIRST = 0xf7,
    KBD_KEY_TYPES_LAST = 0xfa,
    KBD_KEY_TYPE_FIRST = 0xfb, // FB-FD take a list of keys
    KBD_KEY_TYPE_LAST = 0xfd,
    KBD_RESEND = 0xfe,
    KBD_RESET = 0xff,
};

#define KBD_ACK       0xfa
#define KBD_NAK       0xfe
#define KBD_BAT_OK    0xaa
#define KBD_ID_FIRST  0xab
#define KBD_ID_SECOND 0x83

#define KBC_RAM_SIZE   32
#define QUEUE_SIZE     64 // the keyboard's own is 16 bytes; answers must fit beside key strokes
#define SET2_BREAK     0xf0
#define TRANSLATED_BIT 0x80

struct i8042 {
    struct i8042_config config;
    uint8_t ram[KBC_RAM_SIZE]; // cell 0 is the command byte
    uint8_t status;
    uint8_t data;       // the output buffer
    bool from_keyboard; // the output buffer raises IRQ 1
    uint8_t pending;    // controller command that waits for its data byte
    // The keyboard.
    uint8_t queue[QUEUE_SIZE];
    unsigned queue_start, queue_count;
    uint8_t keyboard_pending; // its command that waits for a data byte
    uint8_t keyboard_last;    // for resend
    uint8_t scancode_set;
    bool scanning;
    bool break_next; // translation has seen F0
};

// IBM's table, set 2 to set 1, from the technical reference; codes above 84h pass as they are.
static const uint8_t set1_from_set2[] = {
    0xff, 0x43, 0x41, 0x3f, 0x3d, 0x3b, 0x3c, 0x58, 0x64, 0x44, 0x42, 0x40, 0x3e, 0x0f, 0x29, 0x59, // 00
    0x65, 0x38, 0x2a, 0x70, 0x1d, 0x10, 0x02, 0x5a, 0x66, 0x71, 0x2c, 0x1f, 0x1e, 0x11, 0x03, 0x5b, // 10
    0x67, 0x2e, 0x2d, 0x20, 0x12, 0x05, 0x04, 0x5c, 0x68, 0x39, 0x2f, 0x21, 0x14, 0x13, 0x06, 0x5d, // 20
    0x69, 0x31, 0x30, 0x23, 0x22, 0x15, 0x07, 0x5e, 0x6a, 0x72, 0x32, 0x24, 0x16, 0x08, 0x09, 0x5f, // 30
    0x6b, 0x33, 0x25, 0x17, 0x18, 0x0b, 0x0a, 0x60, 0x6c, 0x34, 0x35, 0x26, 0x27, 0x19, 0x0c, 0x61, // 40
    0x6d, 0x73, 0x28, 0x74, 0x1a, 0x0d, 0x62, 0x6e, 0x3a, 0x36, 0x1c, 0x1b, 0x75, 0x2b, 0x63, 0x76, // 50
    0x55, 0x56, 0x77, 0x78, 0x79, 0x7a, 0x0e, 0x7b, 0x7c, 0x4f, 0x7d, 0x4b, 0x47, 0x7e, 0x7f, 0x6f, // 60
    0x52, 0x53, 0x50, 0x4c, 0x4d, 0x48, 0x01, 0x45, 0x57, 0x4e, 0x51, 0x4a, 0x37, 0x49, 0x46, 0x54, // 70
    0x80, 0x81, 0x82, 0x41, 0x54,                                                                   // 80
};

static uint8_t kbc_command_byte(const struct i8042 *kbc) {
    return kbc->ram[0];
}

static void kbc_update_irq(struct i8042 *kbc) {
    bool full = kbc->status & STATUS_OBF && kbc->from_keyboard;
    irq_set(&kbc->config.irq, full && kbc_command_byte(kbc) & CONFIG_KIE);
}

static void kbc_put(struct i8042 *kbc, uint8_t byte, bool from_keyboard) {
    kbc->data = byte;
    kbc->status |= STATUS_OBF;
    kbc->status &= (uint8_t) ~(STATUS_TIMEOUT | STATUS_PARITY);
    kbc->from_keyboard = from_keyboard;
    kbc_update_irq(kbc);
}

// Moves the keyboard's next byte into an empty output buffer, translated; a break prefix becomes a bit of the next
// byte.
static void kbc_pull(struct i8042 *kbc) {
    while (!(kbc->status & STATUS_OBF) && kbc->queue_count && !(kbc_command_byte(kbc) & CONFIG_KDIS)) {
        uint8_t byte = kbc->queue[kbc->queue_start];
        kbc->queue_start = (kbc->queue_start + 1) % QUEUE_SIZE;
        kbc->queue_count--;
        if (kbc_command_byte(kbc) & CONFIG_XLATE) {
            if (byte == SET2_BREAK) {
                kbc->break_next = true;
                continue;
            }
            if (byte < sizeof set1_from_set2)
                byte = set1_from_set2[byte];
            byte |= kbc->break_next ? TRANSLATED_BIT : 0;
            kbc->break_next = false;
        }
        kbc_put(kbc, byte, true);
    }
}

static void keyboard_queue(struct i8042 *kbc, uint8_t byte) {
    if (kbc->queue_count == QUEUE_SIZE)
        return;
    kbc->queue[(kbc->queue_start + kbc->queue_count++) % QUEUE_SIZE] = byte;
}

static void keyboard_answer(struct i8042 *kbc, uint8_t byte) {
    kbc->keyboard_last = byte;
    keyboard_queue(kbc, byte);
}

static void keyboard_defaults(struct i8042 *kbc) {
    kbc->queue_start = kbc->queue_count = 0;
    kbc->keyboard_pending = 0;
    kbc->scancode_set = 2;
    kbc->scanning = true;
    kbc->break_next = false;
}

// The data byte of a two-byte command. A command code in its place is a new command instead.
static bool keyboard_take_argument(struct i8042 *kbc, uint8_t byte) {
    uint8_t command = kbc->keyboard_pending;
    kbc->keyboard_pending = 0;
    if (!command || byte >= KBD_SET_LEDS)
        return false;
    keyboard_answer(kbc, KBD_ACK);
    if (command == KBD_SCANCODE_SET && !byte)
        keyboard_answer(kbc, kbc->scancode_set);
    else if (command == KBD_SCANCODE_SET && byte <= 3)
        kbc->scancode_set = byte;
    return true;
}

static void keyboard_write(struct i8042 *kbc, uint8_t byte) {
    if (keyboard_take_argument(kbc, byte))
        return;
    switch (byte) {
    case KBD_ECHO: keyboard_answer(kbc, KBD_ECHO); return;
    case KBD_RESEND: keyboard_queue(kbc, kbc->keyboard_last); return;
    case KBD_RESET:
        keyboard_defaults(kbc);
        keyboard_answer(kbc, KBD_ACK);
        keyboard_answer(kbc, KBD_BAT_OK);
        return;
    case KBD_DEFAULTS:
        keyboard_defaults(kbc);
        keyboard_answer(kbc, KBD_ACK);
        return;
    case KBD_DISABLE:
        keyboard_defaults(kbc);
        kbc->scanning = false;
        keyboard_answer(kbc, KBD_ACK);
        return;
    case KBD_ENABLE:
        kbc->scanning = true;
        keyboard_answer(kbc, KBD_ACK);
        return;
    case KBD_IDENTIFY:
        keyboard_answer(kbc, KBD_ACK);
        keyboard_answer(kbc, KBD_ID_FIRST);
        keyboard_answer(kbc, KBD_ID_SECOND);
        return;
    case KBD_SET_LEDS:
    case KBD_SCANCODE_SET:
    case KBD_TYPEMATIC:
        kbc->keyboard_pending = byte;
        keyboard_answer(kbc, KBD_ACK);
        return;
    default:
        if (byte >= KBD_KEY_TYPE_FIRST && byte <= KBD_KEY_TYPE_LAST)
            kbc->keyboard_pending = byte;
        keyboard_answer(kbc, byte >= KBD_KEY_TYPES_FIRST && byte <= KBD_KEY_TYPE_LAST ? KBD_ACK : KBD_NAK);
    }
}

// A byte for the keyboard. With nothing plugged in the controller's clock times out, and says so at once.
static void kbc_send(struct i8042 *kbc, uint8_t byte) {
    kbc->ram[0] &= (uint8_t)~CONFIG_KDIS; // sending enables the interface
    if (kbc->config.keyboard) {
        keyboard_write(kbc, byte);
        return;
    }
    kbc_put(kbc, KBD_NAK, true);
    kbc->status |= STATUS_TIMEOUT;
}

static void kbc_write_output_port(struct i8042 *kbc, uint8_t value) {
    a20_gate_set(kbc->config.a20, (value & OUTPUT_A20) != 0);
    if (!(value & OUTPUT_RESET) && kbc->config.reset)
        kbc->config.reset(kbc->config.opaque);
}

static uint8_t kbc_output_port(const struct i8042 *kbc) {
    return (uint8_t)(OUTPUT_RESET | OUTPUT_REST | (kbc->config.a20->enabled ? OUTPUT_A20 : 0) |
                     (kbc->status & STATUS_OBF ? OUTPUT_OBF : 0));
}

static void kbc_self_test(struct i8042 *kbc) {
    kbc->ram[0] = CONFIG_KDIS | CONFIG_SYS | CONFIG_XLATE;
    kbc->status |= STATUS_SYS;
    kbc_put(kbc, SELF_TEST_PASSED, false);
}

static void kbc_command(struct i8042 *kbc, uint8_t command) {
    kbc->pending = 0;
    if (command >= KBC_PULSE) {
        if (!(command & OUTPUT_RESET) && kbc->config.reset)
            kbc->config.reset(kbc->config.opaque);
        return;
    }
    if (command >= KBC_READ_RAM && command < KBC_READ_RAM + KBC_RAM_SIZE) {
        kbc_put(kbc, kbc->ram[command - KBC_READ_RAM], false);
        return;
    }
    if (command >= KBC_WRITE_RAM && command < KBC_WRITE_RAM + KBC_RAM_SIZE) {
        kbc->pending = command;
        return;
    }
    switch (command) {
    case KBC_AUX_TEST: kbc_put(kbc, AUX_TEST_CLOCK_LOW, false); break;
    case KBC_SELF_TEST: kbc_self_test(kbc); break;
    case KBC_INTERFACE_TEST: kbc_put(kbc, 0, false); break;
    case KBC_DISABLE: kbc->ram[0] |= CONFIG_KDIS; break;
    case KBC_ENABLE: kbc->ram[0] &= (uint8_t)~CONFIG_KDIS; break;
    case KBC_READ_INPUT: kbc_put(kbc, INPUT_PORT, false); break;
    case KBC_READ_OUTPUT: kbc_put(kbc, kbc_output_port(kbc), false); break;
    case KBC_READ_TEST: kbc_put(kbc, 0, false); break;
    case KBC_A20_OFF: a20_gate_set(kbc->config.a20, false); break;
    case KBC_A20_ON: a20_gate_set(kbc->config.a20, true); break;
    case KBC_WRITE_OUTPUT:
    case KBC_WRITE_KEYBOARD_BUFFER:
    case KBC_AUX_LOOP:
    case KBC_AUX_SEND: kbc->pending = command; break;
    default: break; // KBC_AUX_DISABLE, KBC_AUX_ENABLE and what the AT does not know
    }
    kbc_pull(kbc);
}

static void kbc_data(struct i8042 *kbc, uint8_t byte) {
    uint8_t command = kbc->pending;
    kbc->pending = 0;
    switch (command) {
    case 0: kbc_send(kbc, byte); break;
    case KBC_WRITE_OUTPUT: kbc_write_output_port(kbc, byte); break;
    case KBC_WRITE_KEYBOARD_BUFFER: kbc_put(kbc, byte, true); break;
    case KBC_AUX_LOOP: kbc_put(kbc, byte, false); break;
    case KBC_AUX_SEND: break; // nobody there
    default: kbc->ram[command - KBC_WRITE_RAM] = byte; kbc_update_irq(kbc);
    }
    kbc_pull(kbc);
}

static void kbc_write(void *device, uint16_t port, unsigned size, uint32_t value) {
    (void)size;
    struct i8042 *kbc = device;
    if (port == COMMAND_PORT) {
        kbc->status |= STATUS_CD;
        kbc_command(kbc, (uint8_t)value);
    } else {
        kbc->status &= (uint8_t)~STATUS_CD;
        kbc_data(kbc, (uint8_t)value);
    }
}

static uint32_t kbc_read(void *device, uint16_t port, unsigned size) {
    (void)size;
    struct i8042 *kbc = device;
    if (port == COMMAND_PORT)
        return kbc->status;
    uint8_t byte = kbc->data;
    kbc->status &= (uint8_t) ~(STATUS_OBF | STATUS_TIMEOUT | STATUS_PARITY);
    kbc_update_irq(kbc);
    kbc_pull(kbc);
    return byte;
}

size_t i8042_type(struct i8042 *kbc, const uint8_t *scancodes, size_t count) {
    if (!kbc->config.keyboard || !kbc->scanning)
        return 0;
    size_t taken = 0;
    // Half of the queue stays free for answers.
    while (taken < count && kbc->queue_count < QUEUE_SIZE / 2)
        keyboard_queue(kbc, scancodes[taken++]);
    kbc_pull(kbc);
    return taken;
}

void i8042_reset(struct i8042 *kbc) {
    // As a BIOS leaves it: tested, interrupt and translation on.
    kbc->ram[0] = CONFIG_KIE | CONFIG_SYS | CONFIG_XLATE;
    kbc->status = STATUS_SYS | STATUS_UNLOCKED;
    kbc->pending = 0;
    kbc->from_keyboard = false;
    keyboard_defaults(kbc);
    kbc_update_irq(kbc);
}

struct i8042 *i8042_create(struct io_bus *io, const struct i8042_config *config, struct error *err) {
    struct i8042 *kbc = calloc(1, sizeof *kbc);
    if (!kbc) {
        error_set(err, "i8042: out of memory");
        return NULL;
    }
    kbc->config = *config;
    if (io_bus_register(io, DATA_PORT, 1, kbc_read, kbc_write, kbc, err) ||
        io_bus_register(io, COMMAND_PORT, 1, kbc_read, kbc_write, kbc, err)) {
        free(kbc);
        return NULL;
    }
    i8042_reset(kbc);
    return kbc;
}

void i8042_destroy(struct i8042 *kbc) {
    free(kbc);
}
