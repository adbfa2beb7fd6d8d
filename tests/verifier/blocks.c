// The small assembler of hand-written blocks.
#include "tests/verifier/blocks.h"

#include "tests/verifier/corpus.h"

#include <ctype.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LABELS_MAX     16
#define NAME_MAX_BYTES 24

#define TLB(n, field)                                                                                                  \
    (uint32_t)(ABI_OFFSET(tlb) + (int32_t)(n * sizeof(struct abi_tlb) + offsetof(struct abi_tlb, field)))
#define FIELD(name) (uint32_t) ABI_OFFSET(name)

static const struct {
    const char *name;
    uint32_t value;
} constants[] = {
    {"TAG_READ", TLB(0, ntag_read)},
    {"TAG_WRITE", TLB(0, ntag_write)},
    {"ADDEND", TLB(0, addend)},
    {"TAG_READ_USER", TLB(1, ntag_read)},
    {"ADDEND_USER", TLB(1, addend)},
    {"TMP", FIELD(tmp)},
    {"FIP", FIELD(fip)},
    {"PENDING", FIELD(pending)},
    {"REQUEST", FIELD(request)},
    {"LIVE_ROOT", FIELD(live_root)},
    {"SYS_FLAGS", FIELD(sys_flags)},
    {"CR2", FIELD(cr2)},
    {"SEG_BASE_P", FIELD(seg_base_p)},
    {"TSC_OFFSET", FIELD(tsc_offset)},
    {"BUDGET", FIELD(budget)},
    {"TRACE_ROOM", FIELD(trace_room)},
    {"TRACE_RING", FIELD(trace_ring)},
    {"CALLOUT_ENTRY", FIELD(callout_entry)},
    {"READ4", OPERAND_WORD(0, 4, INTENT_READ, 3, 0)},
    {"READ2", OPERAND_WORD(0, 2, INTENT_READ, 3, 0)},
    {"WRITE4", OPERAND_WORD(0, 4, INTENT_WRITE, 3, 0)},
    {"READ_SEG7", OPERAND_WORD(0, 4, INTENT_READ, 7, 0)},
    {"READ0", OPERAND_WORD(0, 0, INTENT_READ, 3, 0)},
    {"CPUID", CALLOUT_WORD(0, 2, CALLOUT_CPUID, 4)},
    {"HLT", CALLOUT_WORD(0, 1, CALLOUT_HLT, 4)},
    {"RAISE", CALLOUT_WORD(0, 1, CALLOUT_RAISE, 0)},
    {"LGDT", CALLOUT_WORD(0, 3, CALLOUT_LGDT, 4)},
    {"LOAD_SEG9", CALLOUT_WORD(0, 3, CALLOUT_LOAD_SEG, 9)},
    {"NO_CALLOUT", CALLOUT_WORD(0, 2, CALLOUT_COUNT, 4)},
    {"THIRTY", 30},
    {"ZERO", 0},
};

static const char *const stub_names[STUB_COUNT] = {"MISS",      "EXIT",     "LINK",    "FAULT", "CALLOUT", "SOFT_MISS",
                                                   "WRITEBACK", "SYSENTER", "SYSEXIT", "CPUID", "LOAD_SEG"};

struct label {
    char name[NAME_MAX_BYTES];
    uint32_t at;
};

struct assembly {
    struct hand_block *b;
    struct label labels[LABELS_MAX], uses[LABELS_MAX];
    uint8_t widths[LABELS_MAX];
    unsigned label_count, use_count;
};

static void give_up(const char *token) {
    fprintf(stderr, "block text: %s\n", token);
    exit(1);
}

static void put(struct assembly *a, uint32_t value, unsigned bytes) {
    memcpy(a->b->code + a->b->size, &value, bytes);
    a->b->size += bytes;
}

static void put_branch(struct assembly *a, unsigned opcode, const char *name) {
    for (unsigned i = 0; i < STUB_COUNT; i++) {
        if (strcmp(name, stub_names[i]) != 0)
            continue;
        put(a, opcode, 1);
        put(a, a->b->stub[i] - (CORPUS_CODE_RX + a->b->size + 4), 4);
        return;
    }
    give_up(name);
}

static void put_constant(struct assembly *a, const char *name) {
    for (size_t i = 0; i < sizeof constants / sizeof *constants; i++) {
        if (strcmp(name, constants[i].name) == 0) {
            put(a, constants[i].value, 4);
            return;
        }
    }
    give_up(name);
}

static void note(struct label *list, unsigned *count, const char *name, uint32_t at) {
    if (*count == LABELS_MAX)
        give_up(name);
    snprintf(list[*count].name, sizeof list[*count].name, "%s", name);
    list[(*count)++].at = at;
}

static void put_token(struct assembly *a, const char *token) {
    if (token[0] == ':') {
        note(a->labels, &a->label_count, token + 1, a->b->size);
    } else if (token[0] == '>') {
        unsigned width = token[1] == '>' ? 1 : 4;
        a->widths[a->use_count] = (uint8_t)width;
        note(a->uses, &a->use_count, token + (width == 1 ? 2 : 1), a->b->size);
        put(a, 0, width);
    } else if (strncmp(token, "@call=", 6) == 0) {
        put_branch(a, 0xe8, token + 6);
    } else if (strncmp(token, "@jmp=", 5) == 0) {
        put_branch(a, 0xe9, token + 5);
    } else if (token[0] == '$') {
        put_constant(a, token + 1);
    } else if (isxdigit((unsigned char)token[0]) && isxdigit((unsigned char)token[1]) && token[2] == 0) {
        put(a, (uint32_t)strtoul(token, NULL, 16), 1);
    } else {
        give_up(token);
    }
}

static const struct label *find(const struct assembly *a, const char *name) {
    for (unsigned i = 0; i < a->label_count; i++)
        if (strcmp(a->labels[i].name, name) == 0)
            return &a->labels[i];
    return NULL;
}

static void resolve(struct assembly *a) {
    for (unsigned i = 0; i < a->use_count; i++) {
        const struct label *to = find(a, a->uses[i].name);
        if (!to)
            give_up(a->uses[i].name);
        int32_t rel = (int32_t)(to->at - (a->uses[i].at + a->widths[i]));
        memcpy(a->b->code + a->uses[i].at, &rel, a->widths[i]);
    }
}

static void add_mark(struct hand_block *b, const struct label *at, enum mark_kind kind) {
    if (at)
        b->out.marks[b->out.mark_count++] = (struct block_mark){.host = (uint16_t)at->at, .kind = (uint8_t)kind};
}

void hand_assemble(struct hand_block *b, const char *text, uint32_t mode) {
    struct assembly a = {.b = b};
    char copy[2048], *rest = copy;
    memset(b, 0, sizeof *b);
    corpus_stubs(b->stub);
    if (snprintf(copy, sizeof copy, "%s", text) >= (int)sizeof copy)
        give_up("too long");
    for (char *token; (token = strtok_r(rest, " \n", &rest)) != NULL;)
        put_token(&a, token);
    resolve(&a);
    b->out.host_size = b->size;
    b->out.link_entry = 7;
    add_mark(b, find(&a, "transfer"), MARK_TRANSFER);
    add_mark(b, find(&a, "after"), MARK_INSN);
    b->check = (struct verify_input){
        .code = b->code, .code_rx = CORPUS_CODE_RX, .size = b->size, .out = &b->out, .stub = b->stub, .mode = mode};
}
