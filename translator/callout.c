// Kind callout: instructions left to the C code of cpu/ through STUB_CALLOUT, with the arguments that the callout's row
// in abi.h asks for. Privileged ones raise #GP(0) here where the mode's CPL forbids them (Intel SDM, vol. 3A, section
// 5.9). Memory operands are passed as offset and segment; the C code checks and accesses them.
#include "translator/context.h"
#include "translator/table.h"

// ---- The call -------------------------------------------------------------------------------------------------------

void callout_call(struct tctx *t, enum callout_id id, unsigned extra) {
    emit_mov_r32_imm32(&t->e, R10, CALLOUT_WORD(t->insn->offset, t->insn->length, id, extra));
    emit_call_address(&t->e, t->in->stub[abi_callout_stub(t->mode, id)]);
    t->wrote = true; // it may: descriptor and page-table bits, the stack, the operand
    t->out->callouts++;
}

void callout_raise(struct tctx *t, unsigned vector, int error) {
    uint32_t word = vector | (error < 0 ? 0u : 1u << 8 | (uint32_t)error << 16);
    emit_mov_r32_imm32(&t->e, R9, word);
    callout_call(t, CALLOUT_RAISE, 0);
    t->ended = true;
}

// ---- Arguments ------------------------------------------------------------------------------------------------------

// r9d = RM word, and r8d = offset if the operand is in memory.
static void pass_rm(struct tctx *t, unsigned other) {
    const struct guest_insn *insn = t->insn;
    if (insn_is_mem(insn)) {
        struct mem_ref ref = ref_modrm(insn);
        ref_emit_offset(t, &ref);
        emit_mov_r32_imm32(&t->e, R9, RM_WORD(false, insn->seg, other));
    } else {
        emit_mov_r32_imm32(&t->e, R9, RM_WORD(true, insn->rm, other));
    }
}

static void pass_port(struct tctx *t) {
    bool in_dx = t->insn->opcode >= 0xec;
    if (in_dx)
        emit_movzx_r32_r16(&t->e, R8, RDX);
    else
        emit_mov_r32_imm32(&t->e, R8, (uint8_t)t->insn->imm);
}

static void pass_int(struct tctx *t) {
    const struct guest_insn *insn = t->insn;
    uint32_t word;
    switch (insn->opcode) {
    case 0xcc: word = VECTOR_BP | 1u << 8; break;
    case 0xf1: word = VECTOR_DB | 3u << 8; break;
    default: word = (uint8_t)insn->imm; break;
    }
    emit_mov_r32_imm32(&t->e, R9, word);
}

static void pass_far_direct(struct tctx *t) {
    const struct guest_insn *insn = t->insn;
    uint32_t offset = insn->operand_size == 2 ? (uint16_t)insn->imm : (uint32_t)insn->imm;
    emit_mov_r32_imm32(&t->e, R8, offset);
    emit_mov_r32_imm32(&t->e, R9, insn->imm2 & 0xffff);
}

static unsigned far_load_segment(const struct guest_insn *insn) {
    if (insn->map == MAP_1B)
        return insn->opcode == 0xc5 ? SEG_DS : SEG_ES;
    return insn->opcode == 0xb2 ? SEG_SS : insn->opcode == 0xb4 ? SEG_FS : SEG_GS;
}

static enum fpu_env fpu_env_of(const struct guest_insn *insn) {
    if (insn->map == MAP_0F)
        return insn->reg == 0 ? FPU_FXSAVE : insn->reg == 1 ? FPU_FXRSTOR : FPU_LDMXCSR;
    if (insn->opcode == 0xd9)
        return insn->reg == 4 ? FPU_FLDENV : FPU_FNSTENV;
    return insn->reg == 4 ? FPU_FRSTOR : FPU_FNSAVE;
}

// ---- Elements under a mask -----------------------------------------------------------------------------------------

static bool is_gather(const struct guest_insn *insn) {
    return insn->opcode >= 0x90;
}

