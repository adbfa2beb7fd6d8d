// The dispatcher: serves requests, delivers interrupts and pending faults at instruction boundaries, finds or
// translates the block at EIP and enters it. The guest's vector registers are parked whenever this runs.
#include "cpu/engine.h"
#include "cpu/stubs.h"
#include "cpu/trace.h"

#include <string.h>

#define BLOCK_BYTES_MAX ((TRANSLATE_MAX_INSNS + 1) * 15u)

uint64_t engine_now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

// ---- From EIP to a block
// ---------------------------------------------------------------------------------------------------

struct fetch {
    uint32_t frame;
    const uint8_t *host; // NULL outside RAM
    unsigned root_flags; // enum root_flag
    bool checks;         // its blocks check themselves; it is not write-protected
};

static bool frame_has_code(const struct vcpu *v, uint32_t frame) {
    return __atomic_load_n(&v->config.ram->frame_flags[frame], __ATOMIC_SEQ_CST) & RAM_FRAME_CODE;
}

// Walks for an instruction fetch. The frame counts as holding code from here on.
static int fetch_page(struct vcpu *v, uint32_t linear, struct fetch *fetch) {
    struct mmu_page page;
    struct mmu_fault fault;
    if (mmu_walk(v->mmu, linear, MMU_EXEC, cpu_user(v), &page, &fault) < 0)
        return cpu_raise_page(v, &fault);
    fetch->frame = (uint32_t)(page.gpa >> 12);
    fetch->root_flags = root_flags(page.global, page.large);
    fetch->host = page.host;
    fetch->checks = page.host && cache_frame_checks(v->engine->cache, fetch->frame, __builtin_ia32_rdtsc());
    if (page.host && !fetch->checks && !frame_has_code(v, fetch->frame))
        mmu_protect_frame(v->mmu, fetch->frame);
    return 0;
}

// Copies what a block at `offset` can consist of. Once, into a buffer of its own: a device may write while the
// translator reads.
static void snapshot(struct vcpu *v, const struct fetch *fetch, uint32_t offset, uint8_t bytes[4096]) {
    uint32_t size = 4096 - offset < BLOCK_BYTES_MAX ? 4096 - offset : BLOCK_BYTES_MAX;
    if (fetch->host)
        memcpy(bytes + offset, fetch->host + offset, size);
    else
        mmu_read_phys(v->mmu, ((uint64_t)fetch->frame << 12) + offset, bytes + offset, size);
}

static void count_block(struct vcpu *v, const struct translate_output *out) {
    struct stats *s = v->stats;
    s->blocks_translated++;
    s->insns_translated += out->insns;
    s->insns_identity += out->identity;
    s->insns_inline += out->inlined;
    s->insns_callout += out->called;
    s->insns_rewritten += out->insns - out->identity - out->inlined - out->called;
    s->operands_direct += out->operands_direct;
    s->operands_soft += out->operands_soft;
}

static int verify(struct vcpu *v, const struct translate_input *in, const struct translate_output *out) {
    const struct verify_input check = {
        .code = in->code_rw,
        .code_rx = in->code_rx,
        .size = out->host_size,
        .out = out,
        .stub = v->engine->stub,
        .next_slice = in->next_slice,
        .mode = in->mode,
        .live = in->self_checking ? in->live : 0,
        .next_live = in->self_checking ? in->next_live : 0,
        .trace_id = in->trace_id,
    };
    return verify_block(&check, &v->error);
}

