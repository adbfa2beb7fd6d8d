// The verifier's first pass: a linear sweep over the block with Capstone, every byte covered. Each instruction is also
// taken apart here, prefix by prefix, for the allow-list to look at; both must agree on its length and its memory
// operand, so that neither decoder's mistake alone lets anything through. Intel SDM, vol. 2, chapter 2.
#include "translator/verify.h"

#include <capstone/capstone.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

// ---- What a thread keeps --------------------------------------------------------------------------------------------

struct workspace {
    csh handle;
    cs_insn *insn;
    struct vinsn insns[TRANSLATE_MAX_HOST + 1];
    struct vstate state[TRANSLATE_MAX_HOST + 1];
    uint16_t index[TRANSLATE_MAX_HOST + 1];
};

static pthread_key_t workspace_key;
static pthread_once_t workspace_once = PTHREAD_ONCE_INIT;
static int workspace_key_error;

static void workspace_free(void *memory) {
    struct workspace *w = memory;
    if (w->insn)
        cs_free(w->insn, 1);
    if (w->handle)
        cs_close(&w->handle);
    free(w);
}

static void workspace_init(void) {
    workspace_key_error = pthread_key_create(&workspace_key, workspace_free);
}

// NULL if memory or Capstone fails.
static struct workspace *workspace_of_thread(void) {
    pthread_once(&workspace_once, workspace_init);
    if (workspace_key_error)
        return NULL;
    struct workspace *w = pthread_getspecific(workspace_key);
    if (w)
        return w;
    w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    if (cs_open(CS_ARCH_X86, CS_MODE_64, &w->handle) != CS_ERR_OK)
        w->handle = 0;
    else if (cs_option(w->handle, CS_OPT_DETAIL, CS_OPT_ON) == CS_ERR_OK)
        w->insn = cs_malloc(w->handle);
    if (!w->insn || pthread_setspecific(workspace_key, w) != 0) {
        workspace_free(w);
        return NULL;
    }
    return w;
}

int verify_begin(struct verifier *v) {
    struct workspace *w = workspace_of_thread();
    if (!w)
        return error_set(v->err, "verifier: out of memory");
    v->capstone = w;
    v->insns = w->insns;
    v->state = w->state;
    v->index = w->index;
    v->count = 0;
    memset(w->index, 0, (v->in->size + 1) * sizeof *w->index);
    return 0;
}

// ---- Taking an instruction apart ------------------------------------------------------------------------------------

struct reader {
    const uint8_t *p;
    unsigned at, size;
    bool short_of; // bytes ran out
};

static unsigned peek(struct reader *r) {
    if (r->at < r->size)
        return r->p[r->at];
    r->short_of = true;
    return 0;
}

static unsigned take(struct reader *r) {
    unsigned byte = peek(r);
    r->at++;
    return byte;
}

static int64_t take_signed(struct reader *r, unsigned bytes) {
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; i++)
        value |= (uint64_t)take(r) << 8 * i;
    unsigned unused = 64 - 8 * bytes;
    return bytes == 0 ? 0 : (int64_t)(value << unused) >> unused;
}

// Each prefix at most once; of the segment overrides only GS. NULL, or the rule that is broken.
static const char *take_prefixes(struct reader *r, struct vinsn *n) {
    for (;; r->at++) {
        switch (peek(r)) {
        case 0xf0:
            if (n->lock)
                return "a prefix is repeated";
            n->lock = true;
            break;
        case 0xf2:
        case 0xf3:
            if (n->rep)
                return "a prefix is repeated";
            n->rep = (uint8_t)peek(r);
            break;
        case 0x66:
            if (n->opsize)
                return "a prefix is repeated";
            n->opsize = true;
            break;
        case 0x67:
            if (n->addr32)
                return "a prefix is repeated";
            n->addr32 = true;
            break;
        case 0x65:
            if (n->gs)
                return "a prefix is repeated";
            n->gs = true;
            break;
        case 0x26:
        case 0x2e:
        case 0x36:
        case 0x3e:
        case 0x64: return "a segment override other than GS";
        default: return r->short_of ? "the block ends inside an instruction" : NULL;
        }
    }
}

enum { REX_W = 8, REX_R = 4, REX_X = 2, REX_B = 1 };

