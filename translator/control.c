// Kind control: near transfers, and how a block ends. A direct target in the same page is linked by patching a rel32;
// everything else goes through the code map, or to the dispatcher where the mode says one instruction at a time. With a
// code segment that is not flat, all near transfers are left to C. Intel SDM, vol. 2 (JMP, Jcc, CALL, RET, LOOPcc).
#include "translator/control.h"

#define EXITS_AT_END 2 // that the last instruction of a block may need

// ---- Ends of a block -----------------------------------------------------------------------------------------------

void control_transfer(struct tctx *t) {
    struct emitter *e = &t->e;
    t->ended = true;
    if (t->mode & (MODE_ONE | MODE_CS_CHECKED)) { // with CS checked, the dispatcher sees to the limit
        emit_jmp_address(e, t->in->stub[STUB_EXIT]);
        return;
    }
    struct host_mem slice = mem_index(R13, R9, 3, 0);
    struct host_mem entry = mem_index(R9, R8, 2, 0);
    mark_begin(t, MARK_TRANSFER, 0, false);
    emit_shrx_r32(e, R9, R8, R15);
    emit_mov_r64_m64(e, R9, &slice);
    emit_mov_r32_m32(e, R9, &entry);
    emit_jmp_r64(e, R9);
    mark_begin(t, MARK_INSN, 0, false); // what follows is no transfer: a kick there must not go back
}

// r8d = linear address of page offset `target`.
static void emit_linear_target(struct tctx *t, int64_t target) {
    emit_lea_r32_disp(&t->e, R8, R11, (int32_t)target);
}

static bool is_linkable(const struct tctx *t, int64_t target) {
    return target >= 0 && target < 4096 && !(t->mode & MODE_ONE) && !t->stay &&
           t->out->exit_count < TRANSLATE_MAX_EXITS;
}

// The branch whose displacement is `site` becomes a patchable exit; its cold path comes at the end of the block.
static void exit_add(struct tctx *t, struct host_label site, int64_t target) {
    t->out->exits[t->out->exit_count++] = (struct block_exit){.site = (uint16_t)site.at, .target = (uint16_t)target};
}

void control_jump(struct tctx *t, int64_t target) {
    if (is_linkable(t, target)) {
        exit_add(t, emit_jmp_rel32(&t->e), target);
        t->ended = true;
        return;
    }
    emit_linear_target(t, target);
    control_transfer(t);
}

void control_exit(struct tctx *t) {
    emit_linear_target(t, insn_next(t->insn));
    emit_jmp_address(&t->e, t->in->stub[STUB_EXIT]);
    t->ended = true;
}

void control_emit_cold_exits(struct tctx *t) {
    struct emitter *e = &t->e;
    for (unsigned i = 0; i < t->out->exit_count; i++) {
        struct block_exit *x = &t->out->exits[i];
        mark_begin(t, MARK_TAIL, 0, false);
        x->cold = (uint16_t)emit_offset(e);
        emit_here(e, (struct host_label){.at = x->site, .width = 4});
        emit_linear_target(t, x->target);
        emit_call_address(e, t->in->stub[STUB_LINK]);
        x->cold_return = (uint16_t)emit_offset(e);
    }
}

// ---- Direct targets ------------------------------------------------------------------------------------------------

static int64_t direct_target(const struct guest_insn *insn) {
    return (int64_t)insn_next(insn) + insn->imm;
}

// To the instruction's direct target; a 16-bit operand size cuts EIP.
static void jump_direct(struct tctx *t) {
    if (t->insn->operand_size == 4 || (t->mode & MODE_CS_CHECKED)) { // of checked code, in the page only
        control_jump(t, direct_target(t->insn));
        return;
    }
    emit_linear_target(t, direct_target(t->insn));
    emit_movzx_r32_r16(&t->e, R8, R8);
    control_transfer(t);
}

static void jump_next(struct tctx *t) {
    control_jump(t, insn_next(t->insn));
}

// May a block go on behind a conditional jump that is not taken? Soft code is what has not run for long: it is not
// worth that each way into the middle is translated anew. What is counted or recorded, a block at a time, runs whole.
static bool goes_on(const struct tctx *t) {
    uint32_t never = MODE_SOFT | MODE_ONE | MODE_CS_CHECKED | MODE_COUNTED | MODE_TRACED;
    return !(t->mode & never) && !t->in->self_checking && t->out->exit_count + EXITS_AT_END < TRANSLATE_MAX_EXITS;
}

