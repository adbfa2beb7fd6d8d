// The shadow MMU: guest page-table walks, the software TLBs of translated code, windows (host mappings of guest pages),
// revalidation, bounced operands. It knows no translation: what must happen when a frame with translated code is
// written is a callback. All functions run on the vCPU thread unless said otherwise. Intel SDM vol. 3A, chapter 4.
#ifndef MMU_MMU_H
#define MMU_MMU_H

#include "base/ablate.h"
#include "base/error.h"
#include "base/log.h"
#include "base/stats.h"
#include "mmu/ram.h"
#include "translator/abi.h"

#include <stdbool.h>
#include <stdint.h>

struct mmu;

// MAXPHYADDR: what CPUID must announce (leaf 80000008h, or PAE without it). Higher bits of PAE entries are reserved.
#define MMU_PHYSICAL_BITS 36

enum mmu_access { MMU_READ, MMU_WRITE, MMU_EXEC };
enum mmu_form_policy { MMU_FORM_ADAPTIVE, MMU_FORM_DIRECT, MMU_FORM_SOFT };

struct mmu_config {
    struct ram *ram;
    struct vcpu_abi *abi; // whose tlb[] and bounce buffer the mmu fills
    struct stats *stats;
    const struct log *log;
    enum mmu_form_policy policy;
    uint32_t ablate; // enum ablate: techniques to do without
    // A write hit frame `frame`, whose RAM_FRAME_CODE flag is set. The callee kills its translations and clears the
    // flag (or leaves it set where blocks check themselves). Called before the bytes change. Setting A or D in a table
    // that lies in such a frame calls it too, out of any function that walks, soft_miss and window_fault included.
    void (*code_written)(void *opaque, uint32_t frame);
    // Guest-physical accesses outside RAM, size 1, 2, 4 or 8. The three callbacks may be reached from light code:
    // whoever implements them saves the guest's FPU state before it uses SSE.
    uint64_t (*device_read)(void *opaque, uint64_t gpa, unsigned size);
    void (*device_write)(void *opaque, uint64_t gpa, unsigned size, uint64_t value);
    // An access that touches a page of mmu_watch and does not fault. Light.
    void (*watched)(void *opaque, uint32_t linear, unsigned size, enum operand_intent intent);
    void *opaque;
};

// Returns NULL with err filled if address space or memory is missing.
struct mmu *mmu_create(const struct mmu_config *config, struct error *err);
void mmu_destroy(struct mmu *mmu);

// ---- Control state. Each call does exactly the invalidations that the architecture asks for
// -----------------------------

struct mmu_control {
    uint32_t cr0, cr3, cr4;
    bool nxe; // EFER.NXE
    bool a20; // A20 gate enabled
};
// Loads everything and drops every cached translation (reset, or CR0/CR4/EFER/A20 changes that ask for it).
// Under PAE the four PDPTE registers are loaded: returns -1 if a reserved bit is set in one (the caller raises #GP).
int mmu_set_control(struct mmu *mmu, const struct mmu_control *control);
// MOV CR3: as above but keeps global entries under CR4.PGE. Returns -1 as above, with nothing changed.
int mmu_load_cr3(struct mmu *mmu, uint32_t cr3);
// Would mmu_load_cr3 take this value? 0, or -1 if a PDPTE has a reserved bit set. Nothing changes.
int mmu_check_cr3(struct mmu *mmu, uint32_t cr3);
// Under CR4.SMAP, accesses without `user` may reach user pages from now on, or may no longer. The supervisor's window
// never shows them then, so that this costs the software TLB's entries for them and no mapping. Without SMAP it means
// nothing.
void mmu_open_user(struct mmu *mmu, bool open);
// The host refuses LOCK across a cache line: such operands are bounced from now on.
void mmu_forbid_split_locks(struct mmu *mmu);
void mmu_invlpg(struct mmu *mmu, uint32_t linear);
// The same for several pages, cheaper: by their addresses, whose low 12 bits are zero.
void mmu_invlpg_pages(struct mmu *mmu, const uint32_t *pages, unsigned count);

