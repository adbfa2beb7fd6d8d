// The nanobenchmarks: what single events cost in a guest, in ticks of its time-stamp counter, in the manner of Adams
// and Agesen (ASPLOS 2006). A bare-metal guest on the runtime of guests/rt, built and run by bench/events.
//
// Words on the command line choose rows; without one that names a row all are run. Each row is printed as
// "@begin NAME", "@row NAME LEAST CHECKSUM MEAN" (hundredths of a tick for one event: of the cheapest loop, of all
// loops; the checksum is what the events themselves counted) and "@end NAME TICKS EVENTS". The word `short` runs a row
// for a shorter time, `long` for a longer one; `nothing` alone runs none. The cheapest loop counts, so that a busy host
// hardly shows.
#include "nano.h"

#include "paging.h"

enum { RUNS_LEAST = 5, RUNS_MOST = 600, TICKS = 40000000, TICKS_SHORT = 2000000, TICKS_LONG = 1000000000 };

static bool wanted_all;

static bool is_wanted(const char *name) {
    return wanted_all || option(name);
}

void row(const struct nano_row *row) {
    const struct regs in = regs_for(row->ring);
    const bool is_long = option("long");
    const u32 enough = option("short") ? TICKS_SHORT : is_long ? TICKS_LONG : TICKS, events = LOOPS * row->events;
    const u32 most = is_long ? ~0u : RUNS_MOST;
    u32 best = ~0u, runs = 0;
    u64 total = 0;
    struct trap t;
    if (!is_wanted(row->name))
        return;
    print("@begin %s\n", row->name);
    do {
        exec(row->code, &in, &t);
        if (t.vector != EXEC_DONE || t.r.ebx != row->expected) {
            print("@wrong %s vector %u ebx %x\n", row->name, t.vector, t.r.ebx);
            FAIL(row->name);
            return;
        }
        if (t.r.edi < best)
            best = t.r.edi;
        total += t.r.edi;
        runs++;
    } while (runs < RUNS_LEAST || (runs < most && total < enough));
    const u32 mean = (u32)total / runs; // a row stays below 2^32 ticks
    print("@row %s %u %u %u\n", row->name, (u32)((u64)best * 100 / events), t.r.ebx, (u32)((u64)mean * 100 / events));
    print("@end %s %u %u\n", row->name, (u32)total, runs * events);
}

// Whether no word of the command line is a row's name: the loader's path and `short` are not.
static bool names_no_row(const struct nano_row *const *rows, unsigned count) {
    if (option("nothing"))
        return false;
    for (unsigned i = 0; i < count; i++)
        if (option(rows[i]->name))
            return false;
    return true;
}

void main(void) {
    unsigned count;
    const struct nano_row *const *rows = nano_rows(&count);
    struct space s = space_new(PAGING_32);
    space_identity(&s);
    pte_set(&s, NANO_ABSENT, 0);
    space_enter(&s);
    wanted_all = names_no_row(rows, count);
    nano_prepare(&s);
    for (unsigned i = 0; i < count; i++)
        row(rows[i]);
    print("@finished\n");
    guest_exit(check_failures() ? 1 : 0);
}
