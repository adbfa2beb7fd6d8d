// Hardware task switches: JMP, CALL, INT, exceptions and interrupts through a task gate or a TSS, and IRET from a
// nested task. Intel SDM vol. 3A, 7.2 to 7.4 and table 7-1. Everything that is refused or faults before the commit
// point leaves the old task as it was; from there on the new task is the current one and its faults are reported in its
// context (task_load.c). Light code: general registers only, no library calls.
#include "cpu/task.h"

#define TSS32_LEAST_LIMIT 0x67u
#define TSS16_LEAST_LIMIT 0x2bu
#define TSS_BUSY          2u // in the type of a descriptor

// Where the part that a switch saves lies: EIP, EFLAGS, general and segment registers (figures 7-2 and 7-10).
#define SAVED32_AT   32u
#define SAVED32_SIZE 64u
#define SAVED16_AT   14u
#define SAVED16_SIZE 28u

static bool is_tss(unsigned attr, bool busy) {
    unsigned type = attr & (ATTR_S | ATTR_TYPE);
    return busy ? type == TYPE_TSS16_BUSY || type == TYPE_TSS32_BUSY : type == TYPE_TSS16 || type == TYPE_TSS32;
}

static uint32_t least_limit(bool wide) {
    return wide ? TSS32_LEAST_LIMIT : TSS16_LEAST_LIMIT;
}

// The first rows of table 7-1. 0 or -1.
static int check_new(struct vcpu *v, const struct task_switch *task, struct cpu_segment *tss) {
    bool back = task->cause == TASK_IRET;
    enum cpu_vector vector = back ? VECTOR_TS : VECTOR_GP;
    uint32_t error = selector_error(task->selector, task->ext);
    uint64_t descriptor;
    if (selector_is_null(task->selector) || (task->selector & 4))
        return cpu_raise_error(v, vector, error);
    if (cpu_need_descriptor(v, task->selector, vector, task->ext, &descriptor) < 0)
        return -1;
    cpu_unpack_segment(tss, task->selector, descriptor);
    if (!is_tss(tss->attr, back))
        return cpu_raise_error(v, vector, error);
    if (!(tss->attr & ATTR_P))
        return cpu_raise_error(v, VECTOR_NP, error);
    if (tss->limit < least_limit(tss_is_wide(tss)))
        return cpu_raise_error(v, VECTOR_TS, error);
    return 0;
}

static uint32_t busy_byte(const struct vcpu *v, uint32_t selector) {
    return v->gdt_base + (selector & 0xfff8) + 5;
}

// Can every access of the switch be made? Both segments, and the type bytes of both descriptors. 0 or -1.
static int probe(struct vcpu *v, const struct task_switch *task, const struct cpu_segment *tss) {
    uint8_t image[TSS32_LEAST_LIMIT + 1];
    bool wide = tss_is_wide(&v->tr), nests = task_nests(task);
    if (v->tr.limit < least_limit(wide))
        return cpu_raise_error(v, VECTOR_TS, selector_error(v->tr.selector, task->ext));
    if (cpu_probe_system(v, v->tr.base + (wide ? SAVED32_AT : SAVED16_AT), wide ? SAVED32_SIZE : SAVED16_SIZE) < 0 ||
        cpu_read_system(v, tss->base, image, least_limit(tss_is_wide(tss)) + 1) < 0)
        return -1;
    if (nests && cpu_probe_system(v, tss->base, 2) < 0)
        return -1;
    if (!nests && cpu_probe_system(v, busy_byte(v, v->tr.selector), 1) < 0)
        return -1;
    if (task->cause != TASK_IRET && cpu_probe_system(v, busy_byte(v, tss->selector), 1) < 0)
        return -1;
    if (tss_is_wide(tss) && (v->abi.cr0 & CR0_PG)) {
        uint32_t cr3;
        copy_bytes(&cr3, image + TSS32_CR3, 4);
        if (mmu_check_cr3(v->mmu, cr3) < 0)
            return cpu_raise_error(v, VECTOR_GP, 0);
    }
    return 0;
}

