// The interrupt controller pair, after the Intel 8259A data sheet (order number 231468): initialisation (ICW1-4),
// operation words (OCW1-3), the priority resolver, the INTA sequence and the cascade; the edge/level registers after
// the 82371 data sheet. In edge mode a request that goes away before the INTA cycle is gone (spurious IR7), as on the
// chip. It must never call the processor but through the INTR line.
#include "devices/i8259.h"

#include <stdlib.h>
#include <string.h>

#define MASTER_PORT 0x20
#define SLAVE_PORT  0xa0
#define ELCR_PORT   0x4d0

#define ICW1_IC4  0x01 // ICW4 follows
#define ICW1_SNGL 0x02 // single: no ICW3
#define ICW1_LTIM 0x08 // level triggered as a whole
#define ICW1_INIT 0x10 // tells ICW1 from OCW2 and OCW3
#define ICW4_AEOI 0x02
#define ICW4_SFNM 0x10

#define OCW2_LEVEL  0x07
#define OCW2_EOI    0x20
#define OCW2_SL     0x40
#define OCW2_R      0x80
#define OCW3_SELECT 0x08 // tells OCW3 from OCW2
#define OCW3_RIS    0x01
#define OCW3_RR     0x02
#define OCW3_POLL   0x04
#define OCW3_SMM    0x20
#define OCW3_ESMM   0x40

#define POLL_REQUEST 0x80 // bit 7 of the poll word
#define CASCADE_IRQ  2
#define SPURIOUS_IRQ 7
#define IRQ_NONE     8

enum init_step { INIT_DONE, INIT_ICW2, INIT_ICW3, INIT_ICW4, INIT_NEVER };

struct i8259 {
    uint8_t lines; // levels of the IR inputs
    uint8_t latch; // edges not yet acknowledged
    uint8_t isr, imr;
    uint8_t elcr, elcr_mask; // mask: which bits can be set
    uint8_t vector_base;
    uint8_t lowest; // IR with the lowest priority
    enum init_step step;
    bool icw4_follows, single, level_triggered;
    bool auto_eoi, rotate_on_aeoi, special_mask, fully_nested_special;
    bool read_isr, poll;
};

struct irq_watcher {
    irq_wanted_fn wanted;
    void *device;
    bool told; // the last value given
};

struct i8259_pair {
    struct i8259 chip[2]; // master, slave
    struct irq_line intr;
    bool intr_level;
    const struct log *log;
    struct irq_watcher watchers[I8259_IRQ_COUNT];
};

static uint8_t bit(unsigned ir) {
    return (uint8_t)(1u << ir);
}

static uint8_t chip_irr(const struct i8259 *chip) {
    uint8_t level = chip->level_triggered ? 0xff : chip->elcr;
    return (uint8_t)((chip->latch & ~level) | (chip->lines & level));
}

// The input of highest priority in a set, or IRQ_NONE; *rank is its distance from the top.
static unsigned chip_highest(const struct i8259 *chip, uint8_t set, unsigned *rank) {
    for (*rank = 0; *rank < 8; ++*rank) {
        unsigned ir = (chip->lowest + 1 + *rank) & 7;
        if (set & bit(ir))
            return ir;
    }
    return IRQ_NONE;
}

// What the priority resolver lets through, or IRQ_NONE.
static unsigned chip_pending(const struct i8259 *chip) {
    if (chip->step != INIT_DONE)
        return IRQ_NONE;
    unsigned request_rank;
    unsigned request = chip_highest(chip, (uint8_t)(chip_irr(chip) & ~chip->imr), &request_rank);
    if (request == IRQ_NONE)
        return IRQ_NONE;
    uint8_t serviced = chip->isr;
    if (chip->special_mask)
        serviced &= (uint8_t)~chip->imr;
    if (chip->fully_nested_special)
        serviced &= (uint8_t)~bit(CASCADE_IRQ);
    unsigned service_rank;
    chip_highest(chip, serviced, &service_rank);
    return request_rank < service_rank ? request : IRQ_NONE;
}

