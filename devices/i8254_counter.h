// One counter of the 8254 as a function of time: every question is answered from the tick number, nothing counts.
// Private to the 8254; apart from it because each mode can then be tested alone.
#ifndef DEVICES_I8254_COUNTER_H
#define DEVICES_I8254_COUNTER_H

#include <stdbool.h>
#include <stdint.h>

#define I8254_NO_TICK UINT64_MAX

struct i8254_counter {
    uint8_t mode;   // 0 to 5
    uint8_t access; // bits RW1, RW0 of the control word: 1 low byte, 2 high byte, 3 low then high
    bool bcd;
    bool gate;
    // Programming.
    bool write_high_next, read_high_next;
    uint8_t write_low;
    // Latches.
    bool count_latched, status_latched;
    uint16_t latch;
    uint8_t status;
    // Counting. A count that was written is in the counting element from load_tick on; a running counter of mode 2 or 3
    // takes it at the end of its period, modes 1 and 5 at a trigger (until then load_tick is I8254_NO_TICK).
    bool null_count; // not loaded yet
    uint32_t written_count;
    uint64_t load_tick;
    bool counting;    // there is a count, and in modes 1 and 5 a trigger came
    bool paused;      // by the gate
    uint32_t period;  // the count loaded, 1 to 65536
    uint64_t start;   // tick at which the element held `period`
    uint64_t elapsed; // ticks counted when it was paused
};

// Bits 5 to 0 of a control word (RW not 0): stops the counter; the output is as the mode defines it. Ticks given to the
// functions never go backwards.
void counter_control(struct i8254_counter *counter, uint8_t control);
void counter_write(struct i8254_counter *counter, uint8_t byte, uint64_t now);
uint8_t counter_read(struct i8254_counter *counter, uint64_t now);
void counter_latch_count(struct i8254_counter *counter, uint64_t now);
void counter_latch_status(struct i8254_counter *counter, uint64_t now);
void counter_set_gate(struct i8254_counter *counter, bool level, uint64_t now);

bool counter_out(struct i8254_counter *counter, uint64_t now);

// Rising edges of the output from counting alone: how many lie in (after, until], and the first one after a tick
// (I8254_NO_TICK: none).
uint64_t counter_edges(struct i8254_counter *counter, uint64_t after, uint64_t until);
uint64_t counter_next_edge(const struct i8254_counter *counter, uint64_t after);

#endif
