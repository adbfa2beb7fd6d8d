// What the rest of cpu/ and the mmu ask of the engine: roots and windows after a change of mode, flushes of the code
// map, kills, device accesses, parking of the FPU state, stops. Light, but for what parks the FPU state first.
#include "cpu/engine.h"
#include "cpu/fx_image.h"
#include "cpu/semantics.h"
#include "devices/bus.h"

// Its translations go, and with them the flag: writes may go straight to it again.
unsigned engine_forget_frame(struct vcpu *v, uint32_t frame) {
    unsigned killed = cache_kill_frame(v->engine->cache, frame);
    cache_soft_forget(v->engine->cache, frame);
    __atomic_fetch_and(&v->config.ram->frame_flags[frame], (uint8_t)~RAM_FRAME_CODE, __ATOMIC_SEQ_CST);
    mmu_unprotect_frame(v->mmu, frame);
    return killed;
}

// ---- What the mmu calls
// --------------------------------------------------------------------------------------------------

void engine_code_written(void *opaque, uint32_t frame) {
    struct vcpu *v = opaque;
    struct engine *e = v->engine;
    if (cache_soft_map(e->cache, frame))
        engine_park_fpu(v); // free()
    unsigned killed = engine_forget_frame(v, frame);
    v->stats->blocks_killed_write += killed;
    if (killed)
        cache_note_kill(e->cache, frame, __builtin_ia32_rdtsc());
    e->code_killed = true;
    if (log_on(v->log, LOG_BLOCKS)) {
        engine_park_fpu(v);
        log_line(v->log, LOG_BLOCKS, "frame %05x written: its blocks are dead", frame);
    }
}

uint64_t engine_device_read(void *opaque, uint64_t gpa, unsigned size) {
    struct vcpu *v = opaque;
    cpu_device_lock(v);
    uint64_t value = mmio_bus_read(v->config.mmio, gpa, size);
    clock_device_accessed(v, 0);
    cpu_device_unlock(v);
    return value;
}

void engine_watched(void *opaque, uint32_t linear, unsigned size, enum operand_intent intent) {
    cpu_debug_access(opaque, linear, size, intent);
}

void engine_device_write(void *opaque, uint64_t gpa, unsigned size, uint64_t value) {
    struct vcpu *v = opaque;
    cpu_device_lock(v);
    mmio_bus_write(v->config.mmio, gpa, size, value);
    clock_device_accessed(v, 0);
    cpu_device_unlock(v);
}

// ---- Roots, windows, flushes
// ---------------------------------------------------------------------------------------------

static void set_root(struct vcpu *v, struct root *root) {
    struct engine *e = v->engine;
    e->root = root;
    v->abi.live_root = (uint64_t)(uintptr_t)root->map;
    if (*(volatile uint8_t *)&v->abi.request) // a kick that came in between
        v->abi.live_root = (uint64_t)(uintptr_t)e->empty->map;
}

void engine_enter_mode(struct vcpu *v) {
    struct engine *e = v->engine;
    bool user = cpu_user(v);
    struct mmu_view view = mmu_current_view(v->mmu, user);
    struct root_memo *memo = &e->memo[user];
    if (!memo->root || memo->mode != v->mode || memo->view != view.id || memo->generation != view.generation ||
        memo->root->mode != v->mode || memo->root->view != view.id) {
        engine_park_fpu(v);
        memo->root = cache_root(e->cache, view.id, view.generation, v->mode);
        memo->mode = v->mode;
        memo->view = view.id;
        memo->generation = view.generation;
    }
    set_root(v, memo->root);
    if (v->mode & MODE_SOFT) // no use of gs base (the verifier sees to it), so it stays: changing it takes 25 ticks
        return;
    uint64_t window = window_enter(v->mmu, user);
    if (window != v->abi.window)
        host_set_window(v, window);
}

void engine_mode_changed(struct vcpu *v) {
    struct engine *e = v->engine;
    engine_enter_mode(v);
    e->settled[cpu_user(v)] = (struct settled){.mode = v->mode & ~(uint32_t)MODE_SOFT,
                                               .full = v->mode,
                                               .changes = v->abi.view_changes,
                                               .view = e->root->view,
                                               .root = e->root,
                                               .window = v->abi.window};
}

bool engine_settled(struct vcpu *v, uint32_t mode) {
    bool user = cpu_user(v);
    const struct settled *s = &v->engine->settled[user];
    if (s->mode != mode || s->changes != v->abi.view_changes || !s->root || s->root->mode != s->full ||
        s->root->view != s->view || !window_crossed(&v->abi, user))
        return false;
    v->mode = s->full;
    set_root(v, s->root);
    if (!(s->full & MODE_SOFT) && v->abi.window != s->window)
        host_set_window(v, s->window);
    return true;
}

