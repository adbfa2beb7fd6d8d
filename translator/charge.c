// The charge of a counted block. One listed sequence of the verifier; no flag is touched.
#include "translator/charge.h"

#define SIGN_BIT 63

_Static_assert(TRANSLATE_MAX_INSNS <= 128, "the amount is a displacement of one byte");

uint32_t charge_take(struct tctx *t, int32_t offset, unsigned amount) {
    struct emitter *e = &t->e;
    struct host_mem field = mem_vcpu(offset), rest = mem_base(R8, -(int32_t)amount);
    emit_mov_r64_m64(e, R8, &field);
    emit_lea_r64_m(e, R8, &rest);
    uint32_t at = emit_offset(e) - 1;
    emit_mov_r32_r32(e, R9, RCX);
    emit_mov_r32_imm32(e, R10, SIGN_BIT);
    emit_shrx_r64(e, RCX, R8, R10);
    struct host_label covered = emit_jrcxz(e);
    emit_mov_r32_r32(e, RCX, R9);
    emit_lea_r32_disp(e, R8, R11, (int32_t)t->in->offset);
    emit_jmp_address(e, t->in->stub[STUB_EXIT]);
    emit_here(e, covered);
    emit_mov_r32_r32(e, RCX, R9);
    return at;
}

struct charge charge_begin(struct tctx *t) {
    struct charge charge = {.emitted = (t->mode & MODE_COUNTED) != 0};
    struct host_mem budget = mem_vcpu(ABI_OFFSET(budget));
    if (!charge.emitted)
        return charge;
    charge.amount = charge_take(t, ABI_OFFSET(budget), 1);
    emit_mov_m64_r64(&t->e, &budget, R8);
    return charge;
}

void charge_finish(struct tctx *t, const struct charge *charge) {
    if (charge->emitted && !t->e.overflow)
        t->e.start[charge->amount] = (uint8_t)-t->out->insns;
}
