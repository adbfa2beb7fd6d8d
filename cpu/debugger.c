// What a debugger outside the guest asks of the processor (cpu/cpu.h): its points, steps, addresses and the x87 and SSE
// state. Only while vcpu_run does not run. Nothing of it is visible to the guest.
#include "cpu/fx_image.h"
#include "cpu/semantics.h"

#include <string.h>

static unsigned find_point(const struct vcpu *v, enum cpu_point_kind kind, uint32_t linear, uint32_t length) {
    unsigned i = 0;
    while (i < v->debug.points && !(v->debug.point[i].kind == kind && v->debug.point[i].linear == linear &&
                                    v->debug.point[i].length == length))
        i++;
    return i;
}

int vcpu_debug_insert(struct vcpu *v, enum cpu_point_kind kind, uint32_t linear, uint32_t length) {
    if (kind == CPU_POINT_EXEC)
        length = 1;
    if (length == 0 || length > CPU_POINT_LENGTH_MAX)
        return -1;
    if (find_point(v, kind, linear, length) < v->debug.points)
        return 0;
    if (v->debug.points == DEBUG_POINTS_MAX)
        return -1;
    v->debug.point[v->debug.points++] = (struct cpu_debug_point){kind, linear, length};
    cpu_debug_arm(v);
    return 0;
}

int vcpu_debug_remove(struct vcpu *v, enum cpu_point_kind kind, uint32_t linear, uint32_t length) {
    unsigned i = find_point(v, kind, linear, kind == CPU_POINT_EXEC ? 1 : length);
    if (i == v->debug.points)
        return -1;
    v->debug.point[i] = v->debug.point[--v->debug.points];
    cpu_debug_arm(v);
    return 0;
}

void vcpu_debug_remove_all(struct vcpu *v) {
    v->debug.points = 0;
    cpu_debug_arm(v);
}

void vcpu_debug_step(struct vcpu *v, bool step) {
    v->debug.step = step;
}

struct cpu_debug_hit vcpu_debug_hit(const struct vcpu *v) {
    return v->debug.hit;
}

int vcpu_debug_translate(struct vcpu *v, uint32_t linear, uint64_t *gpa) {
    struct mmu_page page;
    if (mmu_peek(v->mmu, linear, &page) < 0)
        return -1;
    *gpa = page.gpa + (linear & (RAM_PAGE_SIZE - 1));
    return 0;
}

// abi.fx has the host's 64-bit layout with its pointers; the guest's stand beside it (PITFALLS 5).
void vcpu_get_fx(struct vcpu *v, uint8_t fx[512]) {
    engine_park_x87(v);
    memcpy(fx, v->abi.fx, FX_SIZE);
    memset(fx + FX_FIP, 0, FX_MXCSR - FX_FIP);
    fx_put16(fx + FX_FOP, v->abi.fop);
    fx_put32(fx + FX_FIP, v->abi.fip);
    fx_put32(fx + FX_FDP, v->abi.fdp);
}

void vcpu_set_fx(struct vcpu *v, const uint8_t fx[512]) {
    engine_park_x87(v);
    v->abi.fop = fx_get16(fx + FX_FOP);
    v->abi.fip = fx_get32(fx + FX_FIP);
    v->abi.fdp = fx_get32(fx + FX_FDP);
    memcpy(v->abi.fx, fx, FX_FOP);
    fx_put32(v->abi.fx + FX_MXCSR, fx_get32(fx + FX_MXCSR) & 0xffff); // a reserved bit would fault in the monitor
    memcpy(v->abi.fx + FX_ST, fx + FX_ST, FX_USED - FX_ST);
}

uint64_t vcpu_get_efer(const struct vcpu *v) {
    return v->msr.efer;
}

static int read_descriptor(struct vcpu *v, uint16_t selector, uint64_t *descriptor) {
    bool local = selector & 4;
    uint32_t base = local ? v->ldtr.base : v->gdt_base, limit = local ? v->ldtr.limit : v->gdt_limit;
    uint32_t offset = selector & 0xfff8u;
    uint8_t *bytes = (uint8_t *)descriptor;
    if (offset + 7 > limit)
        return -1;
    for (unsigned i = 0; i < 8; i++) {
        uint64_t gpa;
        if (vcpu_debug_translate(v, base + offset + i, &gpa) < 0 || vcpu_dma_read(v, gpa, &bytes[i], 1) < 0)
            return -1;
    }
    return 0;
}

int vcpu_debug_load_segment(struct vcpu *v, unsigned seg, uint16_t selector) {
    struct cpu_segment segment = v->seg[seg];
    uint64_t descriptor;
    if (!cpu_uses_descriptors(v)) {
        segment.selector = selector;
        segment.base = (uint32_t)selector << 4;
    } else if (selector_is_null(selector)) {
        segment = (struct cpu_segment){.selector = selector};
    } else if (read_descriptor(v, selector, &descriptor) < 0) {
        return -1;
    } else {
        cpu_unpack_segment(&segment, selector, descriptor);
    }
    cpu_commit_segment(v, seg, &segment);
    cpu_mode_update(v);
    return 0;
}
