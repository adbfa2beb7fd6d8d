// See lab_host.h. Which size of code a segment gives is asked of the processor itself: the byte 40h is INC EAX in
// 32-bit code and a prefix in 64-bit code.
#include "app/lab_host.h"

#include "app/lab_child.h"

#include <cpuid.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define LEAF_7_ECX_UMIP (1u << 2)
#define PROBE_EAX       5u

static const uint8_t probe_code[] = {0x40, 0xcc};

static void read_cpuid(struct lab_host *host) {
    unsigned a, b, c, d, words[12] = {0};
    host->umip_announced = __get_cpuid_count(7, 0, &a, &b, &c, &d) && (c & LEAF_7_ECX_UMIP);
    for (unsigned i = 0; i < 3; i++)
        (void)__get_cpuid(0x80000002u + i, &words[4 * i], &words[4 * i + 1], &words[4 * i + 2], &words[4 * i + 3]);
    snprintf(host->cpu, sizeof host->cpu, "%.*s", (int)sizeof words, (const char *)words);
    for (size_t length = strlen(host->cpu); length && host->cpu[length - 1] == ' '; length--)
        host->cpu[length - 1] = '\0';
}

// Does code under this selector run, and as how many bits? 0 for neither.
static unsigned probe(uint16_t selector, char why[LAB_HOW_MAX]) {
    uint8_t image[LAB_SIZE] = {0};
    struct lab_child_end end;
    const struct lab_start start = {.eax = PROBE_EAX, .eflags = 2, .eip = LAB_BASE};
    memcpy(image, probe_code, sizeof probe_code);
    if (lab_child_run(image, &start, selector, &end, why))
        return 0;
    if (end.signal != SIGTRAP || end.eip != LAB_BASE + sizeof probe_code) {
        snprintf(why, LAB_HOW_MAX, "code segment %02xh gives %.60s", selector, end.how);
        return 0;
    }
    return end.state.eax == PROBE_EAX + 1 ? 32 : 64;
}

void lab_host_probe(struct lab_host *host, unsigned bits) {
    memset(host, 0, sizeof *host);
    read_cpuid(host);
    if (bits != 64 && probe(LAB_CODE_32, host->why) == 32)
        host->bits = 32;
    else if (bits != 32) {
        char why[LAB_HOW_MAX];
        host->bits = probe(LAB_CODE_64, why) == 64 ? 64 : 0;
        if (!host->bits)
            memcpy(host->why, why, sizeof why);
    }
}

void lab_host_run(const struct lab_host *host, const struct lab_program *program, struct lab_run *run) {
    uint8_t image[LAB_SIZE];
    struct lab_start start;
    struct lab_child_end end;
    uint16_t selector = host->bits == 64 ? LAB_CODE_64 : LAB_CODE_32;
    memset(run, 0, sizeof *run);
    if (!host->bits || (host->bits == 64 && program->only_32)) {
        snprintf(run->how, sizeof run->how, "%s", host->bits ? "no such instruction in 64-bit mode" : host->why);
        return;
    }
    lab_image_build(program, selector, image);
    lab_image_start(program, selector, &start);
    if (lab_child_run(image, &start, selector, &end, run->how))
        return;
    run->state = end.state;
    run->state.wide = host->bits == 64;
    run->end = lab_end_of(program, end.eip, end.signal != SIGTRAP);
    if (run->end != LAB_ENDED)
        snprintf(run->how, sizeof run->how, "%s", end.how);
}
