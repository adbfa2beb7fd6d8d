// Kind inline: sensitive instructions that a few host instructions on struct vcpu_abi stand for. Those that must leave
// the arithmetic flags alone use PEXT and PDEP with one mask, which together are an AND without flags. Intel SDM, vol.
// 2, CLI, STI, PUSHF, POPF, RDTSC, MOV; vol. 3A, sections 2.3, 2.5 and 6.8.1.
#include "translator/access.h"
#include "translator/context.h"
#include "translator/emit_more.h"
#include "translator/peek.h"

enum {
    EFLAGS_TF = 1 << 8,
    EFLAGS_IF = 1 << 9,
    EFLAGS_IOPL = 3 << 12,
    EFLAGS_NT = 1 << 14,
    EFLAGS_RF = 1 << 16,
    EFLAGS_VM = 1 << 17,
    EFLAGS_AC = 1 << 18,
    EFLAGS_ID = 1 << 21,
    EFLAGS_LIVE = 0xcd5, // CF PF AF ZF SF DF OF: what the host's flags hold
};

static const struct host_mem sys_flags = {.base = R15, .index = HOST_NONE, .disp = ABI_OFFSET(sys_flags)};
static const struct host_mem pending = {.base = R15, .index = HOST_NONE, .disp = ABI_OFFSET(pending)};

// reg &= mask; clobbers scratch.
static void emit_and_keeping_flags(struct emitter *e, enum host_reg reg, uint32_t mask, enum host_reg scratch) {
    emit_mov_r32_imm32(e, scratch, mask);
    emit_pext_r32(e, reg, reg, scratch);
    emit_pdep_r32(e, reg, reg, scratch);
}

// ---- CLI, STI -------------------------------------------------------------------------------------------------------

static void emit_cli(struct tctx *t) {
    struct emitter *e = &t->e;
    if (!(t->mode & MODE_IOPL_OK)) {
        callout_call(t, CALLOUT_CLI, 0);
        return;
    }
    emit_mov_r32_m32(e, R9, &sys_flags);
    emit_and_keeping_flags(e, R9, ~(uint32_t)EFLAGS_IF, R10);
    emit_mov_m32_r32(e, &sys_flags, R9);
}

// In line where nothing waits for IF and the next instruction is in this block, so that no interrupt can come between
// the two: blocks are left at transfers only, and that is the whole shadow. Everything else is the callout's.
static void emit_sti(struct tctx *t) {
    struct emitter *e = &t->e;
    struct guest_insn next;
    if (!(t->mode & MODE_IOPL_OK) || !peek_next(t, &next)) {
        callout_call(t, CALLOUT_STI, 0);
        return;
    }
    emit_movzx_r32_m8(e, R9, &pending);
    emit_xchg_r64_r64(e, R9, RCX);
    struct host_label nothing_waits = emit_jrcxz(e);
    emit_xchg_r64_r64(e, R9, RCX);
    callout_call(t, CALLOUT_STI, 0);
    struct host_label done = emit_jmp_rel8(e);
    emit_here(e, nothing_waits);
    emit_xchg_r64_r64(e, R9, RCX);
    emit_mov_r32_m32(e, R9, &sys_flags);
    emit_and_keeping_flags(e, R9, ~(uint32_t)EFLAGS_IF, R10);
    emit_lea_r32_disp(e, R9, R9, EFLAGS_IF);
    emit_mov_m32_r32(e, &sys_flags, R9);
    emit_here(e, done);
}

// ---- PUSHF, POPF ----------------------------------------------------------------------------------------------------

static bool stack_is_plain(const struct tctx *t) {
    return (t->mode & MODE_STACK32) && mode_seg_kind(t->mode, SEG_SS) != MODE_SEG_CHECKED;
}

// The image waits in r10, which a direct access leaves alone, else in tmp[0].
static bool image_in_r10(const struct tctx *t, const struct mem_ref *to) {
    return access_form(t, to, INTENT_WRITE, false) == FORM_DIRECT;
}

