// See compare.h. Not compared: x87 pointers and opcode (FXSAVE stores them when an exception is pending, on some
// processors only), system flags, and what docs/decisions/host-oracle.md lists.
#include "compare.h"

#include "parse.h"

#include <stdarg.h>
#include <string.h>

#define FLAGS_COMPARED 0xcd5u
#define FX_POINTERS    6 // FOP, FIP, FDP
#define FX_MXCSR       24
#define FX_END         288
#define MXCSR_MM_BYTE2 2 // AMD's misaligned mode: what is then read of a shift count is the processor's affair

struct differences {
    char *text;
    size_t room, used;
    unsigned count;
};

__attribute__((format(printf, 2, 3))) static void differ(struct differences *d, const char *format, ...) {
    va_list args;
    d->count++;
    if (d->used >= d->room)
        return;
    va_start(args, format);
    int n = vsnprintf(d->text + d->used, d->room - d->used, format, args);
    va_end(args);
    d->used += n > 0 ? (size_t)n : 0;
}

// A segment with a limit refuses what lies in the last page before the page is looked at: #GP or #SS, not #PF.
static bool beyond_limit(const struct fuzz_fault *host, const struct fuzz_fault *engine) {
    if (host->vector != 14 || (engine->vector != 13 && engine->vector != 12) || engine->error)
        return false;
    uint32_t plain = host->cr2, based = host->cr2 - FUZZ_DATA;
    return plain + 512 < plain || plain > FUZZ_LAST_OFFSET - 512 || based > FUZZ_LAST_OFFSET - 512 || plain < 64 ||
           based < 64;
}

static const struct fuzz_insn *at_eip(const struct fuzz_case *c, const struct fuzz_result *host, uint32_t eip) {
    uint32_t offset = eip - (host->eip - c->size - 1);
    for (unsigned i = 0; i < c->count; i++)
        if (c->insns[i].offset == offset)
            return &c->insns[i];
    return NULL;
}

// In which order the processor reads the parts of an environment or state image is its own affair: CR2 is an address
// of the page in any case.
static bool reads_image(const struct fuzz_parsed *p) {
    return p->map == 0 && (p->opcode == 0xd9 || p->opcode == 0xdd) && p->reg == 4;
}

static bool same_fault(const struct fuzz_case *c, const struct fuzz_result *host, const struct fuzz_fault *h,
                       const struct fuzz_fault *e, enum fuzz_form form) {
    const struct fuzz_insn *insn = at_eip(c, host, h->eip);
    struct fuzz_parsed p = {0};
    if (h->eip != e->eip)
        return false;
    if (h->vector == e->vector && h->error == e->error && h->cr2 == e->cr2)
        return true;
    if (insn)
        fuzz_parse(insn->bytes, insn->length, &p);
    if (h->vector == 14 && e->vector == 14 && reads_image(&p))
        return h->error == e->error && h->cr2 >> 12 == e->cr2 >> 12;
    // A misaligned operand beyond the limit of SS: which of the two the processor sees first.
    if (form == FUZZ_BOUNCED && h->vector == 13 && e->vector == 12 && p.map && p.memory)
        return true;
    return form == FUZZ_BOUNCED && beyond_limit(h, e);
}

static void compare_faults(struct differences *d, const struct fuzz_case *c, const struct fuzz_result *host,
                           const struct fuzz_result *engine, enum fuzz_form form) {
    if (host->faults != engine->faults)
        differ(d, "  %u exceptions, not %u\n", engine->faults, host->faults);
    for (unsigned i = 0; i < host->faults && i < engine->faults && d->count < 4; i++) {
        const struct fuzz_fault *h = &host->log[i], *e = &engine->log[i];
        if (!same_fault(c, host, h, e, form))
            differ(d, "  exception %u: %u(%x) at %08x cr2 %08x, not %u(%x) at %08x cr2 %08x\n", i, e->vector, e->error,
                   e->eip, e->cr2, h->vector, h->error, h->eip, h->cr2);
        if ((h->eflags ^ e->eflags) & FLAGS_COMPARED)
            differ(d, "  flags at exception %u: %03x, not %03x\n", i, e->eflags & FLAGS_COMPARED,
                   h->eflags & FLAGS_COMPARED);
        for (unsigned reg = 0; reg < 8; reg++)
            if (h->gpr[reg] != e->gpr[reg])
                differ(d, "  register %u at exception %u: %08x, not %08x\n", reg, i, e->gpr[reg], h->gpr[reg]);
    }
}

