// The host form of a case: the guest's own bytes as far as 64-bit mode reads them in the same way, memory operands with
// the 67h prefix, so that they stay below 4 GiB. rsp is the guest's ESP, as no instruction of the host form uses the
// stack. A VEX prefix means the same, as it names no register above 7. FS and GS have the same base in the guest; the
// host form uses GS for both.
#include "native_context.h"

#include <string.h>

#define PIECE_MAX 48

struct form {
    struct native_context *c;
    uint8_t *at;
    struct {
        uint8_t *field;
        unsigned target;
    } branches[FUZZ_INSNS];
    unsigned branch_count;
};

static void put(struct form *f, const void *bytes, unsigned size) {
    memcpy(f->at, bytes, size);
    f->at += size;
}

static void put8(struct form *f, unsigned value) {
    *f->at++ = (uint8_t)value;
}

static void put32(struct form *f, uint32_t value) {
    put(f, &value, 4);
}

static void put_branch(struct form *f, unsigned target) {
    f->branches[f->branch_count].field = f->at;
    f->branches[f->branch_count++].target = target;
    put32(f, 0);
}

static void put_visited(struct form *f, unsigned index) { // mov byte [r15+visited+index],1
    put(f, (const uint8_t[]){0x41, 0xc6, 0x87}, 3);
    put32(f, CONTEXT_VISITED + index);
    put8(f, 1);
}

static void put_model(struct form *f, unsigned index) { // mov dword [r15+model_index],index; jmp [r15+model_entry]
    put(f, (const uint8_t[]){0x41, 0xc7, 0x87}, 3);
    put32(f, CONTEXT_MODEL_INDEX);
    put32(f, index);
    put(f, (const uint8_t[]){0x41, 0xff, 0xa7}, 3);
    put32(f, CONTEXT_MODEL_ENTRY);
}

// Stack instructions with a 16-bit operand are the same in 64-bit mode: ESP moves by two.
static bool stack16(const struct fuzz_parsed *p) {
    uint8_t op = p->opcode;
    if (!p->size16)
        return false;
    return (op >= 0x50 && op <= 0x5f) || op == 0x68 || op == 0x6a || op == 0x8f || op == 0x9c || op == 0x9d ||
           op == 0xc8 || op == 0xc9 || (op == 0xff && p->reg == 6);
}

// 64-bit mode has no such instruction, gives it another size, or it uses the stack, EIP or a segment register.
static bool for_model(const struct fuzz_parsed *p) {
    uint8_t op = p->opcode;
    if (p->map == 1)
        return op == 0xa0 || op == 0xa8;
    if (p->map != 0 || stack16(p))
        return false;
    switch (op) {
    case 0x06:
    case 0x0e:
    case 0x16:
    case 0x1e:
    case 0x27:
    case 0x2f:
    case 0x37:
    case 0x3f:
    case 0x60:
    case 0x61:
    case 0x62:
    case 0x63:
    case 0x68:
    case 0x6a:
    case 0x8c:
    case 0x8f:
    case 0x9c:
    case 0x9d:
    case 0xc2:
    case 0xc3:
    case 0xc8:
    case 0xc9:
    case 0xce:
    case 0xd4:
    case 0xd5:
    case 0xd6:
    case 0xe8: return true;
    case 0xff: return p->reg == 2 || p->reg == 4 || p->reg == 6;
    case 0xe0:
    case 0xe1:
    case 0xe2:
    case 0xe3: return p->addr16;
    default: return op >= 0x50 && op <= 0x5f;
    }
}

static bool implicit_memory(const struct fuzz_parsed *p) {
    uint8_t op = p->opcode;
    if (p->map == 1)
        return op == 0xf7; // MASKMOVQ, MASKMOVDQU
    return p->map == 0 &&
           ((op >= 0xa0 && op <= 0xa7) || (op >= 0xaa && op <= 0xaf) || op == 0xd7 || (op >= 0x6c && op <= 0x6f));
}

// Prefixes as they stand, with 67h and FS made GS.
static void put_prefixes(struct form *f, const struct fuzz_insn *insn, const struct fuzz_parsed *p) {
    if (p->memory || implicit_memory(p))
        put8(f, 0x67);
    unsigned end = p->opcode_at - (p->vex ? p->vex : p->map == 0 ? 0u : p->map == 1 ? 1u : 2u);
    for (unsigned i = 0; i < end; i++)
        put8(f, insn->bytes[i] == 0x64 ? 0x65 : insn->bytes[i]);
}

