// Page tables for tests: two-level with and without PSE, and PAE. Spaces are built in pages from page_alloc, so they go
// at the end of a test. Intel SDM vol. 3A, chapter 4.
#ifndef RT_PAGING_H
#define RT_PAGING_H

#include "rt.h"

#define PTE_P   0x001ull
#define PTE_W   0x002ull
#define PTE_U   0x004ull
#define PTE_PWT 0x008ull
#define PTE_PCD 0x010ull
#define PTE_A   0x020ull
#define PTE_D   0x040ull
#define PTE_PS  0x080ull
#define PTE_G   0x100ull
#define PTE_NX  (1ull << 63)
#define PTE_WU  (PTE_P | PTE_W | PTE_U)
#define PTE_WS  (PTE_P | PTE_W)

enum paging_mode { PAGING_32, PAGING_PAE };

struct space {
    enum paging_mode mode;
    u32 root; // what goes into CR3
};

// An empty address space.
struct space space_new(enum paging_mode mode);
// Identity-maps the first 32 MiB with 4 KiB pages: supervisor pages, writable, but for the guest's user sections
// (snippets, user stack and buffer), which ring 3 may use.
void space_identity(struct space *s);
// The entry that maps `linear`, made if absent (directory entries are P, W, U). Write it with pte_set.
void *space_pte(struct space *s, u32 linear);
void *space_pde(struct space *s, u32 linear);
u64 pte_get(const struct space *s, u32 linear);
void pte_set(struct space *s, u32 linear, u64 value);
u64 pde_get(const struct space *s, u32 linear);
void pde_set(struct space *s, u32 linear, u64 value);
static inline void space_map(struct space *s, u32 linear, u32 physical, u64 flags) {
    pte_set(s, linear, physical | flags);
}
// Loads CR3 and, if it is off, turns paging on in the space's mode.
void space_enter(const struct space *s);
bool has_nx(void);
bool has_pge(void);

#endif
