// The record of a traced block. One listed sequence of the verifier, together with a charge; no flag is touched.
#include "translator/record.h"
#include "translator/charge.h"

#define PAGE_HALF 4 // of a record: the bytes before the page

void record_look_for_room(struct tctx *t) {
    if (t->mode & MODE_TRACED)
        charge_take(t, ABI_OFFSET(trace_room), 1);
}

void record_write(struct tctx *t) {
    struct emitter *e = &t->e;
    struct host_mem room = mem_vcpu(ABI_OFFSET(trace_room)), ring = mem_vcpu(ABI_OFFSET(trace_ring));
    struct host_mem rest = mem_base(R8, -1), number = mem_index(R9, R8, 3, 0), page = mem_index(R9, R8, 3, PAGE_HALF);
    if (!(t->mode & MODE_TRACED))
        return;
    emit_mov_r64_m64(e, R8, &room);
    emit_lea_r64_m(e, R8, &rest);
    emit_mov_m64_r64(e, &room, R8);
    emit_mov_r64_m64(e, R9, &ring);
    emit_mov_r32_imm32(e, R10, t->in->trace_id);
    emit_mov_m32_r32(e, &number, R10);
    emit_mov_m32_r32(e, &page, R11);
}
