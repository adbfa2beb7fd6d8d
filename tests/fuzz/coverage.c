// See coverage.h.
#include "coverage.h"

#include "impossible.h"

#include <stdlib.h>
#include <string.h>

enum { REGISTER, SOFT, DIRECT, BOUNCED, KINDS };
static const char *const kind_names[KINDS] = {"register", "soft", "direct", "bounced"};
static const unsigned sizes[] = {0, 1, 2, 4, 6, 8, 10, 16, 32, 255};
#define SIZES (sizeof sizes / sizeof *sizes)

struct fuzz_coverage {
    const struct fuzz_row *rows;
    unsigned count;
    uint16_t by_key[TABLE_ROWS]; // place in rows + 1, by place in the table
    bool exists[TABLE_ROWS][KINDS][SIZES];
    const char *impossible[TABLE_ROWS][KINDS][SIZES][2];
    uint64_t hits[TABLE_ROWS][KINDS][SIZES][2];
};

static size_t key_of(const struct table_row *row) {
    return (size_t)(row - (table_find(ZYDIS_MNEMONIC_AAA) - ZYDIS_MNEMONIC_AAA));
}

static unsigned size_index(unsigned size) {
    unsigned i = 0;
    while (sizes[i] != fuzz_size_class(size))
        i++;
    return i;
}

// ---- Which cells there are ------------------------------------------------------------------------------------------

static void add_cell(struct fuzz_coverage *v, unsigned row, bool memory, unsigned size) {
    unsigned index = size_index(size);
    for (unsigned kind = memory ? SOFT : REGISTER; kind <= (memory ? BOUNCED : REGISTER); kind++) {
        v->exists[row][kind][index] = true;
        for (unsigned fault = 0; fault < 2; fault++)
            v->impossible[row][kind][index][fault] =
                fuzz_impossible(v->rows[row].row->name, memory, sizes[index], fault);
    }
}

struct fuzz_coverage *fuzz_coverage_create(const struct fuzz_row *rows, unsigned count) {
    struct fuzz_coverage *v = calloc(1, sizeof *v);
    struct fuzz_facts facts;
    const uint8_t *sample;
    if (!v)
        return NULL;
    v->rows = rows;
    v->count = count;
    for (unsigned i = 0; i < count; i++) {
        v->by_key[key_of(rows[i].row)] = (uint16_t)(i + 1);
        for (unsigned form = 0; form < 2 && !rows[i].skipped; form++)
            for (unsigned k = 0; k < rows[i].count[form]; k++)
                add_cell(v, i, rows[i].forms[form][k].touches, rows[i].forms[form][k].size);
    }
    for (unsigned i = 0, length; (sample = fuzz_composed_sample(i, &length)); i++)
        if (fuzz_facts(sample, length, &facts) && v->by_key[key_of(facts.row)])
            add_cell(v, v->by_key[key_of(facts.row)] - 1u, fuzz_touches_memory(facts.row, facts.memory), facts.size);
    return v;
}

void fuzz_coverage_destroy(struct fuzz_coverage *v) {
    free(v);
}

// ---- Counting -------------------------------------------------------------------------------------------------------

// Did this instruction raise the exception? INT3 and INTO leave EIP behind themselves.
static bool raised(const struct fuzz_fault *f, const struct fuzz_insn *insn, uint32_t base) {
    bool trap = f->vector == 3 || f->vector == 4;
    return f->eip - base == insn->offset + (trap ? insn->length : 0u);
}

void fuzz_coverage_add(struct fuzz_coverage *v, const struct fuzz_case *c, const struct fuzz_result *host,
                       const uint8_t *visited) {
    uint32_t base = host->eip - c->size - 1;
    unsigned fault = 0;
    for (unsigned i = 0; i < c->count; i++) {
        const struct fuzz_insn *insn = &c->insns[i];
        struct fuzz_facts facts;
        if (!visited[i])
            continue;
        while (fault < host->faults && host->log[fault].eip - base < insn->offset)
            fault++;
        bool faults = fault < host->faults && raised(&host->log[fault], insn, base);
        fault += faults;
        size_t key = 0;
        unsigned lock = insn->bytes[0] == 0xf0; // decoders refuse it where the processor does: the row is that without
        if (!fuzz_facts(insn->bytes + lock, insn->length - lock, &facts) || (key = key_of(facts.row)) >= TABLE_ROWS ||
            !v->by_key[key])
            continue;
        unsigned size = size_index(facts.size), row = v->by_key[key] - 1u;
        bool memory = fuzz_touches_memory(facts.row, facts.memory);
        for (unsigned kind = memory ? SOFT : REGISTER; kind <= (memory ? BOUNCED : REGISTER); kind++)
            v->hits[row][kind][size][faults]++;
    }
}

// ---- What is behind -------------------------------------------------------------------------------------------------

static bool wanted(const struct fuzz_coverage *v, unsigned row, unsigned kind, unsigned size, unsigned fault) {
    return v->exists[row][kind][size] && !v->impossible[row][kind][size][fault];
}

