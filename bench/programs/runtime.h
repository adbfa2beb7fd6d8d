// What the compute rows need from an operating system, without a C library: a clock, output, the end. Free-standing
// programs are the same code in the guest and natively, with nothing of a library's choices at run time in them. On
// i386 system calls are made by INT 80h; they are few, and none is inside what is timed.
#ifndef BENCH_PROGRAMS_RUNTIME_H
#define BENCH_PROGRAMS_RUNTIME_H

#include <stddef.h>
#include <stdint.h>

// Nanoseconds of the monotonic clock.
uint64_t now_ns(void);

// A text without and with an unsigned number after it.
void put_text(const char *text);
void put_number(uint64_t value);

// Whether the text is one that was asked for: argv[first] and up, where nothing there means everything.
int is_wanted(const char *name, int argc, char **argv, int first);

void *memcpy(void *to, const void *from, size_t size);
void *memset(void *to, int value, size_t size);
int strcmp(const char *a, const char *b);

// The program itself; its result is the exit status.
int main(int argc, char **argv);

#endif
