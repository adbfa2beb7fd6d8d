// See lab_bare.h. The records are what the kernel of lab_image.S sends on COM1, as words of 32 bits.
#include "app/lab_bare.h"

#include <stdio.h>
#include <string.h>

#define WORDS (LAB_OUTPUT_SIZE / 4)

static const struct {
    const char *name;
    uint32_t words[WORDS];
} records[] = {
#define BARE(name, ...) {name, {__VA_ARGS__}},
#define SOURCE(text)
#include "app/lab_bare.def"
#undef BARE
#undef SOURCE
};

#define BARE(name, ...)
#define SOURCE(text) const char lab_bare_source[] = text;
#include "app/lab_bare.def"

void lab_bare_run(const struct lab_program *program, struct lab_run *run) {
    for (size_t i = 0; i < sizeof records / sizeof *records; i++)
        if (!strcmp(records[i].name, program->name)) {
            uint8_t output[LAB_OUTPUT_SIZE];
            memcpy(output, records[i].words, sizeof output);
            lab_run_of_guest(program, output, run);
            return;
        }
    memset(run, 0, sizeof *run);
    snprintf(run->how, sizeof run->how, "nothing recorded");
}
