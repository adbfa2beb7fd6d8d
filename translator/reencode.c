// The current guest instruction in 64-bit encoding: the same opcode and immediate, with prefixes, registers and memory
// operand put the way the host wants them. All encoding traps of 64-bit mode that keep the meaning of an instruction
// live here: REX for guest ESP, AH to BH beside a REX prefix, 40h-4Fh, 82h, moffs, 16-bit code.
#include "translator/context.h"

#include "translator/reencode.h"

// ---- Which fields name what (Intel SDM, vol. 2, appendix A) --------------------------------------------------------

enum { GPR_REG = 1, GPR_RM = 2, GPR_BOTH = 3 };

static unsigned gpr_fields_one_byte(unsigned op) {
    if (op >= 0xd8 && op <= 0xdf)
        return 0; // x87
    switch (op) {
    case 0x80 ... 0x83:
    case 0x8c:
    case 0x8e ... 0x8f:
    case 0xc0 ... 0xc1:
    case 0xc6 ... 0xc7:
    case 0xd0 ... 0xd3:
    case 0xf6 ... 0xf7:
    case 0xfe ... 0xff: return GPR_RM;
    default: return GPR_BOTH;
    }
}

static unsigned gpr_fields_two_byte(const struct guest_insn *insn) {
    unsigned op = insn->opcode;
    bool scalar = insn->rep != 0;
    if ((op & 0xf0) == 0x40 || (op & 0xf0) == 0xa0)
        return GPR_BOTH;
    if ((op & 0xf0) == 0x90)
        return GPR_RM;
    switch (op) {
    case 0x2a: return scalar ? GPR_RM : 0;
    case 0x2c ... 0x2d: return scalar ? GPR_REG : 0;
    case 0x50:
    case 0xc3:
    case 0xc5:
    case 0xd7: return GPR_REG;
    case 0x6e:
    case 0xba:
    case 0xc4:
    case 0xc7: return GPR_RM;
    case 0x7e: return insn->rep == 0xf3 ? 0 : GPR_RM;
    case 0xb0 ... 0xb1:
    case 0xb3:
    case 0xb6 ... 0xb8:
    case 0xbb ... 0xc1: return GPR_BOTH;
    default: return 0;
    }
}

static unsigned gpr_fields(const struct guest_insn *insn) {
    switch (insn->map) {
    case MAP_1B: return gpr_fields_one_byte(insn->opcode);
    case MAP_0F: return insn->opcode == 0xae ? 0 : gpr_fields_two_byte(insn);
    case MAP_0F38: return insn->opcode >= 0xf0 ? GPR_BOTH : 0;
    default:
        switch (insn->opcode) {
        case 0x14 ... 0x17:
        case 0x20:
        case 0x22: return GPR_RM;
        default: return 0;
        }
    }
}

static unsigned byte_fields(const struct guest_insn *insn) {
    unsigned op = insn->opcode;
    switch (insn->map) {
    case MAP_1B:
        if ((op < 0x40 || (op >= 0x84 && op <= 0x8b)) && (op & 1) == 0)
            return GPR_BOTH;
        return (op == 0x80 || op == 0x82 || op == 0xc0 || op == 0xc6 || op == 0xd0 || op == 0xd2 || op == 0xf6 ||
                op == 0xfe)
                   ? GPR_RM
                   : 0;
    case MAP_0F:
        if ((op & 0xf0) == 0x90 || op == 0xb6 || op == 0xbe)
            return GPR_RM;
        return op == 0xb0 || op == 0xc0 ? GPR_BOTH : 0;
    case MAP_0F38: return op == 0xf0 ? GPR_RM : 0; // CRC32 r32, r/m8
    default: return 0;
    }
}

// Is the byte register in ModRM.reg written?
static bool writes_byte_reg(const struct guest_insn *insn) {
    unsigned op = insn->opcode;
    if (insn->map == MAP_0F)
        return op == 0xc0;
    return op < 0x40 ? (op & 2) != 0 && op < 0x38 : op == 0x86 || op == 0x8a;
}

// ---- Prefixes ------------------------------------------------------------------------------------------------------

