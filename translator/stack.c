// Kind stack: PUSH, POP and LEAVE. Guest ESP is r12d; each form makes all its accesses before it changes a register or
// ESP (PITFALLS 8 of the design). Intel SDM, vol. 2, PUSH, POP, LEAVE; vol. 1, chapter 6 for the stack's address size.
#include "translator/access.h"
#include "translator/context.h"

static void store_sized(struct tctx *t, const struct host_mem *m, enum host_reg src, unsigned size) {
    if (size == 2)
        emit_mov_m16_r16(&t->e, m, src);
    else
        emit_mov_m32_r32(&t->e, m, src);
}

static void load_sized(struct tctx *t, enum host_reg dst, const struct host_mem *m, unsigned size) {
    if (size == 2)
        emit_movzx_r32_m16(&t->e, dst, m);
    else
        emit_mov_r32_m32(&t->e, dst, m);
}

// ---- PUSH -----------------------------------------------------------------------------------------------------------

static void push(struct tctx *t, access_op *op, uint32_t argument) {
    int size = t->insn->operand_size;
    access_emit(
        t,
        &(struct access){
            .ref = ref_stack(t, -size), .size = (uint16_t)size, .intent = INTENT_WRITE, .op = op, .arg = {argument}});
}

// PUSH ESP stores the value from before.
static void op_push_reg(struct tctx *t, const struct host_mem *m, const struct access *a) {
    store_sized(t, m, host_of_guest(a->arg[0]), a->size);
    stack_adjust(t, -(int32_t)a->size);
}

static void op_push_imm(struct tctx *t, const struct host_mem *m, const struct access *a) {
    if (a->size == 2)
        emit_mov_m16_imm16(&t->e, m, (uint16_t)a->arg[0]);
    else
        emit_mov_m32_imm32(&t->e, m, a->arg[0]);
    stack_adjust(t, -(int32_t)a->size);
}

// A value on its way from one access to the next waits in r10, which a direct access leaves alone, else in tmp[0].
static bool waits_in_r10(const struct tctx *t, const struct mem_ref *to) {
    return access_form(t, to, INTENT_WRITE, false) == FORM_DIRECT;
}

static void op_load_r10(struct tctx *t, const struct host_mem *m, const struct access *a) {
    load_sized(t, R10, m, a->size);
}

static void load_waiting(struct tctx *t, const struct mem_ref *from, const struct mem_ref *to) {
    access_emit(t, &(struct access){.ref = *from,
                                    .size = t->insn->operand_size,
                                    .intent = INTENT_READ,
                                    .op = waits_in_r10(t, to) ? op_load_r10 : op_load_tmp,
                                    .arg = {0}});
}

static void store_waiting(struct tctx *t, const struct host_mem *m, const struct access *a) {
    struct host_mem value = mem_tmp(0);
    if (!waits_in_r10(t, &a->ref))
        emit_mov_r32_m32(&t->e, R10, &value);
    store_sized(t, m, R10, a->size);
}

static void op_push_waiting(struct tctx *t, const struct host_mem *m, const struct access *a) {
    store_waiting(t, m, a);
    stack_adjust(t, -(int32_t)a->size);
}

// With a 32-bit operand the selector is zero-extended, as on P6 processors.
static void op_push_seg(struct tctx *t, const struct host_mem *m, const struct access *a) {
    struct host_mem selector = mem_vcpu(ABI_OFFSET(seg_selector) + (int32_t)(4 * a->arg[0]));
    emit_mov_r32_m32(&t->e, R10, &selector);
    store_sized(t, m, R10, a->size);
    stack_adjust(t, -(int32_t)a->size);
}

static void push_rm(struct tctx *t) {
    const struct guest_insn *insn = t->insn;
    if (!insn_is_mem(insn)) {
        push(t, op_push_reg, insn->rm);
        return;
    }
    struct mem_ref from = ref_modrm(insn), to = ref_stack(t, -(int32_t)insn->operand_size);
    load_waiting(t, &from, &to);
    push(t, op_push_waiting, 0);
}

