// What is timed: one turn of each, and what it counts up to.
#ifndef PARAVIRT_ROWS_H
#define PARAVIRT_ROWS_H

#include "system.h"

// The paravirtual build's rows have names of their own.
#ifdef PARAVIRT
#define ROW_SUFFIX "-hypercall"
#else
#define ROW_SUFFIX ""
#endif

struct row {
    const char *name;
    u32 (*turn)(void); // returns what is added to the checksum
    u32 events;        // in one turn
    u32 most;          // turns
};

extern const struct row rows[];
extern const unsigned row_count;
void rows_prepare(void);

#endif