void engine_note_crossing(struct vcpu *v, unsigned which, uint32_t from) {
    struct engine *e = v->engine;
    struct abi_crossing *c = &v->abi.crossing[which];
    const struct settled *s = &e->settled[cpu_user(v)];
    const uint32_t wanted = MODE_CODE32 | MODE_STACK32;
    const uint32_t plain = wanted | MODE_ONE | MODE_CS_CHECKED | MODE_V86 | MODE_TRACED | MODE_COUNTED |
                           3u << (MODE_SEG_SHIFT + 2 * CPU_SEG_SS);
    c->from = CROSSING_NEVER;
    if ((from & plain) != wanted || (v->mode & plain) != wanted || (v->abi.cr4 & CR4_SMAP) || e->gs_pinned ||
        s->full != v->mode || s->root != e->root || s->changes != v->abi.view_changes)
        return;
    *c = (struct abi_crossing){
        .from = from,
        .to = v->mode,
        .changes = s->changes,
        .flags = v->abi.sys_flags & (EFLAGS_IOPL | EFLAGS_AC),
        .root_serves = s->view | (uint64_t)v->mode << 32,
        .root = (uint64_t)(uintptr_t)e->root,
        .map = (uint64_t)(uintptr_t)e->root->map,
        .window = v->mode & MODE_SOFT ? 0 : s->window,
        .selectors = v->abi.seg_selector[CPU_SEG_CS] | (uint64_t)v->abi.seg_selector[CPU_SEG_SS] << 32,
        .code = v->seg[CPU_SEG_CS].selector | (uint32_t)v->seg[CPU_SEG_CS].attr << 16,
        .stack = v->seg[CPU_SEG_SS].selector | (uint32_t)v->seg[CPU_SEG_SS].attr << 16,
        .segment_mode = v->segment_mode,
    };
}

void engine_flush_code_roots(struct vcpu *v, bool keep_global) {
    cache_clear_roots(v->engine->cache, UINT32_MAX, keep_global);
}

void engine_flush_code_page(struct vcpu *v, uint32_t linear) {
    cache_clear_roots_page(v->engine->cache, linear);
}

// Each as the stubs do it.
static const uint32_t monitor_mxcsr = 0x1f80;

#define EACH_VECTOR(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7)

void engine_park_fpu(struct vcpu *v) {
    if (v->abi.fpu_parked)
        return;
    uint8_t *xmm = v->abi.fx + FX_XMM;
#define PARK_XMM(n) __asm__ volatile("movaps %%xmm" #n ", %0" : "=m"(*(uint8_t(*)[16])(xmm + 16 * n)));
#define PARK_YMM(n) __asm__ volatile("vextractf128 $1, %%ymm" #n ", %0" : "=m"(v->abi.ymm[n]));
    EACH_VECTOR(PARK_XMM)
    __asm__ volatile("stmxcsr %0" : "=m"(*(uint32_t(*)[1])(v->abi.fx + FX_MXCSR)));
    if (v->abi.ymm_live) {
        EACH_VECTOR(PARK_YMM)
        __asm__ volatile("vzeroupper");
    }
    __asm__ volatile("ldmxcsr %0" ::"m"(monitor_mxcsr));
    v->abi.fpu_parked = PARKED_VECTORS;
}

// FXSAVE writes the vector registers too, so they get the guest's values for it.
void engine_park_x87(struct vcpu *v) {
    engine_park_fpu(v);
    if (v->abi.fpu_parked == PARKED_ALL)
        return;
    const uint8_t *xmm = v->abi.fx + FX_XMM;
#define LOAD_XMM(n) __asm__ volatile("movaps %0, %%xmm" #n ::"m"(*(const uint8_t(*)[16])(xmm + 16 * n)));
    EACH_VECTOR(LOAD_XMM)
    __asm__ volatile("ldmxcsr %0" ::"m"(*(const uint32_t(*)[1])(v->abi.fx + FX_MXCSR)));
    __asm__ volatile("fxsave64 %0" : "+m"(v->abi.fx));
    __asm__ volatile("ldmxcsr %0" ::"m"(monitor_mxcsr));
    v->abi.fpu_parked = PARKED_ALL;
}

void engine_halt(struct vcpu *v) {
    v->engine->halted = true;
}

void engine_wake(struct vcpu *v) {
    v->engine->halted = v->engine->yielding = false;
}

void engine_stop(struct vcpu *v, enum cpu_stop why) {
    v->engine->stopping = true;
    v->engine->why = why;
    engine_arm(v);
}

uint64_t engine_guard_page(struct vcpu *v) {
    return (uint64_t)(uintptr_t)v->engine->guard_page;
}

const char *vcpu_error_text(const struct vcpu *v) {
    return v->error.text;
}

void vcpu_set_a20(struct vcpu *v, bool enabled) {
    if (v->a20 == enabled)
        return;
    v->a20 = enabled;
    struct mmu_control control = {
        .cr0 = v->abi.cr0, .cr3 = v->abi.cr3, .cr4 = v->abi.cr4, .nxe = v->msr.efer >> 11 & 1, .a20 = enabled};
    mmu_set_control(v->mmu, &control);
    engine_flush_code_roots(v, false);
}