// ---- Walks
// ---------------------------------------------------------------------------------------------------------------

// A page fault, ready to be delivered.
struct mmu_fault {
    uint32_t linear; // CR2
    uint32_t error;  // P, W/R, U/S, RSVD, I/D as in SDM vol. 3A 4.7
};

struct mmu_page {
    uint64_t gpa;  // of the 4 KiB page
    uint8_t *host; // the monitor's mapping of it, or NULL outside RAM
    bool writable; // a write by this privilege would be allowed now (WP, R/W)
    bool accessed; // A is already set, in all entries: a read changes nothing
    bool dirty;    // D is already set: a write needs no walk
    bool user;     // user page
    bool global;
    bool large;   // from a 4 MiB or 2 MiB entry
    bool execute; // not NX
};

// Walks for an access at `linear` by a supervisor (user false) or CPL-3 access; sets A, and D on a write, atomically
// through the code-aware write path. Returns 0, or -1 with *fault filled and nothing changed.
int mmu_walk(struct mmu *mmu, uint32_t linear, enum mmu_access access, bool user, struct mmu_page *page,
             struct mmu_fault *fault);
// The same without setting A or D and without a fault: for debuggers and fault-around. Returns 0 or -1. page->writable
// then tells what CPL 3 could do.
int mmu_peek(struct mmu *mmu, uint32_t linear, struct mmu_page *page);

// ---- Guest-linear memory for C code: any size up to 4096, page crossings and devices included
// ---------------------------

// 0, or -1 with *fault filled (then nothing was written: both pages are probed first).
int mmu_read(struct mmu *mmu, uint32_t linear, bool user, void *data, unsigned size, struct mmu_fault *fault);
int mmu_write(struct mmu *mmu, uint32_t linear, bool user, const void *data, unsigned size, struct mmu_fault *fault);
// As a write would fault, without writing.
int mmu_probe_write(struct mmu *mmu, uint32_t linear, bool user, unsigned size, struct mmu_fault *fault);
// Host address of linear for in-place access of [linear, end of page) by C code (string instructions): reads, or writes
// to RAM without code. NULL if that cannot be done in place (device, code frame) with fault->error untouched and
// *faulted false, or because the guest faults (*faulted true, *fault filled).
uint8_t *mmu_host(struct mmu *mmu, uint32_t linear, enum mmu_access access, bool user, bool *faulted,
                  struct mmu_fault *fault);

// Guest-physical, code-aware: every write of the monitor to guest RAM goes through here or through mmu_write.
void mmu_write_phys(struct mmu *mmu, uint64_t gpa, const void *data, unsigned size);
void mmu_read_phys(struct mmu *mmu, uint64_t gpa, void *data, unsigned size);
// One atomic store of the lower 4 or of all 8 bytes, at an address in RAM that is aligned to them. The A20 gate does
// not apply.
void mmu_store_ram(struct mmu *mmu, uint32_t gpa, uint64_t value, unsigned size);

// ---- The soft form
// -------------------------------------------------------------------------------------------------------

enum soft_result {
    SOFT_IN_PLACE, // *addend + linear is the operand, in RAM; the TLB entry may have been filled
    SOFT_BOUNCED,  // *addend + linear is the operand in the bounce buffer, loaded (not for writes); call soft_commit
                   // after
    SOFT_FAULT,    // the guest faults
};
// A miss of the inline lookup for an operand of `size` bytes (1 to 512): fills the TLB entry when the operand lies in
// one RAM page and may be accessed in place, else bounces. Light: no libc, no SSE. user selects TLB and rights.
enum soft_result soft_miss(struct mmu *mmu, uint32_t linear, unsigned size, enum operand_intent intent, bool user,
                           bool locked, uint64_t *addend, struct mmu_fault *fault);
