// See lab_run.h.
#include "app/lab_run.h"

#include "app/vector_name.h"

#include <stdio.h>
#include <string.h>

#define VECTOR_BP 3u

enum lab_end lab_end_of(const struct lab_program *program, uint64_t eip, bool trap) {
    if (!trap && eip == lab_image_address(program->end) + 1u)
        return LAB_ENDED;
    return trap && eip == lab_image_address(program->at) ? LAB_TRAPPED : LAB_STRAYED;
}

void lab_run_of_guest(const struct lab_program *program, const uint8_t output[LAB_OUTPUT_SIZE], struct lab_run *run) {
    memset(run, 0, sizeof *run);
    memcpy(run->output, output, LAB_OUTPUT_SIZE);
    lab_image_decode(output, &run->state);
    run->end = lab_end_of(program, run->state.eip, run->state.vector != VECTOR_BP);
    if (run->end != LAB_ENDED) {
        const char *name = vector_name(run->state.vector);
        snprintf(run->how, sizeof run->how, "%s at %x", name ? name : "an exception", run->state.eip);
    }
}
