// Translated blocks for the verifier's tests: any guest bytes in any mode that the translator takes.
#ifndef TESTS_VERIFIER_CORPUS_H
#define TESTS_VERIFIER_CORPUS_H

#include "translator/translator.h"

#include <stdbool.h>

#define CORPUS_CODE_RX    0x10001000u
#define CORPUS_STUB_RX    0x10000000u // 64 bytes apart
#define CORPUS_LIVE       0x7f0012345000u
#define CORPUS_NEXT_LIVE  0x7f0022346000u
#define CORPUS_NEXT_SLICE 0x7f1234560000u

struct corpus_block {
    uint8_t code[TRANSLATE_MAX_HOST];
    uint8_t page[4096], next[4096]; // guest bytes
    uint32_t stub[STUB_COUNT];
    uint32_t offset;
    struct translate_output out;
    struct verify_input check;
};

struct corpus_random {
    uint64_t state;
};

uint32_t corpus_next(struct corpus_random *r);
void corpus_stubs(uint32_t stub[STUB_COUNT]);
// Translates what stands in page and next, at a random offset, in a random mode. False where the translator fails.
bool corpus_translate(struct corpus_block *b, struct corpus_random *r, struct error *err);
// Fills page and next: random bytes, or a piece of the file.
void corpus_fill_random(struct corpus_block *b, struct corpus_random *r);
bool corpus_fill_file(struct corpus_block *b, struct corpus_random *r, const char *path);
double corpus_seconds(void); // a clock

#endif
