// Guest memory that changes from outside while the vCPU stands: a reset that clears RAM, a loader, a debugger. Does for
// every frame with translated code what a device's write does (kick.c), without anybody to wait for.
#include "cpu/engine.h"

void vcpu_memory_changed(struct vcpu *v, uint64_t gpa, uint64_t size) {
    const struct ram *ram = v->config.ram;
    if (!size || gpa >= ram->size)
        return;
    uint64_t last = size > ram->size - gpa ? ram->size - 1 : gpa + size - 1;
    for (uint64_t frame = gpa / RAM_PAGE_SIZE; frame <= last / RAM_PAGE_SIZE; frame++) {
        if (!(__atomic_load_n(&ram->frame_flags[frame], __ATOMIC_SEQ_CST) & RAM_FRAME_CODE))
            continue;
        engine_forget_frame(v, (uint32_t)frame);
    }
}
