// Creation, reset and destruction of the vCPU with its engine: arena and stubs, shadow MMU, guard page.
#include "cpu/engine.h"
#include "cpu/fx_image.h"
#include "cpu/semantics.h"
#include "cpu/stubs.h"
#include "cpu/trace.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define CHECK_OFFSET(name, field) _Static_assert(name == offsetof(struct vcpu_abi, field), #field)
CHECK_OFFSET(STUB_GPR, gpr);
CHECK_OFFSET(STUB_FLAGS, flags);
CHECK_OFFSET(STUB_PAGE, page);
CHECK_OFFSET(STUB_R8, r8);
CHECK_OFFSET(STUB_R9, r9);
CHECK_OFFSET(STUB_R10, r10);
CHECK_OFFSET(STUB_REQUEST, request);
CHECK_OFFSET(STUB_FPU_PARKED, fpu_parked);
CHECK_OFFSET(STUB_GATE_R9, gate_r9);
CHECK_OFFSET(STUB_HOST_RSP, host_rsp);
CHECK_OFFSET(STUB_LIVE_ROOT, live_root);
CHECK_OFFSET(STUB_WINDOW, window);
CHECK_OFFSET(STUB_EXIT_REASON, exit_reason);
CHECK_OFFSET(STUB_EXIT_SITE, exit_site);
CHECK_OFFSET(STUB_CALLOUT_ENTRY, callout_entry);
CHECK_OFFSET(STUB_MISS_ENTRY, soft_miss_entry);
CHECK_OFFSET(STUB_WRITE_ENTRY, writeback_entry);
CHECK_OFFSET(STUB_SLOW_ENTRY, gate_slow_entry);
CHECK_OFFSET(STUB_EXIT_ENTRY, exit_entry);
CHECK_OFFSET(STUB_FX, fx);
CHECK_OFFSET(STUB_YMM_LIVE, ymm_live);
CHECK_OFFSET(STUB_YMM, ymm);
CHECK_OFFSET(STUB_SYS_FLAGS, sys_flags);
CHECK_OFFSET(STUB_SELECTOR_CS, seg_selector[CPU_SEG_CS]);
CHECK_OFFSET(STUB_VIEW_CHANGES, view_changes);
CHECK_OFFSET(STUB_STAY_SINCE, stay.since);
CHECK_OFFSET(STUB_STAY_UNTIMED, stay.untimed);
CHECK_OFFSET(STUB_STAY_USER, stay.user);
CHECK_OFFSET(STUB_STAY_KEPT, stay.kept);
CHECK_OFFSET(STUB_EMPTY_ROOT, empty_root);
CHECK_OFFSET(STUB_ROOT_SLOT, root_slot);
CHECK_OFFSET(STUB_CALLOUT_COUNTS, callout_counts);
CHECK_OFFSET(STUB_CROSSING, crossing);
CHECK_OFFSET(STUB_GUARD_PAGE, guard_page);
CHECK_OFFSET(STUB_SEGMENT_LOADS, segment_loads);
CHECK_OFFSET(STUB_CPUID_TABLE, cpuid);
CHECK_OFFSET(STUB_LOADS, loads);
CHECK_OFFSET(STUB_CR0, cr0);
CHECK_OFFSET(STUB_TLB_READ, tlb[0].ntag_read);
CHECK_OFFSET(STUB_TLB_ADDEND, tlb[0].addend);
CHECK_OFFSET(STUB_SELECTOR, seg_selector);
CHECK_OFFSET(STUB_BASE, seg_base);
CHECK_OFFSET(STUB_BASE_P, seg_base_p);
_Static_assert(sizeof(struct abi_cpuid) == 32 && offsetof(struct abi_cpuid, eax) == 16 && ABI_CPUID_LEAVES == 8,
               "the stubs look leaves up");
