// Kind fpu: x87 instructions run as they are; what they leave in the instruction and operand pointers would be host
// addresses, so the guest's are kept beside, in abi.fip and abi.fdp, for FNSTENV and its like (PITFALLS 5 of the
// design; Intel SDM, vol. 1, section 8.1.8). Only the last instruction of a run stores them: a run is not interrupted.
// A fault inside a run has them computed (x87_run.c).
#include "translator/context.h"
#include "translator/peek.h"
#include "translator/table.h"

// What the pointers of the current instruction are worth: the next one may replace them at once.
struct pointers {
    bool fip, fdp;
};

static struct pointers pointers_kept(const struct tctx *t) {
    struct guest_insn next;
    struct pointers kept = {.fip = true, .fdp = insn_is_mem(t->insn)};
    if (!peek_next(t, &next))
        return kept;
    const struct table_row *row = table_find_insn(&next);
    if (row->kind != KIND_FPU || row->x87_control)
        return kept;
    kept.fip = false;
    kept.fdp &= !insn_is_mem(&next);
    return kept;
}

// abi.fip = EIP of the current instruction. r11 is linear; a code segment with a base takes it off (MODE_CS_CHECKED).
static void emit_store_fip(struct tctx *t) {
    struct emitter *e = &t->e;
    struct host_mem fip = mem_vcpu(ABI_OFFSET(fip));
    if (t->mode & MODE_CS_CHECKED) {
        struct host_mem base = mem_vcpu(ABI_OFFSET(seg_base) + 4 * SEG_CS);
        struct host_mem sum = mem_index(R11, R10, 0, (int32_t)t->insn->offset + 1);
        emit_mov_r32_m32(e, R10, &base);
        emit_not_r32(e, R10);
        emit_lea_r32_m(e, R10, &sum);
    } else {
        emit_lea_r32_disp(e, R10, R11, (int32_t)t->insn->offset);
    }
    emit_mov_m32_r32(e, &fip, R10);
}

static void emit_store_fdp(struct tctx *t, const struct mem_ref *ref) {
    struct host_mem fdp = mem_vcpu(ABI_OFFSET(fdp));
    ref_emit_offset(t, ref);
    emit_mov_m32_r32(&t->e, &fdp, R8);
}

// arg[0]: store fip, arg[1]: store fdp. Behind the instruction: one that faults has not executed.
static void op_x87(struct tctx *t, const struct host_mem *m, const struct access *a) {
    op_reencode(t, m, a);
    if (a->arg[1])
        emit_store_fdp(t, &a->ref);
    if (a->arg[0])
        emit_store_fip(t);
}

static void emit_x87_mem(struct tctx *t, struct pointers kept) {
    unsigned size;
    enum operand_intent intent;
    decode_operand_shape(t->insn, &size, &intent);
    // A store that raises an unmasked exception leaves memory as it is: the write-back of a bounced one looks for it.
    bool unsure = intent == INTENT_WRITE && !table_find_insn(t->insn)->x87_control;
    access_emit(t, &(struct access){.ref = ref_modrm(t->insn),
                                    .size = (uint16_t)size,
                                    .intent = (uint8_t)intent,
                                    .unsure = unsure,
                                    .op = op_x87,
                                    .arg = {kept.fip, kept.fdp}});
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
    bool control = table_find_insn(insn)->x87_control;
    struct pointers kept = control ? (struct pointers){0} : pointers_kept(t);
    if (insn_is_mem(insn)) {
        emit_x87_mem(t, kept);
        return;
    }
    insn_emit_reg(t);
    if (kept.fip)
        emit_store_fip(t);
    if (insn->mnemonic == ZYDIS_MNEMONIC_FNINIT)
        emit_clear_pointers(t);
}