// Translates the block at `linear`. NULL with v->fault set, or after engine_stop.
static struct block *translate(struct vcpu *v, uint32_t linear, uint32_t mode, struct fetch *first, bool loose) {
    struct engine *e = v->engine;
    uint64_t start = __builtin_ia32_rdtsc();
    struct translate_input in = {
        .page = e->page,
        .offset = linear & 4095,
        .mode = mode,
        .soft_map = cache_soft_map(e->cache, first->frame),
        .self_checking = first->checks,
        .no_split_locks = e->no_split_locks,
        .live = (uint64_t)(uintptr_t)first->host,
        .trace_id = v->trace.blocks,
    };
    memcpy(in.stub, e->stub, sizeof in.stub);
    snapshot(v, first, in.offset, e->page);
    cache_reserve(e->cache, &in.code_rw, &in.code_rx, &in.capacity);
    enum translate_status status = translate_block(&in, &e->out, &v->error);
    struct fetch second = {.frame = CACHE_NO_FRAME};
    if (status == TRANSLATE_NEED_NEXT) {
        uint32_t next = (linear & ~4095u) + 4096;
        if (fetch_page(v, next, &second) < 0)
            return NULL;
        if (first->host && !first->checks && !frame_has_code(v, first->frame)) {
            // The walk set an A bit in the page of the first bytes: as after any write, they are read anew.
            if (fetch_page(v, linear, first) < 0)
                return NULL;
            in.soft_map = cache_soft_map(e->cache, first->frame);
            snapshot(v, first, in.offset, e->page);
        }
        if (first->host && !second.host) { // bytes of a device may change: made anew each time
            cache_kill_at(e->cache, first->frame, in.offset, mode);
            loose = true;
        }
        snapshot(v, &second, 0, e->next_page);
        in.next = e->next_page;
        in.next_live = (uint64_t)(uintptr_t)second.host;
        in.self_checking = first->host && second.host && (first->checks || second.checks);
        loose |= (mode & MODE_CS_CHECKED) != 0;
        if (!loose) {
            struct slice *slice = cache_slice(e->cache, second.frame, mode);
            in.next_slice = (uint64_t)(uintptr_t)slice->entries;
        }
        status = translate_block(&in, &e->out, &v->error);
    }
    if (status != TRANSLATE_OK || (v->config.verify && verify(v, &in, &e->out) < 0)) {
        engine_stop(v, CPU_STOP_ERROR);
        return NULL;
    }
    uint8_t bytes[BLOCK_BYTES_MAX];
    uint32_t on_page = 4096 - in.offset;
    uint32_t here = e->out.guest_size < on_page ? e->out.guest_size : on_page;
    memcpy(bytes, e->page + in.offset, here);
    if (e->out.guest_size > here)
        memcpy(bytes + here, e->next_page, e->out.guest_size - here);
    struct block *block = cache_commit(e->cache, &e->out, first->frame, second.frame, in.offset, mode, loose, bytes);
    if (!block) {
        error_set(&v->error, "out of memory");
        engine_stop(v, CPU_STOP_ERROR);
        return NULL;
    }
    if (in.self_checking)
        block_set_self_checking(block);
    count_block(v, &e->out);
    if (v->trace.on)
        trace_block(v, block, linear, &e->out);
    v->translate_cycles += __builtin_ia32_rdtsc() - start;
    log_line(v->log, LOG_BLOCKS, "block %08x frame %05x mode %08x: %u instructions, %u bytes at %08x", linear,
             first->frame, mode, e->out.insns, e->out.host_size, block->host);
    return block;
}

// A crossing block is valid only with the second page that it was made for; its check reads the root.
static bool second_page_agrees(struct vcpu *v, uint32_t linear, const struct block *block) {
    struct engine *e = v->engine;
    struct fetch second;
    uint32_t next = (linear & ~4095u) + 4096;
    if (fetch_page(v, next, &second) < 0)
        return false;
    if (second.frame != block->next_frame)
        return false;
    if (!block->loose)
        root_set(e->cache, e->root, next, cache_slice(e->cache, second.frame, block->mode), second.root_flags);
    return true;
}

// Is a self-checking block still what stands in memory?
static bool bytes_agree(struct vcpu *v, uint32_t linear, const struct block *block, const struct fetch *first) {
    uint32_t here = 4096 - block->offset < block->guest_size ? 4096u - block->offset : block->guest_size;
    if (memcmp(block->guest_bytes, first->host + block->offset, here))
        return false;
    if (here == block->guest_size)
        return true;
    struct fetch second;
    uint32_t next = (linear & ~4095u) + 4096;
    return fetch_page(v, next, &second) == 0 && second.host &&
           !memcmp(block->guest_bytes + here, second.host, block->guest_size - here);
}

