// Inside the translator's core: the end of a block.
#ifndef TRANSLATOR_CONTROL_H
#define TRANSLATOR_CONTROL_H

#include "translator/context.h"

// The unlinked paths of all exits of the block; fills their cold and cold_return.
void control_emit_cold_exits(struct tctx *t);

#endif
