// The demonstration guest: a small shell on the serial port, for machines where no Linux guest can be had.
#ifndef DEMO_H
#define DEMO_H

#include "pc.h"

enum { TICK_HZ = 100, LINE_MAX = 80 };

void console_init(void);      // serial input and timer by interrupts
int console_read(char *line); // a line without its end, edited by the user; its length
u32 console_ticks(void);      // since console_init, TICK_HZ a second

struct command {
    const char *name, *help;
    void (*run)(const char *arguments);
};
extern const struct command commands[]; // ends with a NULL name

#endif
