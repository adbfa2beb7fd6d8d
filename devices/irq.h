// An interrupt line: what a device drives without knowing the controller behind it. The controller (i8259_line), a test
// or the processor's INTR input fills one in; a device keeps a copy. All calls are made with the device lock held.
#ifndef DEVICES_IRQ_H
#define DEVICES_IRQ_H

#include <stdbool.h>
#include <stddef.h>

// Told to a device that computes its interrupts from the clock: `wanted` is false while the line is masked, so that
// nobody would notice an interrupt. A call with true means: bring the line up to date now, then keep it so. Repeated
// calls with the same value happen (the controller is about to be read) and ask for one update.
typedef void (*irq_wanted_fn)(void *device, bool wanted);

struct irq_line {
    void (*set)(void *opaque, unsigned number, bool level); // NULL: the line goes nowhere
    // True while an edge was latched that the processor has not taken yet. NULL: never.
    bool (*pending)(void *opaque, unsigned number);
    // Asks for wanted calls (NULL ends them); the first comes at once. NULL: the line is always wanted.
    void (*watch)(void *opaque, unsigned number, irq_wanted_fn wanted, void *device);
    void *opaque;
    unsigned number;
};

static inline void irq_set(const struct irq_line *line, bool level) {
    if (line->set)
        line->set(line->opaque, line->number, level);
}

// One rising edge; the line stays high, as the outputs of the 8254 do.
static inline void irq_edge(const struct irq_line *line) {
    irq_set(line, false);
    irq_set(line, true);
}

static inline bool irq_pending(const struct irq_line *line) {
    return line->pending && line->pending(line->opaque, line->number);
}

static inline void irq_watch(const struct irq_line *line, irq_wanted_fn wanted, void *device) {
    if (line->watch)
        line->watch(line->opaque, line->number, wanted, device);
    else if (wanted)
        wanted(device, true);
}

#endif