static void chip_set_line(struct i8259 *chip, unsigned ir, bool level) {
    if (!level) {
        chip->lines &= (uint8_t)~bit(ir);
        chip->latch &= (uint8_t)~bit(ir);
        return;
    }
    if (!(chip->lines & bit(ir)))
        chip->latch |= bit(ir);
    chip->lines |= bit(ir);
}

// Follows a change of anything: the slave's INT output is the master's IR2, the master's is INTR.
static void pair_update(struct i8259_pair *pair) {
    bool slave_int = chip_pending(&pair->chip[1]) != IRQ_NONE;
    chip_set_line(&pair->chip[0], CASCADE_IRQ, slave_int);
    bool level = chip_pending(&pair->chip[0]) != IRQ_NONE;
    if (level == pair->intr_level)
        return;
    pair->intr_level = level;
    irq_set(&pair->intr, level);
}

static bool pair_wants(const struct i8259_pair *pair, unsigned irq) {
    const struct i8259 *master = &pair->chip[0];
    const struct i8259 *slave = &pair->chip[1];
    if (master->step != INIT_DONE)
        return false;
    if (irq < 8)
        return !(master->imr & bit(irq));
    return slave->step == INIT_DONE && !(slave->imr & bit(irq - 8)) && !(master->imr & bit(CASCADE_IRQ));
}

// Tells devices that compute their lines from the clock whether these are wanted: all of them, so that they bring the
// lines up to date, or only those for which the answer has changed.
static void pair_notify(struct i8259_pair *pair, bool all) {
    for (unsigned irq = 0; irq < I8259_IRQ_COUNT; irq++) {
        struct irq_watcher *watcher = &pair->watchers[irq];
        bool wanted = pair_wants(pair, irq);
        if (!watcher->wanted || (!all && wanted == watcher->told))
            continue;
        watcher->told = wanted;
        watcher->wanted(watcher->device, wanted);
    }
}

static void line_set(void *opaque, unsigned irq, bool level) {
    struct i8259_pair *pair = opaque;
    chip_set_line(&pair->chip[irq / 8], irq % 8, level);
    pair_update(pair);
}

static bool line_pending(void *opaque, unsigned irq) {
    const struct i8259_pair *pair = opaque;
    return (chip_irr(&pair->chip[irq / 8]) & bit(irq % 8)) != 0;
}

static void line_watch(void *opaque, unsigned irq, irq_wanted_fn wanted, void *device) {
    struct i8259_pair *pair = opaque;
    pair->watchers[irq] = (struct irq_watcher){wanted, device, pair_wants(pair, irq)};
    if (wanted)
        wanted(device, pair->watchers[irq].told);
}

struct irq_line i8259_line(struct i8259_pair *pair, unsigned irq) {
    return (struct irq_line){
        .set = line_set, .pending = line_pending, .watch = line_watch, .opaque = pair, .number = irq % I8259_IRQ_COUNT};
}

// The chip's side of an INTA cycle or of a poll: ir is in service now.
static void chip_take(struct i8259 *chip, unsigned ir) {
    chip->latch &= (uint8_t)~bit(ir);
    if (!chip->auto_eoi)
        chip->isr |= bit(ir);
    else if (chip->rotate_on_aeoi)
        chip->lowest = (uint8_t)ir;
}

