// The A20 gate of a PC/AT: address line 20 can be forced to 0 by the keyboard controller's output port and by port 92h.
// Both drive, and read back, this one gate: the last write counts.
#ifndef DEVICES_A20_H
#define DEVICES_A20_H

#include <stdbool.h>

struct a20_gate {
    bool enabled;
    void (*changed)(void *opaque, bool enabled); // may be NULL; called with the device lock held
    void *opaque;
};

static inline void a20_gate_set(struct a20_gate *gate, bool enabled) {
    if (gate->enabled == enabled)
        return;
    gate->enabled = enabled;
    if (gate->changed)
        gate->changed(gate->opaque, enabled);
}

#endif
