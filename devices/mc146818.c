// The real-time clock, after the Motorola MC146818A data sheet: time registers, registers A to D, the periodic, alarm
// and update-ended interrupts, and the CMOS cells of the PC/AT. Time stands in the cells as of the last look and is
// carried on from the device clock when somebody looks; a host timer runs only for interrupts that are enabled and not
// masked.
#include "devices/mc146818.h"

#include "devices/mc146818_time.h"

#include <stdlib.h>
#include <time.h>

#define RTC_INDEX_PORT 0x70
#define INDEX_NMI_MASK 0x80

#define A_UIP         0x80 // update in progress
#define A_DIVIDER     0x70
#define A_DIVIDER_32K 0x20
#define A_RESET       0x60 // divider values 11x hold the clock
#define A_RATE        0x0f
#define B_SET         0x80
#define B_PIE         0x40
#define B_AIE         0x20
#define B_UIE         0x10
#define B_SQWE        0x08
#define C_IRQF        0x80
#define C_PF          0x40
#define C_AF          0x20
#define C_UF          0x10
#define D_VRT         0x80 // the battery is good

#define CMOS_FIRST         0x0e
#define CMOS_CHECKED_FIRST 0x10
#define CMOS_CHECKED_LAST  0x2d
#define CMOS_CHECKSUM      0x2e

#define NS_PER_S        1000000000ll
#define UIP_NS          244000 // UIP is set that long before an update
#define BASE_HZ         32768u
#define RESET_TO_UPDATE (NS_PER_S / 2) // from leaving divider reset to the first update
#define CATCH_UP_NS     (NS_PER_S / 4)

struct mc146818 {
    struct event_loop *loop;
    struct event_timer timer;
    struct irq_line irq;
    void (*nmi_mask)(void *opaque, bool masked); // NULL: nobody asks
    void *nmi_opaque;
    bool wanted;
    uint8_t index;
    uint8_t cells[RTC_CELLS]; // C holds the flags
    int64_t second_ns;        // device time at which the second in the cells began
    int64_t phase_ns;         // where the periodic divider counts from
    uint64_t periods_seen;    // periodic edges since then that are in C_PF
    uint64_t backlog;         // periodic interrupts owed
    int64_t last_periodic_ns;
};

static bool rtc_is_held(const struct mc146818 *rtc) {
    return (rtc->cells[RTC_A] & A_RESET) == A_RESET;
}

static int64_t rtc_now(const struct mc146818 *rtc) {
    return (int64_t)event_loop_now(rtc->loop);
}

// Length of a period in ticks of 32768 Hz, 0 for none. Rates 1 and 2 are those of 8 and 9.
static unsigned rtc_period(const struct mc146818 *rtc) {
    unsigned rate = rtc->cells[RTC_A] & A_RATE;
    if (!rate || rtc_is_held(rtc))
        return 0;
    return 1u << (rate <= 2 ? rate + 6 : rate - 1);
}

static uint64_t rtc_periods_until(const struct mc146818 *rtc, int64_t now) {
    unsigned period = rtc_period(rtc);
    if (!period || now < rtc->phase_ns)
        return 0;
    uint64_t passed = (uint64_t)(now - rtc->phase_ns);
    return (passed / NS_PER_S * BASE_HZ + passed % NS_PER_S * BASE_HZ / NS_PER_S) / period;
}

static int64_t rtc_period_ns(const struct mc146818 *rtc, uint64_t periods) {
    uint64_t ticks = periods * rtc_period(rtc);
    return (int64_t)(ticks / BASE_HZ * NS_PER_S + (ticks % BASE_HZ * NS_PER_S + BASE_HZ - 1) / BASE_HZ);
}

// Carries time and flags on to now.
static void rtc_catch_up(struct mc146818 *rtc, int64_t now) {
    uint8_t *c = &rtc->cells[RTC_C];
    int64_t seconds = rtc_is_held(rtc) || now < rtc->second_ns ? 0 : (now - rtc->second_ns) / NS_PER_S;
    if (seconds > 0) {
        rtc->second_ns += seconds * NS_PER_S;
        if (!(rtc->cells[RTC_B] & B_SET)) {
            int64_t before = rtc_time_from_registers(rtc->cells);
            if (rtc_next_alarm(rtc->cells, before) <= before + seconds)
                *c |= C_AF;
            rtc_time_to_registers(rtc->cells, before + seconds);
            *c |= C_UF;
        }
    }
    uint64_t periods = rtc_periods_until(rtc, now);
    if (periods > rtc->periods_seen) {
        uint64_t missed = periods - rtc->periods_seen - 1;
        if (*c & C_PF)
            missed++; // nobody has taken the last one yet
        rtc->periods_seen = periods;
        rtc->last_periodic_ns = now;
        *c |= C_PF;
        if (rtc->wanted && rtc->cells[RTC_B] & B_PIE) {
            uint64_t most = (uint64_t)(CATCH_UP_NS / rtc_period_ns(rtc, 1));
            rtc->backlog = rtc->backlog + missed < most ? rtc->backlog + missed : most;
        }
    } else if (rtc->backlog && !(*c & C_PF) && now - rtc->last_periodic_ns >= rtc_period_ns(rtc, 1) / 2) {
        rtc->backlog--;
        rtc->last_periodic_ns = now;
        *c |= C_PF;
    }
}

