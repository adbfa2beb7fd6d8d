// VMCALL under --hypercalls: calls of a guest's supervisor into the monitor (docs/hypercalls.md, whose registers and
// numbers stand in ringshade_hypercalls.h). Without the option, and above CPL 0, it is the undefined instruction that
// it is outside VMX operation (Intel SDM vol. 3C 31.3, VMCALL). A call believes nothing: what it is given is copied
// and checked as a whole before the first change, and a bad argument is an error in EAX, never a fault.
#include "cpu/hypercall.h"

#include "ringshade_hypercalls.h"

#include <string.h>

enum { MAP_ALIGN = 8, ENTRY_NARROW = 4, ENTRY_WIDE = 8, PAGE_BITS = RAM_PAGE_SIZE - 1 };

_Static_assert(sizeof(struct ringshade_pte) == 16, "the guest's layout");

void hypercall_cpuid(uint32_t leaf, uint32_t regs[4]) {
    memset(regs, 0, 4 * sizeof *regs);
    if (leaf == RINGSHADE_CPUID_SIGNATURE) {
        regs[0] = RINGSHADE_CPUID_CALLS;
        memcpy(regs + 1, RINGSHADE_SIGNATURE, 3 * sizeof *regs);
    } else {
        regs[0] = (1u << RINGSHADE_CALLS) - 1;
        regs[1] = RINGSHADE_CALLS_VERSION;
    }
}

static int32_t call_query(struct vcpu *v) {
    v->abi.gpr[CPU_EBX] = (1u << RINGSHADE_CALLS) - 1;
    v->abi.gpr[CPU_ECX] = RINGSHADE_CALLS_VERSION;
    return 0;
}

static int32_t call_console(struct vcpu *v) {
    const uint32_t from = v->abi.gpr[CPU_EBX], size = v->abi.gpr[CPU_ECX];
    const struct ram *ram = v->config.ram;
    if (size > RINGSHADE_CONSOLE_MAX)
        return RINGSHADE_CALL_E2BIG;
    if (!ram_contains(ram, from, size))
        return RINGSHADE_CALL_EFAULT;
    if (!v->config.console_write)
        return (int32_t)size;
    cpu_device_lock(v);
    uint32_t taken = v->config.console_write(v->config.opaque, ram->host + from, size);
    clock_device_accessed(v, 0);
    cpu_device_unlock(v);
    return (int32_t)taken;
}

static int32_t call_clock(struct vcpu *v) {
    const uint64_t ns = v->clock.counts ? clock_ns(v) : engine_now_ns() - v->tsc_rate.ns;
    v->abi.gpr[CPU_EBX] = (uint32_t)ns;
    v->abi.gpr[CPU_ECX] = (uint32_t)(ns >> 32);
    return 0;
}

// ---- Page-table entries --------------------------------------------------------------------------------------------

static int32_t check_update(const struct ram *ram, const struct ringshade_pte *update, uint32_t size) {
    const uint32_t bits = update->page & PAGE_BITS;
    if (update->entry & (size - 1) || (bits && bits != RINGSHADE_PTE_DROP) ||
        (size == ENTRY_NARROW && update->value >> 32) || (update->page && !bits))
        return RINGSHADE_CALL_EINVAL;
    return ram_contains(ram, update->entry, size) ? 0 : RINGSHADE_CALL_EFAULT;
}

// All stores first, in order, then what the processor remembers of the pages: the array may lie in the page tables, and
// they may show the code that runs.
static int32_t call_ptes(struct vcpu *v) {
    const uint32_t from = v->abi.gpr[CPU_EBX], count = v->abi.gpr[CPU_ECX], size = v->abi.gpr[CPU_EDX];
    const struct ram *ram = v->config.ram;
    struct ringshade_pte updates[RINGSHADE_PTES_MAX];
    if ((size != ENTRY_NARROW && size != ENTRY_WIDE) || from & (MAP_ALIGN - 1))
        return RINGSHADE_CALL_EINVAL;
    if (count > RINGSHADE_PTES_MAX)
        return RINGSHADE_CALL_E2BIG;
    if (!ram_contains(ram, from, count * sizeof *updates))
        return RINGSHADE_CALL_EFAULT;
    memcpy(updates, ram->host + from, count * sizeof *updates);
    for (uint32_t i = 0; i < count; i++) {
        int32_t status = check_update(ram, &updates[i], size);
        if (status < 0)
            return status;
    }
    uint32_t pages[RINGSHADE_PTES_MAX];
    unsigned drops = 0;
    for (uint32_t i = 0; i < count; i++) {
        mmu_store_ram(v->mmu, updates[i].entry, updates[i].value, size);
        if (updates[i].page)
            pages[drops++] = updates[i].page & ~(uint32_t)PAGE_BITS;
    }
    mmu_invlpg_pages(v->mmu, pages, drops);
    for (unsigned i = 0; i < drops; i++)
        engine_flush_code_page(v, pages[i]);
    v->stats->hypercall_ptes += count;
    return (int32_t)count;
}

// ---- The instruction -----------------------------------------------------------------------------------------------

static int32_t call(struct vcpu *v, uint32_t number) {
    switch (number) {
    case RINGSHADE_CALL_QUERY: return call_query(v);
    case RINGSHADE_CALL_CONSOLE: return call_console(v);
    case RINGSHADE_CALL_PTES: return call_ptes(v);
    case RINGSHADE_CALL_CLOCK: return call_clock(v);
    default: return RINGSHADE_CALL_ENOSYS;
    }
}

enum callout_result callout_HYPERCALL(struct vcpu *v, uint32_t r8, uint32_t r9, uint32_t word) {
    (void)r8, (void)r9;
    const uint32_t number = v->abi.gpr[CPU_EAX];
    if (!v->config.hypercalls || v->cpl != 0) {
        cpu_raise(v, VECTOR_UD);
        return CALLOUT_FAULT;
    }
    if (number == RINGSHADE_CALL_YIELD) {
        v->abi.gpr[CPU_EAX] = 0;
        callout_next(v, word);
        engine_yield(v, v->abi.gpr[CPU_EBX]);
        return CALLOUT_LEAVE;
    }
    v->abi.gpr[CPU_EAX] = (uint32_t)call(v, number);
    if (number != RINGSHADE_CALL_PTES)
        return CALLOUT_CONTINUE;
    callout_next(v, word); // the code that follows may be another now
    return CALLOUT_JUMP;
}
