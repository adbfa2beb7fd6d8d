// The virtual clock: time is the number of guest instructions completed, what HLT skipped, and a microsecond for every
// access to a port. Counted blocks take their instructions from abi.budget at their start (translator/charge.h);
// whoever leaves one in its middle gives back what was not completed. The dispatcher sets the budget so that it ends at
// the next deadline, and runs single instructions where a block is longer than what is left, so that devices act
// between the same two instructions in every run. A repeated string instruction is one instruction, counted when it is
// complete.
// docs/decisions/virtual-clock.md
//
// Light code, but for clock_serve and clock_skip, which run in the dispatcher.
#include "cpu/engine.h"

#define BUDGET_MAX (1ull << 40) // far from the sign bit
#define FIRES_MAX  64           // deadlines served at one time; a device that wants more has to wait an instruction

void clock_enter_counted(struct vcpu *v, uint32_t offset) {
    const struct block *block = cache_block_at(v->engine->cache, (uint32_t)*engine_return_slot(v) - 1);
    v->clock.tail = block ? block_insns_from(block, offset) : 0;
}

void clock_enter_behind(struct vcpu *v, uint32_t next) {
    clock_enter(v, next);
    v->clock.tail += v->clock.counts;
}

void clock_give_back(struct vcpu *v, const struct block *block, uint32_t offset) {
    if (v->clock.counts)
        v->abi.budget += block_insns_from(block, offset);
}

uint64_t vcpu_instructions(const struct vcpu *v) {
    return clock_count(v);
}

uint64_t vcpu_clock_ns(const struct vcpu *v) {
    return clock_ns(v);
}

static void fire_due(struct vcpu *v) {
    const struct cpu_clock *clock = v->config.clock;
    for (unsigned i = 0; i < FIRES_MAX; i++) {
        v->clock.deadline = clock->next_deadline(v->config.opaque);
        if (v->clock.deadline > clock_ns(v))
            return;
        clock->fire(v->config.opaque);
    }
}

void clock_serve(struct vcpu *v) {
    if (!v->clock.counts)
        return;
    uint64_t count = clock_count(v);
    if (count >= v->clock.next_reached)
        v->clock.next_reached =
            v->config.clock->reached ? v->config.clock->reached(v->config.opaque, count) : UINT64_MAX;
    fire_due(v);
    uint64_t now = clock_ns(v), budget = engine_least(BUDGET_MAX, v->clock.next_reached - count);
    budget = v->clock.deadline > now ? engine_least(budget, v->clock.deadline - now) : 1;
    v->clock.limit = count + budget;
    v->abi.budget = (int64_t)budget;
    v->clock.moved = false;
}

bool clock_skip(struct vcpu *v, uint64_t most) {
    if (!v->clock.counts)
        return false;
    uint64_t now = clock_ns(v), next = v->config.clock->next_deadline(v->config.opaque);
    if (most != UINT64_MAX)
        next = engine_least(next, now + most);
    if (next == UINT64_MAX)
        return false;
    v->clock.skipped += next > now ? next - now : 0;
    fire_due(v);
    return true;
}