static int64_t earlier(int64_t a, int64_t b) {
    return a < b ? a : b;
}

// When the next enabled interrupt that has not happened yet is due, INT64_MAX for never.
static int64_t rtc_next_event(const struct mc146818 *rtc) {
    uint8_t waiting = (uint8_t)(rtc->cells[RTC_B] & ~rtc->cells[RTC_C]);
    int64_t next = INT64_MAX;
    if (waiting & B_PIE && rtc_period(rtc)) {
        next = rtc->phase_ns + rtc_period_ns(rtc, rtc->periods_seen + 1);
        if (rtc->backlog)
            next = earlier(next, rtc->last_periodic_ns + rtc_period_ns(rtc, 1) / 2);
    }
    if (rtc_is_held(rtc) || rtc->cells[RTC_B] & B_SET)
        return next;
    if (waiting & B_UIE)
        next = earlier(next, rtc->second_ns + NS_PER_S);
    if (waiting & B_AIE) {
        int64_t time = rtc_time_from_registers(rtc->cells);
        int64_t alarm = rtc_next_alarm(rtc->cells, time);
        if (alarm != RTC_NO_ALARM)
            next = earlier(next, rtc->second_ns + (alarm - time) * NS_PER_S);
    }
    return next;
}

// Brings time, flags, line and host timer up to date: before and after everything.
static void rtc_update(struct mc146818 *rtc) {
    rtc_catch_up(rtc, rtc_now(rtc));
    uint8_t *c = &rtc->cells[RTC_C];
    bool requested = (*c & rtc->cells[RTC_B] & (C_PF | C_AF | C_UF)) != 0;
    *c = (uint8_t)((*c & ~C_IRQF) | (requested ? C_IRQF : 0));
    irq_set(&rtc->irq, requested);
    // The line is high until C is read: nothing else can be seen before that.
    int64_t next = rtc->wanted && !requested ? rtc_next_event(rtc) : INT64_MAX;
    if (next == INT64_MAX)
        event_timer_cancel(&rtc->timer);
    else
        event_timer_arm(&rtc->timer, (uint64_t)next);
}

static void rtc_timer_fired(void *opaque) {
    rtc_update(opaque);
}

static void rtc_wanted(void *device, bool wanted) {
    struct mc146818 *rtc = device;
    rtc_catch_up(rtc, rtc_now(rtc));
    rtc->wanted = wanted;
    rtc_update(rtc);
}

static uint32_t rtc_read(void *device, uint16_t port, unsigned size) {
    (void)size;
    struct mc146818 *rtc = device;
    if (port == RTC_INDEX_PORT)
        return 0xff; // write-only on the PC/AT
    rtc_update(rtc);
    unsigned index = rtc->index & (RTC_CELLS - 1);
    uint8_t value = rtc->cells[index];
    if (index == RTC_C) {
        rtc->cells[RTC_C] = 0;
        irq_set(&rtc->irq, false); // whatever comes next is a new edge
        rtc_update(rtc);
    } else if (index == RTC_A) {
        bool counts = !rtc_is_held(rtc) && !(rtc->cells[RTC_B] & B_SET);
        bool updating = rtc->second_ns + NS_PER_S - rtc_now(rtc) <= UIP_NS;
        value = (uint8_t)((value & ~A_UIP) | (counts && updating ? A_UIP : 0));
    }
    return value;
}

static void rtc_write_a(struct mc146818 *rtc, uint8_t value) {
    bool was_held = rtc_is_held(rtc);
    int64_t now = rtc_now(rtc);
    rtc->cells[RTC_A] = value & (uint8_t)~A_UIP;
    if (was_held && !rtc_is_held(rtc)) {
        rtc->phase_ns = now;
        rtc->second_ns = now - (NS_PER_S - RESET_TO_UPDATE);
    }
    rtc->periods_seen = rtc_periods_until(rtc, now);
    rtc->backlog = 0;
}

static void rtc_write_b(struct mc146818 *rtc, uint8_t value) {
    if (value & B_SET)
        value &= (uint8_t)~B_UIE;
    if (!(value & B_PIE))
        rtc->backlog = 0;
    rtc->cells[RTC_B] = value;
}

static void rtc_set_index(struct mc146818 *rtc, uint8_t value) {
    rtc->index = value;
    if (rtc->nmi_mask)
        rtc->nmi_mask(rtc->nmi_opaque, mc146818_nmi_masked(rtc));
}