static unsigned behind(const struct fuzz_coverage *v, uint64_t level, struct fuzz_goal *goals, uint64_t *least) {
    unsigned count = 0;
    *least = UINT64_MAX;
    for (unsigned row = 0; row < v->count; row++)
        for (unsigned kind = REGISTER; kind <= SOFT; kind++) // all forms of memory operands get the same
            for (unsigned size = 0; size < SIZES; size++)
                for (unsigned fault = 0; fault < 2; fault++) {
                    uint64_t hits = v->hits[row][kind][size][fault];
                    if (!wanted(v, row, kind, size, fault))
                        continue;
                    if (hits < *least)
                        *least = hits;
                    if (hits < level && count < COVERAGE_GOALS)
                        goals[count++] = (struct fuzz_goal){
                            .row = (uint16_t)row, .size = (uint8_t)sizes[size], .memory = kind == SOFT, .fault = fault};
                }
    return count;
}

unsigned fuzz_coverage_behind(const struct fuzz_coverage *v, struct fuzz_goal *goals) {
    uint64_t least, ignored;
    unsigned count = behind(v, COVERAGE_WANTED, goals, &least);
    return count ? count : behind(v, 2 * least, goals, &ignored);
}

// ---- Text -----------------------------------------------------------------------------------------------------------

static uint64_t row_total(const struct fuzz_coverage *v, unsigned row) {
    uint64_t total = 0;
    for (unsigned kind = REGISTER; kind <= SOFT; kind++)
        for (unsigned size = 0; size < SIZES; size++)
            total += v->hits[row][kind][size][0] + v->hits[row][kind][size][1];
    return total;
}

void fuzz_coverage_summary(const struct fuzz_coverage *v, FILE *out) {
    unsigned run = 0, skipped = 0, never = 0, cells[2] = {0}, enough[2] = {0}, impossible = 0;
    uint64_t insns = 0;
    for (unsigned row = 0; row < v->count; row++) {
        uint64_t total = row_total(v, row);
        insns += total;
        run += total != 0;
        skipped += v->rows[row].skipped != NULL;
        never += total == 0 && !v->rows[row].skipped;
        for (unsigned kind = 0; kind < KINDS; kind++)
            for (unsigned size = 0; size < SIZES; size++)
                for (unsigned fault = 0; fault < 2; fault++) {
                    impossible += v->impossible[row][kind][size][fault] != NULL;
                    cells[fault] += wanted(v, row, kind, size, fault);
                    enough[fault] +=
                        wanted(v, row, kind, size, fault) && v->hits[row][kind][size][fault] >= COVERAGE_WANTED;
                }
    }
    fprintf(out,
            "%llu instructions; rows: %u run, %u left out, %u never; cells hit %u times or more: %u of %u without "
            "fault, %u of %u with one; %u impossible\n",
            (unsigned long long)insns, run, skipped, never, COVERAGE_WANTED, enough[0], cells[0], enough[1], cells[1],
            impossible);
}

static void print_count(const struct fuzz_coverage *v, unsigned row, unsigned kind, unsigned size, unsigned fault,
                        FILE *out) {
    uint64_t hits = v->hits[row][kind][size][fault];
    bool missing = wanted(v, row, kind, size, fault) && hits < COVERAGE_WANTED;
    if (v->impossible[row][kind][size][fault] && hits == 0)
        fprintf(out, " %12s ", "impossible");
    else
        fprintf(out, " %12llu%c", (unsigned long long)hits, missing ? '<' : ' ');
}

static void print_cell(const struct fuzz_coverage *v, unsigned row, unsigned kind, unsigned size, FILE *out) {
    fprintf(out, "%-14s %-9s %5u", v->rows[row].row->name, kind_names[kind], sizes[size]);
    for (unsigned fault = 0; fault < 2; fault++)
        print_count(v, row, kind, size, fault, out);
    for (unsigned fault = 0; fault < 2; fault++)
        if (v->impossible[row][kind][size][fault])
            fprintf(out, " %s", v->impossible[row][kind][size][fault]);
    fputc('\n', out);
}

void fuzz_coverage_table(const struct fuzz_coverage *v, FILE *out) {
    fprintf(out, "%-14s %-9s %5s %12s  %12s   (<: fewer than %u)\n", "row", "operand", "bytes", "no fault", "fault",
            COVERAGE_WANTED);
    for (unsigned row = 0; row < v->count; row++) {
        if (row_total(v, row) == 0)
            fprintf(out, "%-14s %s\n", v->rows[row].row->name, v->rows[row].skipped ? v->rows[row].skipped : "not run");
        for (unsigned kind = 0; kind < KINDS; kind++)
            for (unsigned size = 0; size < SIZES; size++)
                if (v->exists[row][kind][size] || v->hits[row][kind][size][0] || v->hits[row][kind][size][1])
                    print_cell(v, row, kind, size, out);
    }
}
