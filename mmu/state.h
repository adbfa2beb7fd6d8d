// The private state of the shadow MMU, shared by the files of this folder and by nothing else.
#ifndef MMU_STATE_H
#define MMU_STATE_H

#include "mmu/mmu.h"

#define MMU_PAGE_MASK 0xfffu

// Bits of page-table entries (SDM vol. 3A, 4.3 and 4.4). Two-level entries are handled zero-extended.
#define PTE_P  (1ull << 0)
#define PTE_RW (1ull << 1)
#define PTE_US (1ull << 2)
#define PTE_A  (1ull << 5)
#define PTE_D  (1ull << 6)
#define PTE_PS (1ull << 7)
#define PTE_G  (1ull << 8)
#define PTE_XD (1ull << 63)

// Bits of the page-fault error code (SDM vol. 3A, 4.7).
#define PF_P    (1u << 0)
#define PF_WR   (1u << 1)
#define PF_US   (1u << 2)
#define PF_RSVD (1u << 3)
#define PF_ID   (1u << 4)

// The part of a software TLB that the inline lookup does not read.
struct tlb_side {
    uint64_t occupied[ABI_TLB_ENTRIES / 64]; // a tag is present
    uint64_t global[ABI_TLB_ENTRIES / 64];   // survives MOV CR3
    uint64_t large[ABI_TLB_ENTRIES / 64];    // from a 4 MiB or 2 MiB page
    uint64_t user[ABI_TLB_ENTRIES / 64];     // a user page
    uint32_t page[ABI_TLB_ENTRIES];          // linear page address
    uint32_t frame[ABI_TLB_ENTRIES];
};

// One part of an operand that lies in one page.
struct bounce_part {
    uint64_t gpa;
    uint8_t *host; // NULL for a device
    unsigned size;
};

// The operand between soft_miss and soft_commit.
struct bounce {
    struct bounce_part part[2];
    unsigned parts;  // 0: none pending
    unsigned offset; // of the operand in the buffer: linear address mod 64
    bool locked;
    uint8_t before[16]; // what a locked operand held when it was loaded
};

struct window_state;

struct mmu {
    struct ram *ram;
    struct vcpu_abi *abi;
    struct stats *stats;
    const struct log *log;
    enum mmu_form_policy policy;
    uint32_t ablate; // enum ablate
    void (*code_written)(void *opaque, uint32_t frame);
    uint64_t (*device_read)(void *opaque, uint64_t gpa, unsigned size);
    void (*device_write)(void *opaque, uint64_t gpa, unsigned size, uint64_t value);
    void (*watched)(void *opaque, uint32_t linear, unsigned size, enum operand_intent intent);
    void *opaque;

    unsigned watch_count; // 0 unless a data breakpoint is enabled
    uint32_t watch_page[MMU_WATCH_PAGES];

    struct mmu_control control;
    // Derived from control.
    bool paging, pae, pse, pge, wp, nx, smep, smap;
    uint64_t a20_mask;       // ANDed to every physical address
    uint64_t reserved_pte;   // bits that must be clear in a present 4 KiB PTE or page-table pointer
    uint64_t reserved_large; // in a present PDE with PS
    uint64_t pdpte[4];       // the PDPTE registers

    bool user_open;                // under SMAP: CPL 0 to 2 may reach user pages now (EFLAGS.AC)
    bool no_split_locks;           // the host refuses LOCK across a cache line
    bool supervisor_in_user_pages; // CPL 0 runs code from user pages: its window may show them

    struct tlb_side tlb_side[2];
    uint64_t ram_present[RAM_MAX_SIZE / RAM_PAGE_SIZE / 64 / 64]; // chunks of RAM that the monitor has populated
    struct bounce bounce;
    struct window_state *windows;
};

#define CONTROL_CR0_WP   (1u << 16)
#define CONTROL_CR0_NW   (1u << 29)
#define CONTROL_CR0_CD   (1u << 30)
#define CONTROL_CR0_PG   (1u << 31)
#define CONTROL_CR4_PSE  (1u << 4)
#define CONTROL_CR4_PAE  (1u << 5)
#define CONTROL_CR4_PGE  (1u << 7)
#define CONTROL_CR4_SMEP (1u << 20)
#define CONTROL_CR4_SMAP (1u << 21)

