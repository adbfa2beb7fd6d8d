// The oracle and the engine in its forms, together: runs batches, finds differences, makes a failing case small.
#ifndef TESTS_FUZZ_RIG_H
#define TESTS_FUZZ_RIG_H

#include "compare.h"
#include "native.h"

struct fuzz_rig {
    struct fuzz_native native;
    struct fuzz_engine engines[FUZZ_FORMS];
};

#define FUZZ_TEXT 4096

// A difference: the case's place in the batch, the form, what differs. form FUZZ_FORMS: the oracle itself broke.
struct fuzz_finding {
    unsigned slot;
    enum fuzz_form form;
    char text[FUZZ_TEXT];
};

int fuzz_rig_open(struct fuzz_rig *rig, bool verify, struct error *err);
void fuzz_rig_close(struct fuzz_rig *rig);
// Runs the `count` cases that stand in rig->native.batch. True if all agree, else the first finding.
bool fuzz_rig_run(struct fuzz_rig *rig, unsigned count, struct fuzz_finding *finding);
// Drops what is not needed for the difference; the case is put into place 0 of the batch.
void fuzz_rig_minimise(struct fuzz_rig *rig, struct fuzz_case *c);
// The case, its instructions disassembled, and the finding.
void fuzz_rig_show(FILE *out, const struct fuzz_case *c, const struct fuzz_finding *finding);

#endif