#define CHECK_LOAD(name, field) _Static_assert(name == offsetof(struct abi_segment_load, field), #field)
CHECK_LOAD(LOAD_DESCRIPTOR, descriptor);
CHECK_LOAD(LOAD_KEY, key);
CHECK_LOAD(LOAD_CODE, code);
CHECK_LOAD(LOAD_BASE, base);
CHECK_LOAD(LOAD_LIMIT, limit);
CHECK_LOAD(LOAD_MASK, mask);
CHECK_LOAD(LOAD_BITS, bits);
_Static_assert(sizeof(struct abi_segment_load) == 1 << LOAD_SIZE_SHIFT && SEGMENT_LOADS == 2 && ABI_TLB_ENTRIES == 256,
               "the stubs look segments up");
_Static_assert(CPU_SEG_SS == CPU_SEG_CS + 1, "the stubs store both selectors at once");
#define CHECK_VCPU(name, field) _Static_assert(name == offsetof(struct vcpu, field), #field)
CHECK_VCPU(STUB_V_CS, seg[CPU_SEG_CS]);
CHECK_VCPU(STUB_V_SS, seg[CPU_SEG_SS]);
CHECK_VCPU(STUB_V_CPL, cpl);
CHECK_VCPU(STUB_V_SEG, seg);
CHECK_VCPU(STUB_V_GDT_BASE, gdt_base);
CHECK_VCPU(STUB_V_USER_OPEN, user_open);
_Static_assert(sizeof(struct cpu_segment) == 12 && offsetof(struct cpu_segment, base) == 4 &&
                   offsetof(struct cpu_segment, limit) == 8,
               "the stubs store hidden parts");
_Static_assert(STUB_ID_CPUID == CALLOUT_CPUID, "the stubs count callouts");
CHECK_VCPU(STUB_V_ESP, msr.sysenter_esp);
CHECK_VCPU(STUB_V_EIP, msr.sysenter_eip);
CHECK_VCPU(STUB_V_MODE, mode);
CHECK_VCPU(STUB_V_SEGMENT_MODE, segment_mode);
CHECK_VCPU(STUB_V_SS_MEMO, memo[CPU_SEG_SS].valid);
_Static_assert(offsetof(struct cpu_segment, selector) == 0 && offsetof(struct cpu_segment, attr) == 2,
               "the stubs store both at once");
#define CHECK_CROSSING(name, field) _Static_assert(name == offsetof(struct abi_crossing, field), #field)
CHECK_CROSSING(CROSSING_FROM, from);
CHECK_CROSSING(CROSSING_TO, to);
CHECK_CROSSING(CROSSING_CHANGES, changes);
CHECK_CROSSING(CROSSING_FLAGS, flags);
CHECK_CROSSING(CROSSING_ROOT_SERVES, root_serves);
CHECK_CROSSING(CROSSING_ROOT, root);
CHECK_CROSSING(CROSSING_MAP, map);
CHECK_CROSSING(CROSSING_WINDOW, window);
CHECK_CROSSING(CROSSING_SELECTORS, selectors);
CHECK_CROSSING(CROSSING_CODE, code);
CHECK_CROSSING(CROSSING_STACK, stack);
CHECK_CROSSING(CROSSING_SEGMENT_MODE, segment_mode);
_Static_assert(STUB_CROSSING_SIZE == sizeof(struct abi_crossing) && CROSSING_SYSENTER == 0 && CROSSING_SYSEXIT == 1,
               "the stubs know where each crossing is");
_Static_assert(ROOT_SERVES == offsetof(struct root, view) && ROOT_SERVES + 4 == offsetof(struct root, mode),
               "the stubs compare both at once");
_Static_assert(STUB_ID_SYSENTER == CALLOUT_SYSENTER && STUB_ID_SYSEXIT == CALLOUT_SYSEXIT, "the stubs count callouts");
_Static_assert(STUB_FLAGS_KEY == (EFLAGS_IOPL | EFLAGS_AC) && STUB_FLAGS_ENTER == (EFLAGS_IF | EFLAGS_RF | EFLAGS_VM),
               "the stubs know flags");
_Static_assert(STUB_FX_MXCSR == FX_MXCSR && STUB_FX_XMM == FX_XMM, "the stubs know the FXSAVE image");
_Static_assert(STUB_PARKED_VECTORS == PARKED_VECTORS && STUB_PARKED_ALL == PARKED_ALL,
               "the stubs know where FPU state is");
_Static_assert(offsetof(struct vcpu, abi) == 0, "the structure that translated code sees comes first");