// VMASKMOVPS 2C 2E, VMASKMOVPD 2D 2F, VPMASKMOV 8C 8E, gathers 90 to 93 (Intel SDM, vol. 2). The index of a gather is a
// vector register: the offset that is passed goes without it.
static void pass_masked(struct tctx *t) {
    const struct guest_insn *insn = t->insn;
    struct mem_ref ref = ref_modrm(insn);
    unsigned op = insn->opcode, kind = AVX_GATHER;
    bool integer = op >= 0x8c, wide = integer ? insn->vex_wide : op & 1;
    if (is_gather(insn))
        ref.index = GUEST_NONE;
    else
        kind = op == 0x2e || op == 0x2f || op == 0x8e ? AVX_MASKED_STORE : AVX_MASKED_LOAD;
    ref_emit_offset(t, &ref);
    emit_mov_r32_imm32(&t->e, R9,
                       AVX_MASKED_WORD(insn->seg, kind, insn->reg, insn->vvvv, insn->vex_ymm, wide,
                                       is_gather(insn) ? insn->index : 0, is_gather(insn) ? insn->scale : 0,
                                       is_gather(insn) && (op & 1)));
}

// ---- Segment loads --------------------------------------------------------------------------------------------------

static void op_load_selector(struct tctx *t, const struct host_mem *m, const struct access *a) {
    (void)a;
    emit_movzx_r32_m16(&t->e, R9, m);
}

// The selector is fetched first; its load is the instruction's only change.
static void emit_load_segment(struct tctx *t) {
    const struct guest_insn *insn = t->insn;
    if (insn_is_mem(insn)) {
        access_emit(t,
                    &(struct access){.ref = ref_modrm(insn), .size = 2, .intent = INTENT_READ, .op = op_load_selector});
    } else {
        guest_load(t, R9, insn->rm, 2);
    }
    callout_call(t, CALLOUT_LOAD_SEG, insn->reg);
}

static void op_load_popped(struct tctx *t, const struct host_mem *m, const struct access *a) {
    if (a->size == 2)
        emit_movzx_r32_m16(&t->e, R9, m);
    else
        emit_mov_r32_m32(&t->e, R9, m);
}

// The stub wants to see what it may load; C pops for itself.
static void pass_popped(struct tctx *t) {
    unsigned size = t->insn->operand_size;
    if (abi_callout_stub(t->mode, CALLOUT_POP_SEG) != STUB_LOAD_SEG)
        return;
    access_emit(t, &(struct access){
                       .ref = ref_stack(t, 0), .size = (uint16_t)size, .intent = INTENT_READ, .op = op_load_popped});
}

static unsigned popped_segment(const struct guest_insn *insn) {
    return insn->map == MAP_0F ? (insn->opcode == 0xa1 ? SEG_FS : SEG_GS) : insn->opcode >> 3 & 3;
}

// ---- The kind -------------------------------------------------------------------------------------------------------

// What of the instruction goes into the word's extra byte.
static unsigned extra_of(const struct guest_insn *insn, unsigned id) {
    switch (id) {
    case CALLOUT_IN:
    case CALLOUT_OUT: return insn->opcode & 1 ? insn->operand_size : 1;
    case CALLOUT_DIVIDE: return (insn->opcode & 1 ? insn->operand_size : 1) | (insn->reg == 7 ? DIVIDE_SIGNED : 0u);
    case CALLOUT_POP_SEG: return popped_segment(insn) | (unsigned)insn->operand_size << 4;
    default: return insn->operand_size;
    }
}

