// A toy kernel that runs ring 3 tasks in address spaces of their own, preempted by the timer, with system calls, demand
// paging and copy on write; each task's result is known beforehand.
#ifndef MULTITASK_H
#define MULTITASK_H

#include "pc.h"

#include "paging.h"

enum { TASKS_MAX = 12, HEAP_PAGES = 64 };
enum { HEAP_AT = 0x20000000, STACK_TOP = 0xbff00000, STACK_PAGES = 8 };
enum syscall { SYS_YIELD = 1, SYS_PID, SYS_EXIT, SYS_FORGET, SYS_TIME };

// What a task works on: at the beginning of its heap. The same structure serves the model.
struct work {
    u32 seed, rounds;
    u32 sum;
    u32 calls; // system calls made
};

// The task's program: position-independent code in the user section. With `syscalls` false it runs as the model.
u32 task_program(struct work *work, u32 *heap, u32 heap_words, bool syscalls);
extern u8 task_start[], task_entry[], task_end[]; // the code, and where a task begins; EBX = heap

struct settings {
    enum paging_mode mode;
    unsigned tasks;
    u32 rounds;
    bool random_code;   // each space has the code at another address
    bool copy_on_write; // heaps start as one shared read-only frame
    u32 hz;
};

// Runs the tasks to their end and checks their results.
void multitask(const struct settings *settings);

#endif
