// See lab_translated.h. What an instruction became is what the engine says that it did: the callout in its log at the
// instruction's address, and where there is none the kind of its row in the classification table.
#include "app/lab_translated.h"

#include "app/parse.h"
#include "translator/describe.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define TIMEOUT 10.0 // seconds

// The kernel as a file that has no name.
static int image_file(const struct lab_program *program, char path[64], struct ringshade_error *err) {
    uint8_t image[LAB_SIZE];
    int fd = memfd_create("ringshade-lab", MFD_CLOEXEC);
    lab_image_build(program, LAB_CODE_32, image);
    if (fd < 0 || write(fd, image, sizeof image) != (ssize_t)sizeof image) {
        if (fd >= 0)
            close(fd);
        return parse_error(err, "no memory for the guest's image");
    }
    snprintf(path, 64, "/proc/self/fd/%d", fd);
    return fd;
}

// Finds the first callout of the instruction in the log ("exits: 00100123 SGDT r8 ...").
static bool find_callout(const char *log, uint32_t address, char *name, size_t room) {
    char key[32];
    snprintf(key, sizeof key, "exits: %08" PRIx32 " ", address);
    for (const char *at = log; (at = strstr(at, key)) != NULL; at++)
        if (at == log || at[-1] == '\n') {
            const char *word = at + strlen(key);
            snprintf(name, room, "callout %.*s", (int)strcspn(word, " \n"), word);
            return true;
        }
    return false;
}

static void say_what_it_became(const struct lab_program *program, const char *log, struct lab_run *run) {
    struct insn_description insn;
    if (find_callout(log, lab_image_address(program->at), run->became, sizeof run->became))
        return;
    bool known = describe_insn(program->at, (size_t)(program->end - program->at), true, &insn);
    snprintf(run->became, sizeof run->became, "%s code", known ? table_kind_name(insn.row->kind) : "unknown");
}

static int run_machine(const struct ringshade_config *config, const char *path, uint8_t output[LAB_OUTPUT_SIZE],
                       struct ringshade_error *err) {
    const struct ringshade_guest guest = {.kernel = path};
    struct ringshade *machine = ringshade_create(config, err);
    int status = machine ? ringshade_load(machine, &guest, err) : -1;
    if (!status && ringshade_run(machine) != RINGSHADE_STOP_DEBUG_EXIT)
        status = parse_error(err, "the guest did not come to its end: %.180s", ringshade_stop_text(machine));
    if (!status && ringshade_read_memory(machine, LAB_RESULT, output, LAB_OUTPUT_SIZE))
        status = parse_error(err, "the guest's memory cannot be read");
    ringshade_destroy(machine);
    return status;
}

int lab_translated_run(const struct lab_program *program, struct lab_run *run, struct ringshade_error *err) {
    char path[64], *log = NULL;
    size_t log_size = 0;
    uint8_t output[LAB_OUTPUT_SIZE];
    struct ringshade_config config = ringshade_default_config();
    int fd = image_file(program, path, err);
    if (fd < 0)
        return -1;
    FILE *stream = open_memstream(&log, &log_size);
    config.memory = RINGSHADE_MEMORY_MIN;
    config.verify = true;
    config.timeout = TIMEOUT;
    config.log_topics = "exits";
    config.log_stream = stream;
    int status = stream ? run_machine(&config, path, output, err) : parse_error(err, "out of memory");
    if (stream)
        fclose(stream);
    close(fd);
    if (!status) {
        lab_run_of_guest(program, output, run);
        say_what_it_became(program, log, run);
    }
    free(log);
    return status;
}