struct block *engine_find_block(struct vcpu *v, uint32_t linear, uint32_t mode) {
    struct engine *e = v->engine;
    struct fetch fetch;
    uint32_t offset = linear & 4095;
    v->fault.vector = 0xff;
    if (fetch_page(v, linear, &fetch) < 0)
        return NULL;
    bool loose = mode & MODE_ONE || !fetch.host;
    struct block *block =
        loose ? cache_find_loose(e->cache, fetch.frame, offset, mode) : cache_find(e->cache, fetch.frame, offset, mode);
    if (!block && !loose && (mode & MODE_CS_CHECKED)) // crossing ones are loose: no link may pass by the limit's check
        block = cache_find_loose(e->cache, fetch.frame, offset, mode);
    if (block && !fetch.host) { // bytes of a device may change at any time
        cache_kill_frame(e->cache, fetch.frame);
        block = NULL;
    }
    if (block && block->self_checking && !bytes_agree(v, linear, block, &fetch)) {
        cache_kill_at(e->cache, fetch.frame, offset, mode);
        block = NULL;
    }
    if (!block && !loose && !fetch.checks && !(v->config.ablate & ABLATE_RETAIN))
        block = cache_revive(e->cache, fetch.frame, offset, mode, fetch.host + offset, 4096 - offset);
    if (block && block->next_frame != CACHE_NO_FRAME && !second_page_agrees(v, linear, block)) {
        if (v->fault.vector != 0xff)
            return NULL;
        cache_kill_at(e->cache, fetch.frame, offset, mode);
        block = NULL;
    }
    if (block && !block->alive) // the walk to the second page set an A bit in the page of the first
        block = NULL;
    if (!block) {
        block = translate(v, linear, mode, &fetch, loose);
        if (!block)
            return NULL;
        if (block->next_frame != CACHE_NO_FRAME && !second_page_agrees(v, linear, block))
            return NULL;
    }
    if (block->slice && !(v->config.ablate & ABLATE_CODE_MAP))
        root_set(e->cache, e->root, linear, block->slice, fetch.root_flags);
    return block;
}

// ---- Running
// -------------------------------------------------------------------------------------------------------------

static void link_exit(struct vcpu *v, struct block *to) {
    struct engine *e = v->engine;
    struct block *from = e->link_from;
    e->link_from = NULL;
    if (from && e->link_evictions == v->stats->cache_evictions && from->alive && from->slice == to->slice &&
        to->slice && !v->config.no_link && from->links[e->link_index].exit.target == to->offset)
        cache_link(e->cache, from, e->link_index, to);
}

// Delivers v->fault at abi.eip. A fault during delivery has become #DF or a triple fault inside.
static void deliver(struct vcpu *v) {
    v->engine->fault_pending = false;
    v->abi.shadow = 0;
    if (engine_signals_ferr(v)) {
        engine_ferr(v);
        return;
    }
    engine_wake(v); // a trap behind HLT ends the wait
    v->stats->exceptions++;
    if (v->fault.vector == VECTOR_PF)
        v->stats->page_faults++;
    log_line(v->log, LOG_FAULTS, "exception %u error %x cr2 %08x at %04x:%08x", v->fault.vector, v->fault.error,
             v->fault.cr2, v->seg[CPU_SEG_CS].selector, v->abi.eip);
    if (cpu_deliver_fault(v) < 0)
        engine_stop(v, CPU_STOP_TRIPLE_FAULT);
}

// The limit check of an instruction fetch of `size` bytes, for segments that have one. SDM vol. 3A 5.3.
static bool fetch_limit_ok(struct vcpu *v, uint32_t size) {
    uint32_t limit = v->seg[CPU_SEG_CS].limit;
    if (!(v->mode & MODE_CS_CHECKED) || (v->abi.eip <= limit && size - 1 <= limit - v->abi.eip))
        return true;
    cpu_raise_error(v, VECTOR_GP, 0);
    return false;
}

static void enter(struct vcpu *v, struct block *block, uint32_t linear) {
    struct engine *e = v->engine;
    v->stats->dispatches++;
    v->abi.r8 = linear;
    v->abi.exit_site = block->host;
    void (*go)(struct vcpu_abi *) =
        (void (*)(struct vcpu_abi *))(uintptr_t)(e->gate - (uint32_t)(stub_gate - stub_enter));
    host_renew_window(v); // a store of a few ns here saves a signal where a lock or HLT made the thread sleep
    go(&v->abi);
}

