// What translated code reaches through the stubs: callouts, misses of the software TLB, write-back of bounced operands,
// and the exits of blocks. Everything here is light (PITFALLS 6): the guest's FPU state is live, so no library function
// and no vector register is used before engine_park_fpu. Each function returns GO_ON to go on behind the block's call,
// GO_THERE to go on at another address that it has put into the return slot, LEAVE to leave for the dispatcher.
#include "cpu/engine.h"
#include "cpu/semantics.h"

enum { GO_ON = 0, LEAVE = 1, GO_THERE = 2 }; // as the stubs have it

static const uint8_t callout_heavy[CALLOUT_COUNT] = {
#define light                        0
#define heavy                        1
#define CALLOUT_WEIGHT(name, weight) weight,
    ABI_CALLOUTS(CALLOUT_WEIGHT)
#undef CALLOUT_WEIGHT
#undef light
#undef heavy
};

static struct vcpu *vcpu_of(struct vcpu_abi *abi) {
    return (struct vcpu *)(void *)abi;
}

// Fills the root entry of the page and returns the block's host address, or 0 if there is none yet.
static uint32_t fill_root(struct vcpu *v, uint32_t linear) {
    struct engine *e = v->engine;
    struct mmu_page page;
    struct mmu_fault fault;
    if (v->debug.exec && cpu_debug_page(v, linear)) // instruction by instruction, through the dispatcher
        return 0;
    if (mmu_walk(v->mmu, linear, MMU_EXEC, cpu_user(v), &page, &fault) < 0 || !page.host)
        return 0;
    const struct slice *slice = cache_find_slice(e->cache, (uint32_t)(page.gpa >> 12), v->mode);
    if (!slice)
        return 0;
    if (!(v->config.ablate & ABLATE_CODE_MAP))
        root_set(e->cache, e->root, linear, slice, root_flags(page.global, page.large));
    uint32_t host = slice->entries[linear & 4095];
    return host == e->miss ? 0 : host;
}

static uint64_t resume_at(struct vcpu *v, uint32_t host, uint32_t linear) {
    v->abi.r8 = linear;
    *engine_return_slot(v) = host;
    return GO_THERE;
}

// On at abi.eip, straight to its block if it exists.
static uint64_t go_on_at_eip(struct vcpu *v) {
    struct engine *e = v->engine;
    if (e->one_shot || v->abi.request || v->clock.moved || (v->mode & MODE_ONE))
        return LEAVE;
    uint32_t linear = cpu_linear_eip(v);
    if (!cpu_code_page_plain(v, linear))
        return LEAVE;
    uint32_t host = root_lookup(e->root, linear);
    if (host == e->miss) {
        v->stats->codemap_misses++;
        host = fill_root(v, linear);
        if (!host)
            return LEAVE;
    }
    return resume_at(v, host, linear);
}

static uint64_t deliver_fault(struct vcpu *v) {
    v->debug.found = 0; // the instruction has not completed
    if (v->engine->one_shot) {
        v->engine->fault_pending = true;
        return LEAVE;
    }
    if (engine_signals_ferr(v)) {
        engine_ferr(v);
        return LEAVE;
    }
    v->stats->exceptions++;
    if (v->fault.vector == VECTOR_PF && v->fault.has_error)
        v->stats->page_faults++;
    if (log_on(v->log, LOG_FAULTS)) {
        engine_park_fpu(v);
        log_line(v->log, LOG_FAULTS, "exception %u error %x cr2 %08x at %04x:%08x", v->fault.vector, v->fault.error,
                 v->fault.cr2, v->seg[CPU_SEG_CS].selector, v->abi.eip);
    }
    if (cpu_deliver_fault(v) < 0) {
        engine_park_fpu(v);
        engine_stop(v, CPU_STOP_TRIPLE_FAULT);
        return LEAVE;
    }
    return go_on_at_eip(v);
}

