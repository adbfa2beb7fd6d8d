// See reference.h.
#include "reference.h"

static bool bit(uint64_t value, unsigned number) {
    return value >> number & 1;
}

static uint64_t bits(uint64_t value, unsigned high, unsigned low) {
    return (value >> low) & ((2ull << (high - low)) - 1);
}

void reference_walk(struct fixture *f, uint32_t linear, enum mmu_access access, bool user, struct reference *r) {
    const struct mmu_control *c = &f->mmu->control;
    bool paging = bit(c->cr0, 31);
    bool pae = bit(c->cr4, 5);
    bool wp = bit(c->cr0, 16);
    bool write = access == MMU_WRITE;
    uint32_t base_error = (write ? 2u : 0) | (user ? 4u : 0) | (access == MMU_EXEC && pae && c->nxe ? 16u : 0);
    *r = (struct reference){.faults = true, .error = base_error};
    if (!paging) {
        r->faults = false;
        r->gpa = linear;
        return;
    }
    uint64_t directory;
    if (pae) {
        uint64_t pdpte = f->mmu->pdpte[bits(linear, 31, 30)];
        if (!bit(pdpte, 0)) {
            return;
        }
        directory = bits(pdpte, 35, 12) << 12;
        r->pde_at = directory + bits(linear, 29, 21) * 8;
    } else {
        directory = bits(c->cr3, 31, 12) << 12;
        r->pde_at = directory + bits(linear, 31, 22) * 4;
    }
    uint64_t pde = r->pde_after = fixture_get(f, r->pde_at);
    if (!bit(pde, 0)) {
        return;
    }
    bool big = bit(pde, 7) && (pae || bit(c->cr4, 4));
    bool reserved = false;
    if (pae) {
        reserved = bits(pde, 62, 36) || (bit(pde, 63) && !c->nxe) || (big && bits(pde, 20, 13));
    } else {
        reserved = big && bits(pde, 21, 13);
    }
    if (reserved) {
        r->error = base_error | 1 | 8;
        return;
    }
    bool can_write = bit(pde, 1);
    bool can_user = bit(pde, 2);
    bool no_execute = pae && bit(pde, 63);
    uint64_t pte = 0;
    if (!big) {
        r->pte_at = (bits(pde, 35, 12) << 12) + (pae ? bits(linear, 20, 12) * 8 : bits(linear, 21, 12) * 4);
        pte = r->pte_after = fixture_get(f, r->pte_at);
        if (!bit(pte, 0)) {
            return;
        }
        if (pae && (bits(pte, 62, 36) || (bit(pte, 63) && !c->nxe))) {
            r->error = base_error | 1 | 8;
            return;
        }
        can_write = can_write && bit(pte, 1);
        can_user = can_user && bit(pte, 2);
        no_execute = no_execute || (pae && bit(pte, 63));
    }
    bool violates = (user && !can_user) || (write && !can_write && (user || wp)) || (access == MMU_EXEC && no_execute);
    if (violates) {
        r->error = base_error | 1;
        return;
    }
    r->faults = false;
    r->pde_after = pde | 1u << 5;
    if (big) {
        r->pde_after |= write ? 1u << 6 : 0;
        r->gpa =
            pae ? (bits(pde, 35, 21) << 21) + bits(linear, 20, 0) : (bits(pde, 31, 22) << 22) + bits(linear, 21, 0);
    } else {
        r->pte_after = pte | 1u << 5 | (write ? 1u << 6 : 0);
        r->gpa = (bits(pte, 35, 12) << 12) + bits(linear, 11, 0);
    }
}
