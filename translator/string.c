// Kind string: MOVS CMPS STOS LODS SCAS INS OUTS. Direct code with flat segments runs the host's own instruction on
// window addresses: windows are 4 GiB aligned, so adding r14 and cutting ESI and EDI back to 32 bits is all there is to
// it, also in the fault handler in the middle of a REP. What is not repeated goes element by element elsewhere; all
// else is a callout. Intel SDM, vol. 2, REP and the instructions.
#include "translator/context.h"
#include "translator/emit_more.h"
#include "translator/string_single.h"

static enum string_op string_op_of(unsigned opcode) {
    switch (opcode & 0xfe) {
    case 0xa4: return STRING_MOVS;
    case 0xa6: return STRING_CMPS;
    case 0xaa: return STRING_STOS;
    case 0xac: return STRING_LODS;
    case 0xae: return STRING_SCAS;
    case 0x6c: return STRING_INS;
    default: return STRING_OUTS;
    }
}

static bool reads_esi(enum string_op op) {
    return op == STRING_MOVS || op == STRING_CMPS || op == STRING_LODS;
}
static bool uses_edi(enum string_op op) {
    return op != STRING_LODS && op != STRING_OUTS;
}
static bool writes_memory(enum string_op op) {
    return op == STRING_MOVS || op == STRING_STOS || op == STRING_INS;
}

// F2h repeats the others just as F3h does.
static enum string_rep rep_of(const struct guest_insn *insn, enum string_op op) {
    if (!insn->rep)
        return STRING_ONCE;
    return insn->rep == 0xf2 && (op == STRING_CMPS || op == STRING_SCAS) ? STRING_REPNE : STRING_REP;
}

static bool is_flat(const struct tctx *t, unsigned seg) {
    if (seg == SEG_CS)
        return !(t->mode & MODE_CS_CHECKED);
    return mode_seg_kind(t->mode, seg) == MODE_SEG_FLAT;
}

static bool is_direct(const struct tctx *t, enum string_op op) {
    const struct guest_insn *insn = t->insn;
    if (op == STRING_INS || op == STRING_OUTS || insn->address_size != 4 || tctx_is_soft(t) || (t->mode & MODE_ALIGN))
        return false;
    if (insn->rep && (t->mode & MODE_ONE)) // a single step ends each iteration
        return false;
    // What overwrites itself in a page that takes stores without a fault would be fetched anew where it then faults.
    if (insn->rep && writes_memory(op) && t->in->self_checking)
        return false;
    return (!reads_esi(op) || is_flat(t, insn->seg)) && (!uses_edi(op) || is_flat(t, SEG_ES));
}

static void emit_to_window(struct tctx *t, enum host_reg r) {
    struct host_mem m = mem_index(r, R14, 0, 0);
    emit_lea_r64_m(&t->e, r, &m);
}

static void emit_direct(struct tctx *t, enum string_op op) {
    const struct guest_insn *insn = t->insn;
    struct emitter *e = &t->e;
    enum operand_intent first = op == STRING_STOS ? INTENT_WRITE : INTENT_READ;
    unsigned rep = rep_of(insn, op) == STRING_ONCE ? 0 : insn->rep;
    mark_begin(t, MARK_INSN, first + 1u, true);
    if (reads_esi(op))
        emit_to_window(t, RSI);
    if (uses_edi(op))
        emit_to_window(t, RDI);
    emit_string_op(e, insn->opcode, (insn->opcode & 1) && insn->operand_size == 2, rep);
    if (reads_esi(op))
        emit_mov_r32_r32(e, RSI, RSI);
    if (uses_edi(op))
        emit_mov_r32_r32(e, RDI, RDI);
    t->wrote |= writes_memory(op);
    t->out->operands_direct++;
}

void string_emit(struct tctx *t) {
    const struct guest_insn *insn = t->insn;
    enum string_op op = string_op_of(insn->opcode);
    if (is_direct(t, op)) {
        emit_direct(t, op);
        return;
    }
    unsigned size = insn->opcode & 1 ? insn->operand_size : 1;
    if (!insn->rep && op != STRING_INS && op != STRING_OUTS) {
        string_emit_single(t, op, size);
        return;
    }
    emit_mov_r32_imm32(&t->e, R9, STRING_WORD(op, size, rep_of(insn, op), insn->address_size == 2, insn->seg));
    callout_call(t, CALLOUT_STRING, size);
}
