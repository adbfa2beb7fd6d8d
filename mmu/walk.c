// Guest page-table walks: two-level with 4 MiB pages, and PAE with the PDPTE registers and NX. Intel SDM vol. 3A, 4.3,
// 4.4, 4.6 to 4.8. Light code: no libc, no SSE. Never changes an entry but by setting A and D, atomically, because the
// guest's devices may write the tables at the same time.
#include "base/populate.h"
#include "mmu/hostcall.h"
#include "mmu/state.h"

#define ADDRESS_MASK   (((1ull << MMU_PHYSICAL_BITS) - 1) & ~0xfffull)
#define ADDRESS_4M     0xffc00000ull
#define ADDRESS_2M     (ADDRESS_MASK & ~0x1fffffull)
#define PDPTE_RESERVED (~((1ull << MMU_PHYSICAL_BITS) - 1) | 0x1e6ull)
// Of these walks a second try is needed only when a device changed an entry in between.
#define WALK_TRIES 64

uint64_t walk_read_entry(struct mmu *mmu, uint64_t gpa) {
    const uint8_t *host = mmu_ram_host(mmu, gpa);
    if (mmu->pae) {
        return host ? __atomic_load_n((const uint64_t *)(const void *)host, __ATOMIC_RELAXED)
                    : mmu->device_read(mmu->opaque, gpa, 8);
    }
    return host ? __atomic_load_n((const uint32_t *)(const void *)host, __ATOMIC_RELAXED)
                : (uint32_t)mmu->device_read(mmu->opaque, gpa, 4);
}

bool walk_pde_address(const struct mmu *mmu, uint32_t linear, uint64_t *gpa) {
    if (!mmu->pae) {
        *gpa = ((mmu->control.cr3 & ~0xfffu) + (linear >> 22) * 4) & mmu->a20_mask;
        return true;
    }
    uint64_t pdpte = mmu->pdpte[linear >> 30];
    *gpa = ((pdpte & ADDRESS_MASK) + (linear >> 21 & 511) * 8) & mmu->a20_mask;
    return pdpte & PTE_P;
}

int walk_load_pdptes(struct mmu *mmu, uint32_t cr3, uint64_t pdpte[4]) {
    for (unsigned i = 0; i < 4; i++) {
        uint64_t gpa = ((cr3 & ~31u) + i * 8) & mmu->a20_mask;
        mmu_read_part(mmu, gpa, &pdpte[i], 8);
        if ((pdpte[i] & PTE_P) && (pdpte[i] & PDPTE_RESERVED)) {
            return -1;
        }
    }
    return 0;
}

static void walk_physical(const struct mmu *mmu, uint32_t linear, struct walk *walk) {
    *walk = (struct walk){.gpa = linear & ~MMU_PAGE_MASK & mmu->a20_mask, .write = true, .user = true, .execute = true};
}

int walk_tables(struct mmu *mmu, uint32_t linear, struct walk *walk, uint32_t *error) {
    *error = 0;
    if (!mmu->paging) {
        walk_physical(mmu, linear, walk);
        return 0;
    }
    uint64_t gpa;
    if (!walk_pde_address(mmu, linear, &gpa)) {
        return -1;
    }
    uint64_t pde = walk_read_entry(mmu, gpa);
    if (!(pde & PTE_P)) {
        return -1;
    }
    walk->pde = pde;
    walk->pde_gpa = gpa;
    uint64_t rights;
    if ((pde & PTE_PS) && mmu->pse) {
        if (pde & mmu->reserved_large) {
            *error = PF_P | PF_RSVD;
            return -1;
        }
        walk->pte = pde;
        walk->pte_gpa = gpa;
        walk->large = true;
        walk->gpa = mmu->pae ? (pde & ADDRESS_2M) | (linear & 0x1ff000) : (pde & ADDRESS_4M) | (linear & 0x3ff000);
        walk->execute = !(pde & PTE_XD);
        rights = pde;
    } else {
        if (pde & mmu->reserved_pte) {
            *error = PF_P | PF_RSVD;
            return -1;
        }
        unsigned index = mmu->pae ? (linear >> 12 & 511) * 8 : (linear >> 12 & 1023) * 4;
        gpa = ((pde & ADDRESS_MASK) + index) & mmu->a20_mask;
        uint64_t pte = walk_read_entry(mmu, gpa);
        if (!(pte & PTE_P)) {
            return -1;
        }
        if (pte & mmu->reserved_pte) {
            *error = PF_P | PF_RSVD;
            return -1;
        }
        walk->pte = pte;
        walk->pte_gpa = gpa;
        walk->large = false;
        walk->gpa = pte & ADDRESS_MASK;
        walk->execute = !((pde | pte) & PTE_XD);
        rights = pde & pte;
    }
    walk->gpa &= mmu->a20_mask;
    walk->write = rights & PTE_RW;
    walk->user = rights & PTE_US;
    walk->global = mmu->pge && (walk->pte & PTE_G);
    return 0;
}