uint64_t engine_callout(struct vcpu_abi *abi) {
    struct vcpu *v = vcpu_of(abi);
    struct engine *e = v->engine;
    uint32_t word = abi->r10, id = CALLOUT_ID(word), mode = v->mode;
    abi->eip = abi->page + CALLOUT_OFFSET(word) - v->seg[CPU_SEG_CS].base;
    v->stats->callouts[id]++;
    if (callout_heavy[id])
        engine_park_fpu(v);
    if (log_on(v->log, LOG_EXITS)) {
        engine_park_fpu(v);
        log_line(v->log, LOG_EXITS, "%08x %s r8 %08x r9 %08x extra %02x", abi->eip, cpu_callout_name(id), abi->r8,
                 abi->r9, CALLOUT_EXTRA(word));
    }
    e->code_killed = false;
    e->last_callout = (uint8_t)id;
    clock_enter(v, CALLOUT_OFFSET(word));
    enum callout_result result = callout_table[id](v, abi->r8, abi->r9, word);
    if (result == CALLOUT_CONTINUE && v->mode == mode && !e->code_killed && !abi->request && !v->clock.moved) {
        clock_return(v);
        return GO_ON;
    }
    // A string instruction that jumps is one that was left between two iterations.
    clock_leave(v, result != CALLOUT_FAULT && !(result == CALLOUT_JUMP && id == CALLOUT_STRING));
    switch (result) {
    case CALLOUT_CONTINUE:
        callout_next(v, word); // an interrupt that POPF let in is taken before the next instruction
        return e->code_killed ? LEAVE : go_on_at_eip(v);
    case CALLOUT_JUMP: return e->code_killed ? LEAVE : go_on_at_eip(v);
    case CALLOUT_FAULT: return deliver_fault(v);
    case CALLOUT_LEAVE: return LEAVE;
    }
    return LEAVE;
}

// A block is left before its instruction at `offset`, whose EIP is abi.eip.
static void leave_before(struct vcpu *v, uint32_t offset) {
    engine_settle_x87(v, cache_block_at(v->engine->cache, (uint32_t)*engine_return_slot(v)), offset);
}

// v->fault is about the operand of an instruction of the block, or about its page: another fault may come before that.
static uint64_t deliver_operand_fault(struct vcpu *v, uint32_t word, uint32_t linear) {
    const struct block *block = cache_block_at(v->engine->cache, (uint32_t)*engine_return_slot(v));
    if (v->fault.vector != VECTOR_AC)
        (void)engine_fault_before_page(v, block, word, linear);
    engine_settle_x87(v, block, OPERAND_OFFSET(word));
    clock_leave(v, false);
    return deliver_fault(v);
}

// An x87 store that meets an unmasked exception, other than a rounded result, stores nothing (SDM vol. 1 8.5). Before
// the instruction none was pending.
static bool x87_withheld(void) {
    const unsigned invalid = 1, denormal = 2, overflow = 8, underflow = 16;
    uint16_t status, control;
    __asm__ volatile("fnstsw %0\n\tfnstcw %1" : "=a"(status), "=m"(control));
    return status & ~(unsigned)control & (invalid | denormal | overflow | underflow);
}

uint64_t engine_soft_miss(struct vcpu_abi *abi) {
    struct vcpu *v = vcpu_of(abi);
    uint32_t word = abi->r10, linear = abi->r8;
    unsigned size = OPERAND_SIZE(word), seg = OPERAND_SEG(word);
    enum operand_intent intent = OPERAND_INTENT(word);
    struct mmu_fault fault;
    uint64_t addend = 0, way = GO_ON;
    abi->eip = abi->page + OPERAND_OFFSET(word) - v->seg[CPU_SEG_CS].base;
    clock_enter(v, OPERAND_OFFSET(word));
    if (OPERAND_CHECKED(word) &&
        cpu_segment_linear(v, seg, linear, size, intent == INTENT_READ ? MMU_READ : MMU_WRITE, &linear) < 0)
        return deliver_operand_fault(v, word, 0);
    bool ac = v->mode & MODE_ALIGN && size <= 8 && (linear & (size - 1));
    if (ac) {
        cpu_raise_error(v, VECTOR_AC, 0);
        return deliver_operand_fault(v, word, linear);
    }
    v->engine->code_killed = false;
    if (v->debug.data && !v->engine->one_shot && cpu_debug_match(v, linear, size, intent)) {
        v->debug.alone = true; // the trap comes right behind this instruction: it runs again, by itself
        v->engine->again = true;
        leave_before(v, OPERAND_OFFSET(word));
        clock_leave(v, false);
        return LEAVE;
    }
    switch (soft_miss(v->mmu, linear, size, intent, cpu_user(v), word & OPERAND_LOCKED, &addend, &fault)) {
    case SOFT_IN_PLACE: break;
    case SOFT_BOUNCED:
        if (intent != INTENT_READ) {
            *engine_return_slot(v) += 5; // behind the jump back: the bounced copy of the instruction
            way = GO_THERE;
        }
        break;
    case SOFT_FAULT:
        if (!(v->mode & MODE_SOFT)) // the instructions that follow are likely direct ones
            window_prefill_later(v->mmu, linear, cpu_user(v));
        cpu_raise_page(v, &fault);
        return deliver_operand_fault(v, word, linear);
    }
    clock_return(v);
    if (v->engine->code_killed) // an A or D bit fell on a frame with code: leave when this block ends
        engine_arm(v);
    // The instruction adds r8, which keeps what the block computed: an offset where the segment is checked.
    abi->gate_r9 = addend + linear - abi->r8;
    return way;
}

