// A program of the laboratory through the engine: the kernel image, as it would boot elsewhere, in a machine of its
// own.
#ifndef APP_LAB_TRANSLATED_H
#define APP_LAB_TRANSLATED_H

#include "app/lab_run.h"

#include "ringshade.h"

// Every block goes through the verifier before it runs. Returns 0, or -1 with err filled: the host cannot run the
// engine, or the machine did not come to its end.
int lab_translated_run(const struct lab_program *program, struct lab_run *run, struct ringshade_error *err);

#endif
