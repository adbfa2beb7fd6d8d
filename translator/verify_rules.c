// The verifier's third pass: instructions outside listed sequences, by the allow-list alone. Register operands may name
// the guest's registers and the scratch registers r8 to r10; 64-bit operands, r11, r13 to r15 and rsp belong to
// sequences. Every write keeps the upper half of a guest register zero.
#include "translator/verify.h"

// ---- Registers ------------------------------------------------------------------------------------------------------

static bool is_scratch(unsigned reg) {
    return reg >= V_R8 && reg <= V_R10;
}

static bool is_usable(unsigned reg) {
    return reg <= V_R10 ? reg != V_RSP : reg == V_R12;
}

void verify_write(struct vstate *s, unsigned reg, unsigned kind) {
    s->kind[reg] = (uint8_t)kind;
    if (reg == V_R8 || reg == V_R9)
        s->size = 0;
}

// A byte register field as the instruction means it: without REX, 4 to 7 are AH to BH.
static unsigned byte_register(const struct vinsn *n, unsigned reg) {
    return n->rex == 0 && reg >= 4 ? reg - 4 : reg;
}

static int check_register(struct verifier *v, unsigned i, struct vstate *s, unsigned reg, unsigned size,
                          unsigned access) {
    const struct vinsn *n = &v->insns[i];
    bool low_byte = size == 1 && (n->rex != 0 || reg < 4);
    if (size == 1)
        reg = byte_register(n, reg);
    if (!is_usable(reg))
        return verify_reject(v, i, "a reserved register outside its listed sequences");
    if (size == 1 && reg == V_R12)
        return verify_reject(v, i, "guest ESP has no byte registers");
    unsigned kind = s->kind[reg];
    if ((access & ACC_R) && (kind == KIND_TOP || kind == KIND_LIVE || (kind == KIND_LOW && !low_byte)))
        return verify_reject(v, i, "a register that may hold a host address is read as data");
    return 0;
}

int verify_register(struct verifier *v, unsigned i, struct vstate *s, unsigned reg, unsigned access) {
    return check_register(v, i, s, reg, 4, access);
}

static void write_register(const struct vinsn *n, struct vstate *s, unsigned reg, unsigned size) {
    bool low_byte = size == 1 && (n->rex != 0 || reg < 4);
    if (size == 1)
        reg = byte_register(n, reg);
    unsigned kind = s->kind[reg];
    if (size >= 4)
        kind = KIND_U32;
    else if (kind == KIND_IMM)
        kind = KIND_U32;
    else if (kind != KIND_U32)
        kind = low_byte || kind == KIND_LOW ? KIND_LOW : KIND_TOP;
    verify_write(s, reg, kind);
}

// ---- Prefixes -------------------------------------------------------------------------------------------------------

static int check_prefixes(struct verifier *v, unsigned i) {
    const struct vinsn *n = &v->insns[i];
    const struct verify_form *f = n->form;
    bool by_rdi = f->shape == SHAPE_SIMD && n->map == VMAP_0F && n->opcode == 0xf7;
    if (n->wide && f->shape != SHAPE_VEX && f->shape != SHAPE_AVX)
        return verify_reject(v, i, "a 64-bit operand outside listed sequences");
    if (n->lock && !((f->flags & FORM_LOCK) && n->is_mem))
        return verify_reject(v, i, "LOCK where it is not allowed");
    if ((n->gs || n->addr32) && !n->is_mem && !by_rdi && f->shape != SHAPE_JCXZ)
        return verify_reject(v, i, "a segment or address-size prefix without memory operand");
    if (f->shape == SHAPE_JCXZ && n->gs)
        return verify_reject(v, i, "a segment prefix on a jump");
    unsigned wanted = f->flags & FORM_F2 ? 0xf2 : f->flags & FORM_F3 ? 0xf3 : 0;
    bool may_rep = f->shape == SHAPE_SIMD || ((f->flags & FORM_F3_OK) && n->rep == 0xf3);
    if (n->rep != wanted && !may_rep)
        return verify_reject(v, i, "a repeat prefix that makes another instruction of it");
    return 0;
}

// ---- General instructions -------------------------------------------------------------------------------------------

