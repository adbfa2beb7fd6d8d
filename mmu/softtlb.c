// The software TLBs that the inline lookup of translated code reads (struct abi_tlb): one for CPL 0-2, one for CPL 3.
// They behave as a hardware TLB (SDM vol. 3A, 4.10). Light code. A write tag is given only to a page whose D bit is
// set, that is writable, and whose frame holds no translated code.
#include "mmu/state.h"

// What an empty entry's tag holds: minus a page that belongs half a table away. A nearer slot would not do: an operand
// that starts in the page before that one would hit.
static uint32_t empty_tag(unsigned slot) {
    return 0u - ((slot ^ (ABI_TLB_ENTRIES / 2)) << 12);
}

static void drop(struct mmu *mmu, unsigned which, unsigned slot) {
    struct abi_tlb *tlb = &mmu->abi->tlb[which];
    tlb->ntag_read[slot] = empty_tag(slot);
    tlb->ntag_write[slot] = empty_tag(slot);
    mmu->tlb_side[which].occupied[slot / 64] &= ~(1ull << (slot % 64));
}

void softtlb_reset(struct mmu *mmu) {
    for (unsigned which = 0; which < 2; which++) {
        for (unsigned slot = 0; slot < ABI_TLB_ENTRIES; slot++) {
            drop(mmu, which, slot);
        }
    }
}

// Drops the entries of one word of 64 slots that are set in `mask`.
static void drop_mask(struct mmu *mmu, unsigned which, unsigned word, uint64_t mask) {
    while (mask) {
        drop(mmu, which, word * 64 + (unsigned)__builtin_ctzll(mask));
        mask &= mask - 1;
    }
}

void softtlb_flush(struct mmu *mmu, bool keep_global) {
    mmu->stats->softtlb_flushes++;
    for (unsigned which = 0; which < 2; which++) {
        struct tlb_side *side = &mmu->tlb_side[which];
        for (unsigned word = 0; word < ABI_TLB_ENTRIES / 64; word++) {
            drop_mask(mmu, which, word, side->occupied[word] & ~(keep_global ? side->global[word] : 0));
        }
    }
}

static bool has_large(const struct tlb_side *side) {
    uint64_t large = 0;
    for (unsigned word = 0; word < ABI_TLB_ENTRIES / 64; word++) {
        large |= side->occupied[word] & side->large[word];
    }
    return large != 0;
}

// Entries of a large page that holds the address go too; one span of 4 MiB serves both sizes.
static void drop_large(struct mmu *mmu, unsigned which, uint32_t linear) {
    const struct tlb_side *side = &mmu->tlb_side[which];
    for (unsigned word = 0; word < ABI_TLB_ENTRIES / 64; word++) {
        uint64_t mask = side->occupied[word] & side->large[word];
        for (; mask; mask &= mask - 1) {
            unsigned slot = word * 64 + (unsigned)__builtin_ctzll(mask);
            if ((side->page[slot] ^ linear) >> 22 == 0) {
                drop(mmu, which, slot);
            }
        }
    }
}

void softtlb_invlpg_pages(struct mmu *mmu, const uint32_t *pages, unsigned count) {
    for (unsigned which = 0; which < 2; which++) {
        const struct tlb_side *side = &mmu->tlb_side[which];
        bool large = has_large(side);
        for (unsigned i = 0; i < count; i++) {
            unsigned slot = pages[i] >> 12 & (ABI_TLB_ENTRIES - 1);
            if (side->page[slot] == pages[i]) {
                drop(mmu, which, slot);
            }
            if (large) {
                drop_large(mmu, which, pages[i]);
            }
        }
    }
}

void softtlb_fill(struct mmu *mmu, uint32_t linear, bool user, const struct mmu_page *page) {
    if (mmu_is_watched(mmu, linear)) {
        return;
    }
    unsigned slot = linear >> 12 & (ABI_TLB_ENTRIES - 1);
    struct abi_tlb *tlb = &mmu->abi->tlb[user];
    struct tlb_side *side = &mmu->tlb_side[user];
    uint32_t base = linear & ~MMU_PAGE_MASK;
    uint64_t bit = 1ull << (slot % 64);
    tlb->ntag_read[slot] = 0u - base;
    tlb->addend[slot] = (uint64_t)(uintptr_t)page->host - base;
    side->occupied[slot / 64] |= bit;
    side->global[slot / 64] = (side->global[slot / 64] & ~bit) | (page->global ? bit : 0);
    side->large[slot / 64] = (side->large[slot / 64] & ~bit) | (page->large ? bit : 0);
    side->user[slot / 64] = (side->user[slot / 64] & ~bit) | (page->user ? bit : 0);
    side->page[slot] = base;
    side->frame[slot] = (uint32_t)(page->gpa >> 12);
    bool write = page->writable && page->dirty && !mmu_frame_has_code(mmu, page->gpa >> 12);
    tlb->ntag_write[slot] = write ? 0u - base : empty_tag(slot);
}

void softtlb_drop_user(struct mmu *mmu) {
    const struct tlb_side *side = &mmu->tlb_side[0];
    for (unsigned word = 0; word < ABI_TLB_ENTRIES / 64; word++) {
        drop_mask(mmu, 0, word, side->occupied[word] & side->user[word]);
    }
}

void softtlb_drop_writes(struct mmu *mmu, uint32_t frame) {
    for (unsigned which = 0; which < 2; which++) {
        struct tlb_side *side = &mmu->tlb_side[which];
        for (unsigned word = 0; word < ABI_TLB_ENTRIES / 64; word++) {
            for (uint64_t mask = side->occupied[word]; mask; mask &= mask - 1) {
                unsigned slot = word * 64 + (unsigned)__builtin_ctzll(mask);
                if (side->frame[slot] == frame) {
                    mmu->abi->tlb[which].ntag_write[slot] = empty_tag(slot);
                }
            }
        }
    }
}
