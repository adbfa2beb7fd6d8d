// Runs of x87 instructions: the instruction and operand pointers are stored once, behind a run, which may go on over
// instructions on general registers that cannot fault (PITFALLS 5 of the design; Intel SDM, vol. 1, 8.1.8). Whoever
// takes a fault out of a run computes here what they would be. An operand's address is kept as a sum of registers; an
// addition of a constant to one of these is made up for, any other write to one ends the run.
#include "translator/x87_run.h"

#include "translator/peek.h"
#include "translator/table.h"

static bool is_member(const struct guest_insn *insn) {
    const struct table_row *row = table_find_insn(insn);
    return row->kind == KIND_FPU && !row->x87_control;
}

void x87_run_take(struct x87_pointers *pointers, const struct guest_insn *insn, uint32_t at) {
    pointers->fip = true;
    pointers->fip_at = at;
    if (!insn_is_mem(insn))
        return;
    const struct mem_ref ref = ref_modrm(insn);
    pointers->fdp = true;
    pointers->base = ref.base;
    pointers->index = ref.index;
    pointers->scale = ref.scale;
    pointers->address_size = ref.address_size;
    pointers->disp = (uint32_t)ref.disp;
}

static bool holds(const struct x87_pointers *p, unsigned reg) {
    return p->fdp && (p->base == reg || p->index == reg);
}

static bool adds(struct x87_pointers *p, unsigned reg, uint32_t value) {
    if (p->fdp && p->base == reg)
        p->disp -= value;
    if (p->fdp && p->index == reg)
        p->disp -= value << p->scale;
    return true;
}

// What may stand in a run: ADD to CMP, TEST, MOV, INC and DEC of whole registers, and LEA.
static bool passes(struct x87_pointers *p, const struct guest_insn *insn) {
    unsigned op = insn->opcode;
    if (insn->map != MAP_1B || insn->operand_size != 4 || insn->lock || insn->rep || insn->vex)
        return false;
    if (op >= 0x40 && op <= 0x4f)
        return adds(p, op & 7, op < 0x48 ? 1 : ~0u);
    if (op >= 0xb8 && op <= 0xbf)
        return !holds(p, op & 7);
    if (op == 0x8d)
        return insn_is_mem(insn) && !holds(p, insn->reg);
    if (!insn->has_modrm || insn->mod != 3)
        return false;
    if (op == 0x81 || op == 0x83) {
        if (insn->reg == 0 || insn->reg == 5) // ADD, SUB
            return adds(p, insn->rm, insn->reg == 0 ? (uint32_t)insn->imm : 0u - (uint32_t)insn->imm);
        return insn->reg == 7 || !holds(p, insn->rm);
    }
    if (op == 0x85 || op == 0x39 || op == 0x3b) // TEST, CMP
        return true;
    if (op == 0x89 || (op < 0x38 && (op & 7) == 1))
        return !holds(p, insn->rm);
    return (op == 0x8b || (op < 0x38 && (op & 7) == 3)) && !holds(p, insn->reg);
}

bool x87_run_goes_on(const struct tctx *t) {
    struct guest_insn next;
    struct x87_pointers copy = t->x87;
    return peek_next(t, &next) && (is_member(&next) || passes(&copy, &next));
}

void x87_run_pass(struct tctx *t) {
    if (!is_member(t->insn))
        (void)passes(&t->x87, t->insn);
}

void translate_x87_pointers(const uint8_t *bytes, uint32_t size, uint32_t offset, bool code32, uint32_t at,
                            struct x87_pointers *pointers) {
    struct guest_insn insn;
    *pointers = (struct x87_pointers){0};
    uint32_t next = 0;
    while (next < at && decode_insn(bytes + next, size - next, offset + next, code32, &insn) == DECODE_OK) {
        if (is_member(&insn))
            x87_run_take(pointers, &insn, next);
        else if (!passes(pointers, &insn))
            *pointers = (struct x87_pointers){0};
        next += insn.length;
    }
    if (next != at)
        *pointers = (struct x87_pointers){0};
}
