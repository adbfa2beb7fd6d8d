// Breakpoints at instruction boundaries, for the dispatcher: instruction breakpoints before an instruction, traps of
// data and I/O breakpoints behind it. Intel SDM vol. 3B 17.2, 17.3.1; vol. 3A 6.8.3 (a load of SS) and 6.9. Reached
// only while a breakpoint is enabled, a debugger steps, or a condition was met.
#include "cpu/engine.h"
#include "cpu/semantics.h"

#define INSTRUCTION_MAX 15

// The shadow that holds back every #DB, and in which instruction breakpoints are ignored. That of STI does neither.
bool engine_shadow_of_ss(const struct vcpu *v) {
    uint8_t id = v->engine->last_callout;
    return v->abi.shadow && (id == CALLOUT_LOAD_SEG || id == CALLOUT_POP_SEG);
}

static bool at_instruction_breakpoint(struct vcpu *v, uint32_t linear) {
    bool debugger;
    uint32_t bits = cpu_debug_fetch(v, linear, &debugger);
    if (debugger && !v->debug.step) { // a step leaves the breakpoint that it starts at
        v->debug.stop = true;
        v->debug.hit = (struct cpu_debug_hit){.cause = CPU_DEBUG_POINT, .kind = CPU_POINT_EXEC, .linear = linear};
        return true;
    }
    if (!bits || (v->abi.sys_flags & EFLAGS_RF) || engine_shadow_of_ss(v))
        return false;
    cpu_debug_raise(v, bits);
    v->engine->fault_pending = true;
    return true;
}

bool engine_debug_begin(struct vcpu *v, uint32_t linear, bool *alone) {
    struct cpu_debug *debug = &v->debug;
    if (debug->exec) {
        if (at_instruction_breakpoint(v, linear))
            return false;
        // Also where only the instruction's last bytes may lie in the page: it must not be linked to what is there.
        *alone |= cpu_debug_page(v, linear) || cpu_debug_page(v, linear + INSTRUCTION_MAX - 1);
    }
    *alone |= debug->alone || debug->step;
    debug->alone = false;
    return true;
}

bool engine_debug_trap(struct vcpu *v) {
    struct cpu_debug *debug = &v->debug;
    debug->stop |= (debug->found & DEBUG_WATCH_FOUND) != 0;
    debug->pending |= debug->found & ~DEBUG_WATCH_FOUND;
    debug->found = 0;
    if (!debug->pending || engine_shadow_of_ss(v))
        return false;
    cpu_debug_raise(v, debug->pending);
    debug->pending = 0;
    return true;
}
