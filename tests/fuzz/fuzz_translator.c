// libFuzzer's harness for the decoder, the translator and the verifier: any bytes, in any mode, with any soft map.
// Every block that is made must pass the verifier; and any bytes at all may be given to the verifier, which must say
// yes or no. Built by clang with ASan and UBSan; buffers are as large as promised and not a byte larger.
//
// Input: 4 bytes of mode, 1 of what to do, 2 of the offset in the page, 1 that the soft map is made of, then code.
#include "tests/verifier/corpus.h"
#include "translator/context.h"
#include "translator/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEADER 8u

enum { DO_SELF_CHECKING = 1, DO_SOFT_MAP = 2, DO_NO_NEXT = 4, DO_NO_SPLIT_LOCKS = 8 }; // bits of what to do
enum { TASK_SHIFT = 6, TASK_DECODE = 2, TASK_VERIFY = 3 }; // its upper two bits; else translate

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct buffers {
    uint8_t *page, *next, *code;
    uint64_t soft_map[64];
    struct translate_output *out;
};

static void broken(const char *what, const char *why, const struct translate_input *in) {
    fprintf(stderr, "%s: %s\nmode %#x, offset %#x, bytes:", what, why, in->mode, in->offset);
    for (uint32_t i = in->offset; i < in->offset + 24 && i < 4096; i++)
        fprintf(stderr, " %02x", in->page[i]);
    fprintf(stderr, "\n");
    abort();
}

// Bits that cpu/ never sets together are made so here: a segment has three kinds, and CS has none.
static uint32_t sensible_mode(uint32_t bits) {
    uint32_t mode = bits & (MODE_SOFT | 3u << MODE_CPL_SHIFT | MODE_CODE32 | MODE_STACK32 | MODE_ONE | MODE_X87_NM |
                            MODE_WAIT_NM | MODE_SSE_UD | MODE_SIMD_NM | MODE_ALIGN | MODE_IOPL_OK | MODE_TSC_GP |
                            MODE_CS_CHECKED | MODE_MMX_UD | MODE_AVX);
    for (unsigned seg = 0; seg < 6; seg++)
        if (seg != 1)
            mode |= (bits >> (MODE_SEG_SHIFT + 2 * seg) & 3) % 3 << (MODE_SEG_SHIFT + 2 * seg);
    return mode;
}

static void place(struct buffers *b, uint32_t offset, const uint8_t *bytes, size_t size) {
    memset(b->page, 0x90, 4096);
    memset(b->next, 0x90, 4096);
    size_t here = size < 4096 - offset ? size : 4096 - offset, there = size - here < 4096 ? size - here : 4096;
    memcpy(b->page + offset, bytes, here);
    memcpy(b->next, bytes + here, there);
}

static void check_tables(const struct translate_output *out, const struct translate_input *in) {
    if (out->host_size > in->capacity || out->link_entry + 5u > out->host_size)
        broken("the translator", "sizes", in);
    if (out->exit_count > TRANSLATE_MAX_EXITS || out->mark_count > TRANSLATE_MAX_MARKS)
        broken("the translator", "counts", in);
    for (unsigned i = 1; i < out->mark_count; i++)
        if (out->marks[i].host < out->marks[i - 1].host)
            broken("the translator", "marks", in);
    for (unsigned i = 0; i < out->exit_count; i++)
        if (out->exits[i].site + 4u > out->host_size || out->exits[i].target > 4095)
            broken("the translator", "exits", in);
}