// SIMD encodings: 66h, F2h and F3h select the instruction, CS.D does not.
static bool has_mandatory_prefix(const struct guest_insn *insn) {
    unsigned op = insn->opcode;
    switch (insn->map) {
    case MAP_0F:
        return (op >= 0x10 && op <= 0x17) || (op >= 0x28 && op <= 0x2f) || (op >= 0x50 && op <= 0x7f) || op == 0xc2 ||
               (op >= 0xc4 && op <= 0xc6) || op >= 0xd0;
    case MAP_0F38: return op < 0xf0;
    case MAP_0F3A: return true;
    default: return false;
    }
}

static bool keeps_rep(const struct guest_insn *insn) {
    return (insn->map == MAP_0F38 && insn->opcode >= 0xf0) || (insn->map == MAP_0F && insn->opcode == 0xb8);
}

// No 66h where it says nothing: x87, MOVNTI, CMPXCHG8B, fences.
static bool ignores_opsize(const struct guest_insn *insn) {
    unsigned op = insn->opcode;
    return (insn->map == MAP_1B && op >= 0xd8 && op <= 0xdf) ||
           (insn->map == MAP_0F && (op == 0xae || op == 0xc3 || op == 0xc7));
}

// VMASKMOVDQU does exactly what MASKMOVDQU does, whose sequences are known to who reads translated code.
static bool is_masked_by_rdi(const struct guest_insn *insn) {
    return insn->map == MAP_0F && insn->opcode == 0xf7;
}

// VPCMPESTRM, VPCMPESTRI: lengths in EAX and EDX.
static bool takes_lengths(const struct guest_insn *insn) {
    return insn->map == MAP_0F3A && (insn->opcode == 0x60 || insn->opcode == 0x61);
}

// The VEX encoding again. VEX.W makes 64-bit mode see a 64-bit general register where 32-bit mode does not look at it.
static void set_vex(struct host_op *op, const struct guest_insn *insn) {
    op->vex = true;
    op->ymm = insn->vex_ymm;
    op->vvvv = insn->vvvv;
    op->rexw = insn->vex_wide && gpr_fields(insn) == 0 && !takes_lengths(insn);
    op->opsize = insn->opsize_prefix;
    op->rep = insn->rep;
}

static struct host_op host_op_of(const struct guest_insn *insn) {
    struct host_op op = {.lock = insn->lock, .map = insn->map, .opcode = insn->opcode, .reg = insn->reg};
    if (has_mandatory_prefix(insn)) {
        op.opsize = insn->opsize_prefix;
        op.rep = insn->rep;
    } else {
        op.opsize = insn->operand_size == 2 && !ignores_opsize(insn);
        op.rep = keeps_rep(insn) ? insn->rep : 0;
    }
    if (insn->map == MAP_1B && insn->opcode == 0x82)
        op.opcode = 0x80;
    if (insn->vex && insn->map == MAP_0F38 && insn->opcode == 0x5a) // VBROADCASTI128: VBROADCASTF128 does the same, and
        op.opcode = 0x1a;                                           // older disassemblers know it
    if (insn->vex && !is_masked_by_rdi(insn))
        set_vex(&op, insn);
    return op;
}

// The register in the immediate of VBLENDVPS and its like: outside 64-bit mode the top bit is not looked at.
static bool names_register_by_immediate(const struct guest_insn *insn) {
    return insn->vex && insn->map == MAP_0F3A && insn->opcode >= 0x4a && insn->opcode <= 0x4c;
}

static void emit_immediate(struct tctx *t) {
    if (names_register_by_immediate(t->insn)) {
        emit_byte(&t->e, (unsigned)t->insn->imm & 0x70u);
        return;
    }
    emit_bytes(&t->e, t->insn->bytes + t->insn->imm_offset, t->insn->imm_size);
}

// ---- With a memory operand -----------------------------------------------------------------------------------------

static bool needs_rex(const struct host_mem *m) {
    return (m->base != HOST_NONE && m->base >= R8) || (m->index != HOST_NONE && m->index >= R8);
}