static void emit_jcc(struct tctx *t) {
    struct emitter *e = &t->e;
    const struct guest_insn *insn = t->insn;
    bool whole = insn->operand_size == 4 || (t->mode & MODE_CS_CHECKED); // EIP is not cut
    bool linkable = whole && is_linkable(t, direct_target(insn)), on = goes_on(t);
    struct host_label to = emit_jcc_rel32(e, (insn->opcode & 15u) ^ (on && !linkable));
    if (linkable)
        exit_add(t, to, direct_target(insn));
    t->open = on;
    if (linkable && on)
        return;
    if (on) {
        jump_direct(t);
        t->ended = false;
        emit_here(e, to);
        return;
    }
    jump_next(t);
    if (linkable)
        return;
    emit_here(e, to);
    jump_direct(t);
}

// ---- LOOP, LOOPE, LOOPNE, JECXZ and their 16-bit forms -------------------------------------------------------------

enum { OPCODE_LOOPNE = 0xe0, OPCODE_LOOPE = 0xe1, OPCODE_LOOP = 0xe2, OPCODE_JCXZ = 0xe3 };

static void emit_loop32(struct tctx *t) {
    struct emitter *e = &t->e;
    unsigned op = t->insn->opcode;
    struct host_label taken = op == OPCODE_JCXZ ? emit_jecxz(e) : emit_loop_ecx(e, op);
    jump_next(t);
    emit_here(e, taken);
    jump_direct(t);
}

// The host has no form that counts in CX.
static void emit_loop16(struct tctx *t) {
    struct emitter *e = &t->e;
    unsigned op = t->insn->opcode;
    struct host_label condition_fails = {0};
    if (op != OPCODE_JCXZ) {
        emit_lea_r32_disp(e, R10, RCX, -1);
        emit_mov_r16_r16(e, RCX, R10);
    }
    emit_movzx_r32_r16(e, R10, RCX);
    emit_xchg_r64_r64(e, R10, RCX);
    struct host_label zero = emit_jrcxz(e);
    emit_xchg_r64_r64(e, R10, RCX);
    if (op == OPCODE_LOOPE || op == OPCODE_LOOPNE)
        condition_fails = emit_jcc_rel32(e, op == OPCODE_LOOPE ? CC_NZ : CC_Z);
    if (op == OPCODE_JCXZ)
        jump_next(t);
    else
        jump_direct(t);
    emit_here(e, zero);
    emit_xchg_r64_r64(e, R10, RCX);
    if (condition_fails.width != 0)
        emit_here(e, condition_fails);
    if (op == OPCODE_JCXZ)
        jump_direct(t);
    else
        jump_next(t);
}

// ---- Indirect targets, calls and returns ---------------------------------------------------------------------------

// The operand of a read, zero-extended, becomes the target in r8d.
static void op_load_target(struct tctx *t, const struct host_mem *m, const struct access *a) {
    if (a->size == 2)
        emit_movzx_r32_m16(&t->e, R8, m);
    else
        emit_mov_r32_m32(&t->e, R8, m);
}

// r8d = target of JMP or CALL r/m.
static void load_indirect(struct tctx *t) {
    const struct guest_insn *insn = t->insn;
    if (insn_is_mem(insn))
        access_emit(
            t, &(struct access){
                   .ref = ref_modrm(insn), .size = insn->operand_size, .intent = INTENT_READ, .op = op_load_target});
    else
        guest_load(t, R8, insn->rm, insn->operand_size);
}

static void op_push_return(struct tctx *t, const struct host_mem *m, const struct access *a) {
    struct emitter *e = &t->e;
    emit_lea_r32_disp(e, R10, R11, (int32_t)insn_next(t->insn));
    if (a->size == 2)
        emit_mov_m16_r16(e, m, R10);
    else
        emit_mov_m32_r32(e, m, R10);
    stack_adjust(t, -(int32_t)a->size);
}

static void transfer_call_direct(struct tctx *t, const struct host_mem *m, const struct access *a) {
    (void)m;
    (void)a;
    jump_direct(t);
}

static void transfer_call_indirect(struct tctx *t, const struct host_mem *m, const struct access *a) {
    struct host_mem target = mem_tmp(0);
    (void)m;
    (void)a;
    emit_mov_r32_m32(&t->e, R8, &target);
    control_transfer(t);
}

static void emit_call(struct tctx *t, access_op *transfer) {
    unsigned size = t->insn->operand_size;
    access_emit(t, &(struct access){.ref = ref_stack(t, -(int32_t)size),
                                    .size = (uint16_t)size,
                                    .intent = INTENT_WRITE,
                                    .op = op_push_return,
                                    .transfer = transfer});
}