// VEX of two or three bytes: register extensions and W come as REX would give them.
static const char *take_vex(struct reader *r, struct vinsn *n, bool two) {
    unsigned first = two ? (peek(r) & 0x80) | 0x61 : take(r), second = take(r), map = first & 0x1f;
    if (n->lock || n->rep || n->opsize || n->rex)
        return "a prefix before VEX";
    n->rex = (uint8_t)(0x40 | (~first >> 5 & 7) | (two ? 0 : second >> 7 << 3));
    n->vvvv = (uint8_t)(~second >> 3 & 15);
    n->ymm = second >> 2 & 1;
    n->pp = second & 3;
    n->map = map == 1 ? VMAP_VEX0F : map == 2 ? VMAP_VEX38 : map == 3 ? VMAP_VEX3A : 0xff;
    n->opcode = (uint8_t)take(r);
    return NULL;
}

static const char *take_opcode(struct reader *r, struct vinsn *n) {
    if ((peek(r) & 0xf0) == 0x40)
        n->rex = (uint8_t)take(r);
    unsigned byte = take(r);
    n->map = VMAP_1B;
    if (byte == 0xc4 || byte == 0xc5) {
        const char *rule = take_vex(r, n, byte == 0xc5);
        if (rule)
            return rule;
        byte = n->opcode;
    } else if (byte == 0x0f) {
        n->map = VMAP_0F;
        byte = take(r);
        if (byte == 0x38 || byte == 0x3a) {
            n->map = byte == 0x38 ? VMAP_0F38 : VMAP_0F3A;
            byte = take(r);
        }
    }
    n->opcode = (uint8_t)byte;
    n->wide = n->rex & REX_W;
    n->form = verify_form_find(n->map, byte);
    if (n->form->shape == SHAPE_VEX && (n->gs || n->addr32 || n->ymm))
        return "a prefix or length that BMI2 has not";
    return n->form->shape == SHAPE_BAD ? "an opcode that is not on the list" : NULL;
}

static void take_memory(struct reader *r, struct vinsn *n) {
    unsigned mod = n->modrm >> 6, rm = n->modrm & 7, disp = mod == 1 ? 1 : mod == 2 ? 4 : 0;
    n->is_mem = true;
    n->index = V_NONE;
    if (rm == 4) {
        unsigned sib = take(r), index = (sib >> 3 & 7) | (n->rex & REX_X ? 8u : 0u);
        n->scale = (uint8_t)(sib >> 6);
        n->index = index == V_RSP ? V_NONE : (uint8_t)index;
        n->base = (uint8_t)((sib & 7) | (n->rex & REX_B ? 8u : 0u));
        if ((sib & 7) == 5 && mod == 0) {
            n->base = V_NONE;
            disp = 4;
        }
    } else if (rm == 5 && mod == 0) {
        n->base = V_RIP;
        disp = 4;
    } else {
        n->base = (uint8_t)(rm | (n->rex & REX_B ? 8u : 0u));
    }
    n->disp = (int32_t)take_signed(r, disp);
}

static bool has_modrm(const struct vinsn *n) {
    switch (n->form->shape) {
    case SHAPE_LEA:
    case SHAPE_NOP:
    case SHAPE_INT:
    case SHAPE_SIMD:
    case SHAPE_X87:
    case SHAPE_AVX:
    case SHAPE_VEX: return true;
    default: return false;
    }
}

static unsigned immediate_size(const struct vinsn *n) {
    unsigned operand = n->opsize ? 2 : 4;
    switch (n->form->imm) {
    case IMM_8:
    case IMM_REL8: return 1;
    case IMM_REL32: return 4;
    case IMM_OPERAND: return operand;
    case IMM_MOV: return n->wide ? 8 : operand;
    case IMM_GROUP3: return (n->modrm >> 3 & 7) > 1 ? 0 : n->opcode & 1 ? operand : 1;
    default: return 0;
    }
}

static const char *parse(struct reader *r, struct vinsn *n) {
    const char *rule = take_prefixes(r, n);
    if (!rule)
        rule = take_opcode(r, n);
    if (rule)
        return rule;
    if (has_modrm(n)) {
        n->has_modrm = true;
        n->modrm = (uint8_t)take(r);
        n->reg = (uint8_t)((n->modrm >> 3 & 7) | (n->rex & REX_R ? 8u : 0u));
        if (n->modrm >> 6 == 3)
            n->rm = (uint8_t)((n->modrm & 7) | (n->rex & REX_B ? 8u : 0u));
        else
            take_memory(r, n);
    }
    n->imm = (uint64_t)take_signed(r, immediate_size(n));
    if (r->short_of)
        return "the block ends inside an instruction";
    n->length = (uint8_t)r->at;
    return NULL;
}