// ---- POP ------------------------------------------------------------------------------------------------------------

// POP ESP: the loaded value is what ESP ends with; POP SP keeps the upper half of the incremented ESP.
static void op_pop_reg(struct tctx *t, const struct host_mem *m, const struct access *a) {
    unsigned reg = a->arg[0];
    if (reg != GUEST_ESP) {
        if (a->size == 2)
            emit_mov_r16_m16(&t->e, host_of_guest(reg), m);
        else
            emit_mov_r32_m32(&t->e, host_of_guest(reg), m);
        stack_adjust(t, a->size);
        return;
    }
    load_sized(t, R9, m, a->size);
    if (a->size == 2)
        stack_adjust(t, a->size);
    guest_store(t, reg, R9, a->size);
}

static void pop_reg(struct tctx *t, unsigned reg) {
    access_emit(t, &(struct access){.ref = ref_stack(t, 0),
                                    .size = t->insn->operand_size,
                                    .intent = INTENT_READ,
                                    .op = op_pop_reg,
                                    .arg = {reg}});
}

static void op_pop_mem(struct tctx *t, const struct host_mem *m, const struct access *a) {
    store_waiting(t, m, a);
    stack_adjust(t, a->size);
}

// An address with ESP in it sees ESP already incremented. (On a 16-bit stack, where only SP counts, the two differ when
// SP wraps: the address is then that of an unwrapped ESP.)
static void pop_mem(struct tctx *t) {
    const struct guest_insn *insn = t->insn;
    struct mem_ref target = ref_modrm(insn);
    if (target.base == GUEST_ESP)
        target.disp += insn->operand_size;
    struct mem_ref from = ref_stack(t, 0);
    load_waiting(t, &from, &target);
    access_emit(t,
                &(struct access){.ref = target, .size = insn->operand_size, .intent = INTENT_WRITE, .op = op_pop_mem});
}

static void pop_rm(struct tctx *t) {
    if (insn_is_mem(t->insn))
        pop_mem(t);
    else
        pop_reg(t, t->insn->rm);
}

// ---- LEAVE ----------------------------------------------------------------------------------------------------------

// ESP = EBP (or SP = BP), then EBP (or BP, by operand size) is popped.
static void op_leave(struct tctx *t, const struct host_mem *m, const struct access *a) {
    load_sized(t, R10, m, a->size);
    emit_lea_r32_disp(&t->e, R9, RBP, a->size);
    guest_store(t, GUEST_ESP, R9, t->mode & MODE_STACK32 ? 4 : 2);
    guest_store(t, GUEST_EBP, R10, a->size);
}

static void leave(struct tctx *t) {
    struct mem_ref frame = ref_stack(t, 0);
    frame.base = GUEST_EBP;
    access_emit(t,
                &(struct access){.ref = frame, .size = t->insn->operand_size, .intent = INTENT_READ, .op = op_leave});
}

// ---- The kind -------------------------------------------------------------------------------------------------------

void stack_emit(struct tctx *t) {
    const struct guest_insn *insn = t->insn;
    unsigned op = insn->opcode;
    if (insn->map == MAP_0F) { // A0, A8: PUSH FS, PUSH GS
        push(t, op_push_seg, op == 0xa0 ? SEG_FS : SEG_GS);
        return;
    }
    switch (op) {
    case 0x06:
    case 0x0e:
    case 0x16:
    case 0x1e: push(t, op_push_seg, op >> 3); break;
    case 0x68:
    case 0x6a: push(t, op_push_imm, (uint32_t)insn->imm); break;
    case 0xff: push_rm(t); break;
    case 0x8f: pop_rm(t); break;
    case 0xc9: leave(t); break;
    default:
        if (op < 0x58)
            push(t, op_push_reg, op & 7);
        else
            pop_reg(t, op & 7);
        break;
    }
}