uint8_t i8259_acknowledge(struct i8259_pair *pair) {
    struct i8259 *master = &pair->chip[0];
    struct i8259 *slave = &pair->chip[1];
    unsigned ir = chip_pending(master);
    struct i8259 *chip = master;
    unsigned irq = ir;
    if (ir != IRQ_NONE)
        chip_take(master, ir);
    if (ir == CASCADE_IRQ && !master->single) {
        chip = slave;
        ir = chip_pending(slave);
        irq = 8 + ir;
        if (ir != IRQ_NONE)
            chip_take(slave, ir);
        // INT of the slave falls during INTA; if another request stands behind it, that is a new edge.
        chip_set_line(master, CASCADE_IRQ, false);
    }
    uint8_t vector = (uint8_t)(chip->vector_base | (ir == IRQ_NONE ? SPURIOUS_IRQ : ir));
    pair_update(pair);
    if (ir == IRQ_NONE)
        log_line(pair->log, LOG_DEVICES, "i8259: spurious, vector %02x", vector);
    else
        log_line(pair->log, LOG_DEVICES, "i8259: IRQ %u, vector %02x", irq, vector);
    return vector;
}

static void chip_eoi(struct i8259 *chip, uint8_t value) {
    unsigned rank;
    unsigned ir = value & OCW2_LEVEL;
    if (!(value & OCW2_SL)) {
        // A masked input is not ended by a non-specific EOI in special mask mode.
        uint8_t candidates = chip->special_mask ? (uint8_t)(chip->isr & ~chip->imr) : chip->isr;
        ir = chip_highest(chip, candidates, &rank);
    }
    if (ir == IRQ_NONE)
        return;
    chip->isr &= (uint8_t)~bit(ir);
    if (value & OCW2_R)
        chip->lowest = (uint8_t)ir;
}

static void chip_write_ocw2(struct i8259 *chip, uint8_t value) {
    if (value & OCW2_EOI)
        chip_eoi(chip, value);
    else if ((value & (OCW2_R | OCW2_SL)) == (OCW2_R | OCW2_SL))
        chip->lowest = value & OCW2_LEVEL; // set priority
    else if (!(value & OCW2_SL))
        chip->rotate_on_aeoi = (value & OCW2_R) != 0;
}

static void chip_write_ocw3(struct i8259 *chip, uint8_t value) {
    if (value & OCW3_ESMM)
        chip->special_mask = (value & OCW3_SMM) != 0;
    if (value & OCW3_POLL)
        chip->poll = true;
    else if (value & OCW3_RR)
        chip->read_isr = (value & OCW3_RIS) != 0;
}

// ICW1 resets everything but the ELCR and the inputs; an input that is high must fall before it can request again.
static void chip_write_icw1(struct i8259 *chip, uint8_t value) {
    *chip = (struct i8259){
        .lines = chip->lines,
        .elcr = chip->elcr,
        .elcr_mask = chip->elcr_mask,
        .vector_base = chip->vector_base,
        .lowest = 7,
        .step = INIT_ICW2,
        .icw4_follows = (value & ICW1_IC4) != 0,
        .single = (value & ICW1_SNGL) != 0,
        .level_triggered = (value & ICW1_LTIM) != 0,
    };
}

// The odd port: ICW2 to ICW4 while they are expected, else OCW1.
static void chip_write_odd(struct i8259 *chip, uint8_t value) {
    switch (chip->step) {
    case INIT_ICW2:
        chip->vector_base = value & 0xf8;
        chip->step = !chip->single ? INIT_ICW3 : chip->icw4_follows ? INIT_ICW4 : INIT_DONE;
        break;
    case INIT_ICW3: // the wiring of the cascade is fixed
        chip->step = chip->icw4_follows ? INIT_ICW4 : INIT_DONE;
        break;
    case INIT_ICW4:
        chip->auto_eoi = (value & ICW4_AEOI) != 0;
        chip->fully_nested_special = (value & ICW4_SFNM) != 0;
        chip->step = INIT_DONE;
        break;
    case INIT_DONE:
    case INIT_NEVER: chip->imr = value; break;
    }
}

static struct i8259 *pair_chip_at(struct i8259_pair *pair, uint16_t port) {
    return &pair->chip[(port & ~1u) == SLAVE_PORT];
}