static void op_push_image(struct tctx *t, const struct host_mem *m, const struct access *a) {
    struct host_mem image = mem_tmp(0);
    if (!image_in_r10(t, &a->ref))
        emit_mov_r32_m32(&t->e, R10, &image);
    if (a->size == 2)
        emit_mov_m16_r16(&t->e, m, R10);
    else
        emit_mov_m32_r32(&t->e, m, R10);
    stack_adjust(t, -(int32_t)a->size);
}

// The live flags, the virtual ones without RF and VM, and the bit that is always one.
static void emit_pushf(struct tctx *t) {
    struct emitter *e = &t->e;
    int size = t->insn->operand_size;
    struct host_mem image = mem_tmp(0), sum = mem_index(R8, R9, 0, 2);
    struct mem_ref to = ref_stack(t, -size);
    if (!stack_is_plain(t)) {
        callout_call(t, CALLOUT_PUSHF, (unsigned)size);
        return;
    }
    emit_pushfq(e);
    emit_pop_r64(e, R8);
    emit_and_keeping_flags(e, R8, EFLAGS_LIVE, R10);
    emit_mov_r32_m32(e, R9, &sys_flags);
    emit_and_keeping_flags(e, R9, ~(uint32_t)(EFLAGS_RF | EFLAGS_VM), R10);
    emit_lea_r32_m(e, R10, &sum);
    if (!image_in_r10(t, &to))
        emit_mov_m32_r32(e, &image, R10);
    access_emit(t, &(struct access){.ref = to, .size = (uint16_t)size, .intent = INTENT_WRITE, .op = op_push_image});
}

static void op_pop_image(struct tctx *t, const struct host_mem *m, const struct access *a) {
    if (a->size == 2)
        emit_movzx_r32_m16(&t->e, R9, m);
    else
        emit_mov_r32_m32(&t->e, R9, m);
    stack_adjust(t, a->size);
}

// What of the image, besides IF and the live flags, the instruction would change.
static uint32_t popf_system_mask(const struct tctx *t) {
    uint32_t mask = EFLAGS_TF | EFLAGS_NT;
    if (t->insn->operand_size == 4)
        mask |= EFLAGS_AC | EFLAGS_ID;
    if (mode_cpl(t->mode) == 0)
        mask |= EFLAGS_IOPL;
    return mask;
}

// The load checks the stack; from there on the old arithmetic flags are dead. In line unless another virtual flag than
// IF changes, or IF does while an interrupt waits.
static void emit_popf(struct tctx *t) {
    struct emitter *e = &t->e;
    unsigned size = t->insn->operand_size;
    if ((t->mode & (MODE_V86 | MODE_IOPL_OK)) == MODE_V86) {
        callout_call(t, CALLOUT_POPF_VME, size);
        return;
    }
    access_emit(
        t, &(struct access){.ref = ref_stack(t, 0), .size = (uint16_t)size, .intent = INTENT_READ, .op = op_pop_image});
    emit_mov_r32_m32(e, R10, &sys_flags);
    emit_alu_r32_r32_clobbers_flags(e, ALU_XOR, R10, R9);
    emit_test_r32_imm_clobbers_flags(e, R10, popf_system_mask(t));
    struct host_label system = emit_jcc_rel8(e, CC_NZ), same = {0}, waits = {0};
    if (t->mode & MODE_IOPL_OK) {
        emit_test_r32_imm_clobbers_flags(e, R10, EFLAGS_IF);
        same = emit_jcc_rel8(e, CC_Z);
        emit_test_m8_imm_clobbers_flags(e, &pending, 0xff);
        waits = emit_jcc_rel8(e, CC_NZ);
        emit_alu_m32_imm_clobbers_flags(e, ALU_XOR, &sys_flags, EFLAGS_IF);
        emit_here(e, same);
    }
    emit_alu_r32_imm_clobbers_flags(e, ALU_AND, R9, EFLAGS_LIVE);
    emit_push_r64(e, R9);
    emit_popfq_clobbers_flags(e);
    struct host_label done = emit_jmp_rel8(e);
    emit_here(e, system);
    if (waits.width)
        emit_here(e, waits);
    callout_call(t, CALLOUT_POPF, size);
    // There is no shadow: an interrupt that waits comes now, not at the end of the block.
    emit_lea_r32_disp(e, R8, R11, (int32_t)insn_next(t->insn));
    control_transfer(t);
    t->ended = false;
    emit_here(e, done);
    mark_begin(t, MARK_INSN, 0, false);
    t->last = t->mode & MODE_COUNTED; // a counted block is left at its end alone
}

