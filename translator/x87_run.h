// Runs of x87 instructions, inside the translator: what of the instruction and operand pointers is put off.
#ifndef TRANSLATOR_X87_RUN_H
#define TRANSLATOR_X87_RUN_H

#include "translator/context.h"

// The instruction at `at` (in the caller's count) is the last that left something in the pointers.
void x87_run_take(struct x87_pointers *pointers, const struct guest_insn *insn, uint32_t at);
// Will the next instruction be translated in this block, and belong to the run?
bool x87_run_goes_on(const struct tctx *t);
// The current instruction stands in a run: t->x87 takes its change of a register into account.
void x87_run_pass(struct tctx *t);

#endif
