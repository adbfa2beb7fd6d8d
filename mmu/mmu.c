// Creation of the shadow MMU and its control state: what each change of CR0, CR3, CR4, EFER and A20 invalidates. Intel
// SDM vol. 3A, 4.4.1 (when the PDPTE registers are loaded) and 4.10.4 (invalidation).
#include "mmu/state.h"

#include <stdlib.h>
#include <sys/mman.h>

// Changes of these bits load the PDPTE registers (SDM vol. 3A, 4.4.1).
#define PDPTE_CR0 (CONTROL_CR0_PG | CONTROL_CR0_CD | CONTROL_CR0_NW)
#define PDPTE_CR4 (CONTROL_CR4_PAE | CONTROL_CR4_PSE | CONTROL_CR4_PGE)

static uint64_t a20_mask(const struct mmu_control *control) {
    return control->a20 ? ~0ull : ~(1ull << 20);
}

static void set_pdptes(struct mmu *mmu, const uint64_t pdpte[4]) {
    for (unsigned i = 0; i < 4; i++) {
        mmu->pdpte[i] = pdpte[i];
    }
}

static void derive(struct mmu *mmu) {
    const struct mmu_control *control = &mmu->control;
    mmu->paging = control->cr0 & CONTROL_CR0_PG;
    mmu->pae = mmu->paging && (control->cr4 & CONTROL_CR4_PAE);
    mmu->pse = mmu->pae || (control->cr4 & CONTROL_CR4_PSE);
    mmu->pge = control->cr4 & CONTROL_CR4_PGE;
    mmu->wp = control->cr0 & CONTROL_CR0_WP;
    mmu->nx = mmu->pae && control->nxe;
    mmu->smep = control->cr4 & CONTROL_CR4_SMEP;
    mmu->smap = control->cr4 & CONTROL_CR4_SMAP;
    mmu->a20_mask = a20_mask(control);
    uint64_t high = mmu->pae ? ~((1ull << MMU_PHYSICAL_BITS) - 1) & ~PTE_XD : 0;
    if (mmu->pae && !control->nxe) {
        high |= PTE_XD;
    }
    mmu->reserved_pte = high;
    // Bits between the PAT bit (12) and the frame address: no PSE-36.
    mmu->reserved_large = mmu->pae ? high | 0x1fe000 : 0x3fe000;
}

struct mmu *mmu_create(const struct mmu_config *config, struct error *err) {
    struct mmu *mmu = calloc(1, sizeof(*mmu));
    if (!mmu) {
        error_set(err, "no memory for the shadow MMU");
        return NULL;
    }
    mmu->ram = config->ram;
    mmu->abi = config->abi;
    mmu->stats = config->stats;
    mmu->log = config->log;
    mmu->policy = config->policy;
    mmu->ablate = config->ablate;
    mmu->code_written = config->code_written;
    mmu->device_read = config->device_read;
    mmu->device_write = config->device_write;
    mmu->watched = config->watched;
    mmu->opaque = config->opaque;
    mmu->control.a20 = true;
    derive(mmu);
    softtlb_reset(mmu);
    if (window_create(mmu, err)) {
        free(mmu);
        return NULL;
    }
    return mmu;
}

void mmu_destroy(struct mmu *mmu) {
    if (mmu) {
        window_destroy(mmu);
        free(mmu);
    }
}

// Do the two ask for different walks, rights or addresses, so that nothing shown can be compared?
static bool mode_differs(const struct mmu_control *a, const struct mmu_control *b) {
    uint32_t cr0 = CONTROL_CR0_PG | CONTROL_CR0_WP;
    uint32_t cr4 = CONTROL_CR4_PAE | CONTROL_CR4_PSE | CONTROL_CR4_SMEP | CONTROL_CR4_SMAP;
    return ((a->cr0 ^ b->cr0) & cr0) || ((a->cr4 ^ b->cr4) & cr4) || a->nxe != b->nxe || a->a20 != b->a20;
}

int mmu_set_control(struct mmu *mmu, const struct mmu_control *control) {
    struct mmu_control old = mmu->control;
    bool differs = mode_differs(&old, control);
    bool load =
        ((old.cr0 ^ control->cr0) & PDPTE_CR0) || ((old.cr4 ^ control->cr4) & PDPTE_CR4) || old.cr3 != control->cr3;
    uint64_t pdpte[4];
    load = load && (control->cr0 & CONTROL_CR0_PG) && (control->cr4 & CONTROL_CR4_PAE);
    mmu->a20_mask = a20_mask(control);
    if (load && walk_load_pdptes(mmu, control->cr3, pdpte)) {
        mmu->a20_mask = a20_mask(&old);
        return -1;
    }
    if (differs) {
        window_mode_changes(mmu);
    }
    mmu->control = *control;
    derive(mmu);
    if (load) {
        set_pdptes(mmu, pdpte);
    }
    softtlb_flush(mmu, false);
    window_control_changed(mmu, differs);
    return 0;
}

void mmu_open_user(struct mmu *mmu, bool open) {
    mmu->user_open = open;
    if (!open) {
        softtlb_drop_user(mmu);
    }
}

void mmu_forbid_split_locks(struct mmu *mmu) {
    mmu->no_split_locks = true;
}

int mmu_load_cr3(struct mmu *mmu, uint32_t cr3) {
    if (mmu->pae) {
        uint64_t pdpte[4];
        if (walk_load_pdptes(mmu, cr3, pdpte)) {
            return -1;
        }
        set_pdptes(mmu, pdpte);
    }
    mmu->control.cr3 = cr3;
    softtlb_flush(mmu, mmu->pge);
    window_cr3_loaded(mmu);
    return 0;
}

int mmu_check_cr3(struct mmu *mmu, uint32_t cr3) {
    uint64_t pdpte[4];
    return mmu->pae ? walk_load_pdptes(mmu, cr3, pdpte) : 0;
}

void mmu_invlpg(struct mmu *mmu, uint32_t linear) {
    const uint32_t page = linear & ~MMU_PAGE_MASK;
    mmu_invlpg_pages(mmu, &page, 1);
}

void mmu_invlpg_pages(struct mmu *mmu, const uint32_t *pages, unsigned count) {
    softtlb_invlpg_pages(mmu, pages, count);
    window_invlpg_pages(mmu, pages, count);
}