// What group 3 and group 1 do with r/m depends on ModRM.reg.
static unsigned rm_access(const struct vinsn *n) {
    unsigned group = n->modrm >> 3 & 7;
    if (n->map == VMAP_1B) {
        if ((n->opcode == 0x80 || n->opcode == 0x81 || n->opcode == 0x83) && group == 7)
            return ACC_R; // CMP
        if (n->opcode == 0xf6 || n->opcode == 0xf7)
            return group == 2 || group == 3 ? ACC_RW : ACC_R; // NOT, NEG
    } else if (n->map == VMAP_0F && n->opcode == 0xba && group == 4) {
        return ACC_R; // BT
    }
    return n->form->rm;
}

static unsigned operand_size(const struct vinsn *n, unsigned fixed) {
    return fixed ? fixed : n->opsize ? 2 : 4;
}

static int check_int(struct verifier *v, unsigned i, struct vstate *s) {
    const struct vinsn *n = &v->insns[i];
    const struct verify_form *f = n->form;
    unsigned rm_size = operand_size(n, f->rm_size), reg_size = operand_size(n, f->reg_size);
    unsigned access = rm_access(n);
    bool indirect = n->map == VMAP_1B && n->opcode == 0xff && (n->modrm >> 3 & 7) == 4;
    if (indirect)
        return verify_reject(v, i, "an indirect jump outside the transfer sequence");
    if (f->groups && !(f->groups >> (n->modrm >> 3 & 7) & 1))
        return verify_reject(v, i, "an opcode that is not on the list");
    if (!n->is_mem && (f->flags & FORM_MEM))
        return verify_reject(v, i, "a form that is not on the list");
    if (n->lock && !(access & ACC_W))
        return verify_reject(v, i, "LOCK where it is not allowed");
    if (f->reg != ACC_N && check_register(v, i, s, n->reg, reg_size, f->reg) < 0)
        return -1;
    if (n->is_mem ? verify_memory(v, i, s, rm_size, access) < 0 : check_register(v, i, s, n->rm, rm_size, access) < 0)
        return -1;
    if (f->reg & ACC_W)
        write_register(n, s, n->reg, reg_size);
    if (!n->is_mem && (access & ACC_W))
        write_register(n, s, n->rm, rm_size);
    return 0;
}

// The register in the opcode: MOV with immediate, XCHG with the accumulator, BSWAP.
static int check_opreg(struct verifier *v, unsigned i, struct vstate *s) {
    const struct vinsn *n = &v->insns[i];
    const struct verify_form *f = n->form;
    unsigned reg = (n->opcode & 7u) | (n->rex & 1 ? 8u : 0u), size = operand_size(n, f->rm_size);
    if (check_register(v, i, s, reg, size, f->rm) < 0)
        return -1;
    bool xchg = n->map == VMAP_1B && n->opcode >= 0x90 && n->opcode <= 0x97;
    if (xchg && n->opcode == 0x90 && n->rex == 0)
        return 0; // NOP, PAUSE
    if (xchg && check_register(v, i, s, V_RAX, size, ACC_RW) < 0)
        return -1;
    if (xchg)
        write_register(n, s, V_RAX, size);
    write_register(n, s, reg, size);
    if (f->imm == IMM_MOV && !n->opsize && is_scratch(reg)) {
        s->kind[reg] = KIND_IMM;
        s->value[reg - V_R8] = (uint32_t)n->imm;
    }
    return 0;
}

// Computes an address and looks at no memory. r11 is the page of the block.
static int check_lea(struct verifier *v, unsigned i, struct vstate *s) {
    const struct vinsn *n = &v->insns[i];
    unsigned parts[2] = {n->base, n->index};
    if (!n->is_mem || n->gs || n->addr32 || n->opsize)
        return verify_reject(v, i, "a form of LEA that is not on the list");
    for (unsigned k = 0; k < 2; k++) {
        if (parts[k] == V_NONE || (parts[k] == V_R11 && is_scratch(n->reg)))
            continue;
        if (parts[k] == V_RIP)
            return verify_reject(v, i, "a RIP-relative operand");
        if (check_register(v, i, s, parts[k], 4, ACC_R) < 0)
            return -1;
    }
    if (check_register(v, i, s, n->reg, 4, ACC_W) < 0)
        return -1;
    write_register(n, s, n->reg, 4);
    return 0;
}