static int install_stubs(struct engine *e, struct error *err) {
    static const uint8_t *const labels[STUB_COUNT] = {
        [STUB_MISS] = stub_miss,           [STUB_EXIT] = stub_exit,         [STUB_LINK] = stub_link,
        [STUB_FAULT] = stub_fault,         [STUB_CALLOUT] = stub_callout,   [STUB_SOFT_MISS] = stub_soft_miss,
        [STUB_WRITEBACK] = stub_writeback, [STUB_SYSENTER] = stub_sysenter, [STUB_SYSEXIT] = stub_sysexit,
        [STUB_CPUID] = stub_cpuid,         [STUB_LOAD_SEG] = stub_load_seg,
    };
    uint32_t size = (uint32_t)(stubs_end - stubs_begin), base = cache_arena(e->cache)->rx;
    if (cache_install_stubs(e->cache, stubs_begin, size, (uint32_t)(stub_miss - stubs_begin), err) < 0)
        return -1;
    for (unsigned i = 0; i < STUB_COUNT; i++)
        e->stub[i] = base + (uint32_t)(labels[i] - stubs_begin);
    e->gate = base + (uint32_t)(stub_gate - stubs_begin);
    e->gate_end = base + (uint32_t)(stub_gate_end - stubs_begin);
    e->cross = base + (uint32_t)(stub_cross - stubs_begin);
    e->cross_end = base + (uint32_t)(stub_cross_end - stubs_begin);
    e->quick = base + (uint32_t)(stub_quick - stubs_begin);
    e->quick_end = base + (uint32_t)(stub_quick_end - stubs_begin);
    e->code_start = base + ((size + 4095) & ~4095u);
    e->miss = e->stub[STUB_MISS];
    e->empty = cache_empty_root(e->cache);
    if (log_on(e->v->log, LOG_EXITS)) // each is to be seen
        for (unsigned i = STUB_SYSENTER; i < STUB_COUNT; i++)
            e->stub[i] = e->stub[STUB_CALLOUT];
    return 0;
}

