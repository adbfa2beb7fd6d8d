// What a small system does all day and cannot do without devices or page tables: it writes to its console, reads the
// time, changes mappings and waits. Built twice: as a system for any PC, and, with PARAVIRT defined, as one that asks
// the monitor (docs/hypercalls.md).
#ifndef PARAVIRT_SYSTEM_H
#define PARAVIRT_SYSTEM_H

#include "paging.h"
#include "pc.h"

#define MAPPINGS_MAX 256

// NULL, or why this build cannot run here.
const char *system_refuses(void);
void system_init(void);

void console_line(const char *text, u32 size);
u64 clock_read(void); // a time that grows: ns, or ticks of the 8254 modulo 65536
// Page linear + i * 4096 shows physical[i], for i below count.
void map_pages(struct space *s, u32 linear, const u32 *physical, u32 count);
void idle_200us(void); // with interrupts off before and behind it

#endif