static void compare_fx(struct differences *d, const uint8_t *host, const uint8_t *engine) {
    for (unsigned i = 0; i < FX_END; i++) {
        if ((i >= FX_POINTERS && i < FX_MXCSR) || (i >= FX_MXCSR + 4 && i < 32))
            continue;
        if (host[i] != engine[i] && d->count < 6)
            differ(d, "  byte %u of the FXSAVE image: %02x, not %02x\n", i, engine[i], host[i]);
    }
}

// Did the engine refuse an MXCSR that the host took? With a bit of AMD's that the announced processor has not got.
static bool refused_mxcsr(const struct fuzz_case *c, const struct fuzz_result *host, const struct fuzz_result *engine) {
    for (unsigned i = 0; i < engine->faults; i++) {
        const struct fuzz_fault *e = &engine->log[i];
        const struct fuzz_insn *insn = e->vector == 13 ? at_eip(c, host, e->eip) : NULL;
        struct fuzz_parsed p = {0};
        if (insn)
            fuzz_parse(insn->bytes, insn->length, &p);
        bool ldmxcsr = p.map == 1 && p.opcode == 0xae && p.memory && p.reg == 2;
        if (ldmxcsr && (i >= host->faults || host->log[i].eip != e->eip))
            return true;
    }
    return false;
}

bool fuzz_same(const struct fuzz_case *c, const struct fuzz_result *host, const struct fuzz_result *engine,
               enum fuzz_form form, char *text, size_t room) {
    struct differences d = {.text = text, .room = room};
    text[0] = 0;
    if (host->beyond || host->fx[FX_MXCSR + 2] & MXCSR_MM_BYTE2 || refused_mxcsr(c, host, engine))
        return true;
    compare_faults(&d, c, host, engine, form);
    for (unsigned reg = 0; reg < 8; reg++)
        if (host->gpr[reg] != engine->gpr[reg])
            differ(&d, "  register %u: %08x, not %08x\n", reg, engine->gpr[reg], host->gpr[reg]);
    if ((host->eflags ^ engine->eflags) & FLAGS_COMPARED)
        differ(&d, "  flags: %03x, not %03x\n", engine->eflags & FLAGS_COMPARED, host->eflags & FLAGS_COMPARED);
    if (host->eip != engine->eip)
        differ(&d, "  end: %08x, not %08x\n", engine->eip, host->eip);
    compare_fx(&d, host->fx, engine->fx);
    for (unsigned i = 0; i < sizeof host->ymm; i++)
        if (host->ymm[i / 16][i % 16] != engine->ymm[i / 16][i % 16] && d.count < 6)
            differ(&d, "  byte %u of the upper half of ymm%u: %02x, not %02x\n", i % 16, i / 16,
                   engine->ymm[i / 16][i % 16], host->ymm[i / 16][i % 16]);
    if (memcmp(host->memory, engine->memory, FUZZ_MEMORY) != 0)
        for (unsigned i = 0; i < FUZZ_MEMORY && d.count < 12; i++)
            if (host->memory[i] != engine->memory[i])
                differ(&d, "  memory %08x: %02x, not %02x\n", FUZZ_DATA + i + (i < 0x2000 ? 0 : 0x2000),
                       engine->memory[i], host->memory[i]);
    return d.count == 0;
}
