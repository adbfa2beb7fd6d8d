// The frame of the programs that use the C library (os, whole, growth): a table of rows, and main, which times them in
// the form of compute.c: "@begin NAME", "@row NAME NANOSECONDS 0" (of one operation, the best of several batches) and
// "@end NAME NANOSECONDS" (all that was timed). A row that cannot run here prints "@skip NAME REASON" instead.
#ifndef BENCH_PROGRAMS_TIMING_H
#define BENCH_PROGRAMS_TIMING_H

#include <stdint.h>
#include <sys/types.h>

struct timed_row {
    const char *name;
    void (*run)(uint32_t times);
    uint32_t unit;                // how many operations one "time" is
    uint32_t fixed;               // not 0: a go is so many times, and the figure is the middle of a few goes
    const char *(*why_not)(void); // NULL, or gives NULL or the reason why the row cannot run here
};

// The program's rows, in the order in which they run.
extern const struct timed_row timed_rows[];
extern const unsigned timed_row_count;

uint64_t now_ns(void);
// Called by a row that prepares something: what counts begins, or ends, here.
void timing_begin(void);
void timing_end(void);
__attribute__((noreturn)) void fail(const char *what);
// Waits for a child, which must end with status 0.
void wait_for(pid_t pid);
// So many bytes of fresh memory with these rights (PROT_*).
void *map_anonymous(size_t size, int rights);
// A folder in memory where there is one.
const char *scratch_folder(void);

#endif
