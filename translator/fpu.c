// Kind fpu: x87 instructions run as they are; what they leave in the instruction and operand pointers would be host
// addresses, so the guest's are kept beside, in abi.fip and abi.fdp, for FNSTENV and its like (PITFALLS 5 of the
// design; Intel SDM, vol. 1, section 8.1.8). Only the last instruction of a run stores them: a run is not interrupted.
// A fault inside a run has them computed (x87_run.c).
#include "translator/context.h"
#include "translator/table.h"
#include "translator/x87_run.h"

// abi.fip = EIP of the run's last instruction. r11 is linear; a code segment with a base takes it off
// (MODE_CS_CHECKED).
static void emit_store_fip(struct tctx *t) {
    struct emitter *e = &t->e;
    struct host_mem fip = mem_vcpu(ABI_OFFSET(fip));
    if (t->mode & MODE_CS_CHECKED) {
        struct host_mem base = mem_vcpu(ABI_OFFSET(seg_base) + 4 * SEG_CS);
        struct host_mem sum = mem_index(R11, R10, 0, (int32_t)t->x87.fip_at + 1);
        emit_mov_r32_m32(e, R10, &base);
        emit_not_r32(e, R10);
        emit_lea_r32_m(e, R10, &sum);
    } else {
        emit_lea_r32_disp(e, R10, R11, (int32_t)t->x87.fip_at);
    }
    emit_mov_m32_r32(e, &fip, R10);
}

static void emit_store_fdp(struct tctx *t) {
    struct host_mem fdp = mem_vcpu(ABI_OFFSET(fdp));
    ref_emit_offset(t, &(struct mem_ref){.base = t->x87.base,
                                         .index = t->x87.index,
                                         .scale = t->x87.scale,
                                         .address_size = t->x87.address_size,
                                         .add = HOST_NONE,
                                         .disp = (int32_t)t->x87.disp});
    emit_mov_m32_r32(&t->e, &fdp, R8);
}

void fpu_settle(struct tctx *t) {
    if (!t->x87.fip)
        return;
    x87_run_pass(t);
    if (x87_run_goes_on(t))
        return;
    if (t->x87.fdp)
        emit_store_fdp(t);
    emit_store_fip(t);
    t->x87 = (struct x87_pointers){0};
}

static void emit_x87_mem(struct tctx *t) {
    unsigned size;
    enum operand_intent intent;
    decode_operand_shape(t->insn, &size, &intent);
    // A store that raises an unmasked exception leaves memory as it is: the write-back of a bounced one looks for it.
    bool unsure = intent == INTENT_WRITE && !table_find_insn(t->insn)->x87_control;
    access_emit(t, &(struct access){.ref = ref_modrm(t->insn),
                                    .size = (uint16_t)size,
                                    .intent = (uint8_t)intent,
                                    .unsure = unsure,
                                    .op = op_reencode});
}

// FNINIT clears them and the opcode.
static void emit_clear_pointers(struct tctx *t) {
    struct host_mem fip = mem_vcpu(ABI_OFFSET(fip)), fdp = mem_vcpu(ABI_OFFSET(fdp)), fop = mem_vcpu(ABI_OFFSET(fop));
    emit_mov_m32_imm32(&t->e, &fip, 0);
    emit_mov_m32_imm32(&t->e, &fdp, 0);
    emit_mov_m32_imm32(&t->e, &fop, 0);
}

void fpu_emit(struct tctx *t) {
    const struct guest_insn *insn = t->insn;
    if (!table_find_insn(insn)->x87_control)
        x87_run_take(&t->x87, insn, insn->offset); // behind the instruction: one that faults has not executed
    if (insn_is_mem(insn)) {
        emit_x87_mem(t);
        return;
    }
    insn_emit_reg(t);
    if (insn->mnemonic == ZYDIS_MNEMONIC_FNINIT)
        emit_clear_pointers(t);
}