// PEXT, PDEP, SARX on a scratch register; RORX by an immediate.
static int check_vex(struct verifier *v, unsigned i, struct vstate *s) {
    const struct vinsn *n = &v->insns[i];
    bool rorx = n->map == VMAP_VEX3A && n->pp == 3 && n->vvvv == 0;
    bool bits = n->map == VMAP_VEX38 && n->opcode == 0xf5 && (n->pp == 2 || n->pp == 3);
    bool sarx = n->map == VMAP_VEX38 && n->opcode == 0xf7 && n->pp == 2;
    if (!(rorx || bits || sarx) || n->is_mem || n->wide || n->ymm || !is_scratch(n->reg))
        return verify_reject(v, i, "a form of BMI2 that is not on the list");
    if (check_register(v, i, s, n->rm, 4, ACC_R) < 0 || (!rorx && check_register(v, i, s, n->vvvv, 4, ACC_R) < 0))
        return -1;
    write_register(n, s, n->reg, 4);
    return 0;
}

// ---- x87, MMX, SSE --------------------------------------------------------------------------------------------------

static int check_x87(struct verifier *v, unsigned i, struct vstate *s) {
    const struct vinsn *n = &v->insns[i];
    if (v->in->mode & MODE_X87_NM)
        return verify_reject(v, i, "x87 in a mode where it raises #NM");
    if (n->opsize)
        return verify_reject(v, i, "66h on an x87 instruction");
    if (!n->is_mem)
        return verify_x87_register(n->opcode, n->modrm) ? 0 : verify_reject(v, i, "an opcode that is not on the list");
    unsigned access, size = verify_x87_memory(n->opcode, n->modrm >> 3 & 7, &access);
    if (size == 0)
        return verify_reject(v, i, "an x87 instruction that is not on the list");
    return verify_memory(v, i, s, size, access);
}

int verify_unit(struct verifier *v, unsigned i, bool vector) {
    uint32_t mode = v->in->mode;
    if ((mode & MODE_SIMD_NM) || (vector && (mode & MODE_SSE_UD)) || (!vector && (mode & MODE_MMX_UD)))
        return verify_reject(v, i, "MMX or SSE in a mode where it raises #NM or #UD");
    return 0;
}

// LDMXCSR, STMXCSR and the fences.
static int check_group15(struct verifier *v, unsigned i, const struct vstate *s) {
    const struct vinsn *n = &v->insns[i];
    if (n->rep || n->opsize)
        return verify_reject(v, i, "an opcode that is not on the list");
    if (!n->is_mem) // in the one form that every decoder knows
        return n->modrm == 0xe8 || n->modrm == 0xf0 || n->modrm == 0xf8
                   ? 0
                   : verify_reject(v, i, "an opcode that is not on the list");
    unsigned group = n->modrm >> 3 & 7;
    if (group != 2 && group != 3)
        return verify_reject(v, i, "an opcode that is not on the list");
    return verify_unit(v, i, true) < 0 ? -1 : verify_memory(v, i, s, 4, group == 2 ? ACC_R : ACC_W);
}

static int check_simd_rm(struct verifier *v, unsigned i, struct vstate *s, const struct verify_simd *f) {
    const struct vinsn *n = &v->insns[i];
    bool general = f->rm == RM_GR || f->rm == RM_GW;
    bool writes = f->rm == RM_GW || f->rm == RM_VW || f->rm == RM_MW;
    if (n->is_mem) {
        if (f->rm == RM_V)
            return verify_reject(v, i, "a form that is not on the list");
        return verify_memory(v, i, s, f->size, writes ? ACC_W : ACC_R);
    }
    if (f->rm == RM_MR || f->rm == RM_MW)
        return verify_reject(v, i, "a form that is not on the list");
    if (general)
        return check_register(v, i, s, n->rm, 4, writes ? ACC_W : ACC_R);
    return n->rm < 8 ? 0 : verify_reject(v, i, "a vector register that is not the guest's");
}

// Without a mandatory prefix: MMX, later additions included; else SSE.
static bool is_mmx(const struct vinsn *n) {
    unsigned op = n->opcode;
    switch (n->map) {
    case VMAP_0F: return (op >= 0x60 && op <= 0x7f) || op == 0xc4 || op == 0xc5 || op >= 0xd0;
    case VMAP_0F38: return op < 0x0c || (op >= 0x1c && op <= 0x1e);
    default: return op == 0x0f;
    }
}