// Writes the bounced operand back. Returns true if translated code was hit (the vCPU must leave at the next
// instruction).
bool soft_commit(struct mmu *mmu);
// In its place: the instruction stored nothing.
void soft_cancel(struct mmu *mmu);

// ---- Pages with data breakpoints (PITFALLS 14)
// -------------------------------------------------------------------------------------------

#define MMU_WATCH_PAGES 136

// From now on exactly these linear pages, whichever address space shows them, are in no window and in no software TLB:
// every access to them goes through soft_miss, which calls mmu_config.watched. At most MMU_WATCH_PAGES.
void mmu_watch(struct mmu *mmu, const uint32_t *pages, unsigned count);

// ---- Frames with code
// ------------------------------------------------------------------------------------------------------

// Sets RAM_FRAME_CODE, drops the frame's write tags, write-protects it in every window. Before its bytes are read.
void mmu_protect_frame(struct mmu *mmu, uint32_t frame);
// The flag was cleared: windows may be made writable again, lazily.
void mmu_unprotect_frame(struct mmu *mmu, uint32_t frame);

// ---- Views and windows
// -------------------------------------------------------------------------------------------------------

// Identifies the address space that code at this privilege runs in: 0 for supervisor code, else a number (1..) for the
// user address space of the current CR3. Numbers are recycled; view_generation changes when one is.
struct mmu_view {
    uint32_t id;
    uint64_t generation;
};
struct mmu_view mmu_current_view(struct mmu *mmu, bool user);

// Base of the window that translated code at this privilege must use now (the empty window if its view is soft). Does
// the deferred revalidation of a user view. Called at every change of privilege or address space before code runs.
uint64_t window_enter(struct mmu *mmu, bool user);
// Must code at this privilege be soft as a view (policy)? Asked when the block mode is computed.
bool window_view_soft(struct mmu *mmu, bool user);
// While vcpu_abi.view_changes stays the same, so do the answers of the three functions above for each privilege, and a
// change of privilege need not ask, provided that this returns true: it keeps the time that the policy wants to know.
static inline bool window_crossed(struct vcpu_abi *abi, bool user) {
    struct abi_stay *stay = &abi->stay;
    if (stay->user == user || !stay->kept)
        return true;
    if (user ? stay->untimed == 0 : stay->since != 0)
        return false;
    if (user) {
        stay->untimed--;
        stay->since = 0;
    }
    stay->user = user;
    return true;
}
// Base of the window that is always empty: gs base falls back to it.
uint64_t window_empty_base(const struct mmu *mmu);
// Is host address `address` inside a window or within one operand (512 bytes) of one? Then *linear is its guest linear
// address modulo 4 GiB and *wraps tells that it lies outside the 4 GiB proper.
bool window_contains(const struct mmu *mmu, uint64_t address, uint32_t *linear, bool *wraps);

enum window_result {
    WINDOW_MAPPED, // retry the instruction
    WINDOW_SOFT, // this instruction cannot be direct here: make it soft (device, code frame, user page at CPL 0, churn)
    WINDOW_FAULT, // the guest faults
};
// In the SIGSEGV handler: direct access to `linear` failed in the current window. `frame`/`offset` name the instruction
// (for the policy). Maps the page (and neighbours) if it may.
enum window_result window_fault(struct mmu *mmu, uint32_t linear, bool write, bool user, struct mmu_fault *fault);
// The page that a guest #PF just handled will be touched again at once: fill it before the IRET returns. Cheap if not.
// window_enter does it for CPL 3; a return to CPL 3 that does not call window_enter calls this.
void window_prefill(struct mmu *mmu, bool user);
// A guest #PF at `linear` is about to be delivered from code that is otherwise direct.
void window_prefill_later(struct mmu *mmu, uint32_t linear, bool user);

// CPU time used by the current user view, in nanoseconds, for the policy. The mmu takes the time itself, from a call of
// window_view_soft with `user` to the next without; this adds what passes those by.
void window_account(struct mmu *mmu, uint64_t ns);

#endif
