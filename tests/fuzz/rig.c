// See rig.h.
#include "rig.h"

#include <string.h>
#include <Zydis/Zydis.h>

int fuzz_rig_open(struct fuzz_rig *rig, bool verify, struct error *err) {
    memset(rig, 0, sizeof *rig);
    if (fuzz_native_open(&rig->native, err) < 0)
        return -1;
    for (unsigned form = 0; form < FUZZ_FORMS; form++)
        if (fuzz_engine_open(&rig->engines[form], (enum fuzz_form)form, verify, err) < 0)
            return -1;
    return 0;
}

void fuzz_rig_close(struct fuzz_rig *rig) {
    fuzz_native_close(&rig->native);
    for (unsigned form = 0; form < FUZZ_FORMS; form++)
        fuzz_engine_close(&rig->engines[form]);
}

static bool broken(struct fuzz_finding *finding, unsigned slot, enum fuzz_form form, const struct error *err) {
    finding->slot = slot;
    finding->form = form;
    snprintf(finding->text, sizeof finding->text, "  %s\n", err->text);
    return false;
}

bool fuzz_rig_run(struct fuzz_rig *rig, unsigned count, struct fuzz_finding *finding) {
    struct fuzz_batch *batch = rig->native.batch;
    struct error err;
    unsigned at;
    bool good = true;
    batch->count = count;
    for (unsigned i = 0; i < count; i++)
        fuzz_case_lay_out(&batch->cases[i], i);
    fuzz_native_start(&rig->native);
    for (unsigned form = 0; form < FUZZ_FORMS; form++)
        if (fuzz_engine_run(&rig->engines[form], batch->cases, count, &at, &err) < 0 && good)
            good = broken(finding, at < count ? at : count - 1, (enum fuzz_form)form, &err);
    if (fuzz_native_wait(&rig->native, &err) < 0)
        return broken(finding, batch->current < count ? batch->current : 0, FUZZ_FORMS, &err);
    for (unsigned i = 0; i < count && good; i++)
        for (unsigned form = 0; form < FUZZ_FORMS && good; form++) {
            finding->slot = i;
            finding->form = (enum fuzz_form)form;
            good = fuzz_same(&batch->cases[i], &batch->results[i], fuzz_engine_result(&rig->engines[form], i),
                             (enum fuzz_form)form, finding->text, sizeof finding->text);
        }
    return good;
}

// ---- Making a case small --------------------------------------------------------------------------------------------

static bool fails(struct fuzz_rig *rig, const struct fuzz_case *c) {
    struct fuzz_finding finding;
    rig->native.batch->cases[0] = *c;
    return !fuzz_rig_run(rig, 1, &finding);
}

// Without instructions [first, first + count): jumps that led there lead behind.
static void drop(struct fuzz_case *c, unsigned first, unsigned count) {
    memmove(c->insns + first, c->insns + first + count, (c->count - first - count) * sizeof *c->insns);
    c->count = (uint8_t)(c->count - count);
    for (unsigned i = 0; i < c->count; i++) {
        uint8_t *target = &c->insns[i].target;
        if (c->insns[i].patch != PATCH_NONE && *target > first)
            *target = (uint8_t)(*target > first + count ? *target - count : first);
    }
}

static bool drop_groups(struct fuzz_rig *rig, struct fuzz_case *c) {
    bool smaller = false;
    for (unsigned first = c->count; first-- > 0;) {
        unsigned count = 1;
        if (c->insns[first].glued)
            continue;
        while (first + count < c->count && c->insns[first + count].glued)
            count++;
        struct fuzz_case without = *c;
        drop(&without, first, count);
        if (without.count && fails(rig, &without)) {
            *c = without;
            smaller = true;
        }
    }
    return smaller;
}

static void try_simpler(struct fuzz_rig *rig, struct fuzz_case *c, const struct fuzz_case *simpler) {
    if (memcmp(c, simpler, sizeof *c) != 0 && fails(rig, simpler))
        *c = *simpler;
}

void fuzz_rig_minimise(struct fuzz_rig *rig, struct fuzz_case *c) {
    static const uint8_t reset_fx[32] = {[0] = 0x7f, [1] = 0x03, [24] = 0x80, [25] = 0x1f};
    while (drop_groups(rig, c))
        ;
    struct fuzz_case simpler = *c;
    memset(simpler.fx, 0, sizeof simpler.fx);
    memcpy(simpler.fx, reset_fx, sizeof reset_fx);
    try_simpler(rig, c, &simpler);
    simpler = *c;
    memset(simpler.ymm, 0, sizeof simpler.ymm);
    try_simpler(rig, c, &simpler);
    simpler = *c;
    simpler.start = 0;
    try_simpler(rig, c, &simpler);
    simpler = *c;
    simpler.eflags = 0x202;
    try_simpler(rig, c, &simpler);
    for (unsigned reg = 0; reg < 8; reg++) {
        simpler = *c;
        simpler.gpr[reg] = 0;
        try_simpler(rig, c, &simpler);
    }
    (void)fails(rig, c); // leaves it in place 0
}

// ---- Text -----------------------------------------------------------------------------------------------------------

void fuzz_rig_show(FILE *out, const struct fuzz_case *c, const struct fuzz_finding *finding) {
    static const char *const names[8] = {"eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"};
    uint32_t address = fuzz_code_address(c, 0);
    fprintf(out, "%s differs from the processor:\n%s",
            finding->form < FUZZ_FORMS ? fuzz_form_names[finding->form] : "the oracle", finding->text);
    for (unsigned reg = 0; reg < 8; reg++)
        fprintf(out, "  %s %08x%s", names[reg], c->gpr[reg], reg % 4 == 3 ? "\n" : "");
    fprintf(out, "  eflags %03x, fcw %02x%02x, mxcsr %02x%02x\n", c->eflags, c->fx[1], c->fx[0], c->fx[25], c->fx[24]);
    for (unsigned i = 0; i < c->count; i++) {
        ZydisDisassembledInstruction text;
        const struct fuzz_insn *insn = &c->insns[i];
        bool good = ZYAN_SUCCESS(ZydisDisassembleIntel(ZYDIS_MACHINE_MODE_LEGACY_32, address + insn->offset,
                                                       insn->bytes, insn->length, &text));
        fprintf(out, "  %08x  ", address + insn->offset);
        for (unsigned k = 0; k < insn->length; k++)
            fprintf(out, "%02x ", insn->bytes[k]);
        fprintf(out, "%*s%s\n", (int)(36 - 3 * insn->length), "", good ? text.text : "?");
    }
}