static int check_simd(struct verifier *v, unsigned i, struct vstate *s) {
    const struct vinsn *n = &v->insns[i];
    if (n->map == VMAP_0F && n->opcode == 0xae)
        return check_group15(v, i, s);
    unsigned prefix = n->rep == 0xf3 ? 2 : n->rep == 0xf2 ? 3 : n->opsize ? 1 : 0;
    const struct verify_simd *f = verify_simd_find(n->map, n->opcode, prefix);
    if (f->rm == RM_BAD || (f->reg == REG_X && !(f->groups >> (n->modrm >> 3 & 7) & 1)))
        return verify_reject(v, i, "an opcode that is not on the list");
    bool movnti = n->map == VMAP_0F && n->opcode == 0xc3; // general registers alone
    if (!movnti && verify_unit(v, i, prefix != 0 || !is_mmx(n)) < 0)
        return -1;
    if (n->map == VMAP_0F && n->opcode == 0xf7 && !(n->gs && n->addr32 && !(v->in->mode & MODE_SOFT)))
        return verify_reject(v, i, "MASKMOV outside the window and outside its sequence");
    bool general_reg = f->reg == REG_GR || f->reg == REG_GW;
    if (general_reg && check_register(v, i, s, n->reg, 4, f->reg == REG_GW ? ACC_W : ACC_R) < 0)
        return -1;
    if (!general_reg && n->reg >= 8)
        return verify_reject(v, i, "a vector register that is not the guest's");
    if (check_simd_rm(v, i, s, f) < 0)
        return -1;
    if (f->reg == REG_GW)
        write_register(n, s, n->reg, 4);
    if (f->rm == RM_GW && !n->is_mem)
        write_register(n, s, n->rm, 4);
    return 0;
}

// ---- The rest -------------------------------------------------------------------------------------------------------

unsigned verify_exchange(const struct vinsn *n) {
    bool form = n->map == VMAP_1B && n->opcode == 0x87 && n->wide && !n->is_mem && !n->lock && !n->rep && !n->opsize &&
                !n->gs && !n->addr32 && !n->interior;
    return form && is_scratch(n->reg) && (n->rm == V_RCX || n->rm == V_RDI) ? (unsigned)n->reg << 4 | n->rm : 0;
}

// The guest's value waits in the scratch register until the same exchange brings it back.
static void exchange(struct vstate *s, unsigned pair) {
    unsigned scratch = pair >> 4, guest = pair & 15, kind = s->kind[scratch];
    s->held = s->held ? 0 : (uint8_t)pair;
    verify_write(s, scratch, s->kind[guest]);
    verify_write(s, guest, kind == KIND_IMM ? KIND_U32 : kind == KIND_LIVE ? KIND_TOP : kind);
}

static int check_nop(struct verifier *v, unsigned i) {
    const struct vinsn *n = &v->insns[i];
    return (n->modrm >> 3 & 7) == 0 && n->base != V_RIP && !n->gs && !n->addr32
               ? 0
               : verify_reject(v, i, "a form of NOP that is not on the list");
}

int verify_ordinary(struct verifier *v, unsigned i, struct vstate *s) {
    const struct vinsn *n = &v->insns[i];
    unsigned pair = verify_exchange(n);
    if (pair) {
        exchange(s, pair);
        return 0;
    }
    if (check_prefixes(v, i) < 0)
        return -1;
    switch ((enum verify_shape)n->form->shape) {
    case SHAPE_NONE:
        if (n->map == VMAP_0F && verify_unit(v, i, false) < 0) // EMMS
            return -1;
        if (n->opcode == 0x9b && (v->in->mode & MODE_WAIT_NM))
            return verify_reject(v, i, "WAIT in a mode where it raises #NM");
        return 0;
    case SHAPE_ACC: return 0; // EAX is the guest's
    case SHAPE_OPREG: return check_opreg(v, i, s);
    case SHAPE_INT: return check_int(v, i, s);
    case SHAPE_LEA: return check_lea(v, i, s);
    case SHAPE_NOP: return check_nop(v, i);
    case SHAPE_SIMD: return check_simd(v, i, s);
    case SHAPE_X87: return check_x87(v, i, s);
    case SHAPE_VEX: return check_vex(v, i, s);
    case SHAPE_AVX: return verify_avx(v, i, s);
    case SHAPE_ZERO: return verify_avx_zero(v, i);
    case SHAPE_LISTED: return verify_reject(v, i, "an instruction that is allowed only in a listed sequence");
    case SHAPE_CALL: return verify_reject(v, i, "a call without its listed words");
    case SHAPE_BAD:
    case SHAPE_JMP:
    case SHAPE_JCC:
    case SHAPE_JCXZ: break;
    }
    return verify_reject(v, i, "an opcode that is not on the list");
}