// reg is AH to BH and the operand needs REX: the byte goes through r10b. The merge cannot fault and leaves flags alone.
static void emit_mem_high_byte(struct tctx *t, struct host_op op, const struct host_mem *m) {
    struct emitter *e = &t->e;
    enum host_reg whole = (enum host_reg)(op.reg - 4);
    emit_rorx_r32(e, R10, whole, 8);
    op.reg = R10;
    op.byte_reg = true;
    emit_op_mem(e, &op, m);
    emit_immediate(t);
    if (!writes_byte_reg(t->insn))
        return;
    emit_xchg_low_high(e, whole);
    emit_mov_r8_r8(e, whole, R10);
    emit_xchg_low_high(e, whole);
}

void insn_emit_mem(struct tctx *t, const struct host_mem *m) {
    const struct guest_insn *insn = t->insn;
    struct host_op op = host_op_of(insn);
    if (!insn->has_modrm) { // moffs: A0-A3 become 8A 8B 88 89 with EAX
        op.opcode = insn->opcode & 2 ? (uint8_t)(0x88 | (insn->opcode & 1)) : (uint8_t)(0x8a | (insn->opcode & 1));
        op.reg = RAX;
    } else if (byte_fields(insn) & GPR_REG) {
        if (is_high_byte(op.reg) && needs_rex(m)) {
            emit_mem_high_byte(t, op, m);
            return;
        }
    } else if (gpr_fields(insn) & GPR_REG) {
        op.reg = (uint8_t)host_of_guest(op.reg);
    }
    emit_op_mem(&t->e, &op, m);
    emit_immediate(t);
}

// ---- Without one ---------------------------------------------------------------------------------------------------

void insn_emit_reg(struct tctx *t) {
    const struct guest_insn *insn = t->insn;
    struct host_op op = host_op_of(insn);
    unsigned gpr = gpr_fields(insn), bytes = byte_fields(insn);
    unsigned rm = insn->rm;
    if ((gpr & ~bytes) & GPR_REG)
        op.reg = (uint8_t)host_of_guest(op.reg);
    if ((gpr & ~bytes) & GPR_RM)
        rm = host_of_guest(rm);
    if ((bytes & GPR_RM) && is_high_byte(rm) && op.reg >= R8) { // MOVZX ESP,AH and its like
        emit_rorx_r32(&t->e, R10, (enum host_reg)(rm - 4), 8);
        rm = R10;
    }
    emit_op_reg(&t->e, &op, rm);
    emit_immediate(t);
}

void insn_emit_plain(struct tctx *t) {
    const struct guest_insn *insn = t->insn;
    struct emitter *e = &t->e;
    unsigned op = insn->opcode, reg = op & 7;
    bool wide = insn->operand_size == 4;
    if (insn->vex) { // VZEROUPPER, VZEROALL
        emit_byte(e, 0xc5);
        emit_byte(e, insn->vex_ymm ? 0xfc : 0xf8);
        emit_byte(e, op);
        return;
    }
    if (insn->map == MAP_1B && op >= 0x40 && op <= 0x4f) { // INC and DEC: REX prefixes now
        struct host_op form = {.opsize = !wide, .opcode = 0xff, .reg = op >= 0x48};
        emit_op_reg(e, &form, host_of_guest(reg));
        return;
    }
    bool names_gpr = insn->map == MAP_1B ? (op >= 0x90 && op <= 0x97) || (op >= 0xb8 && op <= 0xbf)
                                         : insn->map == MAP_0F && op >= 0xc8 && op <= 0xcf; // XCHG, MOV, BSWAP
    if (!wide && (names_gpr || insn->map == MAP_1B) && op != 0x90)
        emit_byte(e, 0x66);
    if (insn->map == MAP_1B && op == 0x90 && insn->rep == 0xf3)
        emit_byte(e, 0xf3); // PAUSE
    if (names_gpr && reg == GUEST_ESP)
        emit_byte(e, 0x41);
    if (insn->map == MAP_0F)
        emit_byte(e, 0x0f);
    emit_byte(e, op);
    emit_immediate(t);
}