static void emit_call_indirect(struct tctx *t) {
    struct host_mem target = mem_tmp(0);
    load_indirect(t);
    emit_mov_m32_r32(&t->e, &target, R8);
    emit_call(t, transfer_call_indirect);
}

static unsigned ret_release(const struct guest_insn *insn) {
    return insn->opcode == 0xc2 ? (uint16_t)insn->imm : 0;
}

static void emit_ret(struct tctx *t) {
    unsigned size = t->insn->operand_size;
    access_emit(t, &(struct access){
                       .ref = ref_stack(t, 0), .size = (uint16_t)size, .intent = INTENT_READ, .op = op_load_target});
    stack_adjust(t, (int32_t)(size + ret_release(t->insn)));
    control_transfer(t);
}

// ---- The kind ------------------------------------------------------------------------------------------------------

static enum near_kind near_kind_of(const struct guest_insn *insn) {
    if (insn->map == MAP_0F)
        return NEAR_JCC;
    switch (insn->opcode) {
    case 0xe8: return NEAR_CALL;
    case 0xe9:
    case 0xeb: return NEAR_JMP;
    case 0xc2:
    case 0xc3: return NEAR_RET;
    case 0xff: return insn->reg == 2 ? NEAR_CALL_IND : NEAR_JMP_IND;
    case OPCODE_LOOPNE: return NEAR_LOOPNE;
    case OPCODE_LOOPE: return NEAR_LOOPE;
    case OPCODE_LOOP: return NEAR_LOOP;
    case OPCODE_JCXZ: return NEAR_JCXZ;
    default: return NEAR_JCC;
    }
}

// Code with a base, a limit or 16-bit EIP: C checks the target. It returns where the transfer is not taken.
static void emit_near_callout(struct tctx *t, enum near_kind kind) {
    const struct guest_insn *insn = t->insn;
    struct emitter *e = &t->e;
    if (kind == NEAR_JMP_IND || kind == NEAR_CALL_IND)
        load_indirect(t);
    else
        emit_mov_r32_imm32(e, R8, kind == NEAR_RET ? ret_release(insn) : (uint32_t)insn->imm);
    emit_mov_r32_imm32(e, R9, NEAR_WORD(kind, insn->opcode & 15u, insn->operand_size == 2, insn->address_size == 2));
    callout_call(t, CALLOUT_NEAR, insn->operand_size);
    control_exit(t);
}

// Such code in a page that lies inside the limit: direct transfers to another place of the page need no check.
static bool stays_in_page(const struct tctx *t, enum near_kind kind) {
    const struct guest_insn *insn = t->insn;
    int64_t target = direct_target(insn);
    bool cut = insn->operand_size == 2 && (t->mode & MODE_CODE32); // EIP
    if ((t->mode & MODE_ONE) || cut || target < 0 || target >= 4096)
        return false;
    return kind == NEAR_JMP || kind == NEAR_JCC || (kind >= NEAR_LOOP && kind <= NEAR_JCXZ);
}

static void emit_near_checked(struct tctx *t, enum near_kind kind) {
    struct emitter *e = &t->e;
    if (kind == NEAR_JCC && !(t->mode & MODE_ONE) && !stays_in_page(t, kind)) { // often not taken
        struct host_label taken = emit_jcc_rel32(e, t->insn->opcode & 15u);
        jump_next(t);
        emit_here(e, taken);
    }
    emit_near_callout(t, kind);
}

void control_emit(struct tctx *t) {
    enum near_kind kind = near_kind_of(t->insn);
    if ((t->mode & MODE_CS_CHECKED) && !stays_in_page(t, kind)) {
        emit_near_checked(t, kind);
        return;
    }
    switch (kind) {
    case NEAR_JMP: jump_direct(t); break;
    case NEAR_JCC: emit_jcc(t); break;
    case NEAR_CALL: emit_call(t, transfer_call_direct); break;
    case NEAR_RET: emit_ret(t); break;
    case NEAR_JMP_IND:
        load_indirect(t);
        control_transfer(t);
        break;
    case NEAR_CALL_IND: emit_call_indirect(t); break;
    case NEAR_LOOP:
    case NEAR_LOOPE:
    case NEAR_LOOPNE:
    case NEAR_JCXZ:
        if (t->insn->address_size == 4)
            emit_loop32(t);
        else
            emit_loop16(t);
        break;
    }
}
