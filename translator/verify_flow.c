// The verifier's fourth pass: where control can go, and what is known of the registers there. One walk over the block
// carries the abstract state; a forward jump adds its state to that of its target, a backward one must agree with what
// was proved there. Targets are instruction starts outside sequences, STUB_EXIT, or the exits of the side table.
#include "translator/verify.h"

#include <string.h>

// ---- States ---------------------------------------------------------------------------------------------------------

void verify_clean(struct vstate *s) {
    memset(s, 0, sizeof *s);
    for (unsigned reg = 0; reg < 16; reg++)
        s->kind[reg] = reg <= V_RDI || reg == V_R12 ? KIND_U32 : KIND_TOP;
    s->reached = true;
}

int verify_require_clean(struct verifier *v, unsigned i, const struct vstate *s) {
    for (unsigned reg = 0; reg <= V_R12; reg++)
        if ((reg <= V_RDI || reg == V_R12) && s->kind[reg] != KIND_U32)
            return verify_reject(v, i, "a guest register leaves the block with an upper half");
    if (s->held)
        return verify_reject(v, i, "a guest register is left behind in a scratch register");
    if (s->bounced)
        return verify_reject(v, i, "a bounced operand is not written back");
    return 0;
}

static unsigned join_kind(const struct vstate *a, const struct vstate *b, unsigned reg) {
    unsigned x = a->kind[reg], y = b->kind[reg];
    bool valued = x == KIND_IMM || x == KIND_LIVE;
    if (x == y && (!valued || a->value[reg - V_R8] == b->value[reg - V_R8]))
        return x;
    return verify_is_u32(a, reg) && verify_is_u32(b, reg) ? KIND_U32 : KIND_TOP;
}

// into = what holds on both paths.
static void join(struct vstate *into, const struct vstate *s) {
    for (unsigned reg = 0; reg < 16; reg++)
        into->kind[reg] = (uint8_t)join_kind(into, s, reg);
    if (s->size < into->size)
        into->size = s->size;
    into->writable &= s->writable;
}

static bool kind_implies(const struct vstate *s, const struct vstate *t, unsigned reg) {
    switch (t->kind[reg]) {
    case KIND_TOP: return true;
    case KIND_U32: return verify_is_u32(s, reg);
    case KIND_LOW: return s->kind[reg] == KIND_LOW || verify_is_u32(s, reg);
    default: return s->kind[reg] == t->kind[reg] && s->value[reg - V_R8] == t->value[reg - V_R8];
    }
}

static bool implies(const struct vstate *s, const struct vstate *t) {
    for (unsigned reg = 0; reg < 16; reg++)
        if (!kind_implies(s, t, reg))
            return false;
    return s->size >= t->size && (s->writable || !t->writable || t->size == 0) && s->bounced == t->bounced &&
           s->held == t->held;
}

// ---- Jumps ----------------------------------------------------------------------------------------------------------

// The instruction at offset `to`; -1 if a jump must not lead there.
static int target_index(struct verifier *v, unsigned i, uint32_t to) {
    if (to >= v->in->size || v->index[to] == 0)
        return verify_reject(v, i, "a jump to no instruction of the block and no listed stub");
    int target = v->index[to] - 1;
    if (v->insns[target].interior)
        return verify_reject(v, i, "a jump into a listed sequence");
    return target;
}

static int arrive(struct verifier *v, unsigned i, const struct vstate *s, unsigned target) {
    struct vstate *t = &v->state[target];
    if (!t->reached) {
        *t = *s;
        return 0;
    }
    if (t->bounced != s->bounced)
        return verify_reject(v, i, "paths meet of which one has a bounced operand to write back");
    if (t->held != s->held)
        return verify_reject(v, i, "paths meet of which one has exchanged a guest register");
    join(t, s);
    return 0;
}

int verify_jump(struct verifier *v, unsigned i, const struct vstate *s, uint32_t to) {
    int target = target_index(v, i, to);
    if (target < 0)
        return -1;
    v->insns[i].jump = (uint16_t)(target + 1);
    if ((unsigned)target > i)
        return arrive(v, i, s, (unsigned)target);
    if (!(v->insns[target].target & (TARGET_BACK | TARGET_LOOKED)))
        return verify_reject(v, i, "a backward jump that is not listed");
    if (!v->state[target].reached || !implies(s, &v->state[target]))
        return verify_reject(v, i, "a backward jump brings less than its target relies on");
    return 0;
}

static uint32_t offset_of(const struct vinsn *n) {
    return (uint32_t)n->at + n->length + (uint32_t)n->imm;
}

// ---- Backward jumps and exits, found before the walk ----------------------------------------------------------------

