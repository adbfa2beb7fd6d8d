// Makes the corpus: the same for every run, as the generator starts from a constant.
#include "tests/verifier/corpus.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

uint32_t corpus_next(struct corpus_random *r) { // xorshift64*
    r->state ^= r->state >> 12;
    r->state ^= r->state << 25;
    r->state ^= r->state >> 27;
    return (uint32_t)(r->state * 0x2545f4914f6cdd1dull >> 32);
}

double corpus_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void corpus_stubs(uint32_t stub[STUB_COUNT]) {
    for (uint32_t i = 0; i < STUB_COUNT; i++)
        stub[i] = CORPUS_STUB_RX + 64 * i;
}

void corpus_fill_random(struct corpus_block *b, struct corpus_random *r) {
    for (size_t i = 0; i < sizeof b->page; i++) {
        b->page[i] = (uint8_t)corpus_next(r);
        b->next[i] = (uint8_t)corpus_next(r);
    }
}

bool corpus_fill_file(struct corpus_block *b, struct corpus_random *r, const char *path) {
    FILE *f = fopen(path, "rb");
    if (!f)
        return false;
    fseek(f, 0, SEEK_END);
    long size = ftell(f);
    memset(b->page, 0x90, sizeof b->page);
    memset(b->next, 0x90, sizeof b->next);
    bool good = size > 64;
    if (good) {
        long at = size > 8192 ? (long)(corpus_next(r) % (uint32_t)(size - 8192)) : 0;
        fseek(f, at, SEEK_SET);
        good = fread(b->page, 1, sizeof b->page, f) > 0;
        if (fread(b->next, 1, sizeof b->next, f) == 0)
            b->next[0] = 0xc3;
    }
    fclose(f);
    return good;
}

static bool one_in(struct corpus_random *r, uint32_t n) {
    return corpus_next(r) % n == 0;
}

static uint32_t random_mode(struct corpus_random *r) {
    static const uint32_t rare[] = {MODE_ONE,    MODE_X87_NM,     MODE_WAIT_NM,
                                    MODE_SSE_UD, MODE_SIMD_NM,    MODE_ALIGN,
                                    MODE_MMX_UD, MODE_CS_CHECKED, MODE_CS_CHECKED | MODE_ONE};
    uint32_t mode = 0;
    mode |= one_in(r, 8) ? 0 : MODE_CODE32;
    mode |= one_in(r, 8) ? 0 : MODE_STACK32;
    mode |= one_in(r, 2) ? MODE_SOFT : 0;
    mode |= one_in(r, 2) ? 3u << MODE_CPL_SHIFT : 0;
    mode |= one_in(r, 2) ? MODE_IOPL_OK : 0;
    mode |= one_in(r, 4) ? MODE_TSC_GP : 0;
    mode |= one_in(r, 4) ? MODE_COUNTED : 0;
    mode |= one_in(r, 4) ? MODE_TRACED : 0;
    for (size_t i = 0; i < sizeof rare / sizeof *rare; i++)
        mode |= one_in(r, 10) ? rare[i] : 0;
    for (unsigned seg = 0; seg < 6; seg++)
        if (seg != 1 && one_in(r, 4))
            mode |= (corpus_next(r) % 3) << (MODE_SEG_SHIFT + 2 * seg);
    return mode;
}

bool corpus_translate(struct corpus_block *b, struct corpus_random *r, struct error *err) {
    struct translate_input in = {
        .page = b->page,
        .offset = one_in(r, 10) ? 4081 + corpus_next(r) % 15 : corpus_next(r) % 4096,
        .mode = random_mode(r),
        .self_checking = one_in(r, 10),
        .trace_id = corpus_next(r) & (TRACE_EVENT - 1),
        .code_rw = b->code,
        .code_rx = CORPUS_CODE_RX,
        .capacity = sizeof b->code,
    };
    corpus_stubs(b->stub);
    memcpy(in.stub, b->stub, sizeof in.stub);
    if (in.self_checking) {
        in.live = CORPUS_LIVE;
        in.next_live = CORPUS_NEXT_LIVE;
    }
    enum translate_status status = translate_block(&in, &b->out, err);
    if (status == TRANSLATE_NEED_NEXT) {
        in.next = b->next;
        in.next_slice = in.mode & (MODE_ONE | MODE_CS_CHECKED) ? 0 : CORPUS_NEXT_SLICE;
        status = translate_block(&in, &b->out, err);
    }
    b->offset = in.offset;
    b->check = (struct verify_input){
        .code = b->code,
        .code_rx = in.code_rx,
        .size = b->out.host_size,
        .out = &b->out,
        .stub = b->stub,
        .next_slice = in.next_slice,
        .live = in.live,
        .next_live = in.next_live,
        .mode = in.mode,
        .trace_id = in.trace_id,
    };
    return status == TRANSLATE_OK;
}
