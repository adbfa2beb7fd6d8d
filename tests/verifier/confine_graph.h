// The block as the second opinion sees it: instructions with Zydis's operands, what they write, and who leads to whom.
#ifndef TESTS_VERIFIER_CONFINE_GRAPH_H
#define TESTS_VERIFIER_CONFINE_GRAPH_H

#include "tests/verifier/confine.h"

#include <Zydis/Zydis.h>

#define NODES_MAX 8192
#define EDGES_MAX (3 * NODES_MAX)

struct node {
    uint32_t at;
    ZydisDecodedInstruction insn;
    ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
    uint16_t writes, wide, narrow; // general registers written at all; 64 bits of them; surely 32 bits of them
    int stub;                      // of a direct CALL or JMP that leaves: enum abi_stub; -1
    bool reached, leaves;          // leaves: control goes out of the block here
    int first_pred, first_succ;    // into edges; -1: none
};

struct edge {
    int from, to, next_pred, next_succ;
};

struct graph {
    const struct verify_input *in;
    int count, edge_count;
    struct node node[NODES_MAX];
    struct edge edge[EDGES_MAX];
    int start[TRANSLATE_MAX_HOST + 1]; // node at an offset; -1: none
    int seen[NODES_MAX], round;        // of searches
    int queue[NODES_MAX];
};

// 0 to 15; -1 for anything else.
int graph_gpr(ZydisRegister reg);
// Decodes the block and draws its control flow. NULL or what is wrong.
const char *graph_build(struct graph *g, const struct verify_input *in, int *bad);
// The only instruction that leads to `i`; -1 if there are none or several, or links and stubs enter at `i`.
int graph_only_pred(const struct graph *g, int i);
// Constant of MOV r32/r64, imm into register reg; false for anything else.
bool graph_is_mov_imm(const struct graph *g, int i, int reg, uint64_t *value);

// Searches backwards from `i` (exclusive) on every path. At each instruction `stop` says what it is.
enum found { FOUND_GO_ON, FOUND_GOOD, FOUND_BAD };
typedef enum found graph_stop(struct graph *g, int i, void *context);
bool graph_search(struct graph *g, int i, graph_stop *stop, void *context);

// confine_insns.c: may guest code run such an instruction at all, whatever its operands?
bool confine_allows(const ZydisDecodedInstruction *insn);

#endif
