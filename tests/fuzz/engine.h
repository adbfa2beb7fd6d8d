// The engine under test: the fuzzer's guest in one of its forms.
#ifndef TESTS_FUZZ_ENGINE_H
#define TESTS_FUZZ_ENGINE_H

#include "base/log.h"
#include "base/stats.h"
#include "case.h"
#include "cpu/cpu.h"
#include "mmu/ram.h"

struct io_bus;
struct mmio_bus;

enum fuzz_form {
    FUZZ_SOFT,
    FUZZ_DIRECT,
    FUZZ_BOUNCED, // segments with a limit: every operand is checked and bounced
    FUZZ_FORMS
};
extern const char *const fuzz_form_names[FUZZ_FORMS];

struct fuzz_engine {
    struct ram ram;
    struct io_bus *io;
    struct mmio_bus *mmio;
    struct stats stats;
    struct log log;
    struct vcpu *vcpu;
    enum fuzz_form form;
    bool fresh; // the next run starts the driver from its beginning
};

// 0, or -1 with err filled.
int fuzz_engine_open(struct fuzz_engine *e, enum fuzz_form form, bool verify, struct error *err);
void fuzz_engine_close(struct fuzz_engine *e);

// Runs `count` cases, laid out for their places. 0, or -1 with err filled when the driver did not come to its end: then
// *at is the index of the case that it stood at, and the engine can be used again.
int fuzz_engine_run(struct fuzz_engine *e, const struct fuzz_case *cases, unsigned count, unsigned *at,
                    struct error *err);
const struct fuzz_result *fuzz_engine_result(const struct fuzz_engine *e, unsigned index);

#endif