// A software interrupt clears TF on its way; a load of SS holds the trap back with everything else.
static bool step_suppressed(const struct vcpu *v) {
    return v->engine->last_callout == CALLOUT_INT || engine_shadow_of_ss(v);
}

static void run_block(struct vcpu *v) {
    struct engine *e = v->engine;
    bool shadow = v->abi.shadow, step = v->abi.sys_flags & EFLAGS_TF, alone = shadow || step || v->ignne;
    uint32_t linear = cpu_linear_eip(v), resume = v->abi.sys_flags & EFLAGS_RF;
    e->again = false;
    if ((v->debug.exec || v->debug.alone || v->debug.step) && !engine_debug_begin(v, linear, &alone))
        return;
    v->abi.shadow = 0;
    if (shadow)
        cpu_mode_update(v);
    v->abi.sys_flags &= ~EFLAGS_RF; // of the next instruction; a fault of this one pushes it as set
    uint32_t mode = v->mode | (alone || !cpu_code_page_plain(v, linear) ? MODE_ONE : 0u);
    struct block *block = fetch_limit_ok(v, 1) ? engine_find_block(v, linear, mode) : NULL;
    if (block && v->clock.counts && block->insns > v->abi.budget) { // to the deadline one by one
        mode |= MODE_ONE;
        block = engine_find_block(v, linear, mode);
    }
    if (block && !fetch_limit_ok(v, block->marks[0].length)) // of its one instruction
        block = NULL;
    if (!block) {
        if (!e->stopping)
            deliver(v);
        return;
    }
    link_exit(v, block);
    e->one_shot = mode & MODE_ONE;
    e->last_callout = CALLOUT_COUNT;
    if (v->ignne)
        engine_ignne_begin(v);
    if (v->trace.on)
        trace_state(v);
    enter(v, block, linear);
    if (v->ignne)
        engine_ignne_end(v, block);
    e->one_shot = false;
    if (e->again) {
        v->abi.shadow = shadow;
        v->abi.sys_flags |= resume;
        return;
    }
    if (step && !e->fault_pending && !e->stopping && !step_suppressed(v)) // SDM vol. 3B 17.3.1.4
        v->debug.found |= DR6_BS;
}

// An NMI waits for the end of an interrupt shadow, and until IRET for that of another NMI. SDM vol. 3A 6.7, 6.8.3.
static bool take_nmi(struct vcpu *v) {
    struct engine *e = v->engine;
    if (!__atomic_load_n(&e->nmi, __ATOMIC_SEQ_CST) || v->nmi_blocked || v->abi.shadow)
        return false;
    __atomic_store_n(&e->nmi, 0, __ATOMIC_SEQ_CST);
    engine_wake(v);
    v->nmi_blocked = true;
    v->stats->interrupts++;
    if (v->trace.on)
        trace_event(v, CPU_TRACE_INTERRUPT, VECTOR_NMI, cpu_linear_eip(v), 0, 0, trace_time(v));
    log_line(v->log, LOG_FAULTS, "NMI at %04x:%08x", v->seg[CPU_SEG_CS].selector, v->abi.eip);
    if (cpu_deliver_interrupt(v, VECTOR_NMI) < 0)
        engine_stop(v, CPU_STOP_TRIPLE_FAULT);
    return true;
}

static bool take_interrupt(struct vcpu *v) {
    struct engine *e = v->engine;
    if (!(v->abi.sys_flags & EFLAGS_IF) || v->abi.shadow || !__atomic_load_n(&e->intr, __ATOMIC_SEQ_CST))
        return false;
    engine_wake(v);
    uint8_t vector = v->config.acknowledge(v->config.opaque);
    v->stats->interrupts++;
    if (v->trace.on)
        trace_event(v, CPU_TRACE_INTERRUPT, vector, cpu_linear_eip(v), 0, 0, trace_time(v));
    log_line(v->log, LOG_FAULTS, "interrupt %02x at %04x:%08x", vector, v->seg[CPU_SEG_CS].selector, v->abi.eip);
    if (cpu_deliver_interrupt(v, vector) < 0)
        engine_stop(v, CPU_STOP_TRIPLE_FAULT);
    return true;
}

// Now and then: instructions that have been soft for long enough are tried in direct form again.
static void review_forms(struct vcpu *v) {
    uint64_t now = __builtin_ia32_rdtsc();
    if (now - v->engine->reviewed < ENGINE_REVIEW_CYCLES)
        return;
    v->engine->reviewed = now;
    v->stats->forms_to_direct += cache_soft_review(v->engine->cache, now);
}

