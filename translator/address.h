// Inside access.c and identity.c only: the host's view of an address.
#ifndef TRANSLATOR_ADDRESS_H
#define TRANSLATOR_ADDRESS_H

#include "translator/context.h"

// The reference as a host memory operand on the guest's registers, without segment, `add` or 16-bit cut.
struct host_mem address_plain(const struct mem_ref *ref);

// r8d = linear address; based: the segment's base is added, read through its pointer. Clobbers r9.
void address_emit_linear(struct tctx *t, const struct mem_ref *ref, bool based);

#endif