static void pass_arguments(struct tctx *t, unsigned id) {
    const struct guest_insn *insn = t->insn;
    switch (id) {
    case CALLOUT_IN:
    case CALLOUT_OUT: pass_port(t); break;
    case CALLOUT_INT: pass_int(t); break;
    case CALLOUT_POP_SEG: pass_popped(t); break;
    case CALLOUT_FAR_JMP:
    case CALLOUT_FAR_CALL: pass_far_direct(t); break;
    case CALLOUT_FAR_MEM: pass_rm(t, insn->reg == 3); break;
    case CALLOUT_FAR_RET: emit_mov_r32_imm32(&t->e, R9, insn->opcode == 0xca ? (uint16_t)insn->imm : 0); break;
    case CALLOUT_ENTER: emit_mov_r32_imm32(&t->e, R9, (uint16_t)insn->imm | (insn->imm2 & 0xff) << 16); break;
    case CALLOUT_LOAD_FAR: pass_rm(t, insn->reg | far_load_segment(insn) << 3); break;
    case CALLOUT_FPU_ENV: pass_rm(t, fpu_env_of(insn)); break;
    case CALLOUT_XSTATE: pass_rm(t, insn->reg == 4 ? XSTATE_XSAVE : XSTATE_XRSTOR); break;
    case CALLOUT_XCR: emit_mov_r32_imm32(&t->e, R9, insn->mnemonic == ZYDIS_MNEMONIC_XSETBV); break;
    case CALLOUT_AVX_MASKED: pass_masked(t); break;
    case CALLOUT_HYPERCALL:
        guest_load(t, R8, GUEST_EAX, 4);
        guest_load(t, R9, GUEST_EBX, 4);
        break;
    case CALLOUT_LAR:
    case CALLOUT_LSL:
    case CALLOUT_ARPL:
    case CALLOUT_BOUND: pass_rm(t, insn->reg); break;
    case CALLOUT_DIVIDE:
    case CALLOUT_LGDT:
    case CALLOUT_LIDT:
    case CALLOUT_SGDT:
    case CALLOUT_SIDT:
    case CALLOUT_LLDT:
    case CALLOUT_LTR:
    case CALLOUT_SLDT:
    case CALLOUT_STR:
    case CALLOUT_SMSW:
    case CALLOUT_LMSW:
    case CALLOUT_VERR:
    case CALLOUT_VERW:
    case CALLOUT_INVLPG: pass_rm(t, 0); break;
    case CALLOUT_MOV_TO_CR:
    case CALLOUT_MOV_FROM_DR:
    case CALLOUT_MOV_TO_DR: emit_mov_r32_imm32(&t->e, R9, insn->reg | (uint32_t)insn->rm << 8); break;
    default: break; // none beyond the word
    }
}

// Those that never come back behind the call.
static bool never_returns(unsigned id) {
    switch (id) {
    case CALLOUT_INT:
    case CALLOUT_HLT:
    case CALLOUT_IRET:
    case CALLOUT_FAR_JMP:
    case CALLOUT_FAR_CALL:
    case CALLOUT_FAR_MEM:
    case CALLOUT_FAR_RET:
    case CALLOUT_SYSENTER:
    case CALLOUT_SYSEXIT: return true;
    default: return false;
    }
}

void callout_emit(struct tctx *t) {
    const struct table_row *row = table_find_insn(t->insn);
    if (row->privilege == PRIVILEGE_CPL0 && mode_cpl(t->mode) != 0) {
        if ((t->mode & MODE_V86) && (row->callout == CALLOUT_LLDT || row->callout == CALLOUT_LTR))
            callout_raise(t, VECTOR_UD, -1); // no instructions of that mode
        else
            callout_raise(t, VECTOR_GP, 0);
        return;
    }
    if (row->callout == CALLOUT_LOAD_SEG) {
        emit_load_segment(t);
        return;
    }
    pass_arguments(t, row->callout);
    callout_call(t, (enum callout_id)row->callout, extra_of(t->insn, row->callout));
    if (never_returns(row->callout)) {
        t->ended = true;
    } else if (row->ends) { // this page's mapping may be another now: no link, but the code map
        emit_lea_r32_disp(&t->e, R8, R11, (int32_t)insn_next(t->insn));
        control_transfer(t);
    }
}