// Everything that waits for an instruction boundary. False when the run is over.
static bool serve(struct vcpu *v) {
    struct engine *e = v->engine;
    clock_serve(v);
    trace_serve(v);
    v->abi.request = ABI_REQUEST_NONE;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    v->abi.live_root = (uint64_t)(uintptr_t)e->root->map;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    if (*(volatile uint8_t *)&v->abi.request) // a kick between the two: its empty root was just overwritten
        v->abi.live_root = (uint64_t)(uintptr_t)e->empty->map;
    __atomic_thread_fence(__ATOMIC_SEQ_CST); // requests that come from here on arm anew
    engine_serve_dma(v);
    review_forms(v);
    while (e->fault_pending && !e->stopping) // a task switch may leave a trap behind
        deliver(v);
    while (!e->stopping && engine_debug_due(v))
        deliver(v);
    if (v->debug.stop && !e->stopping)
        engine_stop(v, CPU_STOP_DEBUG);
    if (e->stopping)
        return false;
    if (__atomic_exchange_n(&e->stop_requested, 0, __ATOMIC_SEQ_CST)) {
        engine_stop(v, CPU_STOP_REQUESTED);
        return false;
    }
    if (__atomic_exchange_n(&e->reset_requested, 0, __ATOMIC_SEQ_CST)) {
        engine_stop(v, CPU_STOP_RESET);
        return false;
    }
    if (v->debug.step && !e->halted) // a debugger steps over interrupts
        return true;
    if (take_nmi(v) || take_interrupt(v)) {
        while (!e->stopping && engine_debug_due(v)) // the frame lies on a data breakpoint
            deliver(v);
        if (v->debug.step)
            engine_stop(v, CPU_STOP_DEBUG);
    }
    return !e->stopping;
}

// Parts of a run are measured by the time-stamp counter, which costs less than the host's clock: a port access is
// short.
static void count_time(struct vcpu *v, uint64_t ns, uint64_t cycles) {
    double ns_per_cycle = cycles ? (double)ns / (double)cycles : 0;
    v->stats->ns_total += ns;
    v->stats->ns_devices += (uint64_t)((double)v->device_cycles * ns_per_cycle);
    v->stats->ns_translate += (uint64_t)((double)v->translate_cycles * ns_per_cycle);
    v->stats->ns_faults += (uint64_t)((double)v->fault_cycles * ns_per_cycle);
    v->device_cycles = v->translate_cycles = v->fault_cycles = 0;
}

enum cpu_stop vcpu_run(struct vcpu *v) {
    struct engine *e = v->engine;
    e->stopping = false;
    v->debug.stop = false;
    v->debug.hit.cause = CPU_DEBUG_STEP;
    if (host_signals_install(v, &v->error) < 0)
        return CPU_STOP_ERROR;
    uint64_t start = engine_now_ns(), first = __builtin_ia32_rdtsc();
    engine_enter_mode(v);
    __atomic_store_n(&e->running, 1, __ATOMIC_SEQ_CST);
    while (serve(v)) {
        if (e->fault_pending)
            continue; // an interrupt's task switch left a trap
        if (!e->halted) {
            run_block(v);
            v->debug.stop |= v->debug.step && !e->again;
        } else if (e->yielding) {
            v->abi.shadow = 0;
            engine_wait(v);
            engine_yield_end(v);
            v->debug.stop |= v->debug.step && !e->halted;
        } else if ((v->abi.sys_flags & EFLAGS_IF) || (v->config.nmi_wakes && !v->nmi_blocked)) {
            v->abi.shadow = 0;
            engine_wait(v);
        } else {
            engine_stop(v, CPU_STOP_HALT);
        }
    }
    __atomic_store_n(&e->running, 0, __ATOMIC_SEQ_CST);
    engine_serve_dma(v);
    trace_flush(v);
    engine_park_x87(v);
    __asm__ volatile("fninit"); // what the ABI promises to the caller
    host_signals_remove(v);
    count_time(v, engine_now_ns() - start, __builtin_ia32_rdtsc() - first);
    return e->why;
}
