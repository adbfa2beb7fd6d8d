// Large private address space that is filled from its start on, in huge pages where the host grants them. On a host
// whose page tables are shadowed a first store to each of its small pages costs microseconds, whatever populated them:
// 32 MiB took 55 ms in small pages and 3 ms in huge ones (docs/performance.md).
#ifndef BASE_RESERVE_H
#define BASE_RESERVE_H

#include <stddef.h>

// `size` bytes of zero pages, writable, that count as memory only once touched. NULL, with errno, where there is no
// address space. A size of 2 MiB or more starts at a multiple of 2 MiB.
void *reserve_private(size_t size);
void reserve_release(void *start, size_t size);

#endif
