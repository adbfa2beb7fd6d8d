// See fixture.h. Must never use the walks of mmu/ to build or read tables.
#include "fixture.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void on_code_written(void *opaque, uint32_t frame) {
    struct fixture *f = opaque;
    assert(f->kills < 64);
    f->killed[f->kills++] = frame;
    if (f->race_armed) {
        f->race_armed = false;
        f->ram.host[f->race_gpa] = f->race_byte;
    }
    if (!f->keep_code) {
        __atomic_fetch_and(&f->ram.frame_flags[frame], (uint8_t)~RAM_FRAME_CODE, __ATOMIC_SEQ_CST);
        mmu_unprotect_frame(f->mmu, frame);
    }
}

static uint64_t on_device_read(void *opaque, uint64_t gpa, unsigned size) {
    struct fixture *f = opaque;
    uint64_t value = size == 8 ? f->device_value : f->device_value & ((1ull << size * 8) - 1);
    if (f->devices < 64) {
        f->device[f->devices++] = (struct device_access){false, gpa, size, value};
    }
    return value;
}

static void on_watched(void *opaque, uint32_t linear, unsigned size, enum operand_intent intent) {
    struct fixture *f = opaque;
    (void)intent;
    f->watched++;
    f->watched_linear = linear;
    f->watched_size = size;
}

static void on_device_write(void *opaque, uint64_t gpa, unsigned size, uint64_t value) {
    struct fixture *f = opaque;
    if (f->devices < 64) {
        f->device[f->devices++] = (struct device_access){true, gpa, size, value};
    }
}

struct fixture *fixture_create(enum mmu_form_policy policy) {
    struct error err;
    struct fixture *f = calloc(1, sizeof(*f));
    assert(f);
    if (ram_create(&f->ram, FIXTURE_RAM, &err)) {
        abort();
    }
    f->abi = aligned_alloc(64, (sizeof(*f->abi) + 63) / 64 * 64);
    assert(f->abi);
    memset(f->abi, 0, sizeof(*f->abi));
    struct mmu_config config = {.ram = &f->ram,
                                .abi = f->abi,
                                .stats = &f->stats,
                                .policy = policy,
                                .code_written = on_code_written,
                                .device_read = on_device_read,
                                .device_write = on_device_write,
                                .watched = on_watched,
                                .opaque = f};
    f->mmu = mmu_create(&config, &err);
    assert(f->mmu);
    f->control = (struct mmu_control){.a20 = true};
    f->next_table = FIXTURE_TABLES;
    return f;
}

void fixture_destroy(struct fixture *f) {
    mmu_destroy(f->mmu);
    ram_destroy(&f->ram);
    free(f->abi);
    free(f);
}

uint32_t fixture_new_table(struct fixture *f) {
    uint32_t table = f->next_table;
    f->next_table += RAM_PAGE_SIZE;
    memset(f->ram.host + table, 0, RAM_PAGE_SIZE);
    return table;
}

static bool pae(const struct fixture *f) {
    return f->control.cr4 & CONTROL_CR4_PAE;
}

static void new_directory(struct fixture *f, uint32_t cr3) {
    memset(f->ram.host + cr3, 0, RAM_PAGE_SIZE);
    if (pae(f)) {
        for (unsigned i = 0; i < 4; i++) {
            uint64_t pdpte = fixture_new_table(f) | PTE_P;
            memcpy(f->ram.host + cr3 + i * 8, &pdpte, 8);
        }
    }
}

void fixture_paging(struct fixture *f, uint32_t cr0, uint32_t cr4, bool nxe) {
    f->control = (struct mmu_control){.cr0 = cr0, .cr3 = FIXTURE_CR3, .cr4 = cr4, .nxe = nxe, .a20 = true};
    new_directory(f, FIXTURE_CR3);
    int failed = mmu_set_control(f->mmu, &f->control);
    assert(!failed);
    (void)failed;
}

uint32_t fixture_new_space(struct fixture *f) {
    uint32_t cr3 = fixture_new_table(f);
    new_directory(f, cr3);
    return cr3;
}

uint64_t fixture_get(struct fixture *f, uint64_t entry_gpa) {
    uint64_t value = 0;
    memcpy(&value, f->ram.host + entry_gpa, pae(f) ? 8 : 4);
    return value;
}

void fixture_set(struct fixture *f, uint64_t entry_gpa, uint64_t value) {
    memcpy(f->ram.host + entry_gpa, &value, pae(f) ? 8 : 4);
}

uint64_t fixture_pde(struct fixture *f, uint32_t cr3, uint32_t linear) {
    if (!pae(f)) {
        return (cr3 & ~0xfffu) + (linear >> 22) * 4;
    }
    uint64_t pdpte;
    memcpy(&pdpte, f->ram.host + (cr3 & ~31u) + (linear >> 30) * 8, 8);
    return (pdpte & 0xffffff000) + (linear >> 21 & 511) * 8;
}

uint64_t fixture_pte(struct fixture *f, uint32_t cr3, uint32_t linear) {
    uint64_t at = fixture_pde(f, cr3, linear);
    uint64_t pde = fixture_get(f, at);
    if (!(pde & PTE_P)) {
        pde = fixture_new_table(f) | P_RW_US_A;
        fixture_set(f, at, pde);
    }
    return (pde & 0xffffff000) + (pae(f) ? (linear >> 12 & 511) * 8 : (linear >> 12 & 1023) * 4);
}

void fixture_map(struct fixture *f, uint32_t linear, uint64_t entry) {
    fixture_set(f, fixture_pte(f, f->mmu->control.cr3, linear), entry);
}

uint8_t *fixture_lookup(struct fixture *f, bool user, uint32_t linear, unsigned size, bool write) {
    const struct abi_tlb *tlb = &f->abi->tlb[user];
    unsigned slot = linear >> 12 & (ABI_TLB_ENTRIES - 1);
    uint32_t tag = write ? tlb->ntag_write[slot] : tlb->ntag_read[slot];
    uint32_t sum = tag + linear + size - 1;
    return sum < 4096 ? (uint8_t *)(uintptr_t)(tlb->addend[slot] + linear) : NULL;
}

uint32_t fixture_random(uint64_t *state) {
    *state = *state * 6364136223846793005ull + 1442695040888963407ull;
    uint32_t x = (uint32_t)(*state >> 32);
    return x ^ x >> 15;
}