static void rtc_write(void *device, uint16_t port, unsigned size, uint32_t value) {
    (void)size;
    struct mc146818 *rtc = device;
    if (port == RTC_INDEX_PORT) {
        rtc_set_index(rtc, (uint8_t)value);
        return;
    }
    rtc_update(rtc);
    unsigned index = rtc->index & (RTC_CELLS - 1);
    switch (index) {
    case RTC_A: rtc_write_a(rtc, (uint8_t)value); break;
    case RTC_B: rtc_write_b(rtc, (uint8_t)value); break;
    case RTC_C:
    case RTC_D: break; // read-only
    default: rtc->cells[index] = (uint8_t)value;
    }
    rtc_update(rtc);
}

void mc146818_set_cmos(struct mc146818 *rtc, uint8_t index, uint8_t value) {
    if (index >= CMOS_FIRST && index < RTC_CELLS && index != RTC_CENTURY)
        rtc->cells[index] = value;
}

uint8_t mc146818_cmos(const struct mc146818 *rtc, uint8_t index) {
    return rtc->cells[index & (RTC_CELLS - 1)];
}

static void set_cmos_word(struct mc146818 *rtc, uint8_t low_index, uint8_t high_index, uint64_t value) {
    uint16_t word = (uint16_t)(value < 0xffff ? value : 0xffff);
    rtc->cells[low_index] = (uint8_t)word;
    rtc->cells[high_index] = (uint8_t)(word >> 8);
}

void mc146818_set_memory_size(struct mc146818 *rtc, uint64_t bytes) {
    const uint64_t mib = 1u << 20;
    uint64_t extended_kib = bytes > mib ? (bytes - mib) >> 10 : 0;
    set_cmos_word(rtc, 0x15, 0x16, bytes < 640 << 10 ? bytes >> 10 : 640);
    set_cmos_word(rtc, 0x17, 0x18, extended_kib);
    set_cmos_word(rtc, 0x30, 0x31, extended_kib);
    set_cmos_word(rtc, 0x34, 0x35, bytes > 16 * mib ? (bytes - 16 * mib) >> 16 : 0);
    unsigned sum = 0;
    for (unsigned i = CMOS_CHECKED_FIRST; i <= CMOS_CHECKED_LAST; i++)
        sum += rtc->cells[i];
    rtc->cells[CMOS_CHECKSUM] = (uint8_t)(sum >> 8);
    rtc->cells[CMOS_CHECKSUM + 1] = (uint8_t)sum;
}

bool mc146818_nmi_masked(const struct mc146818 *rtc) {
    return rtc->index & INDEX_NMI_MASK;
}

void mc146818_watch_nmi_mask(struct mc146818 *rtc, void (*changed)(void *opaque, bool masked), void *opaque) {
    rtc->nmi_mask = changed;
    rtc->nmi_opaque = opaque;
}

void mc146818_reset(struct mc146818 *rtc) {
    rtc_catch_up(rtc, rtc_now(rtc));
    rtc->cells[RTC_B] &= (uint8_t) ~(B_PIE | B_AIE | B_UIE | B_SQWE);
    rtc->cells[RTC_C] = 0;
    rtc->backlog = 0;
    rtc_set_index(rtc, 0);
    rtc_update(rtc);
}

struct mc146818 *mc146818_create(struct io_bus *io, struct event_loop *loop, struct irq_line irq, int64_t start_unix_s,
                                 struct error *err) {
    struct mc146818 *rtc = calloc(1, sizeof *rtc);
    if (!rtc) {
        error_set(err, "mc146818: out of memory");
        return NULL;
    }
    rtc->loop = loop;
    rtc->irq = irq;
    event_timer_init(&rtc->timer, loop, rtc_timer_fired, rtc);
    if (io_bus_register(io, RTC_INDEX_PORT, 2, rtc_read, rtc_write, rtc, err)) {
        free(rtc);
        return NULL;
    }
    int64_t into_second = 0;
    if (start_unix_s == MC146818_HOST_TIME) {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        start_unix_s = now.tv_sec;
        into_second = now.tv_nsec;
    }
    rtc->cells[RTC_A] = A_DIVIDER_32K | 6; // 1024 Hz, as a BIOS leaves it
    rtc->cells[RTC_B] = RTC_B_24H;
    rtc->cells[RTC_D] = D_VRT;
    rtc->second_ns = rtc->phase_ns = rtc_now(rtc) - into_second;
    rtc->periods_seen = rtc_periods_until(rtc, rtc_now(rtc));
    rtc_time_to_registers(rtc->cells, start_unix_s);
    irq_watch(&rtc->irq, rtc_wanted, rtc);
    return rtc;
}

void mc146818_destroy(struct mc146818 *rtc) {
    if (!rtc)
        return;
    event_timer_cancel(&rtc->timer);
    irq_watch(&rtc->irq, NULL, NULL);
    free(rtc);
}
