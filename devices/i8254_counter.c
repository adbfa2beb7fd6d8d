// The six modes of an 8254 counter, after the Intel 82C54 data sheet (order number 231244), "Mode Definitions". State
// changes only at writes and gate edges; everything else is arithmetic on the tick number. One simplification: in mode
// 3 a new count waits for the end of the whole period, where the chip waits for the end of the half.
#include "devices/i8254_counter.h"

#define CONTROL_BCD 0x01
#define STATUS_OUT  0x80
#define STATUS_NULL 0x40
#define ACCESS_LOW  1
#define ACCESS_HIGH 2
#define ACCESS_BOTH 3

static bool is_periodic(const struct i8254_counter *counter) {
    return counter->mode == 2 || counter->mode == 3;
}

static bool is_triggered(const struct i8254_counter *counter) {
    return counter->mode == 1 || counter->mode == 5;
}

// Loads a written count whose time has come.
static void settle(struct i8254_counter *counter, uint64_t now) {
    if (!counter->null_count || counter->load_tick == I8254_NO_TICK || now < counter->load_tick)
        return;
    counter->null_count = false;
    counter->period = counter->written_count;
    counter->start = counter->load_tick;
}

static uint64_t elapsed_at(const struct i8254_counter *counter, uint64_t now) {
    if (counter->paused)
        return counter->elapsed;
    return now > counter->start ? now - counter->start : 0;
}

// Begins a count at the next clock pulse.
static void load_next_tick(struct i8254_counter *counter, uint64_t now) {
    counter->period = counter->written_count;
    counter->load_tick = counter->start = now + 1;
    counter->elapsed = 0;
    counter->counting = true;
}

void counter_control(struct i8254_counter *counter, uint8_t control) {
    unsigned mode = (control >> 1) & 7;
    *counter = (struct i8254_counter){
        .mode = (uint8_t)(mode >= 6 ? mode - 4 : mode), // 6 and 7 are 2 and 3
        .access = (control >> 4) & 3,
        .bcd = (control & CONTROL_BCD) != 0,
        .gate = counter->gate,
        .null_count = true,
        .load_tick = I8254_NO_TICK,
        .written_count = 0x10000,
        .period = 0x10000,
    };
}

static uint32_t from_bcd(uint32_t bcd) {
    return (bcd >> 12 & 15) * 1000 + (bcd >> 8 & 15) * 100 + (bcd >> 4 & 15) * 10 + (bcd & 15);
}

static uint32_t to_bcd(uint32_t value) {
    return (value / 1000 % 10) << 12 | (value / 100 % 10) << 8 | (value / 10 % 10) << 4 | value % 10;
}

static void write_count(struct i8254_counter *counter, uint32_t count, uint64_t now) {
    settle(counter, now);
    count = counter->bcd ? from_bcd(count) : count;
    counter->written_count = count ? count : counter->bcd ? 10000 : 0x10000;
    bool running = counter->counting && !counter->paused;
    if (is_triggered(counter)) {
        counter->load_tick = I8254_NO_TICK;
    } else if (is_periodic(counter) && running) {
        // A count that waits already keeps its place; else it waits for the end of the period.
        if (!counter->null_count)
            counter->load_tick = counter->start + (elapsed_at(counter, now) / counter->period + 1) * counter->period;
    } else {
        load_next_tick(counter, now);
        counter->paused = !counter->gate;
    }
    counter->null_count = true;
}

void counter_write(struct i8254_counter *counter, uint8_t byte, uint64_t now) {
    switch (counter->access) {
    case ACCESS_LOW: write_count(counter, byte, now); break;
    case ACCESS_HIGH: write_count(counter, (uint32_t)byte << 8, now); break;
    default:
        if (counter->write_high_next) {
            write_count(counter, (uint32_t)byte << 8 | counter->write_low, now);
        } else {
            counter->write_low = byte;
            if (counter->mode == 0)
                counter->counting = false; // the first byte stops it and sets OUT low
        }
        counter->write_high_next = !counter->write_high_next;
    }
}

// In mode 3 the element counts down by two, twice a period; an odd count is loaded less one.
static uint32_t square_wave_count(uint32_t period, uint32_t phase) {
    uint32_t high_half = (period + 1) / 2;
    uint32_t first = period & ~1u;
    return first - 2 * (phase < high_half ? phase : phase - high_half);
}