// The bytes behind the opcode. An immediate that names a register has one bit more in 64-bit mode (VBLENDVPS).
static void put_rest(struct form *f, const struct fuzz_insn *insn, const struct fuzz_parsed *p, unsigned from) {
    put(f, insn->bytes + from, insn->length - from);
    if (p->vex && p->map == 3 && p->opcode >= 0x4a && p->opcode <= 0x4c)
        f->at[-1] &= 0x7f;
}

static bool put_copy(struct form *f, const struct fuzz_insn *insn, const struct fuzz_parsed *p) {
    if (p->addr16)
        return false;
    put_prefixes(f, insn, p);
    if (p->map == 0 && p->opcode >= 0x40 && p->opcode <= 0x4f) { // INC and DEC of a register
        put8(f, 0xff);
        put8(f, 0xc0 | (p->opcode & 0xf));
        return true;
    }
    if (p->vex)
        put(f, insn->bytes + p->opcode_at - p->vex, p->vex);
    else if (p->map == 1)
        put8(f, 0x0f);
    else if (p->map > 1)
        put(f, p->map == 2 ? (const uint8_t[]){0x0f, 0x38} : (const uint8_t[]){0x0f, 0x3a}, 2);
    put8(f, p->map == 0 && p->opcode == 0x82 ? 0x80 : p->opcode);
    if (p->memory && p->mod == 0 && p->rm == 5) { // would be relative to RIP
        put8(f, (unsigned)p->reg << 3 | 4u);
        put8(f, 0x25);
        put_rest(f, insn, p, p->disp_at);
        return true;
    }
    put_rest(f, insn, p, p->opcode_at + 1u);
    return true;
}

static bool put_insn(struct form *f, unsigned index) {
    const struct fuzz_insn *insn = &f->c->fuzz_case->insns[index];
    const struct fuzz_parsed *p = &f->c->parsed[index];
    uint8_t op = p->opcode;
    bool branch = (p->map == 1 && op >= 0x80 && op <= 0x8f) ||
                  (p->map == 0 && ((op >= 0x70 && op <= 0x7f) || op == 0xeb || op == 0xe9 || (op & 0xfc) == 0xe0));
    if (branch && p->lock && !for_model(p))
        put8(f, 0xf0);
    if (for_model(p)) {
        put_model(f, index);
    } else if (p->map == 1 && op >= 0x80 && op <= 0x8f) {
        put8(f, 0x0f);
        put8(f, op);
        put_branch(f, insn->target);
    } else if (p->map == 0 && op >= 0x70 && op <= 0x7f) {
        put8(f, 0x0f);
        put8(f, op + 0x10);
        put_branch(f, insn->target);
    } else if (p->map == 0 && (op == 0xeb || op == 0xe9)) {
        put8(f, 0xe9);
        put_branch(f, insn->target);
    } else if (p->map == 0 && op >= 0xe0 && op <= 0xe3) { // over a jump: the target may be too far
        put(f, (const uint8_t[]){0x67, op, 2, 0xeb, 5, 0xe9}, 6);
        put_branch(f, insn->target);
    } else {
        return put_copy(f, insn, p);
    }
    return true;
}

bool native_form(struct native_context *c) {
    struct form f = {.c = c, .at = c->code};
    const struct fuzz_case *fuzz_case = c->fuzz_case;
    for (unsigned i = 0; i < fuzz_case->count; i++) {
        uint8_t *begin = f.at;
        c->host[i] = (uint16_t)(f.at - c->code);
        fuzz_parse(fuzz_case->insns[i].bytes, fuzz_case->insns[i].length, &c->parsed[i]);
        put_visited(&f, i);
        if (!put_insn(&f, i))
            return false;
        memset(c->index + (begin - c->code), (int)i, (size_t)(f.at - begin));
    }
    c->host[fuzz_case->count] = (uint16_t)(f.at - c->code);
    put(&f, (const uint8_t[]){0x41, 0xff, 0xa7}, 3); // jmp [r15+end]
    put32(&f, CONTEXT_END);
    for (unsigned i = 0; i < f.branch_count; i++) {
        uint8_t *field = f.branches[i].field;
        uint32_t relative = (uint32_t)(c->code + c->host[f.branches[i].target] - (field + 4));
        memcpy(field, &relative, 4);
    }
    return true;
}