// The monitor's address of a guest-physical byte, or NULL outside RAM.
static inline uint8_t *mmu_ram_host(const struct mmu *mmu, uint64_t gpa) {
    if (gpa < mmu->ram->hole_start || (gpa >= mmu->ram->hole_end && gpa < mmu->ram->size)) {
        return mmu->ram->host + gpa;
    }
    return NULL;
}

static inline bool mmu_frame_has_code(const struct mmu *mmu, uint64_t frame) {
    return __atomic_load_n(&mmu->ram->frame_flags[frame], __ATOMIC_SEQ_CST) & RAM_FRAME_CODE;
}

// Writes one part of guest-physical memory, of one frame or one device register; translated code of the frame is killed
// first. Returns true if there was any.
bool mmu_write_part(struct mmu *mmu, uint64_t gpa, const void *data, unsigned size);
void mmu_read_part(struct mmu *mmu, uint64_t gpa, void *data, unsigned size);

// ---- walk.c
// ------------------------------------------------------------------------------------------------------------

// What the tables say about one linear page, without a look at A and D.
struct walk {
    uint64_t pde, pte;         // as read; pte is pde for a large page
    uint64_t pde_gpa, pte_gpa; // where they stand; pte_gpa is pde_gpa for a large page
    uint64_t gpa;              // of the 4 KiB page
    bool write, user, execute; // PDE and PTE together
    bool large, global;
};
// 0, or -1 with the P and RSVD bits of the error code in *error.
int walk_tables(struct mmu *mmu, uint32_t linear, struct walk *walk, uint32_t *error);
// Reads an entry of the size that the paging mode uses.
uint64_t walk_read_entry(struct mmu *mmu, uint64_t gpa);
// Entry `index` bits of the linear address: guest-physical address of the PDE; false if there is none (PDPTE absent).
bool walk_pde_address(const struct mmu *mmu, uint32_t linear, uint64_t *gpa);
// Reads the PDPTE registers from `cr3`. 0, or -1 if a reserved bit is set.
int walk_load_pdptes(struct mmu *mmu, uint32_t cr3, uint64_t pdpte[4]);
static inline unsigned walk_region_shift(const struct mmu *mmu) {
    return mmu->pae ? 21 : 22;
}

// ---- softtlb.c
// -----------------------------------------------------------------------------------------------------------

void softtlb_reset(struct mmu *mmu); // writes every entry: at creation
void softtlb_flush(struct mmu *mmu, bool keep_global);
void softtlb_invlpg_pages(struct mmu *mmu, const uint32_t *pages, unsigned count);
void softtlb_fill(struct mmu *mmu, uint32_t linear, bool user, const struct mmu_page *page);
void softtlb_drop_user(struct mmu *mmu); // user pages of the supervisor's
void softtlb_drop_writes(struct mmu *mmu, uint32_t frame);

// ---- watch.c
// -------------------------------------------------------------------------------------------------------------

bool watch_holds(const struct mmu *mmu, uint32_t linear); // the page of this address
bool watch_in_range(const struct mmu *mmu, uint32_t first, uint32_t last);
static inline bool mmu_is_watched(const struct mmu *mmu, uint32_t linear) {
    return mmu->watch_count && watch_holds(mmu, linear);
}

// ---- windows
// -------------------------------------------------------------------------------------------------------------

int window_create(struct mmu *mmu, struct error *err);
void window_destroy(struct mmu *mmu);
void window_mode_changes(struct mmu *mmu); // before the paging mode becomes another: everything shown is void
void window_control_changed(struct mmu *mmu, bool mode_changed); // after it, or after another control change
void window_cr3_loaded(struct mmu *mmu);
void window_invlpg_pages(struct mmu *mmu, const uint32_t *pages, unsigned count);

#endif