static bool calls(const struct verifier *v, const struct vinsn *n, enum abi_stub stub) {
    return n->sequence == SEQ_STUB_CALL && verify_target(v, n + 1) == v->in->stub[stub];
}

// Only JMP rel32 goes back: from out-of-line code to where the block goes on.
static void find_backward_jumps(struct verifier *v) {
    unsigned last = 0;
    for (unsigned i = 0; i < v->count; i += v->insns[i].covers) {
        const struct vinsn *n = &v->insns[i];
        uint32_t to = offset_of(n);
        if (n->form->shape == SHAPE_JMP && n->opcode == 0xe9 && !n->is_exit && to <= n->at && v->index[to])
            v->insns[v->index[to] - 1].target |=
                calls(v, &v->insns[last], STUB_SOFT_MISS) ? TARGET_LOOKED : TARGET_BACK;
        last = i;
    }
}

// The branch whose rel32 field is at `site`.
static struct vinsn *exit_branch(struct verifier *v, const struct block_exit *x) {
    for (unsigned back = 1; back <= 2; back++) { // E9, or 0F 8x
        if (x->site < back || x->site >= v->in->size || v->index[x->site - back] == 0)
            continue;
        struct vinsn *n = &v->insns[v->index[x->site - back] - 1];
        bool jump = n->form->shape == SHAPE_JMP || n->form->shape == SHAPE_JCC;
        if (jump && n->form->imm == IMM_REL32 && n->length == back + 4u && !n->interior)
            return n;
    }
    return NULL;
}

static int find_exits(struct verifier *v) {
    const struct translate_output *out = v->in->out;
    if (out->exit_count > TRANSLATE_MAX_EXITS || (out->exit_count && (v->in->mode & MODE_ONE)))
        return verify_reject(v, 0, "more exits than the mode allows");
    for (unsigned k = 0; k < out->exit_count; k++) {
        struct vinsn *n = exit_branch(v, &out->exits[k]);
        if (!n || n->is_exit || offset_of(n) != out->exits[k].cold)
            return verify_reject(v, 0, "an exit of the side table is no branch to its unlinked path");
        n->is_exit = true;
    }
    return 0;
}

// The kick handler goes back to the start of a transfer sequence by these marks, so they must be exact.
static int check_marks(struct verifier *v) {
    const struct translate_output *out = v->in->out;
    unsigned marked = 0, found = 0;
    for (unsigned k = 0; k < out->mark_count; k++) {
        const struct block_mark *m = &out->marks[k];
        uint32_t end = k + 1u < out->mark_count ? out->marks[k + 1].host : v->in->size;
        if (m->host > v->in->size || end < m->host || (m->host < v->in->size && v->index[m->host] == 0))
            return verify_reject(v, 0, "a mark of the side table is no instruction");
        if (m->kind != MARK_TRANSFER)
            continue;
        const struct vinsn *n = m->host < v->in->size ? &v->insns[v->index[m->host] - 1] : NULL;
        if (!n || n->sequence != SEQ_TRANSFER || end != n[n->covers].at)
            return verify_reject(v, 0, "a transfer mark that does not cover a transfer sequence");
        marked++;
    }
    for (unsigned i = 0; i < v->count; i += v->insns[i].covers)
        found += v->insns[i].sequence == SEQ_TRANSFER;
    return marked == found ? 0 : verify_reject(v, 0, "a transfer sequence without its mark");
}

// ---- The walk -------------------------------------------------------------------------------------------------------

static int check_branch_form(struct verifier *v, unsigned i) {
    const struct vinsn *n = &v->insns[i];
    bool narrow = n->form->shape == SHAPE_JCXZ;
    if (n->lock || n->rep || n->opsize || n->gs || n->rex || (n->addr32 && !narrow))
        return verify_reject(v, i, "a prefix on a jump");
    if (narrow && n->opcode != 0xe3 && !n->addr32)
        return verify_reject(v, i, "LOOP without 67h counts in RCX");
    return 0;
}

static int walk_branch(struct verifier *v, unsigned i, struct vstate *s) {
    const struct vinsn *n = &v->insns[i];
    bool unconditional = n->form->shape == SHAPE_JMP;
    if (check_branch_form(v, i) < 0)
        return -1;
    if (unconditional && verify_target(v, n) == v->in->stub[STUB_EXIT] && !n->is_exit) {
        s->reached = false;
        if (!verify_is_u32(s, V_R8))
            return verify_reject(v, i, "an exit to an address that may have an upper half");
        return verify_require_clean(v, i, s);
    }
    if (n->is_exit && verify_require_clean(v, i, s) < 0)
        return -1;
    if (verify_jump(v, i, s, offset_of(n)) < 0)
        return -1;
    s->reached = !unconditional;
    return 0;
}

