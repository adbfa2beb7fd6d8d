// Page tables. All tables lie in the identity-mapped part, so physical addresses are pointers.
#include "paging.h"

enum { IDENTITY_SIZE = 32 << 20, PAGE = 4096 };
extern u8 rt_user_start[], rt_user_end[];

struct space space_new(enum paging_mode mode) {
    struct space s = {mode, page_alloc(1)};
    if (mode == PAGING_PAE) {
        u64 *pdpt = (u64 *)s.root;
        for (unsigned i = 0; i < 4; i++)
            pdpt[i] = page_alloc(1) | PTE_P;
    }
    return s;
}

void *space_pde(struct space *s, u32 linear) {
    if (s->mode == PAGING_32)
        return (u32 *)s->root + (linear >> 22);
    u64 *directory = (u64 *)((u32)((u64 *)s->root)[linear >> 30] & ~0xfffu);
    return directory + (linear >> 21 & 511);
}

static u64 load(const struct space *s, const void *entry) {
    return s->mode == PAGING_32 ? *(const volatile u32 *)entry : *(const volatile u64 *)entry;
}

static void store(const struct space *s, void *entry, u64 value) {
    if (s->mode == PAGING_32)
        *(volatile u32 *)entry = (u32)value;
    else
        *(volatile u64 *)entry = value;
}

void *space_pte(struct space *s, u32 linear) {
    void *pde = space_pde(s, linear);
    if (!(load(s, pde) & PTE_P))
        store(s, pde, page_alloc(1) | PTE_WU);
    u32 table = (u32)load(s, pde) & ~0xfffu;
    return s->mode == PAGING_32 ? (void *)((u32 *)table + (linear >> 12 & 1023))
                                : (void *)((u64 *)table + (linear >> 12 & 511));
}

u64 pte_get(const struct space *s, u32 linear) {
    struct space copy = *s;
    return load(s, space_pte(&copy, linear));
}

void pte_set(struct space *s, u32 linear, u64 value) {
    store(s, space_pte(s, linear), value);
}

u64 pde_get(const struct space *s, u32 linear) {
    struct space copy = *s;
    return load(s, space_pde(&copy, linear));
}

void pde_set(struct space *s, u32 linear, u64 value) {
    store(s, space_pde(s, linear), value);
}

void space_identity(struct space *s) {
    for (u32 page = 0; page < IDENTITY_SIZE; page += PAGE) {
        bool user = page >= (u32)rt_user_start && page < (u32)rt_user_end;
        pte_set(s, page, page | (user ? PTE_WU : PTE_WS));
    }
}

void space_enter(const struct space *s) {
    if (!(read_cr0() & CR0_PG)) {
        u32 cr4 = read_cr4() & ~(CR4_PAE | CR4_PSE | CR4_PGE);
        write_cr4(cr4 | (s->mode == PAGING_PAE ? CR4_PAE : CR4_PSE));
        write_cr3(s->root);
        write_cr0(read_cr0() | CR0_PG | CR0_WP);
    } else {
        write_cr3(s->root);
    }
}

bool has_nx(void) {
    u32 r[4];
    cpuid(0x80000000, r);
    if (r[0] < 0x80000001)
        return false;
    cpuid(0x80000001, r);
    return r[3] >> 20 & 1;
}

bool has_pge(void) {
    u32 r[4];
    cpuid(1, r);
    return r[3] >> 13 & 1;
}
