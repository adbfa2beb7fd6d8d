// The rows of the program os: each asks the operating system for one thing, so many times.
#ifndef BENCH_PROGRAMS_OS_H
#define BENCH_PROGRAMS_OS_H

#include <stdint.h>

// os_process.c
void run_getppid(uint32_t times);
void run_clock(uint32_t times);
void run_fork(uint32_t times);
void run_exec(uint32_t times);
void run_shell(uint32_t times);  // fork, and exec of /bin/sh -c with a command that it knows itself
void run_signal(uint32_t times); // to itself, with a handler
void run_install(uint32_t times);

// os_memory.c
enum { TOUCH_PAGES = 2048 };
void run_touch(uint32_t times);
void run_map(uint32_t times);
void run_fault(uint32_t times); // a store to a page without the right, its handler, and on behind the store

// os_talk.c
void run_pipe(uint32_t times);
void run_switch(uint32_t times);
void run_ring_2(uint32_t times); // a byte once around a ring of so many processes
void run_ring_4(uint32_t times);
void run_ring_8(uint32_t times);
void run_ring_16(uint32_t times);

// os_file.c
void run_file(uint32_t times);
void run_open(uint32_t times);
void run_read(uint32_t times);

#endif