static bool is_branch(const struct vinsn *n) {
    return n->form->shape == SHAPE_JMP || n->form->shape == SHAPE_JCC || n->form->shape == SHAPE_JCXZ;
}

// While ECX or EDI waits in a scratch register, only JRCXZ, MASKMOV in the window and the exchange back may come.
static bool may_follow_exchange(const struct vinsn *n, const struct vstate *s) {
    if (!s->held)
        return true;
    bool mask_move = n->map == VMAP_0F && n->opcode == 0xf7 && n->gs && n->addr32;
    return n->form->shape == SHAPE_JCXZ || mask_move || verify_exchange(n) == s->held;
}

// What holds at `i`, after all that comes from before it.
static void enter(struct verifier *v, unsigned i) {
    struct vstate *s = &v->state[i];
    unsigned target = v->insns[i].target;
    if (target & TARGET_BACK) {
        verify_write(s, V_R8, KIND_TOP);
        verify_write(s, V_R9, KIND_TOP);
        verify_write(s, V_R10, KIND_TOP);
    } else if (target & TARGET_LOOKED) {
        s->kind[V_R8] = verify_is_u32(s, V_R8) ? KIND_U32 : KIND_TOP;
        s->kind[V_R9] = KIND_TOP;
        s->kind[V_R10] = KIND_TOP;
    }
}

static int walk(struct verifier *v) {
    for (unsigned i = 0; i <= v->count; i++)
        v->state[i].reached = false;
    struct vstate s;
    verify_clean(&s); // behind the leading lea: links enter here
    s.kind[V_R11] = KIND_U32;
    v->state[1] = s;
    unsigned next;
    for (unsigned i = 1; i < v->count; i = next) {
        const struct vinsn *n = &v->insns[i];
        next = i + n->covers;
        if (!v->state[i].reached && (n->target & TARGET_BACK)) { // only out-of-line code leads here
            verify_clean(&v->state[i]);
            v->state[i].kind[V_R11] = KIND_U32;
        }
        if (!v->state[i].reached) {
            bool padding = n->form->shape == SHAPE_NOP || (n->map == VMAP_1B && n->opcode == 0x90);
            if (!padding)
                return verify_reject(v, i, "code that nothing leads to");
            continue;
        }
        enter(v, i);
        s = v->state[i];
        if (!may_follow_exchange(n, &s))
            return verify_reject(v, i, "a guest register waits in a scratch register");
        int status = n->sequence    ? verify_effect(v, i, &s)
                     : is_branch(n) ? walk_branch(v, i, &s)
                                    : verify_ordinary(v, i, &s);
        if (status < 0)
            return -1;
        for (unsigned k = i; k + 1 < next; k++)
            v->insns[k].fall = (uint16_t)(k + 2);
        if (!s.reached)
            continue;
        if (next >= v->count)
            return verify_reject(v, i, "the block runs on behind its end");
        v->insns[next - 1].fall = (uint16_t)(next + 1);
        if (arrive(v, i, &s, next) < 0)
            return -1;
    }
    return 0;
}

// A crossing block that links reach must look at the page behind it.
static int check_crossing(struct verifier *v) {
    if (!v->in->out->crossing || v->in->next_slice == 0)
        return 0;
    for (unsigned i = 1; i < v->count; i += v->insns[i].covers)
        if (v->insns[i].sequence == SEQ_CROSSING)
            return 0;
    return verify_reject(v, 0, "a crossing block that does not check the next page");
}

// A counted block is charged once, before anything else but its checks; another block never. The same for the record
// of a traced block.
static int check_charge(struct verifier *v) {
    unsigned charges = 0, records = 0;
    for (unsigned i = 1; i < v->count; i += v->insns[i].covers) {
        bool record = v->insns[i].sequence == SEQ_RECORD;
        records += record;
        charges += v->insns[i].sequence == SEQ_CHARGE || (record && v->insns[i].covers == RECORD_CHARGED);
    }
    if (charges != ((v->in->mode & MODE_COUNTED) != 0))
        return verify_reject(v, 0, "a block that is charged wrongly");
    return records == ((v->in->mode & MODE_TRACED) != 0) ? 0 : verify_reject(v, 0, "a block that is recorded wrongly");
}

int verify_flow(struct verifier *v) {
    if (find_exits(v) < 0 || check_marks(v) < 0 || check_crossing(v) < 0 || check_charge(v) < 0)
        return -1;
    find_backward_jumps(v);
    return walk(v) < 0 ? -1 : verify_cycles(v);
}
