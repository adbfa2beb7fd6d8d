// A row of the nanobenchmarks: a snippet that repeats its event LOOPS times and leaves the ticks in EDI and what the
// events counted in EBX.
#ifndef BENCH_NANO_H
#define BENCH_NANO_H

#include "exec.h"
#include "paging.h"

#define LOOPS       200        // in LOOP too
#define NANO_ABSENT 0x1f00000u // a page that is not there; in the snippets too

struct nano_row {
    const char *name;
    const void *code;
    u32 ring;
    u32 events;   // in one turn of the loop
    u32 expected; // EBX at the end
};

// The rows, in the order in which they run.
const struct nano_row *const *nano_rows(unsigned *count);
// Sets up the handlers, descriptors and pages that the rows need. The space is the one that is entered.
void nano_prepare(struct space *s);

#endif
