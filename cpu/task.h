// What the two halves of a hardware task switch share: task.c leaves the old task, task_load.c enters the new one.
// Intel SDM vol. 3A, chapter 7. Private to them.
#ifndef CPU_TASK_H
#define CPU_TASK_H

#include "cpu/semantics.h"

#define TSS32_CR3 28u // offset in a 32-bit TSS

enum task_cause { TASK_JMP, TASK_CALL, TASK_IRET, TASK_EVENT };

struct task_switch {
    enum task_cause cause;
    uint32_t selector; // of the new TSS
    uint32_t ext;      // EXT bit of error codes
    uint32_t eip;      // at which the old task goes on
    bool resume;       // RF in the old task's saved EFLAGS
    bool has_error;    // pushed on the new task's stack
    uint32_t error;
};

// The old task stays busy, the new one gets a back link and NT.
static inline bool task_nests(const struct task_switch *task) {
    return task->cause == TASK_CALL || task->cause == TASK_EVENT;
}

// v->tr is the new task: loads its state. 0, or -1 with a fault of the new task's context (v->abi.eip is its first
// instruction; segment registers that could not be loaded hold their selector and cannot be used).
int task_load(struct vcpu *v, const struct task_switch *task);

#endif
