// Decoding and control flow of the second opinion.
#include "tests/verifier/confine_graph.h"

#include <string.h>

int graph_gpr(ZydisRegister reg) {
    if (reg == ZYDIS_REGISTER_NONE || reg == ZYDIS_REGISTER_RIP || reg == ZYDIS_REGISTER_EIP)
        return -1;
    ZydisRegister whole = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);
    if (whole < ZYDIS_REGISTER_RAX || whole > ZYDIS_REGISTER_R15)
        return -1;
    return (int)(whole - ZYDIS_REGISTER_RAX);
}

static void note_writes(struct node *n) {
    for (unsigned k = 0; k < n->insn.operand_count; k++) {
        const ZydisDecodedOperand *o = &n->op[k];
        if (o->type != ZYDIS_OPERAND_TYPE_REGISTER || !(o->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
            continue;
        int reg = graph_gpr(o->reg.value);
        if (reg < 0)
            continue;
        uint16_t bit = (uint16_t)(1u << reg);
        n->writes |= bit;
        if (o->size == 64)
            n->wide |= bit;
        else if (o->size == 32 && (o->actions & ZYDIS_OPERAND_ACTION_WRITE))
            n->narrow |= bit;
    }
}

static const char *decode(struct graph *g, const struct verify_input *in, int *bad) {
    ZydisDecoder decoder;
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    for (uint32_t at = 0; at < in->size;) {
        if (g->count == NODES_MAX)
            return "too many instructions";
        struct node *n = &g->node[g->count];
        *bad = g->count;
        *n = (struct node){.at = at, .stub = -1, .first_pred = -1, .first_succ = -1};
        if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, in->code + at, in->size - at, &n->insn, n->op)))
            return "not an instruction";
        note_writes(n);
        g->start[at] = g->count++;
        at += n->insn.length;
    }
    return NULL;
}

// ---- Edges
// ------------------------------------------------------------------------------------------------------------

static void add_edge(struct graph *g, int from, int to) {
    struct edge *e = &g->edge[g->edge_count];
    *e = (struct edge){
        .from = from, .to = to, .next_pred = g->node[to].first_pred, .next_succ = g->node[from].first_succ};
    g->node[to].first_pred = g->node[from].first_succ = g->edge_count++;
}

static const char *add_next(struct graph *g, int i, int skip) {
    if (i + 1 + skip >= g->count)
        return "control runs off the end";
    add_edge(g, i, i + 1 + skip);
    return NULL;
}

bool graph_is_mov_imm(const struct graph *g, int i, int reg, uint64_t *value) {
    if (i < 0)
        return false;
    const struct node *n = &g->node[i];
    if (n->insn.mnemonic != ZYDIS_MNEMONIC_MOV || n->op[0].type != ZYDIS_OPERAND_TYPE_REGISTER ||
        n->op[1].type != ZYDIS_OPERAND_TYPE_IMMEDIATE || graph_gpr(n->op[0].reg.value) != reg || n->op[0].size < 32)
        return false;
    *value = n->op[0].size == 32 ? (uint32_t)n->op[1].imm.value.u : n->op[1].imm.value.u;
    return true;
}

// Behind these callouts nothing runs in this block.
static bool callout_ends(uint64_t word) {
    static const uint8_t ends[] = {CALLOUT_RAISE,    CALLOUT_INT,      CALLOUT_HLT,     CALLOUT_IRET,
                                   CALLOUT_FAR_JMP,  CALLOUT_FAR_CALL, CALLOUT_FAR_MEM, CALLOUT_FAR_RET,
                                   CALLOUT_SYSENTER, CALLOUT_SYSEXIT};
    return memchr(ends, (int)CALLOUT_ID((uint32_t)word), sizeof ends) != NULL;
}

static const char *call_edges(struct graph *g, int i) {
    uint64_t word = 0;
    bool known = graph_is_mov_imm(g, i - 1, ZYDIS_REGISTER_R10 - ZYDIS_REGISTER_RAX, &word);
    switch (g->node[i].stub) {
    case STUB_LINK: g->node[i].leaves = true; return NULL;
    case STUB_SYSENTER:
    case STUB_SYSEXIT:
        if (!known || CALLOUT_ID((uint32_t)word) !=
                          (g->node[i].stub == STUB_SYSENTER ? (unsigned)CALLOUT_SYSENTER : (unsigned)CALLOUT_SYSEXIT))
            return "a stub of one callout with the word of another";
        g->node[i].leaves = true;
        return NULL;
    case STUB_CPUID:
    case STUB_LOAD_SEG:
        if (!known || (g->node[i].stub == STUB_CPUID ? CALLOUT_ID((uint32_t)word) != CALLOUT_CPUID
                                                     : CALLOUT_ID((uint32_t)word) != CALLOUT_LOAD_SEG &&
                                                           CALLOUT_ID((uint32_t)word) != CALLOUT_POP_SEG))
            return "a stub of one callout with the word of another";
        g->node[i].leaves = true;
        return add_next(g, i, 0);
    case STUB_CALLOUT:
        if (!known || CALLOUT_ID((uint32_t)word) >= CALLOUT_COUNT)
            return "a callout without a word";
        g->node[i].leaves = true;
        return callout_ends(word) ? NULL : add_next(g, i, 0);
    case STUB_WRITEBACK: g->node[i].leaves = true; return known ? add_next(g, i, 0) : "a write back without a word";
    case STUB_SOFT_MISS:
        if (!known)
            return "a miss without a word";
        g->node[i].leaves = true;
        if (OPERAND_INTENT((uint32_t)word) != INTENT_READ) {
            if (i + 1 >= g->count || g->node[i + 1].insn.length != 5)
                return "a miss for writing that cannot return five bytes further";
            const char *wrong = add_next(g, i, 1);
            if (wrong)
                return wrong;
        }
        return add_next(g, i, 0);
    default: return "a call of something else than a stub";
    }
}

