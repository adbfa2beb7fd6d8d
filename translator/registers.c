// Small moves of whole guest registers that several kinds need. All leave the flags alone.
#include "translator/context.h"

void stack_commit(struct tctx *t) {
    if (t->esp_late != 0)
        emit_lea_r32_disp(&t->e, HOST_ESP, HOST_ESP, t->esp_late);
    t->esp_late = 0;
}

void stack_adjust(struct tctx *t, int32_t delta) {
    struct emitter *e = &t->e;
    if (t->mode & MODE_STACK32) {
        t->esp_late += delta;
        if (!stack_run_keeps(t))
            stack_commit(t);
        return;
    }
    emit_lea_r32_disp(e, R10, HOST_ESP, delta);
    emit_mov_r16_r16(e, HOST_ESP, R10);
}

void guest_load(struct tctx *t, enum host_reg dst, unsigned reg, unsigned size) {
    if (size == 2)
        emit_movzx_r32_r16(&t->e, dst, host_of_guest(reg));
    else
        emit_mov_r32_r32(&t->e, dst, host_of_guest(reg));
}

void guest_store(struct tctx *t, unsigned reg, enum host_reg src, unsigned size) {
    if (size == 2)
        emit_mov_r16_r16(&t->e, host_of_guest(reg), src);
    else
        emit_mov_r32_r32(&t->e, host_of_guest(reg), src);
}

void op_load_tmp(struct tctx *t, const struct host_mem *m, const struct access *a) {
    struct host_mem tmp = mem_tmp(a->arg[0]);
    switch (a->size) {
    case 1: emit_movzx_r32_m8(&t->e, R10, m); break;
    case 2: emit_movzx_r32_m16(&t->e, R10, m); break;
    default: emit_mov_r32_m32(&t->e, R10, m); break;
    }
    emit_mov_m32_r32(&t->e, &tmp, R10);
}
