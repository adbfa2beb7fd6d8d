// The address range in which windows stand: 4 GiB each, aligned, 64 GiB apart, nothing between them. The range is never
// reserved by a mapping; it is chosen where the host's mmap does not hand out addresses by itself.
#ifndef MMU_SPACE_H
#define MMU_SPACE_H

#include "base/error.h"

#include <stdint.h>

#define SPACE_STRIDE (64ull << 30)
#define SPACE_SLOTS  17 // the empty window, the supervisor window, and user windows
#define SPACE_SIZE   (SPACE_SLOTS * SPACE_STRIDE)

// Finds a free range and claims it, so that no other machine of the process finds it too. Returns the base of slot 0,
// or 0 with err filled.
uint64_t space_find(struct error *err);
// Gives a range back, once nothing is mapped in it.
void space_release(uint64_t base);

#endif