static void translate(struct buffers *b, uint32_t mode, unsigned what, uint32_t offset) {
    struct error err = {0};
    struct translate_input in = {.page = b->page,
                                 .offset = offset,
                                 .mode = mode,
                                 .soft_map = what & DO_SOFT_MAP ? b->soft_map : NULL,
                                 .self_checking = what & DO_SELF_CHECKING,
                                 .no_split_locks = what & DO_NO_SPLIT_LOCKS,
                                 .live = what & DO_SELF_CHECKING ? CORPUS_LIVE : 0,
                                 .next_live = what & DO_SELF_CHECKING ? CORPUS_NEXT_LIVE : 0,
                                 .code_rw = b->code,
                                 .code_rx = CORPUS_CODE_RX,
                                 .capacity = TRANSLATE_MAX_HOST};
    corpus_stubs(in.stub);
    enum translate_status status = translate_block(&in, b->out, &err);
    if (status == TRANSLATE_NEED_NEXT) {
        if (what & DO_NO_NEXT)
            return;
        in.next = b->next;
        in.next_slice = mode & (MODE_ONE | MODE_CS_CHECKED) ? 0 : CORPUS_NEXT_SLICE;
        status = translate_block(&in, b->out, &err);
    }
    if (status != TRANSLATE_OK)
        broken("the translator", err.text, &in);
    check_tables(b->out, &in);
    const struct verify_input check = {.code = b->code,
                                       .code_rx = in.code_rx,
                                       .size = b->out->host_size,
                                       .out = b->out,
                                       .stub = in.stub,
                                       .next_slice = in.next_slice,
                                       .live = in.live,
                                       .next_live = in.next_live,
                                       .mode = mode};
    if (verify_block(&check, &err) < 0)
        broken("the verifier", err.text, &in);
}

static void verify_anything(struct buffers *b, uint32_t mode, const uint8_t *bytes, size_t size) {
    struct error err;
    uint32_t stub[STUB_COUNT];
    corpus_stubs(stub);
    size = size < TRANSLATE_MAX_HOST ? size : TRANSLATE_MAX_HOST;
    uint8_t *exact = malloc(size ? size : 1);
    if (!exact)
        return;
    memcpy(exact, bytes, size);
    memset(b->out, 0, sizeof *b->out);
    b->out->host_size = (uint32_t)size;
    b->out->link_entry = 7;
    const struct verify_input check = {
        .code = exact, .code_rx = CORPUS_CODE_RX, .size = (uint32_t)size, .out = b->out, .stub = stub, .mode = mode};
    (void)verify_block(&check, &err);
    free(exact);
}

static void decode_all(bool code32, const uint8_t *bytes, size_t size) {
    for (size_t at = 0; at < size;) {
        struct guest_insn insn;
        enum operand_intent intent;
        unsigned bytes_accessed;
        size_t left = size - at < 15 ? size - at : 15;
        uint8_t *exact = malloc(left);
        if (!exact)
            return;
        memcpy(exact, bytes + at, left);
        enum decode_status status = decode_insn(exact, left, (uint32_t)(at & 4095), code32, &insn);
        free(exact);
        if (status != DECODE_OK) {
            at++;
            continue;
        }
        if (insn.length < 1 || insn.length > left)
            abort();
        (void)table_find_insn(&insn);
        if (insn.mnemonic != ZYDIS_MNEMONIC_INVALID && insn_is_mem(&insn))
            decode_operand_shape(&insn, &bytes_accessed, &intent);
        at += insn.length;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < HEADER + 1)
        return 0;
    struct buffers b = {
        .page = malloc(4096), .next = malloc(4096), .code = malloc(TRANSLATE_MAX_HOST), .out = malloc(sizeof *b.out)};
    uint32_t mode;
    uint16_t offset;
    memcpy(&mode, data, 4);
    memcpy(&offset, data + 5, 2);
    memset(b.soft_map, data[7], sizeof b.soft_map);
    mode = sensible_mode(mode);
    if (b.page && b.next && b.code && b.out) {
        place(&b, offset & 4095u, data + HEADER, size - HEADER);
        if (data[4] >> TASK_SHIFT == TASK_VERIFY)
            verify_anything(&b, mode, data + HEADER, size - HEADER);
        else if (data[4] >> TASK_SHIFT == TASK_DECODE)
            decode_all(mode & MODE_CODE32, data + HEADER, size - HEADER);
        else
            translate(&b, mode, data[4], offset & 4095u);
    }
    free(b.page);
    free(b.next);
    free(b.code);
    free(b.out);
    return 0;
}
