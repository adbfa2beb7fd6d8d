// A small system that times what it does all day, once as any PC does it and once by calls into the monitor, in the
// form that bench/README.md describes: ticks of the time-stamp counter, of the cheapest turn and in the mean, in
// hundredths. Words on the command line choose rows; `short` and `long` say for how long, `nothing` runs none.
#include "rows.h"

enum { TURNS_LEAST = 5, TICKS = 40000000, TICKS_SHORT = 2000000, TICKS_LONG = 1000000000 };

static bool names_no_row(void) {
    if (option("nothing"))
        return false;
    for (unsigned i = 0; i < row_count; i++)
        if (option(rows[i].name))
            return false;
    return true;
}

static void run(const struct row *row) {
    const u32 enough = option("short") ? TICKS_SHORT : option("long") ? TICKS_LONG : TICKS;
    u32 least = ~0u, turns = 0, sum = 0;
    u64 total = 0;
    print("@begin %s\n", row->name);
    const u32 expected = row->turn(); // also brings code and pages in
    while (turns < TURNS_LEAST || (turns < row->most && total < enough)) {
        u64 start = rdtsc();
        sum = row->turn();
        u32 took = (u32)(rdtsc() - start);
        if (sum != expected || sum == 0) {
            print("@wrong %s\n", row->name);
            FAIL(row->name);
            return;
        }
        least = took < least ? took : least;
        total += took;
        turns++;
    }
    const u32 mean = (u32)total / turns;
    print("@row %s %u %u %u\n", row->name, (u32)((u64)least * 100 / row->events), sum,
          (u32)((u64)mean * 100 / row->events));
    print("@end %s %u %u\n", row->name, (u32)total, turns * row->events);
}

void main(void) {
    const char *refused = system_refuses();
    bool all = names_no_row();
    if (!refused) {
        rows_prepare();
        system_init();
    }
    for (unsigned i = 0; i < row_count; i++) {
        if (!all && !option(rows[i].name))
            continue;
        if (refused)
            print("@skip %s %s\n", rows[i].name, refused);
        else
            run(&rows[i]);
    }
    print("@finished\n");
    guest_exit(check_failures() ? 1 : 0);
}