static int engine_create(struct vcpu *v, struct error *err) {
    const struct cpu_config *config = &v->config;
    struct engine *e = calloc(1, sizeof *e);
    if (!e)
        return error_set(err, "out of memory");
    v->engine = e;
    e->v = v;
    pthread_mutex_init(&e->dma_lock, NULL);
    pthread_cond_init(&e->dma_done, NULL);
    if (host_check(e, err) < 0)
        return -1;
    e->guard_page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    e->signal_stack = mmap(NULL, ENGINE_SIGNAL_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (e->guard_page == MAP_FAILED || e->signal_stack == MAP_FAILED)
        return error_set(err, "out of memory");
    struct cache_config cache = {.mib = config->cache_mib, .stats = config->stats, .log = config->log};
    e->cache = cache_create(&cache, err);
    if (!e->cache || install_stubs(e, err) < 0)
        return -1;
    struct mmu_config mmu = {
        .ram = config->ram,
        .abi = &v->abi,
        .stats = config->stats,
        .log = config->log,
        .policy = config->policy == MMU_DIRECT ? MMU_FORM_DIRECT
                  : config->policy == MMU_SOFT ? MMU_FORM_SOFT
                                               : MMU_FORM_ADAPTIVE,
        .ablate = config->ablate,
        .code_written = engine_code_written,
        .device_read = engine_device_read,
        .device_write = engine_device_write,
        .watched = engine_watched,
        .opaque = v,
    };
    v->mmu = mmu_create(&mmu, err);
    return v->mmu ? 0 : -1;
}

struct vcpu *vcpu_create(const struct cpu_config *config, struct error *err) {
    if (config->avx && !cpuid_host_avx()) {
        error_set(err, "--cpu avx: this host has no AVX2");
        return NULL;
    }
    struct vcpu *v = aligned_alloc(64, (sizeof *v + 63) & ~(size_t)63);
    if (!v) {
        error_set(err, "out of memory");
        return NULL;
    }
    memset(v, 0, sizeof *v);
    v->config = *config;
    v->stats = config->stats;
    v->log = config->log;
    v->a20 = true;
    v->cr4_optional = (config->smep ? CR4_SMEP : 0) | (config->smap ? CR4_SMAP : 0) | (config->avx ? CR4_OSXSAVE : 0);
    v->xcr0_supported = config->avx ? XCR0_X87 | XCR0_SSE | XCR0_AVX : 0;
    v->clock.counts = config->clock != NULL;
    v->clock.deadline = UINT64_MAX;
    if (engine_create(v, err) < 0) {
        vcpu_destroy(v);
        return NULL;
    }
    v->abi.callout_entry = (uint64_t)(uintptr_t)engine_callout;
    v->abi.soft_miss_entry = (uint64_t)(uintptr_t)engine_soft_miss;
    v->abi.writeback_entry = (uint64_t)(uintptr_t)engine_writeback;
    v->abi.gate_slow_entry = (uint64_t)(uintptr_t)engine_gate_slow;
    v->abi.exit_entry = (uint64_t)(uintptr_t)engine_exit;
    v->abi.empty_root = (uint64_t)(uintptr_t)v->engine->empty->map;
    v->abi.root_slot = (uint64_t)(uintptr_t)&v->engine->root;
    v->abi.guard_page = engine_guard_page(v);
    v->abi.segment_loads = (uint64_t)(uintptr_t)&v->stats->segment_loads;
    v->abi.callout_counts = (uint64_t)(uintptr_t)v->stats->callouts;
    if (trace_create(v, err) < 0) {
        vcpu_destroy(v);
        return NULL;
    }
    vcpu_reset(v);
    return v;
}

void vcpu_destroy(struct vcpu *v) {
    if (!v)
        return;
    struct engine *e = v->engine;
    trace_destroy(v);
    if (e) {
        if (v->mmu)
            mmu_destroy(v->mmu);
        if (e->cache)
            cache_destroy(e->cache);
        if (e->guard_page && e->guard_page != MAP_FAILED)
            munmap(e->guard_page, 4096);
        if (e->signal_stack && e->signal_stack != MAP_FAILED)
            munmap(e->signal_stack, ENGINE_SIGNAL_STACK);
        pthread_mutex_destroy(&e->dma_lock);
        pthread_cond_destroy(&e->dma_done);
        free(e);
    }
    free(v);
}

// SDM vol. 3A table 9-1.
void vcpu_reset(struct vcpu *v) {
    struct cpu_state state = {.eip = 0xfff0, .eflags = 2, .cr0 = 0x60000010, .dr = {[6] = 0xffff0ff0, [7] = 0x400}};
    state.gpr[CPU_EDX] = 0x600;
    for (unsigned i = 0; i < CPU_SEG_COUNT; i++)
        state.seg[i] = (struct cpu_segment){.attr = 0x93, .limit = 0xffff};
    state.seg[CPU_SEG_CS] = (struct cpu_segment){.selector = 0xf000, .attr = 0x9b, .base = 0xffff0000, .limit = 0xffff};
    state.ldtr = (struct cpu_segment){.attr = 0x82, .limit = 0xffff};
    state.tr = (struct cpu_segment){.attr = 0x8b, .limit = 0xffff};
    state.gdt_limit = state.idt_limit = 0xffff;
    memset(&v->msr, 0, sizeof v->msr);
    v->ignne = v->ignne_step = v->ignne_masked = false;
    v->msr.pat = 0x0007040600070406;
    v->xcr0 = XCR0_X87;
    v->abi.ymm_live = 0;
    memset(v->abi.ymm, 0, sizeof v->abi.ymm);
    memset(v->abi.fx, 0, sizeof v->abi.fx);
    fx_put16(v->abi.fx + FX_FCW, 0x0040); // after FNINIT 037Fh
    fx_put16(v->abi.fx + FX_MXCSR, 0x1f80);
    v->abi.fpu_parked = PARKED_ALL;
    v->abi.shadow = 0;
    v->nmi_blocked = false;
    __atomic_store_n(&v->engine->nmi, 0, __ATOMIC_SEQ_CST);
    engine_wake(v);
    v->engine->fault_pending = false;
    v->a20 = true;
    vcpu_set_state(v, &state);
}
