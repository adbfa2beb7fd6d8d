// What breakpoints match: DR0-DR3 under DR7 (Intel SDM vol. 3B 17.2.4, 17.2.5) and the points of a debugger outside the
// guest. Reached from light code: general registers only, no library calls. Nothing here runs while no breakpoint is
// enabled.
#include "cpu/semantics.h"

enum { RW_EXECUTE, RW_WRITE, RW_IO, RW_ACCESS };

static unsigned rw_of(uint32_t dr7, unsigned n) {
    return dr7 >> (16 + 4 * n) & 3;
}

static uint32_t length_of(uint32_t dr7, unsigned n) {
    static const uint8_t lengths[4] = {1, 2, 8, 4};
    return lengths[dr7 >> (18 + 4 * n) & 3];
}

// Ranges on the circle of 4 GiB.
static bool overlap(uint32_t a, uint32_t a_size, uint32_t b, uint32_t b_size) {
    return b - a < a_size || a - b < b_size;
}

// The length masks low bits of the address (SDM vol. 3B 17.2.5).
static uint32_t register_start(const struct vcpu *v, unsigned n) {
    return v->dr[n] & ~(length_of(v->dr[7], n) - 1);
}

// ---- Arming --------------------------------------------------------------------------------------------------------

struct page_list {
    uint32_t page[MMU_WATCH_PAGES];
    unsigned count;
};

static void add_page(struct page_list *list, uint32_t linear) {
    linear &= ~(RAM_PAGE_SIZE - 1);
    for (unsigned i = 0; i < list->count; i++)
        if (list->page[i] == linear)
            return;
    list->page[list->count++] = linear;
}

static void add_range(struct page_list *list, uint32_t start, uint32_t length) {
    add_page(list, start);
    add_page(list, start + length - 1);
}

static void arm_registers(struct vcpu *v, struct page_list *data) {
    struct cpu_debug *debug = &v->debug;
    uint32_t dr7 = v->dr[7];
    debug->exec_registers = debug->data_registers = debug->io_registers = 0;
    for (unsigned n = 0; n < 4; n++) {
        uint8_t bit = (uint8_t)(1u << n);
        if (!(dr7 >> 2 * n & 3))
            continue;
        switch (rw_of(dr7, n)) {
        case RW_EXECUTE:
            debug->exec_registers |= bit;
            engine_flush_code_page(v, v->dr[n]);
            break;
        case RW_IO: // undefined without CR4.DE: off
            if (v->abi.cr4 & CR4_DE)
                debug->io_registers |= bit;
            break;
        default: debug->data_registers |= bit; add_range(data, register_start(v, n), length_of(dr7, n));
        }
    }
}

void cpu_debug_arm(struct vcpu *v) {
    struct cpu_debug *debug = &v->debug;
    struct page_list data;
    bool was_data = debug->data;
    data.count = 0;
    arm_registers(v, &data);
    debug->exec = debug->exec_registers != 0;
    for (unsigned i = 0; i < debug->points; i++) {
        const struct cpu_debug_point *point = &debug->point[i];
        if (point->kind == CPU_POINT_EXEC) {
            debug->exec = true;
            engine_flush_code_page(v, point->linear);
        } else {
            add_range(&data, point->linear, point->length);
        }
    }
    debug->io = debug->io_registers != 0;
    debug->data = data.count != 0;
    if (was_data || debug->data)
        mmu_watch(v->mmu, data.page, data.count);
}

// ---- Matching ------------------------------------------------------------------------------------------------------

static bool kind_matches(enum cpu_point_kind kind, enum operand_intent intent) {
    switch (kind) {
    case CPU_POINT_WRITE: return intent != INTENT_READ;
    case CPU_POINT_READ: return intent != INTENT_WRITE;
    case CPU_POINT_ACCESS: return true;
    default: return false;
    }
}

static const struct cpu_debug_point *point_at(const struct vcpu *v, uint32_t linear, unsigned size,
                                              enum operand_intent intent) {
    for (unsigned i = 0; i < v->debug.points; i++) {
        const struct cpu_debug_point *point = &v->debug.point[i];
        if (kind_matches(point->kind, intent) && overlap(point->linear, point->length, linear, size))
            return point;
    }
    return NULL;
}

uint32_t cpu_debug_match(const struct vcpu *v, uint32_t linear, unsigned size, enum operand_intent intent) {
    uint32_t dr7 = v->dr[7], bits = 0;
    for (unsigned n = 0; n < 4; n++)
        if ((v->debug.data_registers >> n & 1) && (intent != INTENT_READ || rw_of(dr7, n) == RW_ACCESS) &&
            overlap(register_start(v, n), length_of(dr7, n), linear, size))
            bits |= 1u << n;
    return bits | (point_at(v, linear, size, intent) ? DEBUG_WATCH_FOUND : 0);
}

void cpu_debug_access(struct vcpu *v, uint32_t linear, unsigned size, enum operand_intent intent) {
    uint32_t bits = cpu_debug_match(v, linear, size, intent);
    if (!bits)
        return;
    const struct cpu_debug_point *point = point_at(v, linear, size, intent);
    if (point) {
        v->debug.hit.cause = CPU_DEBUG_POINT;
        v->debug.hit.kind = point->kind;
        v->debug.hit.linear = point->linear;
    }
    v->debug.found |= bits;
    engine_arm(v);
}

void cpu_debug_port(struct vcpu *v, uint32_t port, unsigned size) {
    for (unsigned n = 0; n < 4; n++) {
        if ((v->debug.io_registers >> n & 1) &&
            overlap(register_start(v, n), length_of(v->dr[7], n), port & 0xffff, size)) {
            v->debug.found |= 1u << n;
            engine_arm(v);
        }
    }
}

bool cpu_debug_page(const struct vcpu *v, uint32_t linear) {
    for (unsigned n = 0; n < 4; n++)
        if ((v->debug.exec_registers >> n & 1) && (v->dr[n] ^ linear) >> 12 == 0)
            return true;
    for (unsigned i = 0; i < v->debug.points; i++)
        if (v->debug.point[i].kind == CPU_POINT_EXEC && (v->debug.point[i].linear ^ linear) >> 12 == 0)
            return true;
    return false;
}

uint32_t cpu_debug_fetch(const struct vcpu *v, uint32_t linear, bool *debugger) {
    uint32_t bits = 0;
    for (unsigned n = 0; n < 4; n++)
        if ((v->debug.exec_registers >> n & 1) && v->dr[n] == linear)
            bits |= 1u << n;
    *debugger = false;
    for (unsigned i = 0; i < v->debug.points; i++)
        if (v->debug.point[i].kind == CPU_POINT_EXEC && v->debug.point[i].linear == linear)
            *debugger = true;
    return bits;
}

int cpu_debug_raise(struct vcpu *v, uint32_t bits) {
    v->dr[6] = (v->dr[6] & ~DR6_BREAKPOINTS) | bits;
    v->dr[7] &= ~DR7_GD;
    return cpu_raise(v, VECTOR_DB);
}

// ---- Task switches -------------------------------------------------------------------------------------------------

#define DR7_LOCAL 0x155u // L0 to L3 and LE: breakpoints of one task

void cpu_debug_task_switch(struct vcpu *v) {
    bool enabled = v->dr[7] & 0x55;
    v->dr[7] &= ~DR7_LOCAL;
    if (enabled) {
        engine_park_fpu(v);
        cpu_debug_arm(v);
    }
}

void cpu_debug_task_trap(struct vcpu *v) {
    v->debug.found |= DR6_BT;
    engine_arm(v);
}
