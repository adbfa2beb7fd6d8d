// What the child's C code, its assembly and the code that it makes share. r15 points to the context while a case runs.
#ifndef TESTS_FUZZ_NATIVE_CONTEXT_H
#define TESTS_FUZZ_NATIVE_CONTEXT_H

#define CONTEXT_GPR         0
#define CONTEXT_EFLAGS      32
#define CONTEXT_RSP         40
#define CONTEXT_RESUME      48
#define CONTEXT_MODEL_ENTRY 56
#define CONTEXT_END         64
#define CONTEXT_MODEL_INDEX 72
#define CONTEXT_AVX         80
#define CONTEXT_FX          128
#define CONTEXT_VISITED     640
#define CONTEXT_YMM         768

#ifndef __ASSEMBLER__
#include "case.h"
#include "parse.h"

#define NATIVE_CODE_MAX 16384
#define EFLAGS_COMPARED 0xcd5u // CF PF AF ZF SF DF OF

struct native_context {
    uint32_t gpr[8], eflags, unused;
    uint64_t rsp;         // the host's stack
    uint64_t resume;      // where native_resume goes
    uint64_t model_entry; // where code for the model jumps to
    uint64_t end;         // where code jumps to at the end of the case
    uint32_t model_index; // the instruction for the model
    uint32_t in_model;    // a signal comes from an access of the model
    uint32_t avx;         // the upper halves of the YMM registers belong to the case
    uint8_t fx[512] __attribute__((aligned(64)));
    uint8_t visited[FUZZ_INSNS + 1];
    uint8_t ymm[8][16] __attribute__((aligned(64)));
    // Only C uses these.
    const struct fuzz_case *fuzz_case;
    struct fuzz_result *result;
    uint32_t code_address; // guest address of the first instruction
    uint32_t selectors[6]; // what the guest's segment registers show: ES CS SS DS FS GS
    struct fuzz_parsed parsed[FUZZ_INSNS];
    uint16_t host[FUZZ_INSNS + 1];  // offset of each instruction's host code; the last is that of the end
    uint8_t index[NATIVE_CODE_MAX]; // by host offset: the instruction
    uint8_t *code;
};

_Static_assert(offsetof(struct native_context, fx) == CONTEXT_FX, "layout");
_Static_assert(offsetof(struct native_context, visited) == CONTEXT_VISITED, "layout");
_Static_assert(offsetof(struct native_context, avx) == CONTEXT_AVX, "layout");
_Static_assert(offsetof(struct native_context, ymm) == CONTEXT_YMM, "layout");
_Static_assert(offsetof(struct native_context, model_index) == CONTEXT_MODEL_INDEX, "layout");

// native_run.S
void native_enter(struct native_context *c); // runs the case at c->resume to its end
void native_resume(void);
void native_model_entry(void);
void native_end(void);

// native_form.c: host code for the case; false where an instruction has no form.
bool native_form(struct native_context *c);

// model.c: carries instruction c->model_index out and sets c->resume. Runs without vector registers.
void native_model(struct native_context *c);

// model.c: logs an exception of instruction `index` with the registers in the context, and resumes at the next.
void native_fault(struct native_context *c, unsigned index, uint32_t vector, uint32_t error, uint32_t cr2);
static inline uint64_t native_host_address(const struct native_context *c, unsigned index) {
    return (uint64_t)(uintptr_t)(c->code + c->host[index]);
}
#endif
#endif