// Sets bits in the entry at gpa if it still is what was read. False: it changed, walk again.
static bool set_entry_bits(struct mmu *mmu, uint64_t gpa, uint64_t entry, uint64_t bits) {
    if ((entry & bits) == bits) {
        return true;
    }
    uint8_t *host = mmu_ram_host(mmu, gpa);
    if (!host) {
        mmu->device_write(mmu->opaque, gpa, mmu->pae ? 8 : 4, entry | bits);
        return true;
    }
    if (mmu_frame_has_code(mmu, gpa >> 12)) {
        mmu->code_written(mmu->opaque, (uint32_t)(gpa >> 12));
    }
    if (mmu->pae) {
        return __atomic_compare_exchange_n((uint64_t *)(void *)host, &entry, entry | bits, false, __ATOMIC_SEQ_CST,
                                           __ATOMIC_SEQ_CST);
    }
    uint32_t old = (uint32_t)entry;
    return __atomic_compare_exchange_n((uint32_t *)(void *)host, &old, old | (uint32_t)bits, false, __ATOMIC_SEQ_CST,
                                       __ATOMIC_SEQ_CST);
}

#define RAM_CHUNK 64u // frames that are populated together

// The monitor's own mapping of RAM comes into being a chunk at a time: a host fault a page would cost many times more.
static void ram_populate(struct mmu *mmu, const struct mmu_page *page) {
    uint32_t chunk = (uint32_t)(page->gpa >> 12) / RAM_CHUNK;
    uint64_t bit = 1ull << (chunk % 64);
    if (!page->host || mmu->ram_present[chunk / 64] & bit) {
        return;
    }
    mmu->ram_present[chunk / 64] |= bit;
    uint64_t start = (uint64_t)chunk * RAM_CHUNK * RAM_PAGE_SIZE;
    uint64_t size = RAM_CHUNK * RAM_PAGE_SIZE;
    size = size < mmu->ram->size - start ? size : mmu->ram->size - start;
    hostcall_madvise((uint64_t)(uintptr_t)mmu->ram->host + start, size, MADV_POPULATE_WRITE);
}

static void fill_page(struct mmu *mmu, const struct walk *walk, bool user, bool dirty, struct mmu_page *page) {
    page->gpa = walk->gpa;
    page->host = mmu_ram_host(mmu, walk->gpa);
    page->writable = walk->write || (!user && !mmu->wp);
    page->accessed = !mmu->paging || ((walk->pte & PTE_A) && (walk->large || (walk->pde & PTE_A)));
    page->dirty = dirty;
    page->user = walk->user;
    page->global = walk->global;
    page->large = walk->large;
    page->execute = walk->execute;
}

static int walk_fault(const struct mmu *mmu, uint32_t linear, enum mmu_access access, bool user, uint32_t error,
                      struct mmu_fault *fault) {
    fault->linear = linear;
    fault->error = error | (access == MMU_WRITE ? PF_WR : 0) | (user ? PF_US : 0) |
                   (access == MMU_EXEC && (mmu->nx || mmu->smep) ? PF_ID : 0);
    return -1;
}

// SMEP and SMAP: is this access to a user page none for a supervisor (SDM vol. 3A, 4.6.1)?
static bool supervisor_refused(const struct mmu *mmu, enum mmu_access access) {
    return access == MMU_EXEC ? mmu->smep : mmu->smap && !mmu->user_open;
}

int mmu_walk(struct mmu *mmu, uint32_t linear, enum mmu_access access, bool user, struct mmu_page *page,
             struct mmu_fault *fault) {
    for (unsigned tries = 0; tries < WALK_TRIES; tries++) {
        struct walk walk;
        uint32_t error;
        if (walk_tables(mmu, linear, &walk, &error)) {
            return walk_fault(mmu, linear, access, user, error, fault);
        }
        if (!mmu->paging) {
            fill_page(mmu, &walk, user, true, page);
            ram_populate(mmu, page);
            return 0;
        }
        if ((user && !walk.user) || (!user && walk.user && supervisor_refused(mmu, access)) ||
            (access == MMU_WRITE && !walk.write && (user || mmu->wp)) || (access == MMU_EXEC && !walk.execute)) {
            return walk_fault(mmu, linear, access, user, PF_P, fault);
        }
        uint64_t bits = PTE_A | (access == MMU_WRITE ? PTE_D : 0);
        if (!walk.large && !set_entry_bits(mmu, walk.pde_gpa, walk.pde, PTE_A)) {
            continue;
        }
        if (!walk.large && walk.pde_gpa == walk.pte_gpa) {
            walk.pte |= PTE_A; // a page directory that is its own page table: the entry was just written
        }
        if (!set_entry_bits(mmu, walk.pte_gpa, walk.pte, bits)) {
            continue;
        }
        if (access == MMU_EXEC && !user && walk.user) {
            mmu->supervisor_in_user_pages = true;
        }
        fill_page(mmu, &walk, user, (walk.pte | bits) & PTE_D, page);
        ram_populate(mmu, page);
        return 0;
    }
    // A device rewrites the tables without end: the guest may as well see a page that is not present.
    return walk_fault(mmu, linear, access, user, 0, fault);
}

int mmu_peek(struct mmu *mmu, uint32_t linear, struct mmu_page *page) {
    struct walk walk;
    uint32_t error;
    if (walk_tables(mmu, linear, &walk, &error)) {
        return -1;
    }
    fill_page(mmu, &walk, true, !mmu->paging || (walk.pte & PTE_D), page);
    return 0;
}
