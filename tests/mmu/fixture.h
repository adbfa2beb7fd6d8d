// A shadow MMU with a few MiB of RAM, a fake vCPU structure, a device that records its accesses, and a builder of guest
// page tables: what all tests of mmu/ start from.
#ifndef TESTS_MMU_FIXTURE_H
#define TESTS_MMU_FIXTURE_H

#include "mmu/state.h"

#define FIXTURE_RAM    (16u << 20)
#define FIXTURE_CR3    0x1000u // page directory, or the PDPTEs under PAE
#define FIXTURE_TABLES 0x2000u // tables are taken from here upwards

#define CR0_BASE  (1u | CONTROL_CR0_PG | CONTROL_CR0_WP)
#define P_RW_US_A (PTE_P | PTE_RW | PTE_US | PTE_A)

struct device_access {
    bool write;
    uint64_t gpa;
    unsigned size;
    uint64_t value;
};

struct fixture {
    struct ram ram;
    struct vcpu_abi *abi;
    struct stats stats;
    struct mmu *mmu;
    struct mmu_control control;
    uint32_t next_table;
    struct device_access device[64];
    unsigned devices;
    uint64_t device_value; // what reads return, truncated to their size
    uint32_t killed[64];   // frames given to code_written
    unsigned kills;
    unsigned watched, watched_size; // calls of mmu_config.watched, and the last one's operand
    uint32_t watched_linear;
    bool keep_code;  // code_written leaves the flag set
    bool race_armed; // the next code_written changes the operand at race_gpa, as a device would
    uint64_t race_gpa;
    uint8_t race_byte;
};

// Paging off at first.
struct fixture *fixture_create(enum mmu_form_policy policy);
void fixture_destroy(struct fixture *f);

// Turns paging on with empty tables: 2-level (with cr4 bits) or PAE if cr4 has CONTROL_CR4_PAE.
void fixture_paging(struct fixture *f, uint32_t cr0, uint32_t cr4, bool nxe);
uint32_t fixture_new_table(struct fixture *f);
// Another empty address space of the current kind; returns its CR3.
uint32_t fixture_new_space(struct fixture *f);
// Guest-physical address of the entries for `linear` in the address space of cr3; the table is made (P RW US A) if
// absent.
uint64_t fixture_pde(struct fixture *f, uint32_t cr3, uint32_t linear);
uint64_t fixture_pte(struct fixture *f, uint32_t cr3, uint32_t linear);
// Writes an entry, as the guest would, without telling the mmu.
void fixture_set(struct fixture *f, uint64_t entry_gpa, uint64_t value);
uint64_t fixture_get(struct fixture *f, uint64_t entry_gpa);
// Maps one 4 KiB page in the current space.
void fixture_map(struct fixture *f, uint32_t linear, uint64_t entry);

// What the inline lookup of translated code does: host address, or NULL for a miss.
uint8_t *fixture_lookup(struct fixture *f, bool user, uint32_t linear, unsigned size, bool write);

uint32_t fixture_random(uint64_t *state);

#endif
