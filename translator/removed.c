// Kind removed: what 64-bit mode has no encoding for and is short enough to be put together here. The rest of such
// instructions (PUSHA, BOUND, ARPL, LDS, far transfers) are callouts by their rows; 82h and 40h-4Fh are re-encoded by
// the identity kind. Intel SDM, vol. 2.
#include "translator/context.h"
#include "translator/table.h"

// AL = CF ? FFh : 0, flags untouched.
static void emit_salc(struct tctx *t) {
    struct emitter *e = &t->e;
    emit_setcc_r8(e, CC_B, R10);
    emit_movzx_r32_r8(e, R10, R10);
    emit_not_r32(e, R10);
    emit_lea_r32_disp(e, R10, R10, 1);
    emit_mov_r8_r8(e, RAX, R10);
}

static void emit_into(struct tctx *t) {
    struct emitter *e = &t->e;
    struct host_label no_overflow = emit_jcc_rel32(e, CC_NO);
    emit_mov_r32_imm32(e, R9, VECTOR_OF | 2u << 8);
    callout_call(t, CALLOUT_INT, t->insn->operand_size);
    emit_here(e, no_overflow);
}

void removed_emit(struct tctx *t) {
    const struct guest_insn *insn = t->insn;
    switch (insn->opcode) {
    case 0xd6: emit_salc(t); break;
    case 0xce: emit_into(t); break;
    default: // AAA AAS DAA DAS AAM AAD
        emit_mov_r32_imm32(&t->e, R9, insn->opcode | (uint32_t)(uint8_t)insn->imm << 8);
        callout_call(t, CALLOUT_BCD, 1);
        break;
    }
}