static void pair_write(void *device, uint16_t port, unsigned size, uint32_t value) {
    (void)size;
    struct i8259_pair *pair = device;
    struct i8259 *chip = pair_chip_at(pair, port);
    uint8_t byte = (uint8_t)value;
    if (port & 1) {
        chip_write_odd(chip, byte);
        pair_notify(pair, false);
    } else if (byte & ICW1_INIT) {
        pair_notify(pair, true); // edges up to now are latched, and then forgotten
        chip_write_icw1(chip, byte);
        pair_notify(pair, false);
    } else if (byte & OCW3_SELECT) {
        chip_write_ocw3(chip, byte);
    } else {
        chip_write_ocw2(chip, byte);
    }
    pair_update(pair);
}

// A poll is an INTA cycle without vector: the chip asked puts its request into service.
static uint8_t chip_poll(struct i8259 *chip) {
    chip->poll = false;
    unsigned ir = chip_pending(chip);
    if (ir == IRQ_NONE)
        return 0;
    chip_take(chip, ir);
    return (uint8_t)(POLL_REQUEST | ir);
}

static uint32_t pair_read(void *device, uint16_t port, unsigned size) {
    (void)size;
    struct i8259_pair *pair = device;
    struct i8259 *chip = pair_chip_at(pair, port);
    if (chip->poll) {
        pair_notify(pair, true);
        uint8_t word = chip_poll(chip);
        pair_update(pair);
        return word;
    }
    if (port & 1)
        return chip->imr;
    if (chip->read_isr)
        return chip->isr;
    pair_notify(pair, true);
    return chip_irr(chip);
}

static uint32_t elcr_read(void *device, uint16_t port, unsigned size) {
    (void)size;
    const struct i8259_pair *pair = device;
    return pair->chip[port & 1].elcr;
}

static void elcr_write(void *device, uint16_t port, unsigned size, uint32_t value) {
    (void)size;
    struct i8259_pair *pair = device;
    struct i8259 *chip = &pair->chip[port & 1];
    chip->elcr = (uint8_t)(value & chip->elcr_mask);
    pair_update(pair);
}

void i8259_reset(struct i8259_pair *pair) {
    // IRQ 0, 1, 2, 8 and 13 are edge-triggered on every PC.
    static const uint8_t elcr_mask[2] = {0xf8, 0xde};
    for (unsigned i = 0; i < 2; i++)
        pair->chip[i] =
            (struct i8259){.lines = pair->chip[i].lines, .elcr_mask = elcr_mask[i], .lowest = 7, .step = INIT_NEVER};
    pair_notify(pair, true);
    pair_update(pair);
}

struct i8259_pair *i8259_create(struct io_bus *io, struct irq_line intr, const struct log *log, struct error *err) {
    struct i8259_pair *pair = calloc(1, sizeof *pair);
    if (!pair) {
        error_set(err, "i8259: out of memory");
        return NULL;
    }
    pair->intr = intr;
    pair->log = log;
    if (io_bus_register(io, MASTER_PORT, 2, pair_read, pair_write, pair, err) ||
        io_bus_register(io, SLAVE_PORT, 2, pair_read, pair_write, pair, err) ||
        io_bus_register(io, ELCR_PORT, 2, elcr_read, elcr_write, pair, err)) {
        free(pair);
        return NULL;
    }
    i8259_reset(pair);
    return pair;
}

void i8259_destroy(struct i8259_pair *pair) {
    free(pair);
}

void i8259_get_state(const struct i8259_pair *pair, unsigned chip_number, struct i8259_state *state) {
    const struct i8259 *chip = &pair->chip[chip_number & 1];
    *state = (struct i8259_state){
        .irr = chip_irr(chip),
        .isr = chip->isr,
        .imr = chip->imr,
        .vector_base = chip->vector_base,
        .elcr = chip->elcr,
    };
}

bool i8259_any_unmasked(const struct i8259_pair *pair) {
    for (unsigned irq = 0; irq < I8259_IRQ_COUNT; irq++)
        if (irq != CASCADE_IRQ && pair_wants(pair, irq))
            return true;
    return false;
}