static int stub_at(const struct graph *g, uint64_t address) {
    for (int s = 0; s < STUB_COUNT; s++)
        if (g->in->stub[s] == (uint32_t)address)
            return s;
    return -1;
}

static const char *edges_of(struct graph *g, int i) {
    struct node *n = &g->node[i];
    ZyanU64 target = 0;
    bool relative = n->op[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE && n->op[0].imm.is_relative;
    if (relative)
        ZydisCalcAbsoluteAddress(&n->insn, &n->op[0], g->in->code_rx + n->at, &target);
    if (n->insn.meta.category == ZYDIS_CATEGORY_CALL) {
        n->stub = relative ? stub_at(g, target) : -1;
        return call_edges(g, i);
    }
    bool always = n->insn.meta.category == ZYDIS_CATEGORY_UNCOND_BR;
    if (!always && n->insn.meta.category != ZYDIS_CATEGORY_COND_BR)
        return add_next(g, i, 0);
    if (!relative) {
        n->leaves = true;
        return NULL; // checked with the other indirect things
    }
    uint64_t offset = target - g->in->code_rx;
    if (offset < g->in->size) {
        if (g->start[offset] < 0)
            return "a jump into an instruction";
        add_edge(g, i, g->start[offset]);
    } else if (always && stub_at(g, target) == STUB_EXIT) {
        n->stub = STUB_EXIT;
        n->leaves = true;
    } else {
        return "a jump out of the block that is no exit";
    }
    return always ? NULL : add_next(g, i, 0);
}

static void mark_reached(struct graph *g) {
    int top = 0;
    g->queue[top++] = 0;
    g->node[0].reached = true;
    while (top != 0) {
        int i = g->queue[--top];
        for (int e = g->node[i].first_succ; e >= 0; e = g->edge[e].next_succ) {
            struct node *to = &g->node[g->edge[e].to];
            if (!to->reached)
                g->queue[top++] = g->edge[e].to;
            to->reached = true;
        }
    }
}

const char *graph_build(struct graph *g, const struct verify_input *in, int *bad) {
    g->in = in;
    g->count = g->edge_count = g->round = 0;
    for (uint32_t at = 0; at <= in->size; at++)
        g->start[at] = -1;
    memset(g->seen, 0, sizeof g->seen);
    const char *wrong = decode(g, in, bad);
    for (int i = 0; i < g->count && !wrong; i++) {
        *bad = i;
        wrong = edges_of(g, i);
        if (wrong && i != 0 && g->node[i].insn.mnemonic == ZYDIS_MNEMONIC_NOP && g->node[i].first_pred < 0)
            wrong = NULL; // padding behind the end
    }
    if (!wrong)
        mark_reached(g);
    return wrong;
}

// ---- Searches
// ----------------------------------------------------------------------------------------------------------

int graph_only_pred(const struct graph *g, int i) {
    if (i <= 1)
        return -1;
    int e = g->node[i].first_pred;
    return e >= 0 && g->edge[e].next_pred < 0 ? g->edge[e].from : -1;
}

bool graph_search(struct graph *g, int i, graph_stop *stop, void *context) {
    int top = 0;
    g->round++;
    g->queue[top++] = i;
    while (top != 0) {
        int to = g->queue[--top];
        if (to <= 1 || g->node[to].first_pred < 0) { // links enter at 1
            if (stop(g, -1, context) == FOUND_BAD)
                return false;
        }
        for (int e = g->node[to].first_pred; e >= 0; e = g->edge[e].next_pred) {
            int from = g->edge[e].from;
            if (g->seen[from] == g->round || !g->node[from].reached)
                continue;
            g->seen[from] = g->round;
            enum found found = stop(g, from, context);
            if (found == FOUND_BAD)
                return false;
            if (found == FOUND_GO_ON)
                g->queue[top++] = from;
        }
    }
    return true;
}