// ---- RDTSC ----------------------------------------------------------------------------------------------------------

// EDX:EAX = the host's counter + tsc_offset, without touching the flags.
static void emit_rdtsc_offset(struct tctx *t) {
    struct emitter *e = &t->e;
    struct host_mem offset = mem_vcpu(ABI_OFFSET(tsc_offset));
    struct host_mem whole = mem_index(RAX, RDX, 0, 0), sum = mem_index(RAX, R9, 0, 0);
    if (t->mode & MODE_TSC_GP) {
        callout_raise(t, VECTOR_GP, 0);
        return;
    }
    if (t->mode & MODE_COUNTED) {
        callout_call(t, CALLOUT_RDTSC, t->insn->operand_size);
        return;
    }
    emit_rdtsc(e);
    emit_mov_r32_imm32(e, R10, 32);
    emit_shlx_r64(e, RDX, RDX, R10);
    emit_lea_r64_m(e, RAX, &whole);
    emit_mov_r64_m64(e, R9, &offset);
    emit_lea_r64_m(e, RAX, &sum);
    emit_shrx_r64(e, RDX, RAX, R10);
    emit_mov_r32_r32(e, RAX, RAX);
}

// ---- MOV r/m, Sreg --------------------------------------------------------------------------------------------------

static struct host_mem selector_of(unsigned seg) {
    return mem_vcpu(ABI_OFFSET(seg_selector) + (int32_t)(4 * seg));
}

static void op_store_selector(struct tctx *t, const struct host_mem *m, const struct access *a) {
    struct host_mem selector = selector_of(a->arg[0]);
    emit_mov_r32_m32(&t->e, R10, &selector);
    emit_mov_m16_r16(&t->e, m, R10);
}

// A register takes the selector zero-extended to the operand size, memory 16 bits of it.
static void emit_mov_from_seg(struct tctx *t) {
    const struct guest_insn *insn = t->insn;
    struct host_mem selector = selector_of(insn->reg);
    if (insn_is_mem(insn)) {
        access_emit(t, &(struct access){.ref = ref_modrm(insn),
                                        .size = 2,
                                        .intent = INTENT_WRITE,
                                        .op = op_store_selector,
                                        .arg = {insn->reg}});
    } else if (insn->operand_size == 2) {
        emit_mov_r16_m16(&t->e, host_of_guest(insn->rm), &selector);
    } else {
        emit_mov_r32_m32(&t->e, host_of_guest(insn->rm), &selector);
    }
}

// ---- MOV r32, CRn ---------------------------------------------------------------------------------------------------

static void emit_mov_from_cr(struct tctx *t) {
    static const int32_t offsets[8] = {
        [0] = ABI_OFFSET(cr0), [2] = ABI_OFFSET(cr2), [3] = ABI_OFFSET(cr3), [4] = ABI_OFFSET(cr4)};
    const struct guest_insn *insn = t->insn;
    if (mode_cpl(t->mode) != 0) {
        callout_raise(t, VECTOR_GP, 0);
    } else if (!offsets[insn->reg]) {
        callout_raise(t, VECTOR_UD, -1);
    } else {
        struct host_mem cr = mem_vcpu(offsets[insn->reg]);
        emit_mov_r32_m32(&t->e, host_of_guest(insn->rm), &cr);
    }
}

// ---- The kind -------------------------------------------------------------------------------------------------------

void inline_emit(struct tctx *t) {
    const struct guest_insn *insn = t->insn;
    if (insn->map == MAP_0F) {
        if (insn->opcode == 0xae)
            emit_fence(&t->e, insn->reg);
        else if (insn->opcode == 0x20)
            emit_mov_from_cr(t);
        else
            emit_rdtsc_offset(t);
        return;
    }
    switch (insn->opcode) {
    case 0xfa: emit_cli(t); break;
    case 0xfb: emit_sti(t); break;
    case 0x9c: emit_pushf(t); break;
    case 0x9d: emit_popf(t); break;
    default: emit_mov_from_seg(t); break;
    }
}