// ---- From here on nothing is refused -------------------------------------------------------------------------------

static int set_busy(struct vcpu *v, uint32_t selector, bool busy) {
    uint8_t type;
    uint32_t linear = busy_byte(v, selector);
    if (cpu_read_system(v, linear, &type, 1) < 0)
        return -1;
    type = (uint8_t)(busy ? type | TSS_BUSY : type & ~TSS_BUSY);
    return cpu_write_system(v, linear, &type, 1);
}

static void put(uint8_t *image, unsigned offset, uint32_t value, unsigned size) {
    copy_bytes(image + offset, &value, size);
}

// Selectors are words in both kinds; what lies beside them in a 32-bit TSS is left alone.
static int save_old(struct vcpu *v, uint32_t eip, uint32_t eflags) {
    bool wide = tss_is_wide(&v->tr);
    unsigned size = wide ? 4 : 2, bytes = wide ? SAVED32_SIZE : SAVED16_SIZE, at = 0;
    uint32_t linear = v->tr.base + (wide ? SAVED32_AT : SAVED16_AT);
    uint8_t image[SAVED32_SIZE];
    if (cpu_read_system(v, linear, image, bytes) < 0)
        return -1;
    put(image, at, eip, size);
    put(image, at += size, eflags, size);
    for (unsigned reg = 0; reg < 8; reg++)
        put(image, at += size, v->abi.gpr[reg], size);
    for (unsigned seg = CPU_SEG_ES; seg <= (wide ? CPU_SEG_GS : CPU_SEG_DS); seg++)
        put(image, at += size, v->seg[seg].selector, 2);
    return cpu_write_system(v, linear, image, bytes);
}

static int switch_to(struct vcpu *v, const struct task_switch *task, struct cpu_segment *tss) {
    uint32_t eflags = cpu_eflags(v), link = v->tr.selector;
    bool nests = task_nests(task);
    if (task->cause == TASK_IRET)
        eflags &= ~EFLAGS_NT;
    eflags = (eflags & ~EFLAGS_RF) | (task->resume ? EFLAGS_RF : 0);
    if ((!nests && set_busy(v, v->tr.selector, false) < 0) || save_old(v, task->eip, eflags) < 0 ||
        (nests && cpu_write_system(v, tss->base, &link, 2) < 0) ||
        (task->cause != TASK_IRET && set_busy(v, tss->selector, true) < 0))
        return -1;
    tss->attr |= TSS_BUSY;
    v->tr = *tss;
    cpu_known_forget(v);
    return task_load(v, task);
}

static int start(struct vcpu *v, const struct task_switch *task) {
    struct cpu_segment tss;
    if (check_new(v, task, &tss) < 0 || probe(v, task, &tss) < 0)
        return -1;
    engine_park_fpu(v); // a change of address space calls the library
    return switch_to(v, task, &tss);
}

int cpu_task_transfer(struct vcpu *v, uint32_t selector, bool call, uint32_t next) {
    const struct task_switch task = {.cause = call ? TASK_CALL : TASK_JMP, .selector = selector, .eip = next};
    return start(v, &task);
}

int cpu_task_event(struct vcpu *v, uint32_t selector, uint32_t ext, uint32_t eip, bool resume, const uint32_t *error) {
    const struct task_switch task = {.cause = TASK_EVENT,
                                     .selector = selector,
                                     .ext = ext,
                                     .eip = eip,
                                     .resume = resume,
                                     .has_error = error != NULL,
                                     .error = error ? *error : 0};
    return start(v, &task);
}

int cpu_task_return(struct vcpu *v, uint32_t next) {
    struct task_switch task = {.cause = TASK_IRET, .eip = next};
    if (cpu_read_system(v, v->tr.base, &task.selector, 2) < 0)
        return -1;
    return start(v, &task);
}
