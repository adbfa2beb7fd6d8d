// See coverage.h.
#include "coverage.h"

#include <stdlib.h>
#include <string.h>

enum { REGISTER, SOFT, DIRECT, BOUNCED, KINDS };
static const char *const kind_names[KINDS] = {"register", "soft", "direct", "bounced"};
static const unsigned sizes[] = {0, 1, 2, 4, 6, 8, 10, 16, 255};
#define SIZES (sizeof sizes / sizeof *sizes)

struct fuzz_coverage {
    const struct fuzz_row *rows;
    unsigned count;
    uint16_t by_key[TABLE_ROWS]; // place in rows + 1, by place in the table
    uint64_t hits[TABLE_ROWS][KINDS][SIZES][2];
    uint64_t unlisted;
};

static size_t key_of(const struct table_row *row) {
    return (size_t)(row - (table_find(ZYDIS_MNEMONIC_AAA) - ZYDIS_MNEMONIC_AAA));
}

struct fuzz_coverage *fuzz_coverage_create(const struct fuzz_row *rows, unsigned count) {
    struct fuzz_coverage *v = calloc(1, sizeof *v);
    if (!v)
        return NULL;
    v->rows = rows;
    v->count = count;
    for (unsigned i = 0; i < count; i++)
        v->by_key[key_of(rows[i].row)] = (uint16_t)(i + 1);
    return v;
}

void fuzz_coverage_destroy(struct fuzz_coverage *v) {
    free(v);
}

static unsigned size_index(unsigned size) {
    unsigned i = 0;
    while (i + 1 < SIZES && sizes[i] < size)
        i++;
    return i;
}

// Instructions whose memory operand is implied count as having one.
static bool touches_memory(const struct fuzz_facts *f) {
    return f->memory || f->row->kind == KIND_STRING || f->row->kind == KIND_STACK ||
           strcmp(f->row->name, "XLAT") == 0 || strncmp(f->row->name, "MASKMOV", 7) == 0;
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
        bool faults = fault < host->faults && host->log[fault].eip - base == insn->offset;
        size_t key = 0;
        if (!fuzz_facts(insn->bytes, insn->length, &facts) || (key = key_of(facts.row)) >= TABLE_ROWS ||
            !v->by_key[key]) {
            v->unlisted++;
            continue;
        }
        unsigned size = size_index(facts.size), row = v->by_key[key] - 1u;
        bool memory = touches_memory(&facts);
        for (unsigned kind = memory ? SOFT : REGISTER; kind <= (memory ? BOUNCED : REGISTER); kind++)
            v->hits[row][kind][size][faults]++;
    }
}

static uint64_t row_total(const struct fuzz_coverage *v, unsigned row, unsigned kind, int fault) {
    uint64_t total = 0;
    for (unsigned size = 0; size < SIZES; size++)
        total +=
            fault < 0 ? v->hits[row][kind][size][0] + v->hits[row][kind][size][1] : v->hits[row][kind][size][fault];
    return total;
}

void fuzz_coverage_summary(const struct fuzz_coverage *v, FILE *out) {
    unsigned run = 0, skipped = 0, never = 0, cells = 0, enough = 0, fault_cells = 0, fault_enough = 0;
    uint64_t insns = 0;
    for (unsigned row = 0; row < v->count; row++) {
        uint64_t total = row_total(v, row, REGISTER, -1) + row_total(v, row, SOFT, -1);
        insns += total;
        run += total != 0;
        skipped += total == 0 && v->rows[row].skipped;
        never += total == 0 && !v->rows[row].skipped;
        for (unsigned kind = 0; kind < KINDS; kind++)
            for (unsigned size = 0; size < SIZES; size++) {
                uint64_t good = v->hits[row][kind][size][0], bad = v->hits[row][kind][size][1];
                cells += good != 0;
                enough += good >= COVERAGE_WANTED;
                fault_cells += bad != 0;
                fault_enough += bad >= COVERAGE_WANTED;
            }
    }
    fprintf(out,
            "%llu instructions; rows: %u run, %u left out, %u never; cells without fault: %u, %u of them %u times or "
            "more; with fault: %u, %u\n",
            (unsigned long long)insns, run, skipped, never, cells, enough, COVERAGE_WANTED, fault_cells, fault_enough);
}

void fuzz_coverage_table(const struct fuzz_coverage *v, FILE *out) {
    fprintf(out, "%-14s %-9s %5s %12s %12s\n", "row", "operand", "bytes", "no fault", "fault");
    for (unsigned row = 0; row < v->count; row++) {
        const char *name = v->rows[row].row->name;
        if (row_total(v, row, REGISTER, -1) + row_total(v, row, SOFT, -1) == 0)
            fprintf(out, "%-14s %s\n", name, v->rows[row].skipped ? v->rows[row].skipped : "not run");
        for (unsigned kind = 0; kind < KINDS; kind++)
            for (unsigned size = 0; size < SIZES; size++)
                if (v->hits[row][kind][size][0] || v->hits[row][kind][size][1])
                    fprintf(out, "%-14s %-9s %5u %12llu %12llu\n", name, kind_names[kind], sizes[size],
                            (unsigned long long)v->hits[row][kind][size][0],
                            (unsigned long long)v->hits[row][kind][size][1]);
    }
}
