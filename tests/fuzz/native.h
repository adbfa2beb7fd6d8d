// The host's processor as the oracle: a child process that runs cases in 64-bit mode, in a form put together by
// native_form.c, with what 64-bit mode lacks left to the reference model (model.c). docs/decisions/host-oracle.md.
#ifndef TESTS_FUZZ_NATIVE_H
#define TESTS_FUZZ_NATIVE_H

#include "base/error.h"
#include "case.h"

#include <sys/types.h>

struct fuzz_batch {
    struct fuzz_case cases[FUZZ_BATCH];
    uint8_t visited[FUZZ_BATCH][FUZZ_INSNS + 1]; // instructions that began
    unsigned count;
    unsigned current; // case the child is at
    unsigned status;  // of the last child that died
    struct fuzz_result results[FUZZ_BATCH];
};

struct fuzz_native {
    struct fuzz_batch *batch; // shared with the child
    int code;                 // memfd of the code pages
    uint8_t *code_pages;
    int request, answer; // pipes
    pid_t child;         // forks those that run cases
};

// Forks the child: before any engine exists, as the child needs the low 4 GiB for itself.
int fuzz_native_open(struct fuzz_native *n, struct error *err);
void fuzz_native_close(struct fuzz_native *n);
// Starts the child on the cases of the batch, which are laid out for their places; wait for it with the other. A child
// that died is replaced, and -1 returned: batch->current is the case at which it died.
void fuzz_native_start(struct fuzz_native *n);
int fuzz_native_wait(struct fuzz_native *n, struct error *err);

// Whether this host lets a process run 32-bit code: a far jump to the usual selector, tried in a child.
bool fuzz_native_has_32bit(void);

#endif