uint64_t engine_writeback(struct vcpu_abi *abi) {
    struct vcpu *v = vcpu_of(abi);
    uint32_t word = abi->r10;
    bool withheld = word & WRITEBACK_UNSURE && x87_withheld(), killed = false;
    clock_enter_behind(v, word & 0xffff);
    if (withheld)
        soft_cancel(v->mmu);
    else
        killed = soft_commit(v->mmu);
    // Under the virtual clock what a device did takes effect behind this very instruction.
    bool due = v->clock.counts && (v->clock.moved || abi->request);
    if ((killed || due) && !(word & WRITEBACK_STAY)) {
        clock_leave(v, true);
        abi->eip = abi->page + (word & 0xffff) - v->seg[CPU_SEG_CS].base;
        leave_before(v, word & 0xffff);
        return LEAVE;
    }
    clock_return(v);
    if (killed || due)
        engine_arm(v); // the block's own transfer goes through the code map and leaves
    return GO_ON;
}

// The gate found a new request: cut the ways out of the block that it returns to, so that the block ends in an exit.
uint64_t engine_gate_slow(struct vcpu_abi *abi) {
    struct vcpu *v = vcpu_of(abi);
    struct block *block = cache_block_at(v->engine->cache, (uint32_t)*engine_return_slot(v));
    if (block)
        cache_unlink_exits(v->engine->cache, block);
    abi->request = ABI_REQUEST_ARMED;
    return GO_ON;
}

// A direct transfer inside a page that is not linked yet.
static uint64_t follow_link(struct vcpu *v) {
    struct engine *e = v->engine;
    struct block *from = cache_block_at(e->cache, (uint32_t)v->abi.exit_site - 1); // may be the block's very end
    e->link_from = NULL;
    if (!from || !from->alive || !from->slice || v->abi.request || e->one_shot)
        return v->abi.request || e->one_shot ? LEAVE : go_on_at_eip(v);
    unsigned index = 0;
    while (index < from->exit_count && from->host + from->links[index].exit.cold_return != v->abi.exit_site)
        index++;
    if (index == from->exit_count)
        return go_on_at_eip(v);
    uint32_t host = from->slice->entries[from->links[index].exit.target];
    if (host != e->miss) {
        if (!v->config.no_link)
            cache_link(e->cache, from, index, cache_block_at(e->cache, host));
        return resume_at(v, host, v->abi.r8);
    }
    e->link_from = from;
    e->link_index = index;
    e->link_evictions = v->stats->cache_evictions;
    return LEAVE;
}

uint64_t engine_exit(struct vcpu_abi *abi) {
    struct vcpu *v = vcpu_of(abi);
    struct engine *e = v->engine;
    e->link_from = NULL;
    if (abi->exit_reason == EXIT_FAULT) {
        abi->eip = e->fault_eip;
        engine_settle_x87(v, e->left_block, e->left_offset);
        return deliver_fault(v);
    }
    abi->eip = abi->r8 - v->seg[CPU_SEG_CS].base;
    if (e->again && abi->exit_reason == EXIT_EXIT)
        engine_settle_x87(v, e->left_block, e->left_offset);
    switch (abi->exit_reason) {
    case EXIT_MISS: return go_on_at_eip(v);
    case EXIT_LINK: return follow_link(v);
    default: return LEAVE;
    }
}
