// The record of a traced block (MODE_TRACED): behind its entry and its checks it writes its number and its page to the
// place before abi.trace_room in abi.trace_ring, or leaves for the dispatcher at its first instruction, with nothing
// done, if there is no room left. A block that is charged too looks for room first and writes behind the charge, so
// that it is charged and recorded exactly when it runs. docs/trace.md
#ifndef TRANSLATOR_RECORD_H
#define TRANSLATOR_RECORD_H

#include "translator/context.h"

// Each emits nothing in a block that is not traced, leaves flags alone and clobbers r8, r9 and r10. Only a charge may
// stand between the two.
void record_look_for_room(struct tctx *t);
void record_write(struct tctx *t);

#endif
