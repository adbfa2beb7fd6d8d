// A case of the differential fuzzer: registers and a straight run of instructions with forward jumps, and what running
// it leaves behind. Cases are made by generate.c, kept as text (case_text.c), run by native.c on the host's processor
// and by engine.c in the engine.
#ifndef TESTS_FUZZ_CASE_H
#define TESTS_FUZZ_CASE_H

#include "layout.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define FUZZ_INSNS   80
#define FUZZ_NOWHERE 255

enum fuzz_patch { PATCH_NONE, PATCH_REL8, PATCH_REL32, PATCH_ABS32 };

struct fuzz_insn {
    uint8_t bytes[16];
    uint8_t length;
    uint8_t patch;    // enum fuzz_patch: a field that says where instruction `target` stands
    uint8_t patch_at; // offset of the field; relative ones stand last
    uint8_t target;   // index, greater than that of this instruction; the number of instructions means the end
    bool glued;       // belongs to the instruction before: dropped together with it, and no jump leads here
    uint16_t offset;  // in the code, by fuzz_case_lay_out
};

struct fuzz_case {
    uint32_t gpr[8], eflags;
    uint16_t start; // of the code, in the case's two pages
    uint16_t size;  // of the code without its end
    uint8_t count;
    struct fuzz_insn insns[FUZZ_INSNS];
    uint8_t fx[512] __attribute__((aligned(16)));
    uint8_t ymm[8][16]; // upper halves
};

struct fuzz_fault {
    uint32_t vector, error, eip, cr2, eflags, gpr[8];
    uint32_t unused[3];
};

struct fuzz_result {
    uint32_t gpr[8], eflags, faults, eip;
    uint32_t beyond; // the host form reached beyond 4 GiB, where the guest's addresses wrap: not to be compared
    uint32_t unused[4];
    uint8_t fx[512] __attribute__((aligned(64)));
    struct fuzz_fault log[FUZZ_FAULTS];
    uint8_t gap[FUZZ_RESULT_YMM - FUZZ_RESULT_LOG - FUZZ_FAULTS * FUZZ_FAULT];
    uint8_t ymm[8][16];
    uint8_t gap2[FUZZ_RESULT_MEMORY - FUZZ_RESULT_YMM - 128];
    uint8_t memory[FUZZ_MEMORY];
};

_Static_assert(sizeof(struct fuzz_fault) == FUZZ_FAULT, "layout");
_Static_assert(offsetof(struct fuzz_result, fx) == FUZZ_RESULT_FX, "layout");
_Static_assert(offsetof(struct fuzz_result, log) == FUZZ_RESULT_LOG, "layout");
_Static_assert(offsetof(struct fuzz_result, ymm) == FUZZ_RESULT_YMM, "layout");
_Static_assert(offsetof(struct fuzz_result, memory) == FUZZ_RESULT_MEMORY, "layout");
_Static_assert(sizeof(struct fuzz_result) <= FUZZ_RESULT_STRIDE, "layout");

#define FUZZ_PRISTINE_SEED 0x9e3779b97f4a7c15ull

struct fuzz_random {
    uint64_t state;
};
uint32_t fuzz_any(struct fuzz_random *r, uint32_t below); // 0 to below - 1
uint32_t fuzz_any32(struct fuzz_random *r);

// What the writable data pages hold at the start; the read-only page holds the first of them too.
void fuzz_pristine(uint8_t memory[FUZZ_MEMORY]);

// Whether the host has AVX2: then the guest has it too, and cases use it.
bool fuzz_has_avx(void);

// Linear address of the first instruction of the case in this place of a batch.
static inline uint32_t fuzz_code_address(const struct fuzz_case *c, unsigned slot) {
    return FUZZ_CODE + slot * FUZZ_CODE_STRIDE + c->start;
}

// Gives every instruction its offset and fills in what depends on it; `slot` is the case's place in a batch.
void fuzz_case_lay_out(struct fuzz_case *c, unsigned slot);
// The case's two code pages: its instructions, then NOP (behind a trap there must be something) and UD2, which ends it.
void fuzz_case_code(const struct fuzz_case *c, uint8_t code[FUZZ_CODE_STRIDE]);

void fuzz_case_write(FILE *out, const struct fuzz_case *c);
bool fuzz_case_read(FILE *in, struct fuzz_case *c); // false at the end of the file or at what is not a case

#endif
