// What the laboratory's programs gave at ring 0 outside Ringshade, as recorded by tools/record-lab.
#ifndef APP_LAB_BARE_H
#define APP_LAB_BARE_H

#include "app/lab_run.h"

// Where the records come from, in a line.
extern const char lab_bare_source[];

// The record of a program; LAB_NOT_RUN where there is none.
void lab_bare_run(const struct lab_program *program, struct lab_run *run);

#endif