static uint16_t count_at(struct i8254_counter *counter, uint64_t now) {
    settle(counter, now);
    uint64_t elapsed = counter->counting ? elapsed_at(counter, now) : 0;
    uint32_t count;
    if (counter->mode == 2) {
        count = counter->period - (uint32_t)(elapsed % counter->period);
    } else if (counter->mode == 3) {
        count = square_wave_count(counter->period, (uint32_t)(elapsed % counter->period));
    } else {
        uint32_t modulus = counter->bcd ? 10000 : 0x10000;
        count = (counter->period + modulus - (uint32_t)(elapsed % modulus)) % modulus;
    }
    return (uint16_t)(counter->bcd ? to_bcd(count) : count);
}

void counter_latch_count(struct i8254_counter *counter, uint64_t now) {
    if (counter->count_latched)
        return;
    counter->latch = count_at(counter, now);
    counter->count_latched = true;
}

void counter_latch_status(struct i8254_counter *counter, uint64_t now) {
    if (counter->status_latched)
        return;
    settle(counter, now);
    counter->status = (uint8_t)((counter_out(counter, now) ? STATUS_OUT : 0) | (counter->null_count ? STATUS_NULL : 0) |
                                counter->access << 4 | counter->mode << 1 | (counter->bcd ? CONTROL_BCD : 0));
    counter->status_latched = true;
}

uint8_t counter_read(struct i8254_counter *counter, uint64_t now) {
    if (counter->status_latched) {
        counter->status_latched = false;
        return counter->status;
    }
    uint16_t count = counter->count_latched ? counter->latch : count_at(counter, now);
    bool high = counter->access == ACCESS_HIGH || (counter->access == ACCESS_BOTH && counter->read_high_next);
    if (counter->access == ACCESS_BOTH)
        counter->read_high_next = !counter->read_high_next;
    if (counter->access != ACCESS_BOTH || high)
        counter->count_latched = false;
    return (uint8_t)(high ? count >> 8 : count);
}

void counter_set_gate(struct i8254_counter *counter, bool level, uint64_t now) {
    if (counter->gate == level)
        return;
    settle(counter, now);
    counter->gate = level;
    if (is_triggered(counter)) {
        if (level && (counter->null_count || counter->counting))
            load_next_tick(counter, now);
    } else if (counter->counting && !level) {
        counter->elapsed = elapsed_at(counter, now);
        counter->paused = true;
    } else if (counter->counting && is_periodic(counter)) {
        counter->paused = false;
        load_next_tick(counter, now);
    } else if (counter->counting) {
        counter->paused = false;
        counter->start = now - counter->elapsed;
    }
}

bool counter_out(struct i8254_counter *counter, uint64_t now) {
    settle(counter, now);
    if (!counter->counting)
        return counter->mode != 0;
    uint64_t elapsed = elapsed_at(counter, now);
    uint32_t phase = (uint32_t)(elapsed % counter->period);
    switch (counter->mode) {
    case 0:
    case 1: return elapsed >= counter->period;
    case 2: return counter->paused || phase != counter->period - 1;
    case 3: return counter->paused || phase < (counter->period + 1) / 2;
    default: return elapsed != counter->period;
    }
}

// Edges of a periodic counter up to a tick; a count of 1 gives none.
static uint64_t periods_until(const struct i8254_counter *counter, uint64_t tick) {
    return counter->period > 1 && tick > counter->start ? (tick - counter->start) / counter->period : 0;
}

// The single edge of the other modes: at the end of the count, one clock later where OUT is a strobe.
static uint64_t single_edge(const struct i8254_counter *counter) {
    return counter->start + counter->period + (counter->mode >= 4);
}

uint64_t counter_edges(struct i8254_counter *counter, uint64_t after, uint64_t until) {
    if (!counter->counting || counter->paused)
        return 0;
    if (!is_periodic(counter))
        return single_edge(counter) > after && single_edge(counter) <= until;
    uint64_t edges = 0;
    if (counter->null_count && counter->load_tick <= until && counter->load_tick > after) {
        edges = periods_until(counter, counter->load_tick) - periods_until(counter, after);
        after = counter->load_tick;
    }
    settle(counter, until);
    return edges + periods_until(counter, until) - periods_until(counter, after);
}

uint64_t counter_next_edge(const struct i8254_counter *counter, uint64_t after) {
    if (!counter->counting || counter->paused)
        return I8254_NO_TICK;
    if (!is_periodic(counter))
        return single_edge(counter) > after ? single_edge(counter) : I8254_NO_TICK;
    if (counter->period == 1)
        return I8254_NO_TICK;
    return counter->start + (periods_until(counter, after) + 1) * counter->period;
}