// ---- What Capstone says ---------------------------------------------------------------------------------------------

// Capstone's register as a number; *bytes is its width. RIZ and EIZ, an index that is none, are V_NONE.
static unsigned capstone_register(unsigned reg, unsigned *bytes) {
    static const uint16_t wide[16] = {X86_REG_RAX, X86_REG_RCX, X86_REG_RDX, X86_REG_RBX, X86_REG_RSP, X86_REG_RBP,
                                      X86_REG_RSI, X86_REG_RDI, X86_REG_R8,  X86_REG_R9,  X86_REG_R10, X86_REG_R11,
                                      X86_REG_R12, X86_REG_R13, X86_REG_R14, X86_REG_R15};
    static const uint16_t narrow[16] = {
        X86_REG_EAX, X86_REG_ECX, X86_REG_EDX,  X86_REG_EBX,  X86_REG_ESP,  X86_REG_EBP,  X86_REG_ESI,  X86_REG_EDI,
        X86_REG_R8D, X86_REG_R9D, X86_REG_R10D, X86_REG_R11D, X86_REG_R12D, X86_REG_R13D, X86_REG_R14D, X86_REG_R15D};
    *bytes = 0;
    if (reg == X86_REG_INVALID || reg == X86_REG_RIZ || reg == X86_REG_EIZ)
        return V_NONE;
    for (unsigned i = 0; i < 16; i++) {
        if (reg == wide[i] || reg == narrow[i]) {
            *bytes = reg == wide[i] ? 8 : 4;
            return i;
        }
    }
    return V_RIP;
}

static bool agrees_on_memory(const struct vinsn *n, const cs_x86_op *o) {
    unsigned base_bytes, index_bytes, width = n->addr32 ? 4 : 8;
    unsigned base = capstone_register(o->mem.base, &base_bytes), index = capstone_register(o->mem.index, &index_bytes);
    if (base != n->base || index != n->index || (base_bytes && base_bytes != width) ||
        (index_bytes && index_bytes != width))
        return false;
    if (index != V_NONE && o->mem.scale != 1 << n->scale)
        return false;
    if ((o->mem.segment == X86_REG_GS) != n->gs || (o->mem.segment != X86_REG_INVALID && !n->gs))
        return false;
    return (int32_t)o->mem.disp == n->disp;
}

static const char *compare(const struct vinsn *n, const cs_insn *insn) {
    const cs_x86 *x = &insn->detail->x86;
    if (insn->size != n->length)
        return "the decoders disagree on the length";
    if (!n->is_mem)
        return NULL;
    for (unsigned i = 0; i < x->op_count; i++)
        if (x->operands[i].type == X86_OP_MEM)
            return agrees_on_memory(n, &x->operands[i]) ? NULL : "the decoders disagree on the memory operand";
    return "Capstone sees no memory operand";
}

// ---- The sweep ------------------------------------------------------------------------------------------------------

int verify_decode(struct verifier *v) {
    struct workspace *w = v->capstone;
    const uint8_t *code = v->in->code;
    size_t left = v->in->size;
    uint64_t address = v->in->code_rx;
    while (left != 0) {
        unsigned at = v->in->size - (unsigned)left;
        struct vinsn *n = &v->insns[v->count];
        *n = (struct vinsn){.at = (uint16_t)at, .length = 1};
        struct reader r = {.p = code, .size = left > 15 ? 15 : (unsigned)left};
        const char *rule = parse(&r, n);
        if (!rule && !cs_disasm_iter(w->handle, &code, &left, &address, w->insn))
            rule = "Capstone cannot decode it";
        else if (!rule)
            rule = compare(n, w->insn);
        v->index[at] = (uint16_t)(v->count + 1);
        v->count++;
        if (rule)
            return verify_reject(v, v->count - 1, rule);
    }
    v->insns[v->count] = (struct vinsn){.at = (uint16_t)v->in->size};
    return 0;
}
